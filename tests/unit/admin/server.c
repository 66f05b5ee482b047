/* The server over real sockets, where the integration tests do not reach: memory runs out. */
#include "admin/server.h"

#include "unit.h"
#include "util/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

struct scene {
    uv_loop_t loop;
    struct admin_server *server;
    char dir[64], path[96];
    unsigned served;
};

static void serve(void *ctx, struct admin_conn *conn, const struct admin_request *request,
                  weir_str body)
{
    struct scene *scene = ctx;
    (void)request;
    (void)body;
    scene->served++;
    admin_answer(conn, &(struct admin_answer){.status = 200});
}

static void begin(struct scene *scene)
{
    struct err err = {0};
    *scene = (struct scene){.dir = "/tmp/weir-admin-XXXXXX"};
    CHECK_FATAL(mkdtemp(scene->dir) != NULL);
    snprintf(scene->path, sizeof scene->path, "%s/socket", scene->dir);
    CHECK_FATAL(uv_loop_init(&scene->loop) == 0);
    const struct admin_server_config config = {.loop = &scene->loop, .serve = serve, .ctx = scene};
    CHECK_FATAL(admin_server_new(&config, &scene->server) == 0);
    CHECK_FATAL(admin_listen_unix(scene->server, scene->path, &err) == 0);
}

static void end(struct scene *scene)
{
    admin_server_close(scene->server);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&scene->loop), 0);
    rmdir(scene->dir);
}

/* Connects and asks; the descriptor. */
static int ask(const struct scene *scene)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_FATAL(fd >= 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", scene->path);
    CHECK_FATAL(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    CHECK_INT(write(fd, request, sizeof request - 1), sizeof request - 1);
    return fd;
}

static void who_comes_while_memory_is_lacking_is_let_in_later(void)
{
    enum { TURNS_MAX = 40 }; /* each up to the server's tick of half a second */
    struct scene scene;
    begin(&scene);
    int first = ask(&scene);
    mem_fail_at(1);
    uv_run(&scene.loop, UV_RUN_ONCE);
    CHECK_INT(scene.served, 0);
    int second = ask(&scene);
    for (int i = 0; i < TURNS_MAX && scene.served < 2; i++)
        uv_run(&scene.loop, UV_RUN_ONCE);
    CHECK_INT(scene.served, 2);
    close(first);
    close(second);
    end(&scene);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {{"who_comes_while_memory_is_lacking_is_let_in_later",
                                              who_comes_while_memory_is_lacking_is_let_in_later},
                                             {NULL, NULL}};
    return unit_main(argc, argv, "admin_server", tests);
}
