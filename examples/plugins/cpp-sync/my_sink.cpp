// my_sink: logs every change of one attribute. record() is called for one record at a time and says
// what became of it; nothing here may block, and no exception may leave.
#include <weir/util.h>

#include <cerrno>
#include <memory>
#include <new>
#include <string>
#include <string_view>

namespace
{

class Sink
{
  public:
    Sink(const weir_host *host, weir_instance *instance) : host_(host), instance_(instance)
    {
    }

    // Also runs for `weir check`, so it touches no network and no file.
    int32_t open()
    {
        weir_str attribute = WEIR_NONE;
        host_->option_str(instance_, "attribute", &attribute);
        attribute_.assign(attribute.ptr, attribute.len);
        if (attribute_.empty()) {
            host_->option_error(instance_, "attribute", WEIR_STR("it is empty"));
            return -EINVAL;
        }
        // Only records whose attribute differs between the two images come to record().
        const char *const watched[] = {attribute_.c_str(), nullptr};
        weir_subscription wants = {};
        wants.struct_size = sizeof wants;
        wants.events = WEIR_INSERT | WEIR_MODIFY | WEIR_REMOVE;
        wants.images = WEIR_OLD | WEIR_NEW;
        wants.changed_only = 1;
        wants.attributes = watched;
        return host_->subscribe(instance_, &wants);
    }

    int32_t record(const weir_record *record)
    {
        line_.assign(attribute_).append(": ");
        line_.append(shown(record, WEIR_OLD)).append(" -> ").append(shown(record, WEIR_NEW));
        host_->log(instance_, WEIR_LOG_INFO, weir_view(line_.data(), line_.size()));
        return WEIR_OK;
    }

  private:
    // The value as it came, or "nothing"; numbers keep all their digits.
    std::string_view shown(const weir_record *record, int32_t image) const
    {
        const weir_value *value = host_->attr(record, image, attribute_.c_str());
        if (!value)
            return "nothing";
        weir_str json = host_->json(value);
        return {json.ptr, json.len};
    }

    const weir_host *host_;
    weir_instance *instance_;
    std::string attribute_, line_;
};

int32_t sink_open(const weir_host *host, weir_instance *instance, void **self)
try {
    auto sink = std::make_unique<Sink>(host, instance);
    int32_t rc = sink->open();
    if (rc == 0)
        *self = sink.release();
    return rc;
} catch (const std::bad_alloc &) {
    return -ENOMEM;
}

int32_t sink_record(void *self, const weir_record *record)
try {
    return static_cast<Sink *>(self)->record(record);
} catch (...) {
    return WEIR_RETRY;
}

void sink_close(void *self)
{
    delete static_cast<Sink *>(self);
}

const weir_option options[] = {
    {"attribute", "\"price\"", WEIR_O_STRING, 0, nullptr,
     "The attribute whose changes are logged."},
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
    plugin.summary = "Logs every change of one attribute.";
    plugin.options = options;
    plugin.repeats = WEIR_R_NONE;
    plugin.open = sink_open;
    plugin.close = sink_close;
    plugin.record = sink_record;
    return plugin;
}

} // namespace

const weir_plugin *weir_plugin_entry(uint32_t)
{
    static const weir_plugin plugin = describe();
    return &plugin;
}
