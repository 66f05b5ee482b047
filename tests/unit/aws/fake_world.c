#include "fake_world.h"

#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

static int64_t now_ms(void *ctx)
{
    return ((struct fake_world *)ctx)->now_ms;
}

static int64_t wall_us(void *ctx)
{
    struct fake_world *fake = ctx;
    return 1767225600000000 + fake->now_ms * 1000 + fake->wall_offset_us;
}

static int arm(void *ctx, struct timer *timer, int64_t delay_ms)
{
    struct fake_world *fake = ctx;
    return timers_arm(&fake->timers, timer, fake->now_ms + delay_ms);
}

static void disarm(void *ctx, struct timer *timer)
{
    timers_disarm(&((struct fake_world *)ctx)->timers, timer);
}

static void post(void *ctx, struct post *one)
{
    struct fake_world *fake = ctx;
    one->next = NULL;
    if (fake->posts)
        fake->last_post->next = one;
    else
        fake->posts = one;
    fake->last_post = one;
}

static uint64_t next_random(void *ctx)
{
    return ((struct fake_world *)ctx)->random;
}

static int submit(void *ctx, struct work *work)
{
    struct fake_world *fake = ctx;
    work->next = fake->works;
    fake->works = work;
    return 0;
}

static struct fake_world *answering;

static void answer(struct timer *timer)
{
    struct fake_world *fake = answering;
    size_t i = (size_t)(timer - fake->answers);
    struct http_call *call = fake->open[i];
    const struct scripted *script = fake->answer_of[i];
    fake->open[i] = NULL;
    fake->open_count--;
    call->result = fake->aborted[i] ? HTTP_ABORTED : script->result;
    if (call->result == HTTP_DONE) {
        call->status = script->status;
        call->answer.max_bytes = call->answer_headers.max_bytes = 1 << 20;
        buf_puts(&call->answer, script->body ? script->body : "");
        if (script->headers)
            buf_puts(&call->answer_headers, script->headers);
    } else {
        snprintf(call->reason, sizeof call->reason, "scripted failure");
    }
    call->done(call);
}

static void note_request(struct fake_world *fake, const struct http_call *call)
{
    size_t len = 0;
    for (size_t i = 0; i < call->header_count; i++)
        len += (size_t)snprintf(fake->last_request + len, sizeof fake->last_request - len,
                                "%.*s: %.*s\n", STR_ARG(call->headers[i].name),
                                STR_ARG(call->headers[i].value));
    snprintf(fake->last_url, sizeof fake->last_url, "%s", call->url);
    size_t room = sizeof fake->requests - fake->requests_len;
    int more = snprintf(fake->requests + fake->requests_len, room, "%s %s\n%.*s%.*s\n\n",
                        call->method, call->url, (int)len, fake->last_request, STR_ARG(call->body));
    fake->requests_len += (size_t)more < room ? (size_t)more : 0; /* or it is cut off */
}

static int start(void *ctx, struct http_call *call)
{
    struct fake_world *fake = ctx;
    size_t i = 0;
    if (fake->fail_start)
        return -ENOMEM;
    while (i < FAKE_OPEN_MAX && fake->open[i])
        i++;
    CHECK_FATAL(i < FAKE_OPEN_MAX && fake->script_count > 0);
    note_request(fake, call);
    fake->answers[i].fire = answer;
    fake->answer_of[i] = &fake->script[fake->script_at];
    if (fake->answer_of[i]->takes_ms >= 0 &&
        timers_arm(&fake->timers, &fake->answers[i], fake->now_ms + fake->answer_of[i]->takes_ms) <
            0)
        return -ENOMEM;
    fake->started++;
    fake->open[i] = call;
    fake->aborted[i] = false;
    if (fake->script_at + 1 < fake->script_count)
        fake->script_at++;
    buf_reset(&call->answer);
    buf_reset(&call->answer_headers);
    call->status = 0;
    call->reason[0] = '\0';
    if (++fake->open_count > fake->most_open)
        fake->most_open = fake->open_count;
    return 0;
}

static void abort_call(void *ctx, struct http_call *call)
{
    struct fake_world *fake = ctx;
    for (size_t i = 0; i < FAKE_OPEN_MAX; i++)
        if (fake->open[i] == call) {
            fake->aborted[i] = true;
            timers_arm(&fake->timers, &fake->answers[i], fake->now_ms);
            return;
        }
    CHECK_FATAL(false); /* an abort of a call that is not open */
}

static void forget(void *ctx)
{
    (void)ctx;
}

void fake_init(struct fake_world *fake, const struct scripted *script, size_t count)
{
    memset(fake, 0, sizeof *fake);
    fake->script = script;
    fake->script_count = count;
    fake->world = (struct world){
        .clock = {fake, now_ms, wall_us, arm, disarm, post},
        .random = {fake, next_random},
        .transport = {fake, start, abort_call, forget},
        .worker = {fake, submit},
    };
}

void fake_done(struct fake_world *fake)
{
    CHECK_INT(fake->open_count, 0);
    CHECK(!fake->posts);
    CHECK(!fake->works);
    timers_done(&fake->timers);
}

void fake_run_works(struct fake_world *fake)
{
    while (fake->works) {
        struct work *work = fake->works;
        fake->works = work->next;
        fake->works_run++;
        work->run(work);
        work->done(work);
    }
}

static bool run_posts(struct fake_world *fake)
{
    struct post *one = fake->posts;
    fake->posts = NULL;
    for (struct post *next; one; one = next) {
        next = one->next;
        one->run(one);
    }
    return fake->posts != NULL;
}

void fake_run(struct fake_world *fake, int64_t ms)
{
    int64_t end = fake->now_ms + ms;
    answering = fake;
    for (;;) {
        while (run_posts(fake))
            ;
        if (fake->works && !fake->hold_works) {
            fake_run_works(fake);
            continue;
        }
        struct timer *first = timers_first(&fake->timers);
        if (!first || first->at_ms > end)
            break;
        if (first->at_ms > fake->now_ms)
            fake->now_ms = first->at_ms;
        timers_fire(&fake->timers, fake->now_ms);
    }
    if (timers_first(&fake->timers))
        fake->now_ms = end;
}

const char *fake_header(const struct fake_world *fake, const char *name)
{
    static char value[4096];
    size_t len = strlen(name);
    value[0] = '\0';
    for (const char *line = fake->last_request; *line; line = strchr(line, '\n') + 1)
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            snprintf(value, sizeof value, "%.*s", (int)strcspn(line + len + 2, "\n"),
                     line + len + 2);
    return value;
}
