#include "source/lineage.h"

#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>

enum {
    BUCKETS_FIRST = 64, /* a power of two */
    STATES = SHARD_GONE + 1
};
static const int64_t FORGET_MS = 48 * 3600 * (int64_t)1000;

struct lineage {
    struct shard **by_id, **by_parent; /* one size */
    size_t buckets, count;
    size_t in_state[STATES];
    struct shard *first, *last;
    struct shard *ready_first, *ready_last;
    uint64_t sweep; /* number of the sweep that began last */
    uint64_t walks; /* up from a shard, so far */
    bool swept;
    uint64_t version;
};

/* ---- life ---- */

int lineage_new(struct lineage **out)
{
    struct lineage *lineage = mem_zalloc(1, sizeof *lineage);
    if (!lineage)
        return -ENOMEM;
    lineage->buckets = BUCKETS_FIRST;
    lineage->by_id = mem_zalloc(BUCKETS_FIRST, sizeof(struct shard *));
    lineage->by_parent = mem_zalloc(BUCKETS_FIRST, sizeof(struct shard *));
    if (!lineage->by_id || !lineage->by_parent) {
        lineage_free(lineage);
        return -ENOMEM;
    }
    *out = lineage;
    return 0;
}

static void shard_free(struct shard *shard)
{
    mem_free((char *)shard->id.ptr);
    mem_free((char *)shard->parent.ptr);
    mem_free(shard);
}

void lineage_free(struct lineage *lineage)
{
    if (!lineage)
        return;
    for (struct shard *shard = lineage->first, *next; shard; shard = next) {
        next = shard->next;
        shard_free(shard);
    }
    mem_free(lineage->by_id);
    mem_free(lineage->by_parent);
    mem_free(lineage);
}

/* ---- the two tables: by id, and by parent, which need not be known itself ---- */

static size_t bucket_of(const struct lineage *lineage, weir_str text)
{
    return hash_bytes(HASH_SEED, text.ptr, text.len) & (lineage->buckets - 1);
}

static void put_by_id(struct lineage *lineage, struct shard *shard)
{
    struct shard **bucket = &lineage->by_id[bucket_of(lineage, shard->id)];
    shard->hash_next = *bucket;
    *bucket = shard;
}

static void put_by_parent(struct lineage *lineage, struct shard *shard)
{
    if (shard->parent.len == 0)
        return;
    struct shard **bucket = &lineage->by_parent[bucket_of(lineage, shard->parent)];
    shard->sibling_next = *bucket;
    *bucket = shard;
}

/* Without memory the chains only grow longer. */
static void grow(struct lineage *lineage)
{
    size_t buckets = lineage->buckets * 2;
    struct shard **by_id = mem_zalloc(buckets, sizeof *by_id);
    struct shard **by_parent = mem_zalloc(buckets, sizeof *by_parent);
    if (!by_id || !by_parent) {
        mem_free(by_id);
        mem_free(by_parent);
        return;
    }
    mem_free(lineage->by_id);
    mem_free(lineage->by_parent);
    lineage->by_id = by_id;
    lineage->by_parent = by_parent;
    lineage->buckets = buckets;
    for (struct shard *shard = lineage->first; shard; shard = shard->next) {
        put_by_id(lineage, shard);
        put_by_parent(lineage, shard);
    }
}

struct shard *lineage_find(const struct lineage *lineage, weir_str id)
{
    struct shard *shard = lineage->by_id[bucket_of(lineage, id)];
    while (shard && !str_eq(shard->id, id))
        shard = shard->hash_next;
    return shard;
}

static struct shard *parent_of(const struct lineage *lineage, const struct shard *shard)
{
    return shard->parent.len && !shard->rootless ? lineage_find(lineage, shard->parent) : NULL;
}

/* The first child in the bucket from `shard` on. */
static struct shard *child_from(struct shard *shard, weir_str parent)
{
    while (shard && !str_eq(shard->parent, parent))
        shard = shard->sibling_next;
    return shard;
}

static struct shard *first_child(const struct lineage *lineage, weir_str parent)
{
    return child_from(lineage->by_parent[bucket_of(lineage, parent)], parent);
}

/* ---- who may be read ---- */

static void set_state(struct lineage *lineage, struct shard *shard, enum shard_state state)
{
    if (shard->state == state)
        return;
    lineage->in_state[shard->state]--;
    lineage->in_state[state]++;
    shard->state = state;
    lineage->version++;
}

static bool may_be_read(const struct lineage *lineage, const struct shard *shard)
{
    if (shard->parent.len == 0 || shard->rootless)
        return true;
    const struct shard *parent = lineage_find(lineage, shard->parent);
    if (parent)
        return parent->state == SHARD_READ || parent->state == SHARD_GONE;
    return lineage->swept; /* before that it may stand on a page not read yet */
}

static void consider(struct lineage *lineage, struct shard *shard)
{
    if (shard->state != SHARD_WAITING || !may_be_read(lineage, shard))
        return;
    set_state(lineage, shard, SHARD_READY);
    if (shard->queued)
        return;
    shard->queued = true;
    shard->ready_next = NULL;
    if (lineage->ready_last)
        lineage->ready_last->ready_next = shard;
    else
        lineage->ready_first = shard;
    lineage->ready_last = shard;
}

/* Its parent was told, or listed, only now: nobody took it yet, so it waits. */
static void take_back(struct lineage *lineage, struct shard *shard)
{
    if (shard->state == SHARD_READY && !may_be_read(lineage, shard))
        set_state(lineage, shard, SHARD_WAITING);
}

static void consider_children(struct lineage *lineage, weir_str parent)
{
    for (struct shard *child = first_child(lineage, parent); child;
         child = child_from(child->sibling_next, parent))
        consider(lineage, child);
}

/* ---- learning ---- */

static void link_parent(struct lineage *lineage, struct shard *shard, weir_str parent)
{
    shard->parent = parent;
    put_by_parent(lineage, shard);
    struct shard *known = parent_of(lineage, shard);
    if (known)
        known->children++;
    lineage->version++;
    take_back(lineage, shard);
}

static void append(struct lineage *lineage, struct shard *shard)
{
    if (lineage->last)
        lineage->last->next = shard;
    else
        lineage->first = shard;
    lineage->last = shard;
    lineage->in_state[SHARD_WAITING]++;
    lineage->version++;
    put_by_id(lineage, shard);
    if (++lineage->count > lineage->buckets)
        grow(lineage);
    for (struct shard *child = first_child(lineage, shard->id); child;
         child = child_from(child->sibling_next, shard->id)) {
        shard->children++; /* listed before it */
        take_back(lineage, child);
    }
}

static bool copy_text(weir_str text, weir_str *out)
{
    *out = (weir_str){text.len ? mem_dup0(text.ptr, text.len) : NULL, text.len};
    return text.len == 0 || out->ptr;
}

/* A shard is never known without the parent that was told with it: it would be read too early. */
static int add(struct lineage *lineage, weir_str id, weir_str parent, struct shard **out)
{
    struct shard *shard = lineage_find(lineage, id);
    weir_str parent_copy = STR_NONE;
    bool fresh = !shard, link = parent.len && (fresh || shard->parent.len == 0);
    if (link && !copy_text(parent, &parent_copy))
        return -ENOMEM;
    if (fresh) {
        shard = lineage->count < LINEAGE_SHARDS_MAX ? mem_zalloc(1, sizeof *shard) : NULL;
        if (!shard || !copy_text(id, &shard->id)) {
            mem_free(shard);
            mem_free((char *)parent_copy.ptr);
            return -ENOMEM;
        }
        shard->created_ms = streams_shard_ms(id);
        append(lineage, shard);
    }
    if (link)
        link_parent(lineage, shard, parent_copy);
    *out = shard;
    return 0;
}

static int see(struct lineage *lineage, const struct shard_info *info)
{
    struct shard *shard;
    int rc = add(lineage, info->id, info->parent, &shard);
    if (rc < 0)
        return rc;
    if (!shard->listed || (info->last_sequence.len && !shard->closed))
        lineage->version++;
    shard->seen = lineage->sweep;
    shard->listed = true;
    shard->unlisted_since_ms = 0;
    shard->closed |= info->last_sequence.len > 0;
    consider(lineage, shard);
    return 0;
}

void lineage_sweep_begin(struct lineage *lineage)
{
    lineage->sweep++;
}

int lineage_sweep_page(struct lineage *lineage, const struct shard_info *shards, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        int one = see(lineage, &shards[i]);
        if (one < 0)
            rc = one;
    }
    return rc;
}

/* Parent links that close a circle would make all of its shards wait for each other: one of them is
 * not followed. Each shard is walked over once. */
static void break_circles(struct lineage *lineage)
{
    uint64_t before = lineage->walks;
    for (struct shard *shard = lineage->first; shard; shard = shard->next) {
        struct shard *up = shard;
        lineage->walks++;
        while (up && up->state == SHARD_WAITING && up->walk <= before) {
            up->walk = lineage->walks;
            up = parent_of(lineage, up);
        }
        if (up && up->state == SHARD_WAITING && up->walk == lineage->walks) {
            up->rootless = true;
            consider(lineage, up);
        }
    }
}

void lineage_sweep_end(struct lineage *lineage, int64_t now_ms)
{
    if (!lineage->swept)
        lineage->version++;
    lineage->swept = true;
    for (struct shard *shard = lineage->first; shard; shard = shard->next) {
        bool listed = shard->seen == lineage->sweep;
        if (shard->listed && !listed)
            lineage->version++;
        shard->listed = listed;
        if (!listed && shard->unlisted_since_ms == 0)
            shard->unlisted_since_ms = now_ms > 0 ? now_ms : 1;
        consider(lineage, shard);
    }
    break_circles(lineage);
}

int lineage_children(struct lineage *lineage, weir_str parent, const struct shard_info *shards,
                     size_t count)
{
    int news = 0;
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(shards[i].parent, parent) || str_eq(shards[i].id, parent))
            continue;
        bool known = lineage_find(lineage, shards[i].id) != NULL;
        if (see(lineage, &shards[i]) == 0 && !known)
            news++;
    }
    return news;
}

int lineage_restore(struct lineage *lineage, weir_str id, weir_str parent, bool read_to_end)
{
    struct shard *shard;
    int rc = add(lineage, id, parent, &shard);
    if (rc < 0)
        return rc;
    if (read_to_end)
        lineage_read_to_end(lineage, shard);
    else
        consider(lineage, shard);
    return 0;
}

/* ---- reading ---- */

struct shard *lineage_first(const struct lineage *lineage)
{
    return lineage->first;
}

struct shard *lineage_parent(const struct lineage *lineage, const struct shard *shard)
{
    return parent_of(lineage, shard);
}

struct shard *lineage_next(struct lineage *lineage)
{
    struct shard *shard;
    while ((shard = lineage->ready_first)) {
        lineage->ready_first = shard->ready_next;
        if (!lineage->ready_first)
            lineage->ready_last = NULL;
        shard->queued = false;
        if (shard->state != SHARD_READY)
            continue; /* taken back, or read as its restored progress told */
        set_state(lineage, shard, SHARD_READING);
        return shard;
    }
    return NULL;
}

void lineage_read_to_end(struct lineage *lineage, struct shard *shard)
{
    set_state(lineage, shard, SHARD_READ);
    shard->closed = true;
    consider_children(lineage, shard->id);
}

void lineage_gone(struct lineage *lineage, struct shard *shard)
{
    set_state(lineage, shard, SHARD_GONE);
    consider_children(lineage, shard->id);
}

/* ---- forgetting ---- */

static bool listed_child(const struct lineage *lineage, weir_str parent)
{
    struct shard *child = first_child(lineage, parent);
    while (child && !child->listed)
        child = child_from(child->sibling_next, parent);
    return child != NULL;
}

static bool forgettable(const struct lineage *lineage, const struct shard *shard, int64_t now_ms)
{
    return shard->unlisted_since_ms && now_ms - shard->unlisted_since_ms >= FORGET_MS &&
           (shard->state == SHARD_READ || shard->state == SHARD_GONE) && !shard->reader &&
           !shard->queued && !listed_child(lineage, shard->id);
}

static void unlink_shard(struct lineage *lineage, struct shard *shard)
{
    struct shard **at = &lineage->by_id[bucket_of(lineage, shard->id)];
    while (*at != shard)
        at = &(*at)->hash_next;
    *at = shard->hash_next;
    if (shard->parent.len) {
        at = &lineage->by_parent[bucket_of(lineage, shard->parent)];
        while (*at != shard)
            at = &(*at)->sibling_next;
        *at = shard->sibling_next;
    }
    lineage->in_state[shard->state]--;
    lineage->count--;
    lineage->version++;
}

void lineage_prune(struct lineage *lineage, int64_t now_ms,
                   void (*erased)(void *arg, const struct shard *shard), void *arg)
{
    struct shard **at = &lineage->first, *last = NULL;
    while (*at) {
        struct shard *shard = *at;
        if (!forgettable(lineage, shard, now_ms)) {
            last = shard;
            at = &shard->next;
            continue;
        }
        if (erased)
            erased(arg, shard);
        *at = shard->next;
        unlink_shard(lineage, shard);
        shard_free(shard);
    }
    lineage->last = last;
}

/* ---- questions ---- */

const struct shard *lineage_childless(const struct lineage *lineage)
{
    const struct shard *shard = lineage->first;
    while (shard && !(shard->state == SHARD_READ && shard->listed && shard->children == 0))
        shard = shard->next;
    return shard;
}

size_t lineage_count(const struct lineage *lineage, enum shard_state state)
{
    return lineage->in_state[state];
}

bool lineage_swept(const struct lineage *lineage)
{
    return lineage->swept;
}

uint64_t lineage_version(const struct lineage *lineage)
{
    return lineage->version;
}
