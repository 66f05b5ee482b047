#include "prig.h"

static char *environment[] = {(char *)"AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
                              (char *)"AWS_SECRET_ACCESS_KEY=secret",
                              (char *)"AWS_REGION=eu-west-1", (char *)"HOME=/nonexistent", NULL};

int64_t prig_unix_ms(struct prig *prig)
{
    const struct clock *clock = &prig->rig.world.world.clock;
    return clock->wall_us(clock->ctx) / 1000;
}

/* ---- transport ---- */

static weir_str header(const struct http_call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (str_is(call->headers[i].name, name))
            return call->headers[i].value;
    return STR_NONE;
}

static enum model_kind kind_of(weir_str target)
{
    static const struct {
        const char *name;
        enum model_kind kind;
    } kinds[] = {{"DescribeTable", MODEL_DESCRIBE_TABLE},
                 {"ListStreams", MODEL_LIST},
                 {"DescribeStream", MODEL_DESCRIBE},
                 {"GetShardIterator", MODEL_ITERATOR},
                 {"GetRecords", MODEL_RECORDS}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_ends(target, str_of(kinds[i].name)))
            return kinds[i].kind;
    return MODEL_KINDS;
}

static void answer(struct prig *prig, struct http_call *call)
{
    static const char padding[64];
    struct model_answer reply = {0};
    char target[128] = "";
    weir_str name = header(call, "X-Amz-Target");
    const char *instead = NULL;
    buf_reset(&call->answer);
    buf_reset(&call->answer_headers);
    call->answer.max_bytes = 32 << 20;
    call->result = HTTP_DONE;
    snprintf(target, sizeof target, "%.*s", STR_ARG(name));
    if (prig->cut && prig->cut(prig, kind_of(name), &call->result, &call->status, &instead)) {
        if (instead)
            buf_puts(&call->answer, instead);
    } else {
        streams_model_answer(&prig->model, target, call->body.ptr, call->body.len,
                             prig_unix_ms(prig), &reply);
        call->status = reply.status;
        for (size_t i = 0; i < reply.piece_count; i++)
            buf_put(&call->answer, reply.pieces[i].ptr, reply.pieces[i].len);
    }
    buf_put(&call->answer, padding, sizeof padding);
    if (!call->answer.failed) {
        call->answer.len -= sizeof padding;
        return;
    }
    buf_reset(&call->answer); /* memory ran out */
    call->result = HTTP_AMBIGUOUS;
}

static void on_answer(struct timer *timer)
{
    struct prig_call *one = (struct prig_call *)((char *)timer - offsetof(struct prig_call, timer));
    struct http_call *call = one->call;
    one->call = NULL;
    one->prig->open_now--;
    one->prig->large_now -= one->large;
    if (one->aborted)
        call->result = HTTP_ABORTED;
    else
        answer(one->prig, call);
    call->done(call);
}

static bool asks_for_many(const struct http_call *call)
{
    static const char name[] = ",\"Limit\":";
    for (size_t i = 0; i + sizeof name < call->body.len; i++)
        if (memcmp(call->body.ptr + i, name, sizeof name - 1) == 0)
            return strtol(call->body.ptr + i + sizeof name - 1, NULL, 10) > 100;
    return false;
}

static int start_call(void *ctx, struct http_call *call)
{
    struct prig *prig = ctx;
    struct clock *clock = &prig->rig.world.world.clock;
    for (size_t i = 0; i < PRIG_CALLS; i++) {
        struct prig_call *one = &prig->calls[i];
        if (one->call)
            continue;
        *one = (struct prig_call){.call = call, .prig = prig, .timer.fire = on_answer};
        one->large = asks_for_many(call);
        prig->large_now += one->large;
        if (prig->large_now > prig->most_large)
            prig->most_large = prig->large_now;
        call->impl = one;
        if (++prig->open_now > prig->most_open)
            prig->most_open = prig->open_now;
        return clock->arm(clock->ctx, &one->timer, prig->latency_ms);
    }
    CHECK_FATAL(prig->open_now < PRIG_CALLS); /* there is room for all that may be open */
    return -EMFILE;
}

static void abort_call(void *ctx, struct http_call *call)
{
    struct prig *prig = ctx;
    struct clock *clock = &prig->rig.world.world.clock;
    struct prig_call *one = call->impl;
    one->aborted = true;
    clock->arm(clock->ctx, &one->timer, 0);
}

/* ---- life ---- */

static void on_log(void *ctx, int level, const char *component, const char *code, const char *msg)
{
    struct prig *prig = ctx;
    (void)level;
    (void)component;
    if (prig->line_count < PRIG_LINES)
        snprintf(prig->lines[prig->line_count++], PRIG_LINE_BYTES, "%s %s", code ? code : "-", msg);
}

static void on_finished(void *arg, int exit_code)
{
    struct prig *prig = arg;
    CHECK(!prig->finished);
    prig->finished = true;
    prig->exit_code = exit_code;
}

void prig_init(struct prig *prig, size_t count)
{
    memset(prig, 0, sizeof *prig);
    rig_init(&prig->rig, count, false);
    prig->rig.config.blocks_for_ever = true;
    prig->rig.config.on_poison = ROUTE_DEAD;
    prig->rig.config.in_flight_bytes = 64 << 20;
    prig->rig.config.queued_records = 10000;
    for (size_t i = 0; i < count; i++)
        prig->rig.routes[i].on_exhausted = ROUTE_DEAD;
    streams_model_init(&prig->model);
    prig->latency_ms = 5;
    prig->tables[0] = "Products";
    prig->aws_config = (struct aws_config){.environ_block = environment};
    prig->rig.world.world.transport.ctx = prig;
    prig->rig.world.world.transport.start = start_call;
    prig->rig.world.world.transport.abort = abort_call;
    prig->config = (struct poll_config){
        .world = &prig->rig.world.world,
        .tables = prig->tables,
        .batch_size = 100,
        .parallelization_factor = 1,
        .idle_poll_ms = 1000,
        .store_every_ms = 5000,
        .log = on_log,
        .log_ctx = prig,
        .finished = on_finished,
        .arg = prig,
    };
}

void prig_start(struct prig *prig)
{
    struct world *world = &prig->rig.world.world;
    struct err err = {0};
    prig->crashed = false;
    vstore_init(&prig->store, &prig->disk, &prig->rig.world);
    vstore_seam(&prig->store, &world->store);
    prig->rig.config.may_dispatch = world->store.owned;
    prig->rig.config.may_dispatch_ctx = world->store.ctx;
    rig_start(&prig->rig);
    CHECK_FATAL(aws_client_new(world, &prig->aws_config, &prig->aws, &err) == 0);
    CHECK_FATAL(fetch_inline_new(prig->aws, prig->rig.plan, &prig->fetch) == 0);
    fetch_inline_seam(prig->fetch, &prig->config.fetcher);
    prig->config.router = prig->rig.router;
    prig->config.aws = prig->aws;
    prig->finished = false;
    CHECK_FATAL(poll_new(&prig->config, &prig->poll, &err) == 0);
    poll_start(prig->poll);
}

void prig_run(struct prig *prig, int64_t ms)
{
    vworld_run(&prig->rig.world, ms);
}

void prig_stop(struct prig *prig, int exit_code)
{
    if (!prig->finished)
        poll_stop(prig->poll);
    CHECK(vworld_until(&prig->rig.world, &prig->finished, 3600000));
    CHECK_INT(prig->exit_code, exit_code);
}

void prig_end(struct prig *prig)
{
    CHECK_FATAL(prig->finished);
    router_stop(prig->rig.router); /* sinks that are not required may still be at it */
    vworld_settle(&prig->rig.world);
    poll_free(prig->poll);
    prig->poll = NULL;
    fetch_inline_free(prig->fetch);
    aws_client_free(prig->aws);
    if (!prig->crashed)
        vstore_done(&prig->store);
    router_free(prig->rig.router);
    prig->rig.router = NULL;
    match_plan_free(prig->rig.plan);
    prig->rig.plan = NULL;
}

/* What is under way ends without being stored: as if another process had taken over. */
void prig_crash(struct prig *prig)
{
    struct store_owner *owner = prig->store.owner;
    while (prig->store.jobs)
        vworld_run(&prig->rig.world, 1);
    vstore_crash(&prig->store);
    prig->crashed = true;
    prig->rig.world.world.store = (struct store){.ctx = &prig->store};
    owner->changed(owner, false, "crash");
    CHECK(vworld_until(&prig->rig.world, &prig->finished, 3600000));
    CHECK_INT(prig->exit_code, 75);
    prig_end(prig);
}

void prig_done(struct prig *prig)
{
    if (prig->poll)
        prig_end(prig);
    prig->rig.world.after_step = NULL;
    vworld_settle(&prig->rig.world);
    board_drain(&prig->rig.board);
    board_done(&prig->rig.board);
    for (size_t i = 0; i < prig->rig.count; i++)
        vsink_done(&prig->rig.sinks[i]);
    vdisk_done(&prig->disk);
    streams_model_done(&prig->model);
    vworld_done(&prig->rig.world);
}

/* ---- the course ---- */

void prig_write(struct prig *prig, size_t stream, size_t count, uint32_t items)
{
    for (size_t i = 0; i < count; i++) {
        struct model_write write = {.item = (uint32_t)(i % items)};
        streams_model_write(&prig->model, stream, &write, prig_unix_ms(prig));
    }
}

static int by_number(const void *a, const void *b)
{
    const struct vseen *left = a, *right = b;
    return sequence_cmp(str_of(left->sequence), str_of(right->sequence));
}

size_t prig_got(struct prig *prig, size_t sink, size_t *repeats)
{
    const struct vsink *from = &prig->rig.sinks[sink];
    struct vseen *seen = malloc((from->count + 1) * sizeof *seen);
    size_t distinct = 0;
    CHECK_FATAL(seen != NULL);
    if (from->count)
        memcpy(seen, from->log, from->count * sizeof *seen);
    qsort(seen, from->count, sizeof *seen, by_number);
    for (size_t i = 0; i < from->count; i++)
        distinct += i == 0 || by_number(&seen[i - 1], &seen[i]) != 0;
    if (repeats)
        *repeats = from->count - distinct;
    free(seen);
    return distinct;
}

bool prig_in_order(struct prig *prig, size_t sink)
{
    const struct vsink *from = &prig->rig.sinks[sink];
    for (size_t i = 0; i < from->count; i++)
        for (size_t k = i + 1; k < from->count; k++)
            if (from->log[i].lane == from->log[k].lane &&
                by_number(&from->log[i], &from->log[k]) > 0)
                return false;
    return true;
}

int prig_lines(const struct prig *prig, const char *code)
{
    int count = 0;
    for (size_t i = 0; i < prig->line_count; i++)
        count += strncmp(prig->lines[i], code, strlen(code)) == 0;
    return count;
}

const struct state_row *prig_row(struct prig *prig, size_t sink, size_t stream, size_t shard)
{
    const struct model_stream *of = &prig->model.streams[stream];
    return vdisk_row(&prig->disk, STATE_POSITION, prig->rig.routes[sink].name, of->arn,
                     of->shards[shard].id);
}
