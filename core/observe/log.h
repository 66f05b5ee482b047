/* Log lines. One event, one line, control characters escaped; secrets and attribute values never.
 */
#ifndef WEIR_OBSERVE_LOG_H
#define WEIR_OBSERVE_LOG_H
#include <weir/plugin.h>
#include "util/seam.h"
#include <stdio.h>

enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON };

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
void log_free(struct log *log);
/* Lambda: keys that every JSON line carries from now on (request id, function name ...). Copies. */
void log_set_context(struct log *log, const char *key, weir_str value); /* len 0 removes */
/* `code`: "W0123" or NULL. [any thread]; one write(2) per line. */
void log_line(struct log *log, int level, const char *component, const char *code,
              const char *format, ...) __attribute__((format(printf, 5, 6)));
void log_text(struct log *log, int level, const char *component, const char *code, weir_str msg);
/* Writes `lines` as they are, whatever the level: whole lines of a format of their own (EMF). [any]
 */
void log_raw(struct log *log, weir_str lines);
bool log_enabled(const struct log *log, int level);

/* ---- levels, while it runs. [any] ---- */

/* WEIR_LOG_*; what log_config said until now. */
void log_set_level(struct log *log, int level);
/* Everything down to `level` is written for so long, whatever the levels say (USR2). */
void log_raise(struct log *log, int level, int64_t for_ms);
#endif
