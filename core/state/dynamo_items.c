#include "state/dynamo_items.h"

#include "json/json.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>

static const char *const kinds[] = {
    [STATE_STREAM] = "stream", [STATE_POSITION] = "position", [STATE_GAP] = "gap"};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- out ---- */

static int result_of(const struct buf *out)
{
    return out->failed ? -ENOMEM : 0;
}

static void put_text(struct buf *out, const char *name, weir_str text)
{
    buf_put_key(out, name);
    buf_puts(out, "{\"S\":");
    buf_put_json_string(out, text);
    buf_putc(out, '}');
}

static void put_number(struct buf *out, const char *name, int64_t number)
{
    buf_put_key(out, name);
    buf_printf(out, "{\"N\":\"%" PRId64 "\"}", number);
}

/* '#' separates: one of a name's own is escaped. */
static void put_part(struct buf *key, weir_str part)
{
    buf_putc(key, '#');
    for (size_t i = 0; i < part.len; i++) {
        if (part.ptr[i] == '#' || part.ptr[i] == '%')
            buf_printf(key, "%%%02x", (unsigned)part.ptr[i]);
        else
            buf_putc(key, part.ptr[i]);
    }
}

static void put_key(struct buf *out, const struct items_place *place, weir_str sk)
{
    put_text(out, "pk", place->pipeline);
    put_text(out, "sk", sk);
}

static void put_row_key(struct buf *out, const struct items_place *place,
                        const struct state_row *row)
{
    struct buf sk;
    buf_init(&sk, 8192);
    buf_puts(&sk, kinds[row->kind]);
    put_part(&sk, row->stream);
    put_part(&sk, row->shard);
    put_part(&sk, row->sink);
    put_key(out, place, buf_str(&sk));
    out->failed = out->failed || sk.failed;
    buf_done(&sk);
}

int items_put_get_owner(struct buf *out, const struct items_place *place)
{
    buf_putc(out, '{');
    buf_put_member(out, "TableName", place->table);
    buf_puts(out, ",\"ConsistentRead\":true,\"Key\":{");
    put_key(out, place, STR("owner"));
    buf_puts(out, "}}");
    return result_of(out);
}

static const struct {
    const char *set, *condition, *names;
} changes[] = {
    [OWNER_FIRST] = {"SET #h = :h, #f = :f, #b = :b, #w = :w, #v = :v", "attribute_not_exists(#h)",
                     "\"#h\":\"holder\",\"#f\":\"fence\",\"#b\":\"beat\",\"#w\":\"who\","
                     "\"#v\":\"format\""},
    [OWNER_TAKE] = {"SET #h = :h, #f = :f, #b = :b, #w = :w", "#h = :oh AND #f = :of AND #b = :ob",
                    "\"#h\":\"holder\",\"#f\":\"fence\",\"#b\":\"beat\",\"#w\":\"who\""},
    [OWNER_BEAT] = {"SET #b = :b", "#h = :h AND #f = :f AND #b <= :b",
                    "\"#h\":\"holder\",\"#f\":\"fence\",\"#b\":\"beat\""},
    [OWNER_FREE] = {"SET #h = :free", "#h = :h AND #f = :f", "\"#h\":\"holder\",\"#f\":\"fence\""},
};

static void put_values(struct buf *out, enum items_change change, const struct items_owner *next,
                       const struct items_owner *seen)
{
    put_text(out, ":h", next->holder);
    put_number(out, ":f", next->fence);
    if (change == OWNER_FREE) {
        put_text(out, ":free", STR(ITEMS_FREE));
        return;
    }
    put_number(out, ":b", next->beat);
    if (change == OWNER_BEAT)
        return;
    put_text(out, ":w", next->who);
    if (change == OWNER_FIRST) {
        put_number(out, ":v", ITEMS_FORMAT);
        return;
    }
    put_text(out, ":oh", seen->holder);
    put_number(out, ":of", seen->fence);
    put_number(out, ":ob", seen->beat);
}

int items_put_change(struct buf *out, const struct items_place *place, enum items_change change,
                     const struct items_owner *next, const struct items_owner *seen)
{
    buf_putc(out, '{');
    buf_put_member(out, "TableName", place->table);
    buf_puts(out, ",\"Key\":{");
    put_key(out, place, STR("owner"));
    buf_printf(out,
               "},\"UpdateExpression\":\"%s\",\"ConditionExpression\":\"%s\","
               "\"ExpressionAttributeNames\":{%s},\"ExpressionAttributeValues\":{",
               changes[change].set, changes[change].condition, changes[change].names);
    put_values(out, change, next, seen);
    buf_puts(out, "}}");
    return result_of(out);
}

static void put_some_text(struct buf *out, const char *name, weir_str text)
{
    if (text.len)
        put_text(out, name, text);
}

static void put_flag(struct buf *out, const char *name, bool flag)
{
    if (!flag)
        return;
    buf_put_key(out, name);
    buf_puts(out, "{\"BOOL\":true}");
}

/* Without what is empty: an item costs by its bytes. */
static void put_item(struct buf *out, const struct items_place *place, const struct state_row *row)
{
    put_row_key(out, place, row);
    put_some_text(out, "kind", str_of(kinds[row->kind]));
    put_some_text(out, "sink", row->sink);
    put_some_text(out, "stream", row->stream);
    put_some_text(out, "shard", row->shard);
    put_some_text(out, "parent", row->parent);
    put_some_text(out, "table", row->table);
    put_some_text(out, "start", row->start);
    put_some_text(out, "position", row->position);
    put_some_text(out, "first_available", row->first_available);
    put_flag(out, "read_to_end", row->read_to_end);
    put_flag(out, "done", row->done);
    put_number(out, "start_us", row->start_us);
    put_number(out, "record_us", row->record_us);
    put_number(out, "updated_us", row->updated_us);
}

/* Whoever accepted the gap did it beside its owner, who may only now write it (again) as open. */
static void put_not_accepted(struct buf *out, const struct state_row *row)
{
    if (row->kind != STATE_GAP || row->done)
        return;
    buf_puts(out, ",\"ConditionExpression\":\"attribute_not_exists(#d) OR #s <> :s\","
                  "\"ExpressionAttributeNames\":{\"#d\":\"done\",\"#s\":\"start_us\"},"
                  "\"ExpressionAttributeValues\":{");
    put_number(out, ":s", row->start_us);
    buf_putc(out, '}');
}

int items_put_save(struct buf *out, const struct items_place *place,
                   const struct items_owner *owner, const struct state_row *rows, size_t count,
                   const bool *refused)
{
    buf_puts(out, "{\"TransactItems\":[{\"Update\":");
    items_put_change(out, place, OWNER_BEAT, owner, NULL);
    buf_putc(out, '}');
    for (size_t i = 0; i < count; i++) {
        if (refused[i])
            continue;
        buf_puts(out, rows[i].erase ? ",{\"Delete\":{" : ",{\"Put\":{");
        buf_put_member(out, "TableName", place->table);
        buf_puts(out, rows[i].erase ? ",\"Key\":{" : ",\"Item\":{");
        if (rows[i].erase)
            put_row_key(out, place, &rows[i]);
        else
            put_item(out, place, &rows[i]);
        buf_putc(out, '}');
        if (!rows[i].erase)
            put_not_accepted(out, &rows[i]);
        buf_puts(out, "}}");
    }
    buf_puts(out, "]}");
    return result_of(out);
}

int items_put_query(struct buf *out, const struct items_place *place, weir_str after)
{
    buf_putc(out, '{');
    buf_put_member(out, "TableName", place->table);
    buf_puts(out, ",\"ConsistentRead\":true,\"KeyConditionExpression\":\"pk = :p\","
                  "\"ExpressionAttributeValues\":{");
    put_text(out, ":p", place->pipeline);
    buf_putc(out, '}');
    if (after.len) {
        buf_puts(out, ",\"ExclusiveStartKey\":");
        buf_put_str(out, after);
    }
    buf_putc(out, '}');
    return result_of(out);
}

int items_put_accept(struct buf *out, const struct items_place *place, const struct state_row *gap)
{
    buf_putc(out, '{');
    buf_put_member(out, "TableName", place->table);
    buf_puts(out, ",\"Key\":{");
    put_row_key(out, place, gap);
    buf_puts(out, "},\"UpdateExpression\":\"SET #d = :t\",\"ConditionExpression\":\"#s = :s\","
                  "\"ExpressionAttributeNames\":{\"#d\":\"done\",\"#s\":\"start_us\"},"
                  "\"ExpressionAttributeValues\":{");
    put_flag(out, ":t", true);
    put_number(out, ":s", gap->start_us);
    buf_puts(out, "}}");
    return result_of(out);
}

/* ---- in ---- */

static weir_str get_text(const struct json_value *item, const char *name)
{
    return json_text(json_member0(item, name), "S");
}

static bool get_flag(const struct json_value *item, const char *name)
{
    const struct json_value *value = json_member0(json_member0(item, name), "BOOL");
    return value && value->kind == JSON_TRUE;
}

/* Absent is 0; false for what is no whole number. */
static bool get_number(const struct json_value *item, const char *name, int64_t *out)
{
    const struct json_value *member = json_member0(item, name);
    weir_str digits = json_text(member, "N");
    bool negative = digits.len && digits.ptr[0] == '-';
    int64_t value = 0;
    *out = 0;
    if (!member)
        return true;
    for (size_t i = negative; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9' || value > (INT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (digits.ptr[i] - '0');
    }
    *out = negative ? -value : value;
    return digits.len > negative;
}

static int bad(struct err *err, const char *what)
{
    return err_set(err, -EBADMSG, "the state table holds %s that this weir can't read", what);
}

static const struct json_value *parse(weir_str answer, struct arena *arena, struct err *err,
                                      int *rc)
{
    struct json_error error;
    const struct json_value *root = json_parse(arena, answer, JSON_KEEP_DUPLICATES, 0, &error);
    if (!root)
        *rc = strcmp(error.msg, "out of memory") == 0 ? err_set(err, -ENOMEM, "out of memory")
                                                      : bad(err, "an answer");
    return root;
}

int items_read_owner(weir_str answer, struct arena *arena, struct items_owner *out, struct err *err)
{
    int rc = 0;
    const struct json_value *root = parse(answer, arena, err, &rc);
    if (!root)
        return rc;
    const struct json_value *item = json_member0(root, "Item");
    struct items_owner owner = {.found = item != NULL};
    owner.holder = get_text(item, "holder");
    owner.who = get_text(item, "who");
    if (item &&
        (!owner.holder.len || !get_number(item, "fence", &owner.fence) ||
         !get_number(item, "beat", &owner.beat) || !get_number(item, "format", &owner.format)))
        return bad(err, "an owner");
    *out = owner;
    return 0;
}

/* 1: not a row: the owner, or what a newer weir added. */
static int read_row(const struct json_value *item, struct state_row *row, struct err *err)
{
    weir_str kind = get_text(item, "kind");
    size_t k = 0;
    while (k < KINDS && !str_is(kind, kinds[k]))
        k++;
    if (k == KINDS)
        return 1;
    *row = (struct state_row){.kind = (enum state_kind)k,
                              .sink = get_text(item, "sink"),
                              .stream = get_text(item, "stream"),
                              .shard = get_text(item, "shard"),
                              .parent = get_text(item, "parent"),
                              .table = get_text(item, "table"),
                              .start = get_text(item, "start"),
                              .position = get_text(item, "position"),
                              .first_available = get_text(item, "first_available"),
                              .read_to_end = get_flag(item, "read_to_end"),
                              .done = get_flag(item, "done")};
    if (!get_number(item, "start_us", &row->start_us) ||
        !get_number(item, "record_us", &row->record_us) ||
        !get_number(item, "updated_us", &row->updated_us) || !row->stream.len)
        return bad(err, "a row");
    return 0;
}

int items_read_page(weir_str answer, struct arena *arena, struct items_page *out, struct err *err)
{
    int rc = 0;
    const struct json_value *root = parse(answer, arena, err, &rc);
    if (!root)
        return rc;
    const struct json_value *items = json_member0(root, "Items");
    const struct json_value *last = json_member0(root, "LastEvaluatedKey");
    if (!items || items->kind != JSON_ARRAY)
        return bad(err, "an answer");
    struct items_page page = {.last_key = last && last->kind == JSON_OBJECT ? last->raw : STR_NONE};
    page.rows =
        arena_alloc(arena, (items->size + 1) * sizeof *page.rows, _Alignof(struct state_row));
    if (!page.rows)
        return err_set(err, -ENOMEM, "out of memory");
    for (const struct json_value *item = items->first; item; item = item->next) {
        rc = read_row(item, &page.rows[page.count], err);
        if (rc < 0)
            return rc;
        page.count += rc == 0;
    }
    *out = page;
    return 0;
}

struct refusal { /* which actions of a transaction were refused by their conditions */
    struct arena arena;
    const struct json_value *reasons;
};

static void refusal_read(struct refusal *refusal, weir_str answer)
{
    struct json_error error;
    arena_init(&refusal->arena, 4096);
    const struct json_value *root =
        json_parse(&refusal->arena, answer, JSON_KEEP_DUPLICATES, 0, &error);
    refusal->reasons = json_member0(root, "CancellationReasons");
}

static bool refusal_of(const struct refusal *refusal, size_t action)
{
    return str_is(json_text(json_at(refusal->reasons, action), "Code"), "ConditionalCheckFailed");
}

bool items_owner_refused(weir_str answer)
{
    struct refusal refusal;
    refusal_read(&refusal, answer);
    bool refused = refusal_of(&refusal, 0);
    arena_done(&refusal.arena);
    return refused;
}

bool items_rows_refused(weir_str answer, bool *refused, size_t count)
{
    struct refusal refusal;
    bool any = false;
    size_t action = 1;
    refusal_read(&refusal, answer);
    for (size_t i = 0; i < count; i++)
        if (!refused[i]) {
            refused[i] = refusal_of(&refusal, action++);
            any = any || refused[i];
        }
    arena_done(&refusal.arena);
    return any;
}
