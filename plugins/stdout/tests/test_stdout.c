#include "fakehost.h"
#include "unit.h"

#include "util/alloc.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Standard output, put elsewhere for a while. CUnit prints there too, so nothing is checked
 * meanwhile. */
static int saved_fd;

static void redirect(int fd)
{
    saved_fd = dup(STDOUT_FILENO);
    dup2(fd, STDOUT_FILENO);
}

static void restore(void)
{
    dup2(saved_fd, STDOUT_FILENO);
    close(saved_fd);
}

/* What the sink prints for `records`. Freed by the caller. */
static char *printed(const char *options, const char *records)
{
    static struct fake fake;
    char *text = mem_zalloc(1, 1 << 20);
    FILE *file = tmpfile();
    CHECK_FATAL(file != NULL && text != NULL);
    CHECK_INT(fake_open(&fake, fake_load("stdout"), options), 0);
    redirect(fileno(file));
    struct fake_delivery *delivery = fake_deliver(&fake, records);
    fake_work_all(&fake);
    restore();
    CHECK_INT(fake_outcomes(delivery, WEIR_OK), fake_count(delivery));
    rewind(file);
    CHECK(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    fake_close(&fake);
    return text;
}

#define IDS "\"eventID\":\"e1\",\"eventName\":"
#define AT  "\"ApproximateCreationDateTime\":1763850074,\"SequenceNumber\":\"111\","

static const char modify[] =
    "{" IDS "\"MODIFY\",\"dynamodb\":{" AT "\"Keys\":{\"product_id\":{\"S\":\"p1\"}},"
    "\"OldImage\":{\"product_id\":{\"S\":\"p1\"},\"price\":{\"N\":\"10\"},\"gone\":{\"S\":\"x "
    "y\"}},"
    "\"NewImage\":{\"product_id\":{\"S\":\"p1\"},\"price\":{\"N\":\"12.5\"},\"new\":{\"BOOL\":true}"
    "}}}";

static void pretty_shows_what_changed(void)
{
    char *text = printed("{}", modify);
    CHECK_STR(text,
              "22:21:14  MODIFY  product_id=p1     price 10 -> 12.5   +2.5  new (absent) -> true"
              "  gone \"x y\" -> (absent)\n");
    mem_free(text);
}

static void pretty_is_aligned_and_knows_the_events(void)
{
    char *text =
        printed("{\"color\":\"never\"}",
                "[{" IDS "\"INSERT\",\"dynamodb\":{\"ApproximateCreationDateTime\":1763850074031,"
                "\"Keys\":{\"id\":{\"N\":\"7\"},\"sort\":{\"S\":\"a b\"}},"
                "\"NewImage\":{\"id\":{\"N\":\"7\"},\"sort\":{\"S\":\"a "
                "b\"},\"tags\":{\"SS\":[\"x\",\"y\"]}}}},"
                "{" IDS "\"REMOVE\",\"userIdentity\":{\"type\":\"Service\"},\"dynamodb\":{" AT
                "\"Keys\":{\"id\":{\"N\":\"7\"}},\"OldImage\":{\"id\":{\"N\":\"7\"}}}},"
                "{" IDS "\"ODD\",\"dynamodb\":{\"Keys\":{\"id\":{\"B\":\"AAEC/w==\"}}}}]");
    CHECK_STR(text, "22:21:14.031  INSERT  id=7 sort=\"a b\"   tags [\"x\",\"y\"]\n"
                    "22:21:14  REMOVE  id=7              (expired)\n"
                    "--:--:--  OTHER   id=\"AAEC/w==\"\n");
    mem_free(text);
}

static void pretty_colours_on_demand_only(void)
{
    char *colour = printed("{\"color\":\"always\"}", modify),
         *plain = printed("{\"color\":\"auto\"}", modify);
    CHECK(strstr(colour, "\033[33mMODIFY\033[0m") != NULL);
    CHECK(strchr(plain, '\033') == NULL); /* a file is no terminal */
    mem_free(colour);
    mem_free(plain);
}

static void pretty_delta_is_exact_or_absent(void)
{
    static const struct {
        const char *was, *now, *delta;
    } rows[] = {
        {"10", "12.5", "   +2.5\n"},
        {"12.5", "10", "   -2.5\n"},
        {"0.1", "0.3", "   +0.2\n"},
        {"-5", "5", "   +10\n"},
        {"5", "-5", "   -10\n"},
        {"999", "1000", "   +1\n"},
        {"1.05", "1", "   -0.05\n"},
        {"19.99", "1999", "   +1979.01\n"},
        {"12345678901234567890123456789012345678", "12345678901234567890123456789012345679",
         "   +1\n"},
        {"1E10", "2", "1E10 -> 2\n"},
        {"1", "10000000000000000000000000000000000000000000000000000",
         "-> 10000000000000000000000000000000000000000000000000000\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char record[1024];
        snprintf(record, sizeof record,
                 "{" IDS "\"MODIFY\",\"dynamodb\":{\"Keys\":{\"i\":{\"N\":\"1\"}},"
                 "\"OldImage\":{\"v\":{\"N\":\"%s\"}},\"NewImage\":{\"v\":{\"N\":\"%s\"}}}}",
                 rows[i].was, rows[i].now);
        char *text = printed("{}", record);
        size_t len = strlen(text), want = strlen(rows[i].delta);
        CHECK_STR(len > want ? text + len - want : text, rows[i].delta);
        mem_free(text);
    }
}

static void json_is_the_record_on_one_ascii_line(void)
{
    char *text = printed("{\"format\":\"json\"}",
                         "{ \"eventID\" : \"e\xc3\xa9\",\n\t\"dynamodb\": {\"Keys\": "
                         "{\"k\\\\\\\"\": {\"S\": \"\xf0\x9f\x98\x80 a\\nb\"}}}}");
    CHECK_STR(text, "{\"eventID\":\"e\\u00e9\",\"dynamodb\":{\"Keys\":{\"k\\\\\\\"\":{\"S\":"
                    "\"\\ud83d\\ude00 a\\nb\"}}}}\n");
    mem_free(text);
}

static void plain_is_untyped_and_exact(void)
{
    char *text = printed("{\"format\":\"plain\"}",
                         "{" IDS "\"INSERT\",\"dynamodb\":{" AT
                         "\"Keys\":{\"id\":{\"N\":\"12345678901234567890123456789012345678\"}},"
                         "\"NewImage\":{\"a\":{\"N\":\"0010.00\"},\"b\":{\"N\":\"+.5\"},\"c\":{"
                         "\"N\":\"1.\"},\"d\":{\"N\":\"-1E+3\"},\"e\":{\"N\":\"x\"},"
                         "\"f\":{\"L\":[{\"NULL\":true},{\"M\":{\"x\":{\"BOOL\":false}}},{\"L\":[]}"
                         "]},\"g\":{\"NS\":[\"1\",\"2.50\"]},"
                         "\"h\":{\"B\":\"AAEC/"
                         "w==\"},\"i\":{\"BS\":[\"AA==\"]},\"j\":{\"SS\":[\"s\"]},\"k\":{\"S\":"
                         "\"\"},\"l\":{\"M\":{}},\"m\":{\"N\":\"-000\"}}}}");
    CHECK_STR(text,
              "{\"event\":\"INSERT\",\"time\":\"2025-11-22T22:21:14Z\",\"event_id\":\"e1\","
              "\"table\":\"Products\","
              "\"sequence\":\"111\",\"keys\":{\"id\":12345678901234567890123456789012345678},"
              "\"new\":{\"a\":10.00,\"b\":0.5,\"c\":1,\"d\":-1E+3,\"e\":\"x\","
              "\"f\":[null,{\"x\":false},[]],\"g\":[1,2.50],"
              "\"h\":\"AAEC/w==\",\"i\":[\"AA==\"],\"j\":[\"s\"],\"k\":\"\",\"l\":{},\"m\":-0}}\n");
    mem_free(text);
}

/* Escape sequences, C1 controls, line and paragraph separators, DEL, NUL: in names and in values.
 */
static void F83_hostile_text_can_not_move_the_cursor(void)
{
    static const char *const options[] = {"{\"color\":\"never\"}", "{\"format\":\"json\"}",
                                          "{\"format\":\"plain\"}"};
    static const char evil[] =
        "\\u001b[2J\\n\\r\\u0000\xc2\x9b\x7f\xe2\x80\xa8\xe2\x80\xa9\\u0085\xf3\xa0\x81\xb1";
    char record[2048];
    snprintf(record, sizeof record,
             "{" IDS "\"MODIFY\",\"dynamodb\":{\"Keys\":{\"%s\":{\"S\":\"%s\"}},"
             "\"OldImage\":{\"%s\":{\"S\":\"a\"}},\"NewImage\":{\"%s\":{\"M\":{\"%s\":{\"S\":\"%"
             "s\"}}}}}}",
             evil, evil, evil, evil, evil, evil);
    for (size_t i = 0; i < 3; i++) {
        char *text = printed(options[i], record);
        size_t len = strlen(text), odd = 0;
        for (size_t k = 0; k + 1 < len; k++)
            odd += text[k] < ' ' || text[k] > '~';
        CHECK_INT(odd, 0);
        CHECK_INT(text[len - 1], '\n');
        mem_free(text);
    }
}

static void dead_letters_are_shown_with_their_reason(void)
{
    static struct fake fake = {.dead_sink = "price",
                               .dead_reason = "no\033pe",
                               .dead_attempts = "8",
                               .dead_json = "{\"reason\": \"nope\"}"};
    char text[2][512] = {{0}};
    for (int i = 0; i < 2; i++) {
        FILE *file = tmpfile();
        struct fake world = fake;
        CHECK_INT(fake_open(&world, fake_load("stdout"), i ? "{\"format\":\"json\"}" : "{}"), 0);
        redirect(fileno(file));
        fake_deliver(&world, modify);
        fake_work_all(&world);
        restore();
        rewind(file);
        CHECK(fread(text[i], 1, sizeof text[i] - 1, file) > 0);
        fclose(file);
        fake_close(&world);
    }
    CHECK(strstr(text[0], "  given up by price: no\\u001bpe\n") != NULL);
    CHECK_STR(text[1], "{\"reason\":\"nope\"}\n");
}

static void raw_needs_format_json(void)
{
    static struct fake fake;
    CHECK_INT(fake_open(&fake, fake_load("stdout"), "{\"raw\":true}"), -22);
    CHECK_STR(fake.option_error, "raw: only format json can show the bytes as received");
    fake_close(&fake);
}

static void F75_reader_gone_means_down(void)
{
    static struct fake fake;
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    CHECK_INT(fake_open(&fake, fake_load("stdout"), "{}"), 0);
    close(ends[0]);
    redirect(ends[1]);
    struct fake_delivery *delivery = fake_deliver(&fake, modify);
    fake_work_all(&fake);
    restore();
    close(ends[1]);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_DOWN);
    CHECK_STR(fake_reason(delivery, 0), "can't write to standard output: Broken pipe");
    fake_close(&fake);
}

static int fill_pipe(int fd)
{
    static char junk[4096];
    int total = 0;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (ssize_t n; (n = write(fd, junk, sizeof junk)) > 0;)
        total += (int)n;
    fcntl(fd, F_SETFL, 0);
    return total;
}

static void F75_full_pipe_blocks_no_loop_and_can_be_cancelled(void)
{
    static struct fake fake;
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    fill_pipe(ends[1]);
    CHECK_INT(fake_open(&fake, fake_load("stdout"), "{}"), 0);
    redirect(ends[1]);
    struct fake_delivery *delivery =
        fake_deliver(&fake, modify); /* returns: the loop is not blocked */
    fake_work_begin(&fake);
    int before = fake_outcome(delivery, 0);
    fake_cancel(&fake, delivery);
    fake_work_end(&fake);
    restore();
    close(ends[0]);
    close(ends[1]);
    CHECK_INT(before, 0);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_RETRY);
    fake_close(&fake);
}

struct reader {
    int fd;
    char *text;
    size_t len;
};

static void *read_slowly(void *arg)
{
    struct reader *reader = arg;
    for (ssize_t n; (n = read(reader->fd, reader->text + reader->len, 777)) > 0;)
        reader->len += (size_t)n;
    return NULL;
}

/* More than a pipe holds, in short reads, over a descriptor that says EAGAIN. */
static void F75_short_writes_keep_lines_whole(void)
{
    static struct fake fake;
    enum { RECORDS = 900 };
    int ends[2];
    char *json = mem_alloc(RECORDS * 512);
    size_t len = 0;
    struct reader reader = {.text = mem_zalloc(1, 1 << 20)};
    pthread_t thread;
    CHECK_INT(pipe(ends), 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    reader.fd = ends[0];
    for (int i = 0; i < RECORDS; i++)
        len += (size_t)snprintf(
            json + len, 512,
            "%c{\"eventID\":\"%d\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"%0200d\"}}}}",
            i ? ',' : '[', i, i);
    json[len++] = ']';
    CHECK_INT(fake_open(&fake, fake_load("stdout"), "{\"format\":\"json\"}"), 0);
    pthread_create(&thread, NULL, read_slowly, &reader);
    redirect(ends[1]);
    struct fake_delivery *delivery = fake_deliver_text(&fake, (weir_str){json, len});
    fake_work_all(&fake);
    restore();
    close(ends[1]);
    pthread_join(thread, NULL);
    close(ends[0]);
    CHECK_INT(fake_outcomes(delivery, WEIR_OK), RECORDS);
    char *line = reader.text;
    for (int i = 0; i < RECORDS; i++) { /* in stream order, each whole */
        char want[300];
        int want_len = snprintf(
            want, sizeof want,
            "{\"eventID\":\"%d\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"%0200d\"}}}}\n", i, i);
        if (strncmp(line, want, (size_t)want_len) != 0)
            CU_FAIL_FATAL("a line is broken or out of order");
        line += want_len;
    }
    CHECK_INT(*line, 0);
    mem_free(json);
    mem_free(reader.text);
    fake_close(&fake);
}

/* A line cut off by cancel() must not swallow the beginning of the next one. */
static void F75_torn_line_is_ended_before_the_next(void)
{
    static struct fake fake;
    int ends[2];
    char *big = mem_alloc(200000), *got = mem_zalloc(1, 400000);
    CHECK_INT(pipe(ends), 0);
    snprintf(big, 200000, "{\"eventID\":\"%0150000d\"}", 1);
    CHECK_INT(fake_open(&fake, fake_load("stdout"), "{\"format\":\"json\"}"), 0);
    redirect(ends[1]);
    struct fake_delivery *torn = fake_deliver(&fake, big);
    fake_work_begin(&fake);
    size_t len = (size_t)read(ends[0], got, 100); /* it is being written */
    fake_cancel(&fake, torn);
    fake_work_end(&fake);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    for (ssize_t n; (n = read(ends[0], got + len, 4096)) > 0;)
        len += (size_t)n;
    CHECK_INT(fake_outcome(torn, 0), WEIR_RETRY);
    fake_deliver(&fake, "{\"eventID\":\"next\"}");
    fake_work_all(&fake);
    restore();
    ssize_t n = read(ends[0], got + len, 4096);
    CHECK_STR(got + len, "\n{\"eventID\":\"next\"}\n");
    CHECK_INT(n, 20);
    close(ends[0]);
    close(ends[1]);
    mem_free(big);
    mem_free(got);
    fake_close(&fake);
}

static void two_instances_share_nothing(void)
{
    static struct fake one, two;
    const weir_plugin *plugin = fake_load("stdout");
    char text[1024] = {0};
    FILE *file = tmpfile();
    CHECK_INT(fake_open(&one, plugin, "{\"format\":\"json\"}"), 0);
    CHECK_INT(fake_open(&two, plugin, "{\"format\":\"plain\"}"), 0);
    redirect(fileno(file));
    fake_deliver(&one, "{\"eventID\":\"1\"}");
    fake_deliver(&two, "{\"eventID\":\"2\"}");
    fake_work_all(&two);
    fake_work_all(&one);
    restore();
    rewind(file);
    CHECK(fread(text, 1, sizeof text - 1, file) > 0);
    CHECK_STR(
        text,
        "{\"event\":\"OTHER\",\"event_id\":\"2\",\"table\":\"Products\"}\n{\"eventID\":\"1\"}\n");
    fclose(file);
    fake_close(&one);
    fake_close(&two);
}

static void host_without_threads_is_down_not_blocked(void)
{
    static struct fake fake = {.no_work = true};
    CHECK_INT(fake_open(&fake, fake_load("stdout"), "{}"), 0);
    struct fake_delivery *delivery = fake_deliver(&fake, modify);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_DOWN);
    fake_close(&fake);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"pretty_shows_what_changed", pretty_shows_what_changed},
        {"pretty_is_aligned_and_knows_the_events", pretty_is_aligned_and_knows_the_events},
        {"pretty_colours_on_demand_only", pretty_colours_on_demand_only},
        {"pretty_delta_is_exact_or_absent", pretty_delta_is_exact_or_absent},
        {"json_is_the_record_on_one_ascii_line", json_is_the_record_on_one_ascii_line},
        {"plain_is_untyped_and_exact", plain_is_untyped_and_exact},
        {"F83_hostile_text_can_not_move_the_cursor", F83_hostile_text_can_not_move_the_cursor},
        {"dead_letters_are_shown_with_their_reason", dead_letters_are_shown_with_their_reason},
        {"raw_needs_format_json", raw_needs_format_json},
        {"F75_reader_gone_means_down", F75_reader_gone_means_down},
        {"F75_full_pipe_blocks_no_loop_and_can_be_cancelled",
         F75_full_pipe_blocks_no_loop_and_can_be_cancelled},
        {"F75_short_writes_keep_lines_whole", F75_short_writes_keep_lines_whole},
        {"F75_torn_line_is_ended_before_the_next", F75_torn_line_is_ended_before_the_next},
        {"two_instances_share_nothing", two_instances_share_nothing},
        {"host_without_threads_is_down_not_blocked", host_without_threads_is_down_not_blocked},
        {NULL, NULL},
    };
    signal(SIGPIPE, SIG_IGN); /* as the host does */
    return unit_main(argc, argv, "plugin_stdout", tests);
}
