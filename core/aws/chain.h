/* Where credentials come from: providers asked in turn, one refresh at a time, old keys kept while
 * they last. */
#ifndef WEIR_AWS_CHAIN_H
#define WEIR_AWS_CHAIN_H
#include "aws/aws.h"
#include "aws/credentials.h"

enum credentials_state {
    CREDENTIALS_READY, /* here they are */
    CREDENTIALS_WAIT,  /* a refresh runs: changed() comes */
    CREDENTIALS_NONE   /* none to be had: chain->reason */
};

struct credential_chain;
struct credential_fetch;

/* One source of credentials. start() calls fetch_done() once, now or later, with 0 and credentials
 * (taken), -ENOENT (not set up here: the next provider is asked), or another -errno and a reason.
 */
struct credential_provider {
    const char *name;
    void (*start)(struct credential_fetch *fetch);
};

struct credential_fetch {
    struct credential_chain *chain;
    struct work work; /* for providers that block */
    struct credentials got;
    int status;
    struct err err;
};

struct credential_chain {
    const struct world *world;
    const struct aws_config *config;
    const char *profile;                                /* NUL-terminated, lives as long */
    bool profile_chosen;                                /* named by someone: it must exist */
    const struct credential_provider *const *providers; /* NULL-terminated */
    void (*changed)(
        void *ctx); /* a refresh has ended. Never from inside chain_get; may free the chain */
    void *ctx;
    struct credentials current; /* access_key NULL: none */
    struct credential_fetch fetch;
    size_t asked; /* providers asked in this refresh */
    bool refreshing, getting, stale;
    int64_t refresh_at_us; /* wall clock; 0 = never */
    int64_t retry_at_ms;   /* no refresh before, after a failed one */
    int64_t retry_delay_ms;
    uint64_t generation;
    char reason[400];
};

void chain_init(struct credential_chain *chain, const struct world *world,
                const struct aws_config *config, const char *profile, bool profile_chosen,
                void (*changed)(void *ctx), void *ctx);
void chain_done(struct credential_chain *chain); /* no refresh may run */
enum credentials_state chain_get(struct credential_chain *chain, const struct credentials **out);
/* The service refused these keys as expired: fetch new ones, unless that has been done meanwhile.
 */
void chain_refused(struct credential_chain *chain, uint64_t generation);

void fetch_done(struct credential_fetch *fetch, int status);

extern const struct credential_provider provider_environment, provider_profile;
#endif
