/* Request bodies: a row is a handful of appends of what the record already holds as typed JSON. */
#include "dynamo.h"

#include <errno.h>

static void put_named(struct text *text, const char *before, weir_str name, const char *after)
{
    puts0(text, before);
    put_json_string(text, name);
    puts0(text, after);
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
    puts0(&store->item_end, put_item ? "}" : "}}}");
    bool failed = store->request_start.failed || store->item_start.failed ||
                  store->before_stamp.failed || store->after_stamp.failed ||
                  store->before_new.failed || store->item_end.failed;
    return failed ? -ENOMEM : 0;
}

void body_done(struct dynamo *store)
{
    text_free(&store->request_start);
    text_free(&store->item_start);
    text_free(&store->before_stamp);
    text_free(&store->after_stamp);
    text_free(&store->before_new);
    text_free(&store->item_end);
}

void body_start(struct call *call)
{
    text_reset(&call->body);
    put(&call->body, text_str(&call->store->request_start));
}

static void put_price(struct call *call, const weir_value *price)
{
    put(&call->body, price ? call->store->history->host->json(price) : TEXT("{\"NULL\":true}"));
}

static bool is_row_name(const struct settings *s, weir_str name)
{
    return str_same(name, s->id_name) || str_same(name, s->stamp_name) ||
           str_same(name, s->old_name) || str_same(name, s->new_name) ||
           (s->mode == STAMP_SECONDS && str_same(name, s->event_id_name));
}

/* The second key attribute; where its name is taken by the row, under "source_" and its name. */
static void put_other_key(struct call *call, const struct row *row)
{
    struct text *body = &call->body;
    puts0(body, ",\"");
    if (is_row_name(&call->store->history->settings, row->other_name))
        puts0(body, "source_");
    put_json_escaped(body, row->other_name);
    puts0(body, "\":");
    put(body, call->store->history->host->json(row->other));
}

/* Only for timestamp "seconds": another change within the second must not be overwritten, and a
 * repeat of this one must pass. */
static void put_condition(struct call *call, const struct row *row)
{
    const struct settings *s = &call->store->history->settings;
    struct text *body = &call->body;
    puts0(body, ",\"ConditionExpression\":\"attribute_not_exists(#t) OR #e = :e\"");
    put_named(body, ",\"ExpressionAttributeNames\":{\"#t\":", s->stamp_name, "");
    put_named(body, ",\"#e\":", s->event_id_name, "}");
    put_named(body, ",\"ExpressionAttributeValues\":{\":e\":{\"S\":", row->event_id, "}}");
    puts0(body, ",\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\"");
}

void body_put_row(struct call *call, const struct row *row)
{
    const struct dynamo *store = call->store;
    const struct settings *s = &store->history->settings;
    struct text *body = &call->body;
    if (call->item_count++ > 0)
        putc0(body, ',');
    put(body, text_str(&store->item_start));
    put(body, store->history->host->json(row->id));
    put(body, text_str(&store->before_stamp));
    put_json_string(body, (weir_str){row->stamp, row->stamp_len});
    put(body, text_str(&store->after_stamp));
    put_price(call, row->old_price);
    put(body, text_str(&store->before_new));
    put_price(call, row->new_price);
    if (row->other)
        put_other_key(call, row);
    if (s->mode == STAMP_SECONDS) {
        put_named(body, ",", s->event_id_name, ":{\"S\":");
        put_json_string(body, row->event_id);
        putc0(body, '}');
    }
    put(body, text_str(&store->item_end));
    if (s->mode == STAMP_SECONDS)
        put_condition(call, row);
}

bool body_end(struct call *call)
{
    puts0(&call->body, call->put ? "}" : "]}}");
    return !call->body.failed;
}

size_t body_row_bytes(const struct dynamo *store, const struct row *row)
{
    return row->json_bytes + row->stamp_len + 6 * row->other_name.len + store->item_start.len +
           store->before_stamp.len + store->after_stamp.len + store->before_new.len + 64;
}
