#include "render.h"

enum { VALUE_SHOWN = 64, KEYS_SHOWN = 128, KEYS_WIDTH = 16 };

#define DIM   "\033[2m"
#define PLAIN "\033[0m"

static const char *event_colour(int32_t event)
{
    switch (event) {
    case WEIR_INSERT:
        return "\033[32m";
    case WEIR_MODIFY:
        return "\033[33m";
    case WEIR_REMOVE:
        return "\033[31m";
    default:
        return "\033[35m";
    }
}

static void put_time(const struct style *style, const weir_record *record, weir_buf *line)
{
    int32_t precision = 0;
    int64_t us = style->host->created_us(record, &precision);
    int64_t seconds = floor_seconds(us);
    struct civil at = civil_of(seconds);
    put_text(line, style->colour ? DIM : "");
    if (precision == 0) {
        put_text(line, "--:--:--");
    } else {
        put_int(line, at.hour, 2);
        put_char(line, ':');
        put_int(line, at.minute, 2);
        put_char(line, ':');
        put_int(line, at.second, 2);
    }
    if (precision > 1) {
        put_char(line, '.');
        put_int(line, (us - seconds * 1000000) / 1000, 3);
    }
    put_text(line, style->colour ? PLAIN "  " : "  ");
}

static bool is_word(weir_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || s.ptr[i] == '"' || s.ptr[i] == '\\')
            return false;
    return s.len > 0;
}

static void put_name(weir_buf *line, weir_str name)
{
    if (is_word(name))
        put_visible(line, name, VALUE_SHOWN);
    else
        weir_buf_json_string(line, name);
}

static void put_value(const weir_host *host, const weir_value *value, weir_buf *line)
{
    int32_t type = host->type(value);
    size_t before = line->len;
    if (type == WEIR_T_NONE)
        put_text(line, "(absent)");
    else if (type == WEIR_T_S && is_word(host->text(value)))
        put(line, host->text(value));
    else if (!put_plain_value(host, value, line))
        put_text(line, "...");
    if (line->len - before > VALUE_SHOWN) {
        line->len = before + VALUE_SHOWN - 3;
        put_text(line, "...");
    }
}

static void put_keys(const weir_host *host, const weir_record *record, weir_buf *line)
{
    const weir_value *keys = host->image(record, WEIR_KEYS);
    size_t before = line->len;
    for (size_t i = 0; i < host->size(keys); i++) {
        weir_str name;
        const weir_value *key = host->entry(keys, i, &name);
        put_text(line, i > 0 ? " " : "");
        put_name(line, name);
        put_char(line, '=');
        put_value(host, key, line);
    }
    while (line->len - before < KEYS_WIDTH && !line->failed)
        put_char(line, ' ');
}

static void put_change(const weir_host *host, weir_str name, const weir_value *was,
                       const weir_value *now, weir_buf *line)
{
    put_text(line, "  ");
    put_name(line, name);
    put_char(line, ' ');
    put_value(host, was, line);
    put_text(line, " -> ");
    put_value(host, now, line);
    if (host->type(was) != WEIR_T_N || host->type(now) != WEIR_T_N)
        return;
    size_t before = line->len;
    put_text(line, "   ");
    put_delta(line, host->text(was), host->text(now));
    if (line->len == before + 3)
        line->len = before;
}

/* An image is an M of at most some hundred attributes; the other image mostly has them in the same
 * order, so that looking at the same place first finds them at once. */
static const weir_value *find(const weir_host *host, const weir_value *image, weir_str name,
                              size_t hint)
{
    size_t size = host->size(image);
    for (size_t k = 0; k < size; k++) {
        weir_str other;
        const weir_value *value = host->entry(image, (hint + k) % size, &other);
        if (weir_equal(name, other))
            return value;
    }
    return NULL;
}

static void put_changes(const weir_host *host, const weir_record *record, weir_buf *line)
{
    const weir_value *was = host->image(record, WEIR_OLD), *now = host->image(record, WEIR_NEW);
    if (!was || !now)
        return;
    for (size_t i = 0; i < host->size(now); i++) {
        weir_str name;
        const weir_value *value = host->entry(now, i, &name), *old = find(host, was, name, i);
        if (!host->equal(old, value))
            put_change(host, name, old, value, line);
    }
    for (size_t i = 0; i < host->size(was); i++) {
        weir_str name;
        const weir_value *old = host->entry(was, i, &name);
        if (!find(host, now, name, i))
            put_change(host, name, old, NULL, line);
    }
}

static void put_new_item(const weir_host *host, const weir_record *record, weir_buf *line)
{
    const weir_value *keys = host->image(record, WEIR_KEYS), *now = host->image(record, WEIR_NEW);
    for (size_t i = 0; i < host->size(now); i++) {
        weir_str name;
        const weir_value *value = host->entry(now, i, &name);
        if (find(host, keys, name, i))
            continue;
        put_text(line, "  ");
        put_name(line, name);
        put_char(line, ' ');
        put_value(host, value, line);
    }
}

void render_pretty(const struct style *style, const weir_record *record, weir_buf *line)
{
    const weir_host *host = style->host;
    int32_t event = host->event(record);
    put_time(style, record, line);
    put_text(line, style->colour ? event_colour(event) : "");
    weir_str name = weir_cstr(event_name(event));
    put(line, name);
    put_text(line, style->colour ? PLAIN : "");
    for (size_t i = name.len; i < 8; i++)
        put_char(line, ' ');
    put_keys(host, record, line);
    if (event == WEIR_INSERT)
        put_new_item(host, record, line);
    else if (event != WEIR_REMOVE)
        put_changes(host, record, line);
    else if (host->field(record, WEIR_F_TTL_DELETE).len > 0)
        put_text(line, "  (expired)");
    weir_str dead = host->field(record, WEIR_F_DEAD_REASON);
    if (host->field(record, WEIR_F_DEAD_SINK).len > 0) {
        put_text(line, "  given up by ");
        put_visible(line, host->field(record, WEIR_F_DEAD_SINK), VALUE_SHOWN);
        put_text(line, ": ");
        put_visible(line, dead, 2 * KEYS_SHOWN);
    }
    while (line->len > 0 && line->ptr[line->len - 1] == ' ')
        line->len--;
}
