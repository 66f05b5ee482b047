/* One owner of a state file: a lock that the kernel drops with the process, however it ends. */
#ifndef WEIR_STATE_LOCK_H
#define WEIR_STATE_LOCK_H
#include "util/err.h"

/* Locks `<path>.lock`, made with mode 0600 when absent, and writes our process id into it. 0 with
 * the open descriptor in *out; -EBUSY when another process has it (err names that one where it is
 * known); else -errno. Its folder must be there. */
int state_lock(const char *path, int *out, struct err *err);
void state_unlock(int fd); /* -1 = nothing */
#endif
