/* A sink that holds up reading for too long (D4): the others go on, and it misses and repeats
 * nothing. */
#include "prig.h"

#include "router/exchange.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS, QUEUE = 60 };

struct act { /* of one sink */
    struct prig prig;
    int64_t max_hold_ms[3];
    bool down;      /* sink 1 is */
    uint64_t stuck; /* the lane of which it answers `retry`; 0 = none */
};

static int32_t acted(struct vsink *sink, const struct vseen *seen)
{
    const struct act *act = sink->arg;
    if (act->down)
        return WEIR_DOWN;
    return act->stuck && seen->lane == act->stuck ? WEIR_RETRY : WEIR_OK;
}

static struct prig *act_init(struct act *act, size_t sinks, unsigned partitions)
{
    struct prig *prig = &act->prig;
    *act = (struct act){.max_hold_ms = {6 * HOUR_MS, 6 * HOUR_MS, 6 * HOUR_MS}};
    prig_init(prig, sinks);
    prig->rig.config.queued_records = QUEUE;
    prig->config.max_hold_ms = act->max_hold_ms;
    prig->config.parallelization_factor = 10;
    prig->config.batch_size = 10;
    prig->rig.sinks[1].script = acted;
    prig->rig.sinks[1].arg = act;
    prig->rig.routes[1].max_attempts = 1000000;
    streams_model_create(&prig->model, "Products", partitions, prig_unix_ms(prig));
    return prig;
}

static size_t written(const struct prig *prig)
{
    const struct model_stream *stream = &prig->model.streams[0];
    size_t total = 0;
    for (size_t i = 0; i < stream->count; i++)
        total += stream->shards[i].count;
    return total;
}

static void write_for(struct prig *prig, int64_t ms)
{
    for (; ms > 0; ms -= 10 * MINUTE_MS) {
        prig_write(prig, 0, 20, 7);
        prig_run(prig, 10 * MINUTE_MS);
    }
}

static void check_whole(struct prig *prig, size_t sink)
{
    size_t repeats;
    CHECK_INT(prig_got(prig, sink, &repeats), written(prig));
    CHECK_INT(repeats, 0);
    CHECK(prig_in_order(prig, sink));
}

/* Each record that a sink answered with `ok` was given to it once, and in order. */
static void check_stored_once(struct prig *prig, size_t sink)
{
    const struct vsink *from = &prig->rig.sinks[sink];
    size_t ok = 0;
    for (size_t i = 0; i < from->count; i++) {
        if (from->log[i].outcome != WEIR_OK)
            continue;
        ok++;
        for (size_t k = i + 1; k < from->count; k++)
            if (from->log[k].lane == from->log[i].lane)
                CHECK_FATAL(
                    sequence_cmp(str_of(from->log[k].sequence), str_of(from->log[i].sequence)) > 0);
    }
    CHECK_INT(ok, written(prig));
}

static void check_positions(struct prig *prig, size_t sink)
{
    const struct model_stream *stream = &prig->model.streams[0];
    for (size_t i = 0; i < stream->count; i++) {
        const struct state_row *row = prig_row(prig, sink, 0, i);
        const struct model_shard *shard = &stream->shards[i];
        CHECK_FATAL(row != NULL);
        CHECK_INT(row->done, shard->closed_ms != 0);
        if (shard->count)
            CHECK_INT(streams_model_number(row->position.ptr, row->position.len),
                      shard->records[shard->count - 1].number);
    }
}

static void finish(struct act *act)
{
    struct prig *prig = &act->prig;
    prig_stop(prig, 0);
    check_whole(prig, 0);
    check_stored_once(prig, 1);
    check_positions(prig, 0);
    check_positions(prig, 1);
    prig_done(prig);
}

static void D4_a_sink_that_holds_reading_for_6_h_is_detached_and_catches_up(void)
{
    struct act act;
    struct prig *prig = act_init(&act, 2, 2);
    prig_start(prig);
    write_for(prig, HOUR_MS);
    act.down = true;
    write_for(prig, 5 * HOUR_MS);
    CHECK_INT(prig_lines(prig, "W0807"), 1);
    CHECK_INT(prig_lines(prig, "W0814"), 0);
    CHECK(prig_got(prig, 0, NULL) < written(prig)); /* reading is held */
    write_for(prig, 3 * HOUR_MS);
    CHECK_INT(prig_lines(prig, "W0814"), 1);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 1);
    CHECK(poll_sink(prig->poll, 1).detached);
    CHECK(poll_sink(prig->poll, 1).oldest_ms > 6 * HOUR_MS);
    CHECK_INT(poll_sink(prig->poll, 1).shards_behind, 2);
    CHECK(!poll_sink(prig->poll, 0).detached);
    check_whole(prig, 0);
    act.down = false;
    write_for(prig, HOUR_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    CHECK_INT(prig_lines(prig, "W0822 sink b has caught up"), 1);
    check_stored_once(prig, 1);
    write_for(prig, HOUR_MS);
    CHECK_INT(poll_counts(prig->poll).shards_reading, 2);
    finish(&act);
}

static void D4_what_it_finished_behind_a_stuck_record_is_not_given_to_it_again(void)
{
    struct act act;
    struct prig *prig = act_init(&act, 2, 1);
    prig_start(prig);
    prig_write(prig, 0, 10, 7);
    prig_run(prig, MINUTE_MS);
    CHECK_FATAL(prig->rig.sinks[1].count > 0);
    act.stuck = prig->rig.sinks[1].log[0].lane;
    write_for(prig, 13 * HOUR_MS);
    CHECK_INT(prig_lines(prig, "W0814"), 1);
    check_whole(prig, 0);
    act.stuck = 0;
    write_for(prig, HOUR_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    finish(&act);
}

static void D4_children_wait_for_their_parents_while_a_sink_catches_up(void)
{
    struct act act;
    struct prig *prig = act_init(&act, 3, 2);
    prig_start(prig);
    write_for(prig, HOUR_MS);
    act.down = true;
    for (int i = 0; i < 9; i++) {
        write_for(prig, HOUR_MS);
        size_t leaf = streams_model_leaf(&prig->model, 0, (uint32_t)i);
        streams_model_close(&prig->model, 0, leaf, 1 + (unsigned)i % 2, prig_unix_ms(prig));
    }
    prig_run(prig, 10 * MINUTE_MS);
    CHECK_INT(prig_lines(prig, "W0814"), 1);
    check_whole(prig, 0);
    check_whole(prig, 2);
    act.down = false;
    write_for(prig, HOUR_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    finish(&act);
}

static void D4_a_crash_while_detached_starts_from_the_stored_positions(void)
{
    struct act act;
    struct prig *prig = act_init(&act, 2, 2);
    prig_start(prig);
    act.down = true;
    write_for(prig, 8 * HOUR_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 1);
    prig_crash(prig);
    prig_start(prig);
    write_for(prig, HOUR_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 1); /* still down: at once */
    CHECK_INT(prig_got(prig, 0, NULL), written(prig));
    act.down = false;
    write_for(prig, HOUR_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    prig_stop(prig, 0);
    CHECK_INT(prig_got(prig, 0, NULL), written(prig));
    check_stored_once(prig, 1);
    check_positions(prig, 1);
    prig_done(prig);
}

/* Shards in which nothing happens tell nothing of the sink: it is probed with those that wait. */
static void D4_idle_shards_do_not_keep_a_sink_from_being_probed(void)
{
    static const enum poll_position starts[] = {POLL_TRIM_HORIZON, POLL_LATEST};
    for (size_t k = 0; k < 6; k++) {
        struct act act;
        struct prig *prig = act_init(&act, 2, 3);
        uint32_t item = 0;
        while (streams_model_leaf(&prig->model, 0, item) != k / 2)
            item++;
        prig->config.start = starts[k % 2];
        prig_start(prig);
        prig_run(prig, MINUTE_MS);
        act.down = true;
        for (int i = 0; i < 200; i++) {
            struct model_write write = {.item = item};
            streams_model_write(&prig->model, 0, &write, prig_unix_ms(prig));
            prig_run(prig, 3 * MINUTE_MS);
        }
        CHECK(prig_lines(prig, "W0814") > 0);
        act.down = false;
        prig_run(prig, HOUR_MS);
        CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
        finish(&act);
    }
}

static void D4_one_that_goes_down_again_while_it_catches_up_goes_on_later(void)
{
    struct act act;
    struct prig *prig = act_init(&act, 2, 3);
    prig->rig.sinks[1].delay_ms = 300;
    prig_start(prig);
    act.down = true;
    write_for(prig, 12 * HOUR_MS);
    for (int i = 0; i < 20; i++) {
        act.down = !act.down;
        prig_run(prig, i % 3 * 40 * SECOND_MS + 1500);
    }
    CHECK_INT(prig_lines(prig, "W0814"), 1);
    act.down = false;
    write_for(prig, HOUR_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    finish(&act);
}

static void D4_the_only_sink_is_not_detached_and_is_warned_of(void)
{
    struct act act;
    struct prig *prig = act_init(&act, 2, 1);
    prig->config.optional = 1;
    prig->rig.routes[0].required = false;
    prig->rig.routes[0].queue_records = 10000;
    prig_start(prig);
    act.down = true;
    write_for(prig, 11 * HOUR_MS);
    CHECK_INT(prig_lines(prig, "W0815"), 0);
    write_for(prig, 2 * HOUR_MS);
    CHECK_INT(prig_lines(prig, "W0815"), 1);
    CHECK(!poll_sink(prig->poll, 1).may_lose);
    write_for(prig, 7 * HOUR_MS);
    CHECK_INT(prig_lines(prig, "W0815"), 1);
    CHECK_INT(prig_lines(prig, "W0816"), 1);
    CHECK(poll_sink(prig->poll, 1).may_lose);
    CHECK_INT(prig_lines(prig, "W0814"), 0);
    act.down = false;
    write_for(prig, HOUR_MS);
    CHECK(!poll_sink(prig->poll, 1).may_lose);
    prig_stop(prig, 0);
    check_stored_once(prig, 1);
    check_positions(prig, 1);
    prig_done(prig);
}

static void D4_a_detached_sink_is_warned_of_as_well(void)
{
    struct act act;
    struct prig *prig = act_init(&act, 2, 2);
    prig_start(prig);
    act.down = true;
    write_for(prig, 20 * HOUR_MS);
    CHECK_INT(prig_lines(prig, "W0814"), 1);
    CHECK_INT(prig_lines(prig, "W0815"), 1);
    CHECK_INT(prig_lines(prig, "W0816"), 1);
    act.down = false;
    write_for(prig, HOUR_MS);
    finish(&act);
}

static void D4_positions_of_one_that_stays_detached_stay_when_stopped(void)
{
    struct act act;
    struct prig *prig = act_init(&act, 2, 1);
    prig_start(prig);
    write_for(prig, HOUR_MS);
    uint64_t last = written(prig);
    act.down = true;
    write_for(prig, 9 * HOUR_MS);
    poll_stop(prig->poll);
    prig_run(prig, MINUTE_MS);
    router_stop(prig->rig.router);
    poll_hurry(prig->poll);
    CHECK(vworld_until(&prig->rig.world, &prig->finished, HOUR_MS));
    const struct model_shard *shard = &prig->model.streams[0].shards[0];
    const struct state_row *row = prig_row(prig, 1, 0, 0);
    CHECK_INT(streams_model_number(row->position.ptr, row->position.len),
              shard->records[last - 1].number);
    row = prig_row(prig, 0, 0, 0);
    CHECK_INT(streams_model_number(row->position.ptr, row->position.len),
              shard->records[shard->count - 1].number);
    prig_end(prig);
    act.down = false;
    prig_start(prig);
    write_for(prig, HOUR_MS);
    finish(&act);
}

static size_t stored(const struct prig *prig, size_t sink)
{
    const struct vsink *from = &prig->rig.sinks[sink];
    size_t ok = 0;
    for (size_t i = 0; i < from->count; i++)
        ok += from->log[i].outcome == WEIR_OK;
    return ok;
}

/* Where the server knows no start by time, what is older than it was passed over when it was first
 * read, and is once more when the sink reads alone: else it would come behind newer records. */
static void D4_what_was_older_than_the_start_stays_passed_over(void)
{
    struct act act;
    struct prig *prig = act_init(&act, 2, 1);
    prig->model.no_timestamp = true;
    prig->config.start = POLL_LATEST;
    prig_write(prig, 0, 7, 7);
    prig_run(prig, 10 * MINUTE_MS);
    act.down = true;
    prig_start(prig);
    prig_run(prig, MINUTE_MS);
    write_for(prig, 8 * HOUR_MS);
    CHECK_INT(prig_lines(prig, "W0814"), 1);
    CHECK_INT(prig_got(prig, 0, NULL), written(prig) - 7);
    act.down = false;
    write_for(prig, HOUR_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    CHECK_INT(stored(prig, 1), written(prig) - 7);
    CHECK(prig_in_order(prig, 1));
    prig_stop(prig, 0);
    prig_done(prig);
}

static const char *orders_are_not_described(void *ctx, const struct model_call *call)
{
    const bool *hidden = ctx;
    return *hidden && call->kind == MODEL_DESCRIBE && call->stream == 1 ? "InternalServerError"
                                                                        : NULL;
}

/* The others have finished a shard of a stream that is found while the sink is detached: what the
 * sink lacks of it is still to be read. */
static void D4_a_stream_found_meanwhile_is_not_over_for_the_detached_sink(void)
{
    bool hidden = false;
    struct act act;
    struct prig *prig = act_init(&act, 2, 1);
    streams_model_create(&prig->model, "Orders", 1, prig_unix_ms(prig));
    prig->tables[1] = "Orders";
    prig->model.fault = orders_are_not_described;
    prig->model.ctx = &hidden;
    act.down = true;
    prig_write(prig, 1, 10, 3);
    streams_model_close(&prig->model, 1, 0, 1, prig_unix_ms(prig));
    prig_start(prig);
    prig_run(prig, 10 * MINUTE_MS);
    CHECK_INT(prig_got(prig, 0, NULL), 10);
    prig_crash(prig);
    hidden = true;
    prig_start(prig);
    write_for(prig, 8 * HOUR_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 1);
    hidden = false;
    prig_run(prig, HOUR_MS);
    act.down = false;
    prig_run(prig, HOUR_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    CHECK_INT(stored(prig, 1), written(prig) + 10);
    prig_stop(prig, 0);
    prig_done(prig);
}

/* The records of a shard fill the window of sink 1, which is stuck, more than once. */
static void fill_first(struct act *act)
{
    struct prig *prig = &act->prig;
    prig->config.batch_size = 100;
    prig_write(prig, 0, 1, 1);
    act->down = true;
    prig_start(prig);
    prig_run(prig, MINUTE_MS);
    CHECK_FATAL(prig->rig.sinks[1].count > 0);
    act->stuck = prig->rig.sinks[1].log[0].lane;
    act->down = false;
    prig_write(prig, 0, 350, 1);
}

/* The one behind it does so with one page, its last. */
static void close_first_two(struct prig *prig)
{
    streams_model_close(&prig->model, 0, 0, 1, prig_unix_ms(prig));
    prig_write(prig, 0, QUEUE + 10, 1);
    streams_model_close(&prig->model, 0, 1, 1, prig_unix_ms(prig));
}

/* A child that only the detached sink still wants: what it would wait for before its gate must not
 * take the room of what the gate waits for. The others go on behind it. */
static void D4_a_child_that_only_the_detached_sink_lacks_does_not_fill_its_window(void)
{
    struct act act;
    struct prig *prig = act_init(&act, 2, 1);
    fill_first(&act);
    close_first_two(prig);
    prig_run(prig, 8 * HOUR_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 1);
    check_whole(prig, 0);
    prig_crash(prig);
    prig_start(prig);
    int said = prig_lines(prig, "W0814");
    for (int i = 0; i < 60 && prig_lines(prig, "W0814") == said; i++)
        prig_run(prig, SECOND_MS);
    CHECK_INT(prig_lines(prig, "W0814"), said + 1);
    prig->rig.sinks[1].delay_ms = 300;
    act.stuck = 0;
    prig_run(prig, 10 * MINUTE_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    CHECK_INT(prig_lines(prig, "W0814"), said + 1);
    finish(&act);
}

static void on_first_removed(void *arg, int status, size_t sink)
{
    struct prig *prig = arg;
    (void)sink;
    CHECK_INT(status, 0);
    router_remove(prig->rig.router, 1);
    poll_remove_sinks(prig->poll, 1);
    poll_set_optional(prig->poll, 0, 0, NULL);
}

/* The same where nobody is left who has finished the child, or would. */
static void D4_a_detached_sink_that_is_left_alone_reads_shard_after_shard(void)
{
    struct act act;
    struct prig *prig = act_init(&act, 2, 1);
    fill_first(&act);
    prig_run(prig, 8 * HOUR_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 1);
    const struct exchange_config config = {
        .sinks = 1, .wait_ms = 1000, .ready = on_first_removed, .arg = prig};
    CHECK_INT(router_exchange(prig->rig.router, &config), 0);
    prig_run(prig, MINUTE_MS);
    CHECK(router_sink_gone(prig->rig.router, 0));
    close_first_two(prig);
    prig_run(prig, HOUR_MS);
    CHECK_INT(prig_lines(prig, "W0809"), 0); /* it reads alone what could be read */
    act.stuck = 0;
    prig_run(prig, 10 * MINUTE_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    check_stored_once(prig, 1);
    prig_stop(prig, 0);
    check_positions(prig, 1);
    prig_done(prig);
}

static void on_removed(void *arg, int status, size_t sink)
{
    struct prig *prig = arg;
    (void)sink;
    CHECK_INT(status, 0);
    router_remove(prig->rig.router, 2);
    poll_remove_sinks(prig->poll, 2);
    poll_set_optional(prig->poll, 0, 0, NULL);
}

/* It goes while it holds up the reading (0), is detached (1), or catches up (2). */
static void a_sink_that_is_removed_holds_up_nothing_any_more(void)
{
    for (int when = 0; when < 3; when++) {
        struct act act;
        struct prig *prig = act_init(&act, 3, 2);
        prig_start(prig);
        write_for(prig, HOUR_MS);
        act.down = true;
        write_for(prig, when == 0 ? 4 * HOUR_MS : 8 * HOUR_MS);
        CHECK_INT(poll_counts(prig->poll).sinks_detached, when > 0);
        act.down = when < 2;
        prig_run(prig, when < 2 ? 0 : 300);
        const struct exchange_config config = {
            .sinks = 2, .wait_ms = 1000, .ready = on_removed, .arg = prig};
        CHECK_INT(router_exchange(prig->rig.router, &config), 0);
        prig_run(prig, MINUTE_MS);
        CHECK(router_sink_gone(prig->rig.router, 1));
        size_t given = prig->rig.sinks[1].count;
        act.down = false;
        streams_model_close(&prig->model, 0, 0, 2, prig_unix_ms(prig));
        write_for(prig, HOUR_MS);
        CHECK_INT(prig->rig.sinks[1].count, given);
        CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
        prig_stop(prig, 0);
        check_whole(prig, 0);
        check_whole(prig, 2);
        check_positions(prig, 0);
        CHECK(prig_row(prig, 1, 0, 1) != NULL); /* its rows stay */
        prig_done(prig);
    }
}

static const struct unit_test tests[] = {
    {"D4_a_child_that_only_the_detached_sink_lacks_does_not_fill_its_window",
     D4_a_child_that_only_the_detached_sink_lacks_does_not_fill_its_window},
    {"D4_a_detached_sink_that_is_left_alone_reads_shard_after_shard",
     D4_a_detached_sink_that_is_left_alone_reads_shard_after_shard},
    {"D4_what_was_older_than_the_start_stays_passed_over",
     D4_what_was_older_than_the_start_stays_passed_over},
    {"D4_a_stream_found_meanwhile_is_not_over_for_the_detached_sink",
     D4_a_stream_found_meanwhile_is_not_over_for_the_detached_sink},
    {"a_sink_that_is_removed_holds_up_nothing_any_more",
     a_sink_that_is_removed_holds_up_nothing_any_more},
    {"D4_a_sink_that_holds_reading_for_6_h_is_detached_and_catches_up",
     D4_a_sink_that_holds_reading_for_6_h_is_detached_and_catches_up},
    {"D4_what_it_finished_behind_a_stuck_record_is_not_given_to_it_again",
     D4_what_it_finished_behind_a_stuck_record_is_not_given_to_it_again},
    {"D4_children_wait_for_their_parents_while_a_sink_catches_up",
     D4_children_wait_for_their_parents_while_a_sink_catches_up},
    {"D4_a_crash_while_detached_starts_from_the_stored_positions",
     D4_a_crash_while_detached_starts_from_the_stored_positions},
    {"D4_idle_shards_do_not_keep_a_sink_from_being_probed",
     D4_idle_shards_do_not_keep_a_sink_from_being_probed},
    {"D4_one_that_goes_down_again_while_it_catches_up_goes_on_later",
     D4_one_that_goes_down_again_while_it_catches_up_goes_on_later},
    {"D4_the_only_sink_is_not_detached_and_is_warned_of",
     D4_the_only_sink_is_not_detached_and_is_warned_of},
    {"D4_a_detached_sink_is_warned_of_as_well", D4_a_detached_sink_is_warned_of_as_well},
    {"D4_positions_of_one_that_stays_detached_stay_when_stopped",
     D4_positions_of_one_that_stays_detached_stay_when_stopped},
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "poll_detach", tests);
}
