#include "admin/server.h"

#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

enum {
    TICK_MS = 500,
    LAG_TICKS = 30,
    BACKLOG = 32,
    LINGER_MS = 1000,
    STREAM_KERNEL_BYTES = 64 << 10
};

enum conn_phase {
    CONN_READING, /* the request */
    CONN_HELD,    /* the answer comes later */
    CONN_STREAMING,
    CONN_WRITING,   /* the answer */
    CONN_LINGERING, /* all is sent; what still comes is not heeded */
    CONN_CLOSED
};

union stream_handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct listener {
    union stream_handle uv;
    struct admin_server *server;
    bool open, local;
    bool waits; /* somebody could not be let in */
    size_t conns;
};

struct admin_conn {
    union stream_handle uv;
    struct listener *listener;
    struct admin_conn *next, *prev;
    enum conn_phase phase;
    bool head_only, ended; /* ended: the client sends no more */
    int64_t deadline_ms;
    size_t unsent_bytes; /* of a stream, when it was looked at last */
    void (*gone)(void *arg);
    void *arg;
    uv_shutdown_t shutdown;
    size_t got;
    char bytes[ADMIN_REQUEST_BYTES];
};

struct admin_server {
    struct admin_server_config config;
    struct listener tcp, local;
    char path[sizeof((struct sockaddr_un *)0)->sun_path]; /* of the unix socket; "" = none */
    struct admin_conn *conns;
    uv_timer_t timer;
    bool timing, closing;
    int64_t ticked_ms;
    int64_t lags_ms[LAG_TICKS];
    size_t lag_at;
    size_t handles; /* not closed yet */
};

struct write { /* with its bytes behind it */
    uv_write_t request;
    struct admin_conn *conn;
    size_t len;
    char bytes[];
};

static int64_t now_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

/* ---- the end of things ---- */

static void handle_closed(struct admin_server *server)
{
    if (--server->handles == 0 && server->closing)
        mem_free(server);
}

static void on_conn_closed(uv_handle_t *handle)
{
    struct admin_conn *conn = handle->data;
    struct admin_server *server = conn->listener->server;
    mem_free(conn);
    handle_closed(server);
}

static void conn_close(struct admin_conn *conn)
{
    struct admin_server *server = conn->listener->server;
    void (*gone)(void *arg) = conn->gone;
    if (conn->phase == CONN_CLOSED)
        return;
    conn->phase = CONN_CLOSED;
    conn->gone = NULL;
    *(conn->prev ? &conn->prev->next : &server->conns) = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    conn->listener->conns--;
    uv_close(&conn->uv.handle, on_conn_closed);
    if (gone)
        gone(conn->arg);
}

/* ---- writing ---- */

static void on_lingered(uv_shutdown_t *request, int status)
{
    (void)request;
    (void)status; /* its peer closes now, or its time runs out */
}

/* All is sent. It is closed when the client has closed: what is closed with bytes unread is reset,
 * and the answer might be lost with it. */
static void linger(struct admin_conn *conn)
{
    conn->phase = CONN_LINGERING;
    conn->deadline_ms = now_ms() + LINGER_MS;
    if (conn->ended || uv_shutdown(&conn->shutdown, &conn->uv.stream, on_lingered) < 0)
        conn_close(conn);
}

static void on_written(uv_write_t *request, int status)
{
    struct write *write = (struct write *)request;
    struct admin_conn *conn = write->conn;
    mem_free(write);
    if (conn->phase == CONN_CLOSED)
        return;
    if (status < 0)
        conn_close(conn);
    else if (conn->phase == CONN_WRITING)
        linger(conn);
}

/* 0, or -errno: the connection is to be closed. */
static int send_bytes(struct admin_conn *conn, weir_str first, weir_str second)
{
    struct write *write = mem_alloc(sizeof *write + first.len + second.len + 1);
    if (!write)
        return -ENOMEM;
    write->conn = conn;
    write->len = first.len + second.len;
    memcpy(write->bytes, first.ptr, first.len);
    if (second.len)
        memcpy(write->bytes + first.len, second.ptr, second.len);
    uv_buf_t buf = uv_buf_init(write->bytes, (unsigned)write->len);
    int rc = uv_write(&write->request, &conn->uv.stream, &buf, 1, on_written);
    if (rc < 0)
        mem_free(write);
    return rc;
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {202, "Accepted"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {409, "Conflict"},
                   {413, "Content Too Large"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {503, "Service Unavailable"},
                   {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

static void put_head(struct buf *out, int status, const char *type, const char *more)
{
    buf_printf(out,
               "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nConnection: close\r\n"
               "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
               "Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n"
               "X-Frame-Options: DENY\r\n%s",
               status, reason_of(status), type,
               more ? more : "Content-Security-Policy: default-src 'none'\r\n");
}

void admin_answer(struct admin_conn *conn, const struct admin_answer *answer)
{
    struct buf head;
    buf_init(&head, 16 << 10);
    put_head(&head, answer->status, answer->type ? answer->type : "application/json",
             answer->headers);
    buf_printf(&head, "Content-Length: %zu\r\n\r\n", answer->body.len);
    conn->gone = NULL;
    conn->phase = CONN_WRITING;
    conn->deadline_ms = now_ms() + ADMIN_ANSWER_MS;
    if (head.failed ||
        send_bytes(conn, buf_str(&head), conn->head_only ? STR_NONE : answer->body) < 0)
        conn_close(conn);
    buf_done(&head);
}

void admin_answer_error(struct admin_conn *conn, int status, const char *format, ...)
{
    char text[400];
    struct buf body;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_init(&body, 4096);
    buf_puts(&body, "{\"error\":");
    buf_put_json_string(&body, str_of(text));
    buf_puts(&body, "}\n");
    admin_answer(conn, &(struct admin_answer){.status = status, .body = buf_str(&body)});
    buf_done(&body);
}

void admin_conn_hold(struct admin_conn *conn, void (*gone)(void *arg), void *arg)
{
    conn->phase = CONN_HELD;
    conn->deadline_ms = now_ms() + ADMIN_HOLD_MS;
    conn->gone = gone;
    conn->arg = arg;
}

void admin_stream_begin(struct admin_conn *conn, const char *type)
{
    struct buf head;
    int kernel_bytes = STREAM_KERNEL_BYTES; /* else it takes megabytes of what nobody reads */
    buf_init(&head, 16 << 10);
    uv_send_buffer_size(&conn->uv.handle, &kernel_bytes);
    put_head(&head, 200, type, NULL);
    buf_puts(&head, "\r\n");
    conn->phase = CONN_STREAMING;
    conn->deadline_ms = now_ms() + ADMIN_STUCK_MS;
    conn->unsent_bytes = 0;
    if (!head.failed) /* a failure is found by the next send */
        send_bytes(conn, buf_str(&head), STR_NONE);
    buf_done(&head);
}

bool admin_stream_send(struct admin_conn *conn, weir_str bytes)
{
    size_t unsent = uv_stream_get_write_queue_size(&conn->uv.stream);
    return unsent + bytes.len <= ADMIN_STREAM_BYTES && send_bytes(conn, bytes, STR_NONE) == 0;
}

bool admin_conn_local(const struct admin_conn *conn)
{
    return conn->listener->local;
}

/* ---- reading ---- */

static void take(struct admin_conn *conn)
{
    struct admin_server *server = conn->listener->server;
    struct admin_request request;
    int head = admin_request_parse(conn->bytes, conn->got, &request);
    if (head < 0) {
        admin_answer_error(conn, -head, "%s", reason_of(-head));
        return;
    }
    if (head == 0 || conn->got < (size_t)head + request.body_bytes)
        return;
    conn->head_only = request.method == ADMIN_HEAD;
    weir_str body = {conn->bytes + head, request.body_bytes};
    server->config.serve(server->config.ctx, conn, &request, body);
}

static void on_alloc(uv_handle_t *handle, size_t wish, uv_buf_t *buf)
{
    struct admin_conn *conn = handle->data;
    (void)wish;
    if (conn->phase != CONN_READING)
        conn->got = 0; /* what comes behind the request is not heeded, only read */
    *buf = uv_buf_init(conn->bytes + conn->got, (unsigned)(sizeof conn->bytes - conn->got));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct admin_conn *conn = stream->data;
    (void)buf;
    if (got < 0) {
        /* One that has sent its request may have closed its half; the answer still goes out. */
        conn->ended = got == UV_EOF;
        if (conn->phase == CONN_WRITING && conn->ended)
            uv_read_stop(stream);
        else
            conn_close(conn);
        return;
    }
    if (conn->phase != CONN_READING)
        return;
    conn->got += (size_t)got;
    take(conn);
}

static void refuse(struct admin_conn *conn)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                               "Content-Length: 0\r\n\r\n";
    uv_buf_t buf = uv_buf_init((char *)text, sizeof text - 1);
    uv_try_write(&conn->uv.stream, &buf, 1);
    conn_close(conn);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *listener = stream->data;
    struct admin_server *server = listener->server;
    struct admin_conn *conn = status < 0 ? NULL : mem_zalloc(1, sizeof *conn);
    int rc = -ENOMEM;
    if (conn)
        rc = listener->local ? uv_pipe_init(server->config.loop, &conn->uv.pipe, 0)
                             : uv_tcp_init(server->config.loop, &conn->uv.tcp);
    listener->waits = status == 0 && rc < 0; /* until it is let in, libuv tells of no other one */
    if (rc < 0) {
        mem_free(conn);
        return;
    }
    conn->listener = listener;
    conn->deadline_ms = now_ms() + ADMIN_HEAD_MS;
    conn->uv.handle.data = conn;
    conn->next = server->conns;
    if (conn->next)
        conn->next->prev = conn;
    server->conns = conn;
    listener->conns++;
    server->handles++;
    bool accepted = uv_accept(stream, &conn->uv.stream) == 0;
    if (accepted && listener->conns > ADMIN_CONNECTIONS_MAX)
        refuse(conn);
    else if (!accepted || uv_read_start(&conn->uv.stream, on_alloc, on_read) < 0)
        conn_close(conn);
}

/* ---- time ---- */

static void look_at_conn(struct admin_conn *conn, int64_t now)
{
    if (conn->phase == CONN_STREAMING) {
        size_t unsent = uv_stream_get_write_queue_size(&conn->uv.stream);
        if (unsent == 0 || unsent < conn->unsent_bytes)
            conn->deadline_ms = now + ADMIN_STUCK_MS;
        conn->unsent_bytes = unsent;
    }
    if (now < conn->deadline_ms)
        return;
    if (conn->phase == CONN_READING)
        admin_answer_error(conn, 408, "the request did not come within 5 s");
    else
        conn_close(conn);
}

static void let_in(struct listener *listener)
{
    if (listener->waits)
        on_connection(&listener->uv.stream, 0);
}

static void on_tick(uv_timer_t *timer)
{
    struct admin_server *server = timer->data;
    int64_t now = now_ms(), lag = now - server->ticked_ms - TICK_MS;
    server->ticked_ms = now;
    server->lags_ms[server->lag_at] = lag > 0 ? lag : 0;
    server->lag_at = (server->lag_at + 1) % LAG_TICKS;
    for (struct admin_conn *conn = server->conns, *next; conn; conn = next) {
        next = conn->next;
        look_at_conn(conn, now);
    }
    let_in(&server->tcp);
    let_in(&server->local);
    if (server->config.tick)
        server->config.tick(server->config.ctx);
}

int64_t admin_loop_lag_ms(const struct admin_server *server)
{
    int64_t worst = now_ms() - server->ticked_ms - TICK_MS;
    for (size_t i = 0; i < LAG_TICKS; i++)
        if (server->lags_ms[i] > worst)
            worst = server->lags_ms[i];
    return worst > 0 ? worst : 0;
}

/* ---- life ---- */

int admin_server_new(const struct admin_server_config *config, struct admin_server **out)
{
    struct admin_server *server = mem_zalloc(1, sizeof *server);
    if (!server)
        return -ENOMEM;
    server->config = *config;
    server->tcp.server = server->local.server = server;
    server->local.local = true;
    server->ticked_ms = now_ms();
    int rc = uv_timer_init(config->loop, &server->timer);
    if (rc < 0) {
        mem_free(server);
        return rc;
    }
    server->timer.data = server;
    server->handles = 1;
    uv_timer_start(&server->timer, on_tick, TICK_MS, TICK_MS);
    *out = server;
    return 0;
}

/* Its handle is initialised, and is to be closed. */
static void opened(struct listener *listener)
{
    listener->uv.handle.data = listener;
    listener->server->handles++;
    listener->open = true;
}

static int cant_listen(struct err *err, const char *where, int rc)
{
    return err_set(err, rc, "can't listen on %s: %s", where, uv_strerror(rc));
}

static int port_of(const uv_tcp_t *tcp)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    if (uv_tcp_getsockname(tcp, (struct sockaddr *)&address, &len) < 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

int admin_listen_tcp(struct admin_server *server, const char *host, int *port, struct err *err)
{
    struct sockaddr_storage address = {0};
    uv_tcp_t *tcp = &server->tcp.uv.tcp;
    char where[80];
    snprintf(where, sizeof where, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, *port);
    int rc = uv_ip4_addr(host, *port, (struct sockaddr_in *)&address);
    if (rc < 0)
        rc = uv_ip6_addr(host, *port, (struct sockaddr_in6 *)&address);
    if (rc == 0)
        rc = uv_tcp_init(server->config.loop, tcp);
    if (rc < 0)
        return cant_listen(err, where, rc);
    opened(&server->tcp);
    rc = uv_tcp_bind(tcp, (struct sockaddr *)&address, 0);
    if (rc == 0)
        rc = uv_listen(&server->tcp.uv.stream, BACKLOG, on_connection);
    if (rc < 0)
        return cant_listen(err, where, rc);
    *port = port_of(tcp);
    return 0;
}

static int address_of(const char *path, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof out->sun_path)
        return -ENAMETOOLONG;
    memcpy(out->sun_path, path, strlen(path) + 1);
    return 0;
}

/* Whether some process listens there. */
static bool is_served(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool served = fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
                              errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return served;
}

void admin_sweep_unix(const char *path)
{
    struct sockaddr_un address;
    struct stat info;
    if (address_of(path, &address) == 0 && lstat(path, &info) == 0 && S_ISSOCK(info.st_mode) &&
        !is_served(&address))
        unlink(path);
}

/* Linux gives the file the mode that the descriptor has: there is no moment at which others could
 * connect. */
static int bind_private(const char *path)
{
    struct sockaddr_un address;
    struct stat info;
    int rc = address_of(path, &address);
    if (rc < 0)
        return rc;
    if (is_served(&address))
        return -EADDRINUSE;
    if (lstat(path, &info) == 0 && S_ISSOCK(info.st_mode))
        unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, 0600) == 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        chmod(path, 0600) == 0)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

int admin_listen_unix(struct admin_server *server, const char *path, struct err *err)
{
    int fd = bind_private(path);
    if (fd < 0)
        return cant_listen(err, path, fd);
    snprintf(server->path, sizeof server->path, "%s", path);
    int rc = uv_pipe_init(server->config.loop, &server->local.uv.pipe, 0);
    if (rc == 0) {
        opened(&server->local);
        rc = uv_pipe_open(&server->local.uv.pipe, fd);
    }
    if (rc < 0)
        close(fd);
    else
        rc = uv_listen(&server->local.uv.stream, BACKLOG, on_connection);
    return rc < 0 ? cant_listen(err, path, rc) : 0;
}

static void on_listener_closed(uv_handle_t *handle)
{
    const struct listener *listener = handle->data;
    handle_closed(listener->server);
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void listener_close(struct listener *listener)
{
    if (listener->open)
        uv_close(&listener->uv.handle, on_listener_closed);
    listener->open = false;
}

void admin_server_close(struct admin_server *server)
{
    if (!server)
        return;
    server->closing = true;
    while (server->conns)
        conn_close(server->conns);
    listener_close(&server->tcp);
    listener_close(&server->local);
    uv_close((uv_handle_t *)&server->timer, on_timer_closed);
    if (server->path[0])
        unlink(server->path);
}
