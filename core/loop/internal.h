/* What the files of core/loop share. */
#ifndef WEIR_LOOP_INTERNAL_H
#define WEIR_LOOP_INTERNAL_H
#include "loop/loop.h"
#include "loop/timers.h"

#include <curl/curl.h>
#include <uv.h>

enum { SIGNALS_MAX = 8 };

struct signal_watch {
    uv_signal_t handle;
    void (*on_signal)(void *arg, int signum);
    void *arg;
};

/* Interest in one descriptor of libcurl. Lives until its handle is closed, then waits for reuse. */
struct watch {
    uv_poll_t poll;
    struct http *http;
    curl_socket_t fd;
    struct watch *next_free;
};

struct socket_slot {     /* what is known of a descriptor; indexed by it */
    struct watch *watch; /* NULL: libcurl waits for nothing there */
    bool connection;     /* opened by libcurl as a connection; idle when there is no watch */
    uint16_t local_port; /* 0 = not asked yet */
    const struct exchange *opener; /* it is being connected for this one; NULL = it stands */
};

struct exchange { /* one transfer, or a spare one; its easy handle is reused */
    struct http *http;
    struct http_call *call; /* NULL: spare */
    CURL *easy;
    struct exchange *next, *prev; /* open ones; `next` also links the spare ones */
    struct post post;             /* reports an end that libcurl does not report */
    struct curl_slist *header_nodes;
    size_t header_capacity;
    struct buf header_text, url;
    bool once; /* libcurl may not send it again by itself */
    enum http_result
        ended;   /* HTTP_DONE: still with libcurl; else the result that `post` will report */
    bool opened; /* a connection was made for it: it is not a reused one */
    bool sent;   /* the connection stood and the request was let go */
    bool stale;  /* the reused connection was not clean; nothing was sent on it */
    bool too_large, out_of_memory;
    bool headers_ended, chunked, bad_length;
    int64_t content_length; /* -1 = none given */
    char curl_error[CURL_ERROR_SIZE];
};

struct http { /* the transport */
    struct loop *loop;
    CURLM *multi; /* NULL before the first transfer */
    uv_timer_t timer;
    struct exchange *open, *spare;
    size_t open_count;
    struct watch *spare_watches;
    struct socket_slot *slots;
    size_t slot_count;
    int max_host_connections;
    int64_t max_idle_ms;
    char *ca_bundle; /* as configured, then as found */
    bool ca_found;
};

struct job {
    uv_work_t request;
    struct loop *loop;
    struct work *work;
    struct job *next_free;
};

struct loop {
    uv_loop_t uv;
    uv_timer_t tick;   /* the first timer of the heap */
    uv_async_t wake;   /* posts; also what keeps uv_run waiting */
    uv_prepare_t turn; /* asks before each wait whether there is anything to wait for */
    struct timers timers;
    int64_t tick_at_ms; /* when `tick` will fire; INT64_MAX = stopped */
    uv_mutex_t lock;    /* of the posts */
    struct post *posts, *last_post;
    size_t works; /* open ones */
    struct job *spare_jobs;
    struct signal_watch signals[SIGNALS_MAX];
    int signal_count;
    uint64_t random[4];
    bool stopped, closing;
    struct http http;
};

void loop_post(struct loop *loop, struct post *post); /* [any] */

int http_init(struct http *http, struct loop *loop, const struct loop_config *config);
void http_transport(struct http *http, struct transport *out);
void http_close(struct http *http); /* ends the open transfers, frees libcurl, closes handles */
void http_done(struct http *http);  /* after the loop ran dry */
/* Reports what libcurl has finished. Not from inside libcurl's callbacks. */
void http_report(struct http *http);

int exchange_start(struct http *http, struct http_call *call);
void exchange_abort(struct exchange *exchange); /* done() comes with exchange->post */
void exchange_finished(struct exchange *exchange, CURLcode code);
void exchange_free(struct exchange *exchange); /* a spare one */
/* Is the reused connection with this local port as the last answer left it? */
bool http_connection_clean(struct http *http, int local_port);
curl_socket_t http_open_socket(struct http *http, const struct exchange *exchange,
                               const struct curl_sockaddr *address);
/* The connection that was opened for the exchange stands: of its sockets, the one with this port.
 */
void http_connected(struct http *http, const struct exchange *exchange, int local_port);
/* It will never stand. libcurl 7.88 closes such a socket without a word, and its number may be
 * another one's, on another thread, a moment later: to be called before, where that is known. */
void http_abandon(struct http *http, const struct exchange *exchange);
int http_close_socket(void *http, curl_socket_t fd);
int http_set_up(struct http *http); /* libcurl, at the first transfer; 0 or -ENOMEM */

/* Finds the bundle once; the reason when there is none. */
int ca_bundle_find(struct http *http, char *reason, size_t reason_bytes);

/* exchange_request.c: puts the call into the easy handle. -EINVAL and call->reason: it can't be
 * sent. */
int exchange_prepare(struct exchange *exchange);

int work_submit(void *loop, struct work *work);
void work_done(struct loop *loop); /* frees the spare jobs */
#endif
