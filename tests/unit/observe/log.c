#include "unit.h"

#include "observe/log.h"
#include "observe/log_mask.h"
#include "util/alloc.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t fixed_wall(void *ctx)
{
    (void)ctx;
    return 1795386074031999; /* 2026-11-22T22:21:14.031Z */
}

static struct clock fixed_clock = {.wall_us = fixed_wall};

/* A log into a pipe. */
struct piped {
    int ends[2];
    struct log *log;
    char text[8192];
};

static void piped_open(struct piped *piped, struct log_config config)
{
    *piped = (struct piped){0};
    CHECK_FATAL(pipe(piped->ends) == 0);
    config.fd = piped->ends[1];
    piped->log = log_new(&config, &fixed_clock);
    CHECK_FATAL(piped->log != NULL);
}

/* What was logged; closes. */
static const char *piped_text(struct piped *piped)
{
    log_free(piped->log);
    close(piped->ends[1]);
    ssize_t got, len = 0;
    while ((got = read(piped->ends[0], piped->text + len, sizeof piped->text - 1 - (size_t)len)) >
           0)
        len += got;
    close(piped->ends[0]);
    return piped->text;
}

static void text_lines_have_time_level_component(void)
{
    struct piped piped;
    piped_open(&piped,
               (struct log_config){.level = WEIR_LOG_INFO, .format = LOG_TEXT, .color = -1});

    log_line(piped.log, WEIR_LOG_INFO, "source", NULL, "%s: %d open shards", "Products", 4);
    log_line(piped.log, WEIR_LOG_WARN, "sink.orders", "W0123", "throttled");
    log_line(piped.log, WEIR_LOG_DEBUG, "source", NULL, "not shown");

    CHECK_STR(piped_text(&piped),
              "2026-11-22T22:21:14.031Z INFO  source    Products: 4 open shards\n"
              "2026-11-22T22:21:14.031Z WARN  sink.orders  throttled  code=W0123\n");
}

static void json_lines_carry_the_context(void)
{
    struct piped piped;
    piped_open(&piped, (struct log_config){.level = WEIR_LOG_INFO, .format = LOG_AUTO});

    log_set_context(piped.log, "function_name", STR("prices"));
    log_set_context(piped.log, "function_memory_size", STR("128"));
    log_set_context(piped.log, "cold_start", STR("true"));
    log_set_context(piped.log, "function_request_id", STR("r-1"));
    log_set_context(piped.log, "cold_start", STR("false"));
    log_set_context(piped.log, "function_name", STR_NONE);
    log_text(piped.log, WEIR_LOG_ERROR, "sink.a", "W0001", STR("bad \"x\"\n"));

    CHECK_STR(piped_text(&piped),
              "{\"timestamp\":\"2026-11-22T22:21:14.031Z\",\"level\":\"ERROR\",\"message\":\"bad "
              "\\\"x\\\"\\n\","
              "\"component\":\"sink.a\",\"service\":\"weir\",\"function_memory_size\":128,"
              "\"function_request_id\":\"r-1\",\"cold_start\":false,\"code\":\"W0001\"}\n");
}

static void S23_hostile_text_stays_on_its_line(void)
{
    struct piped piped;
    piped_open(&piped, (struct log_config){.level = WEIR_LOG_INFO, .format = LOG_TEXT, .color = 0});

    log_text(piped.log, WEIR_LOG_INFO, "a", NULL, STR("x\n2026 ERROR\x1b[2J\xc3\xa9"));

    const char *text = piped_text(&piped);
    for (const char *c = text; *c; c++)
        CHECK((*c >= ' ' && *c < 127) || (*c == '\n' && c[1] == '\0'));
}

static void color_is_only_where_it_was_asked_for(void)
{
    struct piped piped;
    piped_open(&piped, (struct log_config){.level = WEIR_LOG_INFO, .format = LOG_TEXT, .color = 1});
    log_line(piped.log, WEIR_LOG_ERROR, "a", NULL, "m");
    CHECK(strstr(piped_text(&piped), "\033[31mERROR\033[0m") != NULL);

    piped_open(&piped,
               (struct log_config){.level = WEIR_LOG_INFO, .format = LOG_TEXT, .color = -1});
    log_line(piped.log, WEIR_LOG_ERROR, "a", NULL, "m");
    CHECK(strchr(piped_text(&piped), '\033') == NULL);
}

static void journald_gets_a_priority_and_no_time(void)
{
    struct piped piped;
    struct stat info;
    char stream[64];
    CHECK_FATAL(pipe(piped.ends) == 0);
    CHECK(fstat(piped.ends[1], &info) == 0);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)info.st_dev, (uintmax_t)info.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    struct log_config config = {.level = WEIR_LOG_INFO, .fd = piped.ends[1]};
    piped.log = log_new(&config, &fixed_clock);
    unsetenv("JOURNAL_STREAM");
    CHECK_FATAL(piped.log != NULL);
    memset(piped.text, 0, sizeof piped.text);

    log_line(piped.log, WEIR_LOG_WARN, "source", NULL, "late");

    CHECK_STR(piped_text(&piped), "<4>source: late\n");
}

static void *log_many(void *log)
{
    for (int i = 0; i < 20; i++)
        log_line(log, WEIR_LOG_INFO, "thread", NULL, "one line of its own");
    return NULL;
}

static void lines_of_threads_do_not_mix(void)
{
    struct piped piped;
    pthread_t threads[4];
    size_t lines = 0;
    piped_open(&piped, (struct log_config){.level = WEIR_LOG_INFO, .format = LOG_TEXT});

    for (int i = 0; i < 4; i++)
        CHECK_FATAL(pthread_create(&threads[i], NULL, log_many, piped.log) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);

    static const char line[] = "2026-11-22T22:21:14.031Z INFO  thread    one line of its own\n";
    for (const char *at = piped_text(&piped); *at; at += sizeof line - 1, lines++)
        if (strncmp(at, line, sizeof line - 1) != 0) {
            CHECK_STR(at, line);
            break;
        }
    CHECK_INT(lines, 80);
}

static void the_level_changes_while_it_runs(void)
{
    struct piped piped;
    piped_open(&piped, (struct log_config){.level = WEIR_LOG_INFO, .format = LOG_TEXT});

    log_set_level(piped.log, WEIR_LOG_ERROR);
    log_line(piped.log, WEIR_LOG_WARN, "a", NULL, "not shown");
    log_raise(piped.log, WEIR_LOG_DEBUG, 60000);
    log_line(piped.log, WEIR_LOG_DEBUG, "a", NULL, "shown");
    log_raise(piped.log, WEIR_LOG_DEBUG, 0);
    log_line(piped.log, WEIR_LOG_DEBUG, "a", NULL, "not shown");

    CHECK_STR(piped_text(&piped), "2026-11-22T22:21:14.031Z DEBUG a         shown\n");
}

/* ---- levels of components ---- */

static void a_component_has_its_own_level(void)
{
    static const struct log_level levels[] = {
        {"sink", WEIR_LOG_ERROR}, {"sink.a", WEIR_LOG_DEBUG}, {"source", WEIR_LOG_WARN}};
    static const struct {
        const char *component;
        int level;
        bool shown;
    } rows[] = {
        {"sink.a", WEIR_LOG_DEBUG, true},  {"sink.a.b", WEIR_LOG_DEBUG, true},
        {"sink.b", WEIR_LOG_WARN, false},  {"sink.b", WEIR_LOG_ERROR, true},
        {"sink.ab", WEIR_LOG_INFO, false}, {"sinks", WEIR_LOG_INFO, true},
        {"source", WEIR_LOG_INFO, false},  {"source", WEIR_LOG_WARN, true},
        {"run", WEIR_LOG_INFO, true},      {"run", WEIR_LOG_DEBUG, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct piped piped;
        piped_open(&piped, (struct log_config){.level = WEIR_LOG_INFO, .format = LOG_TEXT});
        log_set_levels(piped.log, levels, 3);
        log_line(piped.log, rows[i].level, rows[i].component, NULL, "row %zu", i);
        CHECK_INT(strlen(piped_text(&piped)) > 0, rows[i].shown);
    }
}

/* ---- volume ---- */

static int64_t moving_wall(void *ctx)
{
    return *(int64_t *)ctx * 1000;
}

static size_t lines_with(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

static void repeats_are_folded_by_component_and_code(void)
{
    struct piped piped;
    int64_t now_ms = 1795386074031;
    struct clock clock = {.ctx = &now_ms, .wall_us = moving_wall};
    piped_open(&piped, (struct log_config){.level = WEIR_LOG_INFO, .format = LOG_JSON});
    log_free(piped.log);
    piped.log = log_new(&(struct log_config){.level = WEIR_LOG_INFO, .fd = piped.ends[1]}, &clock);

    for (int i = 0; i < 30; i++) {
        log_line(piped.log, WEIR_LOG_WARN, "sink.a", "W0501", "first %d", i);
        log_line(piped.log, WEIR_LOG_INFO, "sink.a", NULL, "news %d", i);
    }
    log_line(piped.log, WEIR_LOG_WARN, "sink.b", "W0501", "another");
    now_ms += 10000;
    log_line(piped.log, WEIR_LOG_INFO, "run", NULL, "later");
    for (int i = 0; i < 12; i++)
        log_line(piped.log, WEIR_LOG_WARN, "sink.a", "W0501", "second %d", i);
    log_flush(piped.log); /* too early */

    const char *text = piped_text(&piped);
    const char *folded = strstr(text, "\"... 20 more like this in 10 s\",\"component\":\"sink.a\"");
    CHECK_INT(lines_with(text, "first"), 10);
    CHECK_INT(lines_with(text, "news"), 30);
    CHECK_INT(lines_with(text, "another"), 1);
    CHECK_INT(lines_with(text, "second"), 10);
    CHECK(folded && folded < strstr(text, "later"));
    CHECK(strstr(text, "... 2 more like this in 0 s") > folded); /* at the end */
    CHECK_INT(lines_with(text, "more like this"), 2);
    CHECK_INT(lines_with(text, "\"code\":\"W0501\""), 23);
}

static void an_idle_log_says_what_it_folded(void)
{
    struct piped piped;
    int64_t now_ms = 1795386074031;
    struct clock clock = {.ctx = &now_ms, .wall_us = moving_wall};
    piped_open(&piped, (struct log_config){.level = WEIR_LOG_INFO});
    log_free(piped.log);
    piped.log = log_new(&(struct log_config){.level = WEIR_LOG_INFO, .fd = piped.ends[1]}, &clock);
    for (int i = 0; i < 11; i++)
        log_line(piped.log, WEIR_LOG_ERROR, "aws", NULL, "again");
    now_ms -= 3600000; /* the clock is set back */
    log_flush(piped.log);
    CHECK(read(piped.ends[0], piped.text, sizeof piped.text - 1) > 0);
    CHECK(strstr(piped.text, "... 1 more like this in 10 s") != NULL);
    CHECK_INT(log_dropped(piped.log), 0);
    piped_text(&piped);
}

/* However many kinds there are: memory is bounded, and so is what is written in a second. */
static void errors_have_a_rate(void)
{
    struct piped piped;
    int64_t now_ms = 1795386074031;
    struct clock clock = {.ctx = &now_ms, .wall_us = moving_wall};
    int null = open("/dev/null", O_WRONLY);
    struct log *log = log_new(&(struct log_config){.level = WEIR_LOG_INFO, .fd = null}, &clock);
    char component[32];
    int64_t live = mem_live();
    for (int i = 0; i < 1000; i++) {
        snprintf(component, sizeof component, "sink.%d", i);
        log_line(log, WEIR_LOG_ERROR, component, "W0501", "down");
        log_line(log, WEIR_LOG_INFO, component, NULL, "news");
    }
    CHECK_INT(log_dropped(log), 800);
    CHECK(mem_live() - live <= 1); /* the line */
    log_free(log);
    close(null);

    piped_open(&piped, (struct log_config){.level = WEIR_LOG_INFO});
    close(piped.ends[0]); /* nobody takes them */
    signal(SIGPIPE, SIG_IGN);
    log_line(piped.log, WEIR_LOG_INFO, "a", NULL, "lost");
    CHECK_INT(log_dropped(piped.log), 1);
    log_free(piped.log);
    close(piped.ends[1]);
}

/* ---- what is not shown ---- */

static void S17_known_secrets_and_redacted_values_are_not_shown(void)
{
    static const struct {
        const char *line, *shown;
    } rows[] = {
        {"key canary-1 refused", "key *** refused"},
        {"canary-1canary-12", "******"},
        {"canary-", "canary-"},
        {"ssn=12-34 name=x", "ssn=*** name=x"},
        {"{\"ssn\":{\"S\":\"12 34\"},\"n\":1}", "{\"ssn\":***,\"n\":1}"},
        {"{\"ssn\": \"a \\\" b\", \"n\": 1}", "{\"ssn\": ***, \"n\": 1}"},
        {"the ssn: 1234", "the ssn: ***"},
        {"a lossn=1 ssnx=2 ssn", "a lossn=1 ssnx=2 ssn"},
        {"ssn=", "ssn="},
    };
    static const char *const patterns[] = {"*.ssn", "card.*", NULL};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct piped piped;
        char expected[256];
        piped_open(&piped, (struct log_config){.level = WEIR_LOG_INFO, .format = LOG_TEXT});
        log_hide(piped.log, STR("canary-1"));
        log_hide(piped.log, STR("canary-12"));
        log_hide(piped.log, STR("x"));
        CHECK_INT(log_redact(piped.log, patterns), 0);
        log_text(piped.log, WEIR_LOG_INFO, "a", NULL, str_of(rows[i].line));
        snprintf(expected, sizeof expected, "2026-11-22T22:21:14.031Z INFO  a         %s\n",
                 rows[i].shown);
        CHECK_STR(piped_text(&piped), expected);
    }
}

static void redact_patterns_are_paths(void)
{
    static const struct {
        const char *pattern, *path;
        bool covers;
    } rows[] = {
        {"ssn", "ssn", true},
        {"ssn", "a.ssn", false},
        {"*.ssn", "ssn", true},
        {"*.ssn", "a.b.ssn", true},
        {"*.ssn", "a.ssn.x", false},
        {"a.*", "a", true},
        {"a.*", "a.b.c", true},
        {"a.*", "ab", false},
        {"a.*.d", "a.b.c.d", true},
        {"a.*.d", "a.d", true},
        {"a.*.d", "a.d.e", false},
        {"*", "anything", true},
        {"*.a.*.b", "x.a.b.a.b", true},
        {"", "a", false},
        {"a", "", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const patterns[] = {"zzz", rows[i].pattern, NULL};
        if (redact_covers(patterns, str_of(rows[i].path)) != rows[i].covers)
            CHECK_STR(rows[i].path, rows[i].pattern);
    }
    CHECK(!redact_covers(NULL, STR("a")));
}

static void a_log_without_memory_is_none(void)
{
    struct log_config config = {.level = WEIR_LOG_INFO, .fd = 2};
    mem_fail_at(1);
    CHECK(log_new(&config, NULL) == NULL);
    mem_fail_at(0);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"text_lines_have_time_level_component", text_lines_have_time_level_component},
        {"json_lines_carry_the_context", json_lines_carry_the_context},
        {"S23_hostile_text_stays_on_its_line", S23_hostile_text_stays_on_its_line},
        {"color_is_only_where_it_was_asked_for", color_is_only_where_it_was_asked_for},
        {"journald_gets_a_priority_and_no_time", journald_gets_a_priority_and_no_time},
        {"lines_of_threads_do_not_mix", lines_of_threads_do_not_mix},
        {"the_level_changes_while_it_runs", the_level_changes_while_it_runs},
        {"a_component_has_its_own_level", a_component_has_its_own_level},
        {"repeats_are_folded_by_component_and_code", repeats_are_folded_by_component_and_code},
        {"an_idle_log_says_what_it_folded", an_idle_log_says_what_it_folded},
        {"errors_have_a_rate", errors_have_a_rate},
        {"S17_known_secrets_and_redacted_values_are_not_shown",
         S17_known_secrets_and_redacted_values_are_not_shown},
        {"redact_patterns_are_paths", redact_patterns_are_paths},
        {"a_log_without_memory_is_none", a_log_without_memory_is_none},
        {0},
    };
    return unit_main(argc, argv, "log", tests);
}
