/* What ends a run from outside its source: signals, the grace, and sinks that only an end helps. */
#include "cli/reload.h"
#include "cli/run.h"
#include "rig.h"

#include <signal.h>

enum { MINUTE_MS = 60000 };

struct watched { /* a run over a scripted router; its source only counts */
    struct run run;
    struct cli cli;
    struct rig rig;
    struct rig_flow flow;
    struct config config;
    unsigned stopped, hurried;
};

static void count_stop(struct run *run)
{
    ((struct watched *)run)->stopped++;
}

static void count_hurry(struct run *run)
{
    ((struct watched *)run)->hurried++;
}

static const struct run_source daemon_source = {count_stop, count_hurry, .gives_up = false};
static const struct run_source ending_source = {count_stop, count_hurry, .gives_up = true};

static int32_t down(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return WEIR_DOWN;
}

static int32_t hold(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
}

struct watch_case {
    const char *name;
    const struct run_source *source;
    bool optional;
    int32_t (*script)(struct vsink *sink, const struct vseen *seen);
    int minutes;   /* that pass */
    int exit_code; /* 0 = it goes on */
};

/* One record, given to a sink "a" that does as the script says and to "b", which takes all. */
static void begin(struct watched *it, const struct watch_case *one)
{
    const struct log_config quiet = {.level = WEIR_LOG_ERROR + 1, .fd = 2};
    memset(it, 0, sizeof *it);
    rig_init(&it->rig, 2, false);
    it->rig.config.blocks_for_ever = true;
    it->rig.sinks[0].script = one->script;
    it->rig.sinks[0].on_cancel = VSINK_HOLD;
    it->rig.routes[0].required = !one->optional;
    rig_start(&it->rig);
    it->config.shutdown_grace_ms = 5000;
    it->run.cli = &it->cli;
    it->run.config = &it->config;
    it->run.protocol_fd = -1; /* the test's own standard output is nobody's business */
    it->run.log = log_new(&quiet, NULL);
    it->run.pipeline.world = it->rig.world.world;
    it->run.pipeline.router = it->rig.router;
    CHECK_FATAL(it->run.log &&
                loop_new(&(struct loop_config){0}, &it->run.pipeline.loop, &(struct err){0}) == 0);
    run_watch(&it->run, one->source);
    rig_flow(&it->rig, &it->flow, "1:a", 3, NULL, false);
}

static void end(struct watched *it)
{
    struct clock *clock = &it->run.pipeline.world.clock;
    run_unwatch(&it->run);
    clock->disarm(clock->ctx, &it->run.grace);
    reload_end(it->run.reload);
    reload_free(it->run.reload);
    CHECK_INT(loop_free(it->run.pipeline.loop), 0);
    log_free(it->run.log);
    router_stop(it->rig.router);
    vsink_say_all(&it->rig.sinks[0], WEIR_OK);
    vworld_settle(&it->rig.world);
    rig_done(&it->rig);
}

static void a_run_ends_where_only_an_end_helps(void)
{
    static const struct watch_case cases[] = {
        {"all is well", &ending_source, false, NULL, 20, 0},
        {"not yet", &ending_source, false, down, 1, 0},
        {"a required sink is down", &ending_source, false, down, 3, EXIT_TEMPFAIL},
        {"a daemon waits for it", &daemon_source, false, down, 20, 0},
        {"an optional sink is down", &ending_source, true, down, 20, 0},
        {"of a daemon, too", &daemon_source, true, down, 20, 0},
        {"a plugin hangs, not long", &daemon_source, false, hold, 4, 0},
        {"a plugin hangs", &daemon_source, false, hold, 6, EXIT_SOFTWARE},
        {"one that nothing waits for", &daemon_source, true, hold, 20, 0},
        {"down comes first where that ends it", &ending_source, false, hold, 6, EXIT_TEMPFAIL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct watched it;
        begin(&it, &cases[i]);
        vworld_run(&it.rig.world, (int64_t)cases[i].minutes * MINUTE_MS);
        if (it.run.exit_code != cases[i].exit_code || it.hurried != (cases[i].exit_code != 0))
            printf("case: %s\n", cases[i].name);
        CHECK_INT(it.run.exit_code, cases[i].exit_code);
        CHECK_INT(it.hurried, cases[i].exit_code != 0); /* once; nobody is told twice */
        CHECK_INT(it.stopped, 0);
        end(&it);
    }
}

static void let_loop_turn(struct timer *timer)
{
    (void)timer;
}

/* TERM reaches the run through the real loop, the grace passes in virtual time. */
static void F71_a_signal_stops_the_source_and_the_grace_hurries_it(void)
{
    static const struct watch_case none = {"", &daemon_source, false, hold, 0, 0};
    for (int exit_code = 0; exit_code <= EXIT_NO; exit_code += EXIT_NO) {
        struct watched it;
        struct world real;
        struct timer turn = {.fire = let_loop_turn};
        begin(&it, &none);
        it.run.exit_code = exit_code;
        loop_world(it.run.pipeline.loop, &real);
        raise(SIGTERM);
        for (int i = 0; i < 1000 && !it.stopped; i++) {
            real.clock.arm(real.clock.ctx, &turn, 1);
            loop_run(it.run.pipeline.loop);
        }
        CHECK_INT(it.stopped, 1);
        vworld_run(&it.rig.world, it.config.shutdown_grace_ms - 1);
        CHECK_INT(it.hurried, 0);
        vworld_run(&it.rig.world, 1);
        CHECK_INT(it.hurried, 1);
        CHECK_INT(it.run.exit_code, exit_code ? exit_code : EXIT_TEMPFAIL); /* the first counts */
        end(&it);
    }
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"a_run_ends_where_only_an_end_helps", a_run_ends_where_only_an_end_helps},
        {"F71_a_signal_stops_the_source_and_the_grace_hurries_it",
         F71_a_signal_stops_the_source_and_the_grace_hurries_it},
        {NULL, NULL}};
    return unit_main(argc, argv, "cli, what ends a run", tests);
}
