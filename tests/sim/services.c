/* The tables and queues that the real plugins write to: what they hold is what the checks go by. */
#include "sim.h"

#include "json/json.h"
#include "shared/digest.h"

#include <stdio.h>
#include <stdlib.h>

static void put_error(struct sim_answer *out, const char *name)
{
    out->status = 400;
    out->body.len = 0;
    model_text_printf(&out->body,
                      "{\"__type\":\"com.amazonaws.dynamodb.v20120810#%s\",\"message\":\"no\"}",
                      name);
}

static bool service_down(struct sim_sink *sink, struct sim_answer *out)
{
    if (!sim_within(sink->sim, sink->down, sink->down_count))
        return false;
    put_error(out, sim_below(sink->sim, 2) ? "ProvisionedThroughputExceededException"
                                           : "ResourceNotFoundException");
    return true;
}

/* ---- tables ---- */

static weir_str typed(const struct json_value *item, const char *name, const char *type)
{
    return json_text(json_member0(item, name), type);
}

static bool is_number(weir_str text, uint32_t expected)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%u", expected);
    return str_is(text, digits);
}

/* A row, into the sink's marks: key and prices must be those of the record it names. */
static void store_row(struct sim_sink *sink, const struct json_value *item)
{
    struct sim *sim = sink->sim;
    weir_str id = typed(item, "product_id", "S"), stamp = typed(item, "timestamp", "N");
    if (stamp.len == 0)
        stamp = typed(item, "timestamp", "S");
    uint32_t index = sim_find_sequence(sim, stamp);
    if (index == SIM_NO_TRUTH) {
        sim_complain(sim, "a row of %.*s with the timestamp %.*s of no record", STR_ARG(id),
                     STR_ARG(stamp));
        return;
    }
    const struct sim_truth *truth = &sim->truth[index];
    if (id.len < 2 || !is_number((weir_str){id.ptr + 1, id.len - 1}, truth->item) ||
        !is_number(typed(item, "new_price", "N"), truth->version) ||
        !is_number(typed(item, "old_price", "N"), truth->version - 1))
        sim_complain(sim, "the row of record %u is not that record's", index);
    sim_stored(sink, index);
}

static void put_unprocessed(struct sim_answer *out, const struct json_value *put, bool first)
{
    if (!first)
        model_text_put(&out->body, ",", 1);
    model_text_put(&out->body, put->raw.ptr, put->raw.len);
}

static void batch_write(struct sim *sim, const struct json_value *root, struct sim_answer *out)
{
    const struct json_value *list = json_at(json_member0(root, "RequestItems"), 0);
    struct sim_sink *sink = list ? sim_sink_named(sim, list->name) : NULL;
    if (!sink || list->size > 25) {
        put_error(out,
                  list && list->size > 25 ? "ValidationException" : "ResourceNotFoundException");
        return;
    }
    if (service_down(sink, out))
        return;
    unsigned left = 0;
    model_text_printf(&out->body, "{\"UnprocessedItems\":{");
    for (uint32_t i = 0; i < list->size; i++) {
        const struct json_value *put = json_at(list, i);
        if (!sim_chance(sim, sim->net.unprocessed_percent)) {
            store_row(sink, json_member0(json_member0(put, "PutRequest"), "Item"));
            continue;
        }
        if (left == 0)
            model_text_printf(&out->body, "\"%s\":[", sink->name);
        put_unprocessed(out, put, left++ == 0);
    }
    model_text_printf(&out->body, left ? "]}}" : "}}");
    out->status = 200;
}

void sim_table_answer(struct sim *sim, const char *target, weir_str body, struct sim_answer *out)
{
    struct arena arena;
    struct json_error error;
    arena_init(&arena, 16 << 10);
    const struct json_value *root = json_parse(&arena, body, 0, 0, &error);
    if (!root) {
        sim_complain(sim, "a table was sent malformed JSON: %s", error.msg);
        put_error(out, "SerializationException");
    } else if (strstr(target, "BatchWriteItem")) {
        batch_write(sim, root, out);
    } else {
        struct sim_sink *sink = sim_sink_named(sim, json_text(root, "TableName"));
        if (!sink) {
            put_error(out, "ResourceNotFoundException");
        } else if (!service_down(sink, out)) {
            store_row(sink, json_member0(root, "Item"));
            model_text_printf(&out->body, "{}");
            out->status = 200;
        }
    }
    arena_done(&arena);
}

/* ---- queues ---- */

static struct sim_sink *queue_of(struct sim *sim, const struct json_value *root)
{
    weir_str url = json_text(root, "QueueUrl");
    for (size_t i = url.len; i > 0; i--)
        if (url.ptr[i - 1] == '/') {
            url = (weir_str){url.ptr + i, url.len - i};
            break;
        }
    if (str_ends(url, STR(".fifo")))
        url.len -= strlen(".fifo");
    return sim_sink_named(sim, url);
}

static weir_str sequence_in(weir_str body)
{
    static const char name[] = "\"SequenceNumber\":\"";
    size_t at = 0, len = 0;
    while (at + strlen(name) < body.len && memcmp(body.ptr + at, name, strlen(name)) != 0)
        at++;
    at += strlen(name);
    while (at + len < body.len && body.ptr[at + len] != '"')
        len++;
    return at < body.len ? (weir_str){body.ptr + at, len} : STR_NONE;
}

struct sending { /* the answer to one call */
    struct sim_sink *sink;
    struct sim_answer *out;
    struct model_text failed;
    weir_str groups[10]; /* that failed: in a FIFO queue nothing later of them is taken */
    size_t failed_count, taken;
};

static bool refused(struct sending *sending, weir_str group)
{
    if (sim_chance(sending->sink->sim, sending->sink->sim->net.unprocessed_percent))
        return true;
    for (size_t i = 0; sending->sink->kind == SIM_FIFO && i < sending->failed_count; i++)
        if (str_eq(sending->groups[i], group))
            return true;
    return false;
}

static void take_message(struct sim_sink *sink, weir_str body)
{
    uint32_t index = sim_find_sequence(sink->sim, sequence_in(body));
    if (index == SIM_NO_TRUTH)
        sim_complain(sink->sim, "a message of no record: %.*s", STR_ARG(body));
    else
        sim_stored(sink, index);
}

static void answer_entry(struct sending *sending, const struct json_value *entry)
{
    unsigned char digest[MD5_BYTES];
    char sum[2 * MD5_BYTES + 1];
    weir_str id = json_text(entry, "Id"), text = json_text(entry, "MessageBody");
    weir_str group = json_text(entry, "MessageGroupId");
    if (refused(sending, group)) {
        sending->groups[sending->failed_count++] = group;
        model_text_printf(&sending->failed,
                          "%s{\"Id\":\"%.*s\",\"SenderFault\":false,\"Code\":"
                          "\"InternalError\",\"Message\":\"no\"}",
                          sending->failed_count > 1 ? "," : "", STR_ARG(id));
        return;
    }
    take_message(sending->sink, text);
    md5(text, digest);
    hex(digest, MD5_BYTES, sum);
    model_text_printf(&sending->out->body,
                      "%s{\"Id\":\"%.*s\",\"MessageId\":\"m\",\"MD5OfMessageBody\":\"%s\"}",
                      sending->taken++ ? "," : "", STR_ARG(id), sum);
}

static void answer_send(struct sim_sink *sink, const struct json_value *entries,
                        struct sim_answer *out)
{
    struct sending sending = {.sink = sink, .out = out};
    if (service_down(sink, out))
        return;
    model_text_printf(&out->body, "{\"Successful\":[");
    for (uint32_t i = 0; i < entries->size; i++)
        answer_entry(&sending, json_at(entries, i));
    model_text_put(&out->body, "],\"Failed\":[", strlen("],\"Failed\":["));
    model_text_put(&out->body, sending.failed.ptr ? sending.failed.ptr : "", sending.failed.len);
    model_text_put(&out->body, "]}", 2);
    out->status = 200;
    free(sending.failed.ptr);
}

void sim_queue_answer(struct sim *sim, weir_str body, struct sim_answer *out)
{
    struct arena arena;
    struct json_error error;
    arena_init(&arena, 16 << 10);
    const struct json_value *root = json_parse(&arena, body, 0, 0, &error);
    const struct json_value *entries = json_member0(root, "Entries");
    struct sim_sink *sink = root ? queue_of(sim, root) : NULL;
    if (sink && entries && entries->size <= 10) {
        answer_send(sink, entries, out);
    } else {
        sim_complain(sim, "a call for no queue, or of more than ten");
        put_error(out, "QueueDoesNotExist");
    }
    arena_done(&arena);
}
