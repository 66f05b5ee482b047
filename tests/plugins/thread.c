/* Completes from threads of its own: each delivery is read and completed by `threads` at once,
 * which all read every record and each complete their share. They end at flush() or close(). */
#include "sink.h"
#include <pthread.h>

enum { THREADS_MAX = 512 };

struct threads {
    struct sink base;
    pthread_t running[THREADS_MAX];
    size_t count;
};

struct share {
    struct sink *sink;
    weir_delivery *delivery;
    size_t records, first, step;
    uint64_t token;
};

/* The delivery lives until its last record is completed. So a thread reads, together with the
 * others, only while a record of its own share is open, and touches nothing after it has completed
 * that. */
static size_t read_all(const struct share *share)
{
    const weir_host *host = share->sink->host;
    size_t odd = 0;
    for (size_t i = 0; i < share->records; i++) {
        const weir_record *record = host->at(share->delivery, i);
        host->equal(host->image(record, WEIR_OLD), host->image(record, WEIR_NEW));
        odd += host->field(record, WEIR_F_EVENT_JSON).len == 0;
        odd += host->field(record, WEIR_F_ITEM_KEY).len == 0;
        host->text(host->attr(record, WEIR_NEW, "price"));
    }
    return odd;
}

static void *work(void *arg)
{
    struct share *share = arg;
    const weir_host *host = share->sink->host;
    size_t odd = share->first < share->records ? read_all(share) : 0;
    for (size_t i = share->first; i < share->records; i += share->step) {
        weir_str id = host->field(host->at(share->delivery, i), WEIR_F_EVENT_ID);
        host->complete(share->sink->instance, share->token, i, odd ? WEIR_FAIL : WEIR_OK, id);
    }
    free(share);
    return NULL;
}

static void join_all(struct threads *threads)
{
    while (threads->count > 0)
        pthread_join(threads->running[--threads->count], NULL);
}

static void thread_deliver(void *self, weir_delivery *delivery)
{
    struct threads *threads = self;
    struct sink *sink = &threads->base;
    size_t step = (size_t)sink_number(sink, "threads"), records = sink->host->count(delivery);
    uint64_t token = sink->host->token(delivery);
    if (threads->count + step > THREADS_MAX)
        join_all(threads);
    for (size_t first = 0; first < step; first++) {
        struct share *share = malloc(sizeof *share);
        if (!share)
            continue; /* its records stay open: the host revokes them */
        *share = (struct share){sink, delivery, records, first, step, token};
        if (pthread_create(&threads->running[threads->count], NULL, work, share) == 0)
            threads->count++;
        else
            free(share);
    }
}

static int32_t thread_open(const weir_host *host, weir_instance *instance, void **self)
{
    return sink_open(host, instance, sizeof(struct threads), self);
}

static void thread_flush(void *self, int64_t deadline_ms)
{
    (void)deadline_ms;
    join_all(self);
}

static void thread_close(void *self)
{
    join_all(self);
    free(self);
}

static const weir_option options[] = {
    {"threads", "3", WEIR_O_INT, 0, NULL, "Threads for each delivery."},
    {NULL, NULL, 0, 0, NULL, NULL}};
static const weir_plugin plugin = {.abi = WEIR_ABI_CURRENT,
                                   .abi_min = WEIR_ABI(1, 0),
                                   .struct_size = sizeof plugin,
                                   .name = "thread",
                                   .version = "1.0.0",
                                   .summary = "Completes from its own threads.",
                                   .options = options,
                                   .open = thread_open,
                                   .close = thread_close,
                                   .deliver = thread_deliver,
                                   .flush = thread_flush};
const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
