/* Reloads at bad moments, in virtual time: several at once, while a sink holds what it has, while
 * weir stops, and with sinks of which one can't be opened. */
#include "cli/reload.h"
#include "cli/run.h"
#include "config/load.h"
#include "rig.h"

#include <unistd.h>

enum { ASKERS = 16, SECOND_MS = 1000, LET_GO_MS = 30000 };

struct told { /* of one who asked */
    unsigned times;
    enum reload_result result;
    char text[512];
};

struct changing { /* a run with a real configuration and real plugins; its source does as told */
    struct run run;
    struct cli cli;
    struct rig rig; /* its world and its flows; its sinks are the pipeline's */
    char folder[64], config[128], given[128], opened[128], log[128];
    FILE *log_file;
    struct store_owner owner;
    struct told told[ASKERS + 1];
    unsigned changes;
    bool lacks;     /* what the sinks that come need */
    int look_up_rc; /* what look_up() returns; 0: `ready` is called when the test says so */
    void (*ready)(void *arg, int status);
    void *ready_arg;
};

static struct changing *of(const struct run *run)
{
    return (struct changing *)(uintptr_t)run;
}

/* ---- its source ---- */

static void do_nothing(struct run *run)
{
    (void)run;
}

static bool lacks(const struct run *run, const struct sink_set *set, char *why, size_t bytes)
{
    (void)set;
    snprintf(why, bytes, "the stream has no old images");
    return of(run)->lacks;
}

static int look_up(struct run *run, const struct sink_set *set,
                   void (*ready)(void *arg, int status), void *arg)
{
    struct changing *it = of(run);
    (void)set;
    it->ready = ready;
    it->ready_arg = arg;
    return it->look_up_rc;
}

static void changed(struct run *run)
{
    struct changing *it = of(run);
    it->changes++;
    it->rig.plan = run->pipeline.sinks->plan;
}

static const struct run_source source = {do_nothing, do_nothing, .lacks = lacks, .look_up = look_up,
                                         .changed = changed};

/* ---- life ---- */

static void put_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK_FATAL(file != NULL);
    CHECK(fputs(text, file) >= 0);
    CHECK(fclose(file) == 0);
}

/* `sinks`: their members. "@" stands for the folder. */
static void write_config(struct changing *it, const char *sinks)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_printf(&text,
               "{\"name\":\"p\",\"source\":{\"kind\":\"poll\",\"tables\":[\"Products\"]},"
               "\"aws\":{\"region\":\"eu-west-1\"},\"plugin_dirs\":[\"%s/tests/plugins\"],"
               "\"state\":{\"kind\":\"memory\",\"path\":\"%s/s.db\"},\"sinks\":{",
               TEST_BUILD, it->folder);
    for (; *sinks; sinks++)
        if (*sinks == '@')
            buf_puts(&text, it->folder);
        else
            buf_putc(&text, *sinks);
    buf_puts(&text, "}}");
    put_file(it->config, buf_cstr(&text));
    buf_done(&text);
}

/* A scripted sink "a"; `more` are members of its own, and what is behind it. */
#define SINK_A          "\"a\":{\"plugin\":\"scripted\",\"batch_records\":1,\"concurrency\":1"
#define ANSWERS(script) ",\"config\":{\"log\":\"@/given\",\"async_ms\":0,\"script\":" script "}}"
#define PLAIN           SINK_A ANSWERS("{}")
#define OTHER           SINK_A ",\"timeout\":\"9s\"" ANSWERS("{}")
#define THIRD           SINK_A ",\"timeout\":\"8s\"" ANSWERS("{}")
#define HOLDS           SINK_A ",\"timeout\":\"1h\"" ANSWERS("{\"e1\":[\"never\"]}")
#define ONE             ",\"one\":{\"plugin\":\"openfails\",\"config\":{\"log\":\"@/opened\",\"kind\":\"one\"}}"
#define BROKEN          ",\"two\":{\"plugin\":\"openfails\",\"config\":{\"target\":\"bad\"}}"

static void on_owned(struct store_owner *owner, bool owned, const char *why)
{
    (void)owner;
    (void)owned;
    (void)why;
}

static void begin(struct changing *it, const char *sinks)
{
    static char *environ_block[] = {(char *)"HOME=/nonexistent", NULL};
    struct config_request request;
    const struct store *store = &it->run.pipeline.world.store;
    *it = (struct changing){.look_up_rc = 1};
    vworld_init(&it->rig.world, 1);
    snprintf(it->folder, sizeof it->folder, "/tmp/weir-reload-XXXXXX");
    CHECK_FATAL(mkdtemp(it->folder) != NULL);
    snprintf(it->config, sizeof it->config, "%s/weir.json", it->folder);
    snprintf(it->given, sizeof it->given, "%s/given", it->folder);
    snprintf(it->opened, sizeof it->opened, "%s/opened", it->folder);
    snprintf(it->log, sizeof it->log, "%s/log", it->folder);
    write_config(it, sinks);
    cli_init(&it->cli, stdout, stderr, environ_block);
    it->cli.config_path = it->config;
    it->run.cli = &it->cli;
    it->run.source = &source;
    it->log_file = fopen(it->log, "w");
    CHECK_FATAL(it->log_file != NULL);
    const struct log_config log = {
        .level = WEIR_LOG_INFO, .format = LOG_JSON, .fd = fileno(it->log_file)};
    it->run.log = log_new(&log, NULL);
    diags_init(&it->run.diags);
    cli_config_request(&it->cli, &request);
    CHECK_FATAL(config_load(&request, &it->run.config, &it->run.diags) == 0);
    CHECK_FATAL(pipeline_begin(&it->run.pipeline, false, &it->run.err) == 0);
    it->run.pipeline.world = it->rig.world.world; /* time is virtual from here on */
    int rc = pipeline_open(&it->run.pipeline, it->run.config, it->run.log, false, environ_block,
                           &it->run.diags, &it->run.err);
    if (rc < 0)
        printf("\n    %s", it->run.diags.count ? it->run.diags.items[0]->message : it->run.err.msg);
    CHECK_FATAL(rc == 0);
    it->rig.router = it->run.pipeline.router;
    it->rig.plan = it->run.pipeline.sinks->plan;
    it->owner.changed = on_owned; /* as the poll does it: only an owner's records are given */
    CHECK_INT(store->acquire(store->ctx, &it->owner), 0);
    vworld_settle(&it->rig.world);
    it->run.reload = reload_new(&it->run);
    CHECK_FATAL(it->run.reload != NULL);
}

static void end(struct changing *it)
{
    router_stop(it->rig.router);
    vworld_run(&it->rig.world, SECOND_MS);
    CHECK(router_idle(it->rig.router));
    CHECK(reload_idle(it->run.reload));
    reload_end(it->run.reload);
    CHECK_INT(pipeline_close(&it->run.pipeline), 0);
    reload_free(it->run.reload);
    config_free(it->run.config);
    diags_done(&it->run.diags);
    log_free(it->run.log);
    fclose(it->log_file);
    cli_done(&it->cli);
    vworld_settle(&it->rig.world);
    vworld_done(&it->rig.world);
    unlink(it->config);
    unlink(it->given);
    unlink(it->opened);
    unlink(it->log);
    rmdir(it->folder);
}

/* ---- asking ---- */

static void on_told(void *arg, const struct reload_outcome *outcome)
{
    struct told *told = arg;
    told->times++;
    told->result = outcome->result;
    snprintf(told->text, sizeof told->text, "%s", outcome->text);
}

static void ask(struct changing *it, size_t who)
{
    CHECK_INT(reload_request(it->run.reload, "test", on_told, &it->told[who]), 0);
    CHECK_INT(it->told[who].times, 0); /* never from inside */
}

static void check_told(const struct told *told, enum reload_result result, const char *text)
{
    CHECK_INT(told->times, 1);
    CHECK_STR(reload_result_name(told->result), reload_result_name(result));
    if (!strstr(told->text, text))
        CHECK_STR(told->text, text);
}

static int64_t timeout_of_a(const struct changing *it)
{
    return it->run.pipeline.sinks->sinks[0].config->timeout_ms;
}

static unsigned times_in(const char *path, const char *what)
{
    unsigned times = 0;
    if (access(path, F_OK) < 0)
        return 0;
    char *text = unit_file(path, &(unsigned long){0});
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        times++;
    mem_free(text);
    return times;
}

/* ---- several at once ---- */

/* The first waits for what the sink holds; what is written meanwhile is read by one more. */
static void who_asks_while_one_is_under_way_gets_the_last_content(void)
{
    struct changing it;
    struct rig_flow flow = {0};
    begin(&it, HOLDS);
    rig_flow(&it.rig, &flow, "1:a 2:b", 1, NULL, false);
    vworld_settle(&it.rig.world);
    write_config(&it, OTHER);
    ask(&it, 0);
    vworld_run(&it.rig.world, SECOND_MS);
    CHECK_INT(it.told[0].times, 0);
    write_config(&it, THIRD ONE BROKEN); /* nobody reads it: the next one comes at once */
    ask(&it, 1);
    vworld_run(&it.rig.world, SECOND_MS);
    write_config(&it, THIRD);
    ask(&it, 2);
    CHECK_INT(reload_request(it.run.reload, "HUP", NULL, NULL), 0);
    vworld_run(&it.rig.world, LET_GO_MS);
    check_told(&it.told[0], RELOAD_DONE, "built anew: a");
    check_told(&it.told[1], RELOAD_DONE, "built anew: a");
    check_told(&it.told[2], RELOAD_DONE, "built anew: a");
    CHECK_INT(timeout_of_a(&it), 8000);
    CHECK_INT(it.changes, 2);
    CHECK_INT(reload_counts(it.run.reload).succeeded, 2);
    CHECK(flow.answer.complete);
    CHECK_INT(router_counts(it.rig.router, 0).delivered, 2);
    end(&it);
}

/* HUP waits for no answer, so there can't be too many. */
static void of_a_thousand_signals_none_is_lost(void)
{
    struct changing it;
    struct rig_flow flow = {0};
    begin(&it, HOLDS);
    rig_flow(&it.rig, &flow, "1:a", 1, NULL, false);
    vworld_settle(&it.rig.world);
    write_config(&it, OTHER);
    for (int i = 0; i < 500; i++)
        CHECK_INT(reload_request(it.run.reload, "HUP", NULL, NULL), 0);
    vworld_run(&it.rig.world, SECOND_MS);
    write_config(&it, THIRD);
    for (int i = 0; i < 500; i++)
        CHECK_INT(reload_request(it.run.reload, "HUP", NULL, NULL), 0);
    vworld_run(&it.rig.world, LET_GO_MS);
    CHECK_INT(timeout_of_a(&it), 8000);
    CHECK_INT(reload_counts(it.run.reload).succeeded, 2);
    CHECK_INT(reload_counts(it.run.reload).refused, 0);
    end(&it);
}

static void who_waits_for_an_answer_may_be_told_that_too_many_do(void)
{
    struct changing it;
    begin(&it, PLAIN);
    for (size_t i = 0; i < ASKERS; i++)
        ask(&it, i);
    CHECK_INT(reload_request(it.run.reload, "test", on_told, &it.told[ASKERS]), -EBUSY);
    write_config(&it, OTHER);
    CHECK_INT(reload_request(it.run.reload, "HUP", NULL, NULL), 0);
    reload_forget(it.run.reload, &it.told[3]);
    vworld_settle(&it.rig.world);
    for (size_t i = 0; i < ASKERS; i++)
        if (i != 3)
            check_told(&it.told[i], RELOAD_DONE, "built anew: a");
    CHECK_INT(it.told[3].times, 0);
    CHECK_INT(it.told[ASKERS].times, 0);
    CHECK_INT(timeout_of_a(&it), 9000);
    ask(&it, ASKERS);
    vworld_settle(&it.rig.world);
    check_told(&it.told[ASKERS], RELOAD_UNCHANGED, "nothing that is in use differs");
    end(&it);
}

/* ---- all or nothing ---- */

struct refusal {
    const char *name, *sinks;
    bool lacks;
    int look_up_rc;     /* -errno at once */
    int look_up_status; /* -errno later */
    enum reload_result result;
    const char *text;
};

static void what_was_opened_is_closed_when_the_rest_fails(void)
{
    static const struct refusal rows[] = {
        {"the next sink can't be opened", OTHER ONE BROKEN, false, 1, 0, RELOAD_INVALID,
         "is no queue URL"},
        {"a sink without a plugin", OTHER ONE ",\"two\":{\"plugin\":\"nowhere\"}", false, 1, 0,
         RELOAD_INVALID, "nowhere"},
        {"images are lacking", OTHER ONE, true, 1, 0, RELOAD_INVALID,
         "the stream has no old images"},
        {"what is stored can't be read", OTHER ONE, false, -EIO, 0, RELOAD_FAILED,
         "the stored positions can't be had"},
        {"not later, either", OTHER ONE, false, 0, -EIO, RELOAD_FAILED,
         "the stored positions can't be had"},
        {"the source ends meanwhile", OTHER ONE, false, 0, -ECANCELED, RELOAD_FAILED,
         "weir is stopping"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct refusal *row = &rows[i];
        struct changing it;
        struct rig_flow flow = {0};
        begin(&it, PLAIN);
        it.lacks = row->lacks;
        it.look_up_rc = row->look_up_rc;
        write_config(&it, row->sinks);
        ask(&it, 0);
        vworld_run(&it.rig.world, SECOND_MS);
        if (row->look_up_rc == 0 && it.ready) {
            CHECK_INT(it.told[0].times, 0);
            it.ready(it.ready_arg, row->look_up_status);
        }
        vworld_run(&it.rig.world, SECOND_MS);
        check_told(&it.told[0], row->result, row->text);
        CHECK(strstr(it.told[0].text, "the running configuration was kept") != NULL);
        CHECK_INT(times_in(it.opened, "open one"), 1);
        CHECK_INT(times_in(it.opened, "close one"), 1);
        CHECK_INT(it.changes, 0);
        CHECK_INT(timeout_of_a(&it), 60000);
        CHECK_INT(router_sink_count(it.rig.router), 1);
        rig_flow(&it.rig, &flow, "1:a 2:b", 1, NULL, false);
        vworld_settle(&it.rig.world);
        CHECK(flow.answer.complete);
        CHECK_INT(times_in(it.given, "\n"), 2);
        if (it.told[0].times != 1 || !flow.answer.complete)
            printf("\n    %s", row->name);
        end(&it);
    }
}

/* ---- a sink that holds what it has ---- */

/* The window is full; the new one gets what the old one did not finish, each record once. */
static void what_a_blocked_sink_holds_goes_to_the_new_one(void)
{
    struct changing it;
    struct rig_flow flow = {0};
    begin(&it, HOLDS);
    rig_flow(&it.rig, &flow, "1:a 2:b 3:a 4:c", 1, NULL, false);
    vworld_run(&it.rig.world, SECOND_MS);
    CHECK_INT(times_in(it.given, "\n"), 1); /* e1; the window is one record */
    write_config(&it, OTHER);
    ask(&it, 0);
    vworld_run(&it.rig.world, LET_GO_MS - 1);
    CHECK_INT(it.told[0].times, 0);
    CHECK_INT(times_in(it.given, "\n"), 1);
    vworld_run(&it.rig.world, SECOND_MS);
    check_told(&it.told[0], RELOAD_DONE, "built anew: a");
    CHECK(flow.answer.complete);
    CHECK_INT(times_in(it.given, "\n"), 5); /* e1 again */
    CHECK_INT(router_counts(it.rig.router, 0).delivered, 4);
    CHECK_INT(router_counts(it.rig.router, 0).dead, 0);
    end(&it);
}

/* ---- while weir stops ---- */

/* Whatever the file says by now, it is not even read. */
static void a_run_that_stops_takes_no_other_configuration(void)
{
    static const char *const files[] = {PLAIN, OTHER ONE, OTHER BROKEN, "\"a\":"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct changing it;
        struct rig_flow flow = {0};
        begin(&it, PLAIN);
        it.run.signals = 1;
        reload_stop(it.run.reload);
        write_config(&it, files[i]);
        ask(&it, 0);
        CHECK_INT(reload_request(it.run.reload, "HUP", NULL, NULL), 0);
        vworld_settle(&it.rig.world);
        check_told(&it.told[0], RELOAD_FAILED,
                   "weir is stopping; the running configuration was kept");
        CHECK_INT(times_in(it.log, "W1213"), 1);
        CHECK_INT(times_in(it.log, "W1211"), 0);
        CHECK_INT(times_in(it.opened, "open"), 0);
        rig_flow(&it.rig, &flow, "1:a 2:b", 1, NULL, false);
        vworld_settle(&it.rig.world);
        CHECK(flow.answer.complete);
        end(&it);
    }
}

/* The drain does not wait for the reload that waits for a plugin. */
static void a_reload_under_way_makes_room_for_the_drain(void)
{
    struct changing it;
    struct rig_flow flow = {0};
    /* a window of 10 */
    begin(&it, SINK_A "0,\"timeout\":\"1h\"" ANSWERS("{\"e1\":[\"never\"]}"));
    rig_flow(&it.rig, &flow, "1:a", 1, NULL, false);
    vworld_settle(&it.rig.world);
    write_config(&it, OTHER ONE);
    ask(&it, 0);
    vworld_run(&it.rig.world, SECOND_MS);
    struct rig_flow last = {0};
    rig_flow(&it.rig, &last, "2:b 3:c", 1, NULL, false);
    vworld_run(&it.rig.world, SECOND_MS);
    CHECK(!last.answer.came); /* the sink gets nothing more until it is exchanged */
    it.run.signals = 1;
    reload_stop(it.run.reload);
    vworld_settle(&it.rig.world);
    check_told(&it.told[0], RELOAD_FAILED, "weir is stopping; the running configuration was kept");
    CHECK_INT(times_in(it.opened, "close one"), 1);
    CHECK(last.answer.complete);
    CHECK(!flow.answer.came);
    CHECK_INT(it.changes, 0);
    end(&it);
}

/* The loop has ended before it was looked at: that is said, too. */
static void who_asks_too_late_is_heard(void)
{
    struct changing it;
    begin(&it, PLAIN);
    write_config(&it, OTHER);
    CHECK_INT(reload_request(it.run.reload, "HUP", NULL, NULL), 0);
    it.run.signals = 1;
    reload_end(it.run.reload);
    CHECK_INT(times_in(it.log, "weir is stopping; the running configuration was kept"), 1);
    CHECK_INT(times_in(it.log, "W1213"), 1);
    end(&it);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"who_asks_while_one_is_under_way_gets_the_last_content",
         who_asks_while_one_is_under_way_gets_the_last_content},
        {"of_a_thousand_signals_none_is_lost", of_a_thousand_signals_none_is_lost},
        {"who_waits_for_an_answer_may_be_told_that_too_many_do",
         who_waits_for_an_answer_may_be_told_that_too_many_do},
        {"what_was_opened_is_closed_when_the_rest_fails",
         what_was_opened_is_closed_when_the_rest_fails},
        {"what_a_blocked_sink_holds_goes_to_the_new_one",
         what_a_blocked_sink_holds_goes_to_the_new_one},
        {"a_run_that_stops_takes_no_other_configuration",
         a_run_that_stops_takes_no_other_configuration},
        {"a_reload_under_way_makes_room_for_the_drain",
         a_reload_under_way_makes_room_for_the_drain},
        {"who_asks_too_late_is_heard", who_asks_too_late_is_heard},
        {NULL, NULL}};
    return unit_main(argc, argv, "cli, reloads at bad moments", tests);
}
