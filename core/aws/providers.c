#include "aws/chain.h"

#include "aws/role.h"

#include <errno.h>

/* The providers that begin with the environment and the shared files. */

static const char *variable(const struct credential_fetch *fetch, const char *name)
{
    return env_text(fetch->chain->settings.config->environ_block, name);
}

/* ---- keys in the environment ---- */

static void environment_start(struct credential_fetch *fetch)
{
    const char *access_key = variable(fetch, "AWS_ACCESS_KEY_ID");
    const char *secret_key = variable(fetch, "AWS_SECRET_ACCESS_KEY");
    int rc;
    if (access_key && secret_key) {
        rc = credentials_set(&fetch->got, str_of(access_key), str_of(secret_key),
                             str_of(variable(fetch, "AWS_SESSION_TOKEN")));
        if (rc == -EINVAL)
            err_set(
                &fetch->err, rc,
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_SESSION_TOKEN holds a blank or "
                "a control character");
    } else {
        rc = err_set(&fetch->err, -ENOENT, "%s is not set",
                     access_key ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    }
    fetch_done(fetch, rc);
}

const struct credential_provider provider_environment = {"environment", environment_start};

/* ---- a web identity in the environment: EKS roles for service accounts ---- */

static void web_identity_start(struct credential_fetch *fetch)
{
    bool token = variable(fetch, "AWS_WEB_IDENTITY_TOKEN_FILE");
    if (!token)
        fetch_done(fetch, err_set(&fetch->err, -ENOENT, "AWS_WEB_IDENTITY_TOKEN_FILE is not set"));
    else if (!variable(fetch, "AWS_ROLE_ARN"))
        fetch_done(fetch, err_set(&fetch->err, -EINVAL,
                                  "AWS_WEB_IDENTITY_TOKEN_FILE is set, but not AWS_ROLE_ARN"));
    else
        fetch_work(fetch, role_plan_web_identity, role_plan_run);
}

const struct credential_provider provider_web_identity = {"web identity", web_identity_start};

/* ---- a profile ---- */

/* On a pool thread. Read each time: tools and people rewrite these files. */
static int read_profile(struct credential_fetch *fetch)
{
    struct profiles *profiles;
    int rc = profiles_load(fetch->chain->settings.config->environ_block, &profiles, &fetch->err);
    if (rc < 0)
        return rc;
    rc = role_plan_profile(fetch, profiles);
    profiles_free(profiles);
    return rc;
}

static void profile_start(struct credential_fetch *fetch)
{
    fetch_work(fetch, read_profile, role_plan_run);
}

const struct credential_provider provider_profile = {"profile", profile_start};
