/* Uses weir.timer/1, weir.work/1 and weir.kv/1 as `script` has it, a letter at a time, and logs
 * what is called: t  a timer in 10 ms; T  one in 20 ms that starts another of 5 ms; s  stop the
 * last one started; x  stop ids that are none;  w  work;  W  work whose done() submits more; k  one
 * more is kept of "count";  d  none is. */
#include "sink.h"
#include <weir/ext/kv.h>
#include <weir/ext/work.h>

#include <stdio.h>

struct extensions {
    struct sink base;
    const weir_timer *timer;
    const weir_work *work;
    const weir_kv *kv;
    uint64_t last;
    int runs;
};

static void say(struct extensions *sink, const char *what)
{
    weir_logf(sink->base.host, sink->base.instance, WEIR_LOG_INFO, "%s", what);
}

static void on_timer(void *arg)
{
    say(arg, "fired");
}

static void on_timer_again(void *arg)
{
    struct extensions *sink = arg;
    say(sink, "fired, again");
    sink->last = sink->timer->start(sink->base.instance, 5, on_timer, sink);
}

static void run(void *arg)
{
    ((struct extensions *)arg)->runs++;
}

static void done(void *arg)
{
    struct extensions *sink = arg;
    weir_logf(sink->base.host, sink->base.instance, WEIR_LOG_INFO, "done %d", sink->runs);
}

static void done_again(void *arg)
{
    struct extensions *sink = arg;
    done(sink);
    if (sink->work->submit(sink->base.instance, run, done, sink) < 0)
        say(sink, "refused");
}

static void on_kept(void *arg, int32_t status)
{
    struct extensions *sink = arg;
    weir_str count = {"none", 4};
    sink->kv->get(sink->base.instance, weir_cstr("count"), &count);
    weir_logf(sink->base.host, sink->base.instance, WEIR_LOG_INFO, "status %d, kept %.*s", status,
              (int)count.len, count.ptr);
}

/* The values of a count are as many letters. */
static void keep_one_more(struct extensions *sink)
{
    char letters[64];
    weir_str key = weir_cstr("count"), count = {NULL, 0};
    if (sink->kv->get(sink->base.instance, key, &count) == 1 && count.len < sizeof letters)
        memcpy(letters, count.ptr, count.len);
    letters[count.len++] = 'x';
    if (sink->kv->put(sink->base.instance, key, weir_view(letters, count.len), on_kept, sink) < 0)
        say(sink, "not kept");
}

static void step(struct extensions *sink, char letter)
{
    weir_instance *instance = sink->base.instance;
    if (letter == 't')
        sink->last = sink->timer->start(instance, 10, on_timer, sink);
    else if (letter == 'T')
        sink->last = sink->timer->start(instance, 20, on_timer_again, sink);
    else if (letter == 's')
        sink->timer->stop(instance, sink->last);
    if ((letter == 't' || letter == 'T') && sink->last == 0)
        say(sink, "no timer");
    if ((letter == 'w' || letter == 'W') &&
        sink->work->submit(instance, run, letter == 'w' ? done : done_again, sink) < 0)
        say(sink, "no work");
    if (letter == 'k' && sink->kv)
        keep_one_more(sink);
    else if (letter == 'k')
        say(sink, "nothing is kept here");
    if (letter == 'd' && sink->kv)
        sink->kv->drop(instance, weir_cstr("count"), on_kept, sink);
    for (uint64_t id = 0; letter == 'x' && id < 10; id++)
        sink->timer->stop(instance, id * 0x100000000u + id + 50);
}

static int32_t extensions_record(void *self, const weir_record *record)
{
    weir_str script = {"", 0};
    struct extensions *sink = self;
    (void)record;
    sink->base.host->option_str(sink->base.instance, "script", &script);
    for (size_t i = 0; i < script.len; i++)
        step(sink, script.ptr[i]);
    return sink->timer->now_ms(sink->base.instance) >= 0 ? WEIR_OK : WEIR_FAIL;
}

static int32_t extensions_open(const weir_host *host, weir_instance *instance, void **self)
{
    int32_t rc = sink_open(host, instance, sizeof(struct extensions), self);
    if (rc < 0)
        return rc;
    struct extensions *sink = *self;
    sink->timer = host->extension(instance, WEIR_EXT_TIMER);
    sink->work = host->extension(instance, WEIR_EXT_WORK);
    sink->kv = host->extension(instance, WEIR_EXT_KV);
    return 0;
}

static void extensions_close(void *self)
{
    say(self, "closed");
    free(self);
}

static const weir_option options[] = {{"script", NULL, WEIR_O_STRING, 0, NULL, "Letters."},
                                      {NULL, NULL, 0, 0, NULL, NULL}};
static const weir_plugin plugin = {.abi = WEIR_ABI_CURRENT,
                                   .abi_min = WEIR_ABI(1, 0),
                                   .struct_size = sizeof plugin,
                                   .name = "extensions",
                                   .version = "1.0.0",
                                   .summary = "Timers, work, values.",
                                   .options = options,
                                   .open = extensions_open,
                                   .close = extensions_close,
                                   .record = extensions_record};
const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
