#include "aws/chain.h"

#include "aws/role.h"

#include <errno.h>
#include <stdio.h>

enum {
    EARLY_US =
        15 * 60 * 1000000, /* renewed this long before the end, or at half of a shorter life */
    LATE_US =
        10 * 60 * 1000000, /* waited for this long before it, or in a shorter life's last third */
    RETRY_FIRST_MS = 1000,
    RETRY_MOST_MS = 60000
};

/* In the order of the SDKs: what was set for this process before what was set for the machine. */
static const struct credential_provider *const full_chain[] = {
    &provider_environment, &provider_web_identity, &provider_profile,
    &provider_container,   &provider_imds,         NULL};
/* Lambda's come by the environment and hold as long as it does. */
static const struct credential_provider *const lambda_chain[] = {&provider_environment, NULL};

static const struct credential_provider *const keys_chain[] = {&provider_keys, NULL};

static int64_t wall_us(const struct credential_chain *chain)
{
    return chain->world->clock.wall_us(chain->world->clock.ctx);
}

static int64_t now_ms(const struct credential_chain *chain)
{
    return chain->world->clock.now_ms(chain->world->clock.ctx);
}

void chain_log(const struct credential_chain *chain, int level, const char *text)
{
    const struct aws_config *config = chain->settings.config;
    if (config->log)
        config->log(config->log_ctx, level, text);
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
    chain->refresh_at_us = chain->wait_at_us = 0;
    int64_t end_us = chain->current.expires_us, left_us = end_us - wall_us(chain);
    if (end_us) {
        chain->refresh_at_us = end_us - (left_us / 2 < EARLY_US ? left_us / 2 : EARLY_US);
        chain->wait_at_us = end_us - (left_us / 3 < LATE_US ? left_us / 3 : LATE_US);
    }
}

static void explain(struct credential_chain *chain, const char *provider, int status)
{
    const char *why = chain->fetch.err.msg[0] ? chain->fetch.err.msg : strerror(-status);
    if (status == -ENOENT)
        snprintf(chain->reason, sizeof chain->reason,
                 "no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a "
                 "profile (%s)",
                 chain->tried);
    else if (chain->tried[0])
        snprintf(chain->reason, sizeof chain->reason,
                 "AWS credentials (%s): %.400s (before it, %.350s)", provider, why, chain->tried);
    else
        snprintf(chain->reason, sizeof chain->reason, "AWS credentials (%s): %.400s", provider,
                 why);
}

static void give_up(struct credential_chain *chain, const char *provider, int status)
{
    explain(chain, provider, status);
    chain->retry_delay_ms = chain->retry_delay_ms ? chain->retry_delay_ms * 2 : RETRY_FIRST_MS;
    if (chain->retry_delay_ms > RETRY_MOST_MS)
        chain->retry_delay_ms = RETRY_MOST_MS;
    chain->retry_at_ms = now_ms(chain) + chain->retry_delay_ms;
    if (!chain->fetch.cancelled)
        chain_log(chain, chain->current.access_key ? WEIR_LOG_WARN : WEIR_LOG_ERROR, chain->reason);
}

static void note_tried(struct credential_chain *chain, const char *provider)
{
    size_t len = strlen(chain->tried);
    const char *why = chain->fetch.err.msg[0] ? chain->fetch.err.msg : "not set up";
    snprintf(chain->tried + len, sizeof chain->tried - len, "%s%s: %.160s", len ? "; " : "",
             provider, why);
}

static void ask(struct credential_chain *chain)
{
    chain->fetch.err.msg[0] = '\0';
    chain->providers[chain->asked]->start(&chain->fetch);
}

/* Keys that have ended before they came would be asked for again at once, without end. */
static int check_life(struct credential_chain *chain)
{
    int64_t end_us = chain->fetch.got.expires_us;
    if (!end_us || end_us > wall_us(chain))
        return 0;
    return err_set(&chain->fetch.err, -EINVAL,
                   "what came had expired already; is this machine's clock right?");
}

static void answered(struct credential_fetch *fetch, int status)
{
    struct credential_chain *chain = fetch->chain;
    const char *provider = chain->providers[chain->asked]->name;
    role_plan_free(fetch->plan);
    endpoint_free(fetch->sts);
    fetch->plan = NULL;
    fetch->sts = NULL;
    if (status == 0)
        status = check_life(chain);
    if (status == 0) {
        take(chain);
    } else {
        credentials_done(&fetch->got);
        if (status == -ENOENT)
            note_tried(chain, provider);
        if (status == -ENOENT && chain->providers[chain->asked + 1]) {
            chain->asked++;
            ask(chain);
            return;
        }
        give_up(chain, provider, status);
    }
    chain->refreshing = false;
    if (!chain->getting)
        chain->changed(chain->ctx);
}

static void refresh(struct credential_chain *chain)
{
    if (chain->refreshing || chain->fetch.cancelled ||
        (chain->retry_delay_ms && now_ms(chain) < chain->retry_at_ms))
        return;
    chain->refreshing = chain->getting = true;
    chain->asked = 0;
    chain->tried[0] = '\0';
    chain->fetch.skew_us = 0;
    chain->fetch.done = answered;
    ask(chain);
    chain->getting = false;
}

void chain_init(struct credential_chain *chain, const struct world *world,
                const struct endpoint_settings *settings, bool profile_chosen,
                void (*changed)(void *ctx), void *ctx)
{
    *chain = (struct credential_chain){
        .world = world,
        .settings = *settings,
        .profile_chosen = profile_chosen,
        .providers = settings->config->keys     ? keys_chain
                     : settings->config->lambda ? lambda_chain
                                                : full_chain,
        .changed = changed,
        .ctx = ctx,
    };
    fetch_init(&chain->fetch, chain);
}

void chain_cancel(struct credential_chain *chain)
{
    if (!chain->refreshing || chain->fetch.cancelled)
        return;
    chain->getting = true;
    fetch_cancel(&chain->fetch);
    chain->getting = false;
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

/* Late in their life no call goes out with the old keys while they are renewed: what a call starts
 * can outlast them. Once that has failed they serve again, and later attempts hold nobody up. */
enum credentials_state chain_get(struct credential_chain *chain, const struct credentials **out)
{
    int64_t now_us = wall_us(chain);
    bool due = chain->refresh_at_us && now_us >= chain->refresh_at_us;
    if (!usable(chain) || due)
        refresh(chain);
    bool late = chain->wait_at_us && now_us >= chain->wait_at_us;
    bool wait = late && chain->refreshing && !chain->retry_delay_ms;
    if (usable(chain) && !wait) {
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
