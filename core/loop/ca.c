#include "loop/internal.h"

#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A libcurl that is linked statically carries the path of the machine that built it, and fails
 * every request where that path is missing; SSL_CERT_FILE does not reach it either. */
static const char *const known_paths[] = {
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Amazon Linux, Red Hat */
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine */
    "/etc/ssl/ca-bundle.pem",             /* SUSE */
    "/etc/ssl/cert.pem",                  /* BSD, Alpine */
};
static const char *const variables[] = {"AWS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"};
enum {
    PATHS = sizeof known_paths / sizeof *known_paths,
    VARIABLES = sizeof variables / sizeof *variables
};

/* Whoever names a bundle means it: no other is taken in its place. */
static int named(const char *by, const char *path, char *reason, size_t reason_bytes)
{
    if (access(path, R_OK) == 0)
        return 0;
    snprintf(reason, reason_bytes, "CA bundle %.90s (%s) can't be read", path, by);
    return -EINVAL;
}

static const char *probe(char *reason, size_t reason_bytes)
{
    for (int i = 0; i < VARIABLES; i++) {
        const char *path = getenv(variables[i]);
        if (path && *path)
            return named(variables[i], path, reason, reason_bytes) < 0 ? NULL : path;
    }
    for (int i = 0; i < PATHS; i++)
        if (access(known_paths[i], R_OK) == 0)
            return known_paths[i];
    snprintf(reason, reason_bytes,
             "no CA bundle found: install ca-certificates, or set AWS_CA_BUNDLE");
    return NULL;
}

int ca_bundle_find(struct http *http, char *reason, size_t reason_bytes)
{
    if (http->ca_found)
        return 0;
    if (http->ca_bundle) {
        if (named("configured", http->ca_bundle, reason, reason_bytes) < 0)
            return -EINVAL;
    } else {
        const char *path = probe(reason, reason_bytes);
        if (!path)
            return -EINVAL;
        http->ca_bundle = mem_dup0(path, strlen(path));
        if (!http->ca_bundle)
            return -ENOMEM;
    }
    http->ca_found = true;
    return 0;
}
