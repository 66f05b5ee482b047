/* Credentials as a JSON document: what programs, containers and instances hand out. */
#ifndef WEIR_AWS_DOCUMENT_H
#define WEIR_AWS_DOCUMENT_H
#include "aws/credentials.h"
#include "json/json.h"
#include "util/err.h"

struct document_shape {
    const char *who;   /* begins each message */
    const char *token; /* the name of the session token's member */
    bool expires;      /* Expiration must be there */
    int (*check)(const struct json_value *root, struct err *err); /* or NULL: what else is asked */
};

/* `json` and its copies are wiped of secrets. 0, -EINVAL (err: what is wrong, never with a value),
 * -ENOMEM. */
int document_read(weir_str json, const struct document_shape *shape, struct credentials *out,
                  struct err *err);
#endif
