/* Lies, as `seed` has it: OK then RETRY, indexes out of range, tokens of others and of nobody,
 * outcomes that do not exist, late completions of old deliveries. In the end it completes all, with
 * RETRY. */
#include "sink.h"

enum { REMEMBERED = 8 };

struct liar {
    struct sink base;
    uint64_t state, old[REMEMBERED];
    size_t delivered;
};

static uint64_t next_random(struct liar *liar)
{
    liar->state ^= liar->state << 13;
    liar->state ^= liar->state >> 7;
    liar->state ^= liar->state << 17;
    return liar->state;
}

static void one_lie(struct liar *liar, uint64_t token, size_t count)
{
    static const int32_t garbage[] = {0, -1, 6, 99, INT32_MIN, INT32_MAX};
    const weir_host *host = liar->base.host;
    weir_instance *instance = liar->base.instance;
    uint64_t dice = next_random(liar);
    size_t i = count ? (size_t)(dice >> 8) % count : 0;
    switch (dice % 7) {
    case 0:
        host->complete(instance, token, i, WEIR_OK, WEIR_NONE);
        host->complete(instance, token, i, WEIR_RETRY, WEIR_STR("not so"));
        break;
    case 1:
        host->complete(instance, token, count + i, WEIR_OK, WEIR_NONE);
        break;
    case 2:
        host->complete(instance, token, (size_t)-1, WEIR_OK, WEIR_NONE);
        break;
    case 3:
        host->complete(instance, next_random(liar), i, WEIR_OK, WEIR_NONE);
        break;
    case 4:
        host->complete(instance, token, i, garbage[(dice >> 40) % 6], WEIR_STR("garbage"));
        break;
    case 5:
        host->complete_rest(instance, liar->old[(dice >> 40) % REMEMBERED], WEIR_OK, WEIR_NONE);
        break;
    default:
        host->complete_rest(instance, 0, WEIR_OK, WEIR_NONE);
        break;
    }
}

static void liar_deliver(void *self, weir_delivery *delivery)
{
    struct liar *liar = self;
    const weir_host *host = liar->base.host;
    uint64_t token = host->token(delivery);
    size_t count = host->count(delivery);
    for (int lies = 0; lies < 10; lies++)
        one_lie(liar, token, count);
    liar->old[liar->delivered++ % REMEMBERED] = token;
    host->complete_rest(liar->base.instance, token, WEIR_RETRY, WEIR_STR("the truth"));
}

static int32_t liar_open(const weir_host *host, weir_instance *instance, void **self)
{
    int32_t rc = sink_open(host, instance, sizeof(struct liar), self);
    if (rc == 0)
        ((struct liar *)*self)->state =
            (uint64_t)sink_number(*self, "seed") * 0x9e3779b97f4a7c15u | 1;
    return rc;
}

static const weir_option options[] = {{"seed", "1", WEIR_O_INT, 0, NULL, "Which lies."},
                                      {NULL, NULL, 0, 0, NULL, NULL}};
PLUGIN("liar", .options = options, .open = liar_open, .close = plain_close, .deliver = liar_deliver)
