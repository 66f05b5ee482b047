/* A file system under SQLite that fails as told: the k-th operation that changes something. */
#ifndef WEIR_TESTS_BADFS_H
#define WEIR_TESTS_BADFS_H
#include <stdbool.h>

struct badfs {
    int fail_at;    /* the n-th write, sync or truncate from now fails; 0 = none */
    int code;       /* with this SQLITE_ code */
    bool for_good;  /* and all after it too */
    bool read_only; /* files open for reading only */
    int changes;    /* operations so far */
    int syncs;      /* of them */
};

struct badfs *badfs_install(void); /* becomes the default for connections opened from now on */
void badfs_remove(void);
#endif
