/* The OpenTelemetry collector of a run: what the configuration and the standard variables say. */
#include "cli/run.h"
#include "cli/run_admin.h"
#include "config/endpoint.h"
#include "config/load.h"
#include "observe/otlp_send.h"
#include "util/text.h"

#include <weir/version.h>

#include <inttypes.h>

enum { FINISH_MS = 5000, SETTINGS_BYTES_MAX = 32 << 10 };

static const char *variable(const struct run *run, const char *name)
{
    const char *value = env_get(run->cli->environ_block, name);
    return value && *value ? value : NULL;
}

/* ---- "name=value,name=value", values percent-encoded: headers and attributes ---- */

/* The next pair of *left; false at the end. What has no '=' or no name is passed over. */
static bool next_pair(weir_str *left, weir_str *name, weir_str *value)
{
    while (left->len > 0) {
        const char *comma = memchr(left->ptr, ',', left->len);
        weir_str pair = {left->ptr, comma ? (size_t)(comma - left->ptr) : left->len};
        size_t step = pair.len + (comma != NULL);
        *left = (weir_str){left->ptr + step, left->len - step};
        const char *equals = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;
        if (!equals)
            continue;
        *name = str_trim((weir_str){pair.ptr, (size_t)(equals - pair.ptr)});
        *value = str_trim((weir_str){equals + 1, (size_t)(pair.ptr + pair.len - equals - 1)});
        if (name->len > 0)
            return true;
    }
    return false;
}

/* In the arena. */
static weir_str decoded(struct arena *arena, weir_str text)
{
    char *out = arena_alloc(arena, text.len + 1, 1);
    size_t len = 0;
    while (out && text.len > 0)
        out[len++] = (char)percent_next(&text);
    return out ? (weir_str){out, len} : STR_NONE;
}

static bool printable(weir_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || (unsigned char)text.ptr[i] >= 127)
            return false;
    return true;
}

static size_t read_headers(struct run *run, weir_str text, struct http_header *out)
{
    struct arena *arena = &run->otlp_arena;
    weir_str name, value;
    size_t count = 0;
    while (count < OTLP_HEADERS_MAX && next_pair(&text, &name, &value)) {
        value = decoded(arena, value);
        log_hide(run->log, value);
        if (printable(name) && !memchr(name.ptr, ':', name.len) && printable(value))
            out[count++] = (struct http_header){name, value};
        else
            log_line(run->log, WEIR_LOG_WARN, "otlp", "W1233",
                     "a header that no HTTP call can carry is left out");
    }
    return count;
}

/* What tells this process from others. */
static void put_resource(struct run *run, struct buf *out)
{
    const struct random *random = &run->pipeline.world.random;
    const char *service = variable(run, "OTEL_SERVICE_NAME");
    const char *listed = variable(run, "OTEL_RESOURCE_ATTRIBUTES");
    weir_str left = str_of(listed ? listed : ""), name, value;
    char instance[33], key[128];
    bool named = service != NULL, told_apart = false;
    if (service)
        otlp_put_text(out, "service.name", str_of(service));
    while (next_pair(&left, &name, &value)) {
        bool is_service = str_is(name, "service.name");
        if (name.len >= sizeof key || !printable(name) || memchr(name.ptr, '"', name.len) ||
            memchr(name.ptr, '\\', name.len) || (is_service && service))
            continue;
        named = named || is_service;
        told_apart = told_apart || str_is(name, "service.instance.id");
        snprintf(key, sizeof key, "%.*s", STR_ARG(name));
        otlp_put_text(out, key, decoded(&run->otlp_arena, value));
    }
    if (!named)
        otlp_put_text(out, "service.name", STR("weir"));
    snprintf(instance, sizeof instance, "%016" PRIx64 "%016" PRIx64, random->next(random->ctx),
             random->next(random->ctx));
    if (!told_apart)
        otlp_put_text(out, "service.instance.id", str_of(instance));
    otlp_put_text(out, "service.version", STR(WEIR_VERSION));
    otlp_put_text(out, "weir.pipeline", str_of(run->config->name));
}

/* ---- life ---- */

/* Of the configuration, or else of the environment; NULL = nothing is exported. */
static const char *endpoint_of(struct run *run)
{
    const char *endpoint = run->config->otlp.endpoint;
    const char *disabled = variable(run, "OTEL_SDK_DISABLED");
    if (endpoint)
        return endpoint;
    endpoint = variable(run, "OTEL_EXPORTER_OTLP_ENDPOINT");
    if (!endpoint || (disabled && strcmp(disabled, "true") == 0))
        return NULL;
    const char *problem = endpoint_problem(str_of(endpoint), run->config->otlp.allow_http);
    if (!problem)
        return endpoint;
    log_line(run->log, WEIR_LOG_WARN, "otlp", "W1233",
             "OTEL_EXPORTER_OTLP_ENDPOINT is not used, since it %s", problem);
    return NULL;
}

static void observe(void *ctx, struct observed *out)
{
    struct run *run = ctx;
    out->loop_lag_ms = -1;
    run_observe(run, out);
    run_admin_measure(run, out);
}

void run_otlp_start(struct run *run)
{
    const struct config *config = run->config;
    const char *headers = config->otlp.headers, *endpoint;
    struct http_header list[OTLP_HEADERS_MAX];
    struct buf resource;
    arena_init(&run->otlp_arena, 1024);
    if (run->cli->demo || run->cli->dry_run || !(endpoint = endpoint_of(run)))
        return;
    if (!headers)
        headers = variable(run, "OTEL_EXPORTER_OTLP_HEADERS");
    buf_init(&resource, SETTINGS_BYTES_MAX);
    put_resource(run, &resource);
    const struct otlp_config settings = {
        .world = &run->pipeline.world,
        .router = run->pipeline.router,
        .endpoint = endpoint,
        .headers = list,
        .header_count = headers ? read_headers(run, str_of(headers), list) : 0,
        .resource = buf_str(&resource),
        .interval_ms = config->otlp.interval_ms,
        .timeout_ms = config->otlp.timeout_ms,
        .trace_one_in = config->otlp.traces,
        .observe = observe,
        .ctx = run,
        .log = run_log,
        .log_ctx = run,
    };
    if (otlp_new(&settings, &run->otlp) < 0)
        log_line(run->log, WEIR_LOG_WARN, "otlp", "W1233", "nothing is exported: out of memory");
    buf_done(&resource);
}

static void nothing_to_stop(struct run *run)
{
    (void)run;
}

static void on_finished(void *arg)
{
    const struct run *run = arg;
    loop_stop(run->pipeline.loop);
}

void run_otlp_finish(struct run *run, int64_t within_ms)
{
    static const struct run_source ended = {nothing_to_stop, nothing_to_stop,
                                            .changed = nothing_to_stop};
    if (!run->otlp)
        return;
    run->source = &ended;
    otlp_finish(run->otlp, within_ms < FINISH_MS ? within_ms : FINISH_MS, on_finished, run);
    loop_run(run->pipeline.loop);
}

void run_otlp_end(struct run *run)
{
    otlp_free(run->otlp);
    run->otlp = NULL;
    arena_done(&run->otlp_arena);
}
