/* One record as one line of printable ASCII, in one of three formats. */
#ifndef WEIR_STDOUT_RENDER_H
#define WEIR_STDOUT_RENDER_H
#include "shared/plain.h"

enum format { FORMAT_PRETTY, FORMAT_JSON, FORMAT_PLAIN }; /* as in the option's choices */

struct style {
    const weir_host *host;
    enum format format;
    bool raw;    /* json: the bytes as received instead of the Lambda shape */
    bool colour; /* pretty */
};

/* Appends the record's line with its newline. False: the record has no such form (or memory ran
 * out: line->failed); *line is as before then, but for `failed`. [loop] */
bool render_line(const struct style *style, const weir_record *record, weir_buf *line);

void render_pretty(const struct style *style, const weir_record *record, weir_buf *line);
/* `now - was` with its sign, or nothing when it would not be short and exact. */
void put_delta(weir_buf *out, weir_str was, weir_str now);
#endif
