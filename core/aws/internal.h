/* What the files of core/aws share. */
#ifndef WEIR_AWS_INTERNAL_H
#define WEIR_AWS_INTERNAL_H
#include "aws/aws.h"
#include "aws/sigv4.h"

void hex_encode(const unsigned char *bytes, size_t len, char *out); /* 2 * len + 1 bytes */

const struct world *aws_client_world(const struct aws_client *client);
struct credential_chain *aws_client_chain(struct aws_client *client);
struct endpoint;
const struct endpoint *aws_client_endpoints(const struct aws_client *client); /* newest first */

/* Writes the canonical request to `out`; the list of signed headers as a view into it. -E2BIG,
 * -ENOMEM. */
int canonical_request(struct buf *out, struct buf *scratch, const struct sigv4_request *request,
                      const char *body_hash, weir_str *signed_headers);
#endif
