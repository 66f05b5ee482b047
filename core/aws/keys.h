/* Keys for clients on other threads: one client asks where keys come from, the others take what it
 * got, so that ten threads ask a metadata service no more often than one. */
#ifndef WEIR_AWS_KEYS_H
#define WEIR_AWS_KEYS_H
#include "aws/aws.h"

struct aws_keys;

int aws_keys_new(struct aws_keys **out);   /* 0, -ENOMEM */
void aws_keys_free(struct aws_keys *keys); /* after the clients that take from it (aws_config) */

enum aws_keys_state {
    AWS_KEYS_READY = 1, /* `keys` holds what `client` has */
    AWS_KEYS_WAIT,      /* `client` is getting some: see aws_keys_watch */
    AWS_KEYS_NONE       /* there are none, *reason says why (valid until the next call) */
};
/* To be asked before each use of the clients that take from `keys`: this is what makes `client`
 * renew its keys in time, and after a service has refused them. [thread of `client`] */
enum aws_keys_state aws_keys_fill(struct aws_keys *keys, struct aws_client *client,
                                  const char **reason);
/* Whether a service has refused as expired what `keys` holds now. [any thread] */
bool aws_keys_refused(struct aws_keys *keys);
/* Which keys it holds: another number, other keys. [thread of `client`] */
uint64_t aws_keys_generation(const struct aws_keys *keys);
/* From now on changed(arg) is called when `client` has got keys, or failed to. NULL: no more.
 * [thread of `client`] */
void aws_keys_watch(struct aws_client *client, void (*changed)(void *arg), void *arg);
#endif
