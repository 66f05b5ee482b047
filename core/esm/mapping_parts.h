/* What mapping.c and reader.c share. Nobody else includes this. */
#ifndef WEIR_ESM_MAPPING_PARTS_H
#define WEIR_ESM_MAPPING_PARTS_H
#include "esm/mapping.h"
#include "source/discovery.h"
#include "source/fetch.h"
#include "source/pace.h"
#include "util/text.h"

enum { CAUGHT_UP_PAGES = 10 /* empty ones in a row, with `once` */ };

enum esm_reader_state {
    READER_RESTS, /* the timer is armed, or there is no room */
    READER_ASKING,
    READER_FETCHING,
    READER_DOUBTING, /* its shard was not found: discovery is asked */
    READER_ENDED     /* read to its end; its records may not all be done */
};

struct esm_reader { /* of one shard */
    struct esm_mapping *mapping;
    struct esm_reader *next;
    struct shard *shard;
    struct esm_delivery *delivery;
    enum esm_reader_state state;
    bool latest; /* begins there, while nothing was read */
    bool waits;  /* the timer is armed */
    bool gone;   /* it was trimmed as a whole */
    char *iterator;
    size_t iterator_len;
    char cursor[SEQUENCE_DIGITS_MAX];
    size_t cursor_len;
    struct pace pace;
    struct timer timer;
    struct aws_call call;
    struct fetch fetch;
    struct buf body;
};

enum mapping_phase { MAPPING_LOOKING, MAPPING_RUNNING, MAPPING_STOPPING, MAPPING_FINISHED };

struct esm_mapping {
    struct esm_config config;
    enum mapping_phase phase;
    int exit_code;
    struct stream_lookup lookup;
    bool looking, swept, discovery_stopped;
    char *source, arn[512];
    weir_str region;
    struct lineage *lineage;
    struct discovery *discovery;
    struct fetch_inline *fetch;
    struct fetcher fetcher;
    struct esm_reader *readers;
    struct timer tick;
    struct post turn;
    bool turning;
    int64_t started_ms, quiet_since_ms, trouble_since_ms;
    bool answered, throttle_said;
    struct esm_counts counts;
};

/* ---- mapping.c ---- */
int64_t mapping_now(const struct esm_mapping *mapping);
void mapping_say(const struct esm_mapping *mapping, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void mapping_turn(struct esm_mapping *mapping); /* later: what is to be done next? */
void mapping_end(struct esm_mapping *mapping, int exit_code);
/* A call to the source ended so. */
void mapping_heard(struct esm_mapping *mapping, enum streams_fault fault, const char *what,
                   const char *message);

/* ---- reader.c ---- */
int esm_reader_new(struct esm_mapping *mapping, struct shard *shard, bool latest);
void esm_reader_free(struct esm_reader *reader);
void esm_reader_stop(struct esm_reader *reader);
bool esm_reader_open(const struct esm_reader *reader);  /* something is under way */
bool esm_reader_rests(const struct esm_reader *reader); /* nothing new for a while, nothing waits */
void esm_reader_go_on(struct esm_reader *reader, int64_t delay_ms);
#endif
