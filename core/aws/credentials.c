#include "aws/credentials.h"

#include "util/alloc.h"

#include <openssl/crypto.h>

#include <errno.h>

void wipe(void *bytes, size_t len)
{
    if (bytes)
        OPENSSL_cleanse(bytes, len);
}

void wipe_free(char *text)
{
    if (text)
        wipe(text, strlen(text));
    mem_free(text);
}

static bool printable(weir_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 127)
            return false;
    return true;
}

int credentials_set(struct credentials *out, weir_str access_key, weir_str secret_key,
                    weir_str session_token)
{
    if (!access_key.len || !secret_key.len || !printable(access_key) || !printable(secret_key) ||
        !printable(session_token))
        return -EINVAL;
    struct credentials made = {
        .access_key = mem_dup0(access_key.ptr, access_key.len),
        .secret_key = mem_dup0(secret_key.ptr, secret_key.len),
        .session_token = session_token.len ? mem_dup0(session_token.ptr, session_token.len) : NULL,
    };
    if (!made.access_key || !made.secret_key || (session_token.len && !made.session_token)) {
        credentials_done(&made);
        return -ENOMEM;
    }
    *out = made;
    return 0;
}

void credentials_done(struct credentials *credentials)
{
    mem_free(credentials->access_key);
    wipe_free(credentials->secret_key);
    wipe_free(credentials->session_token);
    *credentials = (struct credentials){0};
}
