/* Roles that are assumed at STS: by a web identity, or by other credentials. */
#ifndef WEIR_AWS_ROLE_H
#define WEIR_AWS_ROLE_H
#include "aws/chain.h"
#include "aws/profile.h"
#include "aws/sts.h"

enum { ROLES_MAX = 8 };

/* What a profile, or the environment, asks for: credentials to begin with, which are those in
 * fetch->got, or a provider's, or a web identity's token; and roles to assume with them, one after
 * the other, from the last to the first. */
struct role_plan {
    const struct credential_provider *source;
    char *token; /* a secret */
    struct role roles[ROLES_MAX];
    size_t count;
    bool signed_again;
    void (*done)(struct credential_fetch *fetch, int status); /* fetch->done, while `source` runs */
};

/* Reads what `profile` asks for: fetch->got, where it is keys, or fetch->plan. Blocking, for a pool
 * thread: it reads token files and may run a program. 0, -ENOENT (nothing there), -errno. */
int role_plan_profile(struct credential_fetch *fetch, const struct profiles *profiles);
/* The same for AWS_WEB_IDENTITY_TOKEN_FILE. */
int role_plan_web_identity(struct credential_fetch *fetch);
/* Carries out fetch->plan, if there is one, and ends the fetch. */
void role_plan_run(struct credential_fetch *fetch);
void role_plan_free(struct role_plan *plan); /* the chain does that at the end; NULL is fine */
#endif
