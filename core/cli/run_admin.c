#include "cli/run_admin.h"

#include "admin/admin.h"
#include "cli/daemon.h"
#include "cli/reload.h"
#include "cli/run.h"
#include "config/show.h"
#include "util/alloc.h"
#include "util/text.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

enum { LEVEL_SECONDS_MAX = 3600, SHOWN_BYTES_MAX = 8 << 20, NAME_BYTES_MAX = 64 };

struct run_admin {
    struct run *run;
    struct admin *admin;
    struct buf socket_path;
    struct buf shown; /* the configuration in force: made once, since plugins are looked at */
    struct admin_token token; /* of POST over TCP */
};

/* One process for each shard: a machine runs many of them, of the same name. */
static bool is_kcl(const struct run *run)
{
    return run->config->source == SOURCE_KCL;
}

/* ---- what it looks at ---- */

static void observe(void *ctx, struct observed *out)
{
    const struct run_admin *admin = ctx;
    run_observe(admin->run, out);
}

static void show_config(struct run_admin *admin)
{
    const struct run *run = admin->run;
    struct arena arena;
    arena_init(&arena, 4096);
    const struct plugin_search search = {
        .dirs = plugin_folders(&arena, run->config, run->cli->environ_block, false)};
    buf_reset(&admin->shown);
    if (search.dirs)
        config_show(run->config, &search, SHOW_JSON, &admin->shown);
    arena_done(&arena);
}

static void put_config(void *ctx, struct buf *out)
{
    const struct run_admin *admin = ctx;
    if (!admin->shown.failed)
        buf_put_str(out, buf_str(&admin->shown));
}

/* ---- what it may change ---- */

static void reply(struct admin_asker *asker, int status, const char *member, const char *text)
{
    struct buf body;
    buf_init(&body, 64 << 10);
    buf_putc(&body, '{');
    buf_put_text_member(&body, member, text);
    buf_puts(&body, "}\n");
    admin_reply(asker, status, buf_str(&body));
    buf_done(&body);
}

static void on_reloaded(void *arg, const struct reload_outcome *outcome)
{
    struct admin_asker *asker = arg;
    struct buf body;
    bool done = outcome->result == RELOAD_DONE || outcome->result == RELOAD_UNCHANGED;
    buf_init(&body, 1 << 20);
    buf_putc(&body, '{');
    buf_put_text_member(&body, "result", reload_result_name(outcome->result));
    buf_put_text_member(&body, "text", outcome->text);
    buf_puts(&body, "}\n");
    admin_reply(asker, done ? 200 : 409, buf_str(&body));
    buf_done(&body);
}

static void reload(void *ctx, struct admin_asker *asker)
{
    const struct run_admin *admin = ctx;
    struct run *run = admin->run;
    if (!run->reload || reload_request(run->reload, "POST /reload", on_reloaded, asker) < 0)
        reply(asker, 503, "error", "no reload now: it is starting, or too many have asked");
}

static void forget(void *ctx, struct admin_asker *asker)
{
    const struct run_admin *admin = ctx;
    if (admin->run->reload)
        reload_forget(admin->run->reload, asker);
}

static void set_level(void *ctx, struct admin_asker *asker, weir_str level, weir_str seconds)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    const struct run_admin *admin = ctx;
    int64_t for_s = 0;
    for (size_t i = 0; i < seconds.len && for_s <= LEVEL_SECONDS_MAX; i++)
        for_s = seconds.ptr[i] >= '0' && seconds.ptr[i] <= '9' ? for_s * 10 + (seconds.ptr[i] - '0')
                                                               : LEVEL_SECONDS_MAX + 1;
    for (int i = 0; i < 4; i++) {
        if (!str_is(level, names[i]) || for_s > LEVEL_SECONDS_MAX)
            continue;
        if (for_s)
            log_raise(admin->run->log, WEIR_LOG_ERROR + i, for_s * 1000);
        else
            log_set_level(admin->run->log, WEIR_LOG_ERROR + i);
        log_line(admin->run->log, WEIR_LOG_INFO, "admin", "W1222", "log level %s%s%.*s%s", names[i],
                 for_s ? " for " : "", STR_ARG(seconds), for_s ? " s" : "");
        reply(asker, 200, "level", names[i]);
        return;
    }
    reply(asker, 400, "error", "level is error, warn, info or debug; seconds at most 3600");
}

static size_t sink_named(const struct router *router, weir_str name)
{
    size_t i = 0, count = router_sink_count(router);
    while (i < count && (router_sink_gone(router, i) || !str_is(name, router_sink_name(router, i))))
        i++;
    return i;
}

static void pause_sink(void *ctx, struct admin_asker *asker, weir_str name, bool paused)
{
    const struct run_admin *admin = ctx;
    struct run *run = admin->run;
    struct router *router = run->pipeline.router;
    size_t sink = sink_named(router, name);
    if (sink == router_sink_count(router)) {
        reply(asker, 404, "error", "no sink of that name is running");
        return;
    }
    char component[96];
    struct buf body;
    bool changed = router_pause(router, sink, paused);
    snprintf(component, sizeof component, "sink.%s", router_sink_name(router, sink));
    if (changed)
        log_line(run->log, WEIR_LOG_WARN, component, "W0511",
                 paused ? "paused by an operator: it gets nothing new until it is resumed"
                        : "resumed by an operator");
    buf_init(&body, 4096);
    buf_putc(&body, '{');
    buf_put_member(&body, "sink", name);
    buf_put_flag_member(&body, "paused", paused);
    buf_put_flag_member(&body, "changed", changed);
    buf_puts(&body, "}\n");
    admin_reply(asker, 200, buf_str(&body));
    buf_done(&body);
}

static void refused(void *ctx, weir_str path)
{
    const struct run_admin *admin = ctx;
    log_line(admin->run->log, WEIR_LOG_WARN, "admin", "W0705",
             "POST %.*s was refused: without the token, or with a wrong one", STR_ARG(path));
}

/* ---- life ---- */

/* FILE is NAME.PID.sock, and no process has that number. */
static bool is_left_behind(const char *file, const char *name)
{
    size_t len = strlen(name);
    char *end = NULL;
    if (strncmp(file, name, len) != 0 || file[len] != '.')
        return false;
    long pid = strtol(file + len + 1, &end, 10);
    return end && strcmp(end, ".sock") == 0 && pid > 0 && pid <= INT_MAX &&
           kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

/* What processes of other shards left behind that were killed. */
static void sweep(const struct run *run)
{
    struct err err = {0};
    struct buf path;
    buf_init(&path, PATH_MAX);
    if (daemon_folder(run->cli->environ_block, true, &path, &err) == 0) {
        DIR *dir = opendir(buf_cstr(&path));
        size_t len = path.len;
        const struct dirent *entry;
        while (dir && (entry = readdir(dir))) {
            path.len = len;
            buf_printf(&path, "/%s", entry->d_name);
            if (is_left_behind(entry->d_name, run->config->name))
                admin_sweep_unix(buf_cstr(&path));
        }
        if (dir)
            closedir(dir);
    }
    buf_done(&path);
}

static const char *socket_of(struct run_admin *admin)
{
    struct run *run = admin->run;
    struct err err = {0};
    buf_init(&admin->socket_path, 512);
    char name[NAME_BYTES_MAX + 16];
    snprintf(name, sizeof name, "%s", run->config->name);
    if (is_kcl(run)) {
        snprintf(name, sizeof name, "%s.%d", run->config->name, (int)getpid());
        sweep(run);
    }
    if (daemon_socket(run->cli->environ_block, name, true, &admin->socket_path, &err) == 0)
        return buf_cstr(&admin->socket_path);
    log_line(run->log, WEIR_LOG_WARN, "admin", "W0704", "no socket for status, top and tap: %s",
             err.msg);
    return NULL;
}

static struct admin_view view_of(const struct config *config)
{
    return (struct admin_view){.redact = config->log.redact,
                               .tap = config->admin.tap,
                               .ui = config->admin.ui,
                               .metrics = config->metrics.prometheus};
}

static struct admin_config config_of(struct run_admin *admin)
{
    struct run *run = admin->run;
    const struct config *config = run->config;
    return (struct admin_config){.loop = loop_uv(run->pipeline.loop),
                                 .clock = &run->pipeline.world.clock,
                                 .router = run->pipeline.router,
                                 .observe = observe,
                                 .put_config = put_config,
                                 .reload = reload,
                                 .forget = forget,
                                 .log_level = set_level,
                                 .pause = pause_sink,
                                 .refused = refused,
                                 .ctx = admin,
                                 .view = view_of(config),
                                 .host = config->admin.host,
                                 .port = config->admin.port,
                                 .loopback = config->admin.loopback,
                                 .token = admin->token.len ? &admin->token : NULL};
}

/* A second weir over the same files, or one that only plays a file, goes on without what the first
 * one has; a daemon's own address is what its operator looks at, and is worth an end. */
static int listen_on(struct run_admin *admin, struct admin_config *config, int *port)
{
    struct run *run = admin->run;
    bool daemon = run->config->source == SOURCE_POLL && !run->cli->once;
    int rc = admin_new(config, &admin->admin, port, &run->err);
    if (rc == -EADDRINUSE && config->socket_path) {
        config->socket_path = NULL; /* or was it the address? */
        rc = admin_new(config, &admin->admin, port, &run->err);
        if (rc == 0)
            log_line(run->log, WEIR_LOG_WARN, "admin", "W0704",
                     "no socket for status, top and tap: another weir of this name has it");
    }
    if (rc < 0 && !daemon) {
        log_line(run->log, WEIR_LOG_DEBUG, "admin", NULL, "not served: %s", run->err.msg);
        return 0;
    }
    return rc;
}

int run_admin_start(struct run *run)
{
    int port = 0;
    if (run->cli->lambda)
        return 0;
    struct run_admin *admin = mem_zalloc(1, sizeof *admin);
    if (!admin)
        return err_set(&run->err, -ENOMEM, "out of memory");
    admin->run = run;
    buf_init(&admin->shown, SHOWN_BYTES_MAX);
    show_config(admin);
    run->admin = admin;
    if (run->config->admin.writable &&
        admin_token_read(run->config->admin.token_file, &admin->token, &run->err) < 0)
        return -EACCES;
    log_hide(run->log, (weir_str){admin->token.text, admin->token.len});
    struct admin_config config = config_of(admin);
    config.socket_path = socket_of(admin);
    int rc = listen_on(admin, &config, &port);
    if (rc == 0 && admin->admin && config.host)
        log_line(run->log, WEIR_LOG_INFO, "admin", "W0710", "listening on http://%s%s%s:%d/",
                 strchr(config.host, ':') ? "[" : "", config.host,
                 strchr(config.host, ':') ? "]" : "", port);
    return rc;
}

void run_admin_measure(const struct run *run, struct observed *out)
{
    if (run->admin && run->admin->admin)
        admin_measure(run->admin->admin, out);
}

void run_admin_renew(struct run *run)
{
    if (!run->admin)
        return;
    show_config(run->admin);
    if (run->admin->admin)
        admin_renew(run->admin->admin, run->config->log.redact);
}

void run_admin_end(struct run *run)
{
    if (!run->admin)
        return;
    admin_free(run->admin->admin);
    buf_done(&run->admin->socket_path);
    buf_done(&run->admin->shown);
    admin_token_forget(&run->admin->token);
    mem_free(run->admin);
    run->admin = NULL;
}
