#include "plugin/untyped.h"

#include "util/text.h"

#include <errno.h>

enum {
    DEPTH_MAX = 128, /* the decoder's cap counts two levels for each of ours */
    WALK_MAX = 32    /* values at a time */
};

static size_t digits_at(weir_str n, size_t at)
{
    size_t count = 0;
    while (at + count < n.len && n.ptr[at + count] >= '0' && n.ptr[at + count] <= '9')
        count++;
    return count;
}

/* The same digits in JSON's spelling: no plus sign or leading zeros, a digit on both sides of the
 * point. Text that is no number at all becomes a string, so that the line stays valid JSON. */
static void put_number(struct buf *out, weir_str n)
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
        buf_put_json_string(out, n);
        return;
    }
    for (; integer.len > 1 && integer.ptr[0] == '0'; integer.ptr++)
        integer.len--;
    buf_puts(out, n.ptr[0] == '-' ? "-" : "");
    buf_put_str(out, integer.len ? integer : STR("0"));
    buf_put_str(out, point);
    buf_put_str(out, exponent);
}

static void put_scalar(int32_t type, weir_str text, struct buf *out)
{
    if (type == WEIR_T_S) {
        buf_put_json_string(out, text);
    } else if (type == WEIR_T_N) {
        put_number(out, text);
    } else if (type == WEIR_T_B) {
        buf_putc(out, '"');
        buf_put_base64(out, text);
        buf_putc(out, '"');
    } else {
        buf_put_str(out, type == WEIR_T_BOOL ? text : STR("null"));
    }
}

struct frame { /* an open map, list or set */
    int32_t type;
    bool begun; /* something stands in it */
    size_t end; /* place of the walk behind its last value */
};

struct writer {
    struct buf *out;
    size_t depth;
    struct frame stack[DEPTH_MAX];
};

static bool put_open(struct writer *to, int32_t type, size_t end)
{
    if (to->depth == DEPTH_MAX)
        return false;
    to->stack[to->depth++] = (struct frame){.type = type, .end = end};
    buf_putc(to->out, type == WEIR_T_M ? '{' : '[');
    return true;
}

static void put_close(struct writer *to)
{
    buf_putc(to->out, to->stack[--to->depth].type == WEIR_T_M ? '}' : ']');
}

/* The value at this place of the walk. */
static bool put_entry(struct writer *to, const weir_entry *at, size_t place)
{
    while (to->stack[to->depth - 1].end == place)
        put_close(to);
    struct frame *in = &to->stack[to->depth - 1];
    if (in->begun)
        buf_putc(to->out, ',');
    in->begun = true;
    if (in->type == WEIR_T_M) {
        buf_put_json_string(to->out, at->name);
        buf_putc(to->out, ':');
    }
    if (at->type >= WEIR_T_M)
        return put_open(to, at->type, place + 1 + at->below);
    put_scalar(at->type, at->text, to->out);
    return true;
}

int untyped_put_value(const weir_host *host, const weir_value *value, struct buf *out)
{
    struct writer to = {.out = out};
    weir_entry some[WALK_MAX];
    int32_t type = host->type(value);
    size_t count;
    if (type < WEIR_T_M) {
        put_scalar(type, host->text(value), out);
        return buf_error(out);
    }
    put_open(&to, type, SIZE_MAX);
    for (size_t i = 0; (count = host->walk(value, i, some, WALK_MAX)) > 0; i += count)
        for (size_t k = 0; k < count; k++)
            if (!put_entry(&to, &some[k], i + k))
                return -EBADMSG;
    while (to.depth > 0)
        put_close(&to);
    return buf_error(out);
}

const char *untyped_event(int32_t event)
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

void untyped_put_time(const weir_host *host, const weir_record *record, struct buf *out)
{
    int32_t precision = 0;
    int64_t created_us = host->created_us(record, &precision);
    if (precision == 0) {
        buf_puts(out, "null");
        return;
    }
    buf_putc(out, '"');
    buf_put_iso_time(out, created_us, 3 * (precision - 1));
    buf_putc(out, '"');
}

int untyped_put_record(const weir_host *host, const weir_record *record, struct buf *out)
{
    static const struct {
        int32_t which;
        const char *name;
    } facts[] = {{WEIR_F_EVENT_ID, "event_id"},          {WEIR_F_TABLE, "table"},
                 {WEIR_F_SEQUENCE, "sequence"},          {WEIR_F_TTL_DELETE, "ttl_delete"},
                 {WEIR_F_DEAD_SINK, "dead_sink"},        {WEIR_F_DEAD_REASON, "dead_reason"},
                 {WEIR_F_DEAD_ATTEMPTS, "dead_attempts"}};
    static const struct {
        int32_t image;
        const char *name;
    } images[] = {{WEIR_KEYS, "keys"}, {WEIR_OLD, "old"}, {WEIR_NEW, "new"}};
    int32_t precision = 0;
    int rc = 0;

    host->created_us(record, &precision);
    buf_putc(out, '{');
    buf_put_text_member(out, "event", untyped_event(host->event(record)));
    if (precision > 0) {
        buf_put_key(out, "time");
        untyped_put_time(host, record, out);
    }
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        weir_str text = host->field(record, facts[i].which);
        if (facts[i].which == WEIR_F_TTL_DELETE && text.len > 0)
            buf_put_flag_member(out, facts[i].name, true);
        else if (text.len > 0)
            buf_put_member(out, facts[i].name, text);
    }
    for (size_t i = 0; i < sizeof images / sizeof images[0] && rc == 0; i++) {
        const weir_value *image = host->image(record, images[i].image);
        if (!image)
            continue;
        buf_put_key(out, images[i].name);
        rc = untyped_put_value(host, image, out);
    }
    buf_putc(out, '}');
    return rc < 0 ? rc : buf_error(out);
}
