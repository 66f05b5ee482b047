/* Which queue a URL names. */
#ifndef WEIR_SQS_SQS_H
#define WEIR_SQS_SQS_H
#include "shared/text.h"

struct queue_url {          /* views into the URL */
    weir_str endpoint;      /* scheme and host */
    weir_str region;        /* len 0: the host doesn't tell */
    weir_str account, name; /* account: len 0 when the path has none */
};
/* NULL, or why it will not do. Static text. */
const char *queue_url_parse(weir_str url, struct queue_url *out);
#endif
