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
#endif
