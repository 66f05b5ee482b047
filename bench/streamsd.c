/* A server of DynamoDB Streams that is never the bottleneck of a poller, for benchmarks:
 *
 *     bench_streamsd page=FILE [port=0] [shards=1] [records=1000] [rate=0] [closed=0] [delay_ms=0]
 *                    [crc=1] [tls=FILE]
 *
 * FILE of `page` holds up to 1,000 records, one a line (streamsd_model.h); with `tls` it speaks TLS
 * and writes its own certificate there, for the client to trust. A thread serves each connection.
 * It prints "ready PORT"; each line on its standard input prints the counts so far as JSON, the
 * end of that input ends it. Signatures are not looked at. */
#include "aws/answer.h"
#include "streamsd_model.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_BYTES = 64 << 10, HEAD_BYTES = 512, SEND_BYTES = 256 << 10, STACK_BYTES = 256 << 10 };

static struct model model;
static struct crc32 crc;
static SSL_CTX *tls;
static int64_t delay_ms;
static bool want_crc = true;

static struct {
    _Atomic uint64_t accepted, open, most_open, get_records, get_iterator, describe, other, refused,
        records, bytes, empty;
} counts;

/* ---- connections ---- */

struct connection {
    int fd;
    SSL *ssl; /* or NULL */
    size_t len;
    char input[INPUT_BYTES];
    struct answer answer;
    char *output;
    size_t output_room;
};

static long receive(struct connection *c)
{
    char *at = c->input + c->len;
    size_t room = INPUT_BYTES - 1 - c->len;
    if (!c->ssl)
        return read(c->fd, at, room);
    int got = SSL_read(c->ssl, at, (int)room);
    return got > 0 ? got : -1;
}

static bool transmit(struct connection *c, const char *text, size_t len)
{
    if (c->ssl)
        return SSL_write(c->ssl, text, (int)len) == (int)len && BIO_flush(SSL_get_wbio(c->ssl)) > 0;
    while (len) {
        ssize_t sent = write(c->fd, text, len);
        if (sent <= 0)
            return false;
        text += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* The value of a header in the head, which ends with an empty line. */
static const char *header(const char *head, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r';
         line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
            return line + 3 + len + strspn(line + 3 + len, " ");
    return NULL;
}

static void count(const char *target, const struct answer *answer)
{
    if (strcmp(target, "GetRecords") == 0)
        counts.get_records++;
    else if (strcmp(target, "GetShardIterator") == 0)
        counts.get_iterator++;
    else if (strcmp(target, "DescribeStream") == 0)
        counts.describe++;
    else
        counts.other++;
    counts.records += answer->records;
    counts.bytes += answer->len;
    counts.refused += answer->status != 200;
    counts.empty += strcmp(target, "GetRecords") == 0 && answer->records == 0;
}

/* Answers the request whose head and body are in the input. */
static bool serve(struct connection *c, const char *body)
{
    char target[64] = "", sum[48] = "";
    const char *dot = header(c->input, "X-Amz-Target");
    dot = dot ? strchr(dot, '.') : NULL;
    if (dot)
        snprintf(target, sizeof target, "%.*s", (int)strcspn(dot + 1, "\r"), dot + 1);
    model_answer(&model, target, body, &c->answer);
    count(target, &c->answer);
    if (want_crc)
        snprintf(sum, sizeof sum, "x-amz-crc32: %" PRIu32 "\r\n",
                 crc32_of(&crc, c->answer.text, c->answer.len));
    if (c->output_room < c->answer.len + HEAD_BYTES) {
        c->output_room = c->answer.len + HEAD_BYTES;
        free(c->output);
        c->output = malloc(c->output_room);
        if (!c->output)
            abort();
    }
    int head = snprintf(c->output, HEAD_BYTES,
                        "HTTP/1.1 %d X\r\nServer: Server\r\nContent-Type: "
                        "application/x-amz-json-1.0\r\nContent-Length: %zu\r\n%s"
                        "x-amzn-RequestId: HBQ4DAB11LCQT4JPKT93RRTFHBVV4KQNSO5AEMVJF66Q9ASUAAJG"
                        "\r\n\r\n",
                        c->answer.status, c->answer.len, sum);
    memcpy(c->output + head, c->answer.text, c->answer.len);
    struct timespec delay = {delay_ms / 1000, delay_ms % 1000 * 1000000};
    if (delay_ms)
        nanosleep(&delay, NULL);
    return transmit(c, c->output, (size_t)head + c->answer.len);
}

/* One request at a time, as clients of AWS send them: a head with Content-Length, then a body. */
static bool one_request(struct connection *c)
{
    const char *end = NULL;
    size_t want = 0;
    for (c->len = 0; !want || c->len < want;) {
        long got = receive(c);
        if (got <= 0 || c->len + (size_t)got >= INPUT_BYTES - 1)
            return false;
        c->len += (size_t)got;
        c->input[c->len] = '\0';
        end = strstr(c->input, "\r\n\r\n");
        const char *length = end ? header(c->input, "Content-Length") : NULL;
        if (end)
            want = (size_t)(end + 4 - c->input) + (length ? strtoul(length, NULL, 10) : 0);
    }
    return serve(c, end + 4);
}

static bool shake_hands(struct connection *c)
{
    BIO *in = BIO_new_socket(c->fd, BIO_NOCLOSE), *out = BIO_new(BIO_f_buffer());
    c->ssl = SSL_new(tls);
    if (!in || !out || !c->ssl)
        return false;
    /* TLS records of 16 KB leave in few, large writes. */
    BIO_set_write_buffer_size(out, SEND_BYTES);
    BIO_up_ref(in);
    SSL_set_bio(c->ssl, in, BIO_push(out, in));
    return SSL_accept(c->ssl) == 1;
}

static void *connection_main(void *arg)
{
    struct connection *c = arg;
    uint64_t open = ++counts.open, most = counts.most_open;
    while (open > most && !atomic_compare_exchange_weak(&counts.most_open, &most, open))
        ;
    counts.accepted++;
    if (!tls || shake_hands(c))
        while (one_request(c))
            ;
    ERR_clear_error();
    SSL_free(c->ssl);
    close(c->fd);
    free(c->answer.text);
    free(c->output);
    free(c);
    counts.open--;
    return NULL;
}

static void *accept_main(void *arg)
{
    int server = *(int *)arg, on = 1, bytes = 4 << 20;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    for (;;) {
        pthread_t thread;
        int fd = accept(server, NULL, NULL);
        struct connection *c = fd < 0 ? NULL : calloc(1, sizeof *c);
        if (!c) {
            perror("accept");
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        c->fd = fd;
        if (pthread_create(&thread, &attr, connection_main, c) != 0)
            abort();
    }
    return NULL;
}

/* ---- TLS ---- */

static X509 *certificate_of(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_EXTENSION *host = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"bench", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    X509_add_ext(certificate, host, -1);
    X509_EXTENSION_free(host);
    X509_sign(certificate, key, EVP_sha256());
    return certificate;
}

static bool set_up_tls(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key ? certificate_of(key) : NULL;
    FILE *file = fopen(path, "w");
    bool done = file && certificate && PEM_write_X509(file, certificate) == 1;
    if (file)
        done = fclose(file) == 0 && done;
    tls = SSL_CTX_new(TLS_server_method());
    return done && tls && SSL_CTX_use_certificate(tls, certificate) == 1 &&
           SSL_CTX_use_PrivateKey(tls, key) == 1;
}

/* ---- start and end ---- */

static void print_counts(void)
{
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    printf("{\"accepted\":%" PRIu64 ",\"open\":%" PRIu64 ",\"most_open\":%" PRIu64
           ",\"get_records\":%" PRIu64 ",\"empty\":%" PRIu64 ",\"get_iterator\":%" PRIu64
           ",\"describe\":%" PRIu64 ",\"other\":%" PRIu64 ",\"refused\":%" PRIu64
           ",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"cpu_s\":%.3f}\n",
           counts.accepted, counts.open, counts.most_open, counts.get_records, counts.empty,
           counts.get_iterator, counts.describe, counts.other, counts.refused, counts.records,
           counts.bytes, (double)cpu.tv_sec + (double)cpu.tv_nsec * 1e-9);
    fflush(stdout);
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server, (struct sockaddr *)&address, sizeof address) < 0 || listen(server, 1024) < 0 ||
        getsockname(server, (struct sockaddr *)&address, &len) < 0) {
        perror("listen");
        exit(1);
    }
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return server;
}

static const char *option(int argc, char **argv, const char *name, const char *fallback)
{
    size_t len = strlen(name);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], name, len) == 0 && argv[i][len] == '=')
            return argv[i] + len + 1;
    return fallback;
}

int main(int argc, char **argv)
{
    const char *certificate = option(argc, argv, "tls", NULL);
    char line[64];
    pthread_t acceptor;
    signal(SIGPIPE, SIG_IGN);
    model.shards = strtoul(option(argc, argv, "shards", "1"), NULL, 10);
    model.records = strtoull(option(argc, argv, "records", "1000"), NULL, 10);
    model.rate = (double)strtoul(option(argc, argv, "rate", "0"), NULL, 10);
    model.closed = strtol(option(argc, argv, "closed", "0"), NULL, 10) != 0;
    model.start_us = model_now_us();
    delay_ms = strtol(option(argc, argv, "delay_ms", "0"), NULL, 10);
    want_crc = strtol(option(argc, argv, "crc", "1"), NULL, 10) != 0;
    crc32_init(&crc);
    if (model_load(&model, option(argc, argv, "page", "")) < 0)
        return 1;
    if (certificate && !set_up_tls(certificate)) {
        ERR_print_errors_fp(stderr);
        return 1;
    }
    int server = listen_on((int)strtol(option(argc, argv, "port", "0"), NULL, 10));
    if (pthread_create(&acceptor, NULL, accept_main, &server) != 0)
        return 1;
    while (fgets(line, sizeof line, stdin))
        print_counts();
    return 0;
}
