/* Views: pointer and length, by value, never NUL-terminated by promise. */
#ifndef WEIR_UTIL_STR_H
#define WEIR_UTIL_STR_H
#include <weir/plugin.h>
#include <stdbool.h>
#include <string.h>

#define STR(literal) ((weir_str){("" literal), sizeof(literal) - 1})
#define STR_NONE     ((weir_str){NULL, 0})
/* For %.*s. */
#define STR_ARG(s) ((int)((s).len > 4096 ? 4096 : (s).len)), ((s).ptr ? (s).ptr : "")

static inline weir_str str_of(const char *text) /* NULL -> none */
{
    return (weir_str){text, text ? strlen(text) : 0};
}

static inline bool str_eq(weir_str a, weir_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_is(weir_str a, const char *text)
{
    return str_eq(a, str_of(text));
}

static inline bool str_starts(weir_str s, weir_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool str_ends(weir_str s, weir_str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* `names` end with NULL. */
static inline bool str_is_one_of(weir_str s, const char *const *names)
{
    while (*names && !str_is(s, *names))
        names++;
    return *names;
}

/* By bytes, as memcmp: <0, 0, >0. */
static inline int str_cmp(weir_str a, weir_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Without spaces and tabs at its ends. */
static inline weir_str str_trim(weir_str s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = (weir_str){s.ptr + 1, s.len - 1};
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}
#endif
