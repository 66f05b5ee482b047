/* The stdout sink: one record, one line. A pipe whose reader is slow blocks a pool thread, never
 * the loop: the lines of a delivery are rendered here and written by weir.work/1, in the order
 * delivered. */
#include "render.h"

#include <weir/ext/work.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POLL_MS = 50 }; /* how soon a blocked write notices that it was cancelled */

struct line {
    size_t end; /* in job.bytes */
    size_t index;
};

struct job { /* the lines of one delivery */
    struct sink *sink;
    struct job *next; /* in sink.open or sink.spare */
    uint64_t token;
    weir_buf bytes;
    struct line *lines;
    size_t line_count, line_cap;
    atomic_bool cancelled;
    size_t written; /* set by the pool thread */
    int error;      /* errno of what stopped it */
};

struct sink {
    weir_instance *instance;
    const weir_work *work;
    struct style style;
    struct job *open, *spare;
    bool torn; /* the last thing written was a part of a line. Pool thread only */
};

static void complete(struct sink *sink, uint64_t token, size_t index, int32_t outcome,
                     const char *why)
{
    sink->style.host->complete(sink->instance, token, index, outcome, weir_cstr(why));
}

/* ---- pool thread ---- */

/* Regular files take any write at once. A pipe that poll() calls writable has room for PIPE_BUF
 * bytes, so a write of at most that doesn't block; where it can, the cut falls behind a line, which
 * makes the lines atomic for other writers of the same pipe. */
static size_t piece(const char *bytes, size_t len, bool regular)
{
    if (regular || len <= PIPE_BUF)
        return len;
    for (size_t cut = PIPE_BUF; cut > 0; cut--)
        if (bytes[cut - 1] == '\n')
            return cut;
    return PIPE_BUF;
}

/* Writes all, unless cancelled or broken; *written counts. 0 or errno. */
static int write_all(struct job *job, const char *bytes, size_t len, bool regular, size_t *written)
{
    while (*written < len) {
        struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
        if (atomic_load(&job->cancelled))
            return ECANCELED;
        if (!regular && poll(&out, 1, POLL_MS) <= 0)
            continue;
        ssize_t n = write(STDOUT_FILENO, bytes + *written,
                          piece(bytes + *written, len - *written, regular));
        if (n >= 0)
            *written += (size_t)n;
        else if (errno == EAGAIN && regular)
            poll(&out, 1, POLL_MS);
        else if (errno != EINTR && errno != EAGAIN)
            return errno;
    }
    return 0;
}

static void write_job(void *arg)
{
    struct job *job = arg;
    struct stat status;
    size_t newline = 0;
    bool regular = fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode);
    job->written = 0;
    if (job->sink->torn) /* never glue the next line to the rest of a broken one */
        job->error = write_all(job, "\n", 1, regular, &newline);
    if (newline == 1)
        job->sink->torn = false;
    if (job->error == 0)
        job->error = write_all(job, job->bytes.ptr, job->bytes.len, regular, &job->written);
    if (job->written > 0)
        job->sink->torn = job->bytes.ptr[job->written - 1] != '\n';
}

/* ---- loop ---- */

static void job_free(struct job *job)
{
    weir_buf_free(&job->bytes);
    free(job->lines);
    free(job);
}

static void release(struct job *job)
{
    struct sink *sink = job->sink;
    for (struct job **at = &sink->open; *at; at = &(*at)->next) {
        if (*at == job) {
            *at = job->next;
            break;
        }
    }
    if (job->bytes.cap > 1024 * 1024) /* one huge delivery doesn't pin its memory for ever */
        weir_buf_free(&job->bytes);
    job->next = sink->spare;
    sink->spare = job;
}

static void written_job(void *arg)
{
    struct job *job = arg;
    char why[160] = "cancelled";
    int32_t outcome = job->error == ECANCELED ? WEIR_RETRY : WEIR_DOWN;
    if (job->error != 0 && job->error != ECANCELED) {
        char text[100] = "unknown error";
        if (strerror_r(job->error, text, sizeof text) != 0)
            text[0] = '\0';
        snprintf(why, sizeof why, "can't write to standard output: %s", text);
    }
    for (size_t i = 0; i < job->line_count; i++) {
        bool stored = job->lines[i].end <= job->written;
        complete(job->sink, job->token, job->lines[i].index, stored ? WEIR_OK : outcome,
                 stored ? NULL : why);
    }
    release(job);
}

static struct job *job_new(struct sink *sink, uint64_t token, size_t lines)
{
    struct job *job = sink->spare;
    if (job)
        sink->spare = job->next;
    else
        job = calloc(1, sizeof *job);
    if (job && job->line_cap < lines) {
        struct line *grown = realloc(job->lines, lines * sizeof *grown);
        if (!grown) {
            job_free(job);
            return NULL;
        }
        job->lines = grown;
        job->line_cap = lines;
    }
    if (!job)
        return NULL;
    weir_buf_clear(&job->bytes);
    job->sink = sink;
    job->token = token;
    job->line_count = 0;
    job->error = 0;
    job->written = 0;
    atomic_store(&job->cancelled, false);
    job->next = sink->open;
    sink->open = job;
    return job;
}

/* Renders the records in order. What can't be rendered is told at once; those behind it wait for
 * another delivery, because a later record of its lane must not be stored before it is dealt with.
 */
static void render_all(struct job *job, const weir_delivery *delivery, size_t count)
{
    struct sink *sink = job->sink;
    for (size_t i = 0; i < count; i++) {
        if (render_line(&sink->style, sink->style.host->at(delivery, i), &job->bytes)) {
            job->lines[job->line_count++] = (struct line){job->bytes.len, i};
            continue;
        }
        if (job->bytes.failed)
            complete(sink, job->token, i, WEIR_RETRY, "out of memory");
        else
            complete(sink, job->token, i, WEIR_FAIL, "this record has no such form");
        while (++i < count)
            complete(sink, job->token, i, WEIR_RETRY, "waits for the record before it");
    }
}

static void stdout_deliver(void *self, weir_delivery *delivery)
{
    struct sink *sink = self;
    const weir_host *host = sink->style.host;
    uint64_t token = host->token(delivery);
    size_t count = host->count(delivery);
    if (!sink->work) {
        host->complete_rest(sink->instance, token, WEIR_DOWN,
                            WEIR_STR("this host has no weir.work/1"));
        return;
    }
    struct job *job = job_new(sink, token, count);
    if (!job) {
        host->complete_rest(sink->instance, token, WEIR_RETRY, WEIR_STR("out of memory"));
        return;
    }
    render_all(job, delivery, count);
    job->bytes.failed = false;
    if (job->line_count > 0 && sink->work->submit(sink->instance, write_job, written_job, job) == 0)
        return;
    if (job->line_count > 0)
        host->complete_rest(sink->instance, token, WEIR_RETRY, WEIR_STR("no thread for the write"));
    release(job);
}

static void stdout_cancel(void *self, uint64_t token)
{
    struct sink *sink = self;
    for (struct job *job = sink->open; job; job = job->next)
        if (job->token == token) /* written_job() tells what got out, at most POLL_MS later */
            atomic_store(&job->cancelled, true);
}

static bool terminal_takes_colour(void)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    const char *flag = getenv("WEIR_COLOR"); /* also what `weir --color` says */
    if (flag && (strcmp(flag, "always") == 0 || strcmp(flag, "never") == 0))
        return *flag == 'a';
    return isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0;
}

static int32_t stdout_open(const weir_host *host, weir_instance *instance, void **self)
{
    enum { AUTO, ALWAYS, NEVER };
    static const int32_t forms[] = {
        [FORMAT_PRETTY] = WEIR_B_PLAIN,      [FORMAT_JSON] = WEIR_B_AWS,
        [FORMAT_PLAIN] = WEIR_B_PLAIN,       [FORMAT_CLOUDEVENTS] = WEIR_B_CLOUDEVENTS,
        [FORMAT_DEBEZIUM] = WEIR_B_DEBEZIUM, [FORMAT_TEMPLATE] = WEIR_B_TEMPLATE};
    int64_t format = FORMAT_PRETTY, colour = AUTO, raw = 0;
    struct sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return -ENOMEM;
    host->option_i64(instance, "format", &format);
    host->option_i64(instance, "color", &colour);
    host->option_i64(instance, "raw", &raw);
    if (raw && format != FORMAT_JSON) {
        host->option_error(instance, "raw",
                           WEIR_STR("only format json can show the bytes as received"));
        free(sink);
        return -EINVAL;
    }
    sink->instance = instance;
    sink->work = host->extension(instance, WEIR_EXT_WORK);
    sink->style = (struct style){
        .host = host,
        .pretty = format == FORMAT_PRETTY,
        .colour = colour == ALWAYS || (colour == AUTO && terminal_takes_colour()),
    };
    host->declare(instance, WEIR_D_TARGET, WEIR_STR("standard output"));
    int rc = body_open_form(&sink->style.body, host, instance, raw ? WEIR_B_RAW : forms[format]);
    if (rc < 0) {
        free(sink);
        return rc;
    }
    *self = sink;
    return 0;
}

static void stdout_close(void *self)
{
    struct sink *sink = self;
    while (sink->spare) {
        struct job *job = sink->spare;
        sink->spare = job->next;
        job_free(job);
    }
    free(sink);
}

static const weir_option options[] = {
    {"format", "\"pretty\"", WEIR_O_ENUM, 0, "pretty|json|plain|cloudevents|debezium|template",
     "pretty: for people; json: the record as Lambda gets it; plain: untyped JSON, numbers exact; "
     "cloudevents, debezium, template: as `body` of other sinks."},
    {"color", "\"auto\"", WEIR_O_ENUM, 0, "auto|always|never",
     "Colours in format pretty; auto: as --color says, else on a terminal, unless NO_COLOR is set "
     "or TERM is dumb."},
    {"raw", "false", WEIR_O_BOOL, 0, NULL,
     "With format json: the record's bytes as received from its source instead of the Lambda "
     "shape."},
    {"template", NULL, WEIR_O_JSON, 0, NULL,
     "With format template: any JSON; a text that begins with $. stands for what it names in the "
     "record, such as $.new.price."},
    {0},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 1),
    .struct_size = sizeof plugin,
    .flags = WEIR_P_KEEPS_ORDER,
    .name = "stdout",
    .version = "1.0.0",
    .summary = "Prints each record as one line of printable ASCII.",
    .options = options,
    .repeats = WEIR_R_NONE,
    .open = stdout_open,
    .close = stdout_close,
    .deliver = stdout_deliver,
    .cancel = stdout_cancel,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
