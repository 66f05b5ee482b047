#include "plain.h"

enum {
    DEPTH_MAX = 128,
    WALK_MAX = 32 /* values at a time */
};                /* the decoder's cap counts two levels for each of ours */

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

static void put_scalar(int32_t type, weir_str text, weir_buf *out)
{
    if (type == WEIR_T_S)
        weir_buf_json_string(out, text);
    else if (type == WEIR_T_N)
        put_number(out, text);
    else if (type == WEIR_T_B)
        put_base64(out, text);
    else
        put(out, type == WEIR_T_BOOL ? text : WEIR_STR("null"));
}

struct frame { /* an open map, list or set */
    int32_t type;
    bool begun; /* something stands in it */
    size_t end; /* place of the walk behind its last value */
};

struct writer {
    weir_buf *out;
    size_t depth;
    struct frame stack[DEPTH_MAX];
};

static bool put_open(struct writer *to, int32_t type, size_t end)
{
    if (to->depth == DEPTH_MAX)
        return false;
    to->stack[to->depth++] = (struct frame){.type = type, .end = end};
    put_char(to->out, type == WEIR_T_M ? '{' : '[');
    return true;
}

static void put_close(struct writer *to)
{
    put_char(to->out, to->stack[--to->depth].type == WEIR_T_M ? '}' : ']');
}

/* The value at this place of the walk. */
static bool put_entry(struct writer *to, const weir_entry *at, size_t place)
{
    while (to->stack[to->depth - 1].end == place)
        put_close(to);
    struct frame *in = &to->stack[to->depth - 1];
    if (in->begun)
        put_char(to->out, ',');
    in->begun = true;
    if (in->type == WEIR_T_M) {
        weir_buf_json_string(to->out, at->name);
        put_char(to->out, ':');
    }
    if (at->type >= WEIR_T_M)
        return put_open(to, at->type, place + 1 + at->below);
    put_scalar(at->type, at->text, to->out);
    return true;
}

bool put_plain_value(const weir_host *host, const weir_value *value, weir_buf *out)
{
    struct writer to = {.out = out};
    weir_entry some[WALK_MAX];
    int32_t type = host->type(value);
    size_t count;
    if (type < WEIR_T_M) {
        put_scalar(type, host->text(value), out);
        return true;
    }
    put_open(&to, type, SIZE_MAX);
    for (size_t i = 0; (count = host->walk(value, i, some, WALK_MAX)) > 0; i += count)
        for (size_t k = 0; k < count; k++)
            if (!put_entry(&to, &some[k], i + k))
                return false;
    while (to.depth > 0)
        put_close(&to);
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
