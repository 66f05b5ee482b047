/* One record as one line of printable ASCII, pretty or in a form of weir.envelope/1. */
#ifndef WEIR_STDOUT_RENDER_H
#define WEIR_STDOUT_RENDER_H
#include "shared/body.h"

enum format { /* as in the option's choices */
              FORMAT_PRETTY,
              FORMAT_JSON,
              FORMAT_PLAIN,
              FORMAT_CLOUDEVENTS,
              FORMAT_DEBEZIUM,
              FORMAT_TEMPLATE
};

struct style {
    const weir_host *host;
    struct body body;
    bool pretty;
    bool colour; /* pretty */
};

/* Appends the record's line with its newline. False: the record has no such form (or memory ran
 * out: line->failed); *line is as before then, but for `failed`. [loop] */
bool render_line(const struct style *style, const weir_record *record, weir_buf *line);

void render_pretty(const struct style *style, const weir_record *record, weir_buf *line);
/* `now - was` with its sign, or nothing when it would not be short and exact. */
void put_delta(weir_buf *out, weir_str was, weir_str now);
#endif
