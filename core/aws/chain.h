/* Where credentials come from: providers asked in turn, one refresh at a time, old keys kept while
 * they last. */
#ifndef WEIR_AWS_CHAIN_H
#define WEIR_AWS_CHAIN_H
#include "aws/aws.h"
#include "aws/endpoint.h"
#include "aws/fetch.h"

enum credentials_state {
    CREDENTIALS_READY, /* here they are */
    CREDENTIALS_WAIT,  /* a refresh runs: changed() comes */
    CREDENTIALS_NONE   /* none to be had: chain->reason */
};

struct credential_chain {
    const struct world *world;
    struct endpoint_settings settings;                  /* what they point at lives as long */
    bool profile_chosen;                                /* named by someone: it must exist */
    const struct credential_provider *const *providers; /* NULL-terminated */
    void (*changed)(
        void *ctx); /* a refresh has ended. Never from inside chain_get; may free the chain */
    void *ctx;
    struct credentials current; /* access_key NULL: none */
    struct credential_fetch fetch;
    size_t asked; /* providers asked in this refresh */
    bool refreshing, getting, stale;
    int64_t
        refresh_at_us;   /* wall clock; 0 = never. From then on keys are renewed while they serve */
    int64_t wait_at_us;  /* and from then on calls wait for that */
    int64_t retry_at_ms; /* no refresh before, after a failed one */
    int64_t retry_delay_ms;
    uint64_t generation;
    char tried[640];  /* in this refresh: "NAME: why it gave nothing; ..." */
    char reason[800]; /* one line, without secrets */
};

void chain_init(struct credential_chain *chain, const struct world *world,
                const struct endpoint_settings *settings, bool profile_chosen,
                void (*changed)(void *ctx), void *ctx);
/* Ends a refresh that runs, if it can, without a call of changed(); one that is with a pool thread
 * or the transport ends soon, with it. */
void chain_cancel(struct credential_chain *chain);
void chain_done(struct credential_chain *chain); /* no refresh may run */
enum credentials_state chain_get(struct credential_chain *chain, const struct credentials **out);
/* The service refused these keys as expired: fetch new ones, unless that has been done meanwhile.
 */
void chain_refused(struct credential_chain *chain, uint64_t generation);

void chain_log(const struct credential_chain *chain, int level, const char *text);

extern const struct credential_provider provider_environment, provider_web_identity,
    provider_profile, provider_container, provider_imds, provider_keys;
#endif
