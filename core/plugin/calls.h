/* The calls that one instance has asked an extension for: a queue with a bound on how many are
 * open, ended by id or by the token of a delivery, and an end after which nobody is called back.
 * All on the router thread. */
#ifndef WEIR_PLUGIN_CALLS_H
#define WEIR_PLUGIN_CALLS_H
#include "util/seam.h"

enum { PLUGIN_CALLS_OPEN_MAX = 64 }; /* the transport's connections to one host */

enum plugin_call_phase {
    PLUGIN_CALL_QUEUED,
    PLUGIN_CALL_OPEN,
    PLUGIN_CALL_DROPPED,  /* ended in the queue; its post is under way */
    PLUGIN_CALL_REPORTING /* inside report() */
};

struct plugin_calls;

struct plugin_call { /* the first member of what an extension knows of a call */
    struct plugin_calls *calls;
    struct plugin_call *next, *prev; /* in the order asked; `next`: spare ones */
    enum plugin_call_phase phase;
    struct post post;
    uint64_t id, token;
};

struct plugin_calls_kind { /* static */
    size_t call_bytes;     /* of the struct that begins with a plugin_call */
    int (*start)(void *ctx, struct plugin_call *call); /* 0, or -errno: it is dropped */
    /* An open one; plugin_call_ended() follows, later. */
    void (*abort)(void *ctx, struct plugin_call *call);
    /* Calls the plugin back. `dropped`: it was never started. */
    void (*report)(struct plugin_call *call, bool dropped);
    void (*clear)(struct plugin_call *call); /* optional: before its memory goes */
};

/* `clock` lives longer than all calls. NULL when out of memory. */
struct plugin_calls *plugin_calls_new(const struct plugin_calls_kind *kind,
                                      const struct clock *clock, void *ctx);
/* Open calls are aborted and call nobody back; frees itself when the last one has ended. NULL is
 * fine. */
void plugin_calls_close(struct plugin_calls *calls);
void *plugin_calls_ctx(const struct plugin_calls *calls);
bool plugin_calls_closing(const struct plugin_calls *calls);
void plugin_calls_bound(struct plugin_calls *calls, int32_t open_max); /* <= 0: stays as it is */

/* A call to fill in, with what an earlier one left in it (fresh ones are zeroed); NULL: no memory.
 */
struct plugin_call *plugin_calls_take(struct plugin_calls *calls);
void plugin_calls_give_back(struct plugin_calls *calls, struct plugin_call *call); /* never asked */
uint64_t plugin_calls_ask(struct plugin_calls *calls, struct plugin_call *call, uint64_t token);
void plugin_call_ended(struct plugin_call *call); /* an open one: reports it, starts others */
/* Nobody knows whether it was carried out. */
void plugin_call_ambiguous(struct plugin_call *call);
uint64_t plugin_calls_ambiguous(const struct plugin_calls *calls);    /* so many; NULL is fine */
void plugin_calls_abort(struct plugin_calls *calls, uint64_t id);     /* unknown: ignored */
void plugin_calls_revoke(struct plugin_calls *calls, uint64_t token); /* 0: ignored */
#endif
