#include "admin/admin.h"

#include "admin/page.h"
#include "admin/tap.h"
#include "observe/metrics.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    DOCUMENT_BYTES_MAX = 32 << 20,
    FRESH_MS = 200, /* a document is made that often, however many ask for it */
    DEAD_LOOP_MS = 10000,
    KEEP_BYTES = 1 << 20 /* of a document's memory, between two */
};

struct document {
    struct buf text;
    int64_t made_ms;
    int status;
};

enum { DOC_METRICS, DOC_STATUS, DOC_READY, DOC_COUNT };

struct admin_asker { /* held, or a reader of the tap */
    struct admin *admin;
    struct admin_conn *conn;
    struct tap_reader *reader; /* NULL: it waits for a reply */
    struct admin_asker *next, *prev;
};

struct admin {
    struct admin_config config;
    struct admin_server *server;
    struct tap *tap;
    struct document documents[DOC_COUNT];
    struct admin_asker *askers;
};

static int64_t now_ms(const struct admin *admin)
{
    return admin->config.clock->now_ms(admin->config.clock->ctx);
}

/* ---- documents ---- */

void admin_measure(const struct admin *admin, struct observed *out)
{
    out->loop_lag_ms = admin_loop_lag_ms(admin->server);
    out->tap_dropped = tap_dropped(admin->tap);
}

static void observe(const struct admin *admin, struct observed *out)
{
    *out = (struct observed){0};
    admin->config.observe(admin->config.ctx, out);
    admin_measure(admin, out);
}

/* The status ends with what only the server knows. */
static void put_status(struct admin *admin, const struct observed *observed, struct buf *out)
{
    status_put_json(observed, out);
    while (out->len && out->ptr[out->len - 1] != '}')
        out->len--;
    if (out->len)
        out->len--;
    buf_printf(out, ",\"tap\":%s,\"dead_letters\":", admin->config.view.tap ? "true" : "false");
    tap_put_dead(admin->tap, out);
    buf_puts(out, "}\n");
}

static void make(struct admin *admin, int which, struct document *document)
{
    struct observed observed;
    if (document->text.cap > KEEP_BYTES)
        buf_done(&document->text);
    buf_reset(&document->text);
    observe(admin, &observed);
    document->status = 200;
    if (which == DOC_METRICS) {
        metrics_put_text(&observed, &document->text);
    } else if (which == DOC_STATUS) {
        put_status(admin, &observed, &document->text);
    } else {
        document->status = ready_put_json(&observed, &document->text) ? 200 : 503;
        buf_putc(&document->text, '\n');
    }
}

static void answer_document(struct admin *admin, struct admin_conn *conn, int which,
                            const char *type)
{
    struct document *document = &admin->documents[which];
    if (document->made_ms == 0 || now_ms(admin) - document->made_ms >= FRESH_MS) {
        make(admin, which, document);
        document->made_ms = now_ms(admin);
    }
    if (document->text.failed)
        admin_answer_error(conn, 500, "out of memory");
    else
        admin_answer(conn, &(struct admin_answer){.status = document->status,
                                                  .type = type,
                                                  .body = buf_str(&document->text)});
}

/* ---- those who wait ---- */

static void asker_free(struct admin_asker *asker)
{
    struct admin *admin = asker->admin;
    *(asker->prev ? &asker->prev->next : &admin->askers) = asker->next;
    if (asker->next)
        asker->next->prev = asker->prev;
    if (asker->reader)
        tap_remove(admin->tap, asker->reader);
    mem_free(asker);
}

static void on_gone(void *arg)
{
    struct admin_asker *asker = arg;
    struct admin *admin = asker->admin;
    if (!asker->reader && admin->config.forget)
        admin->config.forget(admin->config.ctx, asker);
    asker_free(asker);
}

/* NULL: it was answered. */
static struct admin_asker *asker_new(struct admin *admin, struct admin_conn *conn)
{
    struct admin_asker *asker = mem_zalloc(1, sizeof *asker);
    if (!asker) {
        admin_answer_error(conn, 503, "out of memory");
        return NULL;
    }
    *asker = (struct admin_asker){.admin = admin, .conn = conn, .next = admin->askers};
    if (asker->next)
        asker->next->prev = asker;
    admin->askers = asker;
    admin_conn_hold(conn, on_gone, asker);
    return asker;
}

void admin_reply(struct admin_asker *asker, int status, weir_str body)
{
    struct admin_conn *conn = asker->conn;
    asker_free(asker);
    admin_answer(conn, &(struct admin_answer){.status = status, .body = body});
}

/* ---- the tap ---- */

static bool send_event(void *arg, weir_str bytes)
{
    const struct admin_asker *asker = arg;
    return admin_stream_send(asker->conn, bytes);
}

static bool read_filter(const struct admin *admin, const struct admin_request *request,
                        struct tap_filter *out, const char **problem)
{
    weir_str sink = admin_query(request, "sink"), event = admin_query(request, "event");
    *out =
        (struct tap_filter){.sink = SIZE_MAX, .whole = str_is(admin_query(request, "record"), "1")};
    for (size_t i = 0; sink.len && i < router_sink_count(admin->config.router); i++)
        if (str_is(sink, router_sink_name(admin->config.router, i)) &&
            !router_sink_gone(admin->config.router, i))
            out->sink = i;
    if (sink.len && out->sink == SIZE_MAX)
        *problem = "no sink of that name is running";
    out->events = str_is(event, "INSERT")   ? WEIR_INSERT
                  : str_is(event, "MODIFY") ? WEIR_MODIFY
                  : str_is(event, "REMOVE") ? WEIR_REMOVE
                                            : 0;
    if (event.len && !out->events)
        *problem = "events are INSERT, MODIFY, REMOVE";
    return !*problem;
}

static void serve_tap(struct admin *admin, struct admin_conn *conn,
                      const struct admin_request *request)
{
    struct tap_filter filter;
    const char *problem = NULL;
    if (!admin->config.view.tap) {
        admin_answer_error(conn, 403, "the tap is off; set admin.tap to true");
        return;
    }
    if (!read_filter(admin, request, &filter, &problem)) {
        admin_answer_error(conn, 400, "%s", problem);
        return;
    }
    struct admin_asker *asker = asker_new(admin, conn);
    if (!asker)
        return;
    asker->reader = tap_add(admin->tap, &filter, send_event, asker);
    if (!asker->reader) {
        asker_free(asker);
        admin_answer_error(conn, 503, "%d readers of the tap are enough", TAP_READERS_MAX);
        return;
    }
    admin_stream_begin(conn, "text/event-stream");
    admin_stream_send(conn, STR("retry: 2000\n\n"));
}

/* ---- the other endpoints ---- */

static void serve_health(struct admin *admin, struct admin_conn *conn)
{
    int64_t lag_ms = admin_loop_lag_ms(admin->server);
    char body[80];
    int len = snprintf(body, sizeof body, "{\"alive\":%s,\"loop_lag_ms\":%" PRId64 "}\n",
                       lag_ms < DEAD_LOOP_MS ? "true" : "false", lag_ms);
    admin_answer(conn, &(struct admin_answer){.status = lag_ms < DEAD_LOOP_MS ? 200 : 503,
                                              .body = {body, (size_t)len}});
}

static void serve_config(struct admin *admin, struct admin_conn *conn)
{
    struct buf text;
    buf_init(&text, DOCUMENT_BYTES_MAX);
    if (admin->config.put_config)
        admin->config.put_config(admin->config.ctx, &text);
    if (text.failed || text.len == 0)
        admin_answer_error(conn, 500, "the configuration can't be shown");
    else
        admin_answer(conn, &(struct admin_answer){.status = 200, .body = buf_str(&text)});
    buf_done(&text);
}

static void serve_page(struct admin *admin, struct admin_conn *conn)
{
    if (!admin->config.view.ui)
        admin_answer_error(conn, 404, "the page is off; set admin.ui to true");
    else
        admin_answer(conn, &(struct admin_answer){.status = 200,
                                                  .type = "text/html; charset=utf-8",
                                                  .headers = admin_page_headers,
                                                  .body = {admin_page, admin_page_len}});
}

static void serve_metrics(struct admin *admin, struct admin_conn *conn)
{
    if (admin->config.view.metrics)
        answer_document(admin, conn, DOC_METRICS, "text/plain; version=0.0.4; charset=utf-8");
    else
        admin_answer_error(conn, 404, "metrics are off; set metrics.prometheus to true");
}

static const struct endpoint {
    const char *path, *method, *what;
} endpoints[] = {
    {"/", "GET", "the page"},
    {"/healthz", "GET", "200 while the event loop turns"},
    {"/readyz", "GET", "200, or 503 with what stops the pipeline"},
    {"/metrics", "GET", "Prometheus' text format"},
    {"/status", "GET", "source, shards, sinks and last reload as JSON"},
    {"/config", "GET", "the effective configuration, secrets redacted"},
    {"/tap", "GET", "records as they go by (server-sent events); ?sink=NAME&event=MODIFY&record=1"},
    {"/endpoints", "GET", "this list"},
    {"/reload", "POST", "reads the configuration again"},
    {"/log-level", "POST", "?level=debug&seconds=60"},
    {"/sinks/{name}/pause", "POST", "the sink gets nothing new until it is resumed"},
    {"/sinks/{name}/resume", "POST", "it goes on"},
};
enum { ENDPOINT_COUNT = sizeof endpoints / sizeof *endpoints };

static void serve_endpoints(struct admin_conn *conn)
{
    struct buf text;
    buf_init(&text, 8192);
    for (size_t i = 0; i < ENDPOINT_COUNT; i++)
        buf_printf(&text, "%s{\"method\":\"%s\",\"path\":\"%s\",\"what\":\"%s\"}", i ? ",\n " : "[",
                   endpoints[i].method, endpoints[i].path, endpoints[i].what);
    buf_puts(&text, "]\n");
    admin_answer(conn, &(struct admin_answer){.status = 200, .body = buf_str(&text)});
    buf_done(&text);
}

/* *name: what stands for {name}; empty where there is none. */
static bool is_path(const char *pattern, weir_str path, weir_str *name)
{
    const char *begin = strchr(pattern, '{'), *rest = begin ? strchr(begin, '}') + 1 : NULL;
    *name = STR_NONE;
    if (!begin)
        return str_is(path, pattern);
    weir_str before = {pattern, (size_t)(begin - pattern)};
    if (path.len <= before.len + strlen(rest) || !str_starts(path, before) ||
        !str_ends(path, str_of(rest)))
        return false;
    *name = (weir_str){path.ptr + before.len, path.len - before.len - strlen(rest)};
    return true;
}

static const struct endpoint *endpoint_of(weir_str path, weir_str *name)
{
    for (size_t i = 0; i < ENDPOINT_COUNT; i++)
        if (is_path(endpoints[i].path, path, name))
            return &endpoints[i];
    return NULL;
}

static void serve_get(struct admin *admin, struct admin_conn *conn,
                      const struct admin_request *request)
{
    weir_str path = request->path;
    if (str_is(path, "/healthz"))
        serve_health(admin, conn);
    else if (str_is(path, "/readyz"))
        answer_document(admin, conn, DOC_READY, NULL);
    else if (str_is(path, "/metrics"))
        serve_metrics(admin, conn);
    else if (str_is(path, "/status"))
        answer_document(admin, conn, DOC_STATUS, NULL);
    else if (str_is(path, "/config"))
        serve_config(admin, conn);
    else if (str_is(path, "/tap"))
        serve_tap(admin, conn, request);
    else if (str_is(path, "/"))
        serve_page(admin, conn);
    else
        serve_endpoints(conn);
}

static void serve_post(struct admin *admin, struct admin_conn *conn,
                       const struct admin_request *request, weir_str sink)
{
    const struct admin_config *config = &admin->config;
    bool reload = str_is(request->path, "/reload");
    if (sink.len ? !config->pause : reload ? !config->reload : !config->log_level) {
        admin_answer_error(conn, 501, "not in this run");
        return;
    }
    struct admin_asker *asker = asker_new(admin, conn);
    if (!asker)
        return;
    if (sink.len)
        config->pause(config->ctx, asker, sink, str_ends(request->path, STR("/pause")));
    else if (reload)
        config->reload(config->ctx, asker);
    else
        config->log_level(config->ctx, asker, admin_query(request, "level"),
                          admin_query(request, "seconds"));
}

/* Over TCP. False: it was answered. */
static bool may_change(struct admin *admin, struct admin_conn *conn,
                       const struct admin_request *request)
{
    const struct admin_config *config = &admin->config;
    if (!config->token) {
        admin_answer_error(conn, 403,
                           "changes are taken on the unix socket only; admin.writable with "
                           "admin.token_file allows them here");
        return false;
    }
    if (admin_token_given(config->token, request->authorization))
        return true;
    if (config->refused)
        config->refused(config->ctx, request->path);
    admin_answer(conn, &(struct admin_answer){
                           .status = 401,
                           .headers = "WWW-Authenticate: Bearer\r\n",
                           .body = STR("{\"error\":\"changes need the header Authorization: Bearer "
                                       "TOKEN, with the token of admin.token_file\"}\n")});
    return false;
}

static void serve(void *ctx, struct admin_conn *conn, const struct admin_request *request,
                  weir_str body)
{
    struct admin *admin = ctx;
    bool local = admin_conn_local(conn), post = request->method == ADMIN_POST;
    weir_str name;
    const struct endpoint *endpoint = endpoint_of(request->path, &name);
    (void)body;
    if (!local && (!admin_host_ok(request, admin->config.loopback) || !admin_origin_ok(request)))
        admin_answer_error(conn, 403, "asked by another host's name, or for another page");
    else if (!endpoint)
        admin_answer_error(conn, 404, "no such endpoint; GET /endpoints lists them");
    else if (post != (strcmp(endpoint->method, "POST") == 0))
        admin_answer_error(conn, 405, "this is for %s", endpoint->method);
    else if (!post)
        serve_get(admin, conn, request);
    else if (local || may_change(admin, conn, request))
        serve_post(admin, conn, request, name);
}

/* ---- life ---- */

static void on_tick(void *ctx)
{
    struct admin *admin = ctx;
    tap_tick(admin->tap);
}

static int open_tap(struct admin *admin)
{
    const struct tap_config config = {.router = admin->config.router,
                                      .clock = admin->config.clock,
                                      .redact = admin->config.view.redact,
                                      .shows_records = admin->config.view.tap};
    return tap_new(&config, &admin->tap);
}

static int begin(struct admin *admin, int *port, struct err *err)
{
    const struct admin_config *config = &admin->config;
    const struct admin_server_config server = {
        .loop = config->loop, .serve = serve, .tick = on_tick, .ctx = admin};
    int rc = open_tap(admin);
    if (rc == 0)
        rc = admin_server_new(&server, &admin->server);
    if (rc < 0)
        return err_set(err, rc, "out of memory");
    *port = config->port;
    if (config->host)
        rc = admin_listen_tcp(admin->server, config->host, port, err);
    if (rc == 0 && config->socket_path)
        rc = admin_listen_unix(admin->server, config->socket_path, err);
    return rc;
}

int admin_new(const struct admin_config *config, struct admin **out, int *port, struct err *err)
{
    struct admin *admin = mem_zalloc(1, sizeof *admin);
    if (!admin)
        return err_set(err, -ENOMEM, "out of memory");
    admin->config = *config;
    for (size_t i = 0; i < DOC_COUNT; i++)
        buf_init(&admin->documents[i].text, DOCUMENT_BYTES_MAX);
    int rc = begin(admin, port, err);
    if (rc < 0)
        admin_free(admin);
    else
        *out = admin;
    return rc;
}

void admin_renew(struct admin *admin, const char *const *redact)
{
    admin->config.view.redact = redact;
    tap_redact(admin->tap, redact);
    tap_sinks_changed(admin->tap);
}

void admin_free(struct admin *admin)
{
    if (!admin)
        return;
    admin_server_close(admin->server); /* whoever waits is gone with it */
    tap_free(admin->tap);
    for (size_t i = 0; i < DOC_COUNT; i++)
        buf_done(&admin->documents[i].text);
    mem_free(admin);
}
