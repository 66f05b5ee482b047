/* Keeps one stream's lineage up to date: finds the stream of a table, sweeps DescribeStream page by
 * page, asks for the children of a shard that ended, within a budget of calls, and follows a stream
 * that is re-enabled under a new ARN. It never fails as a whole: what is consistent is taken, the
 * rest is asked again. */
#ifndef WEIR_SOURCE_DISCOVERY_H
#define WEIR_SOURCE_DISCOVERY_H
#include "source/lineage.h"

struct discovery;

enum stream_state {
    STREAM_UNKNOWN, /* not yet described */
    STREAM_OPEN,    /* ENABLED or ENABLING */
    STREAM_CLOSING, /* DISABLING or DISABLED: no shard comes any more; readable for 24 h */
    STREAM_MISSING  /* not found: held and alarmed, nothing counts as done (B20) */
};

struct discovery_config {
    struct world *world;
    struct aws_client *aws;
    weir_str arn;            /* copied */
    struct lineage *lineage; /* borrowed */
    int64_t sweep_ms;        /* a full sweep at least this often; 0 = 60 s */
    /* Something changed: shards, state, a first complete sweep, or whether it is settled. Later,
     * never from inside. */
    void (*changed)(void *arg);
    void *arg;
    void (*log)(void *ctx, int level, const char *component, const char *code, const char *msg);
    void *log_ctx;
};

int discovery_new(const struct discovery_config *config, struct discovery **out);
void discovery_start(struct discovery *discovery);
/* Aborts what is open; `stopped` is called later, then it may be freed. */
void discovery_stop(struct discovery *discovery, void (*stopped)(void *arg), void *arg);
void discovery_free(struct discovery *discovery);
/* This shard was read to its end: its children are wanted at once (CHILD_SHARDS, answers checked,
 * then sweeps with back-off until a child is known or the stream is closing). */
void discovery_want_children(struct discovery *discovery, weir_str parent);
/* Lists its shards soon, whatever was told of them lately. */
void discovery_look(struct discovery *discovery);
/* A shard answered ResourceNotFound or trimmed: a full sweep decides. `told` is called once with
 * what the next complete sweep says: listed, not listed, or that the stream itself is missing. */
enum shard_verdict { VERDICT_LISTED, VERDICT_NOT_LISTED, VERDICT_STREAM_MISSING };
int discovery_ask(struct discovery *discovery, weir_str shard,
                  void (*told)(void *arg, enum shard_verdict verdict), void *arg); /* 0, -ENOMEM */
void discovery_forget_asker(struct discovery *discovery, void *arg); /* its told() comes no more */
enum stream_state discovery_state(const struct discovery *discovery);
bool discovery_swept(const struct discovery *discovery); /* a complete sweep has been seen */
/* Every shard that ended has a known child, or is the end of its line: the stream is closing and a
 * complete sweep begun after that end told of no child. A reader of a closing stream is done when
 * this is true and nothing is left to read. */
bool discovery_settled(const struct discovery *discovery);
/* What keeps the stream from being described now (STREAMS_OK = nothing), and since when. */
enum streams_fault discovery_trouble(const struct discovery *discovery, int64_t *since_ms);
uint64_t discovery_faults(const struct discovery *discovery, enum streams_fault fault);
uint64_t discovery_calls(const struct discovery *discovery);     /* of DescribeStream so far */
weir_str discovery_view_type(const struct discovery *discovery); /* empty until known */
weir_str discovery_table(const struct discovery *discovery);

/* Finds the current stream of a table: DescribeTable, where denied ListStreams. One at a time. */
struct stream_lookup {
    weir_str table, region;                     /* alive until done() */
    bool list;                                  /* ListStreams is asked in any case, for `names` */
    void (*done)(struct stream_lookup *lookup); /* later, once */
    void *arg;
    /* answer */
    enum streams_fault fault; /* STREAMS_OK: `arn`, empty = the table has no stream now */
    char arn[512], view_type[32], message[200]; /* message: when there is no stream, why */
    bool enabled;
    bool by_list; /* DescribeTable was denied: `enabled` and `view_type` are not known */
    bool listed;  /* `names` is what ListStreams told; not, where that was denied */
    struct stream_name *names; /* all that can be read, oldest first; valid in done() */
    size_t name_count;
    struct stream_lookup_state *state; /* the lookup's */
};
int stream_lookup_start(struct aws_client *aws,
                        struct stream_lookup *lookup);  /* 0 or -errno (then no done()) */
void stream_lookup_abort(struct stream_lookup *lookup); /* done() follows: STREAMS_ABORTED */
#endif
