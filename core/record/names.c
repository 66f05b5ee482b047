#include "record/names.h"

#include "record/plain.h"
#include "util/alloc.h"

enum { SMALL_MAX = 64, FILTER_BITS = 2048, TINY_MAX = 8, TINY_BITS = 256 };

static weir_str name_of(const struct node *node)
{
    return (weir_str){node->key, node->key_bytes};
}

static bool same_name(const struct node *a, const struct node *b)
{
    return plain_equal(name_of(a), a->bits & NODE_KEY_ESCAPED, name_of(b),
                       b->bits & NODE_KEY_ESCAPED);
}

/* Neither is escaped. */
static bool stands_before(const struct node *map, const struct node *entry)
{
    for (const struct node *other = map + 1; other < entry; other += other->next)
        if (other->key_bytes == entry->key_bytes &&
            memcmp(other->key, entry->key, entry->key_bytes) == 0)
            return true;
    return false;
}

/* A cheap number for a name: its length, its first and its last eight bytes. Equal names as written
 * have equal numbers. */
static inline uint64_t signature(const struct node *node)
{
    uint32_t len = node->key_bytes;
    uint64_t head = 0, tail = 0;
    if (len >= 8) {
        head = scan_load64(node->key);
        tail = scan_load64(node->key + len - 8);
    } else if (len > 0) {
        head = scan_first_bytes(node->key, len);
    }
    return (head ^ (tail >> 32 | tail << 32) ^ len) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
}

/* Up to SMALL_MAX entries: only names whose bit of a small filter is taken are compared with those
 * before them. */
static bool small_unique(const struct node *map, uint32_t count)
{
    uint64_t filter[FILTER_BITS / 64];
    uint32_t last = (count <= TINY_MAX ? TINY_BITS : FILTER_BITS) - 1;
    for (uint32_t word = 0; word <= last / 64; word++)
        filter[word] = 0;
    const struct node *entry = map + 1, *end = map + map->next;
    for (; entry < end; entry += entry->next) {
        uint32_t bit = (uint32_t)signature(entry) & last;
        uint64_t one = UINT64_C(1) << (bit % 64);
        bool taken = filter[bit / 64] & one;
        filter[bit / 64] |= one;
        if (taken && stands_before(map, entry))
            return false;
    }
    return true;
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
    if (count > SMALL_MAX || escaped)
        return large_unique(d, map, count);
    return small_unique(map, count);
}
