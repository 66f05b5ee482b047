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

static void describe(struct reload *reload)
{
    const struct sink_set *set = reload->set;
    struct buf *text = &reload->text;
    size_t rebuilt = 0, removed = 0;
    buf_puts(text, "the new configuration is in force");
    for (size_t i = 0; i < set->count; i++)
        if (!set->sinks[i].borrowed && !set->sinks[i].gone)
            buf_printf(text, "%s%s",
                       rebuilt++ ? ", " : "; built anew: ", set->sinks[i].config->name);
    for (size_t i = 0; i < set->count; i++)
        if (!set->sinks[i].borrowed && set->sinks[i].gone)
            buf_printf(text, "%s%s", removed++ ? ", " : "; removed: ", set->sinks[i].config->name);
    if (reload->others.len)
        buf_printf(text, "; changed: %.*s", (int)reload->others.len, reload->others.ptr);
}

static void take_over(struct reload *reload)
{
    struct run *run = reload->run;
    struct sink_set *old = run->pipeline.sinks;
    describe(reload);
    int rc = pipeline_change(&run->pipeline, reload->config, reload->set);
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
    if (status == 0)
        take_over(reload);
    else if (status == -EBUSY)
        refuse(reload, RELOAD_FAILED, "the plugin of sink %s kept its records, also after cancel",
               router_sink_name(run->pipeline.router, sink));
    else
        refuse(reload, RELOAD_FAILED, "weir is stopping");
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

/* The first sink that does not run, one that was removed before included: nothing would bring it up
 * to the others. NULL when there is none. */
static const char *new_sink(const struct config *old, const struct config *config)
{
    for (size_t i = 0; i < config->sink_count; i++)
        if (config->sinks[i].enabled && !sink_config_named(old, config->sinks[i].name))
            return config->sinks[i].name;
    return NULL;
}

static bool refuse_sink(struct reload *reload, const struct built_sink *old)
{
    const struct run *run = reload->run;
    const struct sink_config *sink = sink_config_named(reload->config, old->config->name);
    bool same = strcmp(sink->plugin, old->config->plugin) == 0;
    if (!same) {
        refuse(reload, RELOAD_RESTART, "sink %s has another plugin: restart needed", sink->name);
        return true;
    }
    if (sink->dead_letters_only != old->config->dead_letters_only) {
        refuse(reload, RELOAD_RESTART,
               "sink %s gets dead letters only, or no longer: restart needed", sink->name);
        return true;
    }
    if (run->config->source != SOURCE_POLL && sink->required != old->config->required) {
        refuse(reload, RELOAD_RESTART, "\"required\" of sink %s differs: restart needed",
               sink->name);
        return true;
    }
    return false;
}

static bool refuse_sinks(struct reload *reload)
{
    const struct run *run = reload->run;
    const char *added = new_sink(run->config, reload->config);
    if (added) {
        refuse(reload, RELOAD_RESTART, "sink %s is new: restart needed", added);
        return true;
    }
    const struct sink_set *sinks = run->pipeline.sinks;
    bool left = false;
    for (size_t i = 0; i < sinks->count; i++) {
        const struct sink_config *sink =
            sink_config_named(reload->config, sinks->sinks[i].config->name);
        if (sink && refuse_sink(reload, &sinks->sinks[i]))
            return true;
        left = left || (sink && !sink->dead_letters_only);
    }
    if (!left)
        refuse(reload, RELOAD_RESTART, "no sink is left but for dead letters: restart needed");
    return !left;
}

/* dlopen's handles stay: another build of the same plugin is not loaded beside the old one. */
static bool refuse_builds(struct reload *reload)
{
    const struct sink_set *old = reload->run->pipeline.sinks;
    for (size_t i = 0; i < old->count; i++) {
        const struct plugin *was = old->sinks[i].plugin, *is = reload->set->sinks[i].plugin;
        if (reload->set->sinks[i].gone)
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
    diags_init(&reload->diags);
    int rc = config_load(&request, &reload->config, &reload->diags);
    if (rc == 0)
        rc = config_runnable(reload->config, &reload->diags);
    return rc;
}

static uint64_t changed_sinks(const struct sink_set *set)
{
    uint64_t sinks = 0;
    for (size_t i = 0; i < set->count; i++)
        if (!set->sinks[i].borrowed)
            sinks |= UINT64_C(1) << i;
    return sinks;
}

static void exchange(struct reload *reload)
{
    struct run *run = reload->run;
    const struct exchange_config config = {.sinks = changed_sinks(reload->set),
                                           .wait_ms = LET_GO_MS,
                                           .ready = on_ready,
                                           .arg = reload};
    if (config.sinks == 0 && reload->others.len == 0) {
        buf_puts(&reload->text, "nothing that is in use differs");
        conclude(reload, RELOAD_UNCHANGED);
    } else if (reload_prepare(reload) < 0 || router_exchange(run->pipeline.router, &config) < 0) {
        refuse(reload, RELOAD_FAILED, "out of memory");
    }
}

static void begin(struct post *post)
{
    struct reload *reload = (struct reload *)((char *)post - offsetof(struct reload, begin));
    struct run *run = reload->run;
    struct buf restart;
    char state[64];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, run_now_ms(run) * 1000);
    run_notify(run, state);
    reload->posted = false;
    reload->serving = reload->asker_count;
    reload->line[0] = '\0';
    buf_reset(&reload->text);
    buf_reset(&reload->others);
    if (read_config(reload) < 0) {
        refuse_problems(reload);
        return;
    }
    buf_init(&restart, 4096);
    config_differences(run->config, reload->config, needs_restart, &restart);
    config_differences(run->config, reload->config, takes_effect, &reload->others);
    if (run->signals)
        refuse(reload, RELOAD_FAILED, "weir is stopping");
    else if (run->cli->dry_run)
        refuse(reload, RELOAD_RESTART, "a dry run keeps its configuration");
    else if (restart.len)
        refuse(reload, RELOAD_RESTART, "%s: restart needed", buf_cstr(&restart));
    else if (refuse_sinks(reload))
        ; /* answered */
    else if (pipeline_open_beside(&run->pipeline, reload->config, &reload->diags, &reload->set) < 0)
        refuse_problems(reload);
    else if (!refuse_builds(reload))
        exchange(reload);
    buf_done(&restart);
}

void reload_look(struct reload *reload)
{
    const struct clock *clock = &reload->run->pipeline.world.clock;
    if (reload->busy || reload->posted || reload->asker_count == 0)
        return;
    reload->busy = reload->posted = true;
    reload->begin.run = begin;
    clock->post(clock->ctx, &reload->begin);
}

int reload_request(struct reload *reload, const char *who, reload_done_cb done, void *arg)
{
    if (reload->asker_count == RELOAD_ASKERS_MAX)
        return -EBUSY;
    log_line(reload->run->log, WEIR_LOG_DEBUG, "reload", NULL, "asked for by %s", who);
    reload->askers[reload->asker_count++] = (struct reload_asker){done, arg};
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
