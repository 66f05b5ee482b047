/* The live tail: some of the records that go by, each with what became of it at each sink. It costs
 * nothing while nobody reads it, little while somebody does, and never waits for a reader. */
#ifndef WEIR_ADMIN_TAP_H
#define WEIR_ADMIN_TAP_H
#include "router/router.h"
#include "util/buf.h"

enum { TAP_READERS_MAX = 8, TAP_RECORDS_PER_S = 200, TAP_DEAD_KEPT = 50 };

struct tap;

struct tap_config { /* what it points at outlives it */
    struct router *router;
    const struct clock *clock;
    const char *const *redact; /* patterns of attributes that are never shown, or NULL */
    bool shows_records;        /* false: nothing of a record but its sequence number */
};

struct tap_filter {
    size_t sink;     /* SIZE_MAX: any */
    uint32_t events; /* WEIR_INSERT ...; 0 = any */
    bool whole;      /* with the record, not its changes alone */
};

int tap_new(const struct tap_config *config, struct tap **out); /* 0 or -ENOMEM */
void tap_free(struct tap *tap);
void tap_sinks_changed(struct tap *tap);                     /* the router may have more of them */
void tap_redact(struct tap *tap, const char *const *redact); /* other patterns from now on */
/* `send` gets whole server-sent events; false: it did not take it, which is counted. The filter's
 * reader, or NULL: there are enough already. */
struct tap_reader *tap_add(struct tap *tap, const struct tap_filter *filter,
                           bool (*send)(void *arg, weir_str bytes), void *arg);
void tap_remove(struct tap *tap, struct tap_reader *reader);
/* Twice a second: what waits for an outcome that does not come is told as it is. */
void tap_tick(struct tap *tap);
uint64_t tap_dropped(const struct tap *tap); /* lines that readers did not take */
/* The last records that were given up on, newest first: [{"at":...,"sink":...,"reason":...}]. */
void tap_put_dead(const struct tap *tap, struct buf *out);
#endif
