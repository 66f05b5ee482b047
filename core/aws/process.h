/* credential_process: a program of the user's that prints credentials. Blocking; for a pool thread.
 */
#ifndef WEIR_AWS_PROCESS_H
#define WEIR_AWS_PROCESS_H
#include "aws/credentials.h"
#include "util/err.h"

/* Runs `command` with the shell, reads one JSON document of version 1. 0; -EINVAL (err: what went
 * wrong, never with a word of the program's output), -ETIMEDOUT, -ENOMEM. */
int credential_process_run(const char *command, char *const *env, int timeout_ms,
                           struct credentials *out, struct err *err);
/* The document alone. */
int credential_process_parse(weir_str json, struct credentials *out, struct err *err);
#endif
