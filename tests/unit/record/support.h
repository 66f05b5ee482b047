/* Shared by the tests of records: bodies from literals, records between sound neighbours. */
#ifndef WEIR_TESTS_RECORD_SUPPORT_H
#define WEIR_TESTS_RECORD_SUPPORT_H
#include "unit.h"

#include "record/match.h"
#include "record/record.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ARN "arn:aws:dynamodb:eu-west-1:123456789012:table/Products/stream/2026-01-15T10:00:00.000"

static inline char *padded(const char *text, size_t len)
{
    char *bytes = mem_alloc(len + 64);
    CHECK_FATAL(bytes != NULL);
    memcpy(bytes, text, len);
    return bytes;
}

static inline int try_decode(const char *text, size_t len, const struct decode_options *options,
                             struct batch **out, struct err *err)
{
    return batch_decode(padded(text, len), len, NULL, options, out, err);
}

/* A body that must decode. */
static inline struct batch *decode_with(const char *text, const struct decode_options *options)
{
    struct batch *batch = NULL;
    struct err err = {0};
    if (try_decode(text, strlen(text), options, &batch, &err) < 0)
        printf("\n    refused: %s\n    %.300s\n", err.msg, text);
    CHECK_FATAL(batch != NULL);
    return batch;
}

static inline struct batch *decode(const char *text)
{
    return decode_with(text, NULL);
}

/* A view as a C string; a few live at a time. */
static inline const char *cstr(weir_str text)
{
    static char ring[8][2048];
    static unsigned at;
    char *out = ring[at++ % 8];
    snprintf(out, sizeof ring[0], "%.*s", (int)text.len, text.len ? text.ptr : "");
    return out;
}

/* One MODIFY record of Lambda's shape with this new image. */
static inline char *record_of(char *out, size_t size, const char *sequence, const char *new_image)
{
    int len = snprintf(out, size,
                       "{\"eventID\":\"id-%s\",\"eventName\":\"MODIFY\",\"eventVersion\":\"1.1\","
                       "\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"eu-west-1\",\"dynamodb\":{"
                       "\"ApproximateCreationDateTime\":1768471200,\"Keys\":{\"id\":{\"S\":\"k\"}},"
                       "\"NewImage\":%s,\"SequenceNumber\":\"%s\",\"SizeBytes\":10,"
                       "\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"},\"eventSourceARN\":\"" ARN "\"}",
                       sequence, new_image, sequence);
    CHECK_FATAL(len > 0 && (size_t)len < size);
    return out;
}

/* {"Records":[sound 100, `middle`, sound 300]}; free with mem_free. */
static inline char *between(const char *middle)
{
    char first[1024], last[1024];
    record_of(first, sizeof first, "100", "{\"a\":{\"S\":\"first\"}}");
    record_of(last, sizeof last, "300", "{\"a\":{\"S\":\"last\"}}");
    size_t size = strlen(first) + strlen(middle) + strlen(last) + 32;
    char *body = mem_alloc(size);
    CHECK_FATAL(body != NULL);
    snprintf(body, size, "{\"Records\":[%s,%s,%s]}", first, middle, last);
    return body;
}

/* Decodes `between(middle)` and checks that both neighbours came through. */
static inline struct batch *decode_between(const char *middle)
{
    char *body = between(middle);
    struct batch *batch = decode(body);
    mem_free(body);
    CHECK_INT(batch->record_count, 3);
    CHECK_FATAL(batch->record_count == 3);
    const struct record *first = batch->records[0], *last = batch->records[2];
    CHECK(!first->poison && !last->poison);
    CHECK_STR(cstr(record_field(first, WEIR_F_SEQUENCE)), "100");
    CHECK_STR(cstr(record_field(last, WEIR_F_SEQUENCE)), "300");
    CHECK_STR(cstr(value_text(value_path(record_image(first, WEIR_NEW), "a"))), "first");
    CHECK_STR(cstr(value_text(value_path(record_image(last, WEIR_NEW), "a"))), "last");
    return batch;
}
#endif
