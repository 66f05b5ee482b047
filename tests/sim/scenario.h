/* Scripted courses: each in a child process, as seeds are. */
#ifndef WEIR_TESTS_SIM_SCENARIO_H
#define WEIR_TESTS_SIM_SCENARIO_H
#include "sim.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60000, HOUR_MS = 3600000 };

/* In the child: a simulation with the stream 0 of the table Products (`partitions` shards) and the
 * scripted sink "s". NULL in the parent, after the child has ended: return. */
struct sim *scene_begin(unsigned partitions);
/* The child ends here, and with it the test. */
void scene_end(struct sim *sim);

struct model_stream *scene_stream(struct sim *sim, size_t stream);
struct model_shard *scene_shard(struct sim *sim, size_t stream, size_t shard);
/* `count` writes to items 0 to items - 1 in turn. */
void scene_write(struct sim *sim, size_t stream, unsigned count, unsigned items);
/* Closes a shard, which `children` follow; the first one's index. */
size_t scene_close(struct sim *sim, size_t stream, size_t shard, unsigned children);
/* Waits for everything to be delivered, `ms` at most; complains when it isn't. */
void scene_all(struct sim *sim, int64_t ms);
/* A clean end; then a start that finds nothing to do, and another clean end. */
void scene_close_down(struct sim *sim);
/* Each record was given to the sink `s` once. */
void scene_given_once(struct sim *sim);
/* A line with this text was logged in the run. */
bool scene_logged(const struct sim *sim, const char *text);
#endif
