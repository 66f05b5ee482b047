/* What is said to STS, and what its XML means. */
#ifndef WEIR_AWS_STS_H
#define WEIR_AWS_STS_H
#include "aws/credentials.h"
#include "util/buf.h"
#include "util/err.h"

struct role { /* NUL-terminated, owned; NULL where not set */
    char *arn, *session, *external_id;
    int duration_s; /* 0 = the role's own */
};
void role_done(struct role *role);

/* Appends the form of AssumeRoleWithWebIdentity where there is a token, else of AssumeRole. `out`
 * fails when it is too long. */
void sts_put_request(struct buf *out, const struct role *role, const char *token);
/* The credentials of an answer. 0, -EINVAL (err, never with a value), -ENOMEM. */
int sts_read_answer(weir_str xml, struct credentials *out, struct err *err);
/* The code of an error answer (views; len 0: it has none), and its message where that can't quote
 * the request. */
void sts_read_error(weir_str xml, weir_str *code, weir_str *message);
#endif
