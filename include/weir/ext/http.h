/* weir.http/1: HTTP requests to servers that are not AWS: pooled, TLS verified, no redirects, no
 * proxy from the environment, tried exactly once (the router is the only layer that retries a
 * record). Ask for it in open(). All functions are [loop]. */
#ifndef WEIR_EXT_HTTP_H
#define WEIR_EXT_HTTP_H
#include <weir/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_EXT_HTTP "weir.http/1"

typedef struct weir_http_header { /* frozen layout */
    weir_str name, value;         /* printable ASCII */
} weir_http_header;

typedef struct weir_http_request {
    uint32_t struct_size;
    int32_t
        concurrency;    /* requests of this instance in flight at once; 0 = as it is, at first 16 */
    const char *method; /* "POST", "PUT" or "GET" */
    const char *url;    /* absolute, http or https */
    const weir_http_header *headers;
    size_t header_count;
    weir_str body;      /* the caller keeps it alive until done() */
    int64_t timeout_ms; /* of the whole exchange; 0 = 5 s */
    uint64_t token;     /* optional: the delivery it serves; its revocation aborts the request */
} weir_http_request;

typedef struct weir_http_response { /* valid inside done() only */
    uint32_t struct_size;
    int32_t outcome; /* WEIR_OK: a status of 200 to 299; else WEIR_RETRY (answer lost, 408, 409,
                        425), WEIR_DOWN (no connection, 401, 403, 404, 405, 407, 410, 429, 5xx, a
                        redirect), WEIR_FAIL (other 4xx): what to complete the records with, unless
                        you know better */
    int32_t status;  /* HTTP status, 0 when none came */
    int32_t sent;    /* 1: the request may have been carried out */
    int64_t retry_after_ms; /* of Retry-After, at most a day; -1 when there is none */
    weir_str body;          /* at most 1 MiB: a larger answer counts as lost. Of an answer without a
                               length it is what came until the server closed */
    weir_str reason;        /* for people, where outcome isn't WEIR_OK */
} weir_http_response;

/* Called exactly once for each accepted request, later, never from inside call(). [loop] */
typedef void (*weir_http_done)(void *arg, const weir_http_response *response);

typedef struct weir_http {
    uint32_t revision, struct_size; /* revision 1 */
    /* 0 and *request_id (optional), or -errno and done() is never called. Request and headers are
     * copied, the body is not. */
    int32_t (*call)(weir_instance *, const weir_http_request *, weir_http_done done, void *arg,
                    uint64_t *request_id);
    /* done() follows with outcome WEIR_RETRY; unknown ids are ignored. */
    void (*abort)(weir_instance *, uint64_t request_id);
} weir_http;

#ifdef __cplusplus
}
#endif
#endif
