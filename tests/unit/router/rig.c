#include "rig.h"

static const char *const names[RIG_SINKS] = {"a", "b", "c", "d", "e", "f", "g", "h"};

static void on_log(void *ctx, int level, const char *component, const char *code, const char *msg)
{
    struct rig *rig = ctx;
    if (level != WEIR_LOG_ERROR)
        return;
    rig->errors++;
    snprintf(rig->last_error, sizeof rig->last_error, "%s %s %s", component, code ? code : "", msg);
}

/* The accounting identity, after everything that happens. */
static void check_counts(void *ctx)
{
    struct rig *rig = ctx;
    for (size_t i = 0; rig->router && i < rig->count; i++) {
        struct sink_counts c = router_counts(rig->router, i);
        if (c.read != c.delivered + c.skipped + c.duplicate + c.filtered + c.dead + c.dropped +
                          c.returned + c.pending)
            CHECK_INT(c.read, 0);
    }
}

void rig_init(struct rig *rig, size_t count, bool invocations)
{
    *rig = (struct rig){.count = count};
    vworld_init(&rig->world, 1);
    rig->world.after_step = check_counts;
    rig->world.ctx = rig;
    CHECK_FATAL(board_init(&rig->board, &rig->world.world.clock) == 0);
    for (size_t i = 0; i < count; i++) {
        vsink_init(&rig->sinks[i], &rig->world, &rig->board, false, 0);
        rig->routes[i] = (struct route){.name = names[i],
                                        .instance = &rig->sinks[i].instance,
                                        .required = true,
                                        .order = ROUTE_ITEM,
                                        .on_exhausted = ROUTE_BLOCK,
                                        .max_attempts = 3,
                                        .base_ms = 100,
                                        .cap_ms = 1000,
                                        .timeout_ms = 5000,
                                        .concurrency = 4,
                                        .batch_records = 10,
                                        .queue_records = 10000};
    }
    rig->config = (struct router_config){.pipeline = "test",
                                         .world = &rig->world.world,
                                         .routes = rig->routes,
                                         .route_count = count,
                                         .on_poison = ROUTE_BLOCK,
                                         .invocations = invocations,
                                         .log = on_log,
                                         .log_ctx = rig};
}

void rig_sync(struct rig *rig, size_t sink)
{
    vsink_init(&rig->sinks[sink], &rig->world, &rig->board, true, 0);
}

void rig_flags(struct rig *rig, size_t sink, uint32_t flags)
{
    rig->sinks[sink].plugin.desc.flags = flags;
}

void rig_start(struct rig *rig)
{
    struct match_sink sinks[RIG_SINKS];
    struct err err = {0};
    for (size_t i = 0; i < rig->count; i++)
        sinks[i] = (struct match_sink){&rig->rules[i], rig->letters_only[i] ? 0 : 1};
    CHECK_FATAL(match_plan_new(sinks, rig->count, &rig->plan, &err) == 0);
    CHECK_FATAL(router_new(&rig->config, &rig->board, &rig->router, &err) == 0);
}

void rig_done(struct rig *rig)
{
    check_counts(rig);
    CHECK(router_idle(rig->router));
    for (size_t i = 0; i < rig->count; i++)
        CHECK_INT(router_counts(rig->router, i).pending, 0);
    router_free(rig->router);
    rig->router = NULL;
    rig->world.after_step = NULL;
    vworld_settle(&rig->world); /* the board may have been posted */
    match_plan_free(rig->plan);
    board_drain(&rig->board);
    board_done(&rig->board);
    for (size_t i = 0; i < rig->count; i++)
        vsink_done(&rig->sinks[i]);
    vworld_done(&rig->world);
}

/* One record into `out`. */
static void put_record(struct buf *out, const char *sequence, const char *key, bool poison)
{
    buf_printf(out, "{\"eventID\":\"e%s\",\"eventName\":\"MODIFY\",\"eventSourceARN\":\"%s\",",
               sequence, RIG_ARN);
    buf_puts(out, "\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"eu-west-1\",\"dynamodb\":{");
    if (sequence[0])
        buf_printf(out, "\"SequenceNumber\":\"%s\",", sequence);
    buf_printf(out,
               "\"ApproximateCreationDateTime\":1767225600,\"Keys\":{\"id\":{\"%s\":\"%s\"}},"
               "\"NewImage\":{\"id\":{\"S\":\"%s\"}},\"SizeBytes\":9,"
               "\"StreamViewType\":\"NEW_IMAGE\"}}",
               poison ? "N" : "S", key, key);
}

char *rig_body(const char *records)
{
    struct buf out;
    char sequence[160], key[64];
    buf_init(&out, 16 << 20);
    buf_puts(&out, "{\"Records\":[");
    for (const char *at = records; *at; at += strspn(at, " ")) {
        size_t word = strcspn(at, " "), digits;
        bool poison = *at == '!';
        at += poison;
        word -= poison;
        digits = strcspn(at, ": ");
        snprintf(sequence, sizeof sequence, "%.*s", (int)digits, at);
        snprintf(key, sizeof key, "%.*s", digits < word ? (int)(word - digits - 1) : 0,
                 at + (digits < word ? digits + 1 : digits));
        if (out.ptr[out.len - 1] != '[')
            buf_putc(&out, ',');
        put_record(&out, sequence, key, poison);
        at += word;
    }
    buf_puts(&out, "]}");
    char *body = mem_alloc(out.len + 65);
    CHECK_FATAL(body != NULL && !out.failed);
    memcpy(body, out.ptr, out.len);
    body[out.len] = '\0';
    buf_done(&out);
    return body;
}

struct batch *rig_batch(struct rig *rig, const char *records)
{
    struct batch *batch = NULL;
    struct err err = {0};
    char *body = rig_body(records);
    int rc = batch_decode(body, strlen(body), rig->plan, NULL, &batch, &err);
    if (rc < 0)
        printf("\n    %s", err.msg);
    CHECK_FATAL(rc == 0);
    return batch;
}

static void take_answer(struct rig_answer *answer, const struct batch_result *result)
{
    weir_str position = result->lowest ? record_position(result->lowest) : STR_NONE;
    CHECK(!answer->came); /* exactly once */
    CHECK(result->complete == (result->lowest == NULL));
    *answer = (struct rig_answer){.came = true,
                                  .complete = result->complete,
                                  .sink_down = result->sink_down,
                                  .unreadable = result->lowest_unreadable,
                                  .unfinished = result->unfinished,
                                  .at_ms = answer->at_ms};
    snprintf(answer->lowest, sizeof answer->lowest, "%.*s", (int)position.len,
             position.ptr ? position.ptr : "");
    snprintf(answer->sink, sizeof answer->sink, "%s", result->sink ? result->sink : "");
    snprintf(answer->reason, sizeof answer->reason, "%s", result->reason ? result->reason : "");
}

static void on_answer(void *arg, const struct batch_result *result)
{
    take_answer(arg, result);
}

static void on_flow_sink(void *arg, struct flow *handle, size_t sink)
{
    struct rig_flow *flow = arg;
    bool whole = false;
    CHECK(!flow->ended && !(flow->sinks_done >> sink & 1));
    flow_frontier(handle, sink, &whole);
    CHECK(whole);
    flow->tellings++;
    flow->sinks_done |= UINT64_C(1) << sink;
    if (flow->answer.came)
        flow->late_sinks_done |= UINT64_C(1) << sink;
    if (flow->on_sink_done)
        flow->on_sink_done(flow, sink);
}

static void on_flow_answer(void *arg, const struct batch_result *result)
{
    struct rig_flow *flow = arg;
    take_answer(&flow->answer, result);
    flow->answer.at_ms = flow->rig->world.now_ms;
}

static void on_flow_answer_and_gone(void *arg, const struct batch_result *result)
{
    struct rig_flow *flow = arg;
    on_flow_answer(arg, result);
    flow->flow = NULL;
}

static void on_flow_ended(void *arg, struct flow *handle)
{
    struct rig_flow *flow = arg;
    CHECK(flow->answer.came && !flow->ended && flow->flow == handle);
    flow->ended = true;
    flow->flow = NULL;
}

void rig_flow(struct rig *rig, struct rig_flow *flow, const char *records, uint64_t sinks,
              const struct flow_options *options, bool background)
{
    struct batch *batch = rig_batch(rig, records);
    struct flow_options all = options ? *options : (struct flow_options){0};
    all.sinks = sinks;
    all.arg = flow;
    all.sink_done = on_flow_sink;
    all.done = background ? on_flow_answer : on_flow_answer_and_gone;
    all.ended = background ? on_flow_ended : NULL;
    *flow = (struct rig_flow){.rig = rig, .on_sink_done = flow->on_sink_done};
    CHECK_INT(router_submit_flow(rig->router, batch, &all, &flow->flow), 0);
    CHECK(!flow->answer.came && flow->tellings == 0); /* later, never from inside */
    batch_unref(batch);
}

const char *rig_frontier(const struct rig_flow *flow, size_t sink)
{
    static char text[64];
    bool whole = false;
    CHECK_FATAL(flow->flow != NULL);
    weir_str position = flow_frontier(flow->flow, sink, &whole);
    snprintf(text, sizeof text, "%.*s%s", position.len ? (int)position.len : 1,
             position.len ? position.ptr : "-", whole ? "$" : "");
    return text;
}

int rig_try(struct rig *rig, struct batch *batch, int64_t deadline_in_ms, size_t *number)
{
    CHECK_FATAL(rig->answer_count < RIG_ANSWERS);
    struct rig_answer *answer = &rig->answers[rig->answer_count];
    *answer = (struct rig_answer){0};
    int rc =
        router_submit(rig->router, batch, deadline_in_ms ? rig->world.now_ms + deadline_in_ms : 0,
                      on_answer, answer);
    CHECK(!answer->came); /* later, never from inside */
    *number = rig->answer_count++;
    return rc;
}

size_t rig_submit(struct rig *rig, const char *records, int64_t deadline_in_ms)
{
    size_t number = 0;
    struct batch *batch = rig_batch(rig, records);
    CHECK_INT(rig_try(rig, batch, deadline_in_ms, &number), 0);
    batch_unref(batch);
    return number;
}

const struct rig_answer *rig_wait(struct rig *rig, size_t number)
{
    struct rig_answer *answer = &rig->answers[number];
    CHECK_FATAL(vworld_until(&rig->world, &answer->came, 3600000));
    answer->at_ms = rig->world.now_ms;
    vworld_settle(&rig->world);
    return answer;
}

const struct rig_answer *rig_run(struct rig *rig, const char *records, int64_t deadline_in_ms)
{
    return rig_wait(rig, rig_submit(rig, records, deadline_in_ms));
}

struct sink_counts rig_counts(struct rig *rig, size_t sink)
{
    return router_counts(rig->router, sink);
}
