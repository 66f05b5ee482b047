#include "record/filter.h"

#include "record/filter_impl.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>

enum { FIRST_NODES = 32, CHUNK_BYTES = 2048 };

/* ---- notes ---- */

static struct filter_note *new_note(struct compiler *compiler, weir_str at, bool fatal)
{
    if (*compiler->note_count >= compiler->notes_max) {
        /* The reason of a refusal matters more than a warning. */
        if (!fatal || compiler->notes_max == 0)
            return NULL;
        *compiler->note_count = compiler->notes_max - 1;
    }
    struct filter_note *note = &compiler->notes[(*compiler->note_count)++];
    *note = (struct filter_note){.at = compiler->outer.ptr ? compiler->outer : at, .fatal = fatal};
    return note;
}

static void make_printable(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

bool filter_refuse(struct compiler *compiler, const struct json_value *value, const char *format,
                   ...)
{
    struct filter_note *note = new_note(compiler, value->raw, true);
    if (!note)
        return false;
    va_list args;
    int len = snprintf(note->msg, sizeof note->msg, "Invalid filter pattern definition: ");
    va_start(args, format);
    vsnprintf(note->msg + len, sizeof note->msg - (size_t)len, format, args);
    va_end(args);
    make_printable(note->msg);
    return false;
}

void filter_warn(struct compiler *compiler, const struct json_value *value, const char *help,
                 const char *format, ...)
{
    struct filter_note *note = new_note(compiler, value->raw, false);
    if (!note)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(note->msg, sizeof note->msg, format, args);
    va_end(args);
    make_printable(note->msg);
    snprintf(note->help, sizeof note->help, "%s", help);
}

void *filter_alloc(struct compiler *compiler, size_t count, size_t bytes)
{
    void *space = arena_alloc(&compiler->filter->arena, count * bytes, alignof(max_align_t));
    if (!space)
        compiler->out_of_memory = true;
    else
        memset(space, 0, count * bytes);
    return space;
}

/* ---- the shapes that hold patterns ---- */

static bool compile_text(struct compiler *compiler, const struct json_value *string)
{
    struct json_error error;
    const struct json_value *inner =
        json_parse(&compiler->scratch, string->text, JSON_KEEP_DUPLICATES, 0, &error);
    compiler->outer = string->raw;
    bool sound = false;
    if (!inner)
        filter_refuse(compiler, string, "%.120s at byte %zu", error.msg, error.offset);
    else if (inner->kind != JSON_OBJECT)
        filter_refuse(compiler, string, "a pattern must be an object");
    else
        sound = filter_compile_pattern(compiler, inner);
    compiler->outer = STR_NONE;
    return sound;
}

static bool compile_pattern(struct compiler *compiler, const struct json_value *pattern)
{
    size_t bytes = pattern->kind == JSON_STRING ? pattern->text.len : pattern->raw.len;
    if (bytes > FILTER_PATTERN_BYTES)
        return filter_refuse(compiler, pattern, "longer than %d bytes", FILTER_PATTERN_BYTES);
    if (pattern->kind == JSON_STRING)
        return compile_text(compiler, pattern);
    if (pattern->kind != JSON_OBJECT)
        return filter_refuse(compiler, pattern, "a pattern must be an object");
    return filter_compile_pattern(compiler, pattern);
}

static bool compile_list(struct compiler *compiler, const struct json_value *list, bool criteria)
{
    if (list->size > FILTERS_MAX)
        return filter_refuse(compiler, list, "more than %d filters", FILTERS_MAX);
    if (list->size > 5)
        filter_warn(compiler, list, "ask AWS for a higher quota, or join patterns by $or",
                    "a mapping takes 5 filters unless its quota was raised");
    for (const struct json_value *item = list->first; item; item = item->next) {
        const struct json_value *pattern = criteria ? json_member0(item, "Pattern") : item;
        if (!pattern)
            return filter_refuse(compiler, item, "a filter needs a \"Pattern\"");
        if (!compile_pattern(compiler, pattern))
            return false;
    }
    return true;
}

static bool compile(struct compiler *compiler, const struct json_value *pattern)
{
    const struct json_value *filters = json_member0(pattern, "Filters");
    if (filters && filters->kind == JSON_ARRAY &&
        (filters->size == 0 || filters->first->kind == JSON_OBJECT) && pattern->size == 1) {
        compiler->filter->match_all = filters->size == 0; /* how AWS takes a filter away */
        return compile_list(compiler, filters, true);
    }
    if (pattern->kind != JSON_ARRAY)
        return compile_pattern(compiler, pattern);
    if (pattern->size == 0)
        return filter_refuse(compiler, pattern, "no pattern");
    return compile_list(compiler, pattern, false);
}

static struct filter *new_filter(void)
{
    struct filter *filter = mem_zalloc(1, sizeof *filter);
    if (!filter)
        return NULL;
    arena_init(&filter->arena, CHUNK_BYTES);
    filter->nodes = mem_alloc(FIRST_NODES * sizeof *filter->nodes);
    if (!filter->nodes) {
        mem_free(filter);
        return NULL;
    }
    filter->node_cap = FIRST_NODES;
    filter->node_count = 1;
    filter->nodes[0] = (struct name_node){
        .parent = FILTER_NO_NODE, .child = FILTER_NO_NODE, .sibling = FILTER_NO_NODE};
    return filter;
}

int filter_new(const struct json_value *pattern, struct filter **out, struct filter_note *notes,
               size_t notes_max, size_t *note_count)
{
    *note_count = 0;
    struct filter *filter = new_filter();
    if (!filter)
        return -ENOMEM;
    struct compiler compiler = {
        .filter = filter, .notes = notes, .notes_max = notes_max, .note_count = note_count};
    arena_init(&compiler.scratch, CHUNK_BYTES);
    bool sound = compile(&compiler, pattern);
    arena_done(&compiler.scratch);
    if (!sound) {
        filter_free(filter);
        return compiler.out_of_memory ? -ENOMEM : -EINVAL;
    }
    *out = filter;
    return 0;
}

void filter_free(struct filter *filter)
{
    if (!filter)
        return;
    mem_free(filter->nodes);
    mem_free(filter->branches);
    arena_done(&filter->arena);
    mem_free(filter);
}

bool filter_matches(const struct filter *filter, weir_str json)
{
    struct tape tape;
    tape.entries = tape.fixed;
    tape.count = 0;
    tape.cap = TAPE_FIXED;
    bool sound = filter_scan(filter, json, &tape);
    bool matches = sound && filter->match_all;
    for (size_t i = 0; sound && !matches && i < filter->branch_count; i++)
        matches = filter_branch_holds(&filter->branches[i], &tape);
    if (tape.entries != tape.fixed)
        mem_free(tape.entries);
    return matches;
}
