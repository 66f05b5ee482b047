#include "shared/body.h"

#include <errno.h>

int body_open_form(struct body *body, const weir_host *host, weir_instance *instance, int32_t form)
{
    *body = (struct body){host->extension(instance, WEIR_EXT_ENVELOPE), instance};
    if (!body->envelope) {
        host->log(instance, WEIR_LOG_ERROR, WEIR_STR("this host has no weir.envelope/1"));
        return -ENOTSUP;
    }
    return body->envelope->open(instance, form);
}

int body_open(struct body *body, const weir_host *host, weir_instance *instance)
{
    return body_open_form(body, host, instance, WEIR_B_OPTIONS);
}

static bool append(int32_t rc, weir_str text, weir_buf *out)
{
    if (rc == 0)
        put(out, text);
    else if (rc != -EBADMSG && rc != -EMSGSIZE)
        out->failed = 1;
    return rc == 0;
}

bool put_body(const struct body *body, const weir_record *record, weir_buf *out)
{
    weir_str text = WEIR_NONE;
    return append(body->envelope->record(body->instance, record, &text), text, out);
}

bool put_value_body(const struct body *body, const weir_value *value, weir_buf *out)
{
    weir_str text = WEIR_NONE;
    return append(body->envelope->value(body->instance, value, &text), text, out);
}

void put_base64(weir_buf *out, weir_str bytes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    put_char(out, '"');
    for (size_t i = 0; i < bytes.len; i += 3) {
        uint32_t group = 0;
        size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (k < have ? (unsigned char)bytes.ptr[i + k] : 0);
        char four[4] = {alphabet[group >> 18], alphabet[group >> 12 & 63],
                        have > 1 ? alphabet[group >> 6 & 63] : '=',
                        have > 2 ? alphabet[group & 63] : '='};
        put(out, (weir_str){four, sizeof four});
    }
    put_char(out, '"');
}

const char *event_name(int32_t event)
{
    switch (event) {
    case WEIR_INSERT:
        return "INSERT";
    case WEIR_MODIFY:
        return "MODIFY";
    case WEIR_REMOVE:
        return "REMOVE";
    default:
        return "OTHER";
    }
}
