/* A small HTTP server on the event loop: one request a connection, everything bounded. It never
 * keeps the loop running, and never waits: a client that is slow is given up. [router] */
#ifndef WEIR_ADMIN_SERVER_H
#define WEIR_ADMIN_SERVER_H
#include "admin/request.h"
#include "util/buf.h"
#include "util/err.h"

enum {
    ADMIN_CONNECTIONS_MAX = 32,    /* of each listener; more are answered 503 */
    ADMIN_HEAD_MS = 5000,          /* to send the request */
    ADMIN_ANSWER_MS = 30000,       /* to take the answer */
    ADMIN_HOLD_MS = 120000,        /* for an answer that is made later */
    ADMIN_STUCK_MS = 60000,        /* of a stream whose reader takes nothing */
    ADMIN_STREAM_BYTES = 256 << 10 /* not taken yet by the reader of a stream */
};

struct uv_loop_s;
struct admin_server;
struct admin_conn;

struct admin_server_config {
    struct uv_loop_s *loop;
    /* A whole request came: it is answered at once, streamed to, or held. The views live until it
     * returns. */
    void (*serve)(void *ctx, struct admin_conn *conn, const struct admin_request *request,
                  weir_str body);
    /* Twice a second. */
    void (*tick)(void *ctx);
    void *ctx;
};

int admin_server_new(const struct admin_server_config *config, struct admin_server **out);
/* `host` is a literal address. *port: 0 takes a free one, and says which. 0 or -errno with *err. */
int admin_listen_tcp(struct admin_server *server, const char *host, int *port, struct err *err);
/* A socket of mode 0600. A path that another process listens on is -EADDRINUSE; what a process that
 * is gone left there is replaced. */
int admin_listen_unix(struct admin_server *server, const char *path, struct err *err);
/* Removes a socket that nobody listens on. */
void admin_sweep_unix(const char *path);
/* Ends all; the memory goes when the loop has closed the handles. NULL is fine. */
void admin_server_close(struct admin_server *server);
/* The worst of the last 15 s: by so much the loop was late. */
int64_t admin_loop_lag_ms(const struct admin_server *server);

bool admin_conn_local(const struct admin_conn *conn); /* came by the unix socket */

struct admin_answer {
    int status;
    const char *type;    /* NULL = JSON */
    const char *headers; /* more of them, each with its line end; NULL = none */
    weir_str body;       /* copied */
};
/* The connection ends with it. */
void admin_answer(struct admin_conn *conn, const struct admin_answer *answer);
void admin_answer_error(struct admin_conn *conn, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* It is answered later, or streamed to: gone(arg) is called once should the client leave before
 * that, and then the connection is not to be touched any more. */
void admin_conn_hold(struct admin_conn *conn, void (*gone)(void *arg), void *arg);
/* Begins a stream without end. */
void admin_stream_begin(struct admin_conn *conn, const char *type);
/* False: the reader has not taken what it was sent before, and this is not sent. */
bool admin_stream_send(struct admin_conn *conn, weir_str bytes);
#endif
