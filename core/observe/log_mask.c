#define _GNU_SOURCE /* explicit_bzero, memmem */
#include "observe/log_mask.h"

#include "util/alloc.h"

#include <errno.h>
#include <string.h>

/* ---- paths ---- */

static weir_str step_of(weir_str *path)
{
    const char *dot = path->len ? memchr(path->ptr, '.', path->len) : NULL;
    size_t len = dot ? (size_t)(dot - path->ptr) : path->len;
    weir_str step = {path->ptr, len};
    size_t used = dot ? len + 1 : len;
    *path = (weir_str){path->ptr + used, path->len - used};
    return step;
}

/* As wildcards are matched: on a mismatch the last `*` takes one name more. */
static bool covers(weir_str pattern, weir_str path)
{
    weir_str star = STR_NONE, from = STR_NONE;
    bool has_star = false;
    while (path.len > 0) {
        weir_str ahead = pattern, rest = path;
        weir_str want = pattern.len ? step_of(&ahead) : STR_NONE, name = step_of(&rest);
        if (str_is(want, "*")) {
            has_star = true;
            star = pattern = ahead;
            from = path;
        } else if (want.len && str_eq(want, name)) {
            pattern = ahead;
            path = rest;
        } else if (has_star) {
            step_of(&from);
            path = from;
            pattern = star;
        } else {
            return false;
        }
    }
    while (pattern.len > 0)
        if (!str_is(step_of(&pattern), "*"))
            return false;
    return true;
}

bool redact_covers(const char *const *patterns, weir_str path)
{
    for (; patterns && *patterns; patterns++)
        if (path.len && covers(str_of(*patterns), path))
            return true;
    return false;
}

/* ---- what is known ---- */

int mask_add_secret(struct log_mask *mask, weir_str secret)
{
    if (secret.len < MASK_SECRET_MIN_BYTES)
        return 0;
    for (size_t i = 0; i < mask->secret_count; i++)
        if (str_eq(mask->secrets[i], secret))
            return 0;
    if (mask->secret_count == MASK_SECRETS_MAX)
        return -ENOSPC;
    if (!mask->secrets)
        mask->secrets = mem_zalloc(MASK_SECRETS_MAX, sizeof *mask->secrets);
    char *copy = mask->secrets ? mem_dup0(secret.ptr, secret.len) : NULL;
    if (!copy)
        return -ENOMEM;
    mask->secrets[mask->secret_count++] = (weir_str){copy, secret.len};
    return 0;
}

static void free_names(char **names)
{
    for (char **name = names; name && *name; name++)
        mem_free(*name);
    mem_free(names);
}

int mask_set_redact(struct log_mask *mask, const char *const *patterns)
{
    size_t count = 0, kept = 0;
    while (patterns && patterns[count])
        count++;
    char **names = mem_zalloc(count + 1, sizeof *names);
    if (!names)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const char *dot = strrchr(patterns[i], '.');
        const char *name = dot ? dot + 1 : patterns[i];
        if (*name == '\0' || strcmp(name, "*") == 0)
            continue;
        names[kept] = mem_dup0(name, strlen(name));
        if (!names[kept++]) {
            free_names(names);
            return -ENOMEM;
        }
    }
    free_names(mask->names);
    mask->names = names;
    return 0;
}

void mask_done(struct log_mask *mask)
{
    for (size_t i = 0; i < mask->secret_count; i++) {
        explicit_bzero((char *)(uintptr_t)mask->secrets[i].ptr, mask->secrets[i].len);
        mem_free((char *)(uintptr_t)mask->secrets[i].ptr);
    }
    mem_free(mask->secrets);
    free_names(mask->names);
    *mask = (struct log_mask){0};
}

/* ---- in a line ---- */

static bool in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static size_t skip(weir_str text, size_t at, const char *what)
{
    while (at < text.len && strchr(what, text.ptr[at]) && text.ptr[at])
        at++;
    return at;
}

/* The end of a value that begins at `at`: a string, what brackets enclose, or a word. */
static size_t value_end(weir_str text, size_t at)
{
    size_t depth = 0;
    bool quoted = false;
    for (; at < text.len; at++) {
        char c = text.ptr[at];
        if (quoted && c == '\\')
            at++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && depth > 0 && (c == '}' || c == ']'))
            depth--;
        else if (!quoted && depth == 0 && c && strchr(" ,;}]", c))
            return at;
    }
    return text.len;
}

/* name=VALUE, name: VALUE, "name":VALUE at `at`: where the value begins, or 0. */
static size_t value_at(weir_str text, size_t at, const char *name)
{
    size_t len = strlen(name), end = at + len;
    if (end >= text.len || memcmp(text.ptr + at, name, len) != 0 ||
        (at > 0 && in_name(text.ptr[at - 1])) || in_name(text.ptr[end]))
        return 0;
    end = skip(text, end, "\"' ");
    if (end >= text.len || (text.ptr[end] != '=' && text.ptr[end] != ':'))
        return 0;
    return skip(text, end + 1, " ");
}

static size_t redacted_at(const struct log_mask *mask, weir_str text, size_t at)
{
    for (char *const *name = mask->names; name && *name; name++) {
        size_t value = value_at(text, at, *name);
        if (value > 0 && value < text.len)
            return value;
    }
    return 0;
}

static size_t secret_at(const struct log_mask *mask, weir_str text, size_t at)
{
    size_t longest = 0;
    weir_str rest = {text.ptr + at, text.len - at};
    for (size_t i = 0; i < mask->secret_count; i++)
        if (mask->secrets[i].len > longest && str_starts(rest, mask->secrets[i]))
            longest = mask->secrets[i].len;
    return longest;
}

bool mask_needed(const struct log_mask *mask, weir_str text)
{
    for (size_t i = 0; i < mask->secret_count; i++)
        if (memmem(text.ptr, text.len, mask->secrets[i].ptr, mask->secrets[i].len))
            return true;
    for (char *const *name = mask->names; name && *name; name++)
        if (memmem(text.ptr, text.len, *name, strlen(*name)))
            return true;
    return false;
}

void mask_put(const struct log_mask *mask, weir_str text, struct buf *out)
{
    for (size_t at = 0; at < text.len;) {
        size_t secret = secret_at(mask, text, at);
        size_t value = secret ? 0 : redacted_at(mask, text, at);
        if (secret) {
            buf_puts(out, "***");
            at += secret;
        } else if (value) {
            buf_put(out, text.ptr + at, value - at);
            buf_puts(out, "***");
            at = value_end(text, value);
        } else {
            buf_putc(out, text.ptr[at++]);
        }
    }
}
