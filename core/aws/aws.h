/* The AWS client: credentials, signing, endpoints, and one JSON call at a time on the transport
 * seam. */
#ifndef WEIR_AWS_AWS_H
#define WEIR_AWS_AWS_H
#include "util/err.h"
#include "util/seam.h"
#include <weir/ext/aws.h>

struct aws_config { /* from the config file; empty strings = not set. Borrowed for the client's life
                     */
    const char *region, *endpoint_url, *profile;
    const struct aws_endpoint {
        const char *service, *url;
    } * endpoints; /* service: "dynamodb", "dynamodb_streams", "sqs" */
    size_t endpoint_count;
    bool allow_http;       /* plain http to other than loopback */
    bool lambda;           /* credentials from the environment only, connect timeout 1 s */
    struct aws_keys *keys; /* keys.h: they are taken from here only; NULL = from the usual places */
    char **environ_block;  /* NULL = the process's; tests give their own */
    void (*log)(void *ctx, int level, const char *msg);
    void *log_ctx;
};
struct aws_client;

/* Resolves region and endpoint settings; reads no credentials yet. `world` and what `config` points
 * at must outlive the client. 0, -EINVAL (err), -ENOMEM. */
int aws_client_new(const struct world *world, const struct aws_config *config,
                   struct aws_client **out, struct err *err);
void aws_client_free(
    struct aws_client *client); /* no call may be open. Memory goes later when a refresh of
                                   credentials is still running on a pool thread */

enum aws_outcome {
    AWS_OK = 1,
    AWS_THROTTLED,
    AWS_UNAVAILABLE /* 5xx, no connection; not carried out or unknown */,
    AWS_AMBIGUOUS /* sent, no whole valid answer */,
    AWS_CONFLICT,
    AWS_INVALID /* validation, too large */,
    AWS_DENIED /* credentials or permission */,
    AWS_MISSING /* table, queue */,
    AWS_CONDITION /* conditional check failed */,
    AWS_ERROR /* any other 4xx */,
    AWS_ABORTED
};

enum aws_protocol { AWS_JSON, AWS_QUERY, AWS_REST }; /* as WEIR_AWS_* */
enum { AWS_CALL_HEADERS_MAX = 4 };

struct aws_call {                        /* owned by the caller until done() returns */
    const char *service, *target, *json; /* "dynamodb"; "DynamoDB_20120810.PutItem"; "1.0" */
    enum aws_protocol protocol;
    const char *path; /* AWS_REST: "/2015-03-31/functions/f/invocations?Qualifier=1", encoded */
    bool get;         /* AWS_REST: not a POST; without a body */
    const struct http_header *headers; /* more of them, at most AWS_CALL_HEADERS_MAX */
    size_t header_count;
    weir_str body;             /* this, the path and the headers: alive until done() */
    weir_str endpoint, region; /* optional overrides; copied by start */
    int64_t timeout_ms;
    size_t max_answer_bytes; /* 0 = 1 MiB */
    int max_attempts;        /* 1 = once; 0 = the standard retry mode of the service */
    bool
        raw_answer; /* the answer is parsed by the caller (GetRecords): only its shape is checked */
    void (*done)(struct aws_call *call); /* exactly once, later */
    void *arg;
    /* answer, valid in done() */
    enum aws_outcome outcome;
    int status, attempts;
    bool sent;
    weir_str answer;         /* AWS_QUERY: what came as XML is JSON here (xml.h) */
    weir_str answer_headers; /* lines, as they came */
    struct buf *answer_buf;  /* AWS_OK: what `answer` stands in, 64 zero bytes behind it; done() may
                                take its memory */
    weir_str error_type, error_message, request_id;
    struct aws_call_state *state; /* the client's */
};
int aws_call_start(struct aws_client *client,
                   struct aws_call *call); /* 0 or -errno (then no done()) */
void aws_call_abort(struct aws_client *client,
                    struct aws_call *call); /* done() follows with AWS_ABORTED */
const char *
aws_region(const struct aws_client *client); /* "" when none is known: a call then needs its own */
/* The value of X-Amzn-Trace-Id on every request from now on (Lambda's, per invocation); len 0 =
 * none. 0 or -ENOMEM. */
int aws_client_set_trace(struct aws_client *client, weir_str trace);
/* For people: the provider whose keys are in use, and of the endpoint that a service was first
 * asked at last its URL and by how much its clock is ahead of ours. NULL, 0: nothing yet. */
struct aws_view {
    const char *credentials, *url;
    int64_t skew_us;
};
struct aws_view aws_client_view(struct aws_client *client, const char *service);
uint64_t aws_ambiguous_count(const struct aws_client *client);

/* weir.aws/1 for plugins (see instance_services): the table, and what attaches an instance. */
extern const weir_aws aws_extension;
int32_t aws_record_outcome(enum aws_outcome outcome); /* weir_aws_response.outcome */
void *aws_extension_attach(struct aws_client *client,
                           weir_instance *instance); /* client NULL (check): every call
                                      fails with -ENOTSUP. NULL when out of memory */
void aws_extension_detach(void *attached); /* open calls are aborted and call nobody back */
void aws_extension_revoke(void *attached,
                          uint64_t token); /* aborts the open calls made for a delivery */
#endif
