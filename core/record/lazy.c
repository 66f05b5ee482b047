#include "record/lazy.h"

#include "util/alloc.h"

struct lazy {
    size_t count;
    lazy_slot slot[];
};

lazy_slot *lazy_at(const struct record *record, size_t slot)
{
    struct record *owner =
        (struct record *)(uintptr_t)record; /* the record's only mutable member */
    struct lazy *lazy = atomic_load_explicit(&owner->lazy, memory_order_acquire);
    if (lazy)
        return &lazy->slot[slot];
    size_t count = LAZY_NODES + 2 * (size_t)record->node_count;
    struct lazy *made = mem_zalloc(1, sizeof *made + count * sizeof *made->slot);
    if (!made)
        return NULL;
    made->count = count;
    if (atomic_compare_exchange_strong_explicit(&owner->lazy, &lazy, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return &made->slot[slot];
    mem_free(made);
    return &lazy->slot[slot];
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

void lazy_free(struct record *record)
{
    struct lazy *lazy = atomic_load_explicit(&record->lazy, memory_order_acquire);
    if (!lazy)
        return;
    for (size_t i = 0; i < lazy->count; i++)
        mem_free(lazy_get(&lazy->slot[i]));
    mem_free(lazy);
    atomic_store_explicit(&record->lazy, NULL, memory_order_relaxed);
}
