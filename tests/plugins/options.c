/* One option of each type, and a secret; open() declares, subscribes and logs what it was given. */
#include "sink.h"
#include <inttypes.h>

static void log_text(const weir_host *host, weir_instance *instance, const char *name)
{
    weir_str text;
    if (host->option_str(instance, name, &text))
        weir_logf(host, instance, WEIR_LOG_INFO, "%s=%.*s", name, WEIR_ARG(text));
}

static void log_number(const weir_host *host, weir_instance *instance, const char *name)
{
    int64_t number;
    if (host->option_i64(instance, name, &number))
        weir_logf(host, instance, WEIR_LOG_INFO, "%s=%" PRId64, name, number);
}

static int32_t options_open(const weir_host *host, weir_instance *instance, void **self)
{
    static const char *const watched[] = {"price", "stock.count", NULL};
    static const weir_subscription subscription = {sizeof subscription, WEIR_MODIFY,
                                                   WEIR_OLD | WEIR_NEW, 1, watched};
    weir_str table = {"", 0};
    log_text(host, instance, "table");
    log_text(host, instance, "key");
    log_text(host, instance, "mode");
    log_text(host, instance, "shape");
    log_text(host, instance, "count"); /* of another type: not text */
    log_number(host, instance, "count");
    log_number(host, instance, "loud");
    log_number(host, instance, "every");
    log_number(host, instance, "room");
    log_number(host, instance, "mode");
    log_number(host, instance, "table"); /* of another type: no number */
    log_number(host, instance, "undeclared");
    host->option_str(instance, "table", &table);
    host->declare(instance, WEIR_D_WRITES_TABLE, table);
    host->declare(instance, WEIR_D_TARGET, WEIR_STR("table one"));
    host->declare(instance, WEIR_D_TARGET, WEIR_STR("table two"));
    host->declare(instance, WEIR_D_IAM, WEIR_STR("dynamodb:PutItem x"));
    host->declare(instance, WEIR_D_IAM, WEIR_STR("dynamodb:BatchWriteItem x"));
    int32_t rc = host->subscribe(instance, &subscription);
    return rc == 0 ? plain_open(host, instance, self) : rc;
}

static int32_t options_record(void *self, const weir_record *record)
{
    (void)self;
    (void)record;
    return WEIR_OK;
}

static const weir_option options[] = {
    {"table", NULL, WEIR_O_STRING, WEIR_O_REQUIRED, NULL, "The table that is written to."},
    {"key", NULL, WEIR_O_STRING, WEIR_O_SECRET, NULL, "A secret."},
    {"count", "25", WEIR_O_INT, 0, NULL, "A whole number."},
    {"loud", "true", WEIR_O_BOOL, 0, NULL, "A switch."},
    {"every", "\"5s\"", WEIR_O_DURATION_MS, 0, NULL, "A duration."},
    {"room", NULL, WEIR_O_SIZE_BYTES, 0, NULL, "A size."},
    {"mode", "\"sequence\"", WEIR_O_ENUM, 0, "sequence|seconds|text", "One of three."},
    {"shape", NULL, WEIR_O_JSON, 0, NULL, "Any JSON."},
    {NULL, NULL, 0, 0, NULL, NULL}};
PLUGIN("options", .options = options, .open = options_open, .close = plain_close,
       .record = options_record)
