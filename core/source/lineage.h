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
    weir_str id, parent; /* owned by the lineage; the parent is empty when none was ever told */
    enum shard_state state;
    bool listed;               /* by the last complete list, or told of since */
    bool closed;               /* an ending sequence number was told, or it was read to its end */
    unsigned children;         /* ever known */
    int64_t created_ms;        /* from its id; 0 = not there */
    int64_t unlisted_since_ms; /* 0 = listed, or no complete list was seen yet */
    void *reader;              /* the poller's */
    struct shard *next;        /* all of them, in the order seen */
    /* the lineage's own */
    struct shard *hash_next, *sibling_next, *ready_next;
    uint64_t seen; /* the sweep that listed it last */
    uint64_t walk; /* the search for circles that came by last */
    bool queued;   /* to be handed out by lineage_next */
    bool rootless; /* its parent link closes a circle and is not followed */
};

struct lineage;

int lineage_new(struct lineage **out); /* 0 or -ENOMEM */
void lineage_free(struct lineage *lineage);

/* A sweep is one paged DescribeStream. Pages add what they hold at once (a shard is never unlearned
 * by half a list); only lineage_sweep_end of a sweep that reached the last page may conclude that
 * something is absent. -ENOMEM (also above LINEAGE_SHARDS_MAX) keeps what was added. */
enum {
    LINEAGE_SHARDS_MAX = 200000
}; /* no real stream comes near; it bounds what a server can do */
void lineage_sweep_begin(struct lineage *lineage);
int lineage_sweep_page(struct lineage *lineage, const struct shard_info *shards, size_t count);
void lineage_sweep_end(struct lineage *lineage, int64_t now_ms);
/* Children told by CHILD_SHARDS, checked: those whose parent is not `parent` are ignored. Returns
 * how many were news. */
int lineage_children(struct lineage *lineage, weir_str parent, const struct shard_info *shards,
                     size_t count);
/* A shard known from stored progress, listed or not. `read_to_end`: its state is SHARD_READ. Else
 * it is ready when its parent was restored as read, or when there never was one. 0 or -ENOMEM. */
int lineage_restore(struct lineage *lineage, weir_str id, weir_str parent, bool read_to_end);

struct shard *lineage_find(const struct lineage *lineage, weir_str id); /* or NULL */
struct shard *lineage_first(const struct lineage *lineage);
struct shard *lineage_parent(const struct lineage *lineage, const struct shard *shard);
/* The next READY shard, now READING; NULL = none. */
struct shard *lineage_next(struct lineage *lineage);
void lineage_read_to_end(struct lineage *lineage, struct shard *shard); /* children become ready */
void lineage_gone(struct lineage *lineage, struct shard *shard); /* its children become ready */
/* Forgets shards that no listed shard names as parent, that are unlisted for 48 h, read or gone,
 * and have no reader; calls `erased` for each before. What was never read is never forgotten. */
void lineage_prune(struct lineage *lineage, int64_t now_ms,
                   void (*erased)(void *arg, const struct shard *shard), void *arg);
/* A listed shard that was read to its end and has no child: in an enabled stream a list that has
 * not settled yet. NULL = there is none. Looks at all. */
const struct shard *lineage_childless(const struct lineage *lineage);
size_t lineage_count(const struct lineage *lineage, enum shard_state state);
bool lineage_swept(const struct lineage *lineage); /* a complete sweep was seen */
/* Grows with everything new: a shard, a state, an ending, listed or not. */
uint64_t lineage_version(const struct lineage *lineage);
#endif
