#include "source/follow.h"

#include "source/discovery.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

enum {
    EVERY_MS = 60000,
    PATIENCE_MS = 120000,
    PAUSE_FIRST_MS = 1000,
    PAUSE_MOST_MS = 30000,
    FAILURES_LOGGED = 3,
    ARN_BYTES_MAX = 512,
    EXIT_DENIED = 77,
    EXIT_WRONG = 78
};

struct follow {
    struct follow_config config; /* its views are of the texts below */
    char *table, *region;
    char known[ARN_BYTES_MAX]; /* the newest stream told of; "" = none yet */
    struct stream_lookup lookup;
    bool looking, looked, ended;
    int64_t started_ms, looked_at_ms; /* looked_at: the last look's begin */
    int64_t eager_ms;  /* the next pause while a newer stream is waited for; 0 = not */
    unsigned failures; /* in a row */
    enum streams_fault trouble;
    int64_t trouble_since_ms;
    bool logged;
    struct timer timer; /* armed until the end, so that it has its place with the clock */
    bool stopping;
    struct post stop_post;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

/* ---- small things ---- */

static int64_t now_ms(const struct follow *follow)
{
    const struct clock *clock = &follow->config.world->clock;
    return clock->now_ms(clock->ctx);
}

/* Up to a tenth early, so that many tables are not looked at in step. */
static int64_t early(const struct follow *follow, int64_t ms)
{
    const struct random *random = &follow->config.world->random;
    return ms - (int64_t)(random->next(random->ctx) % (uint64_t)(ms / 10 + 1));
}

static void log_line(const struct follow *follow, int level, const char *code, const char *text)
{
    if (follow->config.log)
        follow->config.log(follow->config.log_ctx, level, "source", code, text);
}

static void look(struct follow *follow);

static void look_in(struct follow *follow, int64_t delay_ms)
{
    const struct clock *clock = &follow->config.world->clock;
    if (!follow->stopping && !follow->ended)
        clock->arm(clock->ctx, &follow->timer, delay_ms > 0 ? delay_ms : 0);
}

/* ---- streams ---- */

/* An ARN without its label: streams of one table in one account and region share it. */
static weir_str place_of(weir_str arn)
{
    weir_str region, table, label;
    if (!streams_arn_parts(arn, &region, &table, &label))
        return arn;
    return (weir_str){arn.ptr, arn.len - label.len};
}

/* Labels are times of one form: the greater one was made later. */
static bool newer(weir_str arn, weir_str known)
{
    weir_str place = place_of(arn);
    if (!str_eq(place, place_of(known)))
        return true; /* another account or region: there is no order */
    return str_cmp((weir_str){arn.ptr + place.len, arn.len - place.len},
                   (weir_str){known.ptr + place.len, known.len - place.len}) > 0;
}

static void tell(struct follow *follow, weir_str arn, bool current)
{
    const struct stream_lookup *lookup = &follow->lookup;
    struct follow_stream stream = {.arn = arn,
                                   .view_type = current ? str_of(lookup->view_type) : STR_NONE,
                                   .enabled = current && (lookup->enabled || lookup->by_list)};
    if (follow->stopping || arn.len >= sizeof follow->known)
        return;
    memcpy(follow->known, arn.ptr, arn.len);
    follow->known[arn.len] = '\0';
    follow->eager_ms = 0;
    follow->config.found(follow->config.arg, &stream);
}

/* Those between the known one and the current one were made and replaced unseen. */
static void tell_all(struct follow *follow)
{
    const struct stream_lookup *lookup = &follow->lookup;
    weir_str current = str_of(lookup->arn);
    bool known = follow->known[0] != '\0';
    for (size_t i = 0; known && i < lookup->name_count; i++) {
        weir_str arn = lookup->names[i].arn;
        if (str_eq(place_of(arn), place_of(str_of(follow->known))) &&
            newer(arn, str_of(follow->known)) && newer(current, arn))
            tell(follow, arn, false);
    }
    tell(follow, current, true);
}

static bool is_listed(const struct stream_lookup *lookup)
{
    for (size_t i = 0; i < lookup->name_count; i++)
        if (str_is(lookup->names[i].arn, lookup->arn))
            return true;
    return false;
}

/* ---- looking ---- */

static void no_trouble(struct follow *follow)
{
    if (follow->logged) {
        char msg[400];
        snprintf(msg, sizeof msg, "the stream of table %s can be looked up again", follow->table);
        log_line(follow, WEIR_LOG_INFO, "W0907", msg);
    }
    follow->logged = false;
    follow->failures = 0;
    follow->trouble = STREAMS_OK;
    follow->looked = true;
}

/* A name that is none, or a permission that is missing, does not heal by waiting: two minutes are
 * for what was just being set up. With a stream known it has been right once. */
static bool out_of_patience(struct follow *follow, enum streams_fault fault)
{
    if (follow->known[0] || follow->looked)
        return false;
    bool over = now_ms(follow) - follow->started_ms >= follow->config.patience_ms;
    return fault == STREAMS_INVALID ||
           (over && (fault == STREAMS_DENIED || fault == STREAMS_NOT_FOUND));
}

static void in_trouble(struct follow *follow, enum streams_fault fault)
{
    const struct clock *clock = &follow->config.world->clock;
    bool lasting = fault != STREAMS_THROTTLED && fault != STREAMS_UNAVAILABLE;
    if (follow->trouble == STREAMS_OK)
        follow->trouble_since_ms = now_ms(follow);
    follow->trouble = fault;
    follow->failures++;
    if (out_of_patience(follow, fault)) {
        follow->ended = true;
        clock->disarm(clock->ctx, &follow->timer);
        log_line(follow, WEIR_LOG_ERROR, "W0906", follow->lookup.message);
        follow->config.failed(follow->config.arg,
                              fault == STREAMS_DENIED ? EXIT_DENIED : EXIT_WRONG,
                              follow->lookup.message);
        return;
    }
    if (!follow->logged && (lasting || follow->failures >= FAILURES_LOGGED)) {
        follow->logged = true;
        log_line(follow, WEIR_LOG_WARN, "W0906", follow->lookup.message);
    }
}

static int64_t next_pause(struct follow *follow)
{
    int64_t pause_ms = follow->config.every_ms;
    if (follow->failures) {
        pause_ms = PAUSE_FIRST_MS;
        for (unsigned i = 1; i < follow->failures && pause_ms < PAUSE_MOST_MS; i++)
            pause_ms *= 2;
    } else if (follow->eager_ms) {
        pause_ms = follow->eager_ms;
        follow->eager_ms = pause_ms < PAUSE_MOST_MS / 2 ? pause_ms * 2 : PAUSE_MOST_MS;
    }
    return pause_ms < follow->config.every_ms ? pause_ms : follow->config.every_ms;
}

/* A stream found for the first time is told only after a second look, with the list: it names those
 * in between, and whether one that is switched off can still be read. */
static void digest(struct follow *follow)
{
    struct stream_lookup *lookup = &follow->lookup;
    weir_str arn = str_of(lookup->arn), known = str_of(follow->known);
    bool fresh = arn.len && (!known.len || newer(arn, known));
    bool off = arn.len && !lookup->enabled && !lookup->by_list;
    if (fresh && (known.len || off) && !lookup->list && !lookup->by_list) {
        lookup->list = true;
        return;
    }
    if (fresh && off && lookup->listed && !is_listed(lookup)) {
        arn = STR_NONE; /* switched off more than a day ago */
        snprintf(lookup->message, sizeof lookup->message,
                 "the stream of table %.100s is switched off and can't be read any more; switch "
                 "it on",
                 follow->table);
    }
    lookup->list = false;
    if (arn.len == 0 && !known.len) {
        in_trouble(follow, STREAMS_NOT_FOUND);
        return;
    }
    no_trouble(follow);
    if (fresh && arn.len)
        tell_all(follow);
}

static void on_stopped(struct post *post)
{
    struct follow *follow = (struct follow *)((char *)post - offsetof(struct follow, stop_post));
    follow->stopped(follow->stopped_arg);
}

static void post_stopped(struct follow *follow)
{
    const struct clock *clock = &follow->config.world->clock;
    follow->stop_post.run = on_stopped;
    clock->post(clock->ctx, &follow->stop_post);
}

static void on_looked(struct stream_lookup *lookup)
{
    struct follow *follow = lookup->arg;
    bool again = false;
    if (!follow->stopping) {
        if (lookup->fault == STREAMS_OK)
            digest(follow);
        else
            in_trouble(follow, lookup->fault);
        again = lookup->fault == STREAMS_OK && lookup->list;
    }
    follow->looking = false;
    if (follow->stopping)
        post_stopped(follow);
    else
        look_in(follow, again ? 0 : early(follow, next_pause(follow)));
}

static void look(struct follow *follow)
{
    follow->looked_at_ms = now_ms(follow);
    int rc = stream_lookup_start(follow->config.aws, &follow->lookup);
    follow->looking = rc == 0;
    if (rc == 0)
        return;
    snprintf(follow->lookup.message, sizeof follow->lookup.message,
             "table %.100s can't be looked up now: %s", follow->table, strerror(-rc));
    in_trouble(follow, STREAMS_UNAVAILABLE);
    look_in(follow, early(follow, next_pause(follow)));
}

static void on_timer(struct timer *timer)
{
    struct follow *follow = (struct follow *)((char *)timer - offsetof(struct follow, timer));
    look_in(follow, follow->config.every_ms);
    if (!follow->looking)
        look(follow);
}

/* ---- what the poller asks ---- */

void follow_look(struct follow *follow)
{
    if (follow->eager_ms || follow->stopping || follow->ended)
        return;
    follow->eager_ms = PAUSE_FIRST_MS;
    if (!follow->looking && follow->failures == 0)
        look_in(follow, follow->looked_at_ms + PAUSE_FIRST_MS - now_ms(follow));
}

bool follow_looked(const struct follow *follow)
{
    return follow->looked;
}

enum streams_fault follow_trouble(const struct follow *follow, int64_t *since_ms)
{
    *since_ms = follow->trouble_since_ms;
    return follow->trouble;
}

/* ---- life ---- */

int follow_new(const struct follow_config *config, struct follow **out)
{
    const struct clock *clock = &config->world->clock;
    struct follow *follow = mem_zalloc(1, sizeof *follow);
    if (!follow)
        return -ENOMEM;
    follow->config = *config;
    follow->table = mem_dup0(config->table.ptr, config->table.len);
    follow->region = mem_dup0(config->region.ptr, config->region.len);
    follow->timer.fire = on_timer;
    if (follow->config.every_ms <= 0)
        follow->config.every_ms = EVERY_MS;
    if (follow->config.patience_ms <= 0)
        follow->config.patience_ms = PATIENCE_MS;
    if (!follow->table || !follow->region ||
        clock->arm(clock->ctx, &follow->timer, follow->config.every_ms) < 0) {
        follow_free(follow);
        return -ENOMEM;
    }
    if (config->known_arn.len < sizeof follow->known && config->known_arn.len)
        memcpy(follow->known, config->known_arn.ptr, config->known_arn.len);
    follow->config.table = follow->lookup.table = str_of(follow->table);
    follow->config.region = follow->lookup.region = str_of(follow->region);
    follow->config.known_arn = str_of(follow->known);
    follow->lookup.done = on_looked;
    follow->lookup.arg = follow;
    *out = follow;
    return 0;
}

void follow_start(struct follow *follow)
{
    follow->started_ms = now_ms(follow);
    look_in(follow, 0);
}

void follow_stop(struct follow *follow, void (*stopped)(void *arg), void *arg)
{
    const struct clock *clock = &follow->config.world->clock;
    follow->stopping = true;
    follow->stopped = stopped;
    follow->stopped_arg = arg;
    clock->disarm(clock->ctx, &follow->timer);
    if (!follow->looking)
        post_stopped(follow);
    else
        stream_lookup_abort(&follow->lookup);
}

void follow_free(struct follow *follow)
{
    if (!follow)
        return;
    const struct clock *clock = &follow->config.world->clock;
    clock->disarm(clock->ctx, &follow->timer);
    mem_free(follow->table);
    mem_free(follow->region);
    mem_free(follow);
}
