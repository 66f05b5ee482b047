/* open() refuses: with errno `code`, after an option_error() about `target` when it is "bad", or
 * with 0 although it complained, when it is "liar". */
#include "sink.h"

static int32_t fails_open(const weir_host *host, weir_instance *instance, void **self)
{
    int64_t code = 0;
    weir_str target = {"", 0};
    host->option_i64(instance, "code", &code);
    host->option_str(instance, "target", &target);
    if (weir_equal(target, WEIR_STR("bad")))
        host->option_error(instance, "target", WEIR_STR("\"bad\" is no queue URL"));
    if (weir_equal(target, WEIR_STR("liar")))
        host->option_error(instance, "target", WEIR_STR("complains, then returns 0"));
    if (weir_equal(target, WEIR_STR("bad")))
        return -EINVAL;
    return code != 0 ? (int32_t)code : plain_open(host, instance, self);
}

static int32_t fails_record(void *self, const weir_record *record)
{
    (void)self;
    (void)record;
    return WEIR_OK;
}

static const weir_option options[] = {{"code", "0", WEIR_O_INT, 0, NULL, "What open() returns."},
                                      {"target", NULL, WEIR_O_STRING, 0, NULL, "bad or liar."},
                                      {NULL, NULL, 0, 0, NULL, NULL}};
PLUGIN("openfails", .options = options, .open = fails_open, .close = plain_close,
       .record = fails_record)
