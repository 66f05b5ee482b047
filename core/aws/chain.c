#include "aws/chain.h"

#include "aws/process.h"
#include "aws/profile.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

enum {
    EARLY_US =
        15 * 60 * 1000000, /* refresh this long before the end, or at half of a shorter life */
    RETRY_FIRST_MS = 1000,
    RETRY_MOST_MS = 60000,
    PROCESS_TIMEOUT_MS = 60000
};

/* ---- providers ---- */

static void environment_start(struct credential_fetch *fetch)
{
    char *const *env = fetch->chain->config->environ_block;
    const char *access_key = env_text(env, "AWS_ACCESS_KEY_ID");
    const char *secret_key = env_text(env, "AWS_SECRET_ACCESS_KEY");
    int rc = -ENOENT;
    if (access_key && secret_key) {
        rc = credentials_set(&fetch->got, str_of(access_key), str_of(secret_key),
                             str_of(env_text(env, "AWS_SESSION_TOKEN")));
        if (rc == -EINVAL)
            err_set(
                &fetch->err, rc,
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_SESSION_TOKEN holds a blank or "
                "a control character");
    }
    fetch_done(fetch, rc);
}

const struct credential_provider provider_environment = {"environment", environment_start};

static int run_process(struct credential_fetch *fetch, weir_str command)
{
    char *text = mem_dup0(command.ptr, command.len);
    if (!text)
        return -ENOMEM;
    int rc = credential_process_run(text, fetch->chain->config->environ_block, PROCESS_TIMEOUT_MS,
                                    &fetch->got, &fetch->err);
    mem_free(text);
    return rc;
}

static int from_profile(struct credential_fetch *fetch, const struct profiles *profiles)
{
    const struct credential_chain *chain = fetch->chain;
    const char *profile = chain->profile;
    weir_str access_key = profiles_get(profiles, profile, "aws_access_key_id");
    weir_str secret_key = profiles_get(profiles, profile, "aws_secret_access_key");
    weir_str process = profiles_get(profiles, profile, "credential_process");
    if (!profiles_has(profiles, profile))
        return chain->profile_chosen
                   ? err_set(&fetch->err, -EINVAL, "there is no AWS profile \"%s\"", profile)
                   : -ENOENT;
    if (access_key.len && secret_key.len) {
        int rc = credentials_set(&fetch->got, access_key, secret_key,
                                 profiles_get(profiles, profile, "aws_session_token"));
        return rc == -EINVAL ? err_set(&fetch->err, rc,
                                       "the keys of AWS profile \"%s\" are malformed", profile)
                             : rc;
    }
    return process.len ? run_process(fetch, process) : -ENOENT;
}

static struct credential_fetch *fetch_of(struct work *work)
{
    return (struct credential_fetch *)((char *)work - offsetof(struct credential_fetch, work));
}

/* On a pool thread: it reads files and may run a program. */
static void profile_run(struct work *work)
{
    struct credential_fetch *fetch = fetch_of(work);
    struct profiles *profiles;
    fetch->status = profiles_load(fetch->chain->config->environ_block, &profiles, &fetch->err);
    if (fetch->status == 0) {
        fetch->status = from_profile(fetch, profiles);
        profiles_free(profiles);
    }
}

static void profile_done(struct work *work)
{
    struct credential_fetch *fetch = fetch_of(work);
    fetch_done(fetch, fetch->status);
}

static void profile_start(struct credential_fetch *fetch)
{
    const struct worker *worker = &fetch->chain->world->worker;
    fetch->work = (struct work){.run = profile_run, .done = profile_done};
    int rc = worker->submit ? worker->submit(worker->ctx, &fetch->work) : -ENOENT;
    if (rc < 0)
        fetch_done(fetch, rc);
}

const struct credential_provider provider_profile = {"profile", profile_start};

/* In this order. A container's endpoint, instance metadata, web identity and roles are further
 * providers; they speak over world->transport. */
static const struct credential_provider *const full_chain[] = {&provider_environment,
                                                               &provider_profile, NULL};
/* Lambda's come by the environment and hold as long as it does. */
static const struct credential_provider *const lambda_chain[] = {&provider_environment, NULL};

/* ---- the chain ---- */

static int64_t wall_us(const struct credential_chain *chain)
{
    return chain->world->clock.wall_us(chain->world->clock.ctx);
}

static int64_t now_ms(const struct credential_chain *chain)
{
    return chain->world->clock.now_ms(chain->world->clock.ctx);
}

static void refresh_ended(struct credential_chain *chain)
{
    chain->refreshing = false;
    if (!chain->getting)
        chain->changed(chain->ctx);
}

static void take(struct credential_chain *chain)
{
    credentials_done(&chain->current);
    chain->current = chain->fetch.got;
    chain->fetch.got = (struct credentials){0};
    chain->current.generation = ++chain->generation;
    chain->stale = false;
    chain->retry_delay_ms = 0;
    chain->reason[0] = '\0';
    chain->refresh_at_us = 0;
    if (chain->current.expires_us) {
        int64_t left_us = chain->current.expires_us - wall_us(chain);
        chain->refresh_at_us = left_us / 2 < EARLY_US ? chain->current.expires_us - left_us / 2
                                                      : chain->current.expires_us - EARLY_US;
    }
}

static void give_up(struct credential_chain *chain, const char *provider, int status)
{
    if (status == -ENOENT)
        snprintf(chain->reason, sizeof chain->reason,
                 "no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a "
                 "profile");
    else
        snprintf(chain->reason, sizeof chain->reason, "AWS credentials (%s): %.300s", provider,
                 chain->fetch.err.msg[0] ? chain->fetch.err.msg : strerror(-status));
    chain->retry_delay_ms = chain->retry_delay_ms ? chain->retry_delay_ms * 2 : RETRY_FIRST_MS;
    if (chain->retry_delay_ms > RETRY_MOST_MS)
        chain->retry_delay_ms = RETRY_MOST_MS;
    chain->retry_at_ms = now_ms(chain) + chain->retry_delay_ms;
    if (chain->config->log)
        chain->config->log(chain->config->log_ctx,
                           chain->current.access_key ? WEIR_LOG_WARN : WEIR_LOG_ERROR,
                           chain->reason);
}

static void ask(struct credential_chain *chain)
{
    chain->fetch.chain = chain;
    chain->fetch.err.msg[0] = '\0';
    chain->providers[chain->asked]->start(&chain->fetch);
}

void fetch_done(struct credential_fetch *fetch, int status)
{
    struct credential_chain *chain = fetch->chain;
    const char *provider = chain->providers[chain->asked]->name;
    if (status == 0) {
        take(chain);
    } else if (status == -ENOENT && chain->providers[chain->asked + 1]) {
        chain->asked++;
        ask(chain);
        return;
    } else {
        give_up(chain, provider, status);
    }
    refresh_ended(chain);
}

static void refresh(struct credential_chain *chain)
{
    if (chain->refreshing || (chain->retry_delay_ms && now_ms(chain) < chain->retry_at_ms))
        return;
    chain->refreshing = chain->getting = true;
    chain->asked = 0;
    ask(chain);
    chain->getting = false;
}

void chain_init(struct credential_chain *chain, const struct world *world,
                const struct aws_config *config, const char *profile, bool profile_chosen,
                void (*changed)(void *ctx), void *ctx)
{
    *chain = (struct credential_chain){
        .world = world,
        .config = config,
        .profile = profile,
        .profile_chosen = profile_chosen,
        .providers = config->lambda ? lambda_chain : full_chain,
        .changed = changed,
        .ctx = ctx,
    };
}

void chain_done(struct credential_chain *chain)
{
    credentials_done(&chain->current);
}

static bool usable(const struct credential_chain *chain)
{
    return chain->current.access_key && !chain->stale &&
           (!chain->current.expires_us || wall_us(chain) < chain->current.expires_us);
}

enum credentials_state chain_get(struct credential_chain *chain, const struct credentials **out)
{
    bool due = chain->refresh_at_us && wall_us(chain) >= chain->refresh_at_us;
    if (!usable(chain) || due)
        refresh(chain);
    if (usable(chain)) {
        *out = &chain->current;
        return CREDENTIALS_READY;
    }
    return chain->refreshing ? CREDENTIALS_WAIT : CREDENTIALS_NONE;
}

void chain_refused(struct credential_chain *chain, uint64_t generation)
{
    if (generation == chain->current.generation)
        chain->stale = true;
}
