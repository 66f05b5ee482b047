#include "aws/role.h"

#include "aws/process.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

enum { PROCESS_TIMEOUT_MS = 60000, NAME_BYTES = 128, DURATION_MIN_S = 900, DURATION_MAX_S = 43200 };

struct walk { /* from profile to profile, as source_profile leads */
    struct credential_fetch *fetch;
    const struct profiles *profiles;
    char names[ROLES_MAX + 1][NAME_BYTES];
    size_t depth;
};

void role_plan_free(struct role_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->count; i++)
        role_done(&plan->roles[i]);
    wipe_free(plan->token);
    mem_free(plan);
}

static int plan_of(struct credential_fetch *fetch, struct role_plan **out)
{
    if (!fetch->plan)
        fetch->plan = mem_zalloc(1, sizeof *fetch->plan);
    *out = fetch->plan;
    return fetch->plan ? 0 : err_set(&fetch->err, -ENOMEM, "out of memory");
}

static const char *name_of(const struct walk *walk)
{
    return walk->names[walk->depth];
}

static weir_str value(const struct walk *walk, const char *key)
{
    return profiles_get(walk->profiles, name_of(walk), key);
}

#define REFUSE(walk, format, ...)                                                                  \
    err_set(&(walk)->fetch->err, -EINVAL, "profile \"%s\": " format, name_of(walk), __VA_ARGS__)

/* ---- roles ---- */

static int dup_value(weir_str text, char **out)
{
    if (!text.len)
        return 0;
    *out = mem_dup0(text.ptr, text.len);
    return *out ? 0 : -ENOMEM;
}

/* Without a name of its own a session is called by when it began. */
static int name_session(struct credential_fetch *fetch, weir_str wanted, char **out)
{
    const struct clock *clock = &fetch->chain->world->clock;
    char made[40];
    snprintf(made, sizeof made, "weir-%lld", (long long)(clock->wall_us(clock->ctx) / 1000));
    return dup_value(wanted.len ? wanted : str_of(made), out);
}

static int add_role(struct credential_fetch *fetch, weir_str arn, weir_str session,
                    weir_str external_id, int duration_s)
{
    struct role_plan *plan;
    int rc = plan_of(fetch, &plan);
    if (rc < 0)
        return rc;
    struct role *role = &plan->roles[plan->count++];
    role->duration_s = duration_s;
    if (dup_value(arn, &role->arn) < 0 || name_session(fetch, session, &role->session) < 0 ||
        dup_value(external_id, &role->external_id) < 0)
        return err_set(&fetch->err, -ENOMEM, "out of memory");
    return 0;
}

static int duration(const struct walk *walk, int *out_s)
{
    weir_str text = value(walk, "duration_seconds");
    int s = 0;
    for (size_t i = 0; i < text.len && s <= DURATION_MAX_S; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return REFUSE(walk, "%s", "duration_seconds is not a number");
        s = s * 10 + (text.ptr[i] - '0');
    }
    if (text.len && (s < DURATION_MIN_S || s > DURATION_MAX_S))
        return REFUSE(walk, "duration_seconds is not %d to %d", DURATION_MIN_S, DURATION_MAX_S);
    *out_s = s;
    return 0;
}

static int add_profile_role(struct walk *walk, weir_str arn)
{
    int duration_s = 0;
    int rc = duration(walk, &duration_s);
    if (rc < 0)
        return rc;
    if (value(walk, "mfa_serial").len)
        return REFUSE(walk, "%s", "a role with mfa_serial needs a person: use credential_process");
    return add_role(walk->fetch, arn, value(walk, "role_session_name"), value(walk, "external_id"),
                    duration_s);
}

static int take_token(struct credential_fetch *fetch, weir_str path)
{
    char *name = mem_dup0(path.ptr, path.len);
    int rc = name ? token_file_read(name, &fetch->plan->token, &fetch->err)
                  : err_set(&fetch->err, -ENOMEM, "out of memory");
    mem_free(name);
    return rc;
}

static int take_source(struct walk *walk, weir_str source)
{
    static const struct {
        const char *name;
        const struct credential_provider *provider;
    } sources[] = {{"Environment", &provider_environment},
                   {"EcsContainer", &provider_container},
                   {"Ec2InstanceMetadata", &provider_imds}};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (str_is(source, sources[i].name)) {
            walk->fetch->plan->source = sources[i].provider;
            return 0;
        }
    return REFUSE(walk, "%s",
                  "credential_source is not Environment, EcsContainer or Ec2InstanceMetadata");
}

/* ---- where roles begin: keys ---- */

static int run_process(struct credential_fetch *fetch, weir_str command)
{
    char *text = mem_dup0(command.ptr, command.len);
    if (!text)
        return -ENOMEM;
    int rc = credential_process_run(text, fetch->chain->settings.config->environ_block,
                                    PROCESS_TIMEOUT_MS, &fetch->got, &fetch->err);
    mem_free(text);
    return rc;
}

static int take_keys(struct walk *walk)
{
    struct credential_fetch *fetch = walk->fetch;
    weir_str access_key = value(walk, "aws_access_key_id");
    weir_str secret_key = value(walk, "aws_secret_access_key");
    weir_str process = value(walk, "credential_process");
    if (access_key.len && secret_key.len) {
        int rc =
            credentials_set(&fetch->got, access_key, secret_key, value(walk, "aws_session_token"));
        return rc == -EINVAL ? REFUSE(walk, "%s", "its keys are malformed") : rc;
    }
    if (process.len)
        return run_process(fetch, process);
    if (value(walk, "sso_session").len || value(walk, "sso_start_url").len)
        return REFUSE(walk, "%s",
                      "SSO is read by credential_process = aws configure export-credentials "
                      "--profile NAME --format process");
    if (walk->depth > 0)
        return REFUSE(walk, "%s", "it is a source_profile, but has no credentials");
    return err_set(&fetch->err, -ENOENT, "\"%s\" has no credentials", name_of(walk));
}

/* ---- from profile to profile ---- */

static int name_profile(struct walk *walk, size_t depth, weir_str name)
{
    if (depth > ROLES_MAX)
        return REFUSE(walk, "more than %d roles in a row", ROLES_MAX);
    if (name.len >= NAME_BYTES)
        return err_set(&walk->fetch->err, -EINVAL, "the name of an AWS profile is too long");
    memcpy(walk->names[depth], name.ptr, name.len);
    walk->names[depth][name.len] = '\0';
    walk->depth = depth;
    return 0;
}

static int follow(struct walk *walk, weir_str source)
{
    for (size_t i = 0; i <= walk->depth; i++)
        if (str_is(source, walk->names[i]))
            return REFUSE(walk, "source_profile \"%s\" leads round in a circle", walk->names[i]);
    int rc = name_profile(walk, walk->depth + 1, source);
    if (rc == 0 && !profiles_has(walk->profiles, name_of(walk)))
        return REFUSE(walk, "%s", "it is a source_profile, but there is none of that name");
    return rc;
}

/* One profile with a role. 1: go on with the source profile. */
static int take_role(struct walk *walk, weir_str arn)
{
    weir_str token = value(walk, "web_identity_token_file");
    weir_str source = value(walk, "source_profile"), provider = value(walk, "credential_source");
    if ((token.len > 0) + (source.len > 0) + (provider.len > 0) != 1)
        return REFUSE(walk, "%s",
                      "role_arn needs one of source_profile, credential_source and "
                      "web_identity_token_file");
    if (walk->depth == ROLES_MAX)
        return REFUSE(walk, "more than %d roles in a row", ROLES_MAX);
    int rc = add_profile_role(walk, arn);
    if (rc < 0)
        return rc;
    if (token.len)
        return take_token(walk->fetch, token);
    if (provider.len)
        return take_source(walk, provider);
    if (str_is(source, name_of(walk))) /* its own keys */
        return value(walk, "aws_access_key_id").len
                   ? take_keys(walk)
                   : REFUSE(walk, "%s", "it is its own source_profile, but has no keys");
    rc = follow(walk, source);
    return rc < 0 ? rc : 1;
}

int role_plan_profile(struct credential_fetch *fetch, const struct profiles *profiles)
{
    const struct credential_chain *chain = fetch->chain;
    struct walk walk = {.fetch = fetch, .profiles = profiles};
    int rc = name_profile(&walk, 0, str_of(chain->settings.profile));
    if (rc == 0 && !profiles_has(profiles, name_of(&walk)))
        return err_set(&fetch->err, chain->profile_chosen ? -EINVAL : -ENOENT,
                       "there is no AWS profile \"%s\"", name_of(&walk));
    while (rc == 0) {
        weir_str arn = value(&walk, "role_arn");
        if (!arn.len)
            return take_keys(&walk);
        rc = take_role(&walk, arn);
        if (rc <= 0)
            return rc;
        rc = 0;
    }
    return rc;
}

int role_plan_web_identity(struct credential_fetch *fetch)
{
    char *const *env = fetch->chain->settings.config->environ_block;
    int rc = add_role(fetch, str_of(env_text(env, "AWS_ROLE_ARN")),
                      str_of(env_text(env, "AWS_ROLE_SESSION_NAME")), STR_NONE, 0);
    return rc == 0 ? take_token(fetch, str_of(env_text(env, "AWS_WEB_IDENTITY_TOKEN_FILE"))) : rc;
}
