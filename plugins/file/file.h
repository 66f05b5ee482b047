/* One instance of the file sink, and the file that it writes. */
#ifndef WEIR_FILE_FILE_H
#define WEIR_FILE_FILE_H
#include "shared/text.h"

enum sync_policy { SYNC_BATCH, SYNC_SECOND, SYNC_NEVER }; /* as in the option's choices */

struct writer {       /* used by one thread at a time */
    const char *path; /* NUL-terminated */
    enum sync_policy sync;
    int64_t rotate_bytes, rotate_s; /* 0: never */
    bool compress;                  /* rotated files become .zst */

    int fd; /* -1: not open */
    int64_t bytes, opened_s, synced_s;
    char reason[200];  /* why the last call failed */
    char warning[200]; /* what went wrong beside: the records are stored; "" = nothing */
};

void writer_init(struct writer *writer);
void writer_close(struct writer *writer);

/* Appends whole lines, all or nothing: 0, or -1 with writer->reason. Blocks. A torn line that an
 * earlier process left at the end is cut off first; a file that was moved away is made anew. */
int writer_append(struct writer *writer, weir_str lines);

/* Replaces PATH by PATH.zst. 0, or -1 and why in `reason`; then PATH is still there. */
int compress_file(const char *path, char *reason, size_t reason_bytes);
#endif
