#include "aws/aws.h"

#include "aws/answer.h"
#include "aws/chain.h"
#include "aws/endpoint.h"
#include "aws/internal.h"
#include "aws/keys.h"
#include "aws/profile.h"
#include "aws/request.h"
#include "aws/retry.h"
#include "aws/time.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ENDPOINTS_MAX = 64,
    TIMEOUT_MS = 10000,
    CONNECT_MS = 3000,
    CONNECT_LAMBDA_MS = 1000,
    KEPT_ANSWER_BYTES = 256 * 1024, /* a spare state keeps no larger buffer */
    SKEW_MATTERS_US = 4 * 60 * 1000000,
    SKEW_TRUST_US = 15 * 60 * 1000000
};

enum call_phase {
    PHASE_WAITING, /* for credentials */
    PHASE_SENDING,
    PHASE_SLEEPING, /* before the next attempt */
    PHASE_ENDING    /* the post that reports it is under way */
};

struct aws_call_state {
    struct aws_client *client;
    struct aws_call *call;
    struct aws_call_state *next, *prev; /* open ones; `next` also links the spare ones */
    enum call_phase phase;
    struct endpoint *endpoint;
    struct http_call http;
    struct request request;
    struct timer timer;
    struct post post;
    int64_t sent_us;
    int64_t used_skew_us;
    uint64_t generation; /* of the credentials it was signed with */
    int tokens;          /* taken from the retry quota for this attempt */
    bool signed_again, keys_again;
    char message[800];
};

struct aws_client {
    const struct world *world;
    struct aws_config config;
    struct profiles *profiles; /* NULL in Lambda, and when they can't be read */
    char *profile, *region, *trace;
    struct endpoint *endpoints;
    size_t endpoint_count;
    struct sigv4 sigv4;
    bool sigv4_ready; /* libcrypto is set up at the first call, not at start */
    struct credential_chain chain;
    struct answer_reader reader;
    struct retry_quota quota;
    struct aws_call_state *open, *spare;
    void (*keys_changed)(void *arg); /* keys.h; or NULL */
    void *keys_arg;
    uint64_t ambiguous;
    int max_attempts; /* AWS_MAX_ATTEMPTS, or 0 */
    bool closing;
};

/* ---- life ---- */

static void log_line(const struct aws_client *client, int level, const char *text)
{
    if (client->config.log)
        client->config.log(client->config.log_ctx, level, text);
}

static const char *text_or(const char *text, const char *other)
{
    return text && *text ? text : other;
}

static char *dup_text(weir_str text)
{
    return mem_dup0(text.ptr, text.len);
}

/* A broken file matters only to those who need it: others learn of it when credentials are asked
 * for. */
static int load_profiles(struct aws_client *client, bool chosen, struct err *err)
{
    struct err why = {0};
    int rc = client->config.lambda
                 ? 0
                 : profiles_load(client->config.environ_block, &client->profiles, &why);
    if (rc == -ENOMEM || (rc < 0 && chosen))
        return err_set(err, rc, "%s", why.msg);
    if (rc < 0)
        log_line(client, WEIR_LOG_WARN, why.msg);
    if (chosen && client->profiles && !profiles_has(client->profiles, client->profile))
        return err_set(err, -EINVAL, "there is no AWS profile \"%s\"", client->profile);
    return 0;
}

static int resolve(struct aws_client *client, struct err *err)
{
    char *const *env = client->config.environ_block;
    const char *profile = text_or(client->config.profile, env_text(env, "AWS_PROFILE"));
    const char *attempts = env_text(env, "AWS_MAX_ATTEMPTS");
    client->profile = dup_text(str_of(text_or(profile, "default")));
    if (!client->profile)
        return err_set(err, -ENOMEM, "out of memory");
    int rc = load_profiles(client, profile != NULL, err);
    if (rc < 0)
        return rc;
    weir_str region = str_of(text_or(client->config.region, env_text(env, "AWS_REGION")));
    if (!region.len)
        region = str_of(env_text(env, "AWS_DEFAULT_REGION"));
    if (!region.len && client->profiles)
        region = profiles_get(client->profiles, client->profile, "region");
    client->region = dup_text(region);
    long most = attempts ? strtol(attempts, NULL, 10) : 0;
    client->max_attempts = most > 0 && most <= 100 ? (int)most : 0;
    return client->region ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static void credentials_changed(void *ctx);

static struct endpoint_settings settings_of(const struct aws_client *client)
{
    return (struct endpoint_settings){&client->config, client->profiles, client->profile,
                                      client->region};
}

static int check_endpoints(const struct aws_client *client, struct err *err)
{
    const struct aws_config *config = &client->config;
    int rc = config->endpoint_url && *config->endpoint_url
                 ? endpoint_check(str_of(config->endpoint_url), config->allow_http, err)
                 : 0;
    for (size_t i = 0; i < config->endpoint_count && rc == 0; i++)
        rc = endpoint_check(str_of(config->endpoints[i].url), config->allow_http, err);
    return rc;
}

int aws_client_new(const struct world *world, const struct aws_config *config,
                   struct aws_client **out, struct err *err)
{
    struct aws_client *client = mem_zalloc(1, sizeof *client);
    if (!client)
        return err_set(err, -ENOMEM, "out of memory");
    client->world = world;
    client->config = *config;
    client->quota.tokens = RETRY_TOKENS;
    answer_reader_init(&client->reader);
    int rc = resolve(client, err);
    if (rc == 0)
        rc = check_endpoints(client, err);
    struct endpoint_settings settings = settings_of(client);
    chain_init(&client->chain, world, &settings,
               text_or(config->profile, env_text(config->environ_block, "AWS_PROFILE")) != NULL,
               credentials_changed, client);
    if (rc < 0) {
        aws_client_free(client);
        return rc;
    }
    *out = client;
    return 0;
}

static void state_free(struct aws_call_state *state)
{
    buf_done(&state->http.answer);
    buf_done(&state->http.answer_headers);
    request_done(&state->request);
    mem_free(state);
}

void aws_client_free(struct aws_client *client)
{
    if (!client)
        return;
    client->closing = true;
    chain_cancel(&client->chain);
    if (client->chain.refreshing)
        return; /* a pool thread still works for it: credentials_changed() comes back here */
    while (client->spare) {
        struct aws_call_state *state = client->spare;
        client->spare = state->next;
        state_free(state);
    }
    while (client->endpoints) {
        struct endpoint *endpoint = client->endpoints;
        client->endpoints = endpoint->next;
        endpoint_free(endpoint);
    }
    chain_done(&client->chain);
    if (client->sigv4_ready)
        sigv4_done(&client->sigv4);
    profiles_free(client->profiles);
    answer_reader_done(&client->reader);
    mem_free(client->profile);
    mem_free(client->region);
    mem_free(client->trace);
    mem_free(client);
}

const char *aws_region(const struct aws_client *client)
{
    return client->region;
}

const struct world *aws_client_world(const struct aws_client *client)
{
    return client->world;
}

struct credential_chain *aws_client_chain(struct aws_client *client)
{
    return &client->chain;
}

void aws_keys_watch(struct aws_client *client, void (*changed)(void *arg), void *arg)
{
    client->keys_changed = changed;
    client->keys_arg = arg;
}

const struct endpoint *aws_client_endpoints(const struct aws_client *client)
{
    return client->endpoints;
}

uint64_t aws_ambiguous_count(const struct aws_client *client)
{
    return client->ambiguous;
}

int aws_client_set_trace(struct aws_client *client, weir_str trace)
{
    char *copy = trace.len ? dup_text(trace) : NULL;
    if (trace.len && !copy)
        return -ENOMEM;
    mem_free(client->trace);
    client->trace = copy;
    return 0;
}

/* ---- ending a call ---- */

static void recycle(struct aws_call_state *state)
{
    struct aws_client *client = state->client;
    if (state->prev)
        state->prev->next = state->next;
    else
        client->open = state->next;
    if (state->next)
        state->next->prev = state->prev;
    if (state->http.answer.cap > KEPT_ANSWER_BYTES)
        buf_done(&state->http.answer);
    state->next = client->spare;
    client->spare = state;
}

static void finish(struct aws_call_state *state)
{
    struct aws_call *call = state->call;
    call->state = NULL;
    call->done(call); /* its views point into the state; the call itself may be gone after it */
    recycle(state);
}

static void finish_post(struct post *post)
{
    finish((struct aws_call_state *)((char *)post - offsetof(struct aws_call_state, post)));
}

/* Later, so that the caller is not called from inside start or abort. */
static void finish_later(struct aws_call_state *state, enum aws_outcome outcome, const char *type)
{
    const struct clock *clock = &state->client->world->clock;
    struct aws_call *call = state->call;
    bool posted = state->phase == PHASE_ENDING;
    call->outcome = outcome;
    call->error_type = str_of(type);
    call->error_message = str_of(state->message);
    call->answer = call->answer_headers = call->request_id = STR_NONE;
    call->answer_buf = NULL;
    state->phase = PHASE_ENDING;
    if (!posted)
        clock->post(clock->ctx, &state->post);
}

/* ---- an attempt ---- */

static void advance(struct aws_call_state *state);

/* The clock of a server that answered is the midpoint between sending and receiving; an answer from
 * a cache, or one that took long, says nothing. */
static void learn_skew(struct aws_call_state *state)
{
    const struct clock *clock = &state->client->world->clock;
    int64_t now_us = clock->wall_us(clock->ctx), date_s;
    if (state->http.result != HTTP_DONE || http_answer_header(&state->http, "age").len ||
        now_us < state->sent_us || now_us - state->sent_us > SKEW_TRUST_US ||
        parse_http_date(http_answer_header(&state->http, "date"), &date_s) < 0)
        return;
    state->endpoint->skew_us = date_s * 1000000 - (state->sent_us + (now_us - state->sent_us) / 2);
}

static bool clock_was_wrong(const struct aws_call_state *state)
{
    int64_t change_us = state->endpoint->skew_us - state->used_skew_us;
    return !state->signed_again && answer_blames_clock(state->call) &&
           (change_us > SKEW_MATTERS_US || change_us < -SKEW_MATTERS_US);
}

static int most_attempts(const struct aws_call_state *state)
{
    if (state->call->max_attempts > 0)
        return state->call->max_attempts;
    if (state->client->max_attempts > 0)
        return state->client->max_attempts;
    return strncmp(state->call->service, "dynamodb", 8) == 0 ? 4 : 3;
}

static int64_t wished_delay_ms(const struct aws_call_state *state)
{
    weir_str text = http_answer_header(&state->http, "x-amz-retry-after");
    int64_t ms = 0;
    for (size_t i = 0; i < text.len && i < 9 && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
        ms = ms * 10 + (text.ptr[i] - '0');
    return ms;
}

static void wake(struct timer *timer)
{
    advance((struct aws_call_state *)((char *)timer - offsetof(struct aws_call_state, timer)));
}

static bool try_again(struct aws_call_state *state)
{
    struct aws_client *client = state->client;
    const struct aws_call *call = state->call;
    const struct clock *clock = &client->world->clock;
    bool throttled = call->outcome == AWS_THROTTLED;
    if (!answer_retryable(call) || call->attempts >= most_attempts(state))
        return false;
    int tokens = retry_take(&client->quota, throttled);
    if (tokens == 0)
        return false;
    int64_t delay_ms =
        retry_delay_ms(&client->world->random, call->attempts, throttled,
                       strncmp(call->service, "dynamodb", 8) == 0, wished_delay_ms(state));
    state->timer.fire = wake;
    if (clock->arm(clock->ctx, &state->timer, delay_ms) < 0)
        return false;
    state->tokens = tokens;
    state->phase = PHASE_SLEEPING;
    return true;
}

static void on_http_done(struct http_call *http)
{
    struct aws_call_state *state = http->arg;
    struct aws_client *client = state->client;
    struct aws_call *call = state->call;
    bool sent_before = call->sent;
    learn_skew(state);
    answer_read(&client->reader, http, call);
    call->sent |= sent_before;
    if (call->outcome == AWS_OK && call->protocol != AWS_QUERY)
        call->answer_buf = &http->answer;
    if (call->outcome == AWS_AMBIGUOUS)
        client->ambiguous++;
    if (call->outcome == AWS_OK)
        retry_give(&client->quota, state->tokens);
    /* A refused signature was not carried out: signing again is no retry, and safe for every call.
     */
    if (clock_was_wrong(state)) {
        state->signed_again = true;
        advance(state);
        return;
    }
    if (answer_blames_keys(call) && !state->keys_again) {
        state->keys_again = true;
        chain_refused(&client->chain, state->generation);
        advance(state);
        return;
    }
    if (!try_again(state))
        finish(state);
}

static int send_call(struct aws_call_state *state, const struct credentials *credentials)
{
    struct aws_client *client = state->client;
    const struct world *world = client->world;
    struct aws_call *call = state->call;
    if (!client->sigv4_ready && sigv4_init(&client->sigv4) < 0)
        return -ENOMEM;
    client->sigv4_ready = true;
    state->sent_us = world->clock.wall_us(world->clock.ctx);
    state->used_skew_us = state->endpoint->skew_us;
    state->generation = credentials->generation;
    struct request_signer signer = {&client->sigv4, credentials,
                                    (state->sent_us + state->used_skew_us) / 1000000};
    int rc = request_make(&state->request, call, state->endpoint, &signer, str_of(client->trace));
    if (rc < 0)
        return rc;
    state->http.method = state->request.method;
    state->http.url = state->request.url;
    state->http.headers = state->request.headers;
    state->http.header_count = state->request.header_count;
    state->http.body = call->body;
    state->http.connect_timeout_ms = client->config.lambda ? CONNECT_LAMBDA_MS : CONNECT_MS;
    state->http.timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : TIMEOUT_MS;
    state->http.max_answer_bytes = call->max_answer_bytes;
    /* Where one pooled connection was dead without a word, its neighbours may be too. */
    state->http.fresh_connection = call->attempts > 0 && state->http.result == HTTP_TIMEOUT;
    state->http.done = on_http_done;
    state->http.arg = state;
    state->phase = PHASE_SENDING;
    rc = world->transport.start(world->transport.ctx, &state->http);
    if (rc == 0)
        call->attempts++;
    return rc;
}

/* Goes on as far as it can: to the transport, or to waiting for credentials. */
static void advance(struct aws_call_state *state)
{
    struct aws_client *client = state->client;
    const struct credentials *credentials;
    int rc;
    state->phase = PHASE_WAITING;
    switch (chain_get(&client->chain, &credentials)) {
    case CREDENTIALS_READY:
        rc = send_call(state, credentials);
        if (rc < 0) {
            snprintf(state->message, sizeof state->message, "can't be sent: %s", strerror(-rc));
            state->phase = PHASE_WAITING;
            finish_later(state, AWS_UNAVAILABLE, "NotSendable");
        }
        break;
    case CREDENTIALS_WAIT:
        break;
    case CREDENTIALS_NONE:
        snprintf(state->message, sizeof state->message, "%s", client->chain.reason);
        finish_later(state, AWS_DENIED, "NoCredentials");
        break;
    }
}

static void credentials_changed(void *ctx)
{
    struct aws_client *client = ctx;
    if (client->closing) {
        aws_client_free(client);
        return;
    }
    for (struct aws_call_state *state = client->open, *next; state; state = next) {
        next = state->next;
        if (state->phase == PHASE_WAITING)
            advance(state);
    }
    if (client->keys_changed)
        client->keys_changed(client->keys_arg);
}

/* ---- starting and aborting ---- */

static struct endpoint *find_endpoint(struct aws_client *client, const struct aws_call *call,
                                      struct err *err)
{
    struct endpoint *endpoint = client->endpoints;
    while (endpoint && !endpoint_is(endpoint, call->service, call->endpoint, call->region))
        endpoint = endpoint->next;
    if (endpoint)
        return endpoint;
    struct endpoint_settings settings = settings_of(client);
    if (client->endpoint_count == ENDPOINTS_MAX)
        err_set(err, -ENOSPC, "more than %d different endpoints", ENDPOINTS_MAX);
    else if (endpoint_new(&settings, call->service, call->endpoint, call->region, &endpoint, err) ==
             0) {
        client->endpoint_count++;
        endpoint->next = client->endpoints;
        client->endpoints = endpoint;
    }
    return endpoint;
}

static struct aws_call_state *take_state(struct aws_client *client)
{
    struct aws_call_state *state = client->spare;
    if (state) {
        client->spare = state->next;
    } else {
        state = mem_zalloc(1, sizeof *state);
        if (!state)
            return NULL;
        request_init(&state->request);
    }
    state->client = client;
    state->post.run = finish_post;
    state->signed_again = state->keys_again = false;
    state->tokens = 0;
    state->message[0] = '\0';
    state->prev = NULL;
    state->next = client->open;
    if (client->open)
        client->open->prev = state;
    client->open = state;
    return state;
}

int aws_call_start(struct aws_client *client, struct aws_call *call)
{
    struct err err = {0};
    if (!call->service || !call->done || call->header_count > AWS_CALL_HEADERS_MAX ||
        (call->protocol == AWS_REST && !call->path))
        return -EINVAL;
    struct aws_call_state *state = take_state(client);
    if (!state)
        return -ENOMEM;
    state->call = call;
    call->state = state;
    call->attempts = call->status = 0;
    call->sent = false;
    state->phase = PHASE_WAITING;
    state->endpoint = find_endpoint(client, call, &err);
    if (state->endpoint) {
        advance(state);
    } else {
        snprintf(state->message, sizeof state->message, "%.390s", err.msg);
        finish_later(state, AWS_UNAVAILABLE, "NoEndpoint");
    }
    return 0;
}

void aws_call_abort(struct aws_client *client, struct aws_call *call)
{
    struct aws_call_state *state = call->state;
    const struct world *world = client->world;
    if (!state)
        return; /* it has ended */
    if (state->phase == PHASE_SENDING) {
        world->transport.abort(world->transport.ctx, &state->http);
        return;
    }
    if (state->phase == PHASE_SLEEPING)
        world->clock.disarm(world->clock.ctx, &state->timer);
    snprintf(state->message, sizeof state->message, "aborted");
    finish_later(state, AWS_ABORTED, "Aborted");
}
