#include "util/arena.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>

struct arena_chunk {
    struct arena_chunk *prev;
    size_t bytes; /* behind this header */
};
enum { HEADER_BYTES = 64 }; /* keeps pieces aligned to 64 within a 64-aligned chunk */

static char *chunk_data(struct arena_chunk *chunk)
{
    return (char *)chunk + sizeof *chunk;
}

void arena_init(struct arena *arena, size_t chunk_bytes)
{
    *arena = (struct arena){.chunk_bytes = chunk_bytes};
}

static void drop_newest(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunk;
    arena->total_bytes -= chunk->bytes;
    arena->chunk = chunk->prev;
    mem_free(chunk);
}

static void point_at(struct arena *arena, char *at)
{
    arena->at = at;
    arena->end = arena->chunk ? chunk_data(arena->chunk) + arena->chunk->bytes : at;
}

void arena_done(struct arena *arena)
{
    while (arena->chunk)
        drop_newest(arena);
    point_at(arena, NULL);
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *kept = NULL;
    while (arena->chunk) {
        struct arena_chunk *chunk = arena->chunk;
        arena->chunk = chunk->prev;
        if (!kept || chunk->bytes > kept->bytes) {
            struct arena_chunk *smaller = kept;
            kept = chunk;
            chunk = smaller;
        }
        if (chunk) {
            arena->total_bytes -= chunk->bytes;
            mem_free(chunk);
        }
    }
    arena->chunk = kept;
    if (kept)
        kept->prev = NULL;
    point_at(arena, kept ? chunk_data(kept) : NULL);
}

void *arena_grow(struct arena *arena, size_t bytes, size_t align)
{
    size_t want = arena->chunk_bytes < 1024 ? 1024 : arena->chunk_bytes;
    if (bytes > SIZE_MAX / 2)
        return NULL;
    if (want < bytes + HEADER_BYTES)
        want = bytes + HEADER_BYTES;
    struct arena_chunk *chunk = mem_alloc(sizeof *chunk + want);
    if (!chunk)
        return NULL;
    chunk->prev = arena->chunk;
    chunk->bytes = want;
    arena->chunk = chunk;
    arena->total_bytes += want;
    point_at(arena, chunk_data(chunk));
    size_t pad = (size_t)(-(uintptr_t)arena->at) & (align - 1);
    char *piece = arena->at + pad;
    arena->at = piece + bytes;
    return piece;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){arena->chunk, arena->at};
}

void arena_rollback(struct arena *arena, struct arena_mark mark)
{
    while (arena->chunk != mark.chunk)
        drop_newest(arena);
    point_at(arena, mark.at);
}

const char *arena_text(struct arena *arena, weir_str text)
{
    char *copy = arena_alloc(arena, text.len + 1, 1);
    if (!copy)
        return NULL;
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

int arena_keep(struct arena *arena, weir_str *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *copy = arena_text(arena, *texts[i]);
        if (!copy)
            return -ENOMEM;
        texts[i]->ptr = copy;
    }
    return 0;
}
