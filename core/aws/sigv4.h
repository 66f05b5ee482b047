/* AWS Signature Version 4 over the Authorization header. */
#ifndef WEIR_AWS_SIGV4_H
#define WEIR_AWS_SIGV4_H
#include "aws/credentials.h"
#include "util/buf.h"
#include "util/seam.h"

#include <openssl/evp.h>

enum { SIGV4_HEADERS_MAX = 32, SIGV4_PARAMS_MAX = 64, SIGV4_KEYS = 8 };

struct sigv4_key { /* derived from a secret; good for a day, a region and a service */
    uint64_t generation;
    char scope[96]; /* "20150830/us-east-1/dynamodb/aws4_request" */
    unsigned char key[32];
};

struct sigv4 { /* contexts and keys made once and used again. One thread */
    EVP_MD *sha256;
    EVP_MD_CTX *digest;
    EVP_MAC *hmac;
    EVP_MAC_CTX *mac;
    struct buf canonical, encoded; /* scratch */
    struct sigv4_key keys[SIGV4_KEYS];
    unsigned next_key;
};

struct sigv4_request {
    weir_str method;
    weir_str path;  /* as it goes over the wire, without the query; empty = "/" */
    weir_str query; /* without '?' */
    const struct http_header *headers; /* all of them are signed; Host and X-Amz-Date among them */
    size_t header_count;
    weir_str body;
    bool normalize; /* resolve ".", ".." and "//" of the path; every service but S3 */
};

struct sigv4_scope {
    int64_t unix_s;
    const char *region, *service;
};

enum { SIGV4_TIME_BYTES = 17 }; /* "20150830T123600Z" */
void sigv4_time(int64_t unix_s, char out[SIGV4_TIME_BYTES]);

int sigv4_init(struct sigv4 *sigv4);  /* 0 or -ENOMEM */
void sigv4_done(struct sigv4 *sigv4); /* wipes the keys */

/* Appends the value of the Authorization header. -E2BIG: too many headers or parameters, or too
 * long a region or service; -ENOMEM. */
int sigv4_sign(struct sigv4 *sigv4, const struct credentials *credentials,
               const struct sigv4_scope *scope, const struct sigv4_request *request,
               struct buf *authorization);
/* The text whose hash is signed, in sigv4->canonical until the next call. */
int sigv4_canonical(struct sigv4 *sigv4, const struct sigv4_request *request, weir_str *out);
#endif
