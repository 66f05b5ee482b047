#include "router/memory.h"

#include "util/alloc.h"
#include "util/text.h"

struct memory_entry {
    struct memory_entry *next; /* in the bucket */
    struct memory_entry *older, *newer;
    uint64_t hash;
    struct memory_fact fact;
    size_t stream_bytes, position_bytes;
    char key[]; /* stream, then position */
};

static uint64_t hash_of(weir_str stream, weir_str position)
{
    return hash_bytes(hash_bytes(HASH_SEED, position.ptr, position.len), stream.ptr, stream.len);
}

static bool is(const struct memory_entry *entry, uint64_t hash, weir_str stream, weir_str position)
{
    return entry->hash == hash && str_eq((weir_str){entry->key, entry->stream_bytes}, stream) &&
           str_eq((weir_str){entry->key + entry->stream_bytes, entry->position_bytes}, position);
}

static struct memory_entry **place_of(const struct memory *memory, uint64_t hash, weir_str stream,
                                      weir_str position)
{
    struct memory_entry **place = &memory->buckets[hash % memory->bucket_count];
    while (*place && !is(*place, hash, stream, position))
        place = &(*place)->next;
    return place;
}

static void unlink_entry(struct memory *memory, struct memory_entry **place)
{
    struct memory_entry *entry = *place;
    if (!entry)
        return;
    *place = entry->next;
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        memory->oldest = entry->newer;
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        memory->newest = entry->older;
    memory->count--;
    mem_free(entry);
}

void memory_done(struct memory *memory)
{
    while (memory->oldest) {
        struct memory_entry *entry = memory->oldest;
        memory->oldest = entry->newer;
        mem_free(entry);
    }
    mem_free(memory->buckets);
    *memory = (struct memory){0};
}

struct memory_fact memory_find(const struct memory *memory, weir_str stream, weir_str position)
{
    if (memory->count == 0 || position.len == 0)
        return (struct memory_fact){0};
    const struct memory_entry *entry =
        *place_of(memory, hash_of(stream, position), stream, position);
    if (!entry)
        return (struct memory_fact){0};
    return entry->fact;
}

static void drop_oldest(struct memory *memory)
{
    const struct memory_entry *entry = memory->oldest;
    weir_str stream = {entry->key, entry->stream_bytes};
    weir_str position = {entry->key + entry->stream_bytes, entry->position_bytes};
    unlink_entry(memory, place_of(memory, entry->hash, stream, position));
}

static struct memory_entry *entry_new(weir_str stream, weir_str position)
{
    struct memory_entry *entry = mem_alloc(sizeof *entry + stream.len + position.len);
    if (!entry)
        return NULL;
    *entry = (struct memory_entry){.hash = hash_of(stream, position),
                                   .stream_bytes = stream.len,
                                   .position_bytes = position.len};
    if (stream.len)
        memcpy(entry->key, stream.ptr, stream.len);
    memcpy(entry->key + stream.len, position.ptr, position.len);
    return entry;
}

void memory_put(struct memory *memory, weir_str stream, weir_str position, struct memory_fact fact)
{
    enum { BUCKETS = 8192 };
    if (position.len == 0)
        return;
    if (!memory->buckets) {
        memory->buckets = mem_zalloc(BUCKETS, sizeof *memory->buckets);
        memory->bucket_count = memory->buckets ? BUCKETS : 0;
    }
    if (!memory->buckets)
        return;
    memory_drop(memory, stream, position);
    struct memory_entry *entry = entry_new(stream, position);
    if (!entry)
        return;
    if (memory->count >= MEMORY_ENTRIES_MAX)
        drop_oldest(memory);
    entry->fact = fact;
    struct memory_entry **bucket = &memory->buckets[entry->hash % memory->bucket_count];
    entry->next = *bucket;
    *bucket = entry;
    entry->older = memory->newest;
    if (memory->newest)
        memory->newest->newer = entry;
    else
        memory->oldest = entry;
    memory->newest = entry;
    memory->count++;
}

void memory_drop(struct memory *memory, weir_str stream, weir_str position)
{
    if (memory->count == 0)
        return;
    unlink_entry(memory, place_of(memory, hash_of(stream, position), stream, position));
}
