/* Questions that change nothing, to AWS and to servers, one at a time, and what their answers mean
 * to this configuration: `weir doctor`, `weir check --probe`, `weir run --require-healthy`. */
#ifndef WEIR_CLI_PROBE_H
#define WEIR_CLI_PROBE_H
#include "aws/aws.h"
#include "cli/cli.h"
#include "config/sinks.h"

struct loop;

enum finding_state { FINDING_OK, FINDING_WARN, FINDING_FAIL };

struct finding {
    enum finding_state state;
    const char *what;                /* "credentials", "permission", "sink" ... */
    const struct sink_config *about; /* of a sink's; else NULL */
    const char *text, *help;         /* the fix; NULL with FINDING_OK */
};

struct probe {
    const struct config *config;
    void (*say)(void *arg, const struct finding *finding);
    void *arg;
    struct loop *loop;
    struct world world;
    struct aws_client *aws;
    size_t fails;
    bool surroundings_told; /* credentials, clock and endpoint, which the first answer tells of */
    bool hopeless;          /* there are no credentials: nothing more is asked */
    const char *function;   /* the Lambda function that reads the stream, as the user names it */
    /* the last question */
    bool open;
    struct aws_call call;
    struct buf body, answer;
    enum aws_outcome outcome;
    char type[128], message[500];
};

/* 0, or an exit code after a message. probe_close in any case. */
int probe_open(struct probe *probe, const struct cli *cli, const struct config *config,
               void (*say)(void *arg, const struct finding *finding), void *arg);
void probe_close(struct probe *probe);

struct question {
    const char *service, *target, *json;
    weir_str region, endpoint;        /* empty: the client's */
    const char *get;                  /* the path and query of a GET, instead of target and body */
    const char *post;                 /* those of a POST, instead of a target */
    bool form;                        /* the body is a form, and there is no target */
    const struct http_header *header; /* of a POST; optional */
};
/* Asks with what is in `body`; true: the answer is in `answer`. Else `outcome` and `message` say
 * why not, or it is hopeless. */
bool probe_ask(struct probe *probe, const struct question *question);
void probe_say(struct probe *probe, enum finding_state state, const char *what, const char *help,
               const char *format, ...) __attribute__((format(printf, 5, 6)));
void probe_say_of(struct probe *probe, const struct sink_config *sink, enum finding_state state,
                  const char *help, const char *format, ...) __attribute__((format(printf, 5, 6)));
bool probe_wants_aws(const struct probe *probe, const struct sink_set *set);

/* What each sink declared that it calls: is it there? A server: does it answer? */
void probe_sinks(struct probe *probe, const struct sink_set *set);
/* The tables and streams of the source; where Lambda reads them, its mapping. */
void probe_source(struct probe *probe, const struct sink_set *set);
bool probe_for_lambda(const struct probe *probe); /* a function reads, not this weir */
/* The event source mappings of a stream, or (none) of the function: what they are set to, and
 * whether that fits the configuration. `found` is called with each stream that a mapping of the
 * function reads; NULL = not. */
void probe_mappings(struct probe *probe, const struct sink_set *set, weir_str stream_arn,
                    void (*found)(struct probe *probe, const struct sink_set *set, weir_str arn));
/* Whether what the daemon has to keep can be kept where the configuration says. */
void probe_state(struct probe *probe);
#endif
