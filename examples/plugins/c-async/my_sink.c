/* my_sink: appends every record to a file, a line each. deliver() gets several records at once and
 * may complete them later: the file is written by a pool thread (weir.work/1), since the thread
 * that calls deliver() must never block. */
#include <weir/ext/work.h>
#include <weir/util.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct sink {
    const weir_host *host;
    weir_instance *instance;
    const weir_work *work;
    weir_str path;
    int file; /* -1 until the first write; only the pool thread uses it */
};

struct job { /* one delivery on its way into the file */
    struct sink *sink;
    uint64_t token;
    weir_buf lines;
    int error;
};

static int32_t sink_open(const weir_host *host, weir_instance *instance, void **self)
{
    /* An extension may be absent: ask, and say so. */
    const weir_work *work = (const weir_work *)host->extension(instance, WEIR_EXT_WORK);
    if (!work) {
        host->log(instance, WEIR_LOG_ERROR, WEIR_STR("this host has no weir.work/1"));
        return -ENOTSUP;
    }
    struct sink *sink = (struct sink *)calloc(1, sizeof *sink);
    if (!sink)
        return -ENOMEM;
    sink->host = host;
    sink->instance = instance;
    sink->work = work;
    sink->file = -1;
    host->option_str(instance, "path", &sink->path);
    host->declare(instance, WEIR_D_TARGET, sink->path);
    *self = sink;
    return 0;
}

static int write_all(int file, weir_str text)
{
    while (text.len > 0) {
        ssize_t wrote = write(file, text.ptr, text.len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return errno;
        text = weir_view(text.ptr + wrote, text.len - (size_t)wrote);
    }
    return fdatasync(file) < 0 && errno != EINVAL && errno != EROFS ? errno : 0;
}

/* On a pool thread; those of one sink run one after the other. */
static void job_run(void *arg)
{
    struct job *job = (struct job *)arg;
    struct sink *sink = job->sink;
    if (sink->file < 0)
        sink->file = open(sink->path.ptr, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    job->error = sink->file < 0 ? errno : write_all(sink->file, weir_buf_view(&job->lines));
}

/* Back on the host's thread. A file that can't be written is the sink's trouble, not a record's. */
static void job_done(void *arg)
{
    struct job *job = (struct job *)arg;
    const struct sink *sink = job->sink;
    sink->host->complete_rest(sink->instance, job->token, job->error ? WEIR_DOWN : WEIR_OK,
                              weir_cstr(job->error ? strerror(job->error) : NULL));
    weir_buf_free(&job->lines);
    free(job);
}

static void sink_deliver(void *self, weir_delivery *delivery)
{
    struct sink *sink = (struct sink *)self;
    const weir_host *host = sink->host;
    uint64_t token = host->token(delivery);
    struct job *job = (struct job *)calloc(1, sizeof *job);
    if (!job) {
        host->complete_rest(sink->instance, token, WEIR_RETRY, WEIR_STR("out of memory"));
        return;
    }
    job->sink = sink;
    job->token = token;
    for (size_t i = 0; i < host->count(delivery); i++) {
        weir_buf_put(&job->lines, host->field(host->at(delivery, i), WEIR_F_EVENT_JSON));
        weir_buf_puts(&job->lines, "\n");
    }
    if (job->lines.failed || sink->work->submit(sink->instance, job_run, job_done, job) < 0) {
        weir_buf_free(&job->lines);
        free(job);
        host->complete_rest(sink->instance, token, WEIR_RETRY, WEIR_STR("out of memory"));
    }
}

/* Comes after the last job_done(). */
static void sink_close(void *self)
{
    struct sink *sink = (struct sink *)self;
    if (sink->file >= 0)
        close(sink->file);
    free(sink);
}

static const weir_option options[] = {
    {.name = "path",
     .fallback = "\"changes.jsonl\"",
     .type = WEIR_O_PATH,
     .help = "The file that gets one line a record; relative to the configuration."},
    {.name = NULL},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 0),
    .struct_size = sizeof plugin,
    .flags = WEIR_P_KEEPS_ORDER, /* a whole delivery succeeds or fails, in order */
    .name = "my_sink",
    .version = "0.1.0",
    .summary = "Appends every record to a file.",
    .options = options,
    .repeats = WEIR_R_NONE,
    .open = sink_open,
    .close = sink_close,
    .deliver = sink_deliver,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
