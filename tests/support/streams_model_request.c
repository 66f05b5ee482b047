#include "streams_model_request.h"

#include <stdlib.h>
#include <string.h>

/* ---- requests: one flat object, and one object in it ---- */

static const char *skip_blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

/* Behind the string whose opening quote is at `at`; NULL = it does not end. */
static const char *string_end(const char *at, const char *end)
{
    for (at++; at < end; at++)
        if (*at == '\\')
            at++;
        else if (*at == '"')
            return at + 1;
    return NULL;
}

static const char *value_end(const char *at, const char *end)
{
    int depth = 0;
    while (at < end) {
        if (*at == '"') {
            if (!(at = string_end(at, end)))
                return NULL;
            if (depth == 0)
                return at;
            continue;
        }
        if (depth == 0 && (*at == ',' || *at == '}'))
            return at;
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
        if (depth == 0 && (at[-1] == '}' || at[-1] == ']'))
            return at;
    }
    return NULL;
}

bool request_member(struct span json, const char *name, struct span *out)
{
    const char *end = json.ptr + json.len, *at = skip_blank(json.ptr, end);
    while (at && at < end && (*at == '{' || *at == ',')) {
        const char *key = skip_blank(at + 1, end), *key_end, *value;
        if (key >= end || *key != '"' || !(key_end = string_end(key, end)))
            return false;
        value = skip_blank(key_end, end);
        if (value >= end || *value != ':')
            return false;
        value = skip_blank(value + 1, end);
        if (!(at = value_end(value, end)))
            return false;
        if ((size_t)(key_end - key - 2) == strlen(name) &&
            memcmp(key + 1, name, strlen(name)) == 0) {
            bool quoted = *value == '"';
            *out = (struct span){value + quoted, (size_t)(at - value) - 2 * quoted};
            return true;
        }
        at = skip_blank(at, end);
    }
    return false;
}

struct span request_text(struct streams_model *model, struct span json, const char *name)
{
    struct span raw;
    if (!request_member(json, name, &raw))
        return (struct span){"", 0};
    if (!memchr(raw.ptr, '\\', raw.len))
        return raw;
    size_t start = model->scratch.len;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '\\' && i + 5 < raw.len && raw.ptr[i + 1] == 'u') {
            char hex[5] = {raw.ptr[i + 2], raw.ptr[i + 3], raw.ptr[i + 4], raw.ptr[i + 5], 0};
            c = (char)strtoul(hex, NULL, 16);
            i += 5;
        } else if (c == '\\' && i + 1 < raw.len) {
            c = raw.ptr[++i];
        }
        model_text_put(&model->scratch, &c, 1);
    }
    return (struct span){model->scratch.ptr + start, model->scratch.len - start};
}

bool span_is(struct span text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0;
}

int64_t request_number(struct span json, const char *name, int64_t fallback)
{
    struct span raw;
    char digits[32];
    if (!request_member(json, name, &raw) || raw.len >= sizeof digits)
        return fallback;
    memcpy(digits, raw.ptr, raw.len);
    digits[raw.len] = '\0';
    return strtoll(digits, NULL, 10);
}
