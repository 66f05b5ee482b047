#include "config/diag.h"

#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_SHOWN_MAX = 160, MESSAGE_MAX = 1024, CLEAN_MAX = 4096, LEAD_SHOWN = 60 };

void diags_init(struct diags *diags)
{
    *diags = (struct diags){0};
    arena_init(&diags->arena, 4096);
}

void diags_done(struct diags *diags)
{
    mem_free(diags->items);
    arena_done(&diags->arena);
    *diags = (struct diags){0};
}

int diags_add_text(struct diags *diags, const char *name, weir_str text)
{
    struct diag_text *entry = arena_alloc(&diags->arena, sizeof *entry, _Alignof(struct diag_text));
    const char *copy = arena_text(&diags->arena, str_of(name));
    if (!entry || !copy)
        return -ENOMEM;
    size_t rank = diags->texts ? diags->texts->rank + 1 : 0;
    *entry = (struct diag_text){diags->texts, copy, text, rank};
    diags->texts = entry;
    return 0;
}

void diags_forget_texts(struct diags *diags)
{
    diags->texts = NULL;
}

void diags_add_secret(struct diags *diags, weir_str text)
{
    const char *copy = NULL;
    if (text.len >= 4 && diags->secret_count < DIAG_SECRETS_MAX)
        copy = arena_text(&diags->arena, text);
    if (copy)
        diags->secrets[diags->secret_count++] = (weir_str){copy, text.len};
}

static weir_str secret_at(const struct diags *diags, weir_str rest)
{
    weir_str longest = STR_NONE;
    for (size_t i = 0; i < diags->secret_count; i++)
        if (diags->secrets[i].len > longest.len && str_starts(rest, diags->secrets[i]))
            longest = diags->secrets[i];
    return longest;
}

/* Formats into the arena, secrets replaced, control characters shown as '?'. */
__attribute__((format(printf, 2, 0))) static const char *
keep_message(struct diags *diags, const char *format, va_list args)
{
    char text[MESSAGE_MAX];
    struct buf clean;
    buf_init(&clean, CLEAN_MAX);
    int len = vsnprintf(text, sizeof text, format, args);
    weir_str rest = {text, len < 0 ? 0 : (size_t)len < sizeof text ? (size_t)len : sizeof text - 1};
    while (rest.len > 0) {
        weir_str secret = secret_at(diags, rest);
        size_t step = secret.len ? secret.len : 1;
        unsigned char c = (unsigned char)rest.ptr[0];
        if (secret.len)
            buf_puts(&clean, "***");
        else
            buf_putc(&clean, c < ' ' || c == 127 ? '?' : (char)c);
        rest = (weir_str){rest.ptr + step, rest.len - step};
    }
    const char *kept = clean.failed ? NULL : arena_text(&diags->arena, buf_str(&clean));
    buf_done(&clean);
    return kept;
}

static const struct diag_text *text_of(const struct diags *diags, const char *at)
{
    for (const struct diag_text *text = diags->texts; text; text = text->next)
        if (at && at >= text->text.ptr && at <= text->text.ptr + text->text.len)
            return text;
    return NULL;
}

static bool continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static unsigned characters(const char *from, const char *to)
{
    unsigned count = 0;
    for (; from < to; from++)
        if (!continues(*from))
            count++;
    return count;
}

/* A long line is cut around the mark; what can't be printed becomes '?', one for one. */
static void keep_line(struct diags *diags, struct diag *diag, weir_str line, const char *at,
                      const char *mark_end)
{
    const char *from = line.ptr, *to = line.ptr + line.len;
    if (line.len > LINE_SHOWN_MAX && at - from > LEAD_SHOWN)
        from = at - LEAD_SHOWN;
    if (to - from > LINE_SHOWN_MAX)
        to = from + LINE_SHOWN_MAX;
    while (from < at && continues(*from))
        from++;
    while (to > from && to < line.ptr + line.len && continues(*to))
        to--;
    if (mark_end > to)
        mark_end = to;

    char shown[LINE_SHOWN_MAX + 1];
    size_t len = (size_t)(to - from);
    bool sound = utf8_valid(from, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)from[i];
        bool plain = c == '\t' || (c >= ' ' && c != 127 && (c < 128 || sound));
        shown[i] = c == '\t' ? ' ' : plain ? (char)c : '?';
    }
    diag->line_text = arena_text(&diags->arena, (weir_str){shown, len});
    diag->mark_at = sound ? characters(from, at) : (unsigned)(at - from);
    diag->mark_width = mark_end <= at ? 1
                       : sound        ? characters(at, mark_end)
                                      : (unsigned)(mark_end - at);
    if (diag->mark_width == 0)
        diag->mark_width = 1;
}

static void place(struct diags *diags, struct diag *diag, weir_str at)
{
    const struct diag_text *text = text_of(diags, at.ptr);
    if (!text) {
        diag->file = diags->subject;
        return;
    }
    size_t offset = (size_t)(at.ptr - text->text.ptr);
    struct json_place where = json_place(text->text, offset);
    const char *line_end = where.line_text.ptr + where.line_text.len;
    const char *mark_end = at.len > (size_t)(line_end - at.ptr) ? line_end : at.ptr + at.len;
    diag->file = text->name;
    diag->rank = text->rank;
    diag->offset = offset;
    diag->length = at.len;
    diag->line = where.line;
    diag->column = where.column;
    diag->end_column = where.column + (unsigned)(mark_end > at.ptr ? mark_end - at.ptr : 1);
    keep_line(diags, diag, where.line_text, at.ptr, mark_end);
}

static struct diag *new_entry(struct diags *diags)
{
    if (diags->count == DIAG_KEPT_MAX)
        return NULL;
    if (diags->count == diags->cap) {
        size_t cap = diags->cap ? diags->cap * 2 : 16;
        struct diag **grown = mem_realloc(diags->items, cap * sizeof(struct diag *));
        if (!grown)
            return NULL;
        diags->items = grown;
        diags->cap = cap;
    }
    struct diag *diag = arena_alloc(&diags->arena, sizeof *diag, _Alignof(struct diag));
    if (diag)
        diags->items[diags->count++] = diag;
    return diag;
}

static bool about_interpolation(const char *code)
{
    return strncmp(code, "W011", 4) == 0 && code[4] <= '2';
}

/* What an interpolation that failed would have made is not known: its value is not judged again. */
static bool already_broken(const struct diags *diags, const char *code, weir_str at)
{
    const struct diag_text *text = text_of(diags, at.ptr);
    size_t from = text ? (size_t)(at.ptr - text->text.ptr) : 0;
    for (size_t i = 0; text && i < diags->count && !about_interpolation(code); i++) {
        const struct diag *other = diags->items[i];
        if (about_interpolation(other->code) && other->rank == text->rank &&
            other->offset < from + at.len && from < other->offset + other->length)
            return true;
    }
    return false;
}

struct diag *diag_add(struct diags *diags, bool warning, const char *code, weir_str at,
                      const char *format, ...)
{
    diags->spare = (struct diag){0};
    if (already_broken(diags, code, at))
        return &diags->spare;
    struct diag *diag = new_entry(diags);
    if (!diag)
        diag = &diags->spare;
    *diag = (struct diag){.warning = warning, .code = code};
    if (warning)
        diags->warnings++;
    else
        diags->errors++;
    va_list args;
    va_start(args, format);
    diag->message = keep_message(diags, format, args);
    va_end(args);
    if (!diag->message)
        diag->message = "out of memory";
    place(diags, diag, at);
    return diag;
}

void diag_help(struct diags *diags, struct diag *diag, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    diag->help = keep_message(diags, format, args);
    va_end(args);
}

void diag_replace(struct diags *diags, struct diag *diag, const char *replacement)
{
    diag->replacement = arena_text(&diags->arena, str_of(replacement));
}

__attribute__((format(printf, 2, 3))) static const char *keep_format(struct diags *diags,
                                                                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *kept = keep_message(diags, format, args);
    va_end(args);
    return kept;
}

void diag_hide_line(struct diag *diag)
{
    diag->hidden = true;
}

void diag_note_at(struct diags *diags, struct diag *diag, const char *what, weir_str at)
{
    const struct diag_text *text = text_of(diags, at.ptr);
    if (!text)
        return;
    struct json_place where = json_place(text->text, (size_t)(at.ptr - text->text.ptr));
    diag->note = keep_format(diags, "%s at %s:%u:%u", what, text->name, where.line, where.column);
}

weir_str diag_name_of(const struct json_value *member)
{
    const char *at = member->name_at;
    if (!at || *at != '"')
        return (weir_str){at, at ? member->name.len : 0};
    size_t len = 1;
    while (at[len] != '"')
        len += at[len] == '\\' ? 2 : 1;
    return (weir_str){at, len + 1};
}

weir_str diag_value_of(const struct json_value *value)
{
    bool whole = value->kind != JSON_OBJECT && value->kind != JSON_ARRAY;
    return whole || value->raw.len == 0 ? value->raw : (weir_str){value->raw.ptr, 1};
}

static int by_position(const void *a, const void *b)
{
    const struct diag *x = *(struct diag *const *)a, *y = *(struct diag *const *)b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    int by_code = strcmp(x->code, y->code);
    return by_code ? by_code : strcmp(x->message, y->message);
}

static void sort(struct diags *diags)
{
    if (diags->count > 1)
        qsort(diags->items, diags->count, sizeof(struct diag *), by_position);
}

static bool line_hidden(const struct diags *diags, const struct diag *diag)
{
    for (size_t i = 0; i < diags->count; i++)
        if (diags->items[i]->hidden && diags->items[i]->rank == diag->rank &&
            diags->items[i]->line == diag->line)
            return true;
    return false;
}

static void print_one(const struct diags *diags, const struct diag *diag, struct buf *out)
{
    buf_puts(out, diag->file ? diag->file : "weir");
    if (diag->line)
        buf_printf(out, ":%u:%u", diag->line, diag->column);
    buf_printf(out, ": %s[%s]: %s\n", diag->warning ? "warning" : "error", diag->code,
               diag->message);
    if (diag->line && diag->line_text && !line_hidden(diags, diag)) {
        buf_printf(out, "%5u | %s\n      | %*s", diag->line, diag->line_text, (int)diag->mark_at,
                   "");
        for (unsigned i = 0; i < diag->mark_width; i++)
            buf_putc(out, '^');
        buf_putc(out, '\n');
    }
    if (diag->note)
        buf_printf(out, "      note: %s\n", diag->note);
    if (diag->help)
        buf_printf(out, "      help: %s\n", diag->help);
    buf_putc(out, '\n');
}

int diags_print(struct diags *diags, const char *outcome, struct buf *out)
{
    sort(diags);
    size_t shown = diags->count < DIAG_SHOWN_MAX ? diags->count : DIAG_SHOWN_MAX;
    size_t all = diags->errors + diags->warnings;
    for (size_t i = 0; i < shown; i++)
        print_one(diags, diags->items[i], out);
    if (all > shown)
        buf_printf(out, "... and %zu more\n", all - shown);
    if (diags->errors) {
        buf_printf(out, "error: %zu error%s", diags->errors, diags->errors == 1 ? "" : "s");
        if (diags->subject)
            buf_printf(out, " in %s", diags->subject);
        buf_printf(out, "; %s\n", outcome);
    }
    return out->failed ? -ENOMEM : 0;
}

int diags_print_json(struct diags *diags, struct buf *out)
{
    sort(diags);
    buf_printf(out, "{\"ok\":%s,\"errors\":%zu,\"warnings\":%zu,\"problems\":[",
               diags->errors ? "false" : "true", diags->errors, diags->warnings);
    for (size_t i = 0; i < diags->count; i++) {
        const struct diag *diag = diags->items[i];
        buf_printf(out, "%s{\"severity\":\"%s\"", i ? "," : "",
                   diag->warning ? "warning" : "error");
        buf_put_text_member(out, "file", diag->file);
        buf_printf(out, ",\"line\":%u,\"col\":%u,\"end_col\":%u", diag->line, diag->column,
                   diag->end_column);
        buf_put_text_member(out, "code", diag->code);
        buf_put_text_member(out, "message", diag->message);
        buf_put_text_member(out, "help", diag->help ? diag->help : diag->note);
        buf_put_text_member(out, "replacement", diag->replacement);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}\n");
    return out->failed ? -ENOMEM : 0;
}
