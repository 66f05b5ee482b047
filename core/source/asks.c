#include "source/asks.h"

#include "util/alloc.h"

#include <errno.h>

struct ask {
    struct ask *next;
    char *shard;
    asks_told *told;
    void *arg;
    uint64_t sweep;
    enum shard_verdict verdict;
};

static void ask_free(struct ask *ask)
{
    mem_free(ask->shard);
    mem_free(ask);
}

int asks_add(struct asks *asks, weir_str shard, uint64_t sweep, asks_told *told, void *arg)
{
    struct ask *ask = mem_zalloc(1, sizeof *ask);
    char *copy = mem_dup0(shard.ptr, shard.len);
    if (!ask || !copy) {
        mem_free(ask);
        mem_free(copy);
        return -ENOMEM;
    }
    *ask =
        (struct ask){.next = asks->open, .shard = copy, .told = told, .arg = arg, .sweep = sweep};
    asks->open = ask;
    return 0;
}

void asks_answer(struct asks *asks, const struct lineage *lineage, uint64_t sweep, bool missing)
{
    for (struct ask **at = &asks->open; *at;) {
        struct ask *ask = *at;
        if (ask->sweep > sweep) {
            at = &ask->next;
            continue;
        }
        const struct shard *shard = lineage_find(lineage, str_of(ask->shard));
        ask->verdict = missing                  ? VERDICT_STREAM_MISSING
                       : shard && shard->listed ? VERDICT_LISTED
                                                : VERDICT_NOT_LISTED;
        *at = ask->next;
        ask->next = asks->answered;
        asks->answered = ask;
    }
}

bool asks_tell(struct asks *asks)
{
    struct ask *ask = asks->answered;
    if (!ask)
        return false;
    asks->answered = ask->next;
    ask->told(ask->arg, ask->verdict);
    ask_free(ask);
    return true;
}

static void forget(struct ask **at, const void *arg)
{
    while (*at) {
        struct ask *ask = *at;
        if (ask->arg != arg) {
            at = &ask->next;
            continue;
        }
        *at = ask->next;
        ask_free(ask);
    }
}

void asks_forget(struct asks *asks, const void *arg)
{
    forget(&asks->open, arg);
    forget(&asks->answered, arg);
}

static void free_list(struct ask *ask)
{
    while (ask) {
        struct ask *next = ask->next;
        ask_free(ask);
        ask = next;
    }
}

void asks_free(struct asks *asks)
{
    free_list(asks->open);
    free_list(asks->answered);
    *asks = (struct asks){0};
}
