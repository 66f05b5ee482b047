/* my_sink: sends every record as a message to an SQS queue, by weir.aws/1: the host signs the
 * calls, keeps the connections and makes exactly one attempt; weir itself tries a record again. */
#include <weir/ext/aws.h>
#include <weir/util.h>

#include <errno.h>

struct sink {
    const weir_host *host;
    weir_instance *instance;
    const weir_aws *aws;
    weir_str queue_url;
};

struct call { /* one message on its way */
    const struct sink *sink;
    uint64_t token;
    size_t index; /* of its record in the delivery */
    weir_buf body;
};

static int32_t sink_open(const weir_host *host, weir_instance *instance, void **self)
{
    weir_str queue_url = WEIR_NONE;
    const weir_aws *aws = (const weir_aws *)host->extension(instance, WEIR_EXT_AWS);
    if (!aws) {
        host->log(instance, WEIR_LOG_ERROR, WEIR_STR("this host has no weir.aws/1"));
        return -ENOTSUP;
    }
    host->option_str(instance, "queue_url", &queue_url);
    if (strncmp(queue_url.ptr, "https://", 8) != 0 && strncmp(queue_url.ptr, "http://", 7) != 0) {
        host->option_error(instance, "queue_url", WEIR_STR("it is no URL"));
        return -EINVAL;
    }
    struct sink *sink = (struct sink *)calloc(1, sizeof *sink);
    if (!sink)
        return -ENOMEM;
    sink->host = host;
    sink->instance = instance;
    sink->aws = aws;
    sink->queue_url = queue_url;
    host->declare(instance, WEIR_D_TARGET, queue_url);
    host->declare(instance, WEIR_D_IAM, WEIR_STR("sqs:SendMessage *"));
    *self = sink;
    return 0;
}

/* What the host made of the answer is right for this call: a validation error is this record's
 * fault, throttling or a missing queue is the sink's. */
static void call_done(void *arg, const weir_aws_response *response)
{
    struct call *call = (struct call *)arg;
    const struct sink *sink = call->sink;
    sink->host->complete(sink->instance, call->token, call->index, response->outcome,
                         response->outcome == WEIR_OK ? WEIR_NONE : response->error_type);
    weir_buf_free(&call->body);
    free(call);
}

static int send_record(const struct sink *sink, uint64_t token, size_t index, weir_str message)
{
    struct call *call = (struct call *)calloc(1, sizeof *call);
    if (!call)
        return -ENOMEM;
    call->sink = sink;
    call->token = token;
    call->index = index;
    weir_buf_puts(&call->body, "{\"QueueUrl\":");
    weir_buf_json_string(&call->body, sink->queue_url);
    weir_buf_puts(&call->body, ",\"MessageBody\":");
    weir_buf_json_string(&call->body, message);
    weir_buf_puts(&call->body, "}");

    weir_aws_request request;
    memset(&request, 0, sizeof request);
    request.struct_size = sizeof request;
    request.service = "sqs";
    request.target = "AmazonSQS.SendMessage";
    request.json = "1.0";
    request.body = weir_buf_view(&call->body); /* lives until call_done() */
    request.endpoint = sink->queue_url;
    request.token = token; /* when the delivery is revoked, the call is aborted */
    int rc = call->body.failed ? -ENOMEM
                               : sink->aws->call(sink->instance, &request, call_done, call, NULL);
    if (rc < 0) {
        weir_buf_free(&call->body);
        free(call);
    }
    return rc;
}

static void sink_deliver(void *self, weir_delivery *delivery)
{
    const struct sink *sink = (const struct sink *)self;
    const weir_host *host = sink->host;
    uint64_t token = host->token(delivery);
    size_t count = host->count(delivery); /* the delivery ends with its last completion */
    for (size_t i = 0; i < count; i++) {
        weir_str message = host->field(host->at(delivery, i), WEIR_F_EVENT_JSON);
        int rc = send_record(sink, token, i, message);
        if (rc < 0)
            host->complete(sink->instance, token, i, WEIR_RETRY, weir_cstr(strerror(-rc)));
    }
}

static void sink_close(void *self)
{
    free(self);
}

static const weir_option options[] = {
    {.name = "queue_url",
     .fallback = "\"https://sqs.us-east-1.amazonaws.com/123456789012/changes\"",
     .type = WEIR_O_STRING,
     .help = "The queue that gets one message a record."},
    {.name = NULL},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 0),
    .struct_size = sizeof plugin,
    .name = "my_sink",
    .version = "0.1.0",
    .summary = "Sends every record to an SQS queue.",
    .options = options,
    .subscription = {.struct_size = sizeof(weir_subscription)}, /* every event; no image is read */
    .repeats = WEIR_R_NONE,
    .batch_records = 16, /* one call a record: that many in flight */
    .open = sink_open,
    .close = sink_close,
    .deliver = sink_deliver,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
