/* What the files of the polling source share. Nobody else includes this.
 *
 * One `stream` per stream ARN, one `track` per shard with the progress of every sink on it, one
 * `reader` per shard that is being read (kept apart from the track, so that a second one can catch
 * up for a sink alone), one `page` per GetRecords answer that is not finished yet. */
#ifndef WEIR_SOURCE_POLL_PARTS_H
#define WEIR_SOURCE_POLL_PARTS_H
#include "source/discovery.h"
#include "source/follow.h"
#include "source/pace.h"
#include "source/poll.h"
#include "util/text.h"

enum {
    CALLS_MAX = 128, /* open at once, and connections (D3). Of them: */
    ASKS_MAX = 16,   /* those for iterators, which have connections of their own (source.loops) */
    PAGES_MAX = 32,  /* those that may bring a page of any size (D3) */
    SMALL_PAGE_BYTES = 64 << 10,
    SMALL_PAGE_RECORDS = 100,   /* asked for behind a small page: the next one is small, too */
    PAGE_RECORDS_MAX = 1000,    /* of one GetRecords */
    GATHER_BYTES_MAX = 6 << 20, /* of a batch that waits for its window */
    GATHER_PAGES_MAX = 64,
    RETENTION_MS = 24 * 3600000,
    PAGE_TRIES = 3, /* more, of a page that can't be decoded (D7) */
    CALL_MS = 15000,
    TICK_MS = 1000,
    DENIED_MS = 120000 /* refused for so long from the start on: gives up (exit 77) */
};

/* Exit codes as UX.md 3.3 has them. */
enum { POLL_DONE = 0, POLL_GAP = 65, POLL_GAVE_UP = 75, POLL_REFUSED = 77, POLL_CONFIG = 78 };

struct sequence {
    uint8_t len; /* 0 = none */
    char digits[SEQUENCE_DIGITS_MAX];
};

static inline weir_str sequence_str(const struct sequence *sequence)
{
    return (weir_str){sequence->digits, sequence->len};
}

/* Longer than any valid one: kept as none. */
static inline void sequence_set(struct sequence *sequence, weir_str digits)
{
    sequence->len = digits.len <= sizeof sequence->digits ? (uint8_t)digits.len : 0;
    if (sequence->len)
        memcpy(sequence->digits, digits.ptr, sequence->len);
}

/* A row is to be stored while now != saved. */
struct mark {
    uint32_t now, saving, saved;
};

enum start_kind { START_TRIM_HORIZON, START_AT_TIMESTAMP };

struct range { /* records from `first` to `last` */
    struct sequence first, last;
};

/* What the stored row says of the sink on a shard where nothing moves: see watch.c. */
enum told { TOLD_NOTHING, TOLD_CAUGHT_UP, TOLD_BEHIND };

struct progress {             /* one sink on one shard */
    struct sequence position; /* this record and all before it are finished for the sink */
    int64_t record_us;        /* about when the record there was made; 0 = not known. Later, where
                                 nothing that was made earlier is still to be read */
    bool quiet;               /* that is so: nothing had come behind the position until then */
    enum told told;           /* since the position moved last */
    enum start_kind start;    /* while there is no position */
    int64_t start_us;
    bool done;
    bool skipping;          /* records from before start_us may come, and are not for this sink */
    struct range *finished; /* behind the position: not to be given to it again */
    size_t finished_count;
    int64_t waits_us; /* while apart: when the first one that it waits for was made; 0 = none */
    struct mark mark;
};

struct gap { /* one sink on one shard */
    enum { GAP_NONE, GAP_OPEN, GAP_ACCEPTED } state;
    struct sequence after, first; /* empty: from the beginning; not known */
    int64_t found_us;
    struct mark mark;
};

struct track {
    struct poll *poll;
    struct stream *stream;
    struct shard *shard;    /* shard->reader is this track */
    struct progress *sinks; /* by sink; poll->room of them */
    struct gap *gaps;       /* the same; NULL = none */
    uint64_t done;          /* the sinks whose progress is done */
    uint64_t apart;         /* those that `reader` does not read for: see detach.c */
    bool read_to_end;       /* its last page was read */
    bool fresh;             /* nothing was stored of it before this process */
    int64_t opened_ms;
    unsigned looks;          /* whole lists without its parent, while that is waited for */
    bool asking;             /* for another one */
    int64_t asked_ms;        /* for the last one */
    struct reader *reader;   /* NULL: not being read */
    struct reader *catch_up; /* for one of those apart; NULL = none */
    struct track *next;      /* of its stream */
};

struct page {
    struct reader *reader;
    struct page *next;
    struct batch *batch; /* until it is submitted */
    struct flow *flow;   /* while the router has it */
    struct sequence first, last;
    uint64_t met;              /* the sink that has read the beginning of it alone; 0 = none */
    struct sequence met_first; /* and begins here; empty: it has read all of it */
    int64_t first_us, last_us; /* creation times of its records; 0 = not known */
    uint64_t sinks;            /* that take part */
    uint64_t whole;            /* of them, finished with it */
    uint64_t number;           /* of the batch that it belongs to */
    bool done;
};

enum reader_state {
    READER_IDLE,   /* the timer, or a page's end, makes it due */
    READER_DUE,    /* in the poll's list */
    READER_ASKING, /* for an iterator */
    READER_FETCHING,
    READER_DOUBTING, /* its shard was not found: discovery is asked */
    READER_HELD,     /* see `held` */
    READER_ENDED     /* no more pages; the ones read are not finished yet */
};

enum held_why {
    HELD_NOT,
    HELD_GAP,   /* until it is accepted */
    HELD_PAGE,  /* a page that is none: asked for again */
    HELD_RECORD /* for good: a record that nothing can be done about, and that is to block */
};

struct reader {
    struct track *track;
    struct reader *next_due;
    bool listed; /* among those that are due; may be in another state by now */
    enum reader_state state;
    enum held_why held;
    uint64_t sinks;         /* it reads for */
    uint64_t gated;         /* of them, not finished with the parent shard */
    uint64_t unmatched;     /* sinks that came since its open call began: not in what that brings */
    struct sequence cursor; /* last record taken; empty: `start` */
    enum start_kind start;
    int64_t start_us;
    char *iterator; /* NULL: one has to be asked for */
    size_t iterator_len;
    int limit;    /* records a page */
    bool full;    /* has as many batches under way as it may */
    bool rewind;  /* the cursor only asks for a gap; reading begins at the horizon */
    bool by_time; /* the iterator is asked for by start_us */
    bool peeking; /* looks for the first record behind a gap */
    bool anew;    /* then begins as the positions say, not at the horizon */
    bool gone;    /* the gap has no end: the shard is not listed any more */
    unsigned bad_pages, expired, empty_peeks;
    unsigned throttles; /* since the last word about them */
    bool caught_up;     /* nothing new for some pages */
    int64_t quiet_us;   /* unix time of the last of them */
    bool small;         /* the last page was */
    bool paging;        /* the open call may bring a page of any size */
    int64_t fresh_ms;   /* the last answer that was a page */
    bool alone;         /* track->catch_up: reads for `sinks`, which is one, alone */
    bool met;           /* alone: it has reached the shared one, and only its pages are finished */
    bool at_end;        /* alone: it has read to the end of the shard */
    bool closing;       /* alone: given up, freed as soon as nothing of it is under way */
    struct page *first, *last;
    struct page *gathered; /* the first that is not submitted yet */
    size_t gathered_count, gathered_records, gathered_bytes;
    uint64_t batch_number;
    struct pace pace;
    struct timer timer, window;
    struct fetch fetch;
    struct aws_call call;
    struct buf body;
};

enum stream_phase {
    STREAM_SWEEPING, /* its shards are not known yet */
    STREAM_STORING,  /* where it begins is being stored */
    STREAM_RUNNING,
    STREAM_REFUSED, /* lacks images */
    STREAM_ENDED    /* read to its end, for all sinks */
};

struct erased { /* a shard whose rows are to go */
    struct erased *next;
    bool saving;
    size_t len;
    char shard[];
};

struct stream {
    struct poll *poll;
    struct stream *next, *predecessor; /* the table's stream before this one */
    char *arn, *table;                 /* table: "" = named by its ARN */
    weir_str region;
    struct lineage *lineage;
    struct discovery *discovery;
    enum stream_phase phase;
    enum start_kind start; /* LATEST is resolved */
    bool latest;
    int64_t start_us;
    bool known;      /* it had a row */
    bool missed;     /* a sink that is not there any more has positions in it */
    bool no_at_time; /* the server refused AT_TIMESTAMP */
    bool stopped;
    bool left_over; /* shards were handed out that are not being read yet */
    struct mark mark;
    struct track *tracks;
    struct erased *erased;
    struct post turn;
    bool turning;
    int64_t throttle_said_ms, pruned_ms;
    int64_t read_ms; /* when a shard of it was being read last */
    struct read_counts read;
    uint64_t gaps;
    uint64_t faults[POLL_OPS][STREAMS_FAULTS]; /* calls that failed */
};

struct table { /* named in the configuration */
    struct poll *poll;
    struct table *next;
    const char *name;
    struct follow *follow;
    struct stream *stream; /* the newest; NULL = none is known */
    bool stopped;
};

struct saver {
    struct store_save save;
    struct arena arena;
    struct state_row *rows;
    struct mark **marks; /* by row; NULL = of an erased one */
    size_t count, room;
    bool busy, wanted, failing, paused_said;
    uint64_t beginning; /* sinks whose beginning is among the rows */
    unsigned failures;
    int64_t failing_since_ms;
    int64_t clean_ms; /* all progress that there was then is stored */
    struct timer timer;
};

struct sink_watch {
    unsigned full_s;   /* rises with each second in which reading waits for it, falls with others */
    unsigned warned;   /* of what waits for it: 1 = 50% of the retention were said, 2 = 80% */
    int64_t oldest_us; /* when the oldest record that waits for it was made; 0 = none is known */
    bool probing;      /* while it is apart: one of the shards that it reads alone has records */
    size_t alone_pages; /* read for it alone, or being read, and not finished */
    size_t behind;      /* shards on which it is apart */
};

struct stranger { /* a sink or a stream with stored progress that is not in use any more */
    struct stranger *next;
    weir_str name;
    bool is_stream;
    int64_t used_us;
    bool goes, erasing; /* its rows are to be erased; a save is doing it */
};

struct look_up {                          /* see poll_look_up() */
    void (*ready)(void *arg, int status); /* NULL: none is under way */
    void *arg;
    size_t places;
    struct store_load load;
    struct post over;
    int status;
    bool posted;
    struct arena arena;
    bool found; /* the rows are there, for poll_add_sinks() */
    struct state_row *rows;
    size_t row_count;
};

enum poll_phase {
    POLL_NEW,
    POLL_WAITING, /* for the state to be ours */
    POLL_LOADING,
    POLL_READING,
    POLL_STOPPING, /* nothing is fetched any more */
    POLL_SAVING,   /* the last positions */
    POLL_RELEASING,
    POLL_FINISHED
};

struct poll {
    struct poll_config config;
    struct clock *clock;
    const struct random *random;
    size_t sink_count, room;  /* room: for so many in what is kept by sink */
    uint64_t removed;         /* had progress: what of it is not stored yet still is */
    uint64_t coming;          /* new since the last start, and not with the others yet */
    uint64_t beginning;       /* of them: where they begin is not stored yet */
    uint64_t sinks, required; /* that have progress; of them, those that are waited for */
    enum poll_phase phase;
    bool hurried, lost, stop_said;
    int exit_code;
    struct store_owner owner;
    struct store_load load;
    bool loading, acquired;
    struct look_up look_up;
    struct arena rows_arena;
    struct state_row *rows; /* as they were loaded */
    size_t row_count;
    struct stranger *strangers; /* in rows_arena */
    bool erase_strangers, streams_judged;
    struct table *tables;
    struct stream *streams;
    struct reader *due_first, *due_last;
    size_t calls, asking, paging, pages_open, readers, held_by_gap;
    struct timer tick, room_timer;
    struct saver saver;
    struct post pump, finish, settle;
    bool pump_posted, finish_posted, settle_posted;
    uint64_t detached;          /* sinks that are apart on some shard */
    struct sink_watch *watches; /* by sink */
    size_t alone_pages, alone_readers;
    int64_t looked_ms;
    bool full_said;
    int64_t full_since_ms;
    uint64_t full_sinks; /* those that reading waits for */
    int64_t trouble_since_ms, denied_since_ms, reload_ms, watched_ms, quiet_since_ms;
    int64_t ticked_ms; /* poll_tick was last called */
    bool watched;      /* for a minute at least */
    bool answered;     /* the source has ever answered */
    struct poll_counts counts;
};

/* ---- poll.c ---- */
int64_t poll_now(const struct poll *poll);
void poll_log(const struct poll *poll, int level, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool poll_reading(const struct poll *poll);      /* may fetch: not stopping, the state is ours */
void poll_due(struct reader *reader);            /* puts it into the list */
void poll_undue(struct reader *reader);          /* takes it out again */
void poll_pump(struct poll *poll);               /* later */
void poll_settle(struct poll *poll);             /* later: is it over? */
void poll_end(struct poll *poll, int exit_code); /* stops for this reason */
void poll_not_opened(struct poll *poll, int rc); /* the same: stream_open() has failed so */
/* A call to the source ended so. */
void poll_heard(struct poll *poll, enum streams_fault fault, const char *what, const char *message);

/* ---- change.c ---- */
void look_up_go_on(struct poll *poll); /* something that it may have waited for has ended */

/* ---- watch.c ---- */
void poll_tick(struct timer *timer);
void stop_look(struct poll *poll); /* stopping: gives back what nobody will finish */

/* ---- progress.c ---- */
struct track *track_new(struct stream *stream, struct shard *shard); /* NULL: out of memory */
void track_free(struct track *track);
void track_fold(struct track *track);                   /* all sinks */
void track_fold_sink(struct track *track, size_t sink); /* opens the gates of children */
void track_finish(struct track *track, uint64_t sinks); /* nothing more will come for them */
/* Where nobody reads it yet and all are apart there are no others to be apart from. Not for those
 * that have not finished what comes before: what they have of that alone must find room in their
 * window, which must not be full of what waits for it. */
void track_together(struct track *track);
/* A shared reader would read it for no sink that is waited for. */
bool track_is_for_nobody(const struct track *track);
/* So it is, and some of them have finished it: those that are apart read alone what they lack. */
bool track_is_over(const struct track *track);
struct gap *track_gap(struct track *track, size_t sink); /* NULL: out of memory */
/* The sinks that have not finished what comes before this shard. */
uint64_t track_gates(const struct track *track);

/* ---- detach.c ---- */
/* Once a second: who has held reading for too long, and is anything about to be trimmed? */
void detach_watch(struct poll *poll);
/* The sink does not read with the others any more on this shard. */
void detach_track(struct track *track, size_t sink);
/* Finished behind the position, before it was detached. */
bool progress_knows(const struct progress *progress, weir_str at);

/* ---- catch_up.c ---- */
/* Readers that sinks need for themselves are opened, those that are through are freed. */
void catch_up_look(struct poll *poll);
void catch_up_met(struct reader *alone); /* has it reached the shared reader? */
bool catch_up_may_read(const struct reader *alone);
void catch_up_close(struct reader *alone);
bool catch_up_lasts(const struct track *track); /* some sink has still to read it alone, and can */
void catch_up_count(const struct reader *reader, int change); /* of its sink's alone_pages */

/* ---- pages.c ---- */
/* Takes the batch, also on failure. 0 or -ENOMEM. */
int page_take(struct reader *reader, struct batch *batch);
void pages_flush(struct reader *reader);      /* submits what is gathered */
bool pages_full(const struct reader *reader); /* no more may be read now */
void pages_drop(struct reader *reader);       /* what is gathered */
void pages_clear(struct reader *reader);      /* all; none may be with the router */
bool pages_open(const struct reader *reader); /* some are with the router */
/* The sink has no part in them any more; what it finished of them behind its position is noted. */
void pages_let_go(struct reader *reader, size_t sink);
/* When the first record was made that the sink has not finished; 0 = none, or not known. */
int64_t pages_oldest_us(const struct reader *reader, size_t sink);
void pages_open_gates(struct reader *reader, uint64_t sinks);
bool pages_only_gated(const struct reader *reader); /* those with the router wait for gates alone */
void pages_release_gated(struct reader *reader);

/* ---- reader.c ---- */
int reader_open(struct track *track); /* 0 or -ENOMEM */
int reader_open_alone(struct track *track, size_t sink);
void reader_free(struct reader *reader);
void reader_turn(struct reader *reader);        /* it was due and there is room */
bool reader_pages(const struct reader *reader); /* its fetch may bring a page of any size */
void reader_again(struct reader *reader);       /* a page is finished: it may go on */
void reader_stop(struct reader *reader);        /* aborts its calls */
bool reader_busy(const struct reader *reader);  /* a call of it is open */
void reader_resume(struct reader *reader);      /* its gap was accepted */
void reader_hold(struct reader *reader, enum held_why why);
void reader_go_on(struct reader *reader, int64_t delay_ms); /* when it may */

/* ---- iterator.c ---- */
void iterator_ask(struct reader *reader);
int iterator_keep(struct reader *reader, weir_str iterator); /* copies it. 0 or -ENOMEM */
void iterator_forget(struct reader *reader);

/* ---- trouble.c ---- */
void reader_failed(struct reader *reader, enum streams_fault fault, const char *what,
                   const char *message);
void reader_bad_page(struct reader *reader); /* reader->fetch is no page */

/* ---- gap.c ---- */
void gap_begin(struct reader *reader);                     /* what it wants to read was trimmed */
void gap_found(struct reader *reader, weir_str first);     /* the first record behind it */
bool gap_holds(const struct track *track, uint64_t sinks); /* one is not accepted */
/* The reader begins at the horizon, and it may have passed what one of its sinks has not read. */
bool gap_suspected(const struct reader *reader);
void gap_none_before_now(struct reader *reader); /* those without a position have missed nothing */
void gaps_reload(struct poll *poll);             /* has somebody accepted one? */

/* ---- stream.c ---- */
/* 0, -ENOMEM, or -EEXIST (logged) when it is open already. */
int stream_open(struct poll *poll, weir_str arn, weir_str table, struct stream **out);
void stream_free(struct stream *stream);
void stream_stop(struct stream *stream);
void stream_turn(struct stream *stream);   /* later: shards became ready, or it may be over */
void stream_stored(struct stream *stream); /* a save has ended */
bool stream_replaced(const struct stream *stream); /* its table has a newer one */
bool stream_over(const struct stream *stream);
uint64_t stream_done(const struct stream *stream); /* the sinks that finished all of it */

/* ---- first_sight.c ---- */
int stream_begin(struct stream *stream); /* after its first sweep: rows, tracks. 0 or -ENOMEM */
void progress_begin_later(struct track *track); /* a shard that appeared later */
/* Sinks that come later begin on the stream, apart from the others. 0 or -ENOMEM. */
int stream_begin_sinks(struct stream *stream, uint64_t sinks, const struct state_row *rows,
                       size_t count);

/* ---- strangers.c ---- */
/* In the rows that were loaded; streams once it is known which are followed. */
void strangers_find_sinks(struct poll *poll);
void strangers_find_streams(struct poll *poll);
void strangers_keep(struct poll *poll, weir_str sink); /* it is in use again */
/* Of a save: those that go now, whether a row is of one, and that they are gone. */
void strangers_erase(struct poll *poll);
bool stranger_goes(const struct poll *poll, const struct state_row *row);
void strangers_erased(struct poll *poll);

/* ---- tables.c ---- */
int tables_start(struct poll *poll); /* 0 or -ENOMEM */
void tables_stop(struct poll *poll);
bool tables_stopped(const struct poll *poll);
void tables_look(struct poll *poll);
/* An earlier stream of the table than the one that is followed. */
bool tables_left_behind(const struct table *table, weir_str arn);
void tables_free(struct poll *poll);

/* ---- saver.c ---- */
void saver_want(struct poll *poll);         /* save soon */
void saver_start(struct poll *poll);        /* the timer */
void saver_look(struct poll *poll);         /* once a second: is it armed? */
bool saver_clean(struct poll *poll);        /* nothing is left to store */
bool saver_blocks(const struct poll *poll); /* positions were not stored for too long */
void saver_done(struct poll *poll);
#endif
