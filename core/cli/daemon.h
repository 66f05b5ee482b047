/* The running daemon as a verb finds it: by its unix socket, in the folder of the user's session.
 */
#ifndef WEIR_CLI_DAEMON_H
#define WEIR_CLI_DAEMON_H
#include "cli/cli.h"
#include "util/err.h"

/* Where the sockets are: $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/weir, /run/weir of root, else a
 * folder of one's own below /tmp. `make`: it is made if need be, for this user alone. 0 or -errno
 * with *err; the path is NUL-terminated in `out`. */
int daemon_folder(char **environ_block, bool make, struct buf *out, struct err *err);
/* FOLDER/PIPELINE.sock. */
int daemon_socket(char **environ_block, const char *pipeline, bool make, struct buf *out,
                  struct err *err);

struct daemon_link {
    int fd;
    int status;        /* of the answer */
    struct buf answer; /* what came of the body so far */
};

/* Finds the daemon of these flags (--socket, the configuration, or the only one that runs) and
 * sends the request. 0, or an exit code (69: none is running) after a message. */
int daemon_ask(struct cli *cli, const char *method, const char *target, struct daemon_link *link);
/* The whole answer, to its end. 0 or an exit code after a message. */
int daemon_whole(struct cli *cli, struct daemon_link *link);
/* More of an answer that has no end. The bytes that came; 0 = it has ended, -1 after a message. */
long daemon_more(struct cli *cli, struct daemon_link *link);
void daemon_close(struct daemon_link *link);
#endif
