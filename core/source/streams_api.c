/* Protocol: DynamoDB Streams 2012-08-10, JSON 1.0. cJSON reads the answers: they are small, and
 * the client has checked already that they are one strict JSON object. */
#include "source/streams_api.h"

#include "util/text.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>

enum {
    TEXT_BYTES_MAX = 2048, /* an ARN has up to 1024, a shard id 65 */
    ITERATOR_BYTES_MAX = 16 * 1024
};

/* ---- errors ---- */

/* "com.amazonaws.dynamodb.v20120810#LimitExceededException:http://..." -> "LimitExceeded" */
static weir_str error_name(weir_str type)
{
    const char *colon = type.len ? memchr(type.ptr, ':', type.len) : NULL;
    if (colon)
        type.len = (size_t)(colon - type.ptr);
    for (size_t i = type.len; i > 0; i--)
        if (type.ptr[i - 1] == '#') {
            type = (weir_str){type.ptr + i, type.len - i};
            break;
        }
    if (str_ends(type, STR("Exception")))
        type.len -= strlen("Exception");
    return type;
}

const char *streams_fault_name(enum streams_fault fault)
{
    static const char *const names[STREAMS_FAULTS] = {
        [STREAMS_OK] = "ok",
        [STREAMS_THROTTLED] = "throttled",
        [STREAMS_EXPIRED] = "expired",
        [STREAMS_TRIMMED] = "trimmed",
        [STREAMS_NOT_FOUND] = "not_found",
        [STREAMS_DENIED] = "denied",
        [STREAMS_INVALID] = "invalid",
        [STREAMS_UNAVAILABLE] = "unavailable",
        [STREAMS_ABORTED] = "aborted",
    };
    return names[fault];
}

enum streams_fault streams_fault_of(enum aws_outcome outcome, weir_str error_type)
{
    static const char *const throttled[] = {
        "LimitExceeded",        "Throttling",      "Throttled", "ProvisionedThroughputExceeded",
        "RequestLimitExceeded", "TooManyRequests", NULL};
    weir_str name = error_name(error_type);
    if (outcome == AWS_OK)
        return STREAMS_OK;
    if (outcome == AWS_ABORTED)
        return STREAMS_ABORTED;
    if (str_is(name, "ExpiredIterator"))
        return STREAMS_EXPIRED;
    if (str_is(name, "TrimmedDataAccess"))
        return STREAMS_TRIMMED;
    if (outcome == AWS_MISSING || str_is(name, "ResourceNotFound"))
        return STREAMS_NOT_FOUND;
    if (outcome == AWS_THROTTLED || str_is_one_of(name, throttled))
        return STREAMS_THROTTLED;
    if (outcome == AWS_DENIED)
        return STREAMS_DENIED;
    if (outcome == AWS_UNAVAILABLE || outcome == AWS_AMBIGUOUS || outcome == AWS_CONFLICT)
        return STREAMS_UNAVAILABLE;
    return STREAMS_INVALID;
}

/* ---- bodies ---- */

/* `failed` is sticky: one look at the end is enough. */
static int body_end(struct buf *out)
{
    buf_putc(out, '}');
    return out->failed ? -ENOMEM : 0;
}

static void put_text(struct buf *out, const char *before, weir_str text)
{
    buf_puts(out, before);
    buf_put_json_string(out, text);
}

int streams_body_list(struct buf *out, weir_str table, weir_str after_arn)
{
    const char *comma = "";
    buf_putc(out, '{');
    if (table.len) {
        put_text(out, "\"TableName\":", table);
        comma = ",";
    }
    if (after_arn.len) {
        buf_puts(out, comma);
        put_text(out, "\"ExclusiveStartStreamArn\":", after_arn);
    }
    return body_end(out);
}

int streams_body_describe(struct buf *out, weir_str arn, weir_str after_shard, weir_str children_of)
{
    put_text(out, "{\"StreamArn\":", arn);
    if (after_shard.len)
        put_text(out, ",\"ExclusiveStartShardId\":", after_shard);
    if (children_of.len) {
        put_text(out, ",\"ShardFilter\":{\"Type\":\"CHILD_SHARDS\",\"ShardId\":", children_of);
        buf_putc(out, '}');
    }
    return body_end(out);
}

int streams_body_iterator(struct buf *out, weir_str arn, weir_str shard, const char *type,
                          weir_str sequence, int64_t timestamp_us)
{
    put_text(out, "{\"StreamArn\":", arn);
    put_text(out, ",\"ShardId\":", shard);
    put_text(out, ",\"ShardIteratorType\":", str_of(type));
    if (strcmp(type, "AT_SEQUENCE_NUMBER") == 0 || strcmp(type, "AFTER_SEQUENCE_NUMBER") == 0)
        put_text(out, ",\"SequenceNumber\":", sequence);
    if (strcmp(type, "AT_TIMESTAMP") == 0) {
        /* Seconds with milliseconds, cut: a start a little early loses nothing. */
        int64_t ms = timestamp_us < 0 ? 0 : timestamp_us / 1000;
        buf_printf(out, ",\"Timestamp\":%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
    }
    return body_end(out);
}

int streams_body_records(struct buf *out, weir_str iterator, int limit)
{
    put_text(out, "{\"ShardIterator\":", iterator);
    buf_printf(out, ",\"Limit\":%d", limit);
    return body_end(out);
}

/* ---- answers ---- */

/* cJSON ends a string at an escaped zero; no name, id or ARN holds one. */
static bool holds_zero(weir_str text)
{
    for (size_t i = 0; i + 6 <= text.len; i++) {
        const char *at = memchr(text.ptr + i, '\\', text.len - i - 5);
        if (!at)
            return false;
        if (memcmp(at, "\\u0000", 6) == 0)
            return true;
        i = (size_t)(at - text.ptr) + 1; /* behind the escaped character */
    }
    return false;
}

static int parse_root(weir_str answer, const char *call, cJSON **out, struct err *err)
{
    const char *end = NULL, *stop = answer.ptr + answer.len;
    cJSON *root = answer.len && !holds_zero(answer)
                      ? cJSON_ParseWithLengthOpts(answer.ptr, answer.len, &end, false)
                      : NULL;
    while (root && end < stop && strchr(" \t\r\n", *end) && *end)
        end++;
    if (root && end == stop && cJSON_IsObject(root)) {
        *out = root;
        return 0;
    }
    cJSON_Delete(root);
    return err_set(err, -EBADMSG, "%s answered something else than a JSON object", call);
}

static const cJSON *member(const cJSON *object, const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNull(found) ? NULL : found;
}

/* An optional text: absent and null are the empty view. */
static int take_text(const cJSON *object, const char *name, size_t bytes_max, struct arena *arena,
                     weir_str *out, struct err *err)
{
    const cJSON *found = member(object, name);
    if (!found) {
        *out = STR_NONE;
        return 0;
    }
    if (!cJSON_IsString(found))
        return err_set(err, -EBADMSG, "%s in the answer is not a string", name);
    size_t len = strlen(found->valuestring);
    if (len > bytes_max)
        return err_set(err, -EBADMSG, "%s in the answer has %zu bytes", name, len);
    char *copy = arena_alloc(arena, len + 1, 1);
    if (!copy)
        return err_set(err, -ENOMEM, "out of memory");
    memcpy(copy, found->valuestring, len + 1);
    *out = (weir_str){copy, len};
    return 0;
}

/* A text that must be there. */
static int need_text(const cJSON *object, const char *name, struct arena *arena, weir_str *out,
                     struct err *err)
{
    weir_str text = STR_NONE;
    int rc = take_text(object, name, TEXT_BYTES_MAX, arena, &text, err);
    if (rc == 0 && text.len == 0)
        rc = err_set(err, -EBADMSG, "the answer holds no %s", name);
    if (rc == 0)
        *out = text;
    return rc;
}

static int need_object(const cJSON *object, const char *name, const cJSON **out, struct err *err)
{
    const cJSON *found = member(object, name);
    if (!cJSON_IsObject(found))
        return err_set(err, -EBADMSG, "the answer holds no %s", name);
    *out = found;
    return 0;
}

/* An optional array and room for its entries. */
static int take_array(const cJSON *object, const char *name, size_t entry_bytes,
                      struct arena *arena, const cJSON **array, size_t *count, void **room,
                      struct err *err)
{
    const cJSON *found = member(object, name);
    if (found && !cJSON_IsArray(found))
        return err_set(err, -EBADMSG, "%s in the answer is not a list", name);
    size_t entries = 0; /* cJSON counts in an int */
    for (const cJSON *entry = found ? found->child : NULL; entry; entry = entry->next)
        entries++;
    void *space = arena_alloc(arena, entries * entry_bytes + 1, _Alignof(max_align_t));
    if (!space)
        return err_set(err, -ENOMEM, "out of memory");
    *array = found;
    *count = entries;
    *room = space;
    return 0;
}

static int parse_shard(const cJSON *entry, struct arena *arena, struct shard_info *out,
                       struct err *err)
{
    struct shard_info shard = {0};
    const cJSON *range = member(entry, "SequenceNumberRange");
    int rc = need_text(entry, "ShardId", arena, &shard.id, err);
    if (rc == 0)
        rc = take_text(entry, "ParentShardId", TEXT_BYTES_MAX, arena, &shard.parent, err);
    if (rc == 0 && range && !cJSON_IsObject(range))
        rc = err_set(err, -EBADMSG, "SequenceNumberRange in the answer is not an object");
    if (rc == 0 && range)
        rc = take_text(range, "StartingSequenceNumber", TEXT_BYTES_MAX, arena,
                       &shard.first_sequence, err);
    if (rc == 0 && range)
        rc = take_text(range, "EndingSequenceNumber", TEXT_BYTES_MAX, arena, &shard.last_sequence,
                       err);
    if (rc == 0)
        *out = shard;
    return rc;
}

static int parse_stream(const cJSON *stream, struct arena *arena, struct stream_page *out,
                        struct err *err)
{
    struct stream_page page = {0};
    const cJSON *shards = NULL;
    void *room = NULL;
    int rc = need_text(stream, "StreamArn", arena, &page.arn, err);
    if (rc == 0)
        rc = take_text(stream, "TableName", TEXT_BYTES_MAX, arena, &page.table, err);
    if (rc == 0)
        rc = need_text(stream, "StreamStatus", arena, &page.status, err);
    if (rc == 0)
        rc = take_text(stream, "StreamViewType", TEXT_BYTES_MAX, arena, &page.view_type, err);
    if (rc == 0)
        rc =
            take_text(stream, "LastEvaluatedShardId", TEXT_BYTES_MAX, arena, &page.last_shard, err);
    if (rc == 0)
        rc = take_array(stream, "Shards", sizeof *page.shards, arena, &shards, &page.shard_count,
                        &room, err);
    page.shards = room;
    const cJSON *entry = shards ? shards->child : NULL;
    for (size_t i = 0; rc == 0 && entry; i++, entry = entry->next)
        rc = parse_shard(entry, arena, &page.shards[i], err);
    if (rc == 0)
        *out = page;
    return rc;
}

int streams_parse_describe(weir_str answer, struct arena *arena, struct stream_page *out,
                           struct err *err)
{
    cJSON *root = NULL;
    const cJSON *stream = NULL;
    int rc = parse_root(answer, "DescribeStream", &root, err);
    if (rc == 0)
        rc = need_object(root, "StreamDescription", &stream, err);
    if (rc == 0)
        rc = parse_stream(stream, arena, out, err);
    cJSON_Delete(root);
    return rc;
}

static int parse_name(const cJSON *entry, struct arena *arena, struct stream_name *out,
                      struct err *err)
{
    struct stream_name name = {0};
    int rc = need_text(entry, "StreamArn", arena, &name.arn, err);
    if (rc == 0)
        rc = take_text(entry, "TableName", TEXT_BYTES_MAX, arena, &name.table, err);
    if (rc == 0)
        rc = take_text(entry, "StreamLabel", TEXT_BYTES_MAX, arena, &name.label, err);
    if (rc == 0)
        *out = name;
    return rc;
}

int streams_parse_list(weir_str answer, struct arena *arena, struct stream_name **out,
                       size_t *count, weir_str *last_arn, struct err *err)
{
    cJSON *root = NULL;
    const cJSON *streams = NULL;
    size_t entries = 0;
    void *room = NULL;
    weir_str last = STR_NONE;
    int rc = parse_root(answer, "ListStreams", &root, err);
    if (rc == 0)
        rc = take_array(root, "Streams", sizeof **out, arena, &streams, &entries, &room, err);
    struct stream_name *names = room;
    const cJSON *entry = streams ? streams->child : NULL;
    for (size_t i = 0; rc == 0 && entry; i++, entry = entry->next)
        rc = parse_name(entry, arena, &names[i], err);
    if (rc == 0)
        rc = take_text(root, "LastEvaluatedStreamArn", TEXT_BYTES_MAX, arena, &last, err);
    if (rc == 0) {
        *out = names;
        *count = entries;
        *last_arn = last;
    }
    cJSON_Delete(root);
    return rc;
}

int streams_parse_iterator(weir_str answer, struct arena *arena, weir_str *iterator,
                           struct err *err)
{
    cJSON *root = NULL;
    weir_str text = STR_NONE;
    int rc = parse_root(answer, "GetShardIterator", &root, err);
    if (rc == 0)
        rc = take_text(root, "ShardIterator", ITERATOR_BYTES_MAX, arena, &text, err);
    if (rc == 0 && text.len == 0)
        rc = err_set(err, -EBADMSG, "the answer holds no ShardIterator");
    if (rc == 0)
        *iterator = text;
    cJSON_Delete(root);
    return rc;
}

int streams_parse_table(weir_str answer, struct arena *arena, weir_str *arn, bool *enabled,
                        weir_str *view_type, struct err *err)
{
    cJSON *root = NULL;
    const cJSON *table = NULL, *spec = NULL;
    weir_str latest = STR_NONE, view = STR_NONE;
    int rc = parse_root(answer, "DescribeTable", &root, err);
    if (rc == 0)
        rc = need_object(root, "Table", &table, err);
    if (rc == 0)
        rc = take_text(table, "LatestStreamArn", TEXT_BYTES_MAX, arena, &latest, err);
    if (rc == 0)
        spec = member(table, "StreamSpecification");
    if (rc == 0 && spec && !cJSON_IsObject(spec))
        rc = err_set(err, -EBADMSG, "StreamSpecification in the answer is not an object");
    if (rc == 0)
        rc = take_text(spec, "StreamViewType", TEXT_BYTES_MAX, arena, &view, err);
    if (rc == 0) {
        *arn = latest;
        *enabled = cJSON_IsTrue(member(spec, "StreamEnabled"));
        *view_type = view;
    }
    cJSON_Delete(root);
    return rc;
}

/* ---- names ---- */

/* Cuts the text before the next ':' or '/' off `rest`. */
static bool next_part(weir_str *rest, char separator, weir_str *out)
{
    const char *at = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    if (!at || at == rest->ptr)
        return false;
    *out = (weir_str){rest->ptr, (size_t)(at - rest->ptr)};
    *rest = (weir_str){at + 1, rest->len - out->len - 1};
    return true;
}

bool streams_arn_parts(weir_str arn, weir_str *region, weir_str *table, weir_str *label)
{
    weir_str rest = arn, word, partition, service, where, account, kind, name;
    if (!next_part(&rest, ':', &word) || !str_is(word, "arn") ||
        !next_part(&rest, ':', &partition) || !next_part(&rest, ':', &service) ||
        !str_is(service, "dynamodb") || !next_part(&rest, ':', &where) ||
        !next_part(&rest, ':', &account) || !next_part(&rest, '/', &kind) ||
        !str_is(kind, "table") || !next_part(&rest, '/', &name) || !next_part(&rest, '/', &word) ||
        !str_is(word, "stream") || rest.len == 0 || memchr(rest.ptr, '/', rest.len))
        return false;
    *region = where;
    *table = name;
    *label = rest;
    return true;
}

weir_str streams_region(weir_str arn)
{
    weir_str region, table, label;
    /* DynamoDB Local names this region whatever the caller's, and keeps the tables of different
     * regions apart. */
    if (!streams_arn_parts(arn, &region, &table, &label) || str_is(region, "ddblocal"))
        return STR_NONE;
    return region;
}

int64_t streams_shard_ms(weir_str id)
{
    weir_str prefix = STR("shardId-");
    int64_t ms = 0;
    if (!str_starts(id, prefix))
        return 0;
    for (size_t i = prefix.len; i < id.len && ms < INT64_MAX / 100; i++) {
        if (id.ptr[i] == '-')
            return ms;
        if (id.ptr[i] < '0' || id.ptr[i] > '9')
            return 0;
        ms = ms * 10 + (id.ptr[i] - '0');
    }
    return 0;
}

uint32_t streams_view_images(weir_str view_type)
{
    if (str_is(view_type, "NEW_AND_OLD_IMAGES"))
        return WEIR_OLD | WEIR_NEW;
    if (str_is(view_type, "NEW_IMAGE"))
        return WEIR_NEW;
    return str_is(view_type, "OLD_IMAGE") ? WEIR_OLD : 0;
}
