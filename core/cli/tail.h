/* Records as `weir tap` prints them, wherever they come from. */
#ifndef WEIR_CLI_TAIL_H
#define WEIR_CLI_TAIL_H
#include "cli/cli.h"

struct tail {
    struct cli *cli;
    bool color;
    struct buf line;
    struct arena arena;
    int64_t shown;
};

void tail_begin(struct tail *tail, struct cli *cli);
void tail_end(struct tail *tail);
/* Prints a record as GET /tap sends it: a line of text, or with --json as it is. False: nobody
 * reads the output any more. */
bool tail_show(struct tail *tail, weir_str record_json);
bool tail_is_full(const struct tail *tail); /* so many as --count wants were shown */

/* `weir tap --from FILE`, `weir tap --stream ARN`: the exit code */
int tap_file(struct cli *cli);
int tap_stream(struct cli *cli);
#endif
