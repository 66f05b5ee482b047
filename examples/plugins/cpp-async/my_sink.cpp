// my_sink: appends every record to a file, a line each. deliver() gets several records at once and
// may complete them later: the file is written by a pool thread (weir.work/1), since the thread
// that calls deliver() must never block. No exception may leave.
#include <weir/ext/work.h>
#include <weir/util.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

namespace
{

class Sink
{
  public:
    Sink(const weir_host *host, weir_instance *instance, const weir_work *work)
        : host_(host), instance_(instance), work_(work)
    {
        weir_str path = WEIR_NONE;
        host_->option_str(instance_, "path", &path);
        host_->declare(instance_, WEIR_D_TARGET, path);
        path_.assign(path.ptr, path.len);
    }
    Sink(const Sink &) = delete;
    Sink &operator=(const Sink &) = delete;

    // Comes after the last done().
    ~Sink()
    {
        if (file_ >= 0)
            ::close(file_);
    }

    void deliver(const weir_delivery *delivery)
    {
        uint64_t token = host_->token(delivery);
        try {
            auto job = std::make_unique<Job>(Job{*this, token, {}, 0});
            for (size_t i = 0; i < host_->count(delivery); i++) {
                weir_str line = host_->field(host_->at(delivery, i), WEIR_F_EVENT_JSON);
                job->lines.append(line.ptr, line.len).append("\n");
            }
            if (work_->submit(instance_, run, done, job.get()) == 0) {
                job.release(); // done() has it
                return;
            }
        } catch (const std::bad_alloc &) {
        }
        host_->complete_rest(instance_, token, WEIR_RETRY, WEIR_STR("out of memory"));
    }

  private:
    struct Job { // one delivery on its way into the file
        Sink &sink;
        uint64_t token;
        std::string lines;
        int error;
    };

    // On a pool thread; those of one sink run one after the other.
    static void run(void *arg)
    {
        Job &job = *static_cast<Job *>(arg);
        job.error = job.sink.append(job.lines);
    }

    // Back on the host's thread. A file that can't be written is the sink's trouble, not a
    // record's.
    static void done(void *arg)
    {
        std::unique_ptr<Job> job(static_cast<Job *>(arg));
        const Sink &sink = job->sink;
        sink.host_->complete_rest(sink.instance_, job->token, job->error ? WEIR_DOWN : WEIR_OK,
                                  weir_cstr(job->error ? std::strerror(job->error) : nullptr));
    }

    // 0 or errno.
    int append(std::string_view text)
    {
        if (file_ < 0)
            file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (file_ < 0)
            return errno;
        while (!text.empty()) {
            ssize_t wrote = ::write(file_, text.data(), text.size());
            if (wrote < 0 && errno != EINTR)
                return errno;
            text.remove_prefix(wrote < 0 ? 0 : static_cast<size_t>(wrote));
        }
        return ::fdatasync(file_) < 0 && errno != EINVAL && errno != EROFS ? errno : 0;
    }

    const weir_host *host_;
    weir_instance *instance_;
    const weir_work *work_;
    std::string path_;
    int file_ = -1; // until the first write; only the pool thread uses it
};

int32_t sink_open(const weir_host *host, weir_instance *instance, void **self)
try {
    // An extension may be absent: ask, and say so.
    auto work = static_cast<const weir_work *>(host->extension(instance, WEIR_EXT_WORK));
    if (!work) {
        host->log(instance, WEIR_LOG_ERROR, WEIR_STR("this host has no weir.work/1"));
        return -ENOTSUP;
    }
    *self = new Sink(host, instance, work);
    return 0;
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
    {"path", "\"changes.jsonl\"", WEIR_O_PATH, 0, nullptr,
     "The file that gets one line a record; relative to the configuration."},
    {nullptr, nullptr, 0, 0, nullptr, nullptr},
};

weir_plugin describe()
{
    weir_plugin plugin = {};
    plugin.abi = WEIR_ABI_CURRENT;
    plugin.abi_min = WEIR_ABI(1, 0);
    plugin.struct_size = sizeof plugin;
    plugin.flags = WEIR_P_KEEPS_ORDER; // a whole delivery succeeds or fails, in order
    plugin.name = "my_sink";
    plugin.version = "0.1.0";
    plugin.summary = "Appends every record to a file.";
    plugin.options = options;
    plugin.repeats = WEIR_R_NONE;
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
