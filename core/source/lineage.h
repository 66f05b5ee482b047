/* The shards of one stream and who may be read: a child becomes ready when its parent is read to
 * its end, or is known to be absent. Pure: no clock, no calls; discovery feeds it, the poller asks
 * it. */
#ifndef WEIR_SOURCE_LINEAGE_H
#define WEIR_SOURCE_LINEAGE_H
#include "source/streams_api.h"

enum shard_state {
    SHARD_WAITING, /* its parent is listed and not yet read to its end */
    SHARD_READY,   /* may be read; lineage_next hands it out once */
    SHARD_READING,
    SHARD_READ, /* its last page was read (a null next iterator was seen): children may be read */
    SHARD_GONE  /* trimmed: no longer listed by a complete list, never to be read (again) */
};

struct shard {
    weir_str id, parent; /* owned by the lineage */
    enum shard_state state;
    bool listed;               /* by the last complete list */
    bool closed;               /* an ending sequence number was told, or it was read to its end */
    unsigned children;         /* known ones */
    int64_t created_ms;        /* from its id; 0 = not there */
    int64_t unlisted_since_ms; /* 0 = listed */
    void *reader;              /* the poller's */
    struct shard *next;        /* all of them, in the order seen */
    struct shard *hash_next;
};

struct lineage;

int lineage_new(struct lineage **out); /* 0 or -ENOMEM */
void lineage_free(struct lineage *lineage);

/* A sweep is one paged DescribeStream. Pages add what they hold at once (a shard is never unlearned
 * by half a list); only lineage_sweep_end of a sweep that reached the last page may conclude that
 * something is absent. -ENOMEM keeps what was added. */
void lineage_sweep_begin(struct lineage *lineage);
int lineage_sweep_page(struct lineage *lineage, const struct shard_info *shards, size_t count);
void lineage_sweep_end(struct lineage *lineage, int64_t now_ms);
/* Children told by CHILD_SHARDS, checked: those whose parent is not `parent` are ignored. Returns
 * how many were news. */
int lineage_children(struct lineage *lineage, weir_str parent, const struct shard_info *shards,
                     size_t count);
/* A shard known from stored progress, listed or not. `read_to_end`: its state is SHARD_READ. */
int lineage_restore(struct lineage *lineage, weir_str id, weir_str parent, bool read_to_end);

struct shard *lineage_find(const struct lineage *lineage, weir_str id); /* or NULL */
struct shard *lineage_first(const struct lineage *lineage);
struct shard *lineage_parent(const struct lineage *lineage, const struct shard *shard);
/* The next READY shard, now READING; NULL = none. */
struct shard *lineage_next(struct lineage *lineage);
void lineage_read_to_end(struct lineage *lineage, struct shard *shard); /* children become ready */
void lineage_gone(struct lineage *lineage, struct shard *shard); /* its children become ready */
/* Forgets shards that no listed shard names as parent, that are unlisted for 48 h and have no
 * reader; calls `erased` for each before. */
void lineage_prune(struct lineage *lineage, int64_t now_ms,
                   void (*erased)(void *arg, const struct shard *shard), void *arg);
/* A closed shard that was read and has no child, though the stream is enabled: a list that has not
 * settled yet. NULL = there is none. */
const struct shard *lineage_childless(const struct lineage *lineage);
size_t lineage_count(const struct lineage *lineage, enum shard_state state);
#endif
