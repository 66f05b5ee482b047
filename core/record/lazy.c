#include "record/lazy.h"

#include "util/alloc.h"

/* Few of a record's results are ever asked for: `touched` has a bit for each RUN slots of which one
 * was, so that freeing need not look at the rest. */
enum { RUN = 64, RUNS_PER_WORD = 64 };

struct lazy {
    size_t count;
    lazy_slot *slot;
    _Atomic uint64_t touched[];
};

static size_t touched_words(size_t slots)
{
    return slots / (RUN * RUNS_PER_WORD) + 1;
}

static struct lazy *lazy_make(size_t count)
{
    size_t words = touched_words(count);
    struct lazy *made =
        mem_zalloc(1, sizeof *made + words * sizeof made->touched[0] + count * sizeof *made->slot);
    if (made) {
        made->count = count;
        made->slot = (lazy_slot *)(void *)(made->touched + words);
    }
    return made;
}

static lazy_slot *touch(struct lazy *lazy, size_t slot)
{
    _Atomic uint64_t *word = &lazy->touched[slot / (RUN * RUNS_PER_WORD)];
    uint64_t bit = UINT64_C(1) << (slot / RUN % RUNS_PER_WORD);
    if (!(atomic_load_explicit(word, memory_order_relaxed) & bit))
        atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
    return &lazy->slot[slot];
}

lazy_slot *lazy_at(const struct record *record, size_t slot)
{
    struct record *owner =
        (struct record *)(uintptr_t)record; /* the record's only mutable member */
    struct lazy *lazy = atomic_load_explicit(&owner->lazy, memory_order_acquire);
    if (lazy)
        return touch(lazy, slot);
    struct lazy *made = lazy_make(LAZY_NODES + 2 * (size_t)record->node_count);
    if (!made)
        return NULL;
    if (atomic_compare_exchange_strong_explicit(&owner->lazy, &lazy, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return touch(made, slot);
    mem_free(made);
    return touch(lazy, slot);
}

lazy_slot *lazy_content(const struct node *node)
{
    return lazy_at(node_record(node), LAZY_NODES + 2 * (size_t)node_index(node));
}

lazy_slot *lazy_other(const struct node *node)
{
    return lazy_at(node_record(node), LAZY_NODES + 2 * (size_t)node_index(node) + 1);
}

struct lazy_bytes *lazy_new(size_t len)
{
    struct lazy_bytes *made = mem_alloc(sizeof *made + len + 1);
    if (made)
        made->len = len;
    return made;
}

struct lazy_bytes *lazy_publish(lazy_slot *slot, struct lazy_bytes *made)
{
    struct lazy_bytes *winner = NULL;
    if (!made)
        return lazy_get(slot);
    if (atomic_compare_exchange_strong_explicit(slot, &winner, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    mem_free(made);
    return winner;
}

weir_str lazy_publish_buf(lazy_slot *slot, struct buf *buf)
{
    struct lazy_bytes *made = buf->failed ? NULL : lazy_new(buf->len);
    if (made && buf->len > 0)
        memcpy(made->bytes, buf->ptr, buf->len);
    buf_done(buf);
    return lazy_str(lazy_publish(slot, made));
}

static void free_run(struct lazy *lazy, size_t from)
{
    for (size_t i = from; i < from + RUN && i < lazy->count; i++)
        mem_free(lazy_get(&lazy->slot[i]));
}

void lazy_free(struct record *record)
{
    struct lazy *lazy = atomic_load_explicit(&record->lazy, memory_order_acquire);
    if (!lazy)
        return;
    for (size_t word = 0; word < touched_words(lazy->count); word++)
        for (uint64_t left = lazy->touched[word]; left; left &= left - 1)
            free_run(lazy, (word * RUNS_PER_WORD + (size_t)__builtin_ctzll(left)) * RUN);
    mem_free(lazy);
    atomic_store_explicit(&record->lazy, NULL, memory_order_relaxed);
}
