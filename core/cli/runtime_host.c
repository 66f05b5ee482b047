/* Protocol: Runtime API 2018-06-01, as AWS's "Using the Lambda runtime API" page describes it. */
#include "cli/runtime_host.h"

#include "util/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BASE "/2018-06-01/runtime/"

enum {
    CONNECTIONS_MAX = 8,
    HEAD_BYTES_MAX = 64 << 10,
    ANSWER_BYTES_MAX = 6291556, /* Lambda's: 6 MiB and some bytes */
    INIT_TIMEOUT_MS = 10000
};

struct connection {
    int fd; /* -1 = free */
    struct buf in;
    bool waits; /* for the next event */
};

struct runtime_host {
    struct host_config config;
    int listener, port;
    struct connection connections[CONNECTIONS_MAX];
    pid_t child; /* 0 = none */
    int life;    /* readable once the child has ended; -1 = none */
    bool asked;  /* since it was started it has asked for an event */
    int64_t started_us;
    uint64_t count;
    char request_id[40];
    bool given, answered;
    int64_t given_us, answered_us, deadline_wall_ms;
    enum host_end end;
    struct buf body, head;
};

const char *host_end_name(enum host_end end)
{
    static const char *const names[] = {"response", "error", "init-error", "timeout", "exit"};
    return names[end];
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the child ---- */

static void drop(struct connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    connection->waits = false;
    buf_reset(&connection->in);
}

/* Returns the wait status. */
static int end_child(struct runtime_host *host)
{
    int status = 0;
    if (host->child > 0) {
        kill(host->child, SIGKILL); /* also where it has ended: it was not waited for yet */
        while (waitpid(host->child, &status, 0) < 0 && errno == EINTR)
            ;
    }
    host->child = 0;
    if (host->life >= 0)
        close(host->life);
    host->life = -1;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        drop(&host->connections[i]);
    return status;
}

/* Only what may be called between fork and exec. */
static void become_bootstrap(const struct host_config *config, char **environ_block, int life)
{
    char *argv[] = {(char *)config->bootstrap, NULL};
    int nothing = open("/dev/null", O_RDONLY);
    setpgid(0, 0); /* what the terminal signals is for whoever plays Lambda */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(config->log_fd, STDOUT_FILENO) < 0 || dup2(config->log_fd, STDERR_FILENO) < 0 ||
        nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || chdir(config->task_root) < 0 ||
        fcntl(life, F_SETFD, 0) < 0)
        _exit(126);
    execve(config->bootstrap, argv, environ_block);
    _exit(127);
}

static int start_child(struct runtime_host *host, struct err *err)
{
    char api[64];
    size_t count = 0;
    int ends[2];
    while (host->config.environ_block[count])
        count++;
    char **block = mem_zalloc(count + 2, sizeof *block);
    if (!block)
        return err_set(err, -ENOMEM, "out of memory");
    snprintf(api, sizeof api, "AWS_LAMBDA_RUNTIME_API=127.0.0.1:%d", host->port);
    for (size_t i = 0; i < count; i++)
        block[i] = (char *)host->config.environ_block[i];
    block[count] = api;
    int rc = pipe(ends) < 0 ? -errno : 0;
    if (rc == 0) {
        fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        host->started_us = now_us();
        host->asked = false;
        host->child = fork();
        if (host->child == 0)
            become_bootstrap(&host->config, block, ends[1]);
        rc = host->child < 0 ? -errno : 0;
        close(ends[1]);
        host->life = ends[0];
    }
    mem_free(block);
    return rc < 0 ? err_set(err, rc, "can't start %s: %s", host->config.bootstrap, strerror(-rc))
                  : 0;
}

/* `name`: "VmHWM:", the peak, or "VmRSS:", now. */
static int64_t memory_kb(pid_t pid, const char *name)
{
    char path[64], line[256];
    long long kb = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, 6) == 0)
            kb = strtoll(line + 6, NULL, 10);
    if (file)
        fclose(file);
    return kb;
}

/* ---- HTTP ---- */

static void send_all(struct connection *connection, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t put = send(connection->fd, bytes, len, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            drop(connection);
            return;
        }
        bytes += put;
        len -= (size_t)put;
    }
}

static void reply(struct connection *connection, int status, const char *body)
{
    char head[512];
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %d Status\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       status, strlen(body), body);
    send_all(connection, head, (size_t)len);
}

static void give_event(struct runtime_host *host, struct connection *connection, weir_str event,
                       int64_t timeout_ms)
{
    host->deadline_wall_ms = wall_ms() + timeout_ms;
    buf_reset(&host->head);
    buf_printf(&host->head,
               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
               "Lambda-Runtime-Aws-Request-Id: %s\r\nLambda-Runtime-Deadline-Ms: %" PRId64 "\r\n"
               "Lambda-Runtime-Invoked-Function-Arn: "
               "arn:aws:lambda:us-east-1:000000000000:function:local\r\n"
               "Lambda-Runtime-Trace-Id: Root=1-%08" PRIx64 "-%024" PRIx64 ";Sampled=0\r\n"
               "Content-Length: %zu\r\n\r\n",
               host->request_id, host->deadline_wall_ms,
               (uint64_t)host->deadline_wall_ms / 1000 & 0xffffffff, host->count, event.len);
    connection->waits = false;
    host->given = true;
    host->given_us = now_us();
    send_all(connection, host->head.ptr, host->head.len);
    if (connection->fd >= 0)
        send_all(connection, event.ptr, event.len);
}

static void take_answer(struct runtime_host *host, enum host_end end, weir_str body)
{
    host->answered = true;
    host->answered_us = now_us();
    host->end = end;
    buf_reset(&host->body);
    buf_put_str(&host->body, body);
}

/* A report of the invocation. One closes it, as in Lambda. */
static int take_report(struct runtime_host *host, const char *path, weir_str body)
{
    size_t id_len = strlen(host->request_id);
    bool ours = strncmp(path, host->request_id, id_len) == 0 && path[id_len] == '/';
    const char *kind = ours ? path + id_len + 1 : "";
    bool response = strcmp(kind, "response") == 0;
    if (!response && strcmp(kind, "error") != 0)
        return 400;
    if (!host->given || host->answered)
        return 403;
    if (response && body.len > ANSWER_BYTES_MAX) {
        take_answer(host, HOST_ERROR,
                    STR("{\"errorType\":\"Function.ResponseSizeTooLarge\",\"errorMessage\":"
                        "\"Response payload size exceeded the limit of 6291556 bytes.\"}"));
        return 413;
    }
    take_answer(host, response ? HOST_RESPONSE : HOST_ERROR, body);
    return 202;
}

static void serve(struct runtime_host *host, struct connection *connection, const char *method,
                  const char *path, weir_str body)
{
    if (strcmp(method, "GET") == 0 && strcmp(path, BASE "invocation/next") == 0) {
        host->asked = true;
        connection->waits = true;
        return;
    }
    int status = 404;
    if (strcmp(method, "POST") == 0 && strcmp(path, BASE "init/error") == 0) {
        take_answer(host, HOST_INIT_ERROR, body);
        status = 202;
    } else if (strcmp(method, "POST") == 0 &&
               strncmp(path, BASE "invocation/", sizeof BASE "invocation/" - 1) == 0) {
        status = take_report(host, path + sizeof BASE "invocation/" - 1, body);
    }
    reply(connection, status, status == 202 ? "{\"status\":\"OK\"}\n" : "{}\n");
}

static const char *find_header(const char *head, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r';
         line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
            return line + 3 + len + strspn(line + 3 + len, " ");
    return NULL;
}

/* A chunked body, put together in place. 1 = whole, 0 = more is to come, -1 = malformed. *used: its
 * bytes as sent. */
static int join_chunks(char *body, size_t len, size_t *joined, size_t *used)
{
    size_t at = 0;
    *joined = 0;
    for (;;) {
        char *line_end = memchr(body + at, '\n', len - at), *digits_end;
        if (!line_end)
            return 0;
        size_t size = strtoul(body + at, &digits_end, 16);
        if (digits_end == body + at || size > ANSWER_BYTES_MAX + HEAD_BYTES_MAX)
            return -1;
        at = (size_t)(line_end - body) + 1;
        if (len - at < size + 2)
            return 0;
        memmove(body + *joined, body + at, size);
        *joined += size;
        at += size + 2;
        if (size == 0) {
            *used = at;
            return 1;
        }
    }
}

/* Serves what is whole of the connection's bytes. false: it is no request that can be served. */
static bool serve_bytes(struct runtime_host *host, struct connection *connection)
{
    char method[8], path[512];
    const char *text = buf_cstr(&connection->in);
    const char *blank = strstr(text, "\r\n\r\n");
    if (!blank)
        return connection->in.len < HEAD_BYTES_MAX;
    if (sscanf(text, "%7s %511s", method, path) != 2)
        return false;
    const char *length = find_header(text, "Content-Length");
    size_t head = (size_t)(blank - text) + 4, behind = connection->in.len - head;
    size_t body = length ? strtoul(length, NULL, 10) : 0, used = body;
    int whole = behind >= body;
    if (find_header(text, "Transfer-Encoding")) { /* aws-lambda-go sends chunks */
        char *copy = mem_dup0(text + head, behind);
        whole = copy ? join_chunks(copy, behind, &body, &used) : -1;
        if (whole == 1)
            memcpy(connection->in.ptr + head, copy, body);
        mem_free(copy);
    }
    if (whole == 0 && behind == 0 && find_header(text, "Expect"))
        send_all(connection, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    if (whole != 1)
        return whole == 0;
    serve(host, connection, method, path, (weir_str){text + head, body});
    if (connection->fd >= 0) { /* what is behind it would be a pipelined request: none sends that */
        memmove(connection->in.ptr, connection->in.ptr + head + used, behind - used);
        connection->in.len = behind - used;
    }
    return true;
}

static void receive(struct runtime_host *host, struct connection *connection)
{
    ssize_t got = -1;
    if (buf_reserve(&connection->in, 65536) == 0)
        got = recv(connection->fd, connection->in.ptr + connection->in.len, 65536, 0);
    if (got < 0 && errno == EINTR)
        return;
    if (got > 0)
        connection->in.len += (size_t)got;
    if (got <= 0 || !serve_bytes(host, connection))
        drop(connection);
}

static void accept_one(struct runtime_host *host)
{
    int fd = accept(host->listener, NULL, NULL), on = 1;
    if (fd < 0)
        return;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (host->connections[i].fd < 0) {
            host->connections[i].fd = fd;
            return;
        }
    close(fd);
}

/* ---- an invocation ---- */

/* Waits for whatever comes first. true: the child has ended. */
static bool turn(struct runtime_host *host, int64_t wait_ms)
{
    struct pollfd watched[CONNECTIONS_MAX + 2] = {{.fd = host->listener, .events = POLLIN},
                                                  {.fd = host->life, .events = POLLIN}};
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        watched[i + 2] = (struct pollfd){.fd = host->connections[i].fd, .events = POLLIN};
    if (poll(watched, CONNECTIONS_MAX + 2, (int)wait_ms) <= 0)
        return false;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (watched[i + 2].revents && host->connections[i].fd == watched[i + 2].fd)
            receive(host, &host->connections[i]);
    if (watched[0].revents)
        accept_one(host);
    return watched[1].revents && !watched[0].revents; /* what it sent before comes first */
}

static struct connection *waiting(struct runtime_host *host)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (host->connections[i].fd >= 0 && host->connections[i].waits)
            return &host->connections[i];
    return NULL;
}

/* In the words that Lambda itself uses. */
static void fail(struct runtime_host *host, enum host_end end, int64_t timeout_ms)
{
    char text[256];
    int status = end_child(host);
    if (end == HOST_TIMEOUT)
        snprintf(text, sizeof text,
                 "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"%s Error: Task timed out "
                 "after %.2f seconds\"}",
                 host->request_id, (double)timeout_ms / 1000);
    else if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        snprintf(text, sizeof text,
                 "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"%s Error: Runtime exited "
                 "with error: signal: %d\"}",
                 host->request_id, WTERMSIG(status));
    else
        snprintf(text, sizeof text,
                 "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"%s Error: Runtime exited "
                 "with error: exit status %d\"}",
                 host->request_id, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    take_answer(host, end, str_of(text));
}

static void play(struct runtime_host *host, weir_str event, int64_t timeout_ms)
{
    while (!host->answered) {
        struct connection *connection = host->given ? NULL : waiting(host);
        if (connection)
            give_event(host, connection, event, timeout_ms);
        int64_t limit_ms = host->given ? timeout_ms : INIT_TIMEOUT_MS;
        int64_t from_us = host->given ? host->given_us : host->started_us;
        if (!host->given && host->asked) /* it is warm and comes back at once, or is stuck */
            from_us = host->answered_us > host->started_us ? host->answered_us : host->started_us;
        int64_t left_ms = limit_ms - (now_us() - from_us) / 1000;
        if (left_ms <= 0)
            fail(host, HOST_TIMEOUT, limit_ms);
        else if (turn(host, left_ms) && !host->answered)
            fail(host, HOST_EXIT, 0);
    }
}

int host_invoke(struct runtime_host *host, weir_str event, int64_t timeout_ms,
                struct host_result *out, struct err *err)
{
    bool cold = host->child == 0;
    int rc = cold ? start_child(host, err) : 0;
    if (rc < 0)
        return rc;
    host->given = host->answered = false;
    if (!cold)
        host->answered_us = now_us();
    snprintf(host->request_id, sizeof host->request_id, "%08" PRIx32 "-0000-4000-8000-%012" PRIu64,
             host->config.number, ++host->count);
    play(host, event, timeout_ms);
    if (host->body.failed)
        return err_set(err, -ENOMEM, "out of memory");
    *out = (struct host_result){
        .end = host->end,
        .body = buf_str(&host->body),
        .request_id = str_of(host->request_id),
        .cold = cold,
        .init_us = cold ? (host->given ? host->given_us : host->answered_us) - host->started_us : 0,
        .duration_us = host->given ? host->answered_us - host->given_us : 0,
        .peak_rss_kb = host->child ? memory_kb(host->child, "VmHWM:") : 0,
        .rss_kb = host->child ? memory_kb(host->child, "VmRSS:") : 0,
    };
    if (host->end == HOST_INIT_ERROR)
        end_child(host); /* the next invocation starts it again */
    return 0;
}

/* ---- life ---- */

static int open_listener(struct runtime_host *host)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    host->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (host->listener < 0 || fcntl(host->listener, F_SETFD, FD_CLOEXEC) < 0 ||
        bind(host->listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(host->listener, CONNECTIONS_MAX) < 0 ||
        getsockname(host->listener, (struct sockaddr *)&address, &len) < 0)
        return -errno;
    host->port = ntohs(address.sin_port);
    return 0;
}

int host_new(const struct host_config *config, struct runtime_host **out, struct err *err)
{
    struct runtime_host *host = mem_zalloc(1, sizeof *host);
    if (!host)
        return err_set(err, -ENOMEM, "out of memory");
    host->config = *config;
    host->listener = host->life = -1;
    buf_init(&host->body, ANSWER_BYTES_MAX + 1);
    buf_init(&host->head, 4096);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        host->connections[i].fd = -1;
        buf_init(&host->connections[i].in, ANSWER_BYTES_MAX + HEAD_BYTES_MAX + (1 << 20));
    }
    int rc = open_listener(host);
    if (rc < 0) {
        host_free(host);
        return err_set(err, rc, "can't listen on 127.0.0.1: %s", strerror(-rc));
    }
    *out = host;
    return 0;
}

void host_free(struct runtime_host *host)
{
    if (!host)
        return;
    end_child(host);
    if (host->listener >= 0)
        close(host->listener);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        buf_done(&host->connections[i].in);
    buf_done(&host->body);
    buf_done(&host->head);
    mem_free(host);
}
