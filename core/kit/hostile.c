#include "kit/hostile.h"

#include "util/text.h"

enum { DEPTH_MOST = 24, LONG_TEXT = 70000, WIDE_MAP = 300 };

uint64_t hostile_random(struct hostile *hostile, uint64_t below)
{
    uint64_t x = hostile->state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    return below ? x % below : x;
}

#define PICK(hostile, list) list[hostile_random(hostile, sizeof(list) / sizeof *(list))]

static void put_scalar(struct hostile *hostile, struct buf *out)
{
    static const char *const values[] = {"{\"S\":\"\"}",
                                         "{\"S\":\"\\u0000\\u0007\\u001b[2J\\r\\n%s%n\"}",
                                         "{\"S\":\"\\ud83d\\ude00\\u202e\\ufeff\\uffff\"}",
                                         "{\"S\":\"'; DROP TABLE x; --<script>\\\"\\\\${HOME}\"}",
                                         "{\"N\":\"0\"}",
                                         "{\"N\":\"-0.0\"}",
                                         "{\"N\":\"99999999999999999999999999999999999999\"}",
                                         "{\"N\":\"-1E-130\"}",
                                         "{\"N\":\"9.9999999999999999999999999999999999999E+125\"}",
                                         "{\"B\":\"\"}",
                                         "{\"B\":\"AAECAwT/\"}",
                                         "{\"BOOL\":true}",
                                         "{\"NULL\":true}",
                                         "{\"SS\":[\"\",\"a\",\"\\u0000\"]}",
                                         "{\"NS\":[\"1\",\"1.0E1\"]}",
                                         "{\"BS\":[\"AA==\"]}",
                                         "{\"M\":{}}",
                                         "{\"L\":[]}"};
    buf_puts(out, PICK(hostile, values));
}

static void put_value(struct hostile *hostile, struct buf *out)
{
    switch (hostile_random(hostile, 40)) {
    case 0: { /* long */
        buf_puts(out, "{\"S\":\"");
        for (unsigned i = 0; i < LONG_TEXT; i += 10)
            buf_puts(out, "0123456789");
        buf_puts(out, "\"}");
        break;
    }
    case 1: { /* deep */
        unsigned depth = 1 + (unsigned)hostile_random(hostile, DEPTH_MOST);
        for (unsigned i = 0; i < depth; i++)
            buf_puts(out, "{\"L\":[{\"M\":{\"\":");
        put_scalar(hostile, out);
        for (unsigned i = 0; i < depth; i++)
            buf_puts(out, "}}]}");
        break;
    }
    case 2: { /* wide */
        buf_puts(out, "{\"M\":{");
        for (unsigned i = 0; i < WIDE_MAP; i++) {
            buf_printf(out, "%s\"name.%u[0]\":", i > 0 ? "," : "", i);
            put_scalar(hostile, out);
        }
        buf_puts(out, "}}");
        break;
    }
    default:
        put_scalar(hostile, out);
    }
}

/* The first name of a path, which is what an image can hold. */
static void put_name(struct buf *out, const char *path)
{
    size_t len = strcspn(path, ".[");
    buf_put_json_string(out, (weir_str){path, len > 0 ? len : strlen(path)});
}

static void put_image(struct hostile *hostile, const char *name, struct buf *out)
{
    buf_printf(out, ",\"%s\":{\"id\":", name);
    put_scalar(hostile, out);
    for (const char *const *at = hostile->names; at && *at; at++) {
        if (hostile_random(hostile, 8) == 0 || strcmp(*at, "id") == 0)
            continue;
        buf_putc(out, ',');
        put_name(out, *at);
        buf_putc(out, ':');
        put_value(hostile, out);
    }
    for (uint64_t i = hostile_random(hostile, 4); i > 0; i--) {
        buf_printf(out, ",\"extra.%u \\u00e9\":", (unsigned)i);
        put_value(hostile, out);
    }
    buf_putc(out, '}');
}

void hostile_record(struct hostile *hostile, struct buf *out)
{
    static const char *const events[] = {"INSERT", "MODIFY", "MODIFY", "MODIFY",
                                         "REMOVE", "REMOVE", "PURGE",  "modify"};
    static const char *const times[] = {"1700000000", "1700000000.5", "0", "1700000000000",
                                        "32503680000"};
    const char *event = PICK(hostile, events);
    uint64_t holes = hostile_random(hostile, 4) ? 0 : hostile_random(hostile, 64);
    buf_puts(out, "{\"eventVersion\":\"1.1\",\"eventSource\":\"aws:dynamodb\"");
    if (!(holes & 1))
        buf_printf(out, ",\"eventID\":\"%016llx\"", (unsigned long long)hostile_random(hostile, 0));
    if (!(holes & 2))
        buf_printf(out, ",\"eventName\":\"%s\"", event);
    if (!(holes & 4))
        buf_puts(out, ",\"eventSourceARN\":\"arn:aws:dynamodb:us-east-1:123456789012:table/T/"
                      "stream/2026-01-01T00:00:00.000\"");
    if (hostile_random(hostile, 10) == 0)
        buf_puts(out, ",\"userIdentity\":{\"type\":\"Service\",\"principalId\":"
                      "\"dynamodb.amazonaws.com\"}");
    buf_puts(out, ",\"dynamodb\":{\"Keys\":{\"id\":");
    if (hostile_random(hostile, 3))
        buf_printf(out, "{\"S\":\"p%u\"}", (unsigned)hostile_random(hostile, 5));
    else
        put_scalar(hostile, out);
    buf_putc(out, '}');
    if (!(holes & 8))
        buf_printf(out, ",\"SequenceNumber\":\"%llu00000000000000000000\"",
                   (unsigned long long)++hostile->sequence);
    if (!(holes & 16))
        buf_printf(out, ",\"ApproximateCreationDateTime\":%s", PICK(hostile, times));
    bool bare = holes & 32; /* a stream that has no images */
    if (strcmp(event, "INSERT") != 0 && !bare)
        put_image(hostile, "OldImage", out);
    if (strcmp(event, "REMOVE") != 0 && !bare)
        put_image(hostile, "NewImage", out);
    buf_printf(out, ",\"StreamViewType\":\"%s\"}}", bare ? "KEYS_ONLY" : "NEW_AND_OLD_IMAGES");
}

static const char *key_of(const struct hostile *hostile)
{
    return hostile->key ? hostile->key : "id";
}

static void put_plain_image(struct hostile *hostile, const char *name, unsigned item,
                            struct buf *out)
{
    buf_printf(out, ",\"%s\":{\"%s\":{\"S\":\"p%u\"}", name, key_of(hostile), item);
    for (const char *const *at = hostile->names; at && *at; at++) {
        if (strcmp(*at, key_of(hostile)) == 0)
            continue;
        buf_putc(out, ',');
        put_name(out, *at);
        buf_printf(out, ":{\"N\":\"%u.%02u\"}", (unsigned)hostile_random(hostile, 1000),
                   (unsigned)hostile_random(hostile, 100));
    }
    buf_puts(out, ",\"title\":{\"S\":\"A thing\"}}");
}

void hostile_ordinary(struct hostile *hostile, unsigned items, struct buf *out)
{
    static const char *const events[] = {"INSERT", "MODIFY", "MODIFY", "REMOVE"};
    const char *event = PICK(hostile, events);
    unsigned item = (unsigned)hostile_random(hostile, items);
    unsigned long long number = ++hostile->sequence;
    buf_printf(out,
               "{\"eventID\":\"o%llu\",\"eventName\":\"%s\",\"eventVersion\":\"1.1\","
               "\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"us-east-1\",\"eventSourceARN\":"
               "\"arn:aws:dynamodb:us-east-1:123456789012:table/Products/stream/"
               "2026-01-01T00:00:00.000\",\"dynamodb\":{\"ApproximateCreationDateTime\":1700000000,"
               "\"Keys\":{\"%s\":{\"S\":\"p%u\"}},\"SequenceNumber\":\"1000000000%011llu\","
               "\"SizeBytes\":60,\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"",
               number, event, key_of(hostile), item, number);
    if (strcmp(event, "INSERT") != 0)
        put_plain_image(hostile, "OldImage", item, out);
    if (strcmp(event, "REMOVE") != 0)
        put_plain_image(hostile, "NewImage", item, out);
    buf_puts(out, "}}");
}
