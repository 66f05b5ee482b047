#include "aws/retry.h"

enum {
    COST = 14,
    COST_THROTTLED = 5,
    BASE_MS = 50,
    BASE_DYNAMODB_MS = 25,
    BASE_THROTTLED_MS = 1000,
    MOST_MS = 20000,
    MOST_WISHED_MS = 5000
};

int retry_take(struct retry_quota *quota, bool throttled)
{
    int cost = throttled ? COST_THROTTLED : COST;
    if (quota->tokens < cost)
        return 0;
    quota->tokens -= cost;
    return cost;
}

void retry_give(struct retry_quota *quota, int tokens)
{
    quota->tokens += tokens ? tokens : 1;
    if (quota->tokens > RETRY_TOKENS)
        quota->tokens = RETRY_TOKENS;
}

int64_t retry_delay_ms(const struct random *random, int attempts, bool throttled, bool dynamodb,
                       int64_t wished_ms)
{
    int64_t most = throttled ? BASE_THROTTLED_MS : dynamodb ? BASE_DYNAMODB_MS : BASE_MS;
    for (int i = 1; i < attempts && most < MOST_MS; i++)
        most *= 2;
    if (most > MOST_MS)
        most = MOST_MS;
    int64_t delay = (int64_t)(random->next(random->ctx) % (uint64_t)(most + 1));
    if (wished_ms > delay)
        delay = wished_ms < delay + MOST_WISHED_MS ? wished_ms : delay + MOST_WISHED_MS;
    return delay;
}
