/* Files whose content decides what weir does: nobody but root and the running user may be able to
 * put another one in their place. */
#ifndef WEIR_PLUGIN_OWNED_H
#define WEIR_PLUGIN_OWNED_H
#include "util/err.h"

#include <stdbool.h>
#include <sys/stat.h>

struct owned_rules {
    bool unchecked, any_owner;
    const char *help; /* behind the advice of a refusal: another way out; "" = none */
};

/* 0, or -EACCES with *err: it belongs to somebody else, or others may write to it. A folder that
 * others may write to is safe when it is sticky (/tmp): what is in it was checked to be ours. */
int owned_check(const char *path, const struct stat *st, const struct owned_rules *rules,
                struct err *err);
/* Opens PATH (with a '/') for reading: its last part in the real folder that holds it, so that the
 * folders that are checked, up to the root, are those that are used; the last part itself may not
 * be a link. The file is the caller's to check. 0 and *fd, or -errno: -ENOENT leaves err alone. */
int owned_open(const char *path, const struct owned_rules *rules, int *fd, struct err *err);
#endif
