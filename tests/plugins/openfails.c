/* open() refuses: with errno `code`, after an option_error() about `target` when it is "bad", or
 * with 0 although it complained, when it is "liar". It waits for the file `until`. What was opened
 * and closed is written to the file `log`: "open KIND", "close KIND". */
#include "sink.h"
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void note(const struct sink *sink, const char *what)
{
    weir_str path = {"", 0}, kind = {"", 0};
    char line[128];
    if (!sink->host->option_str(sink->instance, "log", &path))
        return;
    sink->host->option_str(sink->instance, "kind", &kind);
    int len = snprintf(line, sizeof line, "%s %.*s\n", what, (int)kind.len, kind.ptr);
    int fd = open(path.ptr, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)len) != len)
        weir_logf(sink->host, sink->instance, WEIR_LOG_ERROR, "the log can't be written");
    if (fd >= 0)
        close(fd);
}

/* A signal ends a sleep early: not the wait. */
static void wait_for_file(const weir_host *host, weir_instance *instance)
{
    const struct timespec moment = {0, 5000000};
    weir_str path = {"", 0};
    if (host->option_str(instance, "until", &path))
        while (access(path.ptr, F_OK) != 0)
            nanosleep(&moment, NULL);
}

static int32_t opened(const weir_host *host, weir_instance *instance, void **self)
{
    int32_t rc = plain_open(host, instance, self);
    if (rc == 0)
        note(*self, "open");
    return rc;
}

static void noted_close(void *self)
{
    note(self, "close");
    plain_close(self);
}

static int32_t fails_open(const weir_host *host, weir_instance *instance, void **self)
{
    int64_t code = 0;
    weir_str target = {"", 0};
    wait_for_file(host, instance);
    host->option_i64(instance, "code", &code);
    host->option_str(instance, "target", &target);
    if (weir_equal(target, WEIR_STR("bad")))
        host->option_error(instance, "target", WEIR_STR("\"bad\" is no queue URL"));
    if (weir_equal(target, WEIR_STR("liar")))
        host->option_error(instance, "target", WEIR_STR("complains, then returns 0"));
    if (weir_equal(target, WEIR_STR("bad")))
        return -EINVAL;
    return code != 0 ? (int32_t)code : opened(host, instance, self);
}

static int32_t fails_record(void *self, const weir_record *record)
{
    (void)self;
    (void)record;
    return WEIR_OK;
}

static const weir_option options[] = {
    {"code", "0", WEIR_O_INT, 0, NULL, "What open() returns."},
    {"target", NULL, WEIR_O_STRING, 0, NULL, "bad or liar."},
    {"until", NULL, WEIR_O_STRING, 0, NULL, "open() waits for this file."},
    {"log", NULL, WEIR_O_STRING, 0, NULL, "A file to note in."},
    {"kind", "\"\"", WEIR_O_STRING, 0, NULL, "Its name there."},
    {NULL, NULL, 0, 0, NULL, NULL}};
PLUGIN("openfails", .options = options, .open = fails_open, .close = noted_close,
       .record = fails_record)
