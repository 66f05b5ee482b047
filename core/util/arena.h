/* Bump allocation: many small pieces, freed together. One thread at a time. */
#ifndef WEIR_UTIL_ARENA_H
#define WEIR_UTIL_ARENA_H
#include "util/str.h"

struct arena_chunk;
struct arena {
    struct arena_chunk *chunk; /* newest; its predecessors are linked behind it */
    char *at, *end;
    size_t chunk_bytes; /* size of the next ordinary chunk */
    size_t total_bytes; /* all chunks: what this arena pins */
};
struct arena_mark {
    struct arena_chunk *chunk;
    char *at;
};

void arena_init(struct arena *arena, size_t chunk_bytes); /* no allocation yet */
void arena_done(struct arena *arena);                     /* frees all; as after arena_init */
void arena_reset(struct arena *arena); /* forgets all pieces, keeps the largest chunk for reuse */
void *arena_grow(struct arena *arena, size_t bytes, size_t align); /* slow path of arena_alloc */

/* NULL when out of memory. `align` is a power of two up to 64. Not zeroed. */
static inline void *arena_alloc(struct arena *arena, size_t bytes, size_t align)
{
    size_t pad = (size_t)(-(unsigned long)arena->at) & (align - 1);
    size_t room = (size_t)(arena->end - arena->at);
    if (room < pad || room - pad < bytes)
        return arena_grow(arena, bytes, align);
    char *piece = arena->at + pad;
    arena->at = piece + bytes;
    return piece;
}

/* A copy with a NUL behind it. NULL when out of memory. */
const char *arena_text(struct arena *arena, weir_str text);
/* Each view becomes one of such a copy. 0 or -ENOMEM, with some of them copied. */
int arena_keep(struct arena *arena, weir_str *const *texts, size_t count);

/* Rolling back forgets every piece made after the mark; emptied chunks are freed. */
struct arena_mark arena_mark(const struct arena *arena);
void arena_rollback(struct arena *arena, struct arena_mark mark);
#endif
