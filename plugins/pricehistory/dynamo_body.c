/* Request bodies: a row is a handful of appends of what the record already holds as typed JSON. */
#include "dynamo.h"

#include <errno.h>

static void put_named(weir_buf *text, const char *before, weir_str name, const char *after)
{
    put_text(text, before);
    weir_buf_json_string(text, name);
    put_text(text, after);
}

int body_prepare(struct dynamo *store)
{
    const struct settings *s = &store->history->settings;
    bool put_item = s->mode == STAMP_SECONDS || s->batch == 1;
    if (put_item)
        put_named(&store->request_start, "{\"TableName\":", s->table, ",");
    else
        put_named(&store->request_start, "{\"RequestItems\":{", s->table, ":[");
    put_named(&store->item_start, put_item ? "\"Item\":{" : "{\"PutRequest\":{\"Item\":{",
              s->id_name, ":");
    put_named(&store->before_stamp, ",", s->stamp_name,
              s->mode == STAMP_TEXT ? ":{\"S\":" : ":{\"N\":");
    put_named(&store->after_stamp, "},", s->old_name, ":");
    put_named(&store->before_new, ",", s->new_name, ":");
    put_text(&store->item_end, put_item ? "}" : "}}}");
    bool failed = store->request_start.failed || store->item_start.failed ||
                  store->before_stamp.failed || store->after_stamp.failed ||
                  store->before_new.failed || store->item_end.failed;
    return failed ? -ENOMEM : 0;
}

void body_done(struct dynamo *store)
{
    weir_buf_free(&store->request_start);
    weir_buf_free(&store->item_start);
    weir_buf_free(&store->before_stamp);
    weir_buf_free(&store->after_stamp);
    weir_buf_free(&store->before_new);
    weir_buf_free(&store->item_end);
}

void body_start(struct call *call)
{
    weir_buf_clear(&call->body);
    put(&call->body, weir_buf_view(&call->store->request_start));
}

static void put_price(struct call *call, const weir_value *price)
{
    put(&call->body, price ? call->store->history->host->json(price) : WEIR_STR("{\"NULL\":true}"));
}

static bool is_row_name(const struct settings *s, weir_str name)
{
    return weir_equal(name, s->id_name) || weir_equal(name, s->stamp_name) ||
           weir_equal(name, s->old_name) || weir_equal(name, s->new_name) ||
           (s->mode == STAMP_SECONDS && weir_equal(name, s->event_id_name));
}

/* The second key attribute; where its name is taken by the row, under "source_" and its name. */
static void put_other_key(struct call *call, const struct row *row)
{
    char name[300];
    bool taken = is_row_name(&call->store->history->settings, row->other_name);
    int len =
        snprintf(name, sizeof name, "%s%.*s", taken ? "source_" : "", WEIR_ARG(row->other_name));
    size_t bytes =
        (size_t)len < sizeof name ? (size_t)len : sizeof name - 1; /* names have 255 bytes */
    put_named(&call->body, ",", weir_view(name, bytes), ":");
    put(&call->body, call->store->history->host->json(row->other));
}

/* Only for timestamp "seconds": another change within the second must not be overwritten, and a
 * repeat of this one must pass. */
static void put_condition(struct call *call, const struct row *row)
{
    const struct settings *s = &call->store->history->settings;
    weir_buf *body = &call->body;
    put_text(body, ",\"ConditionExpression\":\"attribute_not_exists(#t) OR #e = :e\"");
    put_named(body, ",\"ExpressionAttributeNames\":{\"#t\":", s->stamp_name, "");
    put_named(body, ",\"#e\":", s->event_id_name, "}");
    put_named(body, ",\"ExpressionAttributeValues\":{\":e\":{\"S\":", row->event_id, "}}");
    put_text(body, ",\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\"");
}

void body_put_row(struct call *call, const struct row *row)
{
    const struct dynamo *store = call->store;
    const struct settings *s = &store->history->settings;
    weir_buf *body = &call->body;
    if (call->item_count++ > 0)
        put_char(body, ',');
    put(body, weir_buf_view(&store->item_start));
    put(body, store->history->host->json(row->id));
    put(body, weir_buf_view(&store->before_stamp));
    weir_buf_json_string(body, (weir_str){row->stamp, row->stamp_len});
    put(body, weir_buf_view(&store->after_stamp));
    put_price(call, row->old_price);
    put(body, weir_buf_view(&store->before_new));
    put_price(call, row->new_price);
    if (row->other)
        put_other_key(call, row);
    if (s->mode == STAMP_SECONDS) {
        put_named(body, ",", s->event_id_name, ":{\"S\":");
        weir_buf_json_string(body, row->event_id);
        put_char(body, '}');
    }
    put(body, weir_buf_view(&store->item_end));
    if (s->mode == STAMP_SECONDS)
        put_condition(call, row);
}

bool body_end(struct call *call)
{
    put_text(&call->body, call->put ? "}" : "]}}");
    return !call->body.failed;
}

size_t body_row_bytes(const struct dynamo *store, const struct row *row)
{
    return row->json_bytes + row->stamp_len + 6 * row->other_name.len + store->item_start.len +
           store->before_stamp.len + store->after_stamp.len + store->before_new.len + 64;
}
