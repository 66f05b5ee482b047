/* The file sink: one record, one line of JSON, at the end of a file. */
#include "file.h"

#include "shared/body.h"
#include "shared/sender.h"

#include <weir/ext/work.h>

#include <errno.h>

enum { LINES_MAX = 2000, MIB = 1024 * 1024 };

struct file_sink {
    struct sender sender;
    struct body body;
    const weir_work *work;
    struct writer writer; /* the pool thread's while a call is under way */
    int rc;               /* of the call under way */
};

/* ---- a call is one write of many lines ---- */

static void begin(void *self, weir_buf *out)
{
    (void)self;
    (void)out;
}

static bool put_line(void *self, struct call *call, const struct message *message,
                     struct entry *entry, size_t *bytes)
{
    const struct file_sink *sink = self;
    size_t before = call->body.len;
    (void)entry;
    bool made = put_body(&sink->body, message->record, &call->body);
    put_char(&call->body, '\n');
    *bytes = call->body.len - before;
    return made;
}

static void run(void *arg) /* pool thread */
{
    struct call *call = arg;
    struct file_sink *sink = (struct file_sink *)call->sender;
    sink->rc = writer_append(&sink->writer, weir_buf_view(&call->body));
}

static void done(void *arg)
{
    struct call *call = arg;
    struct file_sink *sink = (struct file_sink *)call->sender;
    const struct writer *writer = &sink->writer;
    if (writer->warning[0])
        sink->sender.host->log(sink->sender.instance, WEIR_LOG_WARN, weir_cstr(writer->warning));
    call_answered(call, sink->rc == 0 ? WEIR_OK : WEIR_DOWN, weir_cstr(writer->reason), WEIR_NONE,
                  WEIR_NONE);
}

static int send_call(void *self, struct call *call)
{
    struct file_sink *sink = self;
    return call->body.failed ? -ENOMEM : sink->work->submit(sink->sender.instance, run, done, call);
}

/* What is being written can't be taken back: the lines may be there, and come again. */
static void abort_call(void *self, struct call *call)
{
    (void)self;
    (void)call;
}

static const struct sender_kind writes = {
    .entries_max = LINES_MAX,
    .body_end = "",
    .too_large_key = "the limit of a line",
    .begin = begin,
    .put = put_line,
    .send = send_call,
    .abort = abort_call,
};

/* ---- the plugin ---- */

static void file_close(void *self)
{
    struct file_sink *sink = self;
    writer_close(&sink->writer);
    sender_close(self);
}

static int read_options(struct file_sink *sink)
{
    const struct sender *sender = &sink->sender;
    struct writer *writer = &sink->writer;
    weir_str path = WEIR_NONE;
    int64_t sync = SYNC_BATCH, age_ms = 0, compress = 0;
    sender->host->option_str(sender->instance, "path", &path);
    sender->host->option_i64(sender->instance, "fsync", &sync);
    sender->host->option_i64(sender->instance, "rotate_bytes", &writer->rotate_bytes);
    sender->host->option_i64(sender->instance, "rotate_every", &age_ms);
    sender->host->option_i64(sender->instance, "compress", &compress);
    writer->path = path.ptr;
    writer->sync = (enum sync_policy)sync;
    writer->rotate_s = age_ms / 1000;
    writer->compress = compress == 1;
#ifndef WEIR_ZSTD
    if (writer->compress)
        return sender_refuse(sender, "compress", "this build has no zstd");
#endif
    if (path.len == 0)
        return sender_refuse(sender, "path", "must name a file");
    if (writer->rotate_bytes < 0 || (age_ms > 0 && age_ms < 1000))
        return sender_refuse(sender, "rotate_every", "must be 0s (never), or 1s and more");
    return 0;
}

static int32_t file_open(const weir_host *host, weir_instance *instance, void **self)
{
    struct file_sink *sink = calloc(1, sizeof *sink);
    weir_buf target = {0};
    if (!sink)
        return -ENOMEM;
    writer_init(&sink->writer);
    int rc = sender_open(&sink->sender, &writes, host, instance);
    if (rc == 0)
        rc = read_options(sink);
    if (rc == 0)
        rc = body_open(&sink->body, host, instance);
    if (rc < 0) {
        free(sink);
        return rc;
    }
    sink->sender.entry_bytes_max = sink->sender.call_bytes_max = 16 * MIB;
    sink->work = host->extension(instance, WEIR_EXT_WORK);
    if (!sink->work)
        sink->sender.unable = "this host has no weir.work/1";
    put_text(&target, "file ");
    put_visible(&target, weir_cstr(sink->writer.path), 160);
    host->declare(instance, WEIR_D_TARGET, weir_buf_view(&target));
    weir_buf_free(&target);
    *self = sink;
    return 0;
}

static const weir_option options[] = {
    {"path", NULL, WEIR_O_PATH, WEIR_O_REQUIRED, NULL, "The file; one process may write it."},
    BODY_OPTIONS,
    {"fsync", "\"batch\"", WEIR_O_ENUM, 0, "batch|second|never",
     "When lines are safe from a loss of power: before they count as stored, each second, or when "
     "the system likes."},
    {"rotate_bytes", "\"0B\"", WEIR_O_SIZE_BYTES, 0, NULL,
     "Size at which the file is moved to PATH.TIME and a new one begun; 0 = never."},
    {"rotate_every", "\"0s\"", WEIR_O_DURATION_MS, 0, NULL,
     "Age at which the file is moved away when the next record comes; 0s = never."},
    {"compress", "\"none\"", WEIR_O_ENUM, 0, "none|zstd", "What becomes of files moved away."},
    {0},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 1),
    .struct_size = sizeof plugin,
    .name = "file",
    .version = "1.0.0",
    .summary = "Appends each record as a line of JSON to a file, with rotation.",
    .options = options,
    .repeats = WEIR_R_KEYED,
    .open = file_open,
    .close = file_close,
    .deliver = sender_deliver,
    .cancel = sender_cancel,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
