#include "record/scan.h"

#include "util/text.h"

const char *scan_fail(struct scan *scan, const char *at, const char *reason)
{
    scan->reason = reason;
    scan->at = at;
    return NULL;
}

/* The four digits behind \u, or -1. */
static int32_t hex4(const char *p)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)p[i];
        unsigned char low = c | 0x20;
        if (c >= '0' && c <= '9')
            value = value << 4 | (c - '0');
        else if (low >= 'a' && low <= 'f')
            value = value << 4 | (low - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* `p` on the backslash of \uXXXX. A surrogate is half a character: alone it has no UTF-8 form. */
static const char *scan_unicode(struct scan *scan, const char *p)
{
    int32_t code = hex4(p + 2);
    if (code < 0)
        return scan_fail(scan, p, "bad \\u escape");
    if (code < 0xd800 || code > 0xdfff)
        return p + 6;
    if (code < 0xdc00 && p[6] == '\\' && p[7] == 'u') {
        int32_t low = hex4(p + 8);
        if (low >= 0xdc00 && low <= 0xdfff)
            return p + 12;
    }
    return scan_fail(scan, p, "lone surrogate");
}

static size_t utf8_length(unsigned char lead)
{
    return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

const char *scan_special(struct scan *scan, const char *p, uint32_t *escaped)
{
    if (*p == '\\') {
        *escaped = 1;
        if (p[1] == 'u')
            return scan_unicode(scan, p);
        if (p[1] != '\0' && strchr("\"\\/bfnrt", p[1]))
            return p + 2;
        return scan_fail(scan, p, "bad escape");
    }
    if ((unsigned char)*p < ' ')
        return scan_fail(scan, p, "control character or end inside a string");
    while ((unsigned char)*p >= 0x80) {
        size_t len = utf8_length((unsigned char)*p);
        if (!utf8_valid(p, len))
            return scan_fail(scan, p, "invalid UTF-8");
        p += len;
    }
    return p;
}

static const char *digits(const char *p)
{
    while (*p >= '0' && *p <= '9')
        p++;
    return p;
}

const char *scan_number(struct scan *scan, const char *p)
{
    const char *start = p;
    if (*p == '-')
        p++;
    const char *whole = p;
    p = *p == '0' ? p + 1 : digits(p);
    if (p == whole)
        return scan_fail(scan, start, "not a JSON value");
    if (*p == '.') {
        const char *fraction = p + 1;
        p = digits(fraction);
        if (p == fraction)
            return scan_fail(scan, start, "bad number");
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        if (*p == '+' || *p == '-')
            p++;
        const char *exponent = p;
        p = digits(p);
        if (p == exponent)
            return scan_fail(scan, start, "bad number");
    }
    return p;
}

/* The kinds of the open containers, one bit each: 1 = object. */
struct levels {
    uint64_t object[SCAN_DEPTH_MAX / 64];
    unsigned count, first;
};

static bool in_object(const struct levels *open)
{
    unsigned top = open->count - 1;
    return open->object[top / 64] >> (top % 64) & 1;
}

static bool push(struct levels *open, bool object)
{
    if (open->first + open->count >= SCAN_DEPTH_MAX)
        return false;
    uint64_t bit = UINT64_C(1) << (open->count % 64);
    uint64_t *word = &open->object[open->count / 64];
    *word = object ? *word | bit : *word & ~bit;
    open->count++;
    return true;
}

/* A member's name and colon. Nearly all values in a stream are {"T":"text"}: those are read here at
 * once, so that *done says that the value is behind the returned place already. */
static const char *skip_name(struct scan *scan, const char *p, bool *done)
{
    uint32_t escaped = 0;
    *done = false;
    if (*p != '"')
        return scan_fail(scan, p, "expected a name");
    p = scan_text(scan, p + 1, &escaped);
    if (!p)
        return NULL;
    if (scan_is_scalar(p) && (p[4] == 'S' || p[4] == 'N')) {
        const char *end = scan_text(scan, p + 8, &escaped);
        if (!end)
            return NULL;
        if (end[1] == '}') {
            *done = true;
            return end + 2;
        }
    }
    return scan_colon(scan, p + 1);
}

static const char *skip_scalar(struct scan *scan, const char *p)
{
    uint32_t escaped = 0;
    if (*p == '"') {
        p = scan_text(scan, p + 1, &escaped);
        return p ? p + 1 : NULL;
    }
    if (*p == '-' || (*p >= '0' && *p <= '9'))
        return scan_number(scan, p);
    return scan_literal(scan, p);
}

/* Behind a value: over the closing brackets, then the comma. Returns the next entry's first byte
 * (the name in an object), or the end of the outermost value with open->count == 0. */
static const char *skip_closers(struct scan *scan, const char *p, struct levels *open)
{
    while (open->count > 0) {
        p = scan_space(p);
        if (*p == ',')
            return scan_space(p + 1);
        if (*p != (in_object(open) ? '}' : ']'))
            return scan_fail(scan, p, "expected ',' or a closing bracket");
        open->count--;
        p++;
    }
    return p;
}

/* One value's beginning: a scalar whole, or a container's bracket (*opened: its first entry
 * follows). */
static const char *skip_value(struct scan *scan, const char *p, struct levels *open, bool *opened)
{
    if (*p != '{' && *p != '[')
        return skip_scalar(scan, p);
    char closer = *p == '{' ? '}' : ']';
    if (!push(open, *p == '{'))
        return scan_fail(scan, p, "nested deeper than 128");
    p = scan_space(p + 1);
    if (*p == closer) {
        open->count--;
        return p + 1;
    }
    *opened = true;
    return p;
}

const char *scan_skip(struct scan *scan, const char *p, unsigned depth)
{
    struct levels open = {.first = depth};
    bool done = false;
    for (;;) {
        bool opened = false;
        if (!done)
            p = skip_value(scan, p, &open, &opened);
        if (p && !opened)
            p = skip_closers(scan, p, &open);
        if (!p || open.count == 0)
            return p;
        done = false;
        if (in_object(&open))
            p = skip_name(scan, p, &done);
        if (!p)
            return NULL;
    }
}

static const char *lenient_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\')
            p++;
    return p < end ? p + 1 : NULL;
}

static bool ends_scalar(char c)
{
    return c == ',' || c == ':' || c == ']' || c == '}' || (unsigned char)c <= ' ';
}

const char *scan_lenient(const char *p, const char *end)
{
    size_t open = 0;
    if (p < end && *p != '"' && *p != '{' && *p != '[') {
        while (p < end && !ends_scalar(*p))
            p++;
        return p;
    }
    while (p < end) {
        if (*p == '"') {
            p = lenient_string(p, end);
            if (!p)
                return NULL;
        } else {
            if (*p == '{' || *p == '[')
                open++;
            else if (*p == '}' || *p == ']')
                open--;
            p++;
        }
        if (open == 0)
            return p;
    }
    return NULL;
}
