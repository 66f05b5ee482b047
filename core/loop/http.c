#include "loop/internal.h"

#include "util/alloc.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- sockets: libcurl names descriptors to watch, libuv watches them ---- */

static void watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    watch->next_free = watch->http->spare_watches;
    watch->http->spare_watches = watch;
}

static struct socket_slot *slot_of(struct http *http, curl_socket_t fd)
{
    if (fd < 0)
        return NULL;
    if ((size_t)fd >= http->slot_count) {
        size_t count = http->slot_count ? http->slot_count : 64;
        while (count <= (size_t)fd)
            count *= 2;
        struct socket_slot *grown = mem_realloc(http->slots, count * sizeof *grown);
        if (!grown)
            return NULL;
        memset(grown + http->slot_count, 0, (count - http->slot_count) * sizeof *grown);
        http->slots = grown;
        http->slot_count = count;
    }
    return &http->slots[fd];
}

/* Must come before close(): a descriptor that is closed while libuv watches it, and opened again as
 * another one, makes libuv abort. */
static void unwatch(struct socket_slot *slot)
{
    if (slot->watch)
        uv_close((uv_handle_t *)&slot->watch->poll, watch_closed);
    slot->watch = NULL;
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct http *http = watch->http;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    int running;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(http->multi, watch->fd, flags, &running);
    http_report(http);
}

static struct watch *watch_start(struct http *http, curl_socket_t fd)
{
    struct watch *watch = http->spare_watches;
    if (watch)
        http->spare_watches = watch->next_free;
    else
        watch = mem_zalloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    watch->http = http;
    watch->fd = fd;
    if (uv_poll_init_socket(&http->loop->uv, &watch->poll, fd) < 0) {
        watch->next_free = http->spare_watches;
        http->spare_watches = watch;
        return NULL;
    }
    watch->poll.data = watch;
    return watch;
}

static int on_interest(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
    struct http *http = ctx;
    struct socket_slot *slot = slot_of(http, fd);
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    (void)easy;
    (void)unused;
    if (!slot)
        return -1;
    /* A socket may also be gone without this: http_close_socket and, for the resolver's, this call.
     */
    if (what == CURL_POLL_REMOVE || events == 0) {
        unwatch(slot);
        return 0;
    }
    if (!slot->watch)
        slot->watch = watch_start(http, fd);
    if (!slot->watch)
        return -1;
    return uv_poll_start(&slot->watch->poll, events, on_socket);
}

curl_socket_t http_open_socket(struct http *http, const struct exchange *exchange,
                               const struct curl_sockaddr *address)
{
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    struct socket_slot *slot = slot_of(http, fd);
    if (!slot) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    slot->connection = true;
    slot->local_port = 0;
    slot->opener = exchange;
    return fd;
}

void http_abandon(struct http *http, const struct exchange *exchange)
{
    for (size_t fd = 0; fd < http->slot_count; fd++) {
        struct socket_slot *slot = &http->slots[fd];
        if (slot->opener != exchange)
            continue;
        unwatch(slot);
        slot->connection = false;
        slot->opener = NULL;
    }
}

int http_close_socket(void *ctx, curl_socket_t fd)
{
    struct http *http = ctx;
    struct socket_slot *slot = slot_of(http, fd);
    if (slot) {
        unwatch(slot);
        slot->connection = false;
        slot->opener = NULL;
    }
    return close(fd);
}

static uint16_t local_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t len = sizeof address;
    if (getsockname(fd, &address.any, &len) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

void http_connected(struct http *http, const struct exchange *exchange, int port)
{
    for (size_t fd = 0; fd < http->slot_count; fd++) {
        struct socket_slot *slot = &http->slots[fd];
        if (slot->opener != exchange)
            continue;
        slot->local_port = local_port((int)fd);
        slot->connection = slot->local_port == port;
        slot->opener = NULL;
    }
}

/* Nothing may wait on a connection between two requests: a late answer, a 408 or an attacker's
 * bytes would be taken as the answer to the next request. libcurl does not look (until 8.x), nor
 * does it name the descriptor of the connection it has chosen; its local port does. */
bool http_connection_clean(struct http *http, int port)
{
    bool clean = true;
    for (size_t fd = 0; fd < http->slot_count; fd++) {
        struct socket_slot *slot = &http->slots[fd];
        char byte;
        if (!slot->connection)
            continue;
        if (slot->local_port == 0)
            slot->local_port = local_port((int)fd);
        if (slot->local_port != port)
            continue;
        if (recv((int)fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
            (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
            clean = false;
    }
    return clean;
}

/* libcurl can't be asked to drop its idle connections; it drops those that it finds closed. */
static void forget_connections(void *ctx)
{
    struct http *http = ctx;
    for (size_t fd = 0; fd < http->slot_count; fd++)
        if (http->slots[fd].connection && !http->slots[fd].watch)
            shutdown((int)fd, SHUT_RDWR);
}

/* ---- libcurl's clock ---- */

static void on_timer(uv_timer_t *timer)
{
    struct http *http = timer->data;
    int running;
    curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    http_report(http);
}

static int on_timeout(CURLM *multi, long timeout_ms, void *ctx)
{
    struct http *http = ctx;
    (void)multi;
    /* Also 0 goes through the timer: libcurl must not be called from its own callback. */
    if (timeout_ms < 0)
        return uv_timer_stop(&http->timer);
    uv_update_time(&http->loop->uv);
    return uv_timer_start(&http->timer, on_timer, (uint64_t)timeout_ms, 0);
}

void http_report(struct http *http)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(http->multi, &left))) {
        struct exchange *exchange;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
        exchange_finished(exchange, code);
    }
}

/* ---- life ---- */

bool loop_on_threads(void)
{
    return curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_THREADSAFE;
}

int http_set_up(struct http *http)
{
    if (http->multi)
        return 0;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    http->multi = curl_multi_init();
    if (!http->multi) {
        curl_global_cleanup();
        return -ENOMEM;
    }
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_interest);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)http->max_host_connections);
    /* For a few hosts; a smaller pool would close and open connections all the time. */
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 4L * http->max_host_connections);
    return 0;
}

int http_init(struct http *http, struct loop *loop, const struct loop_config *config)
{
    http->loop = loop;
    http->max_host_connections =
        config->max_host_connections > 0 ? config->max_host_connections : 64;
    http->max_idle_ms = config->max_idle_ms > 0 ? config->max_idle_ms : 60000;
    int rc = uv_timer_init(&loop->uv, &http->timer);
    http->timer.data = http;
    if (rc == 0 && config->ca_bundle) {
        http->ca_bundle = mem_dup0(config->ca_bundle, strlen(config->ca_bundle));
        rc = http->ca_bundle ? 0 : -ENOMEM;
    }
    return rc;
}

static int start(void *ctx, struct http_call *call)
{
    return exchange_start(ctx, call);
}

static void abort_call(void *ctx, struct http_call *call)
{
    (void)ctx;
    if (call->impl) /* else it has ended */
        exchange_abort(call->impl);
}

void http_transport(struct http *http, struct transport *out)
{
    *out = (struct transport){http, start, abort_call, forget_connections};
}

void http_close(struct http *http)
{
    while (http->open) {
        struct exchange *exchange = http->open;
        exchange_abort(exchange);
        exchange->post.run(&exchange->post);
    }
    while (http->spare) {
        struct exchange *exchange = http->spare;
        http->spare = exchange->next;
        exchange_free(exchange);
    }
    if (http->multi) {
        curl_multi_cleanup(http->multi); /* closes the idle connections through http_close_socket */
        curl_global_cleanup();
    }
    for (size_t fd = 0; fd < http->slot_count; fd++)
        unwatch(&http->slots[fd]);
    if (uv_handle_get_type((uv_handle_t *)&http->timer) != UV_UNKNOWN_HANDLE)
        uv_close((uv_handle_t *)&http->timer, NULL);
}

void http_done(struct http *http)
{
    while (http->spare_watches) {
        struct watch *watch = http->spare_watches;
        http->spare_watches = watch->next_free;
        mem_free(watch);
    }
    mem_free(http->slots);
    mem_free(http->ca_bundle);
}
