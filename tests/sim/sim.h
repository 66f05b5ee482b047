/* The simulator: the real core (polling source, discovery, router, AWS client) in virtual processes
 * over one virtual time, against a model of DynamoDB Streams, in-model tables and queues behind the
 * real plugins, scripted sinks, and a store that survives crashes. One seed is one run.
 *
 * A crash is exact: nothing of the process runs any more, by longjmp out of whatever it was doing;
 * what it had allocated is left behind. So a run belongs into a child process of its own. */
#ifndef WEIR_TESTS_SIM_H
#define WEIR_TESTS_SIM_H
#include "aws/aws.h"
#include "record/match.h"
#include "router/router.h"
#include "source/poll.h"
#include "streams_model.h"
#include "unit.h"
#include "util/alloc.h"
#include "vstore.h"
#include "vworld.h"

#include <setjmp.h>

enum { SIM_SINKS = 5, SIM_PROCESSES = 2, SIM_STREAMS = 8, SIM_WINDOWS = 8 };
#define SIM_START_MS 1767225600000LL /* unix time at the virtual time 0 */

struct sim;

/* ---- what there is to know of a record, and what became of it ---- */

struct sim_truth { /* in the order written; the index names the record everywhere */
    uint64_t number;
    int64_t at_ms; /* unix */
    uint32_t stream, shard, record, item, version;
    uint32_t lane;   /* its item, told apart from those of other tables */
    uint32_t before; /* the item's record before this one, plus 1; 0 = none */
    uint8_t event;
    bool poison;
};

enum sim_mark { /* per sink and record; durable, as the sink is */
                MARK_STORED = 1,
                MARK_SKIPPED = 2,
                MARK_LETTER = 4,  /* a dead letter about it is stored */
                MARK_REFUSED = 8, /* the sink said otherwise than ok at least once */
                MARK_GIVEN = 16,
                MARK_SEALED = 32 /* may not be given again: see sim_seal */
};

struct sim_progress { /* of a sink in a shard, as the store has it */
    uint64_t number;  /* of the position; 0 = none */
    size_t verified;  /* records of the shard before it are known to be finished */
    bool read_to_end, done;
};

/* ---- sinks ---- */

enum sim_kind { SIM_SCRIPTED, SIM_TABLE, SIM_QUEUE, SIM_FIFO };

struct sim_window {
    int64_t from_ms, to_ms;
}; /* virtual time */

struct sim_sink { /* configuration and behaviour: set before sim_begin */
    char name[16];
    enum sim_kind kind;
    struct route route; /* of it: order, required, on_exhausted, attempts, times, sizes */
    uint32_t events;    /* 0 = all; WEIR_* bits */
    bool letters_only, sync;
    const char *options; /* of a plugin; NULL = made up */
    unsigned version;    /* another one is built anew by a reload */
    /* scripted: what it says */
    int64_t slow_ms;                     /* most time it takes for a record; 0 = at once */
    unsigned retry_percent;              /* says retry, half of the time having stored it */
    unsigned poison_every;               /* refuses each n-th record for good; 0 = none */
    unsigned hang_percent;               /* says nothing until cancel() */
    unsigned late_percent;               /* of those it says ok after cancel() all the same */
    struct sim_window down[SIM_WINDOWS]; /* says down, also in windows of a table or queue */
    size_t down_count;
    /* run time */
    struct sim *sim;
    size_t index;
    uint8_t *marks; /* by truth */
    uint32_t *last; /* by lane: the highest truth + 1 stored for the first time */
    size_t mark_room, lane_room;
    struct sim_progress *progress[SIM_STREAMS];
    size_t progress_room[SIM_STREAMS];
    bool known[SIM_STREAMS];  /* it has a position there, in the store */
    bool missed[SIM_STREAMS]; /* the stream ended before it had */
    uint32_t all_before;      /* records before it are known to be finished */
    uint64_t given_count, stored_count, repeats, letters;
};

struct sim_lanes {   /* what one life's instances of a sink were given; by lane */
    uint32_t *given; /* the last truth + 1 */
    uint8_t *open;   /* records with the plugin */
    size_t room;
    uint8_t *said; /* by truth: ok was said of it, before anybody cancelled it */
    size_t said_room;
};

/* ---- faults of the network ---- */

struct sim_net {
    int64_t latency_ms;     /* most of it, there and back */
    unsigned lose_percent;  /* the answer is lost: HTTP_AMBIGUOUS, carried out or not */
    unsigned hang_percent;  /* no answer: HTTP_TIMEOUT */
    unsigned error_percent; /* 500 and 503 */
    unsigned throttle_percent;
    unsigned garble_percent;      /* 200, but half an answer */
    unsigned expire_percent;      /* streams: ExpiredIteratorException */
    unsigned unprocessed_percent; /* tables and queues: single entries are not taken */
    struct sim_window unreachable[SIM_WINDOWS];
    size_t unreachable_count;
};

struct sim_exchange;

/* ---- processes ---- */

struct sim_instance { /* of a sink; instance NULL: there is none */
    weir_instance *instance;
    struct sim_scripted *scripted; /* NULL: it is a plugin's */
    unsigned version;              /* of the sink when it was opened */
};

struct sim_places { /* the router's sinks, by index: the simulation's */
    size_t sink[SIM_SINKS], count;
    uint64_t gone; /* places that are empty */
};

struct sim_reload;

struct sim_process {
    struct sim *sim;
    unsigned life; /* counts starts; in-flight answers of earlier ones find nobody */
    bool alive, stopping, finished, revoking, paused;
    int exit_code;
    struct vworld *world; /* all of these are left behind by a crash */
    struct vstore *store;
    struct delivery_board *board;
    struct aws_client *aws;
    struct match_plan *plan;
    struct router *router;
    struct fetch_inline *fetch;
    struct poll *poll;
    struct sim_instance instances[SIM_SINKS]; /* by sink */
    struct sim_places places;
    int64_t max_hold_ms[SIM_SINKS]; /* by place */
    struct sim_reload *reload;      /* NULL: there was none yet */
    struct arena *options;
    bool stepped;
    bool alone; /* no other process lived when it began: leaks can be told */
    uint64_t lives_before;
    int64_t live_before;
    bool stopped_in_health; /* no faults were left when it was asked to stop */
    bool lost;              /* the state was taken from it: it may end by itself */
    bool starved;           /* memory was lacking in this life: it may give up */
    int64_t back_after_ms;  /* of a clean end; 0 = stays down */
    int64_t restart_at_ms;  /* of a process that ended; 0 = stays down */
};

/* ---- the run ---- */

struct sim_config { /* of the process; see struct poll_config */
    const char *tables[SIM_STREAMS + 1], *streams[SIM_STREAMS + 1];
    enum poll_position start;
    int64_t start_us;
    int64_t batch_size, batching_window_ms, parallelization_factor, idle_poll_ms, store_every_ms;
    bool on_gap_continue, once;
    enum route_exhausted on_poison;
    size_t poison_sink;
    size_t in_flight_bytes, queued_records;
    int64_t max_hold_ms[SIM_SINKS]; /* 0 = the sink is not detached */
};

struct sim {
    uint64_t seed, random;
    bool trace;
    int64_t now_ms; /* virtual; unix = SIM_START_MS + now_ms */
    struct streams_model model;
    struct sim_config config;
    struct sim_net net;
    struct sim_sink sinks[SIM_SINKS];
    size_t sink_count;
    uint64_t disabled; /* sinks: as the configuration file has it at the moment */
    bool reloads;      /* it changes */
    struct vdisk disk;
    struct sim_process processes[SIM_PROCESSES];
    struct timers timers; /* of the world around the processes */
    struct sim_truth *truth;
    size_t truth_count, truth_room;
    uint32_t *last_of_item[SIM_STREAMS]; /* truth + 1 */
    size_t item_room[SIM_STREAMS];
    struct sim_exchange *exchanges;
    /* crashes */
    int64_t crash_in;    /* so many crash points from now; 0 = never */
    int64_t crash_every; /* and again after so many on average; 0 = no more */
    jmp_buf bury;
    struct sim_process *running; /* whose code runs; NULL = nobody's */
    /* faults of the store, in percent; the model's own faults are the model's fields */
    unsigned save_fails_percent, put_fails_percent, store_slow_ms;
    unsigned starve_every; /* one of so many steps of a process lacks memory once; 0 = none */
    struct sim_window store_fails[SIM_WINDOWS];
    size_t store_fails_count;
    int64_t heal_at_ms; /* no faults from then on; 0 = no end */
    /* what went wrong */
    unsigned complaints;
    size_t letters_heeded;
    /* counters */
    uint64_t lives, steps, steps_at_now, crashes, clean_stops, requests, gaps_told;
    uint64_t starved, detached; /* allocations that failed; sinks that were detached */
    uint64_t came, went, anew;  /* sinks, by reloads */
    uint64_t reloads_refused;
    uint64_t starves_at;            /* mem_calls() of the one that is to fail; 0 = none */
    uint64_t served;                /* records that GetRecords gave */
    uint64_t busy_steps, busy_work; /* at the last look: see sim_check_busy */
    int64_t busy_ms;
    uint64_t busiest; /* percent of what may be */
    int64_t last_step_ms;
    uint64_t errors_logged;
    size_t most_pinned, most_queued;
    char last_error[400];
    bool keeps_lines; /* what the core logs is kept, for scenarios */
    struct model_text lines;
    /* Records written before (unix) need not be delivered; INT64_MAX: the start is not yet in the
     * store, and where that of a newer stream of the table comes first, none of this one need be.
     */
    int64_t began_ms[SIM_STREAMS];
    bool begun[SIM_STREAMS]; /* its row is in the store */
};

void sim_init(struct sim *sim, uint64_t seed, bool trace);
void sim_done(struct sim *sim);
/* A sink with ordinary settings: set what differs, before the first sim_start. */
struct sim_sink *sim_add(struct sim *sim, enum sim_kind kind, const char *name);

void sim_start(struct sim *sim, size_t process); /* begins a life */
void sim_stop(struct sim *sim, size_t process);  /* asks for a clean end, which comes later */
void sim_crash(struct sim *sim, size_t process); /* at once */
void sim_run(struct sim *sim, int64_t ms);       /* of virtual time */
/* Runs until `come` is true, at most `ms`; what `come` said. */
bool sim_until(struct sim *sim, bool (*come)(struct sim *sim), int64_t ms);
/* Stops cleanly and runs until that is done. The exit code; -1 and a complaint when it never is. */
int sim_end_life(struct sim *sim, size_t process, int64_t ms);

uint64_t sim_random(struct sim *sim);
uint64_t sim_below(struct sim *sim, uint64_t limit); /* 0 when limit is 0 */
bool sim_chance(struct sim *sim, unsigned percent);  /* always false once healed */
bool sim_healed(const struct sim *sim);
bool sim_within(const struct sim *sim, const struct sim_window *windows, size_t count);
void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_complain(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_print_failures(unsigned before); /* of checks, but for the first `before`:
                                                  in a child nobody else prints them */
/* A timer of the world around: `timer` is the caller's and must stay in place. */
void sim_arm(struct sim *sim, struct timer *timer, int64_t delay_ms);
void sim_reserve(struct timers *timers);
int64_t sim_unix_ms(const struct sim *sim);

/* Runs part of a process: a crash in it ends the process and comes back. */
void sim_in_process(struct sim_process *process, void (*what)(void *), void *arg);
size_t sim_write(struct sim *sim, size_t stream,
                 const struct model_write *write); /* the truth's index */
void sim_put(struct sim *sim, size_t stream, uint32_t item);

/* ---- actors.c: what happens around the processes ---- */
struct sim_actors { /* zeroed = nothing happens; set, then sim_act */
    struct sim *sim;
    struct timer write, turn, renew, stop, lose;
    int64_t until_ms;       /* nothing more from then on */
    int64_t write_every_ms; /* on average */
    size_t most_records;
    unsigned items, burst_percent, remove_percent, poison_percent;
    size_t padding;
    int64_t shard_life_ms;  /* of all shards together: one turns over so often; 0 = never */
    int64_t list_lag_ms;    /* at most, of new shards and of ends */
    int64_t orphan_ms;      /* children come so much later, at most; 0 = at once */
    int64_t renew_every_ms; /* a stream is disabled, and a new one made; 0 = never */
    int64_t stop_every_ms;  /* a process is stopped cleanly, and started again */
    int64_t lose_every_ms;  /* the owner of the state loses it */
    int64_t crash_every;    /* crash points between two crashes, on average; 0 = none */
};
void sim_act(struct sim *sim, struct sim_actors *actors);

/* ---- net.c: the transport seam ---- */
void sim_net_seam(struct sim_process *process, struct transport *out);
void sim_net_forget(struct sim *sim, const struct sim_process *process); /* it crashed */
void sim_net_done(struct sim *sim);

/* ---- services.c: tables and queues ---- */
struct sim_answer {
    int status;
    struct model_text body;
};
void sim_table_answer(struct sim *sim, const char *target, weir_str body, struct sim_answer *out);
void sim_queue_answer(struct sim *sim, weir_str body, struct sim_answer *out);

/* ---- reload.c: another configuration while processes run ---- */
struct sim_reloads { /* an actor; zeroed but for the times, then sim_act_reloads */
    struct sim *sim;
    struct timer timer;
    uint64_t random;            /* of its own: the other dice fall as they would without it */
    int64_t every_ms, until_ms; /* from then on every sink is back */
};
void sim_act_reloads(struct sim *sim, struct sim_reloads *reloads);
/* Every sink is there, in each process that runs, and has caught up. */
bool sim_reloads_settled(struct sim *sim);
void sim_reload_stop(struct sim_process *process); /* one under way ends: the process stops */
void sim_reload_free(struct sim_process *process); /* with it all that it opened */

/* ---- scripted.c: scripted sinks ---- */
struct sim_scripted *sim_scripted_new(struct sim_process *process, struct sim_sink *sink);
void sim_scripted_free(struct sim_scripted *scripted);
weir_instance *sim_scripted_instance(struct sim_scripted *scripted);
/* What was given is remembered by the next instance: `lanes` are filled, or taken. */
void sim_scripted_leave(struct sim_scripted *scripted, struct sim_lanes *lanes);
void sim_scripted_follow(struct sim_scripted *scripted, struct sim_lanes *lanes);
bool sim_scripted_idle(const struct sim_scripted *scripted);

/* ---- process.c ---- */
struct sim_instance sim_open_sink(struct sim_process *process, struct sim_sink *sink);
void sim_close_sink(struct sim_instance *one);
/* The sink's route as the router wants it, where `places` are in force. */
struct route sim_route(const struct sim *sim, const struct sim_places *places, size_t sink,
                       const struct sim_instance *one);
size_t sim_place_of(const struct sim_places *places, size_t sink); /* or their count */
struct match_plan *sim_plan(const struct sim *sim, const struct sim_places *places);
/* What the poll is told of the sinks at these places: letters_only, optional, images_needed. */
void sim_describe(struct sim_process *process, const struct sim_places *places,
                  struct poll_config *out);
void sim_crash_point(struct sim *sim); /* may not return */
void sim_bury(struct sim_process *process);
void sim_perhaps_tidy(struct sim_process *process); /* after finished(): ends it and frees all */

/* ---- check.c ---- */
#define SIM_NO_TRUTH UINT32_MAX
uint32_t sim_find(const struct sim *sim, uint64_t number); /* or SIM_NO_TRUTH */
uint32_t sim_find_sequence(const struct sim *sim, weir_str sequence);
struct sim_sink *sim_sink_named(struct sim *sim, weir_str name); /* or NULL */
bool sim_wanted(const struct sim_sink *sink, const struct sim_truth *truth);
bool sim_finished(const struct sim_sink *sink, uint32_t truth);
/* After a clean end of all processes: what a required sink has got is not given to it again. */
void sim_seal(struct sim *sim);
/* Checks: order, position, parents, ownership. */
void sim_given(struct sim_process *process, struct sim_sink *sink, struct sim_lanes *lanes,
               uint32_t truth);
void sim_stored(struct sim_sink *sink, uint32_t truth); /* in the sink: checks the order */
void sim_let_go(struct sim_sink *sink, struct sim_lanes *lanes,
                uint32_t truth);                        /* it said something of it */
void sim_said(struct sim_lanes *lanes, uint32_t truth); /* ok, and it was not cancelled */
void sim_lanes_done(struct sim_lanes *lanes);
/* A dead letter about the record is stored; `about` NULL: poison, of all sinks. */
void sim_lettered(struct sim *sim, struct sim_sink *about, uint32_t truth);
void sim_row_written(void *ctx, const struct state_row *row);
void sim_heed_letters(struct sim *sim);
void sim_after_step(struct sim_process *process);
/* Everything written is finished for each required sink, or in a gap that is in the store. */
bool sim_all_finished(struct sim *sim);
void sim_check_end(struct sim *sim); /* complains of what is not */
/* Steps are bounded by the time that passes and by what is read, given and stored: nothing spins.
 */
void sim_check_busy(struct sim *sim);
size_t sim_count_marks(const struct sim_sink *sink, unsigned mark);
#endif
