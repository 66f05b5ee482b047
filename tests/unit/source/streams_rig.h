/* DynamoDB and its Streams as a discovery sees them: tables, streams and lists of shards behind the
 * transport of a virtual world, several calls at once, each answered after a while. */
#ifndef WEIR_TESTS_STREAMS_RIG_H
#define WEIR_TESTS_STREAMS_RIG_H
#include "aws/aws.h"
#include "vworld.h"

#define RIG_ARN(label) "arn:aws:dynamodb:eu-west-1:123456789012:table/Products/stream/" label
enum { RIG_SHARDS = 3000, RIG_CALLS = 8192, RIG_OPEN = 16, RIG_STREAMS = 4, RIG_LINES = 64 };

struct rig_shard {
    char id[48], parent[48];
    bool closed, hidden; /* hidden: not listed */
};

enum rig_filter { FILTER_WORKS, FILTER_IGNORED, FILTER_REFUSED };

struct rig_stream {
    char arn[160];
    const char *status;
    bool missing, unlisted;   /* unlisted: not in ListStreams */
    struct rig_shard *shards; /* RIG_SHARDS */
    size_t count, page;       /* page: shards a page; 0 = 100 */
    unsigned describes, children_calls;
};

struct rig_answer { /* what a test may put in the place of the model's answer */
    enum http_result result;
    int status;
    struct buf body;
};

struct rig {
    struct vworld v;
    struct aws_client *client;
    struct aws_config config;
    int64_t latency_ms;
    enum rig_filter filter;
    struct rig_stream streams[RIG_STREAMS];
    size_t stream_count;
    const char *table_arn; /* LatestStreamArn; NULL = none */
    bool table_missing, table_enabled;
    /* true: it filled the answer; `target`: "DescribeStream" and so on */
    bool (*hook)(struct rig *rig, const char *target, weir_str body, struct rig_answer *answer);
    int hook_count; /* the hook's own */
    struct rig_open {
        struct timer timer; /* first: it is cast back */
        struct rig *rig;
        struct http_call *call; /* NULL = free */
        bool aborted;
    } open[RIG_OPEN];
    size_t open_now, most_open;
    int64_t times[RIG_CALLS]; /* of all calls */
    size_t calls, table_calls, list_calls;
    char lines[RIG_LINES][600]; /* the log: "W0901 text" */
    size_t line_count;
};

void rig_init(struct rig *rig, uint64_t seed);
void rig_done(struct rig *rig); /* fails the test when something is left open */
struct rig_stream *rig_stream(struct rig *rig, const char *arn);
/* "b<a c!": adds shards; "!" = closed, as in the tests of the lineage. */
void rig_shards(struct rig_stream *stream, const char *text);
struct rig_shard *rig_shard(struct rig_stream *stream, const char *id);
void rig_log(void *ctx, int level, const char *component, const char *code, const char *msg);
/* Lines of this code. */
int rig_lines(const struct rig *rig, const char *code);
/* The most calls that were begun within any `ms`. */
int rig_most_calls(const struct rig *rig, int64_t ms);
/* An error of the service, for hooks. */
bool rig_error(struct rig_answer *answer, int status, const char *type);
/* The text of a member of the body, "" when it is not there. */
const char *rig_member(weir_str body, const char *name, char *out, size_t bytes);
#endif
