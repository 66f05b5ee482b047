/* One attempt to get credentials: the steps that a provider may take, each asynchronous, each
 * ending it cleanly when it fails or is cancelled. */
#ifndef WEIR_AWS_FETCH_H
#define WEIR_AWS_FETCH_H
#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "util/err.h"
#include "util/seam.h"

struct credential_chain;
struct role_plan;

enum { FETCH_HEADERS_MAX = 6 };

enum fetch_phase { FETCH_IDLE, FETCH_WORKING, FETCH_SENDING, FETCH_SLEEPING };

struct credential_fetch {
    struct credential_chain *chain;
    void (*done)(struct credential_fetch *fetch, int status); /* of who asked: see fetch_done */
    struct credentials got;
    struct err err;
    int64_t skew_us; /* the last answering server's clock minus ours, 0 where it hardly differs */
    /* A request, filled before fetch_send: method, time limits, url, headers, and `secret`. */
    struct http_call http;
    struct http_header headers[FETCH_HEADERS_MAX];
    struct buf url, secret; /* `secret` holds a body or a token; wiped with the answer */
    int attempts_max;
    bool patient; /* no connection or no answer is tried again, too */
    bool (*again)(const struct credential_fetch *fetch); /* or NULL: this answer, too */
    /* a role's */
    struct role_plan *plan;
    struct endpoint *sts;
    /* fetch.c's */
    enum fetch_phase phase;
    bool cancelled;
    int attempts, status;
    struct timer timer;
    struct work work;
    int (*blocking)(struct credential_fetch *fetch);
    void (*next)(struct credential_fetch *fetch);
};

/* One source of credentials. start() calls fetch_done() once, now or later: with 0 and `got`
 * filled; with -ENOENT (not set up here: the next provider is asked); or with another -errno. `err`
 * says why in both cases, without a secret. */
struct credential_provider {
    const char *name;
    void (*start)(struct credential_fetch *fetch);
};

void fetch_init(struct credential_fetch *fetch, struct credential_chain *chain);
/* The end of what was asked for: wipes the request and tells who asked. */
void fetch_done(struct credential_fetch *fetch, int status);
/* A step under way ends with -ECANCELED: at once, or when its work or transfer has ended. */
void fetch_cancel(struct credential_fetch *fetch);

/* Runs blocking() on a pool thread, then next() on the loop; a status other than 0 ends the fetch.
 */
void fetch_work(struct credential_fetch *fetch, int (*blocking)(struct credential_fetch *fetch),
                void (*next)(struct credential_fetch *fetch));
/* Forgets the last request and its answer. */
void fetch_reset(struct credential_fetch *fetch);
void fetch_header(struct credential_fetch *fetch, const char *name, weir_str value); /* a view */
/* Sends the request; next() sees what came in fetch->http, also when nothing came. */
void fetch_send(struct credential_fetch *fetch, void (*next)(struct credential_fetch *fetch));
bool fetch_answered(const struct credential_fetch *fetch); /* with status 200 */
/* Fills err with what came instead of an answer: "WHO answered with status 403". `code` is shown
 * where it looks like one. Returns -EIO, or -ECANCELED. */
int fetch_refused(struct credential_fetch *fetch, const char *who, weir_str code);
/* `got` was made by the clock of the server that answered last: expires_us becomes one of ours. */
void fetch_correct_expiry(struct credential_fetch *fetch);

/* The content of a token file without the white space behind it, NUL-terminated, for wipe_free().
 * Blocking. -EINVAL when it is missing, empty, too large, or can't stand in a header. */
int token_file_read(const char *path, char **out, struct err *err);
#endif
