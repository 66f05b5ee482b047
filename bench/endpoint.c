/* An endpoint in the shape of DynamoDB that answers every request after a fixed time, so that
 * clients can be compared: bench_endpoint PORT DELAY_MS. It reads just as much of HTTP/1.1 as
 * clients of AWS write: a head with Content-Length, then a body; one request at a time on a
 * connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

enum { INPUT_BYTES = 1 << 20 };

struct connection {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    int handles;
    size_t len, body_bytes; /* of what was read; still to come of the body */
    char input[INPUT_BYTES];
};

static uint64_t delay_ms;
static char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
                       "Content-Length: 23\r\n\r\n{\"UnprocessedItems\":{}}";

static void on_close(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    if (--c->handles == 0)
        free(c);
}

static void hang_up(struct connection *c)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp))
        return;
    uv_close((uv_handle_t *)&c->tcp, on_close);
    uv_close((uv_handle_t *)&c->timer, on_close);
}

static void on_written(uv_write_t *write, int status)
{
    if (status < 0)
        hang_up(write->data);
}

static void on_due(uv_timer_t *timer)
{
    struct connection *c = timer->data;
    uv_buf_t text = uv_buf_init(answer, sizeof answer - 1);
    uv_write(&c->write, (uv_stream_t *)&c->tcp, &text, 1, on_written);
}

/* The number behind Content-Length in the head [at, end); 0 without one. */
static size_t content_length(const char *at, const char *end)
{
    static const char name[] = "Content-Length:";
    for (; at < end; at++)
        if (*at == '\n' && (size_t)(end - at) > sizeof name &&
            strncasecmp(at + 1, name, sizeof name - 1) == 0)
            return strtoul(at + sizeof name, NULL, 10);
    return 0;
}

static void take(struct connection *c)
{
    if (c->body_bytes == 0) {
        c->input[c->len] = '\0';
        const char *end = strstr(c->input, "\r\n\r\n");
        if (!end)
            return;
        c->body_bytes = (size_t)(end + 4 - c->input) + content_length(c->input, end);
    }
    if (c->len < c->body_bytes)
        return;
    c->len = c->body_bytes = 0;
    uv_timer_start(&c->timer, on_due, delay_ms, 0);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct connection *c = handle->data;
    (void)wanted;
    *out = uv_buf_init(c->input + c->len, (unsigned)(INPUT_BYTES - 1 - c->len));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
    struct connection *c = stream->data;
    (void)room;
    if (got < 0) {
        hang_up(c);
        return;
    }
    c->len += (size_t)got;
    take(c);
}

static void on_connection(uv_stream_t *server, int status)
{
    struct connection *c = status < 0 ? NULL : malloc(sizeof *c);
    if (!c)
        return;
    c->len = c->body_bytes = 0;
    c->handles = 2;
    c->tcp.data = c->timer.data = c->write.data = c;
    uv_tcp_init(server->loop, &c->tcp);
    uv_timer_init(server->loop, &c->timer);
    if (uv_accept(server, (uv_stream_t *)&c->tcp) < 0) {
        hang_up(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    uv_tcp_t server;
    uv_loop_t *loop = uv_default_loop();
    if (argc < 3)
        return 2;
    delay_ms = strtoul(argv[2], NULL, 10);
    uv_ip4_addr("127.0.0.1", (int)strtol(argv[1], NULL, 10), &address);
    uv_tcp_init(loop, &server);
    int rc = uv_tcp_bind(&server, (const struct sockaddr *)&address, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&server, 512, on_connection);
    if (rc < 0) {
        fprintf(stderr, "port %s: %s\n", argv[1], uv_strerror(rc));
        return 1;
    }
    puts("ready");
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
