#include "config/interpolate.h"

#include "config/file.h"
#include "config/load.h"
#include "config/tree.h"
#include "util/text.h"

#include <errno.h>

enum { NESTING_MAX = 4, RESULT_MAX_BYTES = 64 * 1024 };

struct expansion {
    const struct interpolation *in;
    const struct json_value *value;
    struct buf *out;
};

/* Where a piece of the value's text stands in the file. With escapes the two differ: the whole
 * value. */
static weir_str marked(const struct expansion *x, weir_str piece)
{
    return x->value->escaped ? x->value->raw : piece;
}

/* The index of the '}' that closes an expression beginning at `from`, or text.len. */
static size_t closing(weir_str text, size_t from)
{
    size_t depth = 1;
    for (size_t i = from; i < text.len; i++) {
        if (text.ptr[i] == '$' && i + 1 < text.len && text.ptr[i + 1] == '{')
            depth++;
        else if (text.ptr[i] == '}' && --depth == 0)
            return i;
    }
    return text.len;
}

static bool name_valid(weir_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.len > 0;
}

static void malformed(const struct expansion *x, weir_str piece, const char *why)
{
    struct diag *diag = diag_error(x->in->diags, "W0111", marked(x, piece), "%s", why);
    diag_help(
        x->in->diags, diag,
        "write \"${NAME}\", \"${NAME:-default}\" or \"${file:PATH}\"; a dollar sign is \"$$\".");
}

static void expand(const struct expansion *x, weir_str text, int depth);

static void expand_file(const struct expansion *x, weir_str whole, weir_str path_text, int depth)
{
    struct diags *diags = x->in->diags;
    struct buf path;
    buf_init(&path, 4096);
    struct expansion inner = {x->in, x->value, &path};
    expand(&inner, path_text, depth + 1);

    weir_str content;
    const char *name = path_in(x->in->arena, x->in->dir, buf_str(&path));
    int rc = name ? file_read(x->in->arena, name, RESULT_MAX_BYTES, &content) : -ENOMEM;
    if (rc == 0 && content.len > 0 && content.ptr[content.len - 1] == '\n')
        content.len -= content.len > 1 && content.ptr[content.len - 2] == '\r' ? 2 : 1;
    if (rc == 0 &&
        (!utf8_valid(content.ptr, content.len) || memchr(content.ptr, '\0', content.len)))
        rc = -EILSEQ;
    if (rc < 0) {
        struct diag *diag = diag_error(diags, "W0112", marked(x, whole), "can't read \"%.*s\": %s",
                                       STR_ARG(path_text), file_reason(rc));
        diag_help(diags, diag,
                  "relative paths are relative to the folder of the configuration file.");
    } else {
        diags_add_secret(diags, content);
        buf_put_str(x->out, content);
    }
    buf_done(&path);
}

static void expand_name(const struct expansion *x, weir_str whole, weir_str expression, int depth)
{
    struct diags *diags = x->in->diags;
    weir_str name = expression, fallback = STR_NONE;
    for (size_t i = 0; i + 1 < expression.len && !fallback.ptr; i++)
        if (expression.ptr[i] == ':' && expression.ptr[i + 1] == '-') {
            name.len = i;
            fallback = (weir_str){expression.ptr + i + 2, expression.len - i - 2};
        }
    if (!name_valid(name)) {
        malformed(x, whole, "not a name of an environment variable in ${...}");
        return;
    }
    const char *zname = arena_text(x->in->arena, name);
    const char *value = zname ? env_get(x->in->environ_block, zname) : "";
    if (fallback.ptr && (!value || !*value)) {
        expand(x, fallback, depth + 1);
    } else if (!value) {
        struct diag *diag = diag_error(diags, "W0110", marked(x, whole),
                                       "environment variable %s is not set", zname);
        diag_help(diags, diag, "export it, or give a default: \"${%s:-...}\"", zname);
    } else if (!utf8_valid(value, strlen(value))) {
        diag_error(diags, "W0105", marked(x, whole), "environment variable %s is not UTF-8", zname);
    } else {
        buf_puts(x->out, value);
    }
}

/* Calls itself through the two above for what is nested, at most NESTING_MAX deep. */
static void expand(const struct expansion *x, weir_str text, int depth)
{
    if (depth > NESTING_MAX) {
        malformed(x, text, "interpolations are nested too deeply");
        return;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i], next = i + 1 < text.len ? text.ptr[i + 1] : '\0';
        if (c == '$' && next == '{') {
            size_t end = closing(text, i + 2);
            if (end == text.len) {
                malformed(x, (weir_str){text.ptr + i, text.len - i}, "\"${\" without its \"}\"");
                return;
            }
            weir_str whole = {text.ptr + i, end - i + 1};
            weir_str expression = {text.ptr + i + 2, end - i - 2};
            if (str_starts(expression, STR("file:")))
                expand_file(x, whole, (weir_str){expression.ptr + 5, expression.len - 5}, depth);
            else
                expand_name(x, whole, expression, depth);
            i = end;
            continue;
        }
        buf_putc(x->out, c);
        if (c == '$' && next == '$')
            i++;
    }
}

static int interpolate_value(const struct interpolation *in, struct json_value *value)
{
    if (!memchr(value->text.ptr, '$', value->text.len))
        return 0;
    struct buf out;
    buf_init(&out, RESULT_MAX_BYTES);
    struct expansion x = {in, value, &out};
    expand(&x, value->text, 0);

    int rc = 0;
    weir_str result = buf_str(&out);
    const char *kept = arena_text(in->arena, result);
    if (out.failed)
        malformed(&x, value->text, "the interpolated text is too long");
    else if (!kept)
        rc = -ENOMEM;
    else
        value->text = (weir_str){kept, result.len};
    buf_done(&out);
    return rc;
}

static bool left_alone(const struct json_value *value, size_t depth)
{
    return str_starts(value->name, STR("x-")) || str_is(value->name, "$schema") ||
           (depth == 1 && str_is(value->name, "tests"));
}

int interpolate(const struct interpolation *in, struct json_value *root)
{
    struct tree_walk walk;
    int rc = 0;
    struct json_value *value = tree_first(&walk, root);
    while (value && rc == 0) {
        bool skip = value->name.ptr && left_alone(value, walk.depth);
        if (!skip && value->kind == JSON_STRING && value->text.len)
            rc = interpolate_value(in, value);
        value = tree_next(&walk, skip);
    }
    return rc;
}

bool interpolated_whole(const struct json_value *value)
{
    weir_str raw = value->raw;
    if (value->kind != JSON_STRING || value->escaped)
        return false;
    if (raw.len >= 2 && raw.ptr[0] == '"')
        raw = (weir_str){raw.ptr + 1, raw.len - 2};
    return str_starts(raw, STR("${")) && closing(raw, 2) == raw.len - 1;
}

const struct json_value *interpolated_scalar(struct arena *arena, const struct json_value *value)
{
    if (!interpolated_whole(value))
        return value;
    struct json_error error;
    const struct json_value *parsed = json_parse(arena, value->text, 0, 1, &error);
    bool scalar = parsed && (parsed->kind == JSON_NUMBER || parsed->kind == JSON_TRUE ||
                             parsed->kind == JSON_FALSE);
    if (!scalar)
        return value;
    struct json_value *copy = arena_alloc(arena, sizeof *copy, _Alignof(struct json_value));
    if (!copy)
        return value;
    *copy = *value;
    copy->kind = parsed->kind;
    copy->text = parsed->text;
    return copy;
}
