/* The sns sink: each record as one message of a topic, standard or FIFO. */
#include "shared/batch_entry.h"
#include "shared/body.h"
#include "shared/form.h"

#include <errno.h>
#include <stdio.h>

enum { CALL_BYTES_MAX = 256 * 1024, NAME_BYTES = 96 };

struct sns {
    struct sender sender;
    struct body body;
    struct fifo fifo;
    weir_str topic_arn;
    bool attributes;
};

/* ---- calls: the query protocol, so the body is a form ---- */

static void begin(void *self, weir_buf *out)
{
    const struct sns *sns = self;
    put_text(out, "Action=PublishBatch&Version=2010-03-31");
    put_parameter(out, "TopicArn", sns->topic_arn);
}

/* "PublishBatchRequestEntries.member.3.NAME": of the entry that is being put. */
static void put_member(struct call *call, const char *name, weir_str value)
{
    char full[NAME_BYTES];
    snprintf(full, sizeof full, "PublishBatchRequestEntries.member.%zu.%s", call->count + 1, name);
    put_parameter(&call->body, full, value);
}

static void put_attributes(const struct sns *sns, struct call *call, const weir_record *record,
                           size_t *bytes)
{
    struct attribute attributes[ATTRIBUTES_MAX];
    size_t count = sns->attributes ? record_attributes(sns->sender.host, record, attributes) : 0;
    for (size_t i = 0; i < count; i++) {
        const struct {
            const char *name;
            weir_str value;
        } parts[] = {{"Name", weir_cstr(attributes[i].name)},
                     {"Value.DataType", WEIR_STR("String")},
                     {"Value.StringValue", attributes[i].value}};
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            char name[NAME_BYTES / 2];
            snprintf(name, sizeof name, "MessageAttributes.entry.%zu.%s", i + 1, parts[k].name);
            put_member(call, name, parts[k].value);
        }
        *bytes += attribute_bytes(&attributes[i]);
    }
}

static bool put_message(void *self, struct call *call, const struct message *message,
                        struct entry *entry, size_t *bytes)
{
    struct sns *sns = self;
    weir_buf *text = &sns->sender.scratch;
    char id[ENTRY_ID_BYTES], group[FIFO_GROUP_BYTES], once[SHA256_HEX_BYTES];
    (void)entry;
    weir_buf_clear(text);
    if (!put_body(&sns->body, message->record, text))
        return false;
    entry_id(call, call->count, id);
    put_member(call, "Id", weir_cstr(id));
    put_member(call, "Message", weir_buf_view(text));
    *bytes = text->len;
    put_attributes(sns, call, message->record, bytes);
    if (sns->fifo.on) {
        fifo_message_group(&sns->fifo, message->record, group);
        fifo_deduplication_id(&sns->fifo, message->record, text, once);
        put_member(call, "MessageGroupId", weir_cstr(group));
        put_member(call, "MessageDeduplicationId", weir_cstr(once));
    }
    call->body.failed |= text->failed;
    return true;
}

static uint64_t group(void *self, const weir_record *record)
{
    return fifo_group_hash(&((const struct sns *)self)->fifo, record);
}

static void read_answer(void *self, struct call *call, const weir_json_node *answer)
{
    const weir_json *json = call->sender->json;
    (void)self;
    entries_give_named(
        call, json->member(json->member(answer, "PublishBatchResponse"), "PublishBatchResult"),
        "MessageId");
}

static int32_t judge(weir_str code)
{
    static const char *const down[] = {"NotFound",         "AuthorizationError", "AccessDenied",
                                       "InvalidSecurity",  "KMSAccessDenied",    "KMSDisabled",
                                       "KMSInvalidState",  "KMSNotFound",        "KMSThrottling",
                                       "KMSOptInRequired", "EndpointDisabled",   NULL};
    return code_is_one_of(code, down) ? WEIR_DOWN : 0;
}

static const struct sender_kind publish_batch = {
    .service = "sns",
    .protocol = WEIR_AWS_QUERY,
    .entries_max = 10,
    .ordered = true,
    .body_end = "",
    .too_large_key = "max_message_bytes",
    .begin = begin,
    .put = put_message,
    .read = read_answer,
    .judge = judge,
    .group = group,
};

/* ---- the plugin ---- */

static int read_options(void *self)
{
    struct sns *sns = self;
    struct sender *sender = &sns->sender;
    int64_t attributes = 1;
    sender->host->option_str(sender->instance, "topic_arn", &sns->topic_arn);
    sender->host->option_i64(sender->instance, "attributes", &attributes);
    sns->attributes = attributes != 0;
    weir_str name = arn_part(sns->topic_arn, 5);
    if (!weir_equal(arn_part(sns->topic_arn, 2), WEIR_STR("sns")) || name.len == 0 ||
        sns->topic_arn.len > 512)
        return sender_refuse(sender, "topic_arn", "must be arn:aws:sns:REGION:ACCOUNT:NAME");
    if (sender_read_bytes(sender, "max_message_bytes", CALL_BYTES_MAX,
                          "must be 1KiB to 256KiB: SNS takes no more",
                          &sender->entry_bytes_max) < 0)
        return -EINVAL;
    sender->call_bytes_max = CALL_BYTES_MAX;
    if (sender->region.len == 0)
        sender->region = arn_part(sns->topic_arn, 3);
    fifo_open(&sns->fifo, sender, name);
    sender_declare(sender, "topic", "sns:Publish", "", sns->topic_arn);
    return body_open(&sns->body, sender->host, sender->instance);
}

static int32_t sns_open(const weir_host *host, weir_instance *instance, void **self)
{
    return sender_new(&publish_batch, sizeof(struct sns), read_options, host, instance, self);
}

static const weir_option options[] = {
    {"topic_arn", NULL, WEIR_O_STRING, WEIR_O_REQUIRED, NULL,
     "ARN of the topic; a name that ends in .fifo is a FIFO topic."},
    BODY_OPTIONS,
    {"attributes", "true", WEIR_O_BOOL, 0, NULL,
     "Whether a message has the attributes eventID, eventName, table and sequence, for filters."},
    FIFO_OPTION,
    {"concurrency", "4", WEIR_O_INT, 0, NULL, "Calls to SNS in flight at once, 1 to 64."},
    {"max_message_bytes", "\"256KiB\"", WEIR_O_SIZE_BYTES, 0, NULL,
     "What a message may have; a larger record fails before it is sent."},
    {"region", NULL, WEIR_O_STRING, 0, NULL, "Region to call, if not the ARN's."},
    {0},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 1),
    .struct_size = sizeof plugin,
    .flags = WEIR_P_KEEPS_ORDER,
    .name = "sns",
    .version = "1.0.0",
    .summary = "Publishes each record as a message to an SNS topic.",
    .options = options,
    .repeats = WEIR_R_KEYED,
    .open = sns_open,
    .close = sender_close,
    .deliver = sender_deliver,
    .cancel = sender_cancel,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
