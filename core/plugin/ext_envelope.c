#include "plugin/ext.h"

#include "plugin/host.h"
#include "plugin/instance.h"
#include "plugin/options.h"

#include <errno.h>

/* The option as the config has it, whose places in the file messages can name. */
static const struct json_value *template_of(const weir_instance *instance)
{
    const weir_option *option = NULL;
    const struct option_value *value = option_find(instance->options, "template", &option);
    return value && value->set ? json_member0(instance->options_json, "template") : NULL;
}

static int32_t open_envelope(weir_instance *instance, int32_t form)
{
    const char *option = "body";
    struct option_problem problem;
    if (!instance || !instance->opening || instance->envelope.form != 0)
        return -EINVAL;
    int rc = envelope_open(&instance->envelope, &host_table, instance, form, template_of(instance),
                           &option, &problem);
    if (rc == -EINVAL)
        instance_option_error(instance, option, problem.at, str_of(problem.msg));
    if (rc < 0)
        return rc;
    weir_subscription wants = envelope_subscription(&instance->envelope, instance->subscription);
    instance->subscription.struct_size = wants.struct_size;
    instance->subscription.images = wants.images;
    return 0;
}

static int32_t put_record(weir_instance *instance, const weir_record *record, weir_str *out)
{
    if (!instance || !record || !out)
        return -EINVAL;
    return envelope_record(&instance->envelope, &host_table, record, out);
}

static int32_t put_value(weir_instance *instance, const weir_value *value, weir_str *out)
{
    if (!instance || !out)
        return -EINVAL;
    return envelope_value(&instance->envelope, &host_table, value, out);
}

const weir_envelope ext_envelope_table = {
    .revision = 1,
    .struct_size = sizeof(weir_envelope),
    .open = open_envelope,
    .record = put_record,
    .value = put_value,
};
