/* A whole poll in a virtual world: the real router with scripted sinks, the real AWS client, a
 * model of DynamoDB Streams behind the transport, a store that outlives restarts. */
#ifndef WEIR_TESTS_PRIG_H
#define WEIR_TESTS_PRIG_H
#include "rig.h"
#include "source/poll.h"
#include "streams_model.h"
#include "vstore.h"

enum { PRIG_CALLS = 160, PRIG_LINES = 200, PRIG_LINE_BYTES = 400 };

struct prig_call {
    struct http_call *call;
    struct timer timer;
    struct prig *prig;
    bool aborted, large; /* large: GetRecords for more than 100 records */
};

struct prig {
    struct rig rig;
    struct streams_model model;
    struct vdisk disk;
    struct vstore store;
    struct aws_client *aws;
    struct aws_config aws_config;
    struct fetch_inline *fetch;
    struct poll_config config;
    struct poll *poll;
    struct prig_call calls[PRIG_CALLS];
    size_t open_now, most_open, large_now, most_large;
    int64_t latency_ms;
    /* true: the exchange ends so instead of with the model's answer */
    bool (*cut)(struct prig *prig, enum model_kind kind, enum http_result *result, int *status,
                const char **body);
    uint64_t cut_count; /* the cut's own */
    const char *tables[3], *streams[3];
    bool finished, crashed;
    int exit_code;
    char lines[PRIG_LINES][PRIG_LINE_BYTES]; /* "W0801 text" */
    size_t line_count;
};

/* `count` sinks as rig_init has them; table "Products" is followed. Change prig->config, sinks and
 * model, then prig_start. */
void prig_init(struct prig *prig, size_t count);
void prig_start(struct prig *prig);
void prig_run(struct prig *prig, int64_t ms);
/* Stops it as TERM does and waits; checks the exit code. */
void prig_stop(struct prig *prig, int exit_code);
/* What a crash leaves is the disk and the model. */
void prig_crash(struct prig *prig);
/* Ends the process that was stopped; the world goes on. prig_start begins another. */
void prig_end(struct prig *prig);
void prig_done(struct prig *prig);
int64_t prig_unix_ms(struct prig *prig);
/* Writes so many records, items 0, 1, ... `items` - 1 in turn. */
void prig_write(struct prig *prig, size_t stream, size_t count, uint32_t items);
/* How many different records the sink has got, and how many it was given more than once. */
size_t prig_got(struct prig *prig, size_t sink, size_t *repeats);
/* Whether the sink saw every record of each item in order (the sinks' logs). */
bool prig_in_order(struct prig *prig, size_t sink);
int prig_lines(const struct prig *prig, const char *code);
const struct state_row *prig_row(struct prig *prig, size_t sink, size_t stream, size_t shard);
#endif
