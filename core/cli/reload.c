/* A reload, from the request to its outcome: read and compare, open beside, exchange, take over. */
#include "cli/reload.h"

#include "cli/reload_parts.h"
#include "cli/run_admin.h"
#include "config/compare.h"
#include "router/exchange.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>

enum { LET_GO_MS = 30000 };

#define KEPT "; the running configuration was kept"

const char *reload_result_name(enum reload_result result)
{
    static const char *const names[] = {[RELOAD_NONE] = "none",
                                        [RELOAD_DONE] = "done",
                                        [RELOAD_UNCHANGED] = "unchanged",
                                        [RELOAD_INVALID] = "invalid",
                                        [RELOAD_RESTART] = "restart_needed",
                                        [RELOAD_FAILED] = "failed"};
    return names[result];
}

static bool is_success(enum reload_result result)
{
    return result == RELOAD_DONE || result == RELOAD_UNCHANGED;
}

/* ---- the outcome ---- */

static void log_outcome(struct reload *reload, enum reload_result result)
{
    static const char *const codes[] = {[RELOAD_DONE] = "W1210",
                                        [RELOAD_UNCHANGED] = "W1210",
                                        [RELOAD_INVALID] = "W1211",
                                        [RELOAD_RESTART] = "W1212",
                                        [RELOAD_FAILED] = "W1213"};
    int level = is_success(result) ? WEIR_LOG_INFO : WEIR_LOG_ERROR;
    log_text(reload->run->log, level, "reload", codes[result],
             str_of(reload->line[0] ? reload->line : buf_cstr(&reload->text)));
}

static void count(struct reload *reload, enum reload_result result)
{
    const struct clock *clock = &reload->run->pipeline.world.clock;
    reload->outcome.result = result;
    reload->outcome.wall_us = clock->wall_us(clock->ctx);
    if (!is_success(result)) {
        reload->counts.refused++;
        return;
    }
    reload->counts.succeeded++;
    reload->counts.last_success_us = reload->outcome.wall_us;
}

static void drop_candidate(struct reload *reload)
{
    sink_set_close(reload->set);
    config_free(reload->config);
    diags_done(&reload->diags);
    reload->set = NULL;
    reload->config = NULL;
}

/* `text` is whole. Whoever asked in the meantime is answered by the next one. */
static void conclude(struct reload *reload, enum reload_result result)
{
    struct reload_asker served[RELOAD_ASKERS_MAX];
    size_t served_count = reload->serving;
    drop_candidate(reload);
    count(reload, result);
    log_outcome(reload, result);
    run_notify(reload->run, "READY=1");
    memcpy(served, reload->askers, served_count * sizeof *served);
    reload->asker_count -= served_count;
    memmove(reload->askers, reload->askers + served_count,
            reload->asker_count * sizeof *reload->askers);
    reload->serving = 0;
    reload->busy = false;
    const struct reload_outcome outcome = reload_last(reload);
    for (size_t i = 0; i < served_count; i++)
        if (served[i].done)
            served[i].done(served[i].arg, &outcome);
    reload_look(reload);
}

static void refuse(struct reload *reload, enum reload_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void refuse(struct reload *reload, enum reload_result result, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_printf(&reload->text, "%s" KEPT, text);
    conclude(reload, result);
}

static void refuse_stopping(struct reload *reload)
{
    buf_puts(&reload->text, RELOAD_STOPPING);
    conclude(reload, RELOAD_FAILED);
}

/* The log gets one line, with the first problem's place; who asked gets them all. */
static void refuse_problems(struct reload *reload)
{
    const struct diags *diags = &reload->diags;
    if (diags->errors == 0) {
        refuse(reload, RELOAD_FAILED, "out of memory");
        return;
    }
    diags_print(&reload->diags, "the running configuration was kept", &reload->text);
    const struct diag *first = NULL;
    for (size_t i = 0; i < diags->count && !first; i++)
        if (!diags->items[i]->warning)
            first = diags->items[i];
    char place[300] = "";
    if (first && first->line > 0)
        snprintf(place, sizeof place, "%s:%u:%u: ", first->file ? first->file : "", first->line,
                 first->column);
    else if (diags->subject)
        snprintf(place, sizeof place, "%s: ", diags->subject);
    char more[40] = "";
    if (diags->errors > 1)
        snprintf(more, sizeof more, " (and %zu more)", diags->errors - 1);
    snprintf(reload->line, sizeof reload->line, "%s%s %s%s" KEPT, place, first ? first->code : "",
             first ? first->message : "there are problems", more);
    conclude(reload, RELOAD_INVALID);
}

/* ---- taking over ---- */

enum fate { KEPT_ON, BUILT_ANEW, ADDED, REMOVED };

static enum fate fate_of(const struct reload *reload, size_t index)
{
    const struct built_sink *sink = &reload->set->sinks[index];
    if (sink->borrowed)
        return KEPT_ON;
    if (sink->gone)
        return REMOVED;
    return sink_is_added(reload->set, reload->run->pipeline.sinks, index) ? ADDED : BUILT_ANEW;
}

static void name_those(struct reload *reload, enum fate fate, const char *what)
{
    size_t count = 0;
    for (size_t i = 0; i < reload->set->count; i++)
        if (fate_of(reload, i) == fate)
            buf_printf(&reload->text, "%s%s", count++ ? ", " : what,
                       reload->set->sinks[i].config->name);
}

static void describe(struct reload *reload)
{
    struct buf *text = &reload->text;
    buf_puts(text, "the new configuration is in force");
    name_those(reload, BUILT_ANEW, "; built anew: ");
    name_those(reload, ADDED, "; added: ");
    name_those(reload, REMOVED, "; removed: ");
    if (reload->others.len)
        buf_printf(text, "; changed: %.*s", (int)reload->others.len, reload->others.ptr);
}

static void take_over(struct reload *reload)
{
    struct run *run = reload->run;
    struct sink_set *old = run->pipeline.sinks;
    describe(reload);
    int rc = pipeline_change(&run->pipeline, reload->config, reload->set);
    if (rc == -ENOMEM) { /* and nothing has changed */
        buf_reset(&reload->text);
        refuse(reload, RELOAD_FAILED, "out of memory");
        return;
    }
    reload_retire(reload, run->config, old);
    run->config = reload->config;
    reload->config = NULL;
    reload->set = NULL;
    run->source->changed(run);
    run_log_settings(run);
    run_admin_renew(run);
    if (rc < 0)
        log_line(run->log, WEIR_LOG_ERROR, "reload", "W1213", "a sink's settings are out of range");
    conclude(reload, RELOAD_DONE);
}

static void on_ready(void *arg, int status, size_t sink)
{
    struct reload *reload = arg;
    struct run *run = reload->run;
    if (status == 0 && !run->signals)
        take_over(reload);
    else if (status == -EBUSY)
        refuse(reload, RELOAD_FAILED, "the plugin of sink %s kept its records, also after cancel",
               router_sink_name(run->pipeline.router, sink));
    else
        refuse_stopping(reload);
}

/* ---- what may change ---- */

/* A restart is needed for what everything else was built on. */
static bool needs_restart(const char *path)
{
    static const char *const sections[] = {"name",   "source.",  "state.", "aws.",       "limits.",
                                           "admin.", "metrics.", "otlp.",  "log.format", NULL};
    for (const char *const *section = sections; *section; section++)
        if (strncmp(path, *section, strlen(*section)) == 0)
            return true;
    return false;
}

static bool takes_effect(const char *path)
{
    static const char *const sections[] = {"on_poison", "log.", "shutdown.", NULL};
    for (const char *const *section = sections; *section; section++)
        if (strncmp(path, *section, strlen(*section)) == 0)
            return !needs_restart(path);
    return false;
}

static bool refuse_sink(struct reload *reload, const struct built_sink *old)
{
    const struct run *run = reload->run;
    const struct sink_config *sink = sink_config_named(reload->config, old->config->name);
    if (!sink || old->gone || run->config->source == SOURCE_POLL ||
        sink->required == old->config->required)
        return false;
    refuse(reload, RELOAD_RESTART, "\"required\" of sink %s differs: restart needed", sink->name);
    return true;
}

/* Places are never given to others: what is counted and stored is known by them. */
static bool refuse_places(struct reload *reload)
{
    if (sink_set_places(reload->run->pipeline.sinks, reload->config) <= MATCH_SINKS_MAX)
        return false;
    refuse(reload, RELOAD_RESTART, "more than %d sinks since the start: restart needed",
           MATCH_SINKS_MAX);
    return true;
}

static bool refuse_sinks(struct reload *reload)
{
    const struct sink_set *sinks = reload->run->pipeline.sinks;
    const struct config *config = reload->config;
    bool left = false;
    for (size_t i = 0; i < sinks->count; i++)
        if (refuse_sink(reload, &sinks->sinks[i]))
            return true;
    for (size_t i = 0; i < config->sink_count; i++)
        left = left || (config->sinks[i].enabled && !config->sinks[i].dead_letters_only);
    if (left)
        return refuse_places(reload);
    refuse(reload, RELOAD_RESTART, "no sink is left but for dead letters: restart needed");
    return true;
}

/* dlopen's handles stay: another build of a plugin that a sink has is not loaded beside the old
 * one. */
static bool refuse_builds(struct reload *reload)
{
    const struct sink_set *old = reload->run->pipeline.sinks;
    for (size_t i = 0; i < old->count; i++) {
        const struct built_sink *sink = &reload->set->sinks[i];
        const struct plugin *was = old->sinks[i].plugin, *is = sink->plugin;
        if (old->sinks[i].gone || sink->gone ||
            strcmp(old->sinks[i].config->plugin, sink->config->plugin) != 0)
            continue;
        if (strcmp(was->path, is->path) == 0 && strcmp(was->sha256, is->sha256) == 0)
            continue;
        refuse(reload, RELOAD_RESTART,
               "the plugin of sink %s is another file or build: restart to load the new build",
               old->sinks[i].config->name);
        return true;
    }
    return false;
}

/* ---- the way ---- */

static int read_config(struct reload *reload)
{
    struct config_request request;
    cli_config_request(reload->run->cli, &request);
    int rc = config_load(&request, &reload->config, &reload->diags);
    if (rc == 0)
        rc = config_runnable(reload->config, &reload->diags);
    return rc;
}

static uint64_t sinks_with(const struct reload *reload, enum fate fate)
{
    uint64_t sinks = 0;
    for (size_t i = 0; i < reload->set->count; i++)
        if (fate_of(reload, i) == fate)
            sinks |= UINT64_C(1) << i;
    return sinks;
}

static void exchange(struct reload *reload)
{
    struct run *run = reload->run;
    const struct exchange_config config = {.sinks = sinks_with(reload, BUILT_ANEW) |
                                                    sinks_with(reload, REMOVED),
                                           .wait_ms = LET_GO_MS,
                                           .ready = on_ready,
                                           .arg = reload};
    if (reload_prepare(reload) < 0 || router_exchange(run->pipeline.router, &config) < 0)
        refuse(reload, RELOAD_FAILED, "out of memory");
}

static void on_looked_up(void *arg, int status)
{
    struct reload *reload = arg;
    if (status == 0 && !reload->run->signals)
        exchange(reload);
    else if (status == 0 || status == -ECANCELED)
        refuse_stopping(reload);
    else
        refuse(reload, RELOAD_FAILED, "the stored positions can't be had (%s)", strerror(-status));
}

/* Where those that come begin is looked up before anything changes. */
static void look_up(struct reload *reload)
{
    struct run *run = reload->run;
    if (!sinks_with(reload, BUILT_ANEW) && !sinks_with(reload, ADDED) &&
        !sinks_with(reload, REMOVED) && reload->others.len == 0) {
        buf_puts(&reload->text, "nothing that is in use differs");
        conclude(reload, RELOAD_UNCHANGED);
        return;
    }
    int rc =
        run->source->look_up ? run->source->look_up(run, reload->set, on_looked_up, reload) : 1;
    if (rc == 1)
        exchange(reload);
    else if (rc < 0)
        on_looked_up(reload, rc);
}

static bool refuse_images(struct reload *reload)
{
    char why[400];
    const struct run *run = reload->run;
    if (!run->source->lacks || !run->source->lacks(run, reload->set, why, sizeof why))
        return false;
    refuse(reload, RELOAD_INVALID, "%s", why);
    return true;
}

static void begin(struct post *post)
{
    struct reload *reload = (struct reload *)((char *)post - offsetof(struct reload, begin));
    struct run *run = reload->run;
    struct buf restart;
    char state[64];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, run_now_ms(run) * 1000);
    run_notify(run, state);
    reload->posted = reload->wanted = false;
    reload->serving = reload->asker_count;
    reload->line[0] = '\0';
    buf_reset(&reload->text);
    buf_reset(&reload->others);
    diags_init(&reload->diags);
    if (run->signals) { /* whatever the file says by now */
        refuse_stopping(reload);
        return;
    }
    if (read_config(reload) < 0) {
        refuse_problems(reload);
        return;
    }
    buf_init(&restart, 4096);
    config_differences(run->config, reload->config, needs_restart, &restart);
    config_differences(run->config, reload->config, takes_effect, &reload->others);
    if (run->cli->dry_run)
        refuse(reload, RELOAD_RESTART, "a dry run keeps its configuration");
    else if (restart.len)
        refuse(reload, RELOAD_RESTART, "%s: restart needed", buf_cstr(&restart));
    else if (refuse_sinks(reload))
        ; /* answered */
    else if (pipeline_open_beside(&run->pipeline, reload->config, &reload->diags, &reload->set) < 0)
        refuse_problems(reload);
    else if (!refuse_builds(reload) && !refuse_images(reload))
        look_up(reload);
    buf_done(&restart);
}

void reload_look(struct reload *reload)
{
    const struct clock *clock = &reload->run->pipeline.world.clock;
    if (reload->busy || reload->posted || !reload->wanted)
        return;
    reload->busy = reload->posted = true;
    reload->begin.run = begin;
    clock->post(clock->ctx, &reload->begin);
}

int reload_request(struct reload *reload, const char *who, reload_done_cb done, void *arg)
{
    if (done && reload->asker_count == RELOAD_ASKERS_MAX)
        return -EBUSY;
    log_line(reload->run->log, WEIR_LOG_DEBUG, "reload", NULL, "asked for by %s", who);
    if (done)
        reload->askers[reload->asker_count++] = (struct reload_asker){done, arg};
    reload->wanted = true;
    reload_look(reload);
    return 0;
}

void reload_forget(struct reload *reload, void *arg)
{
    for (size_t i = 0; i < reload->asker_count; i++)
        if (reload->askers[i].arg == arg)
            reload->askers[i] = (struct reload_asker){NULL, NULL};
}

struct reload_outcome reload_last(const struct reload *reload)
{
    struct reload_outcome outcome = reload->outcome;
    struct reload *own = (struct reload *)(uintptr_t)reload; /* only for the NUL behind its text */
    outcome.text = buf_cstr(&own->text);
    return outcome;
}

struct reload_counts reload_counts(const struct reload *reload)
{
    return reload->counts;
}
