/* A growable text buffer and the escaping writers that the bundled sinks share: all of what leaves
 * a sink for a terminal, a log or a queue is printable ASCII. Header only, so that a plugin stays
 * one self-contained file. Appends set `failed` when memory runs out; test it once, at the end. */
#ifndef WEIR_PLUGINS_SHARED_TEXT_H
#define WEIR_PLUGINS_SHARED_TEXT_H
#include <weir/plugin.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(literal) ((weir_str){("" literal), sizeof(literal) - 1})

struct text {
    char *ptr;
    size_t len, cap;
    bool failed; /* content is incomplete; sticky until text_reset */
};

static inline weir_str text_str(const struct text *text)
{
    return (weir_str){text->ptr, text->len};
}

static inline weir_str str_of0(const char *s)
{
    return (weir_str){s, s ? strlen(s) : 0};
}

static inline bool str_same(weir_str a, weir_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_ends_with(weir_str s, weir_str end)
{
    return s.len >= end.len && memcmp(s.ptr + s.len - end.len, end.ptr, end.len) == 0;
}

static inline bool str_contains(weir_str s, const char *part)
{
    size_t len = strlen(part);
    for (size_t i = 0; i + len <= s.len; i++)
        if (memcmp(s.ptr + i, part, len) == 0)
            return true;
    return false;
}

static inline void text_reset(struct text *text) /* keeps the memory */
{
    text->len = 0;
    text->failed = false;
}

static inline void text_free(struct text *text)
{
    free(text->ptr);
    *text = (struct text){0};
}

/* Room for `more` bytes behind len, or NULL. */
static inline char *text_room(struct text *text, size_t more)
{
    if (text->cap - text->len >= more)
        return text->ptr + text->len;
    size_t cap = text->cap ? text->cap : 256;
    while (cap - text->len < more && cap <= SIZE_MAX / 4)
        cap *= 2;
    char *grown = cap - text->len < more ? NULL : realloc(text->ptr, cap);
    if (!grown) {
        text->failed = true;
        return NULL;
    }
    text->ptr = grown;
    text->cap = cap;
    return text->ptr + text->len;
}

static inline void put(struct text *text, weir_str s)
{
    char *at = s.len ? text_room(text, s.len) : NULL;
    if (!at)
        return;
    memcpy(at, s.ptr, s.len);
    text->len += s.len;
}

static inline void putc0(struct text *text, char c)
{
    put(text, (weir_str){&c, 1});
}

static inline void puts0(struct text *text, const char *s)
{
    put(text, str_of0(s));
}

/* Decimal, at least `width` digits, zero-padded. */
static inline void put_int(struct text *text, int64_t value, int width)
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

static inline void put_hex4(struct text *text, uint32_t unit)
{
    static const char hex[] = "0123456789abcdef";
    char out[6] = {
        '\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};
    put(text, (weir_str){out, sizeof out});
}

static inline void put_code_point(struct text *text, uint32_t code)
{
    if (code < 0x10000) {
        put_hex4(text, code);
        return;
    }
    put_hex4(text, 0xd800 + ((code - 0x10000) >> 10));
    put_hex4(text, 0xdc00 + ((code - 0x10000) & 0x3ff));
}

/* Reads one code point at *at and moves *at behind it; a byte that is not UTF-8 gives U+FFFD. */
static inline uint32_t next_code_point(weir_str s, size_t *at)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)s.ptr[(*at)++];
    size_t bytes = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
    if (bytes == 1)
        return lead;
    if (bytes == 0 || lead >= 0xf8 || s.len - *at < bytes - 1)
        return 0xfffd;
    uint32_t code = lead & (0x7fu >> bytes);
    for (size_t i = 0; i < bytes - 1; i++) {
        unsigned char next = (unsigned char)s.ptr[*at + i];
        if ((next & 0xc0) != 0x80)
            return 0xfffd;
        code = code << 6 | (next & 0x3f);
    }
    if (code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0xfffd;
    *at += bytes - 1;
    return code;
}

/* The escaped content of a JSON string, without its quotes. */
static inline void put_json_escaped(struct text *text, weir_str s)
{
    static const char short_escapes[] = "btn\0fr"; /* for bytes 8 to 13 */
    size_t clean = 0;
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            i++;
            continue;
        }
        put(text, (weir_str){s.ptr + clean, i - clean});
        uint32_t code = next_code_point(s, &i);
        clean = i;
        char escape = code == '"' || code == '\\' ? (char)code
                      : code >= 8 && code <= 13   ? short_escapes[code - 8]
                                                  : '\0';
        if (escape) {
            char pair[2] = {'\\', escape};
            put(text, (weir_str){pair, 2});
        } else {
            put_code_point(text, code);
        }
    }
    put(text, (weir_str){s.ptr + clean, s.len - clean});
}

/* A JSON string of printable ASCII only. */
static inline void put_json_string(struct text *text, weir_str s)
{
    putc0(text, '"');
    put_json_escaped(text, s);
    putc0(text, '"');
}

/* Valid JSON text rewritten as one line of printable ASCII: white space between the tokens goes,
 * what is not ASCII in strings becomes \uXXXX, everything else stays as it is. */
static inline void put_json_ascii(struct text *text, weir_str json)
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
            put_code_point(text, next_code_point(json, &i));
        clean = i;
    }
    put(text, (weir_str){json.ptr + clean, json.len - clean});
}

/* For people: printable ASCII as it is, the rest escaped as in JSON; cut after about max_bytes. */
static inline void put_visible(struct text *text, weir_str s, size_t max_bytes)
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
        clean = i;
        next_code_point(s, &i);
        put_json_escaped(text, (weir_str){s.ptr + clean, i - clean});
        clean = i;
    }
    put(text, (weir_str){s.ptr + clean, s.len - clean});
    if (cut)
        puts0(text, "...");
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
static inline void put_iso_time(struct text *text, int64_t us, int digits)
{
    int64_t seconds = floor_seconds(us), fraction = us - seconds * 1000000;
    struct civil at = civil_of(seconds);
    put_int(text, at.year, 4);
    const int parts[] = {at.month, at.day, at.hour, at.minute, at.second};
    for (size_t i = 0; i < 5; i++) {
        putc0(text, "--T::"[i]);
        put_int(text, parts[i], 2);
    }
    if (digits > 0) {
        putc0(text, '.');
        put_int(text, digits == 3 ? fraction / 1000 : fraction, digits);
    }
    putc0(text, 'Z');
}

#endif
