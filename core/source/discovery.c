#include "source/discovery.h"

#include "source/asks.h"
#include "source/describe.h"
#include "util/alloc.h"

#include <errno.h>

enum {
    SWEEP_MS = 60000,
    SWEEP_GAP_MS = 500,     /* between the beginnings of two sweeps that were asked for */
    SETTLE_FIRST_MS = 1000, /* of lists in which a child is still to appear */
    SETTLE_MOST_MS = 30000,
    CLOSING_MS = 60000, /* a disabled stream's last children may be listed so late */
    MISSING_MS = 30000,
    WANTS_MAX = 8 /* more shards that ended share one sweep */
};

struct want { /* a shard that ended: who are its children? */
    struct want *next;
    char *parent;
};

struct discovery {
    struct discovery_config config;
    char *arn;
    enum stream_state state;
    char table[256], view_type[64];
    struct describe describe;

    bool sweeping, half;       /* half: some of its shards could not be kept */
    uint64_t begun, completed; /* numbers of sweeps; one that was given up completes nothing */
    int64_t begun_ms;
    int64_t sweep_at_ms;         /* the next one, while none is under way */
    char *cursor;                /* ExclusiveStartShardId of the next page */
    char *landmark;              /* an earlier cursor: meeting it again means going in circles */
    uint64_t pages, landmark_at; /* the landmark is set anew at pages 1, 2, 4, 8... */
    unsigned broken;             /* sweeps given up in a row */
    int64_t broken_since_ms;

    struct want *wants, **wants_end;
    size_t want_count;
    struct want *asking; /* whose children the open call is for; NULL = it is a sweep's */
    bool filter_useless; /* the server knows no CHILD_SHARDS */
    int64_t settle_ms;
    int64_t ended_ms;      /* the last shard did, or this began */
    int64_t seen_ms;       /* the last complete sweep began then */
    uint64_t settle_sweep; /* the first one that counts as looked after the last shard ended */

    struct asks asks;

    struct timer timer; /* armed all the time, so that it has its place with the clock */
    bool news;          /* for changed() */
    bool stopping;
    struct post stop_post;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

static void advance(struct discovery *discovery);

/* ---- small things ---- */

static char *copy_text(weir_str text)
{
    return mem_dup0(text.ptr, text.len);
}

static void want_free(struct want *want)
{
    if (want)
        mem_free(want->parent);
    mem_free(want);
}

static void drop_wants(struct discovery *discovery)
{
    while (discovery->wants) {
        struct want *want = discovery->wants;
        discovery->wants = want->next;
        want_free(want);
    }
    discovery->wants_end = &discovery->wants;
    discovery->want_count = 0;
}

static void set_state(struct discovery *discovery, enum stream_state state)
{
    if (discovery->state == state)
        return;
    if (discovery->state == STREAM_MISSING)
        describe_log(&discovery->describe, WEIR_LOG_INFO, "W0903", "found again", STR_NONE);
    if (state == STREAM_MISSING)
        describe_log(
            &discovery->describe, WEIR_LOG_ERROR, "W0901",
            "not found; its shards are held, nothing of it counts as done, and it is looked "
            "for every 30 s; is the region right, was the table deleted?",
            STR_NONE);
    if (state == STREAM_CLOSING)
        describe_log(&discovery->describe, WEIR_LOG_WARN, "W0905",
                     "switched off; what it holds is read to its end", STR_NONE);
    discovery->state = state;
    discovery->news = true;
}

/* ---- sweeps ---- */

static void end_sweep(struct discovery *discovery)
{
    mem_free(discovery->cursor);
    mem_free(discovery->landmark);
    discovery->cursor = discovery->landmark = NULL;
    discovery->sweeping = false;
}

static void begin_sweep(struct discovery *discovery)
{
    discovery->sweeping = true;
    discovery->half = false;
    discovery->begun++;
    discovery->begun_ms = describe_now(&discovery->describe);
    discovery->pages = 0;
    discovery->landmark_at = 1;
    lineage_sweep_begin(discovery->config.lineage);
}

/* What its pages told is kept; that something is absent, it can't tell. */
static void give_up_sweep(struct discovery *discovery, const char *why)
{
    end_sweep(discovery);
    if (discovery->broken++ == 0)
        describe_log(&discovery->describe, WEIR_LOG_WARN, "W0904",
                     "the list of shards is not whole; it is asked for again", str_of(why));
    if (discovery->broken == 1)
        discovery->broken_since_ms = describe_now(&discovery->describe);
    discovery->sweep_at_ms = describe_now(&discovery->describe) +
                             describe_backoff(&discovery->describe, discovery->broken);
}

/* A sweep that begins from now on. A missing stream is asked for at its own pace. */
static void sweep_soon(struct discovery *discovery, int64_t delay_ms)
{
    int64_t at_ms = describe_now(&discovery->describe) + delay_ms;
    if (discovery->sweeping || discovery->state == STREAM_MISSING || discovery->broken)
        return;
    if (discovery->begun && at_ms < discovery->begun_ms + SWEEP_GAP_MS)
        at_ms = discovery->begun_ms + SWEEP_GAP_MS;
    if (at_ms < discovery->sweep_at_ms)
        discovery->sweep_at_ms = at_ms;
}

static void settle_by_sweep(struct discovery *discovery, int64_t delay_ms)
{
    discovery->settle_sweep = discovery->begun + 1;
    sweep_soon(discovery, delay_ms);
}

/* Nobody looks at a closing stream again once it is drained, so its list is given a while to tell
 * of the last children. */
static bool may_grow(const struct discovery *discovery)
{
    return discovery->state == STREAM_CLOSING && lineage_childless(discovery->config.lineage) &&
           discovery->seen_ms < discovery->ended_ms + CLOSING_MS;
}

static void plan_next_sweep(struct discovery *discovery)
{
    int64_t every_ms = discovery->config.sweep_ms, pause_ms;
    int64_t closed_ms = discovery->ended_ms + CLOSING_MS - describe_now(&discovery->describe);
    if (may_grow(discovery)) {
        pause_ms = closed_ms > SETTLE_FIRST_MS ? closed_ms : SETTLE_FIRST_MS;
    } else if (discovery->state != STREAM_CLOSING && lineage_childless(discovery->config.lineage)) {
        pause_ms = discovery->settle_ms;
        discovery->settle_ms *= 2;
        if (discovery->settle_ms > SETTLE_MOST_MS)
            discovery->settle_ms = SETTLE_MOST_MS;
    } else {
        pause_ms = every_ms;
        discovery->settle_ms = SETTLE_FIRST_MS;
    }
    if (pause_ms > every_ms)
        pause_ms = every_ms;
    /* Up to a tenth early, so that many streams don't sweep in step. */
    discovery->sweep_at_ms = describe_now(&discovery->describe) + pause_ms;
    if (!may_grow(discovery))
        discovery->sweep_at_ms -= describe_random(&discovery->describe, pause_ms / 10);
    if (discovery->asks.open || discovery->settle_sweep > discovery->begun)
        sweep_soon(discovery, 0);
}

static void complete_sweep(struct discovery *discovery, bool closing)
{
    discovery->news |= !lineage_swept(discovery->config.lineage);
    end_sweep(discovery);
    lineage_sweep_end(discovery->config.lineage, describe_now(&discovery->describe));
    discovery->completed = discovery->begun;
    discovery->seen_ms = discovery->begun_ms;
    if (discovery->broken)
        describe_log(&discovery->describe, WEIR_LOG_INFO, "W0903",
                     "the list of shards is whole again", STR_NONE);
    discovery->broken = 0;
    set_state(discovery, closing ? STREAM_CLOSING : STREAM_OPEN);
    asks_answer(&discovery->asks, discovery->config.lineage, discovery->begun, false);
    plan_next_sweep(discovery);
}

/* The cursor for the next page; false when the sweep can't go on. */
static bool move_cursor(struct discovery *discovery, weir_str last)
{
    bool circle = (discovery->cursor && str_is(last, discovery->cursor)) ||
                  (discovery->landmark && str_is(last, discovery->landmark));
    char *cursor = circle ? NULL : copy_text(last);
    if (!cursor) {
        give_up_sweep(discovery, circle ? "its pages go round in a circle" : "out of memory");
        return false;
    }
    if (++discovery->pages == discovery->landmark_at) {
        mem_free(discovery->landmark);
        discovery->landmark = discovery->cursor;
        discovery->landmark_at *= 2;
    } else {
        mem_free(discovery->cursor);
    }
    discovery->cursor = cursor;
    return true;
}

static void keep_name(char *out, size_t bytes, weir_str text)
{
    if (*out == '\0' && text.len && text.len < bytes)
        memcpy(out, text.ptr, text.len); /* zeroed behind it */
}

static void sweep_page(struct discovery *discovery, const struct stream_page *page)
{
    bool closing = str_is(page->status, "DISABLING") || str_is(page->status, "DISABLED");
    keep_name(discovery->table, sizeof discovery->table, page->table);
    if (discovery->view_type[0] == '\0' && page->view_type.len) {
        keep_name(discovery->view_type, sizeof discovery->view_type, page->view_type);
        discovery->news = true;
    }
    if (lineage_sweep_page(discovery->config.lineage, page->shards, page->shard_count) < 0)
        discovery->half = true;
    /* That no shard comes any more is true when the last page was seen. */
    if (!closing)
        set_state(discovery, STREAM_OPEN);
    if (page->last_shard.len)
        move_cursor(discovery, page->last_shard);
    else if (discovery->half)
        give_up_sweep(discovery, "more shards than memory holds");
    else
        complete_sweep(discovery, closing);
}

static void stream_missing(struct discovery *discovery)
{
    end_sweep(discovery);
    describe_in_trouble(&discovery->describe, STREAMS_NOT_FOUND);
    set_state(discovery, STREAM_MISSING);
    drop_wants(discovery);
    discovery->settle_sweep = discovery->begun + 1;
    discovery->sweep_at_ms = describe_now(&discovery->describe) + MISSING_MS -
                             describe_random(&discovery->describe, 1000);
    asks_answer(&discovery->asks, discovery->config.lineage, discovery->begun, true);
}

static void sweep_failed(struct discovery *discovery, enum streams_fault fault, weir_str reason)
{
    bool first_page = !discovery->cursor;
    if (fault == STREAMS_NOT_FOUND && first_page)
        stream_missing(discovery);
    else if (!first_page && (fault == STREAMS_NOT_FOUND || fault == STREAMS_INVALID))
        give_up_sweep(discovery, "a page was refused"); /* the shard it begins at may be gone */
    else
        describe_failed(&discovery->describe, fault, reason); /* the same page again */
}

/* ---- children ---- */

static bool told_of_others(const struct stream_page *page, weir_str parent)
{
    for (size_t i = 0; i < page->shard_count; i++)
        if (!str_eq(page->shards[i].parent, parent))
            return true;
    return false;
}

static void children_told(struct discovery *discovery, weir_str parent,
                          const struct stream_page *page)
{
    struct lineage *lineage = discovery->config.lineage;
    if (told_of_others(page, parent)) { /* DynamoDB Local gives the whole list */
        discovery->filter_useless = true;
        if (discovery->wants)
            settle_by_sweep(discovery, 0);
        drop_wants(discovery);
    }
    lineage_children(lineage, parent, page->shards, page->shard_count);
    const struct shard *shard = lineage_find(lineage, parent);
    if (shard && shard->children == 0)
        settle_by_sweep(discovery, discovery->filter_useless ? 0 : discovery->settle_ms);
}

static void want_again(struct discovery *discovery)
{
    struct want *want = discovery->asking;
    discovery->asking = NULL;
    want->next = discovery->wants;
    if (!discovery->wants)
        discovery->wants_end = &want->next;
    discovery->wants = want;
    discovery->want_count++;
}

static void children_asked(struct discovery *discovery, enum streams_fault fault, weir_str reason,
                           const struct stream_page *page)
{
    if (fault == STREAMS_OK) {
        children_told(discovery, str_of(discovery->asking->parent), page);
    } else if (fault == STREAMS_INVALID || fault == STREAMS_NOT_FOUND) {
        discovery->filter_useless |= fault == STREAMS_INVALID;
        settle_by_sweep(discovery, 0);
    } else { /* again, later */
        describe_failed(&discovery->describe, fault, reason);
        want_again(discovery);
    }
    want_free(discovery->asking);
    discovery->asking = NULL;
}

/* ---- calls ---- */

/* Tells what the answer changed. The callbacks may stop the discovery, not free it. */
static void tell(struct discovery *discovery)
{
    bool news = discovery->news;
    discovery->news = false;
    while (!discovery->stopping && asks_tell(&discovery->asks))
        ;
    if (news && !discovery->stopping)
        discovery->config.changed(discovery->config.arg);
}

static void on_stopped(struct post *post)
{
    struct discovery *discovery =
        (struct discovery *)((char *)post - offsetof(struct discovery, stop_post));
    discovery->stopped(discovery->stopped_arg);
}

static void post_stopped(struct discovery *discovery)
{
    const struct clock *clock = &discovery->config.world->clock;
    discovery->stop_post.run = on_stopped;
    clock->post(clock->ctx, &discovery->stop_post);
}

static void on_answer(void *arg, enum streams_fault fault, const struct stream_page *page,
                      weir_str reason)
{
    struct discovery *discovery = arg;
    uint64_t version = lineage_version(discovery->config.lineage);
    bool settled = discovery_settled(discovery);
    if (discovery->stopping) {
        post_stopped(discovery);
        return;
    }
    if (discovery->asking)
        children_asked(discovery, fault, reason, page);
    else if (fault == STREAMS_OK)
        sweep_page(discovery, page);
    else
        sweep_failed(discovery, fault, reason);
    discovery->news |= version != lineage_version(discovery->config.lineage) ||
                       settled != discovery_settled(discovery);
    tell(discovery);
    advance(discovery);
}

static void send_call(struct discovery *discovery)
{
    discovery->asking = discovery->wants;
    if (discovery->asking) {
        discovery->wants = discovery->asking->next;
        discovery->want_count--;
        if (!discovery->wants)
            discovery->wants_end = &discovery->wants;
        if (describe_send(&discovery->describe, STR_NONE, str_of(discovery->asking->parent)) < 0)
            want_again(discovery);
        return;
    }
    if (!discovery->sweeping)
        begin_sweep(discovery);
    describe_send(&discovery->describe, str_of(discovery->cursor), STR_NONE);
}

/* Sends what is due, then waits for the answer, or until something is due. */
static void advance(struct discovery *discovery)
{
    const struct clock *clock = &discovery->config.world->clock;
    for (int tries = 0; tries < 2 && !discovery->stopping && !discovery->describe.open; tries++) {
        int64_t now_ms = describe_now(&discovery->describe);
        int64_t free_ms = describe_free_at(&discovery->describe);
        int64_t due_ms = discovery->wants || discovery->sweeping ? now_ms : discovery->sweep_at_ms;
        int64_t wait_ms = (due_ms > free_ms ? due_ms : free_ms) - now_ms;
        if (wait_ms <= 0 && tries == 0)
            send_call(discovery);
        else
            clock->arm(clock->ctx, &discovery->timer, wait_ms < SWEEP_MS ? wait_ms : SWEEP_MS);
    }
}

static void on_timer(struct timer *timer)
{
    struct discovery *discovery =
        (struct discovery *)((char *)timer - offsetof(struct discovery, timer));
    const struct clock *clock = &discovery->config.world->clock;
    clock->arm(clock->ctx, timer, SWEEP_MS);
    advance(discovery);
}

/* ---- what the poller asks ---- */

void discovery_want_children(struct discovery *discovery, weir_str parent)
{
    struct want *want = discovery->wants;
    if (discovery->asking && str_is(parent, discovery->asking->parent))
        return;
    while (want && !str_is(parent, want->parent))
        want = want->next;
    if (want || discovery->stopping)
        return;
    discovery->settle_ms = SETTLE_FIRST_MS;
    discovery->ended_ms = describe_now(&discovery->describe);
    bool one_by_one = discovery->state == STREAM_OPEN && !discovery->filter_useless &&
                      discovery->want_count < WANTS_MAX;
    want = one_by_one ? mem_zalloc(1, sizeof *want) : NULL;
    if (want && (want->parent = copy_text(parent))) {
        *discovery->wants_end = want;
        discovery->wants_end = &want->next;
        discovery->want_count++;
    } else {
        mem_free(want);
        drop_wants(discovery); /* the sweep tells of their children too */
        settle_by_sweep(discovery, 0);
    }
    advance(discovery);
}

int discovery_ask(struct discovery *discovery, weir_str shard,
                  void (*told)(void *arg, enum shard_verdict verdict), void *arg)
{
    int rc = asks_add(&discovery->asks, shard, discovery->begun + 1, told, arg);
    if (rc < 0)
        return rc;
    sweep_soon(discovery, 0);
    advance(discovery);
    return 0;
}

void discovery_look(struct discovery *discovery)
{
    if (!discovery->stopping)
        settle_by_sweep(discovery, 0);
    advance(discovery);
}

void discovery_forget_asker(struct discovery *discovery, void *arg)
{
    asks_forget(&discovery->asks, arg);
}

enum stream_state discovery_state(const struct discovery *discovery)
{
    return discovery->state;
}

bool discovery_swept(const struct discovery *discovery)
{
    return lineage_swept(discovery->config.lineage);
}

bool discovery_settled(const struct discovery *discovery)
{
    return discovery->completed > 0 && discovery->completed >= discovery->settle_sweep &&
           !discovery->wants && !discovery->asking && discovery->state != STREAM_MISSING &&
           !may_grow(discovery) &&
           (discovery->state == STREAM_CLOSING || !lineage_childless(discovery->config.lineage));
}

enum streams_fault discovery_trouble(const struct discovery *discovery, int64_t *since_ms)
{
    *since_ms =
        discovery->broken ? discovery->broken_since_ms : discovery->describe.trouble_since_ms;
    return discovery->broken ? STREAMS_UNAVAILABLE : discovery->describe.trouble;
}

uint64_t discovery_faults(const struct discovery *discovery, enum streams_fault fault)
{
    return discovery->describe.faults[fault];
}

uint64_t discovery_calls(const struct discovery *discovery)
{
    return discovery->describe.calls;
}

weir_str discovery_view_type(const struct discovery *discovery)
{
    return str_of(discovery->view_type);
}

weir_str discovery_table(const struct discovery *discovery)
{
    return str_of(discovery->table);
}

/* ---- life ---- */

int discovery_new(const struct discovery_config *config, struct discovery **out)
{
    const struct clock *clock = &config->world->clock;
    struct discovery *discovery = mem_zalloc(1, sizeof *discovery);
    if (!discovery || !(discovery->arn = copy_text(config->arn))) {
        mem_free(discovery);
        return -ENOMEM;
    }
    discovery->config = *config;
    discovery->config.arn = str_of(discovery->arn);
    if (discovery->config.sweep_ms <= 0)
        discovery->config.sweep_ms = SWEEP_MS;
    struct describe_config describe = {.world = config->world,
                                       .aws = config->aws,
                                       .arn = discovery->config.arn,
                                       .done = on_answer,
                                       .arg = discovery,
                                       .log = config->log,
                                       .log_ctx = config->log_ctx};
    describe_init(&discovery->describe, &describe);
    discovery->wants_end = &discovery->wants;
    discovery->settle_ms = SETTLE_FIRST_MS;
    discovery->sweep_at_ms = INT64_MAX; /* until it is started */
    discovery->timer.fire = on_timer;
    if (clock->arm(clock->ctx, &discovery->timer, SWEEP_MS) < 0) {
        discovery_free(discovery);
        return -ENOMEM;
    }
    *out = discovery;
    return 0;
}

void discovery_start(struct discovery *discovery)
{
    discovery->sweep_at_ms = discovery->ended_ms = describe_now(&discovery->describe);
    advance(discovery);
}

void discovery_stop(struct discovery *discovery, void (*stopped)(void *arg), void *arg)
{
    const struct clock *clock = &discovery->config.world->clock;
    discovery->stopping = true;
    discovery->stopped = stopped;
    discovery->stopped_arg = arg;
    clock->disarm(clock->ctx, &discovery->timer);
    if (discovery->describe.open)
        describe_abort(&discovery->describe);
    else
        post_stopped(discovery);
}

void discovery_free(struct discovery *discovery)
{
    if (!discovery)
        return;
    const struct clock *clock = &discovery->config.world->clock;
    clock->disarm(clock->ctx, &discovery->timer);
    end_sweep(discovery);
    drop_wants(discovery);
    want_free(discovery->asking);
    asks_free(&discovery->asks);
    describe_done(&discovery->describe);
    mem_free(discovery->arn);
    mem_free(discovery);
}
