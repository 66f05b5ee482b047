/* The transport seam: latency, faults, and the services behind it. A request that left a process
 * arrives even when that process dies, unless it was lost on the way. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { ANSWER_PADDING = 64, HEADER_BYTES = 1024 };

struct sim_exchange {
    struct timer arrive, answer, abort;
    struct sim *sim;
    struct sim_process *process;
    unsigned life;
    struct http_call *call; /* NULL: nobody waits for it any more */
    enum http_result result;
    bool carried_out;
    const char *instead; /* an error that the service answers with */
    char target[80];
    char *body;
    size_t body_len, most_bytes;
    struct sim_answer reply;
    struct sim_exchange *next, *prev;
};

/* ---- life of an exchange ---- */

static void unlink_exchange(struct sim_exchange *one)
{
    if (one->prev)
        one->prev->next = one->next;
    else
        one->sim->exchanges = one->next;
    if (one->next)
        one->next->prev = one->prev;
}

static void free_exchange(struct sim_exchange *one)
{
    timers_disarm(&one->sim->timers, &one->arrive);
    timers_disarm(&one->sim->timers, &one->answer);
    timers_disarm(&one->sim->timers, &one->abort);
    unlink_exchange(one);
    free(one->body);
    free(one->reply.body.ptr);
    free(one);
}

static void call_done(void *arg)
{
    struct http_call *call = arg;
    call->done(call);
}

/* Tells the process; the exchange is gone before. */
static void tell(struct sim_exchange *one, enum http_result result)
{
    static const char padding[ANSWER_PADDING];
    struct http_call *call = one->call;
    struct sim_process *process = one->process;
    if (!call || process->life != one->life || !process->alive) {
        free_exchange(one);
        return;
    }
    if (result == HTTP_DONE && one->reply.body.len > one->most_bytes)
        result = HTTP_TOO_LARGE;
    call->impl = NULL;
    call->result = result;
    call->status = result == HTTP_DONE ? one->reply.status : 0;
    if (result == HTTP_DONE) {
        buf_puts(&call->answer_headers, "x-amzn-requestid: simulated\r\n");
        buf_put(&call->answer, one->reply.body.ptr, one->reply.body.len);
        buf_put(&call->answer, padding, sizeof padding);
        call->answer.len -= sizeof padding;
    } else {
        snprintf(call->reason, sizeof call->reason, "simulated fault %d", (int)result);
    }
    free_exchange(one);
    sim_in_process(process, call_done, call);
    if (process->alive)
        sim_after_step(process);
}

/* ---- the services ---- */

static void put_error(struct sim_answer *out, const char *name)
{
    out->status = strcmp(name, "InternalServerError") == 0  ? 500
                  : strcmp(name, "ServiceUnavailable") == 0 ? 503
                                                            : 400;
    out->body.len = 0;
    model_text_printf(&out->body,
                      "{\"__type\":\"com.amazonaws.dynamodb.v20120810#%s\",\"message\":"
                      "\"scripted\"}",
                      name);
}

static void ask_model(struct sim_exchange *one)
{
    struct model_answer answer;
    struct sim *sim = one->sim;
    streams_model_answer(&sim->model, one->target, one->body, one->body_len, sim_unix_ms(sim),
                         &answer);
    one->reply.status = answer.status;
    sim->served += answer.record_count;
    for (size_t i = 0; i < answer.piece_count; i++)
        model_text_put(&one->reply.body, answer.pieces[i].ptr, answer.pieces[i].len);
    if (sim->trace && answer.call.shard != SIZE_MAX)
        sim_trace(sim, "%s %zu %s: %d %s, %zu records", strchr(one->target, '.') + 1,
                  answer.call.stream,
                  sim->model.streams[answer.call.stream].shards[answer.call.shard].id,
                  answer.status, answer.error ? answer.error : "", answer.record_count);
    else
        sim_trace(sim, "%s: %d %s", one->target, answer.status, answer.error ? answer.error : "");
}

static bool of_sinks(const char *target)
{
    return strstr(target, "SQS") || strstr(target, "Write") || strstr(target, "PutItem");
}

static void serve(struct sim_exchange *one)
{
    weir_str body = {one->body, one->body_len};
    if (strstr(one->target, "SQS"))
        sim_queue_answer(one->sim, body, &one->reply);
    else if (of_sinks(one->target))
        sim_table_answer(one->sim, one->target, body, &one->reply);
    else
        ask_model(one);
}

/* ---- faults ---- */

static void pick_fault(struct sim_exchange *one)
{
    struct sim *sim = one->sim;
    const struct sim_net *net = &sim->net;
    bool records = strstr(one->target, "GetRecords") != NULL;
    one->carried_out = true;
    if (sim_within(sim, net->unreachable, net->unreachable_count)) {
        one->result = HTTP_UNREACHABLE;
        one->carried_out = false;
    } else if (sim_chance(sim, net->lose_percent)) {
        one->result = HTTP_AMBIGUOUS;
        one->carried_out = sim_below(sim, 2) == 0;
    } else if (sim_chance(sim, net->hang_percent)) {
        one->result = HTTP_TIMEOUT;
        one->carried_out = sim_below(sim, 2) == 0;
    } else if (sim_chance(sim, net->error_percent)) {
        one->instead = sim_below(sim, 2) ? "InternalServerError" : "ServiceUnavailable";
    } else if (sim_chance(sim, net->throttle_percent)) {
        one->instead = of_sinks(one->target) || sim_below(sim, 2) ? "ThrottlingException"
                                                                  : "LimitExceededException";
    } else if (records && sim_chance(sim, net->expire_percent)) {
        one->instead = "ExpiredIteratorException";
    }
}

/* 500 may mean that it was carried out after all. */
static void on_arrive(struct timer *timer)
{
    struct sim_exchange *one =
        (struct sim_exchange *)((char *)timer - offsetof(struct sim_exchange, arrive));
    struct sim *sim = one->sim;
    bool half = one->instead && one->instead[0] == 'I' && sim_below(sim, 4) == 0;
    if (one->carried_out && (!one->instead || half))
        serve(one);
    if (one->instead) {
        sim_trace(sim, "%s: %s", one->target, one->instead);
        put_error(&one->reply, one->instead);
    } else if (one->result == HTTP_DONE && one->reply.body.len > 2 &&
               sim_chance(sim, sim->net.garble_percent)) {
        one->reply.body.len = 1 + (size_t)sim_below(sim, one->reply.body.len - 1);
        sim_trace(sim, "%s: half an answer", one->target);
    }
    if (one->result != HTTP_DONE)
        sim_trace(sim, "%s: fault %d, %s", one->target, (int)one->result,
                  one->carried_out ? "carried out" : "not carried out");
    if (!one->call)
        free_exchange(one);
}

static void on_answer(struct timer *timer)
{
    struct sim_exchange *one =
        (struct sim_exchange *)((char *)timer - offsetof(struct sim_exchange, answer));
    tell(one, one->result);
}

static void on_abort(struct timer *timer)
{
    struct sim_exchange *one =
        (struct sim_exchange *)((char *)timer - offsetof(struct sim_exchange, abort));
    bool on_its_way = one->arrive.heap_slot != 0 && one->carried_out && !one->instead;
    timers_disarm(&one->sim->timers, &one->arrive);
    if (on_its_way && sim_below(one->sim, 2)) /* it was too late to stop it */
        serve(one);
    tell(one, HTTP_ABORTED);
}

/* ---- the seam ---- */

static weir_str header_of(const struct http_call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (call->headers[i].name.len == strlen(name) &&
            strncasecmp(call->headers[i].name.ptr, name, strlen(name)) == 0)
            return call->headers[i].value;
    return STR_NONE;
}

static int start(void *ctx, struct http_call *call)
{
    struct sim_process *process = ctx;
    struct sim *sim = process->sim;
    weir_str target = header_of(call, "x-amz-target");
    sim_crash_point(sim);
    int64_t latency_ms = 1 + (int64_t)sim_below(sim, (uint64_t)sim->net.latency_ms + 1);
    struct sim_exchange *one = calloc(1, sizeof *one);
    sim->requests++;
    CHECK_FATAL(one != NULL);
    *one = (struct sim_exchange){.arrive.fire = on_arrive,
                                 .answer.fire = on_answer,
                                 .abort.fire = on_abort,
                                 .sim = sim,
                                 .process = process,
                                 .life = process->life,
                                 .call = call,
                                 .result = HTTP_DONE,
                                 .body = malloc(call->body.len + 1),
                                 .body_len = call->body.len,
                                 .most_bytes =
                                     call->max_answer_bytes ? call->max_answer_bytes : 1 << 20,
                                 .next = sim->exchanges};
    CHECK_FATAL(one->body != NULL);
    snprintf(one->target, sizeof one->target, "%.*s", STR_ARG(target));
    if (call->body.len)
        memcpy(one->body, call->body.ptr, call->body.len);
    one->body[call->body.len] = '\0';
    if (sim->exchanges)
        sim->exchanges->prev = one;
    sim->exchanges = one;
    call->impl = one;
    call->status = 0;
    call->reason[0] = '\0';
    buf_reset(&call->answer);
    buf_reset(&call->answer_headers);
    call->answer.max_bytes = one->most_bytes + ANSWER_PADDING;
    call->answer_headers.max_bytes = HEADER_BYTES;
    pick_fault(one);
    if (one->result == HTTP_TIMEOUT)
        latency_ms = call->timeout_ms ? call->timeout_ms : 30000;
    sim_arm(sim, &one->arrive, latency_ms / 2);
    sim_arm(sim, &one->answer, latency_ms);
    return 0;
}

static void abort_call(void *ctx, struct http_call *call)
{
    struct sim_process *process = ctx;
    struct sim_exchange *one = call->impl;
    CHECK_FATAL(one != NULL); /* neither before start() nor after done() */
    timers_disarm(&process->sim->timers, &one->answer);
    sim_arm(process->sim, &one->abort, 0);
}

static void forget_connections(void *ctx)
{
    (void)ctx;
}

void sim_net_seam(struct sim_process *process, struct transport *out)
{
    *out = (struct transport){process, start, abort_call, forget_connections};
}

void sim_net_forget(struct sim *sim, const struct sim_process *process)
{
    for (struct sim_exchange *one = sim->exchanges, *next; one; one = next) {
        next = one->next;
        if (one->process != process)
            continue;
        one->call = NULL;
        timers_disarm(&sim->timers, &one->answer);
        timers_disarm(&sim->timers, &one->abort);
        if (one->arrive.heap_slot == 0)
            free_exchange(one); /* it has arrived; the answer finds nobody */
    }
}

void sim_net_done(struct sim *sim)
{
    while (sim->exchanges)
        free_exchange(sim->exchanges);
}
