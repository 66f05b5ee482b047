#include "aws/sigv4.h"

#include "aws/internal.h"

#include <openssl/core_names.h>

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum { HASH_BYTES = 32, HASH_HEX = 2 * HASH_BYTES + 1, CANONICAL_BYTES = 256 * 1024 };

void sigv4_time(int64_t unix_s, char out[SIGV4_TIME_BYTES])
{
    time_t when = (time_t)unix_s;
    struct tm utc;
    out[0] = '\0';
    if (gmtime_r(&when, &utc))
        strftime(out, SIGV4_TIME_BYTES, "%Y%m%dT%H%M%SZ", &utc);
}

/* Fetched once: looking algorithms up costs more than hashing a small request. */
int sigv4_init(struct sigv4 *sigv4)
{
    char name[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                           OSSL_PARAM_construct_end()};
    *sigv4 = (struct sigv4){
        .sha256 = EVP_MD_fetch(NULL, "SHA256", NULL),
        .digest = EVP_MD_CTX_new(),
        .hmac = EVP_MAC_fetch(NULL, "HMAC", NULL),
    };
    buf_init(&sigv4->canonical, CANONICAL_BYTES);
    buf_init(&sigv4->encoded, CANONICAL_BYTES);
    if (sigv4->hmac)
        sigv4->mac = EVP_MAC_CTX_new(sigv4->hmac);
    if (sigv4->sha256 && sigv4->digest && sigv4->mac &&
        EVP_MAC_CTX_set_params(sigv4->mac, params) == 1)
        return 0;
    sigv4_done(sigv4);
    return -ENOMEM;
}

void sigv4_done(struct sigv4 *sigv4)
{
    EVP_MAC_CTX_free(sigv4->mac);
    EVP_MAC_free(sigv4->hmac);
    EVP_MD_CTX_free(sigv4->digest);
    EVP_MD_free(sigv4->sha256);
    buf_done(&sigv4->canonical);
    buf_done(&sigv4->encoded);
    wipe(sigv4->keys, sizeof sigv4->keys);
    *sigv4 = (struct sigv4){0};
}

static int hash(struct sigv4 *sigv4, weir_str text, char out[HASH_HEX])
{
    unsigned char bytes[HASH_BYTES];
    if (EVP_DigestInit_ex2(sigv4->digest, sigv4->sha256, NULL) != 1 ||
        EVP_DigestUpdate(sigv4->digest, text.ptr, text.len) != 1 ||
        EVP_DigestFinal_ex(sigv4->digest, bytes, NULL) != 1)
        return -ENOMEM;
    hex_encode(bytes, HASH_BYTES, out);
    return 0;
}

static int hmac(struct sigv4 *sigv4, const void *key, size_t key_len, weir_str text,
                unsigned char out[HASH_BYTES])
{
    size_t len;
    if (EVP_MAC_init(sigv4->mac, key, key_len, NULL) != 1 ||
        EVP_MAC_update(sigv4->mac, (const unsigned char *)text.ptr, text.len) != 1 ||
        EVP_MAC_final(sigv4->mac, out, &len, HASH_BYTES) != 1)
        return -ENOMEM;
    return 0;
}

static int derive(struct sigv4 *sigv4, const char *secret, const char *day,
                  const struct sigv4_scope *scope, unsigned char key[HASH_BYTES])
{
    char first[256];
    int len = snprintf(first, sizeof first, "AWS4%s", secret);
    if (len < 0 || (size_t)len >= sizeof first)
        return -E2BIG;
    int rc = hmac(sigv4, first, (size_t)len, (weir_str){day, 8}, key);
    if (rc == 0)
        rc = hmac(sigv4, key, HASH_BYTES, str_of(scope->region), key);
    if (rc == 0)
        rc = hmac(sigv4, key, HASH_BYTES, str_of(scope->service), key);
    if (rc == 0)
        rc = hmac(sigv4, key, HASH_BYTES, STR("aws4_request"), key);
    wipe(first, sizeof first);
    return rc;
}

static int find_key(struct sigv4 *sigv4, const struct credentials *credentials, const char *time,
                    const struct sigv4_scope *scope, const struct sigv4_key **out)
{
    char text[sizeof sigv4->keys->scope];
    int len =
        snprintf(text, sizeof text, "%.8s/%s/%s/aws4_request", time, scope->region, scope->service);
    if (len < 0 || (size_t)len >= sizeof text)
        return -E2BIG;
    for (int i = 0; i < SIGV4_KEYS; i++) {
        struct sigv4_key *key = &sigv4->keys[i];
        if (key->generation == credentials->generation && strcmp(key->scope, text) == 0) {
            *out = key;
            return 0;
        }
    }
    struct sigv4_key *key = &sigv4->keys[sigv4->next_key++ % SIGV4_KEYS];
    key->scope[0] = '\0';
    int rc = derive(sigv4, credentials->secret_key, time, scope, key->key);
    if (rc < 0)
        return rc;
    key->generation = credentials->generation;
    memcpy(key->scope, text, (size_t)len + 1);
    *out = key;
    return 0;
}

static int canonical(struct sigv4 *sigv4, const struct sigv4_request *request, weir_str *names)
{
    char body_hash[HASH_HEX];
    int rc = hash(sigv4, request->body, body_hash);
    if (rc == 0)
        rc = canonical_request(&sigv4->canonical, &sigv4->encoded, request, body_hash, names);
    return rc;
}

int sigv4_canonical(struct sigv4 *sigv4, const struct sigv4_request *request, weir_str *out)
{
    weir_str names;
    int rc = canonical(sigv4, request, &names);
    if (rc == 0)
        *out = buf_str(&sigv4->canonical);
    return rc;
}

int sigv4_sign(struct sigv4 *sigv4, const struct credentials *credentials,
               const struct sigv4_scope *scope, const struct sigv4_request *request,
               struct buf *authorization)
{
    char time[SIGV4_TIME_BYTES], request_hash[HASH_HEX], signature[HASH_HEX], text[256];
    unsigned char bytes[HASH_BYTES];
    const struct sigv4_key *key;
    weir_str names = STR_NONE;
    sigv4_time(scope->unix_s, time);
    int rc = find_key(sigv4, credentials, time, scope, &key);
    if (rc == 0)
        rc = canonical(sigv4, request, &names);
    if (rc == 0)
        rc = hash(sigv4, buf_str(&sigv4->canonical), request_hash);
    if (rc < 0)
        return rc;
    int len =
        snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", time, key->scope, request_hash);
    rc = hmac(sigv4, key->key, HASH_BYTES, (weir_str){text, (size_t)len}, bytes);
    if (rc < 0)
        return rc;
    hex_encode(bytes, HASH_BYTES, signature);
    buf_puts(authorization, "AWS4-HMAC-SHA256 Credential=");
    buf_puts(authorization, credentials->access_key);
    buf_putc(authorization, '/');
    buf_puts(authorization, key->scope);
    buf_puts(authorization, ", SignedHeaders=");
    buf_put_str(authorization, names);
    buf_puts(authorization, ", Signature=");
    buf_puts(authorization, signature);
    return authorization->failed ? -ENOMEM : 0;
}

void hex_encode(const unsigned char *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}
