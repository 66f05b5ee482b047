/* The bundled sinks behind the real host, decoder and option checks: what the fake host of their
 * own tests can't show. */
#include "../unit/plugin/support.h"

#include "record/record.h"
#include "util/alloc.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PLUGIN(name) TEST_BUILD "/plugins/" name ".so"

static void run_works(struct rig *rig)
{
    while (still_work(&rig->still))
        ;
    rig_drain(rig);
}

/* What stdout prints for a file of tests/data/samples. From mem_alloc, with room for a decoder's
 * padding. */
static char *printed(const char *options, const char *sample, size_t *len, char notes[4096])
{
    struct rig rig;
    char path[512], *event;
    char *text = mem_zalloc(1, 1 << 20);
    FILE *file = tmpfile();
    CHECK_FATAL(text != NULL && file != NULL);
    snprintf(path, sizeof path, "%s/samples/%s", TEST_DATA, sample);
    event = unit_file(path, NULL);
    rig_init(&rig, PLUGIN("stdout"), options);
    int saved = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    rig_deliver(&rig, event);
    run_works(&rig);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    CHECK_INT(rig.ended, 1);
    snprintf(notes, 4096, "%s", notes_text(&rig.notes));
    rig_done(&rig);
    mem_free(event);
    rewind(file);
    *len = fread(text, 1, (1 << 20) - 64, file);
    fclose(file);
    return text;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        count++;
    return count;
}

static void stdout_plain_shows_every_type(void)
{
    size_t len;
    char notes[4096],
        *text = printed("{\"format\":\"plain\"}", "lambda-event-all-types.json", &len, notes);
    char *line = text;
    CHECK_INT(count_of(text, "\n"), 8);
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) { /* each a JSON document */
        struct arena arena;
        struct json_error error;
        arena_init(&arena, 4096);
        CHECK(json_parse(&arena, (weir_str){line, (size_t)(end - line)}, 0, 0, &error) != NULL);
        arena_done(&arena);
    }
    CHECK(strstr(text, "\"ttl_delete\":true") != NULL);
    CHECK_INT(count_of(notes, " 1 -"), 8);
    mem_free(text);
}

static void stdout_pretty_shows_every_event(void)
{
    size_t len, odd = 0;
    char notes[4096],
        *text = printed("{\"color\":\"never\"}", "lambda-event-all-types.json", &len, notes);
    for (size_t i = 0; i < len; i++)
        odd += (text[i] < ' ' && text[i] != '\n') || text[i] > '~';
    CHECK_INT(odd, 0);
    CHECK_INT(count_of(text, "\n"), 8);
    CHECK(strstr(text, " -> ") != NULL);
    mem_free(text);
}

/* Reading what format json printed gives the same records again. */
static void stdout_json_reads_back_as_the_same_records(void)
{
    size_t len;
    char notes[4096], path[512];
    struct batch *one = NULL, *two = NULL;
    struct err err;
    unsigned long bytes;
    char *text = printed("{\"format\":\"json\"}", "getrecords-all-types.json", &len, notes);
    snprintf(path, sizeof path, "%s/samples/getrecords-all-types.json", TEST_DATA);
    char *event = unit_file(path, &bytes);
    CHECK_INT(batch_decode(event, bytes, NULL, &(struct decode_options){0}, &one, &err), 0);
    CHECK_INT(batch_decode(text, len, NULL, &(struct decode_options){.lines = true}, &two, &err),
              0);
    CHECK_INT(two->record_count, one->record_count);
    for (size_t i = 0; i < one->record_count; i++) {
        const struct record *a = one->records[i], *b = two->records[i];
        CHECK(str_eq(a->event_id, b->event_id) && str_eq(a->position, b->position));
        for (int image = WEIR_KEYS; image <= WEIR_NEW; image *= 2)
            CHECK(value_equal(record_image(a, image), record_image(b, image)));
    }
    batch_unref(one);
    batch_unref(two);
}

#ifdef WEIR_SQLITE
static void pricehistory_keeps_a_hundred_changes_in_a_file(void)
{
    struct folder folder;
    struct rig rig;
    char options[1024], path[1024], *event;
    folder_make(&folder);
    snprintf(options, sizeof options, "{\"store\":\"sqlite\",\"path\":\"%s/h.db\"}", folder.path);
    rig_init(&rig, PLUGIN("pricehistory"), options);
    snprintf(path, sizeof path, "%s/samples/lambda-event-100-price-changes.json", TEST_DATA);
    event = unit_file(path, NULL);
    for (int i = 0; i < 2; i++) {
        rig_deliver(&rig, event);
        run_works(&rig);
    }
    CHECK_INT(rig.ended, 2);
    CHECK_INT(count_of(notes_text(&rig.notes), " 1 -"), 200);
    CHECK_INT(count_of(notes_text(&rig.notes), "Price updated for p-0: 10 -> 11.25"), 2);
    rig_done(&rig);
    mem_free(event);
    folder_remove(&folder);
}
#endif

/* The option tables hold what the host accepts, and checks run without AWS. */
static void instances_open_without_aws(void)
{
    static const struct {
        const char *plugin, *options, *target;
    } rows[] = {
        {PLUGIN("pricehistory"), NULL, "table PriceHistory"},
        {PLUGIN("pricehistory"),
         "{\"timestamp\":\"text\",\"events\":[\"INSERT\",\"MODIFY\"],\"on_missing\":\"record\"}",
         "table PriceHistory"},
        {PLUGIN("stdout"), NULL, "standard output"},
        {PLUGIN("sqs"),
         "{\"queue_url\":\"http://127.0.0.1:9324/0/q.fifo\",\"max_message_bytes\":\"256KiB\"}",
         "queue q.fifo"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        rig_init(&rig, rows[i].plugin, rows[i].options);
        CHECK_STR(rig.instance->target, rows[i].target);
        rig_done(&rig);
    }
}

static void a_sink_without_aws_is_down(void)
{
    struct rig rig;
    struct buf event;
    buf_init(&event, 1 << 16);
    rig_init(&rig, PLUGIN("sqs"), "{\"queue_url\":\"http://127.0.0.1:9324/0/q\"}");
    rig_deliver(&rig, rig_event(1, &event));
    run_works(&rig);
    CHECK(strstr(notes_text(&rig.notes), "0 5 this host has no weir.aws/1") != NULL);
    rig_done(&rig);
    buf_done(&event);
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(stdout_plain_shows_every_type),
        TEST(stdout_pretty_shows_every_event),
        TEST(stdout_json_reads_back_as_the_same_records),
#ifdef WEIR_SQLITE
        TEST(pricehistory_keeps_a_hundred_changes_in_a_file),
#endif
        TEST(instances_open_without_aws),
        TEST(a_sink_without_aws_is_down),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "sinks_real_host", tests);
}
