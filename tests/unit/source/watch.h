/* One stream of a streams_rig that a discovery watches. */
#ifndef WEIR_TESTS_WATCH_H
#define WEIR_TESTS_WATCH_H
#include "source/discovery.h"
#include "streams_rig.h"

struct watch {
    struct discovery *discovery;
    struct lineage *lineage;
    int changes;
    bool stopped;
    bool read_all; /* watch_read at each change */
    char order[4096];
    struct rig_stream *stream;
};

/* Takes what is ready; closed shards are read to their end at once, and their children wanted. */
void watch_read(struct watch *watch);
void watch_stopped(void *watch);
void watch_start(struct rig *rig, struct watch *watch, struct rig_stream *stream);
void watch_end(struct rig *rig, struct watch *watch);
/* The shard is closed, and was read to its end. */
void watch_close(struct watch *watch, const char *id);
/* A hook: rig->hook_count 1 throttles, 2 is a 500, 3 no connection, 4 access denied. */
bool watch_faults(struct rig *rig, const char *target, weir_str body, struct rig_answer *answer);

struct watch_verdict { /* of discovery_ask */
    int told;
    enum shard_verdict verdict;
};
void watch_told(void *watch_verdict, enum shard_verdict verdict);
#endif
