#include "admin/token.h"

#include "plugin/owned.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static int check_file(const char *path, int fd, const struct owned_rules *rules, struct err *err)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return err_set(err, -EACCES, "%s: not a regular file", path);
    int rc = owned_check(path, &info, rules, err);
    if (rc == 0 && info.st_mode & S_IROTH)
        rc = err_set(err, -EACCES, "%s: everybody may read it (mode %04o); help: chmod o-r %s",
                     path, (unsigned)(info.st_mode & 07777), path);
    return rc;
}

/* A secret is not worth a partial read's care: a local file of this size comes at once. */
static int take(const char *path, const char *bytes, size_t len, struct admin_token *out,
                struct err *err)
{
    while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r'))
        len--;
    for (size_t i = 0; i < len; i++)
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return err_set(err, -EINVAL,
                           "%s: a token is one line of visible ASCII without a space; help: "
                           "openssl rand -hex 32 makes one",
                           path);
    if (len < ADMIN_TOKEN_LEAST || len > ADMIN_TOKEN_MOST)
        return err_set(err, -EINVAL,
                       "%s: a token has %d to %d characters; help: openssl rand -hex 32 makes one",
                       path, ADMIN_TOKEN_LEAST, ADMIN_TOKEN_MOST);
    *out = (struct admin_token){.len = len};
    memcpy(out->text, bytes, len);
    return 0;
}

int admin_token_read(const char *path, struct admin_token *out, struct err *err)
{
    static const struct owned_rules rules = {.help = ""};
    char bytes[ADMIN_TOKEN_MOST + 3]; /* one more than a token and a line end take */
    int fd = -1, rc = owned_open(path, &rules, &fd, err);
    if (rc < 0)
        return rc == -ENOENT ? err_set(err, rc, "%s: %s", path, strerror(ENOENT)) : rc;
    rc = check_file(path, fd, &rules, err);
    ssize_t got = rc == 0 ? read(fd, bytes, sizeof bytes) : 0;
    if (rc == 0 && got < 0)
        rc = err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (rc == 0)
        rc = take(path, bytes, (size_t)got, out, err);
    OPENSSL_cleanse(bytes, sizeof bytes);
    close(fd);
    return rc;
}

void admin_token_forget(struct admin_token *token)
{
    OPENSSL_cleanse(token, sizeof *token);
}

bool admin_token_given(const struct admin_token *token, weir_str authorization)
{
    static const weir_str scheme = {"Bearer ", 7};
    if (!token->len || authorization.len != scheme.len + token->len ||
        strncasecmp(authorization.ptr, scheme.ptr, scheme.len) != 0)
        return false;
    return CRYPTO_memcmp(authorization.ptr + scheme.len, token->text, token->len) == 0;
}
