/* The history in one SQLite file. Used from one pool thread at a time, never from the loop but for
 * file_free(). */
#ifndef WEIR_PRICEHISTORY_SQLITE_FILE_H
#define WEIR_PRICEHISTORY_SQLITE_FILE_H
#include "history.h"

struct file;

struct file *file_new(const struct history *history); /* opens nothing yet. NULL: out of memory */
void file_free(struct file *file);                    /* NULL is fine */

struct result { /* of one row */
    int32_t outcome;
    char reason[256];
};

/* Writes all rows in one transaction and says what became of each. WEIR_OK only after COMMIT
 * returned. */
void file_write(struct file *file, struct row *const *rows, struct result *results, size_t count);
#endif
