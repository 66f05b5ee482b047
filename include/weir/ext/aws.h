/* weir.aws/1: calls to AWS services, pooled, signed, tried exactly once.
 * The router is the only layer that retries a record, so a failed call is reported at once, with the
 * outcome that the design gives to this kind of failure. All functions are [loop]. */
#ifndef WEIR_EXT_AWS_H
#define WEIR_EXT_AWS_H
#include <weir/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_EXT_AWS "weir.aws/1"

/* How a service is spoken to (weir_aws_request.protocol; JSON alone in revision 1). */
enum {
    WEIR_AWS_JSON = 0,  /* by `target` and `json` */
    WEIR_AWS_QUERY = 1, /* the body is a form ("Action=Publish&..."), application/x-www-form-urlencoded. An
                           answer in XML is given as the JSON that says the same: {"ROOT": ...}, an element
                           with elements is an object, or an array where they are <member>s, any other a
                           string */
    WEIR_AWS_REST = 2   /* the body is JSON, posted to `path`. Any status of 2xx is WEIR_OK, and the body is
                           given as it came */
};

typedef struct weir_aws_header { /* frozen layout */
    weir_str name, value;        /* printable ASCII */
} weir_aws_header;

typedef struct weir_aws_request {
    uint32_t struct_size;
    int32_t concurrency;   /* calls of this instance in flight at once; 0 = the host's choice */
    const char *service;   /* "dynamodb", "sqs", "sns", "events", "kinesis", "lambda": signing name and endpoint */
    const char *target;    /* X-Amz-Target, e.g. "DynamoDB_20120810.PutItem" */
    const char *json;      /* "1.0" or "1.1" */
    weir_str body;         /* the caller keeps it alive until done() */
    weir_str endpoint;     /* optional: overrides config, environment and the default (an SQS queue's host) */
    weir_str region;       /* optional: overrides the configured region */
    int64_t timeout_ms;    /* 0 = the host's choice */
    uint64_t token;        /* optional: the delivery it serves; its revocation aborts the call */
    /* revision 2 */
    int32_t protocol;      /* WEIR_AWS_* */
    uint32_t header_count; /* at most 4 */
    const char *path;      /* of WEIR_AWS_REST: percent-encoded, with its query, printable ASCII. The caller
                              keeps it and the headers alive until done() */
    const weir_aws_header *headers; /* optional: more of them, signed */
} weir_aws_request;

typedef struct weir_aws_response { /* valid inside done() only */
    uint32_t struct_size;
    int32_t outcome;       /* WEIR_OK: status 200 and a whole JSON object (see WEIR_AWS_*); else WEIR_RETRY (answer lost, conflict),
                              WEIR_FAIL (validation, too large), WEIR_DOWN (throttled, 5xx, no connection,
                              denied, missing): what to complete the records with, unless you know better */
    int32_t status;        /* HTTP status, 0 when none came */
    int32_t sent;          /* 1: the request may have been carried out */
    weir_str body;
    weir_str error_type;   /* "ValidationException": the last part of __type, or of a transport failure */
    weir_str error_message;
    weir_str request_id;
    weir_str headers;      /* revision 2: lines "Name: value", as they came; see weir_header() */
} weir_aws_response;

/* Called exactly once for each accepted call, later, never from inside call(). [loop] */
typedef void (*weir_aws_done)(void *arg, const weir_aws_response *response);

typedef struct weir_aws {
    uint32_t revision, struct_size; /* revision 2 */
    /* 0 and *call_id (optional), or -errno and done() is never called. The request struct is copied,
     * its body is not. */
    int32_t (*call)(weir_instance *, const weir_aws_request *, weir_aws_done done, void *arg,
                    uint64_t *call_id);
    /* done() follows with outcome WEIR_RETRY and error_type "Aborted"; unknown ids are ignored. */
    void (*abort)(weir_instance *, uint64_t call_id);
} weir_aws;

#ifdef __cplusplus
}
#endif
#endif
