#include "erig.h"

#include "util/alloc.h"
#include "util/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void note(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(char *text, const char *format, ...)
{
    size_t len = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + len, ERIG_TEXT - len, format, args);
    va_end(args);
}

/* ---- the function ---- */

static void finish(struct timer *timer)
{
    struct erig_open *open = (struct erig_open *)timer;
    struct erig *rig = open->rig;
    struct esm_call *call = open->call;
    char body[200], id[40];
    const char *does = rig->script[open->number];
    snprintf(id, sizeof id, "request-%zu", open->id);
    snprintf(body, sizeof body, "%s", does);
    call->end = ESM_ANSWERED;
    if (strcmp(does, "ok") == 0)
        snprintf(body, sizeof body, "{\"batchItemFailures\":[]}");
    else if (strcmp(does, "error") == 0)
        call->end = ESM_ERROR;
    else if (strcmp(does, "busy") == 0)
        call->end = ESM_NOT_RUN;
    else if (does[0] >= '0' && does[0] <= '9')
        snprintf(body, sizeof body, "{\"batchItemFailures\":[{\"itemIdentifier\":\"%s\"}]}", does);
    call->body = str_of(body);
    call->request_id = str_of(id);
    open->call = NULL;
    rig->open_now--;
    call->done(call);
}

/* The number in the n-th "SequenceNumber" of the event, the last one for n < 0. */
static long number_in(weir_str event, bool last)
{
    static const char name[] = "\"SequenceNumber\":\"";
    char *text = mem_dup0(event.ptr, event.len);
    long number = -1;
    for (char *at = strstr(text, name); at; at = strstr(at + 1, name)) {
        number = strtol(at + sizeof name - 1, NULL, 10);
        if (!last)
            break;
    }
    mem_free(text);
    return number;
}

static int invoke(void *ctx, struct esm_call *call)
{
    struct erig *rig = ctx;
    struct clock *clock = &rig->v.world.clock;
    int64_t now_ms = clock->now_ms(clock->ctx);
    size_t i = 0;
    while (i < ERIG_OPEN && rig->open[i].call)
        i++;
    CHECK_FATAL(i < ERIG_OPEN);
    if (now_ms > rig->invoked_ms)
        note(rig->invoked, "+%lld:", (long long)(now_ms - rig->invoked_ms));
    rig->invoked_ms = now_ms;
    long first = number_in(call->event, false), last = number_in(call->event, true);
    note(rig->invoked, first == last ? "%ld " : "%ld-%ld ", first, last);
    rig->open[i] = (struct erig_open){.timer.fire = finish,
                                      .rig = rig,
                                      .call = call,
                                      .number = rig->played,
                                      .id = ++rig->invocations};
    if (call->event.len > rig->most_bytes)
        rig->most_bytes = call->event.len;
    if (rig->script[rig->played + 1])
        rig->played++;
    if (++rig->open_now > rig->most_open)
        rig->most_open = rig->open_now;
    return clock->arm(clock->ctx, &rig->open[i].timer, rig->takes_ms);
}

/* ---- what it tells ---- */

static void told(void *arg, const struct esm_report *report)
{
    struct erig *rig = arg;
    static const char *const names[] = {"done", "retry", "split", "cut", "again", "given-up"};
    note(rig->decisions, "%s", names[report->decision]);
    if (report->decision == ESM_RETRY)
        note(rig->decisions, "%lld", (long long)report->retry);
    note(rig->decisions, report->finished ? "(%zu) " : " ", report->finished);
}

static int gave_up(void *arg, const struct esm_failure *failure)
{
    struct erig *rig = arg;
    const struct clock *clock = &rig->v.world.clock;
    struct buf document;
    if (rig->refuse)
        return rig->refuse;
    CHECK_FATAL(rig->document_count < ERIG_DOCUMENTS);
    buf_init(&document, 1 << 20);
    esm_failure_put(&document, failure, STR(ERIG_STREAM), clock->wall_us(clock->ctx), rig->payload);
    rig->documents[rig->document_count++] = mem_dup0(document.ptr, document.len);
    buf_done(&document);
    return 0;
}

static void moved(void *arg)
{
    ((struct erig *)arg)->moved++;
}

/* ---- life ---- */

void erig_init(struct erig *rig)
{
    static const char *const well[] = {"ok", NULL};
    *rig = (struct erig){
        .options = {.batch_size = 100, .lanes = 1, .retries = -1, .report_failures = true},
        .script = well};
    vworld_init(&rig->v, 1);
}

void erig_start(struct erig *rig)
{
    rig->function = (struct esm_function){rig, invoke};
    rig->invoked_ms = rig->v.now_ms;
    struct esm_delivery_config config = {.clock = &rig->v.world.clock,
                                         .options = &rig->options,
                                         .function = &rig->function,
                                         .shard = STR("shardId-1"),
                                         .told = told,
                                         .gave_up = gave_up,
                                         .moved = moved,
                                         .arg = rig,
                                         .counts = &rig->counts};
    CHECK_INT(esm_delivery_new(&config, &rig->delivery), 0);
    CHECK_FATAL(rig->delivery != NULL);
}

void erig_done(struct erig *rig)
{
    esm_delivery_stop(rig->delivery);
    vworld_run(&rig->v, rig->takes_ms + 1);
    CHECK(!esm_delivery_open(rig->delivery));
    esm_delivery_free(rig->delivery);
    for (size_t i = 0; i < rig->document_count; i++)
        mem_free(rig->documents[i]);
    vworld_done(&rig->v);
}

void erig_offer(struct erig *rig, int first, int last, int items, int64_t age_ms)
{
    const struct clock *clock = &rig->v.world.clock;
    int64_t created_s = clock->wall_us(clock->ctx) / 1000000 - age_ms / 1000;
    struct decode_options options = {.source_arn = STR(ERIG_STREAM), .shard = STR("shardId-1")};
    struct batch *batch = NULL;
    struct err err = {0};
    struct buf text;
    buf_init(&text, 16 << 20);
    buf_puts(&text, "{\"Records\":[");
    for (int i = first; i <= last; i++)
        buf_printf(&text,
                   "%s{\"eventID\":\"e%d\",\"eventName\":\"%s\",\"eventSource\":\"aws:dynamodb\","
                   "\"awsRegion\":\"eu-west-1\",\"dynamodb\":{"
                   "\"ApproximateCreationDateTime\":%lld,\"Keys\":{\"id\":{\"S\":\"p%d\"}},"
                   "\"NewImage\":{\"x\":{\"S\":\"%0*d\"}},"
                   "\"SequenceNumber\":\"%d\",\"SizeBytes\":9,\"StreamViewType\":\"NEW_IMAGE\"}}",
                   i > first ? "," : "", i, i % 2 ? "MODIFY" : "INSERT", (long long)created_s,
                   i % items, rig->padding, 0, i);
    buf_puts(&text, "],\"NextShardIterator\":\"x\"}");
    size_t len = text.len;
    buf_reserve(&text, 64);
    CHECK_INT(batch_decode(buf_take(&text), len, NULL, &options, &batch, &err), 0);
    CHECK_FATAL(batch != NULL);
    CHECK_INT(esm_delivery_offer(rig->delivery, batch), 0);
    batch_unref(batch);
}

void erig_run(struct erig *rig, int64_t ms)
{
    vworld_run(&rig->v, ms);
}

void erig_clear(struct erig *rig)
{
    rig->invoked[0] = rig->decisions[0] = '\0';
    rig->invoked_ms = rig->v.now_ms;
}
