/* The shared AWS files: ~/.aws/config and ~/.aws/credentials. */
#ifndef WEIR_AWS_PROFILE_H
#define WEIR_AWS_PROFILE_H
#include "util/err.h"
#include "util/str.h"

/* A variable of `block` ("NAME=value", NULL-terminated; NULL = the process's), or NULL when it is
 * not set or empty. */
const char *env_text(char *const *block, const char *name);
bool env_true(char *const *block, const char *name); /* "true" in any case */

struct profiles;

/* Reads both files, as AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE or HOME say; a missing file
 * is an empty one. 0; -EINVAL: a file can't be read or understood (err names it and the line);
 * -ENOMEM. */
int profiles_load(char *const *env, struct profiles **out, struct err *err);
/* The same from texts, which are copied. */
int profiles_parse(weir_str config, weir_str credentials, struct profiles **out, struct err *err);
void profiles_free(struct profiles *profiles); /* wipes; NULL is fine */

bool profiles_has(const struct profiles *profiles, const char *profile);
/* A property's value (`key` in lower case), the credentials file before the config file, later
 * lines before earlier ones. ptr NULL: there is none. A view, good until profiles_free. */
weir_str profiles_get(const struct profiles *profiles, const char *profile, const char *key);
/* The sub-property `key` of the property `service` in a [services NAME] section. */
weir_str profiles_service(const struct profiles *profiles, const char *section, const char *service,
                          const char *key);
/* All profiles and sso-sessions for the tests: calls back for each section, with key.len 0, and for
 * each property in effect. */
void profiles_each(const struct profiles *profiles,
                   void (*each)(void *arg, bool sso, weir_str section, weir_str key,
                                weir_str value),
                   void *arg);
#endif
