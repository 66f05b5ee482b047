/* The token without which nothing is changed over TCP. */
#ifndef WEIR_ADMIN_TOKEN_H
#define WEIR_ADMIN_TOKEN_H
#include "util/err.h"
#include "util/str.h"

enum { ADMIN_TOKEN_LEAST = 16, ADMIN_TOKEN_MOST = 512 };

struct admin_token { /* zeroed = none, which nobody can give */
    char text[ADMIN_TOKEN_MOST + 1];
    size_t len;
};

/* One line of visible ASCII. The file and the folders above it are checked as those of plugins are;
 * besides, not everybody may read it. 0, or -errno with *err, which never quotes what is in it. */
int admin_token_read(const char *path, struct admin_token *out, struct err *err);
void admin_token_forget(struct admin_token *token);
/* Whether the value of an Authorization header is "Bearer TOKEN"; takes as long for any that is of
 * the right length. */
bool admin_token_given(const struct admin_token *token, weir_str authorization);
#endif
