/* One instance of the http sink. All [loop]. */
#ifndef WEIR_HTTP_HTTP_H
#define WEIR_HTTP_HTTP_H
#include "shared/body.h"
#include "shared/digest.h"
#include "shared/sender.h"

#include <weir/ext/http.h>
#include <weir/ext/kv.h>
#include <weir/ext/metrics.h>
#include <weir/ext/timer.h>

enum { KEPT_BYTES = 32 + SHA256_HEX_BYTES };

/* Until when the server said to wait, for the next process. */
struct kept {
    const weir_kv *kv; /* NULL: nothing is kept */
    const weir_timer *timer;
    struct sender *sender;
    char server[SHA256_HEX_BYTES];
    int64_t until_ms; /* that was put last; of the host's clock, which nobody sets */
    bool complained;
};

/* How fast requests may go: by the option `rate`, and not before a server's Retry-After. */
struct pace {
    const weir_timer *timer;
    struct sender *sender;
    int64_t rate;    /* a second; 0 = no bound */
    int64_t next_us; /* the next request may go at this time of the host's clock */
    uint64_t alarm;  /* that wakes the sender; 0: none */
    int64_t told_us; /* until when the server said to wait */
    struct kept kept;
    const weir_metrics *metrics; /* NULL: not counted */
    int32_t waits[2];            /* how often nothing was sent: for the rate, for Retry-After */
};

struct webhook {
    struct sender sender;
    struct body body;
    struct pace pace;
    const weir_http *http;
    const weir_json *json;
    weir_str url; /* NUL-terminated, as option_str gives it */
    bool put;
    int64_t batch, timeout_ms;
    weir_str authorization, secret;
    weir_buf key; /* the secret's bytes */
    weir_json_doc *headers_json;
    weir_http_header *headers; /* views into headers_json */
    size_t header_count;
};

struct signature { /* NUL-terminated values of the three headers */
    char id[80], timestamp[24], value[64];
};

/* ---- pace.c ---- */
void pace_open(struct pace *pace, struct sender *sender, int64_t rate, weir_str url);
bool pace_may_send(
    struct pace *pace); /* true: one request goes; false: the sender is woken later */
void pace_wait(struct pace *pace, int64_t delay_ms);
bool pace_waits(const struct pace *pace); /* the server said so, and it is not over */

/* ---- kept.c ---- */
/* How many ms are left of what a server told an earlier process; 0 = none. `timer` may be NULL. */
int64_t kept_open(struct kept *kept, struct sender *sender, const weir_timer *timer, weir_str url);
void kept_wait(struct kept *kept, int64_t delay_ms);

/* ---- sign.c: Standard Webhooks 1.0 ---- */
bool key_of_secret(weir_str secret, weir_buf *key); /* false: not base64 behind whsec_ */
/* The id follows from the records alone, so that a repeat carries the same one. False: no memory.
 */
bool sign(struct webhook *hook, const struct call *call, struct signature *out);
#endif
