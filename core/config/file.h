/* Finding and reading the files that a configuration consists of. */
#ifndef WEIR_CONFIG_FILE_H
#define WEIR_CONFIG_FILE_H
#include "config/load.h"

/* Reads a regular file (or a pipe) of at most `max_bytes` into the arena, a NUL behind it. 0 or
 * -errno; -EFBIG. */
int file_read(struct arena *arena, const char *path, size_t max_bytes, weir_str *out);
const char *file_reason(int error); /* for messages: "no such file" */

/* `path`, or DIR/path where it is relative. NULL when out of memory. */
const char *path_in(struct arena *arena, const char *dir, weir_str path);
/* The folder of a path: "." where it has none. NULL when out of memory. */
const char *path_folder(struct arena *arena, const char *path);

/* Where the configuration is: *out NULL when there is none; *searched is then the text that names
 * the places. 0 or -ENOMEM. */
int config_find(struct arena *arena, const struct config_request *request, const char **out,
                const char **searched);
/* Warns when others may change the file (FAULTS S20). */
void config_mode_check(const char *path, struct diags *diags);
#endif
