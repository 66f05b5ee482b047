#include "cli/sample.h"

#include <stdio.h>

enum { SHELF = 12 };

struct shop {
    struct sample *sample;
    struct sample_item items[SHELF];
    bool there[SHELF];
    uint64_t next_number;
    size_t last_line; /* where the last record begins */
    int64_t made;
};

static void record(struct shop *shop, const char *event, const struct sample_item *old,
                   const struct sample_item *new, bool by_ttl)
{
    shop->last_line = shop->sample->out.len;
    sample_record(shop->sample, event, old, new, by_ttl);
    buf_putc(&shop->sample->out, '\n');
    shop->made++;
}

static void insert(struct shop *shop, size_t at)
{
    sample_item(&shop->items[at], shop->next_number++);
    shop->there[at] = true;
    record(shop, "INSERT", NULL, &shop->items[at], false);
}

static void change_price(struct shop *shop, size_t at)
{
    struct sample_item before = shop->items[at];
    sample_walk(shop->sample, &shop->items[at]);
    record(shop, "MODIFY", &before, &shop->items[at], false);
}

static void change_stock(struct shop *shop, size_t at)
{
    struct sample_item before = shop->items[at];
    shop->items[at].stock += (int64_t)sample_random(shop->sample, 9) - 4;
    if (shop->items[at].stock == before.stock)
        shop->items[at].stock++;
    record(shop, "MODIFY", &before, &shop->items[at], false);
}

static void take_away(struct shop *shop, size_t at, bool by_ttl)
{
    shop->there[at] = false;
    record(shop, "REMOVE", &shop->items[at], NULL, by_ttl);
}

/* ---- traps ---- */

static void duplicate(struct shop *shop)
{
    struct buf *out = &shop->sample->out;
    size_t len = out->len - shop->last_line;
    if (buf_reserve(out, len) < 0)
        return;
    memcpy(out->ptr + out->len, out->ptr + shop->last_line, len);
    shop->last_line = out->len;
    out->len += len;
    shop->made++;
}

static void late(struct shop *shop)
{
    shop->sample->seconds -= 3600;
    change_price(shop, 2);
    shop->sample->seconds += 3600;
}

/* The same number, written another way: no change of price. */
static void rewritten(struct shop *shop)
{
    struct sample_item before = shop->items[3], *item = &shop->items[3];
    item->cents = 1000;
    snprintf(item->price, sizeof item->price, "10");
    record(shop, "MODIFY", &before, item, false);
    before = *item;
    snprintf(item->price, sizeof item->price, "10.00");
    record(shop, "MODIFY", &before, item, false);
}

static void twice_in_a_second(struct shop *shop)
{
    change_price(shop, 1);
    change_price(shop, 1);
}

static void exact_number(struct shop *shop)
{
    struct sample_item before = shop->items[4], *item = &shop->items[4];
    snprintf(item->price, sizeof item->price, "0.1000000000000000055511");
    record(shop, "MODIFY", &before, item, false);
    before = *item;
    sample_price(item->price, item->cents);
    record(shop, "MODIFY", &before, item, false);
}

static void without_price(struct shop *shop)
{
    struct sample_item before = shop->items[5], *item = &shop->items[5];
    item->price[0] = '\0';
    record(shop, "MODIFY", &before, item, false);
    before = *item;
    sample_price(item->price, item->cents);
    record(shop, "MODIFY", &before, item, false);
}

/* Names that would clear a terminal, end a string, forge a log line or turn text around. */
static void hostile(struct shop *shop)
{
    static const char *const names[] = {
        "\\u001b[2J\\u001b[31mred\\u0007",
        "\\\"}],\\\"Records\\\":[{\\u0000",
        "two\\nlines\\r\\n2026-01-15T10:00:00Z ERROR forged",
        "\\u202eesrever\\u202c \\ud83d\\ude00 na\xc3\xafve",
        "${HOME} %s%n $(id) `id` '; DROP TABLE x; --",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct sample_item item, before;
        sample_item(&item, 900 + i);
        snprintf(item.id, sizeof item.id, "x%zu\\u001b]0;t\\u0007/../%zu", i, i);
        snprintf(item.name, sizeof item.name, "%s", names[i]);
        record(shop, "INSERT", NULL, &item, false);
        before = item;
        sample_walk(shop->sample, &item);
        record(shop, "MODIFY", &before, &item, false);
    }
}

static void trap(struct shop *shop)
{
    switch (shop->made) {
    case 15:
        duplicate(shop);
        break;
    case 18:
        twice_in_a_second(shop);
        break;
    case 22:
        rewritten(shop);
        break;
    case 26:
        late(shop);
        break;
    case 29:
        exact_number(shop);
        break;
    case 33:
        without_price(shop);
        break;
    case 37:
        take_away(shop, 6, true);
        insert(shop, 6);
        break;
    case 41:
        hostile(shop);
        break;
    default:
        break;
    }
}

static void ordinary(struct shop *shop)
{
    size_t at = (size_t)sample_random(shop->sample, SHELF);
    uint64_t dice = sample_random(shop->sample, 100);
    shop->sample->seconds += 1 + (int64_t)sample_random(shop->sample, 4);
    if (!shop->there[at])
        insert(shop, at);
    else if (dice < 65)
        change_price(shop, at);
    else if (dice < 92 || at < 7) /* the first shelves stay filled for the traps */
        change_stock(shop, at);
    else
        take_away(shop, at, false);
}

void sample_shop(struct sample *sample, int64_t count)
{
    struct shop shop = {.sample = sample, .next_number = 1};
    for (size_t at = 0; at < SHELF && shop.made < count; at++) {
        insert(&shop, at);
        sample->seconds++;
    }
    while (shop.made < count && !sample->out.failed) {
        int64_t before = shop.made;
        trap(&shop);
        if (shop.made == before)
            ordinary(&shop);
    }
}
