#include "shared/body.h"

#include <errno.h>

int body_open(struct body *body, const weir_host *host, weir_instance *instance)
{
    const weir_subscription records_only = {.struct_size = sizeof records_only};
    int64_t form = BODY_AWS, raw = 0;
    host->option_i64(instance, "body", &form);
    host->option_i64(instance, "raw", &raw);
    *body = (struct body){.host = host, .form = (enum body_form)form, .raw = raw != 0};
    if (body->raw && body->form != BODY_AWS) {
        host->option_error(instance, "raw", WEIR_STR("only body aws can be the bytes as received"));
        return -EINVAL;
    }
    return body->form == BODY_AWS ? host->subscribe(instance, &records_only) : 0;
}

bool put_body(const struct body *body, const weir_record *record, weir_buf *out)
{
    weir_str json = body->host->field(record, WEIR_F_DEAD_JSON);
    if (json.len == 0 && body->form == BODY_PLAIN)
        return put_plain_record(body->host, record, out);
    if (json.len == 0)
        json = body->host->field(record, body->raw ? WEIR_F_RAW_JSON : WEIR_F_EVENT_JSON);
    put_json_ascii(out, json);
    return json.len > 0;
}
