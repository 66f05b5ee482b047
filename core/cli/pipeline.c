#include "cli/pipeline.h"

#include "cli/store.h"
#include "router/exchange.h"
#include "util/alloc.h"

#include <errno.h>

enum {
    SETTLE_MS = 5000,
    LAMBDA_IDLE_MS = 25000,
    BY_HAND_ATTEMPTS = 3,   /* somebody waits, and may ask again */
    HOST_CONNECTIONS = 128, /* what a source may need; sinks are bound by their concurrency (D3) */
    DEFAULT_CONCURRENCY = 4,
    DEFAULT_BATCH_RECORDS = 100
};

/* ---- logs of the parts below ---- */

static void log_of_plugin(void *ctx, const char *sink, int32_t level, weir_str msg)
{
    char component[128];
    struct pipeline *pipeline = ctx;
    snprintf(component, sizeof component, "sink.%s", sink);
    log_text(pipeline->log, level, component, level <= WEIR_LOG_WARN ? "W1202" : NULL, msg);
}

static void log_of_router(void *ctx, int level, const char *component, const char *code,
                          const char *msg)
{
    struct pipeline *pipeline = ctx;
    log_text(pipeline->log, level, component, code, str_of(msg));
}

static void log_of_aws(void *ctx, int level, const char *msg)
{
    struct pipeline *pipeline = ctx;
    log_text(pipeline->log, level, "aws", "W1203", str_of(msg));
}

/* ---- weir.aws/1 ---- */

static void *attach_aws(void *ctx, weir_instance *instance)
{
    struct pipeline *pipeline = ctx;
    return aws_extension_attach(pipeline->aws, instance);
}

static void detach_aws(void *ctx, void *attached)
{
    (void)ctx;
    aws_extension_detach(attached);
}

static int open_aws(struct pipeline *pipeline, char **environ_block, struct err *err)
{
    const struct config *config = pipeline->config;
    pipeline->aws_config = (struct aws_config){.region = config->aws.region,
                                               .endpoint_url = config->aws.endpoint_url,
                                               .profile = config->aws.profile,
                                               .endpoints = config->aws.endpoints,
                                               .endpoint_count = config->aws.endpoint_count,
                                               .allow_http = config->aws.allow_http,
                                               .lambda = pipeline->lambda,
                                               .environ_block = environ_block,
                                               .log = log_of_aws,
                                               .log_ctx = pipeline};
    return aws_client_new(&pipeline->world, &pipeline->aws_config, &pipeline->aws, err);
}

int pipeline_open_aws(struct pipeline *pipeline, struct config *config, struct log *log,
                      char **environ_block, struct err *err)
{
    pipeline->config = config;
    pipeline->log = log;
    return open_aws(pipeline, environ_block, err);
}

/* ---- routes ---- */

static enum route_exhausted exhausted_of(const struct pipeline *pipeline, enum exhausted_kind kind)
{
    /* a dry run stores nothing: what would become a dead letter is only counted */
    enum route_exhausted dead = pipeline->recorders ? ROUTE_DROP : ROUTE_DEAD;
    if (pipeline->by_hand)
        return ROUTE_BLOCK;
    switch (kind) {
    case EXHAUSTED_SINK:
        return ROUTE_SINK;
    case EXHAUSTED_DEAD:
        return dead;
    case EXHAUSTED_BLOCK:
        return ROUTE_BLOCK;
    case EXHAUSTED_DROP:
        return ROUTE_DROP;
    case EXHAUSTED_DEFAULT:
        break;
    }
    return pipeline->lambda ? ROUTE_BLOCK : dead;
}

static size_t sink_named(const struct sink_set *set, const char *name)
{
    for (size_t i = 0; name && i < set->count; i++)
        if (!set->sinks[i].gone && strcmp(set->sinks[i].config->name, name) == 0)
            return i;
    return SIZE_MAX; /* router_new refuses it; the config's check has said so before */
}

/* What the operator says, else what the instance declared, else what its plugin says. */
static enum route_order order_of(const struct built_sink *sink)
{
    const struct sink_config *config = sink->config;
    weir_str declared = str_of(sink->instance->order);
    if (config->order == ORDER_DEFAULT && declared.len)
        return str_is(declared, "none")    ? ROUTE_NONE
               : str_is(declared, "shard") ? ROUTE_SHARD
                                           : ROUTE_ITEM;
    if (config->order == ORDER_DEFAULT)
        return sink->plugin->desc.flags & WEIR_P_ORDER_NONE ? ROUTE_NONE : ROUTE_ITEM;
    return config->order == ORDER_NONE    ? ROUTE_NONE
           : config->order == ORDER_SHARD ? ROUTE_SHARD
                                          : ROUTE_ITEM;
}

static void revoke_calls(void *arg, uint64_t token)
{
    weir_instance *instance = arg;
    instance_revoke(instance, token);
    if (instance->aws)
        aws_extension_revoke(instance->aws, token);
}

static struct route route_of(const struct pipeline *pipeline, const struct sink_set *set,
                             size_t index)
{
    const struct built_sink *sink = &set->sinks[index];
    const struct sink_config *config = sink->config;
    const weir_plugin *plugin = &sink->plugin->desc;
    size_t wish = plugin->batch_records ? plugin->batch_records : DEFAULT_BATCH_RECORDS;
    return (struct route){
        .name = config->name,
        .instance = pipeline->recorders ? &pipeline->recorders[index] : sink->instance,
        .required = config->required,
        .order = order_of(sink),
        .on_exhausted = exhausted_of(pipeline, config->on_exhausted),
        .exhausted_sink = sink_named(set, config->exhausted_sink),
        .oversize_pointer = config->oversize_pointer,
        .max_attempts = pipeline->by_hand && config->max_attempts > BY_HAND_ATTEMPTS
                            ? BY_HAND_ATTEMPTS
                            : config->max_attempts,
        .base_ms = config->base_ms,
        .cap_ms = config->cap_ms,
        .max_record_age_ms = pipeline->by_hand ? 0 : config->max_record_age_ms,
        .timeout_ms = config->timeout_ms,
        .concurrency = config->concurrency ? (size_t)config->concurrency : DEFAULT_CONCURRENCY,
        .batch_records = config->batch_records ? (size_t)config->batch_records : wish,
        .queue_records = (size_t)pipeline->config->queued_records,
        .revoke = revoke_calls,
        .revoke_arg = sink->instance,
    };
}

static int open_router(struct pipeline *pipeline, struct err *err)
{
    size_t count = pipeline->sinks->count;
    struct route *routes = mem_zalloc(count, sizeof *routes);
    if (!routes)
        return err_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        routes[i] = route_of(pipeline, pipeline->sinks, i);
    bool polls = pipeline->config->source == SOURCE_POLL && !pipeline->by_hand;
    bool kcl = pipeline->config->source == SOURCE_KCL && !pipeline->by_hand;
    struct router_config config = {
        .pipeline = pipeline->config->name,
        .world = &pipeline->world,
        .routes = routes,
        .route_count = count,
        .places = pipeline->lambda || pipeline->by_hand ? 0 : MATCH_SINKS_MAX,
        .on_poison = exhausted_of(pipeline, pipeline->config->on_poison),
        .poison_sink = sink_named(pipeline->sinks, pipeline->config->poison_sink),
        .invocations = pipeline->lambda || pipeline->by_hand,
        .blocks_for_ever = polls || kcl,
        .bisect = polls && pipeline->config->poll.bisect,
        .in_flight_bytes = polls || kcl ? (size_t)pipeline->config->in_flight_bytes : 0,
        .queued_records = polls || kcl ? (size_t)pipeline->config->queued_records : 0,
        .may_dispatch = polls ? pipeline->world.store.owned : NULL,
        .may_dispatch_ctx = pipeline->world.store.ctx,
        .log = log_of_router,
        .log_ctx = pipeline,
    };
    int rc = router_new(&config, &pipeline->board, &pipeline->router, err);
    mem_free(routes);
    return rc;
}

/* ---- --dry-run ---- */

static int32_t record_nothing(void *self, const weir_record *record)
{
    (void)self;
    (void)record;
    return WEIR_OK;
}

static int make_recorders(struct pipeline *pipeline, struct err *err)
{
    pipeline->recorders = mem_zalloc(pipeline->sinks->count, sizeof *pipeline->recorders);
    if (!pipeline->recorders)
        return err_set(err, -ENOMEM, "out of memory");
    pipeline->stand_in.desc = (weir_plugin){.name = "dry-run", .record = record_nothing};
    for (size_t i = 0; i < pipeline->sinks->count; i++)
        pipeline->recorders[i].plugin = &pipeline->stand_in;
    return 0;
}

/* ---- life ---- */

int pipeline_begin(struct pipeline *pipeline, bool lambda, struct err *err)
{
    *pipeline = (struct pipeline){.lambda = lambda};
    struct loop_config config = {.max_idle_ms = lambda ? LAMBDA_IDLE_MS : 0,
                                 .max_host_connections = lambda ? 0 : HOST_CONNECTIONS};
    int rc = loop_new(&config, &pipeline->loop, err);
    if (rc < 0)
        return rc;
    loop_world(pipeline->loop, &pipeline->world);
    rc = board_init(&pipeline->board, &pipeline->world.clock);
    pipeline->board_ready = rc == 0;
    return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

/* What was loaded, with path, owner, hash and ABI (for whoever asks later what ran here). */
static void log_plugins(const struct pipeline *pipeline)
{
    struct buf line;
    buf_init(&line, 16 << 10);
    for (size_t i = 0; i < pipeline->sinks->count; i++) {
        const struct built_sink *sink = &pipeline->sinks->sinks[i];
        buf_reset(&line);
        buf_printf(&line, "sink %s: ", sink->config->name);
        plugin_describe(sink->plugin, &line);
        log_text(pipeline->log, pipeline->lambda ? WEIR_LOG_INFO : WEIR_LOG_DEBUG, "plugin",
                 "W1204", buf_str(&line));
    }
    buf_done(&line);
}

static struct instance_services services_of(struct pipeline *pipeline)
{
    return (struct instance_services){.ctx = pipeline,
                                      .log = log_of_plugin,
                                      .world = &pipeline->world,
                                      .board = &pipeline->board,
                                      .kv = pipeline->kv,
                                      .aws_table = &aws_extension,
                                      .aws_attach = attach_aws,
                                      .aws_detach = detach_aws};
}

/* What a plugin declares as secret is not to be seen in a line, whoever writes it. */
static void hide_options(struct log *log, const struct sink_set *sinks)
{
    for (size_t i = 0; log && i < sinks->count; i++) {
        const struct built_sink *sink = &sinks->sinks[i];
        const weir_option *option = sink->plugin ? sink->plugin->desc.options : NULL;
        for (; option && option->name && sink->config; option++)
            if (option->flags & WEIR_O_SECRET)
                log_hide(log, json_text(sink->config->options, option->name));
    }
}

static int open_kv(struct pipeline *pipeline, struct err *err)
{
    pipeline->kv = kv_new(&pipeline->world.store);
    return pipeline->kv ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int pipeline_open(struct pipeline *pipeline, struct config *config, struct log *log, bool dry_run,
                  char **environ_block, struct diags *diags, struct err *err)
{
    pipeline->config = config;
    pipeline->log = log;
    int rc = open_aws(pipeline, environ_block, err);
    if (rc == 0 && !pipeline->by_hand)
        rc = store_open(pipeline, dry_run, err);
    if (rc == 0 && pipeline->world.store.keep)
        rc = open_kv(pipeline, err);
    struct instance_services services = services_of(pipeline);
    if (rc == 0)
        rc = sink_set_open(config, &services, diags, &pipeline->sinks);
    if (rc == 0) {
        hide_options(log, pipeline->sinks);
        log_plugins(pipeline);
    }
    if (rc == 0 && dry_run)
        rc = make_recorders(pipeline, err);
    return rc == 0 ? open_router(pipeline, err) : rc;
}

/* ---- another configuration ---- */

int pipeline_open_beside(struct pipeline *pipeline, struct config *config, struct diags *diags,
                         struct sink_set **out)
{
    struct instance_services services = services_of(pipeline);
    int rc = sink_set_open_beside(config, &services, diags, pipeline->sinks, out);
    if (rc == 0)
        hide_options(pipeline->log, *out);
    return rc;
}

static uint32_t images_read(const struct built_sink *sink)
{
    uint32_t images = 0;
    for (size_t i = 0; i < sink->rule_count; i++) {
        const struct match_rule *rule = &sink->rules[i];
        bool looks = rule->changed || rule->present || rule->filter;
        images |= looks ? WEIR_OLD | WEIR_NEW : rule->images | rule->optional_images;
    }
    return images & (WEIR_OLD | WEIR_NEW);
}

/* Of a sink that goes on, what it points at is the old configuration's. */
static int change_sink(struct pipeline *pipeline, const struct sink_set *set, size_t index)
{
    const struct built_sink *old = &pipeline->sinks->sinks[index], *sink = &set->sinks[index];
    if (sink->borrowed || sink->gone) {
        router_rename(pipeline->router, index, sink->config->name);
        return 0;
    }
    if (sink_is_added(set, pipeline->sinks, index))
        return 0;
    const struct route route = route_of(pipeline, set, index);
    if (!sink_matches_same(old, sink))
        router_completes(pipeline->router, index, images_read(sink));
    return router_replace(pipeline->router, index, &route);
}

/* First, since what is changed may give up to it. */
static int add_sink(struct pipeline *pipeline, const struct sink_set *set, size_t index)
{
    if (!sink_is_added(set, pipeline->sinks, index))
        return 0;
    const struct route route = route_of(pipeline, set, index);
    return router_add(pipeline->router, index, &route);
}

int pipeline_change(struct pipeline *pipeline, struct config *config, struct sink_set *set)
{
    int rc = router_make_room(pipeline->router, set->count);
    uint64_t gone = 0, letters_only = 0;
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < set->count; i++)
        rc = add_sink(pipeline, set, i) < 0 ? -EINVAL : rc;
    for (size_t i = 0; i < pipeline->sinks->count; i++) {
        rc = change_sink(pipeline, set, i) < 0 ? -EINVAL : rc;
        gone |= (uint64_t)set->sinks[i].gone << i;
        letters_only |= (uint64_t)(!set->sinks[i].borrowed && set->sinks[i].rule_count == 0) << i;
    }
    router_let_go(pipeline->router, letters_only & ~gone);
    router_set_poison(pipeline->router, exhausted_of(pipeline, config->on_poison),
                      sink_named(set, config->poison_sink));
    router_remove(pipeline->router, gone);
    sink_set_take_over(set, pipeline->sinks);
    pipeline->sinks = set;
    pipeline->admitted_table = STR_NONE;
    return rc;
}

bool pipeline_admit(void *arg, const struct batch *batch, struct err *err)
{
    struct pipeline *pipeline = arg;
    for (size_t i = 0; i < batch->record_count; i++) {
        weir_str table = batch->records[i]->origin->table;
        if (table.len == 0 || table.len > sizeof pipeline->admitted ||
            str_eq(table, pipeline->admitted_table))
            continue;
        for (size_t k = 0; k < pipeline->sinks->count; k++) {
            const struct built_sink *sink = &pipeline->sinks->sinks[k];
            if (!sink->config->allow_loop && sink_writes_table(sink, table)) {
                err_set(
                    err, -EPERM,
                    "sink %s writes to table %.*s, from which these records come: an endless loop "
                    "(allow_loop permits it)",
                    sink->config->name, STR_ARG(table));
                return false;
            }
        }
        memcpy(pipeline->admitted, table.ptr, table.len);
        pipeline->admitted_table = (weir_str){pipeline->admitted, table.len};
    }
    return true;
}

/* The router, too: a sink that nothing waits for may have said something as the loop stopped. */
static bool all_idle(const struct pipeline *pipeline)
{
    if (pipeline->router && !router_idle(pipeline->router))
        return false;
    for (size_t i = 0; pipeline->sinks && i < pipeline->sinks->count; i++)
        if (!pipeline->sinks->sinks[i].gone && !instance_idle(pipeline->sinks->sinks[i].instance))
            return false;
    return true;
}

/* Looks again every few milliseconds; only at the very end, and only when a plugin's work is left.
 */
struct settling {
    struct timer timer;
    struct pipeline *pipeline;
    int64_t until_ms;
};

static void on_settle(struct timer *timer)
{
    struct settling *settling =
        (struct settling *)((char *)timer - offsetof(struct settling, timer));
    struct clock *clock = &settling->pipeline->world.clock;
    if (all_idle(settling->pipeline) || clock->now_ms(clock->ctx) >= settling->until_ms)
        loop_stop(settling->pipeline->loop);
    else
        clock->arm(clock->ctx, timer, 2);
}

bool pipeline_settle(struct pipeline *pipeline)
{
    struct clock *clock = &pipeline->world.clock;
    struct settling settling = {.timer = {.fire = on_settle}, .pipeline = pipeline};
    if (all_idle(pipeline))
        return true;
    settling.until_ms = clock->now_ms(clock->ctx) + SETTLE_MS;
    if (clock->arm(clock->ctx, &settling.timer, 0) == 0)
        loop_run(pipeline->loop);
    clock->disarm(clock->ctx, &settling.timer);
    return all_idle(pipeline);
}

int pipeline_close(struct pipeline *pipeline)
{
    sink_set_close(pipeline->sinks);
    router_free(pipeline->router);
    if (pipeline->board_ready)
        board_drain(&pipeline->board);
    store_detach(pipeline);
    aws_client_free(pipeline->aws);
    int rc = pipeline->loop ? loop_free(pipeline->loop) : 0;
    if (pipeline->board_ready)
        board_done(&pipeline->board);
    store_close(pipeline);
    kv_free(pipeline->kv);
    mem_free(pipeline->recorders);
    return rc;
}
