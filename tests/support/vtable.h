/* A DynamoDB table behind the transport seam: items by (pk, sk), conditional writes, transactions,
 * queries in pages; and hosts that reach it or not. It knows as much of the expression language as
 * weir's state store uses, and fails the test at anything else. */
#ifndef WEIR_TESTS_VTABLE_H
#define WEIR_TESTS_VTABLE_H
#include "vworld.h"

struct vitem {
    char *pk, *sk, *json; /* json: the whole item */
};

struct vtable {
    struct vworld *world;
    const char *name; /* another TableName is not found */
    struct vitem *items;
    size_t count, room;
    size_t page_items; /* of a query; 0 = all */
    int64_t delay_ms;  /* half of it before the call is carried out */
    struct vcall *calls;
    unsigned carried_out;
};

enum vnet {
    VNET_FINE,
    VNET_CUT,        /* no connection */
    VNET_BLACK_HOLE, /* sent, never arrives, no answer: a time-out */
    VNET_NO_ANSWER,  /* carried out, the answer is lost */
    VNET_LATE,       /* a time-out, and yet carried out a minute later */
    VNET_THROTTLED,
    VNET_DENIED
};

struct vhost { /* one process's way to the table */
    struct vtable *table;
    enum vnet net;
    int only;                 /* the fault is of the next so many calls; 0 = until changed */
    int64_t stopped_until_ms; /* the process is stopped: it hears of no answer before */
    unsigned calls;
};

void vtable_init(struct vtable *table, struct vworld *world, const char *name);
void vtable_done(struct vtable *table);
void vhost_transport(struct vhost *host, struct transport *out);
const char *vtable_item(const struct vtable *table, const char *pk, const char *sk); /* or NULL */
void vtable_put(struct vtable *table, const char *pk, const char *sk, const char *json);
#endif
