/* What one attempt of a call puts on the wire: its URL and its signed headers. */
#ifndef WEIR_AWS_REQUEST_H
#define WEIR_AWS_REQUEST_H
#include "aws/aws.h"
#include "aws/endpoint.h"
#include "aws/sigv4.h"

enum { REQUEST_HEADERS_MAX = 7 + AWS_CALL_HEADERS_MAX };

struct request {
    const char *method;
    const char *url; /* the endpoint's, or in `address` */
    struct http_header headers[REQUEST_HEADERS_MAX];
    size_t header_count;
    struct buf address, authorization;
    char content_type[40], time[SIGV4_TIME_BYTES];
};

struct request_signer {
    struct sigv4 *sigv4;
    const struct credentials *credentials;
    int64_t unix_s; /* by the server's clock */
};

void request_init(struct request *request);
void request_done(struct request *request);
/* What it fills points into all of its arguments. 0, -E2BIG, -ENOMEM, -EMSGSIZE. */
int request_make(struct request *request, const struct aws_call *call,
                 const struct endpoint *endpoint, const struct request_signer *signer,
                 weir_str trace);
#endif
