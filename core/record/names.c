#include "record/names.h"

#include "record/plain.h"
#include "util/alloc.h"

enum { TINY_MAX = 4 };

static weir_str name_of(const struct node *node)
{
    return (weir_str){node->key, node->key_bytes};
}

static bool same_name(const struct node *a, const struct node *b)
{
    return plain_equal(name_of(a), a->bits & NODE_KEY_ESCAPED, name_of(b),
                       b->bits & NODE_KEY_ESCAPED);
}

/* Are these names, as written, the same? Reads up to eight bytes more than they have. */
static inline bool same_bytes(const char *a, uint32_t a_bytes, const char *b, uint32_t b_bytes)
{
    if (a_bytes != b_bytes)
        return false;
    if (a_bytes < 8)
        return a_bytes == 0 || scan_first_bytes(a, a_bytes) == scan_first_bytes(b, b_bytes);
    if (scan_load64(a) != scan_load64(b) ||
        scan_load64(a + a_bytes - 8) != scan_load64(b + b_bytes - 8))
        return false;
    return a_bytes <= 16 || memcmp(a + 8, b + 8, a_bytes - 16) == 0;
}

/* A handful of names: each with each. */
static bool tiny_unique(const struct node *map)
{
    const struct node *end = map + map->next;
    for (const struct node *entry = map + 1; entry < end; entry += entry->next)
        for (const struct node *other = map + 1; other < entry; other += other->next)
            if (same_bytes(entry->key, entry->key_bytes, other->key, other->key_bytes))
                return false;
    return true;
}

/* Maps are mostly named like the last one of their size, and that one was found sound. */
static bool as_before(const struct proven *proven, const struct node *map, uint32_t count)
{
    if (proven->count != count)
        return false;
    const struct node *entry = map + 1;
    for (uint32_t i = 0; i < count; i++, entry += entry->next)
        if (!same_bytes(entry->key, entry->key_bytes, proven->name[i], proven->bytes[i]))
            return false;
    return true;
}

static void remember(struct proven *proven, const struct node *map, uint32_t count)
{
    const struct node *entry = map + 1;
    proven->count = count;
    for (uint32_t i = 0; i < count; i++, entry += entry->next) {
        proven->name[i] = entry->key;
        proven->bytes[i] = entry->key_bytes;
    }
}

static int slots_clear(struct decoder *d, size_t want)
{
    if (d->slot_count < want) {
        mem_free(d->slots);
        d->slot_count = 0;
        d->slots = mem_alloc(want * sizeof *d->slots);
        if (!d->slots) {
            d->out_of_memory = true;
            return -1;
        }
        d->slot_count = want;
    }
    memset(d->slots, 0, want * sizeof *d->slots);
    return 0;
}

static bool large_unique(struct decoder *d, const struct node *map, uint32_t count)
{
    size_t slots = 256;
    while (slots < (size_t)count * 2)
        slots *= 2;
    if (slots_clear(d, slots) < 0)
        return false;
    const struct node *end = map + map->next;
    for (const struct node *entry = map + 1; entry < end; entry += entry->next) {
        uint64_t hash = plain_hash(d->hash_seed, name_of(entry), entry->bits & NODE_KEY_ESCAPED);
        size_t at = (size_t)(hash ^ hash >> 32) & (slots - 1);
        for (; d->slots[at]; at = (at + 1) & (slots - 1))
            if (same_name(map + d->slots[at], entry))
                return false;
        d->slots[at] = (uint32_t)(entry - map);
    }
    return true;
}

bool names_unique(struct decoder *d, const struct node *map, uint32_t count, bool escaped)
{
    if (escaped || count > PROVEN_NAMES)
        return large_unique(d, map, count);
    if (count <= TINY_MAX)
        return tiny_unique(map);
    struct proven *proven = &d->proven[count % PROVEN_MAPS];
    if (as_before(proven, map, count))
        return true;
    if (!large_unique(d, map, count))
        return false;
    remember(proven, map, count);
    return true;
}
