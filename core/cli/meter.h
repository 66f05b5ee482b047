/* How far a run over a file is: in place on a terminal, a line now and then elsewhere. */
#ifndef WEIR_CLI_METER_H
#define WEIR_CLI_METER_H
#include "cli/run.h"

struct meter {
    struct timer timer;
    struct run *run;
    bool in_place;
    size_t width;        /* of what stands on the terminal's line */
    int64_t total_bytes; /* of the file; 0 = not known: a pipe */
};

/* Begins; `meter` stays until meter_end. Nothing is shown with --quiet, for the demo, and where a
 * sink writes its lines to the same terminal. */
void meter_begin(struct meter *meter, struct run *run);
/* Ends, and leaves the line empty. */
void meter_end(struct meter *meter);

/* "12345 records, 34%, 5200 records/s, 2 s left". `elapsed_ms` since the beginning; total 0 = not
 * known. Appends. */
void meter_text(uint64_t records, uint64_t bytes, int64_t total_bytes, int64_t elapsed_ms,
                struct buf *out);
#endif
