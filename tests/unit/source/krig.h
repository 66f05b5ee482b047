/* A session with KCL's daemon, which the test plays. */
#ifndef WEIR_TESTS_SOURCE_KRIG_H
#define WEIR_TESTS_SOURCE_KRIG_H
#include "rig.h"
#include "source/kcl.h"

enum { LINES = 64, LINE_BYTES = 300 };

struct session {
    struct rig rig;
    struct kcl *kcl;
    struct kcl_config config;
    char lines[LINES][LINE_BYTES]; /* what was written to the daemon */
    size_t wrote, read;
    int write_error; /* of the next writes */
    bool finished, refuse;
    enum kcl_end end;
    char shard[64];
    unsigned warnings, errors;
    char last[600]; /* logged as warning or error */
    int32_t said;   /* of records with a key that begins with 'x' */
};

/* Sinks say WEIR_OK; of records whose number has two digits or more and begins with 9, `said`. */
void session_begin(struct session *s, size_t sinks);
void session_start(struct session *s);
void session_initialized(struct session *s, size_t sinks); /* both, and `initialize` is answered */
void session_done(struct session *s); /* hangs up; nothing may be left, or unread */
/* It ended so, logged `code` where that is not NULL, and wrote nothing more. */
void session_ended(struct session *s, enum kcl_end end, const char *code);
void session_feed(struct session *s, const char *text, size_t len);

#define INITIALIZE                                                                                 \
    "{\"action\":\"initialize\",\"shardId\":\"shardId-1\",\"sequenceNumber\":\"TRIM_HORIZON\","    \
    "\"subSequenceNumber\":0}"

void daemon_says(struct session *s, const char *line);
/* processRecords with "1:a 2:b" as rig_body; "?3" is no base64. */
void daemon_gives(struct session *s, const char *records);
void put_batch(struct buf *out, const char *records); /* the same as a line */
void daemon_answers(struct session *s, const char *number, const char *error); /* a checkpoint */
/* The next line that was written to the daemon, shortened: "status initialize", "checkpoint 2",
 * "checkpoint end"; "-" when there is none. Static memory. */
const char *said(struct session *s);
#endif
