#include "vworld.h"

#include "unit.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- clock, random ---- */

static int64_t now_ms(void *ctx)
{
    return ((struct vworld *)ctx)->now_ms;
}

static int64_t wall_us(void *ctx)
{
    struct vworld *world = ctx;
    return world->wall_us + world->now_ms * 1000;
}

static int arm(void *ctx, struct timer *timer, int64_t delay_ms)
{
    struct vworld *world = ctx;
    return timers_arm(&world->timers, timer, world->now_ms + (delay_ms < 0 ? 0 : delay_ms));
}

static void disarm(void *ctx, struct timer *timer)
{
    timers_disarm(&((struct vworld *)ctx)->timers, timer);
}

static void post(void *ctx, struct post *one)
{
    struct vworld *world = ctx;
    one->next = NULL;
    if (world->posts)
        world->last_post->next = one;
    else
        world->posts = one;
    world->last_post = one;
}

uint64_t vworld_random(struct vworld *world)
{
    uint64_t z = world->random += 0x9e3779b97f4a7c15ull; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static uint64_t next_random(void *ctx)
{
    return vworld_random(ctx);
}

/* ---- work ---- */

static int submit(void *ctx, struct work *work)
{
    struct vworld *world = ctx;
    if (world->refuse_work)
        return world->refuse_work;
    work->next = NULL;
    if (world->works)
        world->last_work->next = work;
    else
        world->works = work;
    world->last_work = work;
    return 0;
}

bool vworld_work(struct vworld *world)
{
    struct work *work = world->works;
    if (!work)
        return false;
    world->works = work->next;
    work->run(work);
    work->done(work);
    return true;
}

/* ---- store ---- */

static char *copy_of(weir_str text)
{
    char *copy = malloc(text.len + 1); /* not counted: it outlives the test's batches */
    CHECK_FATAL(copy != NULL);
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

static void keep_letter(struct vworld *world, const struct dead_letter *letter)
{
    if (world->letter_count == world->letter_room) {
        world->letter_room = world->letter_room * 2 + 16;
        world->letters = realloc(world->letters, world->letter_room * sizeof *world->letters);
        CHECK_FATAL(world->letters != NULL);
    }
    world->letters[world->letter_count++] = (struct vletter){.sequence = copy_of(letter->sequence),
                                                             .sink = copy_of(letter->sink),
                                                             .reason = copy_of(letter->reason),
                                                             .record = copy_of(letter->record),
                                                             .attempts = letter->attempts};
}

void vworld_store(struct vworld *world, int status)
{
    struct store_put *put = world->puts;
    world->puts = NULL;
    while (put) {
        struct store_put *next = put->impl;
        if (status == 0)
            keep_letter(world, &put->letter);
        put->done(put, status);
        put = next;
    }
}

static void on_store(struct post *one)
{
    struct vworld *world = (struct vworld *)((char *)one - offsetof(struct vworld, store_post));
    world->store_posted = false;
    if (!world->hold_puts)
        vworld_store(world, world->store_status);
}

static int dead_put(void *ctx, struct store_put *put)
{
    struct vworld *world = ctx;
    if (world->refuse_put)
        return world->refuse_put;
    put->impl = NULL;
    if (world->puts)
        world->last_put->impl = put;
    else
        world->puts = put;
    world->last_put = put;
    if (!world->store_posted && !world->hold_puts) {
        world->store_posted = true;
        world->store_post.run = on_store;
        post(world, &world->store_post);
    }
    return 0;
}

bool vworld_stored(const struct vworld *world, const char *sink, const char *sequence)
{
    for (size_t i = 0; i < world->letter_count; i++)
        if (strcmp(world->letters[i].sink, sink) == 0 &&
            strcmp(world->letters[i].sequence, sequence) == 0)
            return true;
    return false;
}

/* ---- transport ---- */

static int start(void *ctx, struct http_call *call)
{
    struct vworld *world = ctx;
    if (world->refuse_call)
        return world->refuse_call;
    CHECK_FATAL(world->call == NULL);
    world->call = call;
    return 0;
}

static void forget(void *ctx)
{
    ((struct vworld *)ctx)->forgotten++;
}

void vworld_answer(struct vworld *world, enum http_result result, int status, const char *headers,
                   const char *body)
{
    static const char padding[64];
    struct http_call *call = world->call;
    CHECK_FATAL(call != NULL);
    world->call = NULL;
    call->result = result;
    call->status = status;
    if (headers)
        buf_puts(&call->answer_headers, headers);
    if (body) {
        buf_puts(&call->answer, body);
        buf_put(&call->answer, padding, sizeof padding);
        call->answer.len -= sizeof padding;
    }
    if (result != HTTP_DONE)
        snprintf(call->reason, sizeof call->reason, "scripted failure");
    call->done(call);
}

/* ---- the course of time ---- */

static void stepped(struct vworld *world)
{
    if (world->after_step)
        world->after_step(world->ctx);
}

/* One post or work. */
static bool step(struct vworld *world)
{
    struct post *one = world->posts;
    if (one) {
        world->posts = one->next;
        one->run(one);
    } else if (world->hold_works || !vworld_work(world)) {
        return false;
    }
    stepped(world);
    return true;
}

/* Moves on to the next timer; false when there is none up to `end_ms`. */
static bool jump(struct vworld *world, int64_t end_ms)
{
    struct timer *first = timers_first(&world->timers);
    if (!first || first->at_ms > end_ms)
        return false;
    if (first->at_ms > world->now_ms)
        world->now_ms = first->at_ms;
    timers_disarm(&world->timers, first);
    first->fire(first);
    stepped(world);
    return true;
}

void vworld_settle(struct vworld *world)
{
    while (step(world) || jump(world, world->now_ms))
        ;
}

void vworld_run(struct vworld *world, int64_t ms)
{
    int64_t end_ms = world->now_ms + ms;
    while (step(world) || jump(world, end_ms))
        ;
    if (world->now_ms < end_ms)
        world->now_ms = end_ms;
}

bool vworld_until(struct vworld *world, const bool *flag, int64_t ms)
{
    int64_t end_ms = world->now_ms + ms;
    while (!*flag && (step(world) || jump(world, end_ms)))
        ;
    return *flag;
}

/* ---- life ---- */

void vworld_init(struct vworld *world, uint64_t seed)
{
    *world = (struct vworld){.now_ms = 1000, .wall_us = 1767225600000000, .random = seed};
    world->world = (struct world){
        .clock = {world, now_ms, wall_us, arm, disarm, post},
        .random = {world, next_random},
        .transport = {.ctx = world, .start = start, .forget_connections = forget},
        .worker = {world, submit},
        .store = {.ctx = world, .dead_put = dead_put},
    };
}

void vworld_done(struct vworld *world)
{
    CHECK(!world->posts);
    CHECK(!world->works);
    CHECK(!world->puts);
    CHECK(!timers_first(&world->timers));
    timers_done(&world->timers);
    for (size_t i = 0; i < world->letter_count; i++) {
        free(world->letters[i].sequence);
        free(world->letters[i].sink);
        free(world->letters[i].reason);
        free(world->letters[i].record);
    }
    free(world->letters);
}
