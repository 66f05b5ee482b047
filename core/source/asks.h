/* Questions whether a shard is still listed, each answered by the first complete sweep that began
 * after it was asked. */
#ifndef WEIR_SOURCE_ASKS_H
#define WEIR_SOURCE_ASKS_H
#include "source/discovery.h"

struct ask;
struct asks { /* zeroed = none */
    struct ask *open, *answered;
};

typedef void asks_told(void *arg, enum shard_verdict verdict);

/* `sweep`: the number of the first sweep that may answer. 0 or -ENOMEM. */
int asks_add(struct asks *asks, weir_str shard, uint64_t sweep, asks_told *told, void *arg);
/* Sweep `sweep` is complete, or told that the stream is missing: answers what it may. */
void asks_answer(struct asks *asks, const struct lineage *lineage, uint64_t sweep, bool missing);
/* Tells one who was answered; false = there is none. The callee may add and forget. */
bool asks_tell(struct asks *asks);
void asks_forget(struct asks *asks, const void *arg);
void asks_free(struct asks *asks); /* tells nobody */
#endif
