#include "cli/sample.h"

#include "cli/verbs.h"

#include <inttypes.h>

enum {
    PRODUCTS = 9,
    WALKERS = 4,
    WALK_COUNT = 20,
    SHOP_COUNT = 300,
    SHOP_MAX = 20000,         /* it is made in memory */
    EVENT_RECORDS_MAX = 1000, /* in one event: about 600 KiB, below the 6 MB of an invocation */
    FLUSH_BYTES = 256 * 1024
};

/* splitmix64: small, and the same everywhere. */
uint64_t sample_random(struct sample *sample, uint64_t below)
{
    uint64_t z = sample->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return below ? z % below : z;
}

void sample_init(struct sample *sample, uint64_t seed)
{
    *sample = (struct sample){.state = seed, .seconds = 1768471200}; /* 2026-01-15T10:00:00Z */
    buf_init(&sample->out, 64 << 20);
}

void sample_done(struct sample *sample)
{
    buf_done(&sample->out);
}

static void put_image(struct buf *out, const char *label, const struct sample_item *item)
{
    buf_printf(out, ",\"%s\":{\"product_id\":{\"S\":\"%s\"}", label, item->id);
    if (item->price[0])
        buf_printf(out, ",\"price\":{\"N\":\"%s\"}", item->price);
    buf_printf(out, ",\"name\":{\"S\":\"%s\"},\"stock\":{\"N\":\"%" PRId64 "\"}}", item->name,
               item->stock);
}

void sample_record(struct sample *sample, const char *event, const struct sample_item *old,
                   const struct sample_item *new, bool by_ttl)
{
    struct buf *out = &sample->out;
    uint64_t high = sample_random(sample, 0), low = sample_random(sample, 0);
    sample->sequence += 1 + (int64_t)sample_random(sample, 900);
    buf_printf(out,
               "{\"eventID\":\"%016" PRIx64 "%016" PRIx64
               "\",\"eventName\":\"%s\",\"eventVersion\":\"1.1\","
               "\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"us-east-1\",",
               high, low, event);
    if (by_ttl)
        buf_puts(
            out,
            "\"userIdentity\":{\"type\":\"Service\",\"principalId\":\"dynamodb.amazonaws.com\"},");
    buf_printf(out,
               "\"dynamodb\":{\"ApproximateCreationDateTime\":%" PRId64
               ",\"Keys\":{\"product_id\":{\"S\":\"%s\"}}",
               sample->seconds, (new ? new : old)->id);
    if (new)
        put_image(out, "NewImage", new);
    if (old)
        put_image(out, "OldImage", old);
    buf_printf(out,
               ",\"SequenceNumber\":\"4911%020" PRId64
               "\",\"SizeBytes\":%d,\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"},"
               "\"eventSourceARN\":\"arn:aws:dynamodb:us-east-1:123456789012:table/Products/stream/"
               "2026-01-15T10:00:00.000\"}",
               sample->sequence, 60 + 60 * ((new != NULL) + (old != NULL)));
}

void sample_price(char out[SAMPLE_PRICE_MAX], int64_t cents)
{
    if (cents % 100 == 0)
        snprintf(out, SAMPLE_PRICE_MAX, "%" PRId64, cents / 100);
    else if (cents % 10 == 0)
        snprintf(out, SAMPLE_PRICE_MAX, "%" PRId64 ".%" PRId64, cents / 100, cents % 100 / 10);
    else
        snprintf(out, SAMPLE_PRICE_MAX, "%" PRId64 ".%02" PRId64, cents / 100, cents % 100);
}

void sample_item(struct sample_item *item, uint64_t number)
{
    static const char *const names[] = {"Anvil",  "Bellows", "Compass", "Dividers", "Easel",
                                        "Funnel", "Gimlet",  "Hammer",  "Inkwell"};
    *item = (struct sample_item){.cents = 500 + (int64_t)(number * 725 % 9000), .stock = 40};
    snprintf(item->id, sizeof item->id, "p%" PRIu64, number);
    snprintf(item->name, sizeof item->name, "%s", names[number % 9]);
    sample_price(item->price, item->cents);
}

/* Up to a tenth of the price up or down, never nothing and never below one cent. */
void sample_walk(struct sample *sample, struct sample_item *item)
{
    int64_t span = item->cents / 10 > 5 ? item->cents / 10 : 5;
    int64_t step = 1 + (int64_t)sample_random(sample, (uint64_t)span);
    bool down = sample_random(sample, 2) && item->cents > step;
    item->cents += down ? -step : step;
    sample_price(item->price, item->cents);
}

/* ---- events of chosen kinds ---- */

struct plan {
    const char *events[3];
    size_t count;
};

static void one_record(struct sample *sample, const char *event)
{
    struct sample_item before, after;
    sample_item(&before, 1 + sample_random(sample, PRODUCTS));
    after = before;
    sample_walk(sample, &after);
    sample->seconds += (int64_t)sample_random(sample, 3);
    sample_record(sample, event, *event == 'I' ? NULL : &before, *event == 'R' ? NULL : &after,
                  false);
}

static bool flush(struct cli *cli, struct sample *sample)
{
    bool written = cli_write(cli->out, &sample->out);
    buf_reset(&sample->out);
    return written;
}

static bool print_events(struct cli *cli, struct sample *sample, const struct plan *plan,
                         int64_t count)
{
    struct sample_item walkers[WALKERS];
    for (uint64_t i = 0; i < WALKERS; i++)
        sample_item(&walkers[i], i + 1);
    bool written = true;
    for (int64_t i = 0; i < count && written; i++) {
        buf_puts(&sample->out, i % EVENT_RECORDS_MAX == 0 ? "{\"Records\":[" : ",");
        if (cli->price_walk) {
            struct sample_item *item = &walkers[sample_random(sample, WALKERS)], before = *item;
            sample_walk(sample, item);
            sample->seconds += (int64_t)sample_random(sample, 3);
            sample_record(sample, "MODIFY", &before, item, false);
        } else {
            one_record(sample, plan->events[(size_t)i % plan->count]);
        }
        if (i + 1 == count || (i + 1) % EVENT_RECORDS_MAX == 0)
            buf_puts(&sample->out, "]}\n");
        if (sample->out.len > FLUSH_BYTES)
            written = flush(cli, sample);
    }
    return written && flush(cli, sample);
}

static bool read_plan(const char *text, struct plan *plan)
{
    static const struct {
        const char *word, *event;
    } kinds[] = {{"insert", "INSERT"}, {"modify", "MODIFY"}, {"remove", "REMOVE"}};
    while (plan->count < 3) {
        size_t len = strcspn(text, ","), before = plan->count;
        for (size_t i = 0; i < 3; i++)
            if (strlen(kinds[i].word) == len && memcmp(kinds[i].word, text, len) == 0)
                plan->events[plan->count++] = kinds[i].event;
        if (plan->count == before)
            return false;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
    return false;
}

int verb_sample(struct cli *cli)
{
    const char *what = cli->arg_count    ? cli->args[0]
                       : cli->price_walk ? "modify"
                                         : "insert,modify,remove";
    bool shop = strcmp(what, "shop") == 0;
    struct plan plan = {0};
    if (!shop && !read_plan(what, &plan))
        return cli_fail(cli, EXIT_USAGE, "write some of insert,modify,remove (each once), or shop.",
                        "can't print samples of \"%s\"", what);
    int64_t count = cli->count        ? cli->count
                    : shop            ? SHOP_COUNT
                    : cli->price_walk ? WALK_COUNT
                                      : (int64_t)plan.count;
    if (shop && count > SHOP_MAX)
        return cli_fail(cli, EXIT_USAGE, NULL, "the shop's stream has at most %d records",
                        SHOP_MAX);
    struct sample sample;
    sample_init(&sample, (uint64_t)cli->seed);
    if (shop)
        sample_shop(&sample, count);
    bool written = shop ? flush(cli, &sample) : print_events(cli, &sample, &plan, count);
    sample_done(&sample);
    return written ? EXIT_DONE : EXIT_NO;
}
