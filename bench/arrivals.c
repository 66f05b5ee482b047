/* The sink of the poll benchmark: takes every record and keeps nothing. With `delays` it reads the
 * attribute `stamp`, the time in us at which the server made the record available. Its last words,
 * at close, are one line of JSON. */
#include <weir/util.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

enum { BUCKET_US = 250, BUCKETS = 80000 }; /* up to 20 s */

struct arrivals {
    const weir_host *host;
    weir_instance *instance;
    uint64_t records, timed;
    int64_t want_delays, warm_ms, first_us, last_us, most_us;
    int64_t first_cpu_us, last_cpu_us; /* CPU time of the process at these two */
    uint32_t buckets[BUCKETS];
};

static const weir_option options[] = {
    {"delays", "false", WEIR_O_BOOL, 0, NULL, "Read each record's stamp."},
    {"warm", "\"0s\"", WEIR_O_DURATION_MS, 0, NULL,
     "Leave out of the delays what became available before this long after the first record."},
    {0}};

static int64_t now_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int32_t arrivals_open(const weir_host *host, weir_instance *instance, void **self)
{
    struct arrivals *arrivals = calloc(1, sizeof *arrivals);
    if (!arrivals)
        return -ENOMEM;
    arrivals->host = host;
    arrivals->instance = instance;
    host->option_i64(instance, "delays", &arrivals->want_delays);
    host->option_i64(instance, "warm", &arrivals->warm_ms);
    *self = arrivals;
    return 0;
}

static void note_delay(struct arrivals *arrivals, const weir_record *record)
{
    const weir_host *host = arrivals->host;
    const weir_value *value = host->attr(record, WEIR_NEW, "stamp");
    weir_str text = host->text(value ? value : host->attr(record, WEIR_OLD, "stamp"));
    int64_t stamp_us = 0;
    for (size_t i = 0; i < text.len; i++)
        stamp_us = stamp_us * 10 + (text.ptr[i] - '0');
    int64_t delay_us = arrivals->last_us - stamp_us;
    if (stamp_us < arrivals->first_us + arrivals->warm_ms * 1000)
        return;
    arrivals->timed++;
    if (delay_us > arrivals->most_us)
        arrivals->most_us = delay_us;
    if (delay_us / BUCKET_US < BUCKETS)
        arrivals->buckets[delay_us < 0 ? 0 : delay_us / BUCKET_US]++;
}

static void arrivals_deliver(void *self, weir_delivery *delivery)
{
    struct arrivals *arrivals = self;
    const weir_host *host = arrivals->host;
    size_t count = host->count(delivery);
    arrivals->last_us = now_us(CLOCK_REALTIME);
    arrivals->last_cpu_us = now_us(CLOCK_PROCESS_CPUTIME_ID);
    if (arrivals->records == 0) {
        arrivals->first_us = arrivals->last_us;
        arrivals->first_cpu_us = arrivals->last_cpu_us;
    }
    arrivals->records += count;
    for (size_t i = 0; arrivals->want_delays && i < count; i++)
        note_delay(arrivals, host->at(delivery, i));
    host->complete_rest(arrivals->instance, host->token(delivery), WEIR_OK, WEIR_NONE);
}

/* In ms; 0 without any. */
static double quantile(const struct arrivals *arrivals, double part)
{
    uint64_t wanted = (uint64_t)((double)arrivals->timed * part), seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += arrivals->buckets[i];
        if (seen && seen >= wanted)
            return (double)((i + 1) * BUCKET_US) / 1000;
    }
    return 0;
}

static void arrivals_close(void *self)
{
    struct arrivals *arrivals = self;
    weir_logf(arrivals->host, arrivals->instance, WEIR_LOG_WARN,
              "arrivals {\"records\":%" PRIu64 ",\"first_us\":%" PRId64 ",\"last_us\":%" PRId64
              ",\"cpu_us\":%" PRId64 ",\"timed\":%" PRIu64
              ",\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f}",
              arrivals->records, arrivals->first_us, arrivals->last_us,
              arrivals->last_cpu_us - arrivals->first_cpu_us, arrivals->timed,
              quantile(arrivals, 0.5), quantile(arrivals, 0.99), (double)arrivals->most_us / 1000);
    free(arrivals);
}

static const weir_plugin plugin = {.abi = WEIR_ABI_CURRENT,
                                   .abi_min = WEIR_ABI(1, 0),
                                   .struct_size = sizeof plugin,
                                   .name = "bench_arrivals",
                                   .version = "1.0.0",
                                   .summary = "Counts records and their delays.",
                                   .options = options,
                                   .repeats = WEIR_R_NATIVE,
                                   .batch_records = 1000,
                                   .open = arrivals_open,
                                   .close = arrivals_close,
                                   .deliver = arrivals_deliver};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
