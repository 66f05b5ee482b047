#include "plain.h"

enum { DEPTH_MAX = 128 }; /* the decoder's cap counts two levels for each of ours */

static void put_base64(weir_buf *out, weir_str bytes)
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

static size_t digits_at(weir_str n, size_t at)
{
    size_t count = 0;
    while (at + count < n.len && n.ptr[at + count] >= '0' && n.ptr[at + count] <= '9')
        count++;
    return count;
}

/* The same digits in JSON's spelling: no plus sign or leading zeros, a digit on both sides of the
 * point. Text that is no number at all becomes a string, so that the line stays valid JSON. */
static void put_number(weir_buf *out, weir_str n)
{
    size_t at = n.len > 0 && (n.ptr[0] == '-' || n.ptr[0] == '+');
    size_t before = out->len, whole = digits_at(n, at), fraction = 0;
    weir_str integer = {n.ptr + at, whole}, point = {NULL, 0}, exponent = {NULL, 0};
    at += whole;
    if (at < n.len && n.ptr[at] == '.') {
        fraction = digits_at(n, at + 1);
        point = (weir_str){n.ptr + at, fraction ? fraction + 1 : 0};
        at += fraction + 1;
    }
    if (at < n.len && (n.ptr[at] == 'e' || n.ptr[at] == 'E')) {
        size_t sign = at + 1 < n.len && (n.ptr[at + 1] == '-' || n.ptr[at + 1] == '+');
        size_t digits = digits_at(n, at + 1 + sign);
        exponent = (weir_str){n.ptr + at, digits ? 1 + sign + digits : 0};
        at += exponent.len;
    }
    if (at != n.len || whole + fraction == 0) {
        out->len = before;
        weir_buf_json_string(out, n);
        return;
    }
    for (; integer.len > 1 && integer.ptr[0] == '0'; integer.ptr++)
        integer.len--;
    put_text(out, n.ptr[0] == '-' ? "-" : "");
    put(out, integer.len ? integer : WEIR_STR("0"));
    put(out, point);
    put(out, exponent);
}

static void put_scalar(const weir_entry *value, weir_buf *out)
{
    if (value->type == WEIR_T_S)
        weir_buf_json_string(out, value->text);
    else if (value->type == WEIR_T_N)
        put_number(out, value->text);
    else if (value->type == WEIR_T_B)
        put_base64(out, value->text);
    else
        put(out, value->type == WEIR_T_BOOL ? value->text : WEIR_STR("null"));
}

struct frame {                      /* an open map, list or set */
    const weir_value *value, *last; /* last: the entry that was put */
    int32_t type;
};

/* Steps to the next entry of `in` and puts what stands before its value; 0 = there is none. */
static int32_t put_step(const weir_host *host, struct frame *in, weir_entry *at, weir_buf *out)
{
    at->value = in->last;
    if (!host->next(in->value, at))
        return 0;
    if (in->last)
        put_char(out, ',');
    in->last = at->value;
    if (in->type == WEIR_T_M) {
        weir_buf_json_string(out, at->name);
        put_char(out, ':');
    }
    return 1;
}

bool put_plain_value(const weir_host *host, const weir_value *value, weir_buf *out)
{
    struct frame stack[DEPTH_MAX];
    size_t depth = 0;
    weir_entry at = {.value = value, .text = host->text(value), .type = host->type(value)};
    do {
        if (at.type >= WEIR_T_M) {
            if (depth == DEPTH_MAX)
                return false;
            stack[depth++] = (struct frame){.value = at.value, .type = at.type};
            put_char(out, at.type == WEIR_T_M ? '{' : '[');
        } else {
            put_scalar(&at, out);
        }
        while (depth > 0 && !put_step(host, &stack[depth - 1], &at, out))
            put_char(out, stack[--depth].type == WEIR_T_M ? '}' : ']');
    } while (depth > 0);
    return true;
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

static void put_member(weir_buf *line, const char *name, weir_str value)
{
    if (value.len == 0)
        return;
    put_char(line, ',');
    weir_buf_json_string(line, weir_cstr(name));
    put_char(line, ':');
    weir_buf_json_string(line, value);
}

bool put_plain_record(const weir_host *host, const weir_record *record, weir_buf *line)
{
    static const struct {
        int32_t image;
        const char *name;
    } images[] = {{WEIR_KEYS, "keys"}, {WEIR_OLD, "old"}, {WEIR_NEW, "new"}};
    int32_t precision = 0;
    int64_t created_us = host->created_us(record, &precision);

    put_text(line, "{\"event\":");
    weir_buf_json_string(line, weir_cstr(event_name(host->event(record))));
    if (precision > 0) {
        put_text(line, ",\"time\":\"");
        put_iso_time(line, created_us, 3 * (precision - 1));
        put_char(line, '"');
    }
    put_member(line, "event_id", host->field(record, WEIR_F_EVENT_ID));
    put_member(line, "table", host->field(record, WEIR_F_TABLE));
    put_member(line, "sequence", host->field(record, WEIR_F_SEQUENCE));
    if (host->field(record, WEIR_F_TTL_DELETE).len > 0)
        put_text(line, ",\"ttl_delete\":true");
    put_member(line, "dead_sink", host->field(record, WEIR_F_DEAD_SINK));
    put_member(line, "dead_reason", host->field(record, WEIR_F_DEAD_REASON));
    put_member(line, "dead_attempts", host->field(record, WEIR_F_DEAD_ATTEMPTS));
    for (size_t i = 0; i < sizeof images / sizeof images[0]; i++) {
        const weir_value *image = host->image(record, images[i].image);
        if (!image)
            continue;
        put_char(line, ',');
        weir_buf_json_string(line, weir_cstr(images[i].name));
        put_char(line, ':');
        if (!put_plain_value(host, image, line))
            return false;
    }
    put_char(line, '}');
    return true;
}
