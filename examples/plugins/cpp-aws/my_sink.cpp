// my_sink: sends every record as a message to an SQS queue, by weir.aws/1: the host signs the
// calls, keeps the connections and makes exactly one attempt; weir itself tries a record again. No
// exception may leave.
#include <weir/ext/aws.h>
#include <weir/util.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

namespace
{

class Sink
{
  public:
    Sink(const weir_host *host, weir_instance *instance, const weir_aws *aws)
        : host_(host), instance_(instance), aws_(aws)
    {
    }

    // Also runs for `weir check`, so it touches no network and no file.
    int32_t open()
    {
        host_->option_str(instance_, "queue_url", &queue_url_);
        std::string_view url(queue_url_.ptr, queue_url_.len);
        if (url.substr(0, 8) != "https://" && url.substr(0, 7) != "http://") {
            host_->option_error(instance_, "queue_url", WEIR_STR("it is no URL"));
            return -EINVAL;
        }
        host_->declare(instance_, WEIR_D_TARGET, queue_url_);
        host_->declare(instance_, WEIR_D_IAM, WEIR_STR("sqs:SendMessage *"));
        return 0;
    }

    void deliver(const weir_delivery *delivery)
    {
        uint64_t token = host_->token(delivery);
        size_t count = host_->count(delivery); // the delivery ends with its last completion
        for (size_t i = 0; i < count; i++) {
            weir_str message = host_->field(host_->at(delivery, i), WEIR_F_EVENT_JSON);
            int32_t rc = send(token, i, message);
            if (rc < 0)
                host_->complete(instance_, token, i, WEIR_RETRY, weir_cstr(std::strerror(-rc)));
        }
    }

  private:
    struct Call { // one message on its way
        const Sink &sink;
        uint64_t token;
        size_t index;  // of its record in the delivery
        weir_buf body; // has a writer of JSON strings

        Call(const Sink &from, uint64_t of, size_t at) : sink(from), token(of), index(at), body()
        {
        }
        Call(const Call &) = delete;
        Call &operator=(const Call &) = delete;
        ~Call()
        {
            weir_buf_free(&body);
        }
    };

    // What the host made of the answer is right for this call: a validation error is this record's
    // fault, throttling or a missing queue is the sink's.
    static void done(void *arg, const weir_aws_response *response)
    {
        std::unique_ptr<Call> call(static_cast<Call *>(arg));
        const Sink &sink = call->sink;
        sink.host_->complete(sink.instance_, call->token, call->index, response->outcome,
                             response->outcome == WEIR_OK ? WEIR_NONE : response->error_type);
    }

    int32_t send(uint64_t token, size_t index, weir_str message)
    {
        std::unique_ptr<Call> call(new (std::nothrow) Call(*this, token, index));
        if (!call)
            return -ENOMEM;
        weir_buf_puts(&call->body, "{\"QueueUrl\":");
        weir_buf_json_string(&call->body, queue_url_);
        weir_buf_puts(&call->body, ",\"MessageBody\":");
        weir_buf_json_string(&call->body, message);
        weir_buf_puts(&call->body, "}");
        if (call->body.failed)
            return -ENOMEM;

        weir_aws_request request = {};
        request.struct_size = sizeof request;
        request.service = "sqs";
        request.target = "AmazonSQS.SendMessage";
        request.json = "1.0";
        request.body = weir_buf_view(&call->body); // lives until done()
        request.endpoint = queue_url_;
        request.token = token; // when the delivery is revoked, the call is aborted
        int32_t rc = aws_->call(instance_, &request, done, call.get(), nullptr);
        if (rc == 0)
            call.release(); // done() has it
        return rc;
    }

    const weir_host *host_;
    weir_instance *instance_;
    const weir_aws *aws_;
    weir_str queue_url_ = WEIR_NONE; // text of options lives until close()
};

int32_t sink_open(const weir_host *host, weir_instance *instance, void **self)
try {
    auto aws = static_cast<const weir_aws *>(host->extension(instance, WEIR_EXT_AWS));
    if (!aws) {
        host->log(instance, WEIR_LOG_ERROR, WEIR_STR("this host has no weir.aws/1"));
        return -ENOTSUP;
    }
    auto sink = std::make_unique<Sink>(host, instance, aws);
    int32_t rc = sink->open();
    if (rc == 0)
        *self = sink.release();
    return rc;
} catch (const std::bad_alloc &) {
    return -ENOMEM;
}

void sink_deliver(void *self, weir_delivery *delivery)
{
    static_cast<Sink *>(self)->deliver(delivery);
}

void sink_close(void *self)
{
    delete static_cast<Sink *>(self);
}

const weir_option options[] = {
    {"queue_url", "\"https://sqs.us-east-1.amazonaws.com/123456789012/changes\"", WEIR_O_STRING, 0,
     nullptr, "The queue that gets one message a record."},
    {nullptr, nullptr, 0, 0, nullptr, nullptr},
};

weir_plugin describe()
{
    weir_plugin plugin = {};
    plugin.abi = WEIR_ABI_CURRENT;
    plugin.abi_min = WEIR_ABI(1, 0);
    plugin.struct_size = sizeof plugin;
    plugin.name = "my_sink";
    plugin.version = "0.1.0";
    plugin.summary = "Sends every record to an SQS queue.";
    plugin.options = options;
    plugin.subscription.struct_size = sizeof(weir_subscription); // every event; no image is read
    plugin.repeats = WEIR_R_NONE;
    plugin.batch_records = 16; // one call a record: that many in flight
    plugin.open = sink_open;
    plugin.close = sink_close;
    plugin.deliver = sink_deliver;
    return plugin;
}

} // namespace

const weir_plugin *weir_plugin_entry(uint32_t)
{
    static const weir_plugin plugin = describe();
    return &plugin;
}
