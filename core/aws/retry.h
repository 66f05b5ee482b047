/* The standard retry mode of the AWS SDKs: how long to wait, and when to stop asking a service in
 * trouble. */
#ifndef WEIR_AWS_RETRY_H
#define WEIR_AWS_RETRY_H
#include "util/seam.h"

enum { RETRY_TOKENS = 500 };

struct retry_quota {
    int tokens;
};

/* Tokens taken for one more attempt, to be given back when it succeeds; 0 when there are too few.
 */
int retry_take(struct retry_quota *quota, bool throttled);
/* A call succeeded that had taken `tokens` for its last attempt (0: it was the first). */
void retry_give(struct retry_quota *quota, int tokens);

/* Full jitter: anything between 0 and base * 2^(attempts - 1), at most 20 s. `attempts` >= 1 have
 * failed; the server's own wish (x-amz-retry-after) is followed for up to 5 s more. */
int64_t retry_delay_ms(const struct random *random, int attempts, bool throttled, bool dynamodb,
                       int64_t wished_ms);
#endif
