/* Fetching on threads, on the real loop, against a server on threads of this program. */
#include "source/fetch_threads.h"

#include "unit.h"
#include "util/alloc.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void pause_us(long us)
{
    struct timespec time = {0, us * 1000};
    nanosleep(&time, NULL);
}

/* ---- the server ---- */

enum { CONNECTIONS_MAX = 1024, REQUEST_BYTES = 16384, RECORDS = 3 };

struct server {
    int fd, port;
    pthread_t acceptor, threads[CONNECTIONS_MAX];
    int connections[CONNECTIONS_MAX];
    atomic_size_t count, requests, refused;
    const char *answer;      /* instead of a page; with status 400 */
    const char *garbage;     /* the same with status 200 */
    const char *expired_key; /* requests signed with it are refused */
    atomic_bool hang;        /* no answer at all */
    pthread_mutex_t lock;
    int connection_of[8]; /* by the last letter of the iterator, '0' to '7': who asked last */
};

struct connection {
    struct server *server;
    size_t index;
};

static void page_for(char *out, size_t room, char shard)
{
    int len = snprintf(out, room, "{\"Records\":[");
    for (int i = 0; i < RECORDS; i++)
        len += snprintf(out + len, room - (size_t)len,
                        "%s{\"eventID\":\"e%c%d\",\"eventName\":\"INSERT\",\"dynamodb\":{\"Keys\":"
                        "{\"id\":{\"S\":\"%c%d\"}},\"SequenceNumber\":\"%d00000000000000000000\"}}",
                        i ? "," : "", shard, i, shard, i, i + 1);
    snprintf(out + len, room - (size_t)len, "],\"NextShardIterator\":\"next-%c\"}", shard);
}

static void respond(struct server *server, struct connection *connection, const char *request)
{
    static const char gone[] = "{\"__type\":\"x#ExpiredTokenException\",\"message\":\"old\"}";
    char body[4096], answer[5000];
    const char *iterator = strstr(request, "\"ShardIterator\":\"");
    char shard = iterator ? iterator[strcspn(iterator + 17, "\"") + 16] : '?';
    int status = 200;
    atomic_fetch_add(&server->requests, 1);
    if (atomic_load(&server->hang))
        return;
    page_for(body, sizeof body, shard);
    if (server->expired_key && strstr(request, server->expired_key)) {
        snprintf(body, sizeof body, "%s", gone);
        atomic_fetch_add(&server->refused, 1);
        status = 400;
    } else if (server->answer || server->garbage) {
        snprintf(body, sizeof body, "%s", server->answer ? server->answer : server->garbage);
        status = server->answer ? 400 : 200;
    }
    pthread_mutex_lock(&server->lock);
    if (shard >= '0' && shard <= '7')
        server->connection_of[shard - '0'] = (int)connection->index;
    pthread_mutex_unlock(&server->lock);
    int len = snprintf(answer, sizeof answer,
                       "HTTP/1.1 %d X\r\nContent-Type: application/x-amz-json-1.0\r\n"
                       "x-amzn-RequestId: 0123456789\r\nContent-Length: %zu\r\n\r\n%s",
                       status, strlen(body), body);
    (void)!send(server->connections[connection->index], answer, (size_t)len, MSG_NOSIGNAL);
}

/* Requests are small: head and body come together. */
static void *serve(void *arg)
{
    struct connection *connection = arg;
    struct server *server = connection->server;
    char request[REQUEST_BYTES];
    size_t len = 0;
    ssize_t got;
    while ((got = recv(server->connections[connection->index], request + len,
                       sizeof request - 1 - len, 0)) > 0) {
        len += (size_t)got;
        request[len] = '\0';
        const char *end = strstr(request, "\r\n\r\n");
        if (!end || request[len - 1] != '}')
            continue;
        len = 0;
        respond(server, connection, request);
    }
    free(connection);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct server *server = arg;
    int fd;
    while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
        struct connection *connection = malloc(sizeof *connection);
        size_t index = atomic_load(&server->count);
        if (!connection || index == CONNECTIONS_MAX)
            abort();
        *connection = (struct connection){server, index};
        server->connections[index] = fd;
        pthread_create(&server->threads[index], NULL, serve, connection);
        atomic_store(&server->count, index + 1);
    }
    return NULL;
}

static void server_start(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    *server = (struct server){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    pthread_mutex_init(&server->lock, NULL);
    CHECK_INT(bind(server->fd, (struct sockaddr *)&address, len), 0);
    CHECK_INT(listen(server->fd, 64), 0);
    CHECK_INT(getsockname(server->fd, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    CHECK_INT(pthread_create(&server->acceptor, NULL, accept_all, server), 0);
}

static void server_stop(struct server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->acceptor, NULL);
    close(server->fd);
    for (size_t i = 0; i < server->count; i++) {
        shutdown(server->connections[i], SHUT_RDWR);
        pthread_join(server->threads[i], NULL);
        close(server->connections[i]);
    }
    pthread_mutex_destroy(&server->lock);
}

/* ---- the fixture ---- */

enum { FETCHES_MAX = 64 };

struct fixture {
    struct server server;
    struct loop *loop;
    struct world world;
    struct aws_client *aws;
    struct fetch_threads *threads;
    struct fetcher fetcher;
    pthread_t router;
    char url[64], folder[32], file[64], calls[64], variables[4][128];
    char *env[6];
    struct fetch fetches[FETCHES_MAX];
    char iterators[FETCHES_MAX][32]; /* these stand for the shard, too */
    int done[FETCHES_MAX];
    size_t open, records;
};

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK_FATAL(file != NULL);
    fputs(text, file);
    fclose(file);
}

/* credential_process whose calls are counted by the bytes of a file. */
static void write_keys(struct fixture *f, const char *key)
{
    char text[512];
    snprintf(text, sizeof text,
             "[default]\ncredential_process = sh -c 'printf x >>%s; echo "
             "\"{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"%s\\\","
             "\\\"SecretAccessKey\\\":\\\"s\\\",\\\"SessionToken\\\":\\\"t\\\"}\"'\n",
             f->calls, key);
    write_text(f->file, text);
}

static size_t calls_for_keys(const struct fixture *f)
{
    unsigned long len = 0;
    char *text = access(f->calls, F_OK) == 0 ? unit_file(f->calls, &len) : NULL;
    mem_free(text);
    return len;
}

static int make_threads(struct fixture *f, size_t count, struct err *err)
{
    struct fetch_threads_config config = {
        .world = &f->world,
        .aws = f->aws,
        .aws_config = {.endpoint_url = f->url, .environ_block = f->env},
        .threads = count,
    };
    int rc = fetch_threads_new(&config, &f->threads, err);
    if (rc == 0)
        fetch_threads_seam(f->threads, &f->fetcher);
    return rc;
}

static void begin(struct fixture *f, size_t threads)
{
    struct loop_config loop_config = {0};
    *f = (struct fixture){.router = pthread_self()};
    server_start(&f->server);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d", f->server.port);
    snprintf(f->folder, sizeof f->folder, "/tmp/weir-test-XXXXXX");
    CHECK_FATAL(mkdtemp(f->folder) != NULL);
    snprintf(f->file, sizeof f->file, "%s/credentials", f->folder);
    snprintf(f->calls, sizeof f->calls, "%s/calls", f->folder);
    snprintf(f->variables[0], sizeof f->variables[0], "AWS_SHARED_CREDENTIALS_FILE=%s", f->file);
    snprintf(f->variables[1], sizeof f->variables[1], "AWS_CONFIG_FILE=/nonexistent");
    snprintf(f->variables[2], sizeof f->variables[2], "AWS_REGION=eu-west-1");
    snprintf(f->variables[3], sizeof f->variables[3], "AWS_EC2_METADATA_DISABLED=true");
    for (int i = 0; i < 4; i++)
        f->env[i] = f->variables[i];
    write_keys(f, "FIRST");
    CHECK_INT(loop_new(&loop_config, &f->loop, NULL), 0);
    loop_world(f->loop, &f->world);
    struct aws_config aws = {.endpoint_url = f->url, .environ_block = f->env};
    CHECK_INT(aws_client_new(&f->world, &aws, &f->aws, NULL), 0);
    CHECK_INT(make_threads(f, threads, NULL), 0);
}

static void end(struct fixture *f)
{
    fetch_threads_free(f->threads);
    aws_client_free(f->aws);
    CHECK_INT(loop_free(f->loop), 0);
    server_stop(&f->server);
    unlink(f->file);
    unlink(f->calls);
    rmdir(f->folder);
}

static void on_done(struct fetch *fetch)
{
    struct fixture *f = fetch->arg;
    CHECK(pthread_equal(pthread_self(), f->router));
    f->done[fetch - f->fetches]++;
    f->open--;
    if (fetch->outcome == AWS_OK) {
        f->records += fetch->batch->read_count;
        CHECK(str_starts(fetch->batch->next_iterator, STR("next-")));
    } else {
        CHECK(fetch->batch == NULL);
    }
}

static void start(struct fixture *f, size_t index, char shard)
{
    struct fetch *fetch = &f->fetches[index];
    snprintf(f->iterators[index], sizeof f->iterators[index], "iterator-%c", shard);
    *fetch = (struct fetch){.iterator = str_of(f->iterators[index]),
                            .stream_arn = STR("arn"),
                            .shard = str_of(f->iterators[index]),
                            .limit = 1000,
                            .timeout_ms = 5000,
                            .done = on_done,
                            .arg = f};
    f->done[index] = 0;
    f->open++;
    CHECK_INT(f->fetcher.start(f->fetcher.ctx, fetch), 0);
    CHECK_INT(f->done[index], 0);
}

/* Runs the router's loop, which has nothing of its own to do, until all fetches are done. */
static void settle(struct fixture *f)
{
    loop_run(f->loop);
    CHECK_INT(f->open, 0);
}

static void release(struct fixture *f, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK_INT(f->done[i], 1);
        if (f->fetches[i].outcome == AWS_OK)
            batch_unref(f->fetches[i].batch);
    }
}

/* ---- tests ---- */

static void pages_of_all_shards_come_to_the_routers_thread(void)
{
    static struct fixture f;
    begin(&f, 3);
    for (size_t round = 1; round <= 5; round++) {
        for (size_t i = 0; i < 32; i++)
            start(&f, i, (char)('0' + i % 8));
        settle(&f);
        CHECK_INT(f.records, round * 32 * RECORDS);
        release(&f, 32);
    }
    CHECK_INT(calls_for_keys(&f), 1); /* three threads share what one client asked for */
    end(&f);
}

static void a_shard_stays_on_its_thread(void)
{
    static struct fixture f;
    int threads_used = 0, seen[CONNECTIONS_MAX] = {0};
    begin(&f, 2);
    for (size_t i = 0; i < 8; i++) {
        start(&f, 0, (char)('0' + i));
        settle(&f); /* one after the other: each thread needs one connection */
        release(&f, 1);
    }
    CHECK_INT(f.server.count, 2);
    for (size_t i = 0; i < 8; i++)
        threads_used += seen[f.server.connection_of[i]]++ == 0;
    CHECK_INT(threads_used, 2);
    for (size_t i = 0; i < 8; i++) {
        int before = f.server.connection_of[i];
        start(&f, 0, (char)('0' + i));
        settle(&f);
        release(&f, 1);
        CHECK_INT(f.server.connection_of[i], before);
    }
    end(&f);
}

static void an_abort_is_answered_once_wherever_the_fetch_is(void)
{
    static struct fixture f;
    begin(&f, 2);
    /* before there are keys: credential_process runs */
    start(&f, 0, '0');
    start(&f, 1, '1');
    f.fetcher.abort(f.fetcher.ctx, &f.fetches[0]);
    CHECK_INT(f.done[0], 0);
    settle(&f);
    CHECK_INT(f.fetches[0].outcome, AWS_ABORTED);
    CHECK_INT(f.fetches[1].outcome, AWS_OK);
    release(&f, 2);
    /* on its way to the thread; twice */
    start(&f, 0, '0');
    f.fetcher.abort(f.fetcher.ctx, &f.fetches[0]);
    f.fetcher.abort(f.fetcher.ctx, &f.fetches[0]);
    settle(&f);
    CHECK_INT(f.fetches[0].outcome, AWS_ABORTED);
    release(&f, 1);
    /* the server does not answer */
    atomic_store(&f.server.hang, true);
    size_t before = atomic_load(&f.server.requests);
    start(&f, 0, '0');
    while (atomic_load(&f.server.requests) == before)
        pause_us(1000);
    f.fetcher.abort(f.fetcher.ctx, &f.fetches[0]);
    settle(&f);
    CHECK_INT(f.fetches[0].outcome, AWS_ABORTED);
    release(&f, 1);
    /* its page waits for the router already */
    atomic_store(&f.server.hang, false);
    start(&f, 0, '0');
    pause_us(100000);
    f.fetcher.abort(f.fetcher.ctx, &f.fetches[0]);
    settle(&f);
    CHECK_INT(f.fetches[0].outcome, AWS_ABORTED);
    release(&f, 1);
    end(&f);
}

static void aborts_at_any_moment_lose_nothing(void)
{
    static struct fixture f;
    begin(&f, 2);
    for (unsigned round = 0; round < 60; round++) {
        for (size_t i = 0; i < 8; i++)
            start(&f, i, (char)('0' + i));
        pause_us((long)round * 40);
        for (size_t i = 0; i < 8; i += 1 + round % 3)
            f.fetcher.abort(f.fetcher.ctx, &f.fetches[i]);
        settle(&f);
        for (size_t i = 0; i < 8; i++)
            CHECK_INT(f.fetches[i].outcome, i % (1 + round % 3) ? AWS_OK : AWS_ABORTED);
        release(&f, 8);
    }
    end(&f);
}

static void F55_keys_that_expired_early_are_renewed_once_for_all_threads(void)
{
    static struct fixture f;
    begin(&f, 2);
    for (size_t i = 0; i < 8; i++)
        start(&f, i, (char)('0' + i));
    settle(&f);
    release(&f, 8);
    f.server.expired_key = "Credential=FIRST/";
    write_keys(&f, "SECOND");
    for (size_t i = 0; i < 8; i++)
        start(&f, i, (char)('0' + i));
    settle(&f);
    for (size_t i = 0; i < 8; i++)
        CHECK_INT(f.fetches[i].outcome, AWS_OK);
    release(&f, 8);
    CHECK(f.server.refused > 0);
    CHECK_INT(calls_for_keys(&f), 2);
    /* new ones that are no better: an answer, not a circle */
    f.server.expired_key = "Credential=";
    start(&f, 0, '0');
    settle(&f);
    CHECK_INT(f.fetches[0].outcome, AWS_DENIED);
    CHECK_STR(f.fetches[0].error_type, "ExpiredTokenException");
    release(&f, 1);
    CHECK_INT(calls_for_keys(&f), 3);
    end(&f);
}

static void without_credentials_the_reason_is_told(void)
{
    static struct fixture f;
    begin(&f, 2);
    unlink(f.file);
    start(&f, 0, '0');
    start(&f, 1, '1');
    settle(&f);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(f.fetches[i].outcome, AWS_DENIED);
        CHECK_STR(f.fetches[i].error_type, "NoCredentials");
        CHECK(strstr(f.fetches[i].message, "no AWS credentials found") != NULL);
    }
    release(&f, 2);
    CHECK_INT(f.server.requests, 0);
    end(&f);
}

static void errors_and_what_is_no_page_are_passed_on(void)
{
    static struct fixture f;
    begin(&f, 1);
    f.server.answer = "{\"__type\":\"x#ExpiredIteratorException\",\"message\":\"too old\"}";
    start(&f, 0, '0');
    settle(&f);
    CHECK_STR(f.fetches[0].error_type, "ExpiredIteratorException");
    CHECK_STR(f.fetches[0].message, "too old");
    release(&f, 1);
    f.server.answer = NULL;
    f.server.garbage = "{\"Records\":[}";
    start(&f, 0, '0');
    settle(&f);
    CHECK_INT(f.fetches[0].outcome, AWS_AMBIGUOUS);
    CHECK(f.fetches[0].decode_status < 0);
    release(&f, 1);
    end(&f);
}

static void what_a_thread_can_t_set_up_is_an_error(void)
{
    static struct fixture f;
    struct err err = {0};
    begin(&f, 1);
    fetch_threads_free(f.threads);
    f.threads = NULL;
    snprintf(f.url, sizeof f.url, "ftp://nowhere");
    CHECK_INT(make_threads(&f, 2, &err), -EINVAL);
    CHECK(strstr(err.msg, "ftp://nowhere") != NULL);
    CHECK(f.threads == NULL);
    end(&f);
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(pages_of_all_shards_come_to_the_routers_thread),
    TEST(a_shard_stays_on_its_thread),
    TEST(an_abort_is_answered_once_wherever_the_fetch_is),
    TEST(aborts_at_any_moment_lose_nothing),
    TEST(F55_keys_that_expired_early_are_renewed_once_for_all_threads),
    TEST(without_credentials_the_reason_is_told),
    TEST(errors_and_what_is_no_page_are_passed_on),
    TEST(what_a_thread_can_t_set_up_is_an_error),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "fetch_threads", tests);
}
