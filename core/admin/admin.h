/* The admin server: what is asked of a running weir over HTTP, and what is answered. It reads
 * everything and changes nothing, but for what POST asks for: on the unix socket, or over TCP with
 * the token. [router] */
#ifndef WEIR_ADMIN_ADMIN_H
#define WEIR_ADMIN_ADMIN_H
#include "admin/server.h"
#include "admin/token.h"
#include "observe/observed.h"

struct admin;

/* Somebody who asked by POST and waits. */
struct admin_asker;

struct admin_view {
    const char *const *redact; /* attributes that the tap does not show, or NULL; borrowed */
    bool tap, ui, metrics;     /* served at all */
};

struct admin_config { /* what it points at outlives it */
    struct uv_loop_s *loop;
    const struct clock *clock;
    struct router *router;
    /* How it stands now; `loop_lag_ms`, `tap_dropped` are filled in here. */
    void (*observe)(void *ctx, struct observed *out);
    /* The effective configuration as JSON, secrets redacted. */
    void (*put_config)(void *ctx, struct buf *out);
    /* POST /reload, /log-level, /sinks/NAME/pause and /resume: each answers by admin_reply(), now
     * or later. NULL: there is no such thing. */
    void (*reload)(void *ctx, struct admin_asker *asker);
    void (*forget)(void *ctx, struct admin_asker *asker); /* it is gone; no reply any more */
    void (*log_level)(void *ctx, struct admin_asker *asker, weir_str level, weir_str seconds);
    void (*pause)(void *ctx, struct admin_asker *asker, weir_str sink, bool paused);
    /* Somebody asked for a change over TCP with a wrong token, or none; may be NULL. */
    void (*refused)(void *ctx, weir_str path);
    void *ctx;
    struct admin_view view;
    const struct admin_token *token; /* NULL = nothing is changed over TCP */
    const char *host;                /* a literal address; NULL = no TCP */
    int port;
    bool loopback;           /* `host` is one of the loopback */
    const char *socket_path; /* NULL = no unix socket */
};

/* *port: what is listened on by TCP. 0, or -errno with *err: nothing listens. */
int admin_new(const struct admin_config *config, struct admin **out, int *port, struct err *err);
/* What its server measures, of its loop and the tap. */
void admin_measure(const struct admin *admin, struct observed *out);
/* Before the router and whatever observe() looks at is freed; and before the loop is. NULL is fine.
 */
void admin_free(struct admin *admin);
/* After a reload: `redact` is another, and what it was may go. */
void admin_renew(struct admin *admin, const char *const *redact);
/* status: of HTTP; body: JSON. */
void admin_reply(struct admin_asker *asker, int status, weir_str body);
#endif
