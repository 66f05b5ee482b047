#include "admin/tap_record.h"

#include "observe/log_mask.h"
#include "util/decimal.h"
#include "util/text.h"

enum { WHOLE_BYTES_MAX = 128 << 10, VALUE_SHOWN = 64, VALUE_BYTES_MAX = 4096, CHANGES_SHOWN = 32 };

/* Its text into `out`, no longer than people read. */
static void put_text(const struct node *value, weir_str name, const char *const *redact,
                     struct buf *out)
{
    int type = value_type(value);
    weir_str text = value_text(value);
    if (redact_covers(redact, name)) {
        buf_puts(out, "***");
        return;
    }
    if (type == WEIR_T_NULL) {
        buf_puts(out, "null");
    } else if (type == WEIR_T_BOOL || type == WEIR_T_N || type == WEIR_T_S) {
        buf_put_str(out, text);
    } else if (type == WEIR_T_B || redact) {
        /* what lies within might be named by a pattern */
        buf_printf(out, type == WEIR_T_B ? "(%zu bytes)" : "(%zu entries)",
                   type == WEIR_T_B ? text.len : value_size(value));
    } else {
        weir_str json = value_json(value);
        buf_put_str(out, json.len > VALUE_BYTES_MAX ? (weir_str){json.ptr, VALUE_BYTES_MAX} : json);
    }
}

/* A cut must not fall within a character. */
static weir_str shown(weir_str text)
{
    size_t len = text.len > VALUE_SHOWN ? VALUE_SHOWN : text.len;
    while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return (weir_str){text.ptr, len};
}

static void put_value(const struct node *value, weir_str name, const char *const *redact,
                      struct buf *out)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    put_text(value, name, redact, &text);
    weir_str cut = shown(buf_str(&text));
    if (text.failed) {
        buf_puts(out, "\"...\"");
    } else {
        buf_put_json_string(out, cut);
        if (cut.len < text.len) { /* within the quotes */
            out->len--;
            buf_puts(out, "...\"");
        }
    }
    buf_done(&text);
}

static void put_member(struct buf *out, const char *name, const struct node *value,
                       weir_str attribute, const char *const *redact)
{
    if (value_type(value) == WEIR_T_NONE)
        return;
    buf_printf(out, ",\"%s\":", name);
    put_value(value, attribute, redact, out);
}

static void put_delta(const struct node *old, const struct node *now, struct buf *out)
{
    struct decimal before, after;
    if (value_type(old) != WEIR_T_N || value_type(now) != WEIR_T_N ||
        decimal_parse(value_text(old), &before) < 0 || decimal_parse(value_text(now), &after) < 0)
        return;
    size_t len = out->len;
    buf_puts(out, ",\"delta\":\"");
    if (decimal_difference(&after, &before, out))
        buf_putc(out, '"');
    else
        out->len = len;
}

struct changes {
    const char *const *redact;
    struct buf *out;
    size_t count;
};

static void put_change(struct changes *changes, weir_str name, const struct node *old,
                       const struct node *now)
{
    struct buf *out = changes->out;
    if (changes->count++ >= CHANGES_SHOWN)
        return;
    buf_puts(out, changes->count > 1 ? ",{\"name\":" : "{\"name\":");
    buf_put_json_string(out, shown(name));
    put_member(out, "old", old, name, changes->redact);
    put_member(out, "new", now, name, changes->redact);
    if (!redact_covers(changes->redact, name))
        put_delta(old, now, out);
    buf_putc(out, '}');
}

/* What differs between the images; of a new item all but its keys; of one that is gone nothing. */
static void put_changes(struct changes *changes, const struct record *record)
{
    const struct node *old = record_image(record, WEIR_OLD);
    const struct node *now = record_image(record, WEIR_NEW);
    const struct node *keys = record_image(record, WEIR_KEYS);
    bool inserted = record->event == WEIR_INSERT;
    weir_str name;
    if (!now || (!old && !inserted))
        return;
    for (size_t i = 0; i < value_size(now); i++) {
        const struct node *value = value_entry(now, i, &name);
        const struct node *before = inserted ? NULL : value_member(old, name);
        if (inserted ? !value_member(keys, name) : !value_equal(before, value))
            put_change(changes, name, before, value);
    }
    for (size_t i = 0; !inserted && i < value_size(old); i++) {
        const struct node *value = value_entry(old, i, &name);
        if (!value_member(now, name))
            put_change(changes, name, value, NULL);
    }
}

void tap_put_record(const struct record *record, const char *const *redact, struct buf *out)
{
    const struct node *keys = record_image(record, WEIR_KEYS);
    struct changes changes = {redact, out, 0};
    weir_str name;
    buf_puts(out, "{\"event\":");
    buf_put_json_string(out, record_field(record, WEIR_F_EVENT_NAME));
    buf_puts(out, ",\"keys\":{");
    for (size_t i = 0; i < value_size(keys); i++) {
        const struct node *value = value_entry(keys, i, &name);
        buf_puts(out, i ? "," : "");
        buf_put_json_string(out, shown(name));
        buf_putc(out, ':');
        put_value(value, name, redact, out);
    }
    buf_puts(out, "},\"changes\":[");
    put_changes(&changes, record);
    buf_putc(out, ']');
    if (changes.count > CHANGES_SHOWN)
        buf_printf(out, ",\"more_changes\":%zu", changes.count - CHANGES_SHOWN);
}

static void put_typed(const struct node *value, weir_str name, const char *const *redact,
                      struct buf *out)
{
    int type = value_type(value);
    bool holds_others = type == WEIR_T_L || type == WEIR_T_M;
    if (redact_covers(redact, name))
        buf_puts(out, "\"***\"");
    else if (redact && holds_others)
        buf_printf(out, "\"(%zu entries)\"", value_size(value));
    else
        buf_put_str(out, value_json(value));
}

static void put_image(const struct record *record, int image, const char *name,
                      const char *const *redact, struct buf *out)
{
    const struct node *item = record_image(record, image);
    weir_str attribute;
    if (!item)
        return;
    buf_printf(out, ",\"%s\":{", name);
    for (size_t i = 0; i < value_size(item); i++) {
        const struct node *value = value_entry(item, i, &attribute);
        buf_puts(out, i ? "," : "");
        buf_put_json_string(out, attribute);
        buf_putc(out, ':');
        put_typed(value, attribute, redact, out);
    }
    buf_putc(out, '}');
}

void tap_put_whole(const struct record *record, const char *const *redact, struct buf *out)
{
    struct buf text;
    buf_init(&text, WHOLE_BYTES_MAX);
    buf_puts(&text, "{\"eventID\":");
    buf_put_json_string(&text, record_field(record, WEIR_F_EVENT_ID));
    buf_puts(&text, ",\"sequence\":");
    buf_put_json_string(&text, record_field(record, WEIR_F_SEQUENCE));
    buf_puts(&text, ",\"stream\":");
    buf_put_json_string(&text, record_field(record, WEIR_F_STREAM_ARN));
    put_image(record, WEIR_KEYS, "keys", redact, &text);
    put_image(record, WEIR_OLD, "old", redact, &text);
    put_image(record, WEIR_NEW, "new", redact, &text);
    buf_putc(&text, '}');
    buf_puts(out, ",\"record\":");
    buf_put_str(out, text.failed ? STR("null") : buf_str(&text));
    buf_done(&text);
}

void tap_put_keys(const struct record *record, const char *const *redact, struct buf *out)
{
    const struct node *keys = record_image(record, WEIR_KEYS);
    weir_str name;
    for (size_t i = 0; i < value_size(keys); i++) {
        const struct node *value = value_entry(keys, i, &name);
        struct buf text;
        buf_init(&text, 1 << 20);
        put_text(value, name, redact, &text);
        buf_puts(out, i ? " " : "");
        buf_put_str(out, shown(name));
        buf_putc(out, '=');
        buf_put_str(out, shown(buf_str(&text)));
        buf_done(&text);
    }
}
