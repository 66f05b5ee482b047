#include "aws/keys.h"

#include "aws/chain.h"
#include "aws/internal.h"
#include "util/alloc.h"

#include <errno.h>
#include <pthread.h>

struct aws_keys {
    pthread_mutex_t lock;
    struct credentials held; /* generation: of the client that was asked */
    bool refused;            /* as expired */
};

int aws_keys_new(struct aws_keys **out)
{
    struct aws_keys *keys = mem_zalloc(1, sizeof *keys);
    if (!keys)
        return -ENOMEM;
    if (pthread_mutex_init(&keys->lock, NULL) != 0) {
        mem_free(keys);
        return -ENOMEM;
    }
    *out = keys;
    return 0;
}

void aws_keys_free(struct aws_keys *keys)
{
    if (!keys)
        return;
    credentials_done(&keys->held);
    pthread_mutex_destroy(&keys->lock);
    mem_free(keys);
}

static int copy(struct credentials *to, const struct credentials *from)
{
    const char *token = from->session_token ? from->session_token : "";
    int rc = credentials_set(to, str_of(from->access_key), str_of(from->secret_key), str_of(token));
    if (rc == 0) {
        to->expires_us = from->expires_us;
        to->generation = from->generation;
    }
    return rc;
}

static int replace(struct aws_keys *keys, const struct credentials *with)
{
    struct credentials made;
    int rc = copy(&made, with);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&keys->lock);
    credentials_done(&keys->held);
    keys->held = made;
    keys->refused = false;
    pthread_mutex_unlock(&keys->lock);
    return 0;
}

bool aws_keys_refused(struct aws_keys *keys)
{
    pthread_mutex_lock(&keys->lock);
    bool refused = keys->refused;
    pthread_mutex_unlock(&keys->lock);
    return refused;
}

uint64_t aws_keys_generation(const struct aws_keys *keys)
{
    return keys->held.generation; /* only this thread writes `held` */
}

enum aws_keys_state aws_keys_fill(struct aws_keys *keys, struct aws_client *client,
                                  const char **reason)
{
    struct credential_chain *chain = aws_client_chain(client);
    const struct credentials *has;
    if (aws_keys_refused(keys))
        chain_refused(chain, keys->held.generation); /* only this thread writes `held` */
    switch (chain_get(chain, &has)) {
    case CREDENTIALS_READY:
        if (keys->held.generation == has->generation || replace(keys, has) == 0)
            return AWS_KEYS_READY;
        *reason = "out of memory";
        return AWS_KEYS_NONE;
    case CREDENTIALS_WAIT:
        return AWS_KEYS_WAIT;
    case CREDENTIALS_NONE:
        break;
    }
    *reason = chain->reason;
    return AWS_KEYS_NONE;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same(const struct credentials *a, const struct credentials *b)
{
    return same_text(a->access_key, b->access_key) && same_text(a->secret_key, b->secret_key) &&
           same_text(a->session_token, b->session_token);
}

/* Keys that were refused are given once more: that call fails, and the next aws_keys_fill() has new
 * ones made. */
static void keys_start(struct credential_fetch *fetch)
{
    const struct credential_chain *chain = fetch->chain;
    struct aws_keys *keys = chain->settings.config->keys;
    int rc = -ENOENT;
    pthread_mutex_lock(&keys->lock);
    if (keys->held.access_key)
        rc = copy(&fetch->got, &keys->held);
    if (chain->stale && same(&chain->current, &keys->held))
        keys->refused = true;
    pthread_mutex_unlock(&keys->lock);
    fetch_done(fetch, rc);
}

const struct credential_provider provider_keys = {"keys of another client", keys_start};
