/* Follows one table by name. A stream that is switched off and on again, or whose table is made
 * anew, has a new ARN: each stream is told once, in the order they were made, also those that came
 * and went while nobody looked. It reads nothing itself: its owner drains the older stream before
 * it opens the newer one (F11), except where the older one is missing and can't be drained. */
#ifndef WEIR_SOURCE_FOLLOW_H
#define WEIR_SOURCE_FOLLOW_H
#include "source/streams_api.h"

struct follow;

struct follow_stream { /* valid during found() */
    weir_str arn;
    weir_str view_type; /* empty = not known yet: the stream itself will tell */
    bool enabled;       /* false: replaced since, or switched off; readable for 24 h */
};

struct follow_config {
    const struct world *world;
    struct aws_client *aws;
    weir_str table, region; /* copied; region empty = the client's */
    /* The newest stream of this table in the stored progress, empty = none. Copied. Those made
     * after it are told, not it itself; without it only the current stream is. */
    weir_str known_arn;
    int64_t every_ms;    /* looks that often; 0 = 60 s */
    int64_t patience_ms; /* of a start that is denied or finds nothing; 0 = 2 min */
    /* A stream to be read, once each. Later, never from inside. */
    void (*found)(void *arg, const struct follow_stream *stream);
    /* At start, when no stream is known: access is denied (77), there is no such table or it has no
     * stream (78) and patience is over, or the name can't be a table's (78, at once). The reason
     * was logged. Nothing more comes but the stop. */
    void (*failed)(void *arg, int exit_code, const char *reason);
    void *arg;
    void (*log)(void *ctx, int level, const char *component, const char *code, const char *msg);
    void *log_ctx;
};

int follow_new(const struct follow_config *config, struct follow **out); /* 0 or -ENOMEM */
void follow_start(struct follow *follow);
/* Aborts what is open; `stopped` is called later, then it may be freed. */
void follow_stop(struct follow *follow, void (*stopped)(void *arg), void *arg);
void follow_free(struct follow *follow);
/* The stream being read is closing or missing: looks at once, then with growing pauses (1 s to 30
 * s) until a newer one is found. Cheap to call often. */
void follow_look(struct follow *follow);
/* Whether a look at the table has ever succeeded, and what keeps it from succeeding now:
 * STREAMS_OK = nothing; `since_ms` on the clock. */
bool follow_looked(const struct follow *follow);
enum streams_fault follow_trouble(const struct follow *follow, int64_t *since_ms);
#endif
