/* What an answer means for the rows of its call. */
#include "dynamo.h"

#include <stdio.h>

void call_finish(struct call *call, int32_t outcome, const char *reason)
{
    for (size_t i = 0; i < call->row_count; i++) {
        if (call->rows[i])
            history_finish(call->store->history, call->rows[i], outcome, reason);
        call->rows[i] = NULL;
    }
}

/* ---- BatchWriteItem ---- */

/* A number comes back in the server's spelling: without the zeros that end its fraction. */
static weir_str trimmed(weir_str stamp)
{
    if (!memchr(stamp.ptr, '.', stamp.len))
        return stamp;
    while (stamp.len > 0 && stamp.ptr[stamp.len - 1] == '0')
        stamp.len--;
    if (stamp.len > 0 && stamp.ptr[stamp.len - 1] == '.')
        stamp.len--;
    return stamp;
}

/* The text of a typed value, {"N":"1"}, in an answer. */
static weir_str typed_text(const weir_json *json, const weir_json_node *item, weir_str name,
                           weir_str *type)
{
    for (size_t i = 0; i < json->size(item); i++) {
        weir_str member;
        const weir_json_node *value = json->entry(item, i, &member);
        if (weir_equal(member, name) && json->size(value) > 0) {
            const weir_json_node *inner = json->entry(value, 0, type);
            return json->text(inner);
        }
    }
    *type = (weir_str){NULL, 0};
    return *type;
}

static bool is_row(const struct call *call, const struct row *row, const weir_json_node *item)
{
    const struct history *history = call->store->history;
    const struct settings *s = &history->settings;
    const weir_json *json = call->store->json;
    weir_str type, stamp = typed_text(json, item, s->stamp_name, &type);
    weir_str ours = {row->stamp, row->stamp_len};
    bool number = weir_equal(type, WEIR_STR("N"));
    if (stamp.len == 0 ||
        !weir_equal(number ? trimmed(stamp) : stamp, number ? trimmed(ours) : ours))
        return false;
    weir_str id = typed_text(json, item, s->id_name, &type);
    if (history->host->type(row->id) == WEIR_T_S)
        return weir_equal(type, WEIR_STR("S")) && weir_equal(id, history->host->text(row->id));
    return id.len >
           0; /* the same timestamp is the same row but for the rarest chance, and RETRY is safe */
}

/* Marks the rows of one unprocessed item. False: it is none of ours. */
static bool mark(const struct call *call, const weir_json_node *entry, bool unprocessed[ROWS_MAX])
{
    const weir_json *json = call->store->json;
    const weir_json_node *item = json->member(json->member(entry, "PutRequest"), "Item");
    bool found = false;
    for (size_t i = 0; i < call->row_count; i++) {
        if (call->rows[i] && is_row(call, call->rows[i], item))
            unprocessed[i] = found = true;
    }
    return found;
}

/* False: the answer can't be understood, so that nothing of it may be taken as done. That an item
 * may be a cancelled row's, which can't be looked up any more, is no reason to believe that it is:
 * to write the others again costs less than to lose one. */
static bool read_unprocessed(const struct call *call, const weir_json_doc *doc,
                             bool unprocessed[ROWS_MAX])
{
    const weir_json *json = call->store->json;
    const weir_json_node *root = json->root(doc), *tables = json->member(root, "UnprocessedItems");
    if (json->kind(tables) !=
        WEIR_J_OBJECT) /* DynamoDB always sends it, empty when all is stored */
        return false;
    for (size_t t = 0; t < json->size(tables); t++) {
        const weir_json_node *entries = json->entry(tables, t, NULL);
        if (json->kind(entries) != WEIR_J_ARRAY)
            return false;
        for (size_t i = 0; i < json->size(entries); i++)
            if (!mark(call, json->entry(entries, i, NULL), unprocessed))
                return false;
    }
    return true;
}

static void batch_written(struct call *call, const weir_aws_response *response)
{
    bool unprocessed[ROWS_MAX] = {false};
    const weir_json *json = call->store->json;
    weir_json_doc *doc = json->parse(response->body);
    bool understood = doc && read_unprocessed(call, doc, unprocessed);
    json->free(doc);
    if (!understood) {
        call_finish(call, WEIR_RETRY, "an answer of BatchWriteItem that can't be understood");
        return;
    }
    for (size_t i = 0; i < call->row_count; i++) {
        if (call->rows[i])
            history_finish(call->store->history, call->rows[i],
                           unprocessed[i] ? WEIR_RETRY : WEIR_OK,
                           unprocessed[i] ? "unprocessed: the table is throttled" : NULL);
        call->rows[i] = NULL;
    }
}

/* ---- failures ---- */

/* Every row has the same names and types, so these say that the table is another than expected: the
 * sink is down, the records are not to blame. */
static bool is_schema_error(const weir_aws_response *response)
{
    static const char *const messages[] = {"does not match the schema", "Type mismatch for key",
                                           "Missing the key",
                                           "One of the required keys was not given"};
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        if (str_contains(response->error_message, messages[i]))
            return true;
    return false;
}

/* Another change of the product in the same second is stored: name both, never overwrite. */
static void collided(struct call *call, const weir_aws_response *response)
{
    const struct history *history = call->store->history;
    const weir_json *json = call->store->json;
    char name[256], reason[480];
    weir_str type;
    weir_buf other = {0};
    if (!call->rows[0])
        return;
    weir_json_doc *doc = json->parse(response->body);
    const weir_json_node *item = json->member(doc ? json->root(doc) : NULL, "Item");
    weir_str event = typed_text(json, item, history->settings.event_id_name, &type);
    put_visible(&other, event.len > 0 ? event : WEIR_STR("another one"), 64);
    put_text(&other, ", not ");
    put_visible(&other, call->rows[0]->event_id, 64);
    json->free(doc);
    row_name(history, call->rows[0], name, sizeof name);
    snprintf(reason, sizeof reason, "collision: %.160s is the row of event %.*s", name,
             (int)other.len, other.len ? other.ptr : "");
    weir_buf_free(&other);
    call_finish(call, WEIR_FAIL, reason);
}

void call_answered(struct call *call, const weir_aws_response *response)
{
    char reason[256];
    if (response->outcome == WEIR_OK && call->put) {
        call_finish(call, WEIR_OK, NULL);
        return;
    }
    if (response->outcome == WEIR_OK) {
        batch_written(call, response);
        return;
    }
    error_text(response->error_type, response->error_message, reason, sizeof reason);
    if (call->put &&
        weir_equal(response->error_type, WEIR_STR("ConditionalCheckFailedException"))) {
        collided(call, response);
    } else if (response->outcome != WEIR_FAIL) {
        call_finish(call, response->outcome, reason);
    } else if (is_schema_error(response)) {
        call_finish(call, WEIR_DOWN, reason);
    } else if (call->item_count == 1) {
        call_finish(call, WEIR_FAIL, reason);
    } else { /* one bad row fails the whole call: find it */
        for (size_t i = call->row_count; i-- > 0;)
            if (call->rows[i])
                dynamo_put_back(call->store, call->rows[i]);
    }
}
