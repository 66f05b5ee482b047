/* Connections that never come to stand. */
#include "loop/loop.h"

#include "unit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAITING = 4 };

/* A port that answers no connection: who comes third is not even refused. */
static int full_port(int waiting[WAITING], int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    socklen_t len = sizeof address;
    int full = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_INT(bind(full, (struct sockaddr *)&address, len), 0);
    CHECK_INT(listen(full, 0), 0);
    getsockname(full, (struct sockaddr *)&address, &len);
    for (int i = 0; i < WAITING; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM, 0);
        fcntl(waiting[i], F_SETFL, O_NONBLOCK);
        (void)!connect(waiting[i], (struct sockaddr *)&address, len);
    }
    *port = ntohs(address.sin_port);
    return full;
}

static int done;
static void on_done(struct http_call *call)
{
    (void)call;
    done++;
}

struct aborter {
    struct timer timer;
    struct world *world;
    struct http_call *call;
};

static void abort_it(struct timer *timer)
{
    struct aborter *aborter = (struct aborter *)timer;
    aborter->world->transport.abort(aborter->world->transport.ctx, aborter->call);
}

/* What follows on the number of a socket that libcurl has closed is not ours. */
static void what_is_opened_after_it_is_left_alone(int aborted)
{
    char url[64];
    int waiting[WAITING], pair[2], port, full = full_port(waiting, &port);
    struct loop_config config = {0};
    struct loop *loop = NULL;
    struct world world = {0};
    struct http_call call = {.method = "GET",
                             .url = url,
                             .connect_timeout_ms = aborted ? 3000 : 100,
                             .timeout_ms = 5000,
                             .done = on_done};
    struct aborter aborter = {{.fire = abort_it}, &world, &call};
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    CHECK_INT(loop_new(&config, &loop, NULL), 0);
    loop_world(loop, &world);
    done = 0;
    CHECK_INT(world.transport.start(world.transport.ctx, &call), 0);
    if (aborted)
        world.clock.arm(world.clock.ctx, &aborter.timer, 50);
    loop_run(loop);
    CHECK_INT(done, 1);
    CHECK_INT(call.result, aborted ? HTTP_ABORTED : HTTP_UNREACHABLE);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    world.transport.forget_connections(world.transport.ctx);
    CHECK_INT(send(pair[0], "x", 1, MSG_NOSIGNAL), 1);
    CHECK_INT(loop_free(loop), 0);
    CHECK_INT(send(pair[0], "x", 1, MSG_NOSIGNAL), 1);
    close(pair[0]);
    close(pair[1]);
    for (int i = 0; i < WAITING; i++)
        close(waiting[i]);
    close(full);
    buf_done(&call.answer);
    buf_done(&call.answer_headers);
}

static void a_connection_that_timed_out_leaves_nothing_behind(void)
{
    what_is_opened_after_it_is_left_alone(0);
}

static void a_connection_that_was_aborted_leaves_nothing_behind(void)
{
    what_is_opened_after_it_is_left_alone(1);
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(a_connection_that_timed_out_leaves_nothing_behind),
    TEST(a_connection_that_was_aborted_leaves_nothing_behind),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "connecting", tests);
}
