#include "table.h"
#include "unit.h"

#include "util/alloc.h"

#include <stdio.h>
#include <string.h>

static void store(struct table *table, const struct json_value *item)
{
    char key[512];
    weir_str id = json_member0(item, "product_id")->raw, at = json_member0(item, "timestamp")->raw;
    snprintf(key, sizeof key, "%.*s %.*s", (int)id.len, id.ptr, (int)at.len, at.ptr);
    char *text = mem_dup0(item->raw.ptr, item->raw.len);
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->keys[i], key) != 0)
            continue;
        if (strcmp(table->items[i], text) == 0)
            table->repeats++;
        else
            table->overwrites++;
        mem_free(text);
        return;
    }
    CHECK_FATAL(table->count < TABLE_ROWS_MAX);
    table->keys[table->count] = mem_dup0(key, strlen(key));
    table->items[table->count++] = text;
}

size_t table_apply(struct table *table, const struct fake_call *call)
{
    struct arena arena;
    struct json_error error;
    arena_init(&arena, 4096);
    const struct json_value *root = json_parse(&arena, str_of(call->body), 0, 0, &error);
    if (!root)
        printf("\n    bad body: %s", call->body);
    CHECK_FATAL(root != NULL);
    const struct json_value *single = json_member0(root, "Item");
    const struct json_value *list = json_at(json_member0(root, "RequestItems"), 0);
    size_t count = list ? list->size : 0;
    if (single)
        store(table, single);
    for (size_t i = 0; i < count; i++)
        store(table, json_member0(json_member0(json_at(list, i), "PutRequest"), "Item"));
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            table->duplicate_keys += str_eq(json_at(list, i)->raw, json_at(list, k)->raw);
    arena_done(&arena);
    return single ? 1 : count;
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        mem_free(table->keys[i]);
        mem_free(table->items[i]);
    }
    *table = (struct table){0};
}

const char *table_find(const struct table *table, const char *part)
{
    for (size_t i = 0; i < table->count; i++)
        if (strstr(table->keys[i], part))
            return table->items[i];
    return NULL;
}

static int put_image(char *out, size_t bytes, const char *name, const char *id, const char *price)
{
    return snprintf(out, bytes, "\"%s\":{\"product_id\":{\"S\":\"%s\"}%s%s},", name, id,
                    price ? ",\"price\":" : "", price ? price : "");
}

const char *change(const char *id, const char *was, const char *now, const char *seconds,
                   const char *sequence)
{
    static char ring[8][4096];
    static unsigned next;
    char *out = ring[next++ % 8];
    size_t bytes = sizeof ring[0];
    int len = snprintf(out, bytes, "{\"eventID\":\"e%s\",\"eventName\":\"MODIFY\",\"dynamodb\":{",
                       sequence);
    len += put_image(out + len, bytes - (size_t)len, "OldImage", id, was);
    len += put_image(out + len, bytes - (size_t)len, "NewImage", id, now);
    snprintf(out + len, bytes - (size_t)len,
             "\"Keys\":{\"product_id\":{\"S\":\"%s\"}},\"ApproximateCreationDateTime\":%s,"
             "\"SequenceNumber\":\"%s\"}}",
             id, seconds, sequence);
    return out;
}

char *many_changes(size_t count, size_t products)
{
    char *out = mem_alloc(count * 600 + 64);
    size_t len = (size_t)snprintf(out, 16, "{\"Records\":[");
    for (size_t i = 0; i < count; i++) {
        char id[32], was[32], now[32], sequence[64];
        snprintf(id, sizeof id, "p%zu", i % products);
        snprintf(was, sizeof was, "{\"N\":\"%zu\"}", i);
        snprintf(now, sizeof now, "{\"N\":\"%zu\"}", i + 1);
        snprintf(sequence, sizeof sequence, "1110000000000000000%05zu", i);
        len += (size_t)snprintf(out + len, 600, "%s%s", i ? "," : "",
                                change(id, was, now, "1763850074", sequence));
    }
    snprintf(out + len, 16, "]}");
    return out;
}
