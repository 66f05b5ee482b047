#include "observe/otlp_send.h"

#include "aws/time.h"
#include "json/json.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    SPANS_EVERY_MS = 5000,
    RETRY_FOR_MS = 60000,
    PAUSE_FIRST_MS = 1000,
    PAUSE_LAST_MS = 30000,
    WISH_MAX_MS = 300000,
    BODY_BYTES_MAX = 16 << 20,
    SPANS_BYTES_MAX = 4 << 20,
    ATTRIBUTES_BYTES_MAX = 16 << 10,
    ANSWER_BYTES_MAX = 64 << 10,
    SAID_MAX = 120 /* of what the collector says, in the log */
};

enum lane_state { LANE_IDLE, LANE_SENDING, LANE_WAITING };

struct lane { /* one signal: at most one request is on its way, or waits to be repeated */
    struct otlp *otlp;
    enum otlp_signal signal;
    enum lane_state state;
    struct http_call call;
    struct timer pause, tick;
    struct buf url, body;
    size_t spans; /* in the body */
    unsigned attempts;
    int64_t since_ms; /* the first attempt with this body */
    bool failing;     /* said in the log */
};

struct otlp {
    struct otlp_config config;
    struct http_header headers[OTLP_HEADERS_MAX + 1];
    struct buf resource;
    struct lane lanes[OTLP_SIGNALS];
    struct otlp_counts counts;
    struct buf spans; /* that wait for the next request */
    size_t span_count;
    struct buf attributes; /* of the span being written */
    struct router_tracer tracer;
    int64_t until_trace; /* batches */
    bool finishing, last_metrics_out;
    struct timer limit;
    struct post ended;
    void (*done)(void *arg);
    void *done_arg;
};

static int64_t now_ms(const struct otlp *otlp)
{
    const struct clock *clock = &otlp->config.world->clock;
    return clock->now_ms(clock->ctx);
}

static void arm(struct otlp *otlp, struct timer *timer, int64_t delay_ms)
{
    const struct clock *clock = &otlp->config.world->clock;
    clock->arm(clock->ctx, timer, delay_ms);
}

static void disarm(struct otlp *otlp, struct timer *timer)
{
    const struct clock *clock = &otlp->config.world->clock;
    clock->disarm(clock->ctx, timer);
}

static void say(const struct otlp *otlp, int level, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void say(const struct otlp *otlp, int level, const char *code, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    otlp->config.log(otlp->config.log_ctx, level, "otlp", code, text);
}

static const char *what_of(const struct lane *lane)
{
    return lane->signal == OTLP_METRICS ? "metrics" : "traces";
}

/* ---- one request ---- */

static void go_on(struct otlp *otlp);

static void lose(struct lane *lane)
{
    struct otlp *otlp = lane->otlp;
    otlp->counts.failed[lane->signal]++;
    otlp->counts.spans_dropped += lane->spans;
    lane->state = LANE_IDLE;
    go_on(otlp);
}

static void start(struct lane *lane)
{
    const struct transport *transport = &lane->otlp->config.world->transport;
    lane->call.body = buf_str(&lane->body);
    buf_reset(&lane->call.answer);
    buf_reset(&lane->call.answer_headers);
    lane->state = LANE_SENDING;
    if (lane->body.failed || transport->start(transport->ctx, &lane->call) < 0)
        lose(lane);
}

static void on_pause(struct timer *timer)
{
    start((struct lane *)((char *)timer - offsetof(struct lane, pause)));
}

static void begin(struct lane *lane)
{
    lane->attempts = 0;
    lane->since_ms = now_ms(lane->otlp);
    start(lane);
}

static void say_failure(struct lane *lane)
{
    const struct http_call *call = &lane->call;
    struct buf said;
    if (lane->failing)
        return;
    lane->failing = true;
    buf_init(&said, ATTRIBUTES_BYTES_MAX);
    if (call->result == HTTP_DONE) {
        buf_printf(&said, "status %d%s", call->status, call->answer.len ? ": " : "");
        buf_put_visible(&said, buf_str(&call->answer), SAID_MAX);
    } else {
        buf_puts(&said, call->reason);
    }
    say(lane->otlp, WEIR_LOG_WARN, "W1230", "the collector does not take %s: %s", what_of(lane),
        buf_cstr(&said));
    buf_done(&said);
}

/* {"partialSuccess":{"rejectedSpans":"3","errorMessage":"..."}}: the rest was taken. */
static void read_rejected(struct lane *lane)
{
    struct otlp *otlp = lane->otlp;
    struct arena arena;
    struct json_error error;
    int64_t rejected = 0;
    arena_init(&arena, 1024);
    const struct json_value *root =
        json_parse(&arena, buf_str(&lane->call.answer), JSON_LAST_WINS, 1000, &error);
    const struct json_value *partial = json_member0(root, "partialSuccess");
    const struct json_value *count = json_member0(
        partial, lane->signal == OTLP_METRICS ? "rejectedDataPoints" : "rejectedSpans");
    weir_str message = json_text(partial, "errorMessage");
    for (size_t i = 0; count && i < count->text.len && rejected < OTLP_SPANS_MAX; i++)
        if (count->text.ptr[i] >= '0' && count->text.ptr[i] <= '9')
            rejected = rejected * 10 + (count->text.ptr[i] - '0');
    if (rejected > 0 || message.len > 0)
        say(otlp, WEIR_LOG_WARN, "W1232", "the collector refused %" PRId64 " of the %s: %.*s",
            rejected, what_of(lane), (int)(message.len < SAID_MAX ? message.len : SAID_MAX),
            message.ptr ? message.ptr : "");
    if (lane->signal == OTLP_TRACES)
        otlp->counts.spans_dropped +=
            (uint64_t)rejected < lane->spans ? (uint64_t)rejected : lane->spans;
    arena_done(&arena);
}

static void took(struct lane *lane)
{
    lane->otlp->counts.done[lane->signal]++;
    if (lane->failing)
        say(lane->otlp, WEIR_LOG_INFO, "W1231", "the collector takes %s again", what_of(lane));
    lane->failing = false;
    read_rejected(lane);
    lane->state = LANE_IDLE;
    go_on(lane->otlp);
}

/* By OTLP's table, and where nobody knows whether it came: what comes twice is told by its ids. */
static bool may_pass(const struct http_call *call)
{
    if (call->result == HTTP_DONE)
        return call->status == 429 || call->status == 502 || call->status == 503 ||
               call->status == 504;
    return call->result == HTTP_UNREACHABLE || call->result == HTTP_AMBIGUOUS ||
           call->result == HTTP_TIMEOUT;
}

int64_t otlp_pause_ms(const struct random *random, unsigned attempts, weir_str retry_after,
                      int64_t wall_us)
{
    int64_t most = PAUSE_FIRST_MS, wished = 0, at_s;
    for (unsigned n = 1; n < attempts && most < PAUSE_LAST_MS; n++)
        most *= 2;
    if (most > PAUSE_LAST_MS)
        most = PAUSE_LAST_MS;
    int64_t pause = most / 2 + (int64_t)(random->next(random->ctx) % (uint64_t)(most / 2 + 1));
    if (parse_http_date(retry_after, &at_s) == 0)
        wished = at_s * 1000 - wall_us / 1000;
    else
        for (size_t i = 0; i < retry_after.len && wished < WISH_MAX_MS; i++)
            wished = retry_after.ptr[i] >= '0' && retry_after.ptr[i] <= '9'
                         ? wished * 10 + (retry_after.ptr[i] - '0') * INT64_C(1000)
                         : 0;
    if (wished > WISH_MAX_MS)
        wished = WISH_MAX_MS;
    return wished > pause ? wished : pause;
}

static void on_answer(struct http_call *call)
{
    struct lane *lane = call->arg;
    struct otlp *otlp = lane->otlp;
    const struct clock *clock = &otlp->config.world->clock;
    if (call->result == HTTP_DONE && call->status / 100 == 2) {
        took(lane);
        return;
    }
    lane->attempts++;
    if (call->result != HTTP_ABORTED)
        say_failure(lane);
    if (!may_pass(call) || otlp->finishing || now_ms(otlp) - lane->since_ms >= RETRY_FOR_MS) {
        lose(lane);
        return;
    }
    lane->state = LANE_WAITING;
    arm(otlp, &lane->pause,
        otlp_pause_ms(&otlp->config.world->random, lane->attempts,
                      http_answer_header(call, "Retry-After"), clock->wall_us(clock->ctx)));
}

/* ---- metrics ---- */

/* The newest figures hold all that older ones said: they take the place of some that wait. */
static void push_metrics(struct otlp *otlp)
{
    struct lane *lane = &otlp->lanes[OTLP_METRICS];
    struct observed observed = {0};
    if (lane->state == LANE_SENDING)
        return;
    otlp->last_metrics_out = otlp->finishing;
    otlp->config.observe(otlp->config.ctx, &observed);
    buf_reset(&lane->body);
    otlp_put_metrics(&observed, buf_str(&otlp->resource), &lane->body);
    if (lane->state == LANE_IDLE)
        begin(lane);
    else
        lane->since_ms = now_ms(otlp);
}

static void on_metrics_tick(struct timer *timer)
{
    struct lane *lane = (struct lane *)((char *)timer - offsetof(struct lane, tick));
    push_metrics(lane->otlp);
    arm(lane->otlp, timer, lane->otlp->config.interval_ms);
}

/* ---- traces ---- */

static void push_spans(struct otlp *otlp)
{
    struct lane *lane = &otlp->lanes[OTLP_TRACES];
    if (lane->state != LANE_IDLE || otlp->span_count == 0)
        return;
    buf_reset(&lane->body);
    otlp_put_traces(buf_str(&otlp->spans), buf_str(&otlp->resource), &lane->body);
    lane->spans = otlp->span_count;
    otlp->span_count = 0;
    buf_reset(&otlp->spans);
    begin(lane);
}

static void on_spans_tick(struct timer *timer)
{
    struct lane *lane = (struct lane *)((char *)timer - offsetof(struct lane, tick));
    push_spans(lane->otlp);
    arm(lane->otlp, timer, SPANS_EVERY_MS);
}

static uint64_t random_id(const struct otlp *otlp)
{
    const struct random *random = &otlp->config.world->random;
    uint64_t id = random->next(random->ctx);
    return id ? id : 1; /* all zero is no id */
}

static void on_begin(void *ctx, const struct batch *batch, struct trace *trace)
{
    struct otlp *otlp = ctx;
    (void)batch;
    if (--otlp->until_trace > 0)
        return;
    otlp->until_trace = otlp->config.trace_one_in;
    *trace = (struct trace){{random_id(otlp), random_id(otlp)}, random_id(otlp)};
}

/* "arn:aws:dynamodb:eu-west-1:123456789012:table/Products/stream/...": what it is called by people.
 */
static weir_str table_of(weir_str arn)
{
    static const weir_str before = {"table/", 6};
    weir_str left = arn;
    for (int colons = 0; colons < 5 && left.len > 0; left.ptr++, left.len--)
        colons += *left.ptr == ':';
    if (!str_starts(left, before))
        return arn;
    left = (weir_str){left.ptr + before.len, left.len - before.len};
    const char *end = memchr(left.ptr, '/', left.len);
    return (weir_str){left.ptr, end ? (size_t)(end - left.ptr) : left.len};
}

/* By the conventions for messaging: https://opentelemetry.io/docs/specs/semconv/messaging/ */
static struct buf *begin_attributes(struct otlp *otlp, const struct traced *what, const char *verb)
{
    struct buf *out = &otlp->attributes;
    buf_reset(out);
    otlp_put_text(out, "messaging.system", STR("dynamodb_streams"));
    otlp_put_text(out, "messaging.operation.type", STR("process"));
    otlp_put_text(out, "messaging.operation.name", str_of(verb));
    otlp_put_text(out, "messaging.destination.name", table_of(what->stream_arn));
    otlp_put_text(out, "messaging.destination.partition.id", what->shard);
    otlp_put_count(out, "messaging.batch.message_count", what->records);
    return out;
}

static void end_span(struct otlp *otlp, struct otlp_span *span, const struct traced *what)
{
    const struct clock *clock = &otlp->config.world->clock;
    int64_t late_ms = now_ms(otlp) - what->ended_ms;
    span->ended_us = clock->wall_us(clock->ctx) - late_ms * 1000;
    span->begun_us = span->ended_us - (what->ended_ms - what->begun_ms) * 1000;
    span->attributes = buf_str(&otlp->attributes);
    size_t len = otlp->spans.len;
    if (otlp->span_count < OTLP_SPANS_MAX && !otlp->attributes.failed)
        otlp_put_span(span, &otlp->spans);
    if (otlp->spans.len == len || otlp->spans.failed) {
        otlp->spans.len = len;
        otlp->spans.failed = false;
        otlp->counts.spans_dropped++;
    } else if (++otlp->span_count % OTLP_SPANS_AT_ONCE == 0) {
        arm(otlp, &otlp->lanes[OTLP_TRACES].tick, 0);
    }
}

static const char *error_of(const struct traced *what)
{
    return what->timeout                ? "timeout"
           : what->outcomes[WEIR_DOWN]  ? "down"
           : what->outcomes[WEIR_FAIL]  ? "fail"
           : what->outcomes[WEIR_RETRY] ? "retry"
                                        : NULL;
}

static void on_delivery(void *ctx, const struct trace *trace, const struct traced *what)
{
    static const char *const names[] = {[WEIR_OK] = "weir.records.ok",
                                        [WEIR_SKIP] = "weir.records.skip",
                                        [WEIR_RETRY] = "weir.records.retry",
                                        [WEIR_FAIL] = "weir.records.fail",
                                        [WEIR_DOWN] = "weir.records.down"};
    struct otlp *otlp = ctx;
    weir_str sink = str_of(router_sink_name(otlp->config.router, what->sink));
    struct buf *out = begin_attributes(otlp, what, "deliver");
    const char *error = error_of(what);
    otlp_put_text(out, "messaging.consumer.group.name", sink);
    for (size_t i = WEIR_OK; i <= WEIR_DOWN; i++)
        if (what->outcomes[i])
            otlp_put_count(out, names[i], what->outcomes[i]);
    if (error)
        otlp_put_text(out, "error.type", str_of(error));
    struct otlp_span span = {.trace = {trace->id[0], trace->id[1]},
                             .id = random_id(otlp),
                             .parent = trace->span,
                             .verb = "deliver",
                             .object = sink,
                             .failed = error != NULL};
    end_span(otlp, &span, what);
}

static void on_batch(void *ctx, const struct trace *trace, const struct traced *what)
{
    struct otlp *otlp = ctx;
    struct buf *out = begin_attributes(otlp, what, "process");
    if (!what->complete)
        otlp_put_text(out, "error.type", STR("unfinished"));
    struct otlp_span span = {.trace = {trace->id[0], trace->id[1]},
                             .id = trace->span,
                             .verb = "process",
                             .object = table_of(what->stream_arn),
                             .failed = !what->complete};
    end_span(otlp, &span, what);
}

/* ---- life ---- */

static void on_ended(struct post *post)
{
    struct otlp *otlp = (struct otlp *)((char *)post - offsetof(struct otlp, ended));
    otlp->done(otlp->done_arg);
}

/* A lane has become idle. */
static void go_on(struct otlp *otlp)
{
    const struct clock *clock = &otlp->config.world->clock;
    if (!otlp->finishing)
        return;
    if (!otlp->last_metrics_out)
        push_metrics(otlp);
    push_spans(otlp);
    for (size_t i = 0; i < OTLP_SIGNALS; i++)
        if (otlp->lanes[i].state != LANE_IDLE)
            return;
    if (!otlp->done || otlp->ended.run)
        return;
    disarm(otlp, &otlp->limit);
    otlp->ended.run = on_ended;
    clock->post(clock->ctx, &otlp->ended);
}

static void on_limit(struct timer *timer)
{
    struct otlp *otlp = (struct otlp *)((char *)timer - offsetof(struct otlp, limit));
    const struct transport *transport = &otlp->config.world->transport;
    otlp->last_metrics_out = true;
    otlp->counts.spans_dropped += otlp->span_count;
    otlp->span_count = 0;
    for (size_t i = 0; i < OTLP_SIGNALS; i++)
        if (otlp->lanes[i].state == LANE_SENDING)
            transport->abort(transport->ctx, &otlp->lanes[i].call);
}

void otlp_finish(struct otlp *otlp, int64_t within_ms, void (*done)(void *arg), void *arg)
{
    router_trace(otlp->config.router, NULL);
    otlp->finishing = true;
    otlp->done = done;
    otlp->done_arg = arg;
    otlp->limit.fire = on_limit;
    arm(otlp, &otlp->limit, within_ms);
    for (size_t i = 0; i < OTLP_SIGNALS; i++) {
        struct lane *lane = &otlp->lanes[i];
        disarm(otlp, &lane->tick);
        disarm(otlp, &lane->pause);
        if (lane->state != LANE_WAITING)
            continue;
        if (i == OTLP_METRICS)
            lane->state = LANE_IDLE; /* what waits is older than what comes */
        else
            start(lane);
    }
    go_on(otlp);
}

static void lane_init(struct otlp *otlp, enum otlp_signal signal, const char *path)
{
    const struct otlp_config *config = &otlp->config;
    struct lane *lane = &otlp->lanes[signal];
    size_t len = strlen(config->endpoint);
    while (len > 0 && config->endpoint[len - 1] == '/')
        len--;
    lane->otlp = otlp;
    lane->signal = signal;
    lane->pause.fire = on_pause;
    buf_init(&lane->body, BODY_BYTES_MAX);
    buf_init(&lane->url, ATTRIBUTES_BYTES_MAX);
    buf_printf(&lane->url, "%.*s%s", (int)len, config->endpoint, path);
    lane->call = (struct http_call){.method = "POST",
                                    .url = buf_cstr(&lane->url),
                                    .headers = otlp->headers,
                                    .header_count = config->header_count + 1,
                                    .timeout_ms = config->timeout_ms,
                                    .max_answer_bytes = ANSWER_BYTES_MAX,
                                    .done = on_answer,
                                    .arg = lane};
    buf_init(&lane->call.answer, ANSWER_BYTES_MAX + 1024);
    buf_init(&lane->call.answer_headers, ANSWER_BYTES_MAX);
}

int otlp_new(const struct otlp_config *config, struct otlp **out)
{
    struct otlp *otlp = mem_zalloc(1, sizeof *otlp);
    if (!otlp)
        return -ENOMEM;
    otlp->config = *config;
    otlp->headers[0] = (struct http_header){STR("Content-Type"), STR("application/json")};
    for (size_t i = 0; i < config->header_count && i < OTLP_HEADERS_MAX; i++)
        otlp->headers[i + 1] = config->headers[i];
    buf_init(&otlp->resource, ATTRIBUTES_BYTES_MAX);
    buf_put_str(&otlp->resource, config->resource);
    buf_init(&otlp->spans, SPANS_BYTES_MAX);
    buf_init(&otlp->attributes, ATTRIBUTES_BYTES_MAX);
    lane_init(otlp, OTLP_METRICS, "/v1/metrics");
    lane_init(otlp, OTLP_TRACES, "/v1/traces");
    if (otlp->resource.failed || otlp->lanes[0].url.failed || otlp->lanes[1].url.failed) {
        otlp_free(otlp);
        return -ENOMEM;
    }
    otlp->lanes[OTLP_METRICS].tick.fire = on_metrics_tick;
    arm(otlp, &otlp->lanes[OTLP_METRICS].tick, config->interval_ms);
    if (config->trace_one_in > 0) {
        otlp->tracer = (struct router_tracer){otlp, on_begin, on_delivery, on_batch};
        router_trace(config->router, &otlp->tracer);
        otlp->lanes[OTLP_TRACES].tick.fire = on_spans_tick;
        arm(otlp, &otlp->lanes[OTLP_TRACES].tick, SPANS_EVERY_MS);
    }
    *out = otlp;
    return 0;
}

const struct otlp_counts *otlp_counts(const struct otlp *otlp)
{
    return &otlp->counts;
}

void otlp_free(struct otlp *otlp)
{
    if (!otlp)
        return;
    for (size_t i = 0; i < OTLP_SIGNALS; i++) {
        struct lane *lane = &otlp->lanes[i];
        disarm(otlp, &lane->tick);
        disarm(otlp, &lane->pause);
        buf_done(&lane->body);
        buf_done(&lane->url);
        buf_done(&lane->call.answer);
        buf_done(&lane->call.answer_headers);
    }
    disarm(otlp, &otlp->limit);
    buf_done(&otlp->resource);
    buf_done(&otlp->spans);
    buf_done(&otlp->attributes);
    mem_free(otlp);
}
