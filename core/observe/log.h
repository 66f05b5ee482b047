/* Log lines. One event, one line, control characters escaped; secrets and attribute values never.
 * Repeats are folded: of lines of one component with one code ten are written in ten seconds, then
 * how many more there were. Warnings and errors have a rate beyond which they are dropped, counted.
 */
#ifndef WEIR_OBSERVE_LOG_H
#define WEIR_OBSERVE_LOG_H
#include <weir/plugin.h>
#include "util/seam.h"
#include <stdio.h>

enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON };

/* The level of a component and of those below it: "sink" covers "sink.orders". The longest wins. */
struct log_level {
    const char *component;
    int level;
};

struct log_config {
    int level;              /* WEIR_LOG_* */
    enum log_format format; /* AUTO: text on a terminal, JSON otherwise; journald prefixes where
                               JOURNAL_STREAM names fd */
    int color;              /* -1 auto (NO_COLOR, TERM=dumb, terminal), 0, 1 */
    int fd;                 /* 2; 1 in Lambda */
};
struct log;

struct log *log_new(const struct log_config *config,
                    struct clock *clock); /* clock NULL: system time */
void log_free(struct log *log);           /* says first what was folded */
/* Lambda: keys that every JSON line carries from now on (request id, function name ...). Copies. */
void log_set_context(struct log *log, const char *key, weir_str value); /* len 0 removes */
/* `code`: "W0123" or NULL. [any thread]; one write(2) per line. */
void log_line(struct log *log, int level, const char *component, const char *code,
              const char *format, ...) __attribute__((format(printf, 5, 6)));
void log_text(struct log *log, int level, const char *component, const char *code, weir_str msg);
/* Writes `lines` as they are, whatever the level: whole lines of a format of their own (EMF). [any]
 */
void log_raw(struct log *log, weir_str lines);
/* Whether some component's line of this level is written. [any] */
bool log_enabled(const struct log *log, int level);
/* Says what was folded more than ten seconds ago; to be called now and then, since a log in which
 * nothing happens any more does not look by itself. [any] */
void log_flush(struct log *log);
/* Lines that were not written: the rate of errors, or nobody took them. [any] */
uint64_t log_dropped(struct log *log);

/* ---- while it runs. [any] ---- */

/* WEIR_LOG_*; what log_config said until now. */
void log_set_level(struct log *log, int level);
/* Replaces the levels of components; 32 at most, the rest is not heeded. Copies. */
void log_set_levels(struct log *log, const struct log_level *levels, size_t count);
/* Everything down to `level` is written for so long, whatever the levels say (USR2). */
void log_raise(struct log *log, int level, int64_t for_ms);
/* Never to be seen in a line: "***" stands there instead. Copies; fewer than 4 bytes are not
 * hidden. */
void log_hide(struct log *log, weir_str secret);
/* Attributes (see redact_covers) whose values, as name=value or "name":value, are not shown.
 * Replaces; NULL-terminated or NULL. 0 or -ENOMEM. */
int log_redact(struct log *log, const char *const *patterns);
#endif
