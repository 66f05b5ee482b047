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

static void put_value(const struct style *style, const weir_value *value, weir_buf *line)
{
    const weir_host *host = style->host;
    int32_t type = host->type(value);
    size_t before = line->len;
    if (type == WEIR_T_NONE)
        put_text(line, "(absent)");
    else if (type == WEIR_T_S && is_word(host->text(value)))
        put(line, host->text(value));
    else if (!put_value_body(&style->body, value, line))
        put_text(line, "...");
    if (line->len - before > VALUE_SHOWN) {
        line->len = before + VALUE_SHOWN - 3;
        put_text(line, "...");
    }
}

static void put_keys(const struct style *style, const weir_record *record, weir_buf *line)
{
    const weir_host *host = style->host;
    const weir_value *keys = host->image(record, WEIR_KEYS);
    size_t before = line->len;
    weir_entry key;
    for (size_t i = 0; host->walk(keys, i, &key, 1) > 0; i += 1 + key.below) {
        put_text(line, line->len > before ? " " : "");
        put_name(line, key.name);
        put_char(line, '=');
        put_value(style, key.value, line);
    }
    while (line->len - before < KEYS_WIDTH && !line->failed)
        put_char(line, ' ');
}

static void put_change(const struct style *style, weir_str name, const weir_value *was,
                       const weir_value *now, weir_buf *line)
{
    const weir_host *host = style->host;
    put_text(line, "  ");
    put_name(line, name);
    put_char(line, ' ');
    put_value(style, was, line);
    put_text(line, " -> ");
    put_value(style, now, line);
    if (host->type(was) != WEIR_T_N || host->type(now) != WEIR_T_N)
        return;
    size_t before = line->len;
    put_text(line, "   ");
    put_delta(line, host->text(was), host->text(now));
    if (line->len == before + 3)
        line->len = before;
}

/* The attribute of this name. The other image mostly has them in the same order, so that looking
 * on from *place, behind the one that was found last, finds them at once. */
static const weir_value *find(const weir_host *host, const weir_value *image, weir_str name,
                              size_t *place)
{
    weir_entry at;
    size_t i = *place;
    for (int lap = 0; lap < 2; lap++) {
        for (; host->walk(image, i, &at, 1) > 0; i += 1 + at.below) {
            if (weir_equal(name, at.name)) {
                *place = i + 1 + at.below;
                return at.value;
            }
        }
        i = 0;
    }
    return NULL;
}

static void put_changes(const struct style *style, const weir_record *record, weir_buf *line)
{
    const weir_host *host = style->host;
    const weir_value *was = host->image(record, WEIR_OLD), *now = host->image(record, WEIR_NEW);
    weir_entry at;
    size_t place = 0;
    if (!was || !now)
        return;
    for (size_t i = 0; host->walk(now, i, &at, 1) > 0; i += 1 + at.below) {
        const weir_value *old = find(host, was, at.name, &place);
        if (!host->equal(old, at.value))
            put_change(style, at.name, old, at.value, line);
    }
    place = 0;
    for (size_t i = 0; host->walk(was, i, &at, 1) > 0; i += 1 + at.below)
        if (!find(host, now, at.name, &place))
            put_change(style, at.name, at.value, NULL, line);
}

static void put_new_item(const struct style *style, const weir_record *record, weir_buf *line)
{
    const weir_host *host = style->host;
    const weir_value *keys = host->image(record, WEIR_KEYS), *now = host->image(record, WEIR_NEW);
    weir_entry at;
    size_t place = 0;
    for (size_t i = 0; host->walk(now, i, &at, 1) > 0; i += 1 + at.below) {
        if (find(host, keys, at.name, &place))
            continue;
        put_text(line, "  ");
        put_name(line, at.name);
        put_char(line, ' ');
        put_value(style, at.value, line);
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
    put_keys(style, record, line);
    if (event == WEIR_INSERT)
        put_new_item(style, record, line);
    else if (event != WEIR_REMOVE)
        put_changes(style, record, line);
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
