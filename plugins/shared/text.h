/* What the bundled sinks write beyond <weir/util.h>: all that leaves a sink for a terminal, a log
 * or a queue is printable ASCII. Header only, so that a plugin stays one self-contained file. */
#ifndef WEIR_PLUGINS_SHARED_TEXT_H
#define WEIR_PLUGINS_SHARED_TEXT_H
#include <weir/util.h>
#include <stdbool.h>

static inline bool str_ends_with(weir_str s, weir_str end)
{
    return s.len >= end.len && memcmp(s.ptr + s.len - end.len, end.ptr, end.len) == 0;
}

static inline bool str_starts_with(weir_str s, weir_str begin)
{
    return s.len >= begin.len && memcmp(s.ptr, begin.ptr, begin.len) == 0;
}

static inline bool str_contains(weir_str s, const char *part)
{
    size_t len = strlen(part);
    for (size_t i = 0; i + len <= s.len; i++)
        if (memcmp(s.ptr + i, part, len) == 0)
            return true;
    return false;
}

/* Of two whole numbers, as text of any length: is `a` the smaller one? */
static inline bool number_less(weir_str a, weir_str b)
{
    while (a.len > 0 && *a.ptr == '0')
        a = weir_view(a.ptr + 1, a.len - 1);
    while (b.len > 0 && *b.ptr == '0')
        b = weir_view(b.ptr + 1, b.len - 1);
    return a.len != b.len ? a.len < b.len : a.len > 0 && memcmp(a.ptr, b.ptr, a.len) < 0;
}

static inline void put(weir_buf *text, weir_str s)
{
    weir_buf_put(text, s);
}

static inline void put_char(weir_buf *text, char c)
{
    weir_buf_put(text, weir_view(&c, 1));
}

static inline void put_text(weir_buf *text, const char *s)
{
    weir_buf_puts(text, s);
}

/* Decimal, at least `width` digits, zero-padded. */
static inline void put_int(weir_buf *text, int64_t value, int width)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    for (; rest > 0 || width > 0; rest /= 10, width--)
        digits[--at] = (char)('0' + rest % 10);
    if (value < 0)
        digits[--at] = '-';
    put(text, (weir_str){digits + at, sizeof digits - at});
}

/* What a JSON string would hold for the character at s.ptr[*at]; *at moves behind it. */
static inline void put_escaped_char(weir_buf *text, weir_str s, size_t *at)
{
    size_t bytes;
    uint32_t point = weir_utf8_next(weir_view(s.ptr + *at, s.len - *at), &bytes);
    *at += bytes;
    if (point > 0xffff) {
        weir_buf_put_unit(text, 0xd800 + ((point - 0x10000) >> 10));
        weir_buf_put_unit(text, 0xdc00 + ((point - 0x10000) & 0x3ff));
    } else {
        weir_buf_put_unit(text, point);
    }
}

/* Valid JSON text rewritten as one line of printable ASCII: white space between the tokens goes,
 * what is not ASCII in strings becomes \uXXXX, everything else stays as it is. */
static inline void put_json_ascii(weir_buf *text, weir_str json)
{
    bool in_string = false;
    size_t clean = 0;
    for (size_t i = 0; i < json.len;) {
        unsigned char c = (unsigned char)json.ptr[i];
        bool drop = !in_string && (c == ' ' || c == '\n' || c == '\r' || c == '\t');
        if (c == '"')
            in_string = !in_string;
        if (!drop && c >= 0x20 && c < 0x7f) {
            i += in_string && c == '\\' && i + 1 < json.len ? 2 : 1;
            continue;
        }
        put(text, (weir_str){json.ptr + clean, i - clean});
        if (drop)
            i++;
        else
            put_escaped_char(text, json, &i);
        clean = i;
    }
    put(text, (weir_str){json.ptr + clean, json.len - clean});
}

/* For people: printable ASCII as it is, the rest escaped as in JSON; cut after about max_bytes. */
static inline void put_visible(weir_buf *text, weir_str s, size_t max_bytes)
{
    bool cut = s.len > max_bytes;
    if (cut) {
        s.len = max_bytes;
        while (s.len > 0 &&
               ((unsigned char)s.ptr[s.len] & 0xc0) == 0x80) /* not inside a character */
            s.len--;
    }
    size_t clean = 0;
    for (size_t i = 0; i < s.len;) {
        if ((unsigned char)s.ptr[i] >= 0x20 && (unsigned char)s.ptr[i] < 0x7f) {
            i++;
            continue;
        }
        put(text, (weir_str){s.ptr + clean, i - clean});
        put_escaped_char(text, s, &i);
        clean = i;
    }
    put(text, (weir_str){s.ptr + clean, s.len - clean});
    if (cut)
        put_text(text, "...");
}

/* What a service says of an error, as the reason of a record: "CODE: MESSAGE", visible, cut. */
static inline void error_text(weir_str code, weir_str message, char *out, size_t out_bytes)
{
    weir_buf text = {0};
    put_visible(&text, code, 64);
    if (message.len > 0) {
        put_text(&text, text.len > 0 ? ": " : "");
        put_visible(&text, message, 160);
    }
    snprintf(out, out_bytes, "%.*s", (int)text.len, text.len ? text.ptr : "");
    weir_buf_free(&text);
}

struct civil { /* UTC */
    int64_t year;
    int month, day, hour, minute, second;
};

/* Whole seconds at or before `us`, also before 1970. */
static inline int64_t floor_seconds(int64_t us)
{
    return us / 1000000 - (us % 1000000 < 0);
}

/* Days from civil, backwards: eras of 400 years (146,097 days) that start on 1 March of year 0. */
static inline struct civil civil_of(int64_t seconds)
{
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int64_t rest = seconds - days * 86400;
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;
    return (struct civil){.year = yoe + era * 400 + (month <= 2),
                          .month = (int)month,
                          .day = (int)(doy - (153 * mp + 2) / 5 + 1),
                          .hour = (int)(rest / 3600),
                          .minute = (int)(rest / 60 % 60),
                          .second = (int)(rest % 60)};
}

/* "2026-11-22T22:21:14Z", with `digits` (0, 3, 6) of the fraction. */
static inline void put_iso_time(weir_buf *text, int64_t us, int digits)
{
    int64_t seconds = floor_seconds(us), fraction = us - seconds * 1000000;
    struct civil at = civil_of(seconds);
    put_int(text, at.year, 4);
    const int parts[] = {at.month, at.day, at.hour, at.minute, at.second};
    for (size_t i = 0; i < 5; i++) {
        put_char(text, "--T::"[i]);
        put_int(text, parts[i], 2);
    }
    if (digits > 0) {
        put_char(text, '.');
        put_int(text, digits == 3 ? fraction / 1000 : fraction, digits);
    }
    put_char(text, 'Z');
}

#endif
