/* Rows as the store shows them live for a moment only: what is needed longer is copied. */
#include "source/poll_parts.h"

#include <errno.h>

static int keep_text(struct arena *arena, weir_str *text)
{
    char *copy = arena_alloc(arena, text->len + 1, 1);
    if (!copy)
        return -ENOMEM;
    if (text->len)
        memcpy(copy, text->ptr, text->len);
    text->ptr = copy;
    return 0;
}

int poll_keep_rows(struct arena *arena, const struct state_row *rows, size_t count,
                   struct state_row **out)
{
    if (count == 0)
        return 0;
    struct state_row *kept = arena_alloc(arena, count * sizeof *rows, _Alignof(struct state_row));
    if (!kept)
        return -ENOMEM;
    memcpy(kept, rows, count * sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        struct state_row *row = &kept[i];
        weir_str *texts[] = {&row->sink,  &row->stream, &row->shard,    &row->parent,
                             &row->table, &row->start,  &row->position, &row->first_available};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            if (keep_text(arena, texts[k]) < 0)
                return -ENOMEM;
    }
    *out = kept;
    return 0;
}
