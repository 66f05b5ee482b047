/* Why a filter does not match, for `weir explain`. */
#include "record/filter_impl.h"

#include "util/alloc.h"

static bool place_holds(const struct path *path, const struct tape *tape)
{
    bool seen = false;
    for (size_t i = 0; i < tape->count; i++) {
        const struct tape_entry *entry = &tape->entries[i];
        if (entry->kind != TAPE_LEAF || entry->node != path->node)
            continue;
        seen = true;
        if (filter_entry_allowed(path->tests, entry))
            return true;
    }
    return !seen && path->tests->may_be_absent;
}

/* The branch of which the fewest places fail, and the first that does. */
static const struct path *nearest(const struct filter *filter, const struct tape *tape)
{
    const struct path *first = NULL;
    size_t fewest = SIZE_MAX;
    for (size_t b = 0; b < filter->branch_count; b++) {
        const struct branch *branch = &filter->branches[b];
        const struct path *failed = NULL;
        size_t count = 0;
        for (size_t i = 0; i < branch->count; i++)
            if (!place_holds(&branch->paths[i], tape)) {
                failed = failed ? failed : &branch->paths[i];
                count++;
            }
        if (count < fewest) {
            fewest = count;
            first = failed;
        }
    }
    return first;
}

/* Cut where no character and no escape is cut in two. */
static weir_str cut(weir_str text, size_t bytes)
{
    size_t end = 0, step;
    for (; end < text.len; end += step) {
        step = 1;
        if (text.ptr[end] == '\\')
            step = end + 1 < text.len && text.ptr[end + 1] == 'u' ? 6 : 2;
        else
            while (end + step < text.len && ((unsigned char)text.ptr[end + step] & 0xc0) == 0x80)
                step++;
        if (end + step > bytes)
            break;
    }
    return (weir_str){text.ptr, end};
}

static void put_entry(const struct tape_entry *entry, size_t bytes, struct buf *out)
{
    bool quoted = entry->leaf == LEAF_STRING;
    weir_str text = quoted ? cut(entry->text, bytes) : entry->text;
    buf_puts(out, quoted ? "\"" : "");
    buf_put_str(out, text);
    buf_puts(out, !quoted ? "" : text.len < entry->text.len ? "...\"" : "\"");
}

void filter_why(const struct filter *filter, weir_str json, size_t value_bytes, weir_str *path,
                struct buf *values)
{
    struct tape tape;
    bool any = false;
    tape.entries = tape.fixed;
    tape.count = 0;
    tape.cap = TAPE_FIXED;
    *path = STR_NONE;
    buf_putc(values, '[');
    const struct path *failed = filter_scan(filter, json, &tape) ? nearest(filter, &tape) : NULL;
    if (failed)
        *path = filter->nodes[failed->node].name;
    for (size_t i = 0; failed && i < tape.count; i++)
        if (tape.entries[i].kind == TAPE_LEAF && tape.entries[i].node == failed->node) {
            buf_puts(values, any ? "," : "");
            put_entry(&tape.entries[i], value_bytes, values);
            any = true;
        }
    buf_putc(values, ']');
    if (tape.entries != tape.fixed)
        mem_free(tape.entries);
}
