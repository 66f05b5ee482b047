#include "record/lazy.h"

#include "util/alloc.h"

/* Few of a record's values ever have a result: their slots are made by the run, two for each of
 * RUN_NODES nodes, when one of them is asked for. */
enum {
    RUN_NODES = 8,
    RUN_SLOTS = 2 * RUN_NODES,
    FIRST_ROOM = 192, /* and FIRST_ROOM_NODE for each node: a few results of a record */
    FIRST_ROOM_NODE = 2,
    CHUNK_MAX = 16 << 10
};

/* Memory that any thread takes its piece of. */
struct chunk {
    struct chunk *older; /* NULL: the first one, inside its struct lazy */
    size_t bytes;
    _Atomic size_t used; /* may go beyond `bytes`: then it is full */
    char room[];
};

struct lazy {
    _Atomic(struct chunk *) newest;
    lazy_slot field[LAZY_FIELDS];
    _Atomic(lazy_slot *) run[];
};

static struct lazy *lazy_make(uint32_t nodes)
{
    size_t runs = nodes / RUN_NODES + 1, head = sizeof(struct lazy) + runs * sizeof(lazy_slot *);
    size_t room = FIRST_ROOM + (size_t)FIRST_ROOM_NODE * nodes / 8 * 8;
    room = room < CHUNK_MAX ? room : CHUNK_MAX;
    struct lazy *made = mem_alloc(head + sizeof(struct chunk) + room);
    if (!made)
        return NULL;
    struct chunk *first = (struct chunk *)(void *)((char *)made + head);
    memset(made, 0, head + sizeof *first);
    first->bytes = room;
    atomic_init(&made->newest, first);
    return made;
}

static struct lazy *lazy_of(const struct record *record)
{
    struct record *owner =
        (struct record *)(uintptr_t)record; /* the record's only mutable member */
    struct lazy *lazy = atomic_load_explicit(&owner->lazy, memory_order_acquire);
    if (lazy)
        return lazy;
    struct lazy *made = lazy_make(record->node_count);
    if (!made || atomic_compare_exchange_strong_explicit(
                     &owner->lazy, &lazy, made, memory_order_acq_rel, memory_order_acquire))
        return made;
    mem_free(made);
    return lazy;
}

/* A new chunk in front of `full`, with a piece of it taken. NULL: out of memory, or, *again,
 * another thread was quicker. */
static void *chunk_add(struct lazy *lazy, struct chunk *full, size_t bytes, bool *again)
{
    size_t room = 2 * full->bytes < CHUNK_MAX ? 2 * full->bytes : CHUNK_MAX;
    room = room < bytes ? bytes : room;
    struct chunk *made = mem_alloc(sizeof *made + room);
    if (!made)
        return NULL;
    made->older = full;
    made->bytes = room;
    atomic_init(&made->used, bytes);
    if (atomic_compare_exchange_strong_explicit(&lazy->newest, &full, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made->room;
    *again = true;
    mem_free(made);
    return NULL;
}

static void *carve(struct lazy *lazy, size_t bytes)
{
    bool again = true;
    void *piece = NULL;
    bytes = (bytes + 7) & ~(size_t)7;
    while (!piece && again) {
        struct chunk *chunk = atomic_load_explicit(&lazy->newest, memory_order_acquire);
        size_t at = atomic_load_explicit(&chunk->used, memory_order_relaxed);
        if (at <= chunk->bytes && bytes <= chunk->bytes - at)
            at = atomic_fetch_add_explicit(&chunk->used, bytes, memory_order_relaxed);
        if (at <= chunk->bytes && bytes <= chunk->bytes - at)
            return chunk->room + at;
        again = false;
        piece = chunk_add(lazy, chunk, bytes, &again);
    }
    return piece;
}

lazy_slot *lazy_field(const struct record *record, enum lazy_field which)
{
    struct lazy *lazy = lazy_of(record);
    return lazy ? &lazy->field[which] : NULL;
}

static lazy_slot *run_of(struct lazy *lazy, uint32_t index)
{
    _Atomic(lazy_slot *) *place = &lazy->run[index];
    lazy_slot *run = atomic_load_explicit(place, memory_order_acquire);
    if (run)
        return run;
    lazy_slot *made = carve(lazy, RUN_SLOTS * sizeof *made);
    if (!made)
        return NULL;
    memset((void *)made, 0, RUN_SLOTS * sizeof *made);
    return atomic_compare_exchange_strong_explicit(place, &run, made, memory_order_acq_rel,
                                                   memory_order_acquire)
               ? made
               : run;
}

static lazy_slot *node_slots(const struct node *node)
{
    struct lazy *lazy = lazy_of(node_record(node));
    lazy_slot *run = lazy ? run_of(lazy, node_index(node) / RUN_NODES) : NULL;
    return run ? run + (size_t)(2 * (node_index(node) % RUN_NODES)) : NULL;
}

lazy_slot *lazy_content(const struct node *node)
{
    return node_slots(node);
}

lazy_slot *lazy_other(const struct node *node)
{
    lazy_slot *slots = node_slots(node);
    return slots ? slots + 1 : NULL;
}

struct lazy_bytes *lazy_new(const struct record *record, size_t len)
{
    struct lazy *lazy = lazy_of(record);
    struct lazy_bytes *made = lazy ? carve(lazy, sizeof *made + len + 1) : NULL;
    if (made)
        made->len = len;
    return made;
}

struct lazy_bytes *lazy_publish(lazy_slot *slot, struct lazy_bytes *made)
{
    struct lazy_bytes *winner = NULL;
    if (!made)
        return lazy_get(slot);
    return atomic_compare_exchange_strong_explicit(slot, &winner, made, memory_order_acq_rel,
                                                   memory_order_acquire)
               ? made
               : winner;
}

void lazy_free(struct record *record)
{
    struct lazy *lazy = atomic_load_explicit(&record->lazy, memory_order_acquire);
    if (!lazy)
        return;
    struct chunk *chunk = atomic_load_explicit(&lazy->newest, memory_order_acquire);
    while (chunk->older) {
        struct chunk *older = chunk->older;
        mem_free(chunk);
        chunk = older;
    }
    mem_free(lazy);
    atomic_store_explicit(&record->lazy, NULL, memory_order_relaxed);
}
