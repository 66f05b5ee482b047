/* Records as `weir tap` shows them where nothing is delivered: of each sink of the configuration,
 * if there is one, whether it wants the record. */
#ifndef WEIR_CLI_SHOWING_H
#define WEIR_CLI_SHOWING_H
#include "cli/opened.h"
#include "cli/tail.h"
#include "record/record.h"

struct showing {
    struct opened opened;
    struct tail tail;
    size_t sink;     /* SIZE_MAX: any */
    uint32_t events; /* 0: any */
    struct buf record;
};

/* 0 or an exit code after a message; showing_end in any case. */
int showing_begin(struct showing *showing, struct cli *cli);
/* Those records of the batch (decoded with all images) that --sink and --event ask for, as far as
 * --count. 0, EXIT_NO after a message (of a record that can't be decoded the others are shown), or
 * because nobody reads the output any more. */
int showing_batch(struct showing *showing, struct batch *batch);
int showing_end(struct showing *showing, int exit_code);
#endif
