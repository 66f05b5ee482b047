/* Reads the two shared AWS files that the environment names and prints what they hold: units
 * separated by 0x1f, records by 0x1e; the reason and status 1 when they can't be read. For
 * profile_suite.py. */
#include "aws/profile.h"

#include <stdio.h>

static void print(void *arg, bool sso, weir_str section, weir_str key, weir_str value)
{
    (void)arg;
    printf("%s\x1f%.*s\x1f%.*s\x1f%.*s\x1e", sso ? "sso_sessions" : "profiles", STR_ARG(section),
           STR_ARG(key), STR_ARG(value));
}

int main(void)
{
    struct profiles *profiles;
    struct err err;
    if (profiles_load(NULL, &profiles, &err) < 0) {
        printf("%s", err.msg);
        return 1;
    }
    profiles_each(profiles, print, NULL);
    profiles_free(profiles);
    return 0;
}
