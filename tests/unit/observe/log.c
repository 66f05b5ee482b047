#include "unit.h"

#include "observe/log.h"
#include "util/alloc.h"

#include <pthread.h>
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
        {"a_log_without_memory_is_none", a_log_without_memory_is_none},
        {0},
    };
    return unit_main(argc, argv, "log", tests);
}
