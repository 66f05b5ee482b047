/* A dead letter as JSON (D11): the same through a sink and from `weir dead`. */
#ifndef WEIR_ROUTER_LETTER_JSON_H
#define WEIR_ROUTER_LETTER_JSON_H
#include "util/seam.h"

struct buf;

/* Into an object that is open: all members but the record. */
void letter_put_members(struct buf *out, const struct dead_letter *letter);
/* Its record, as it is where that is JSON. */
void letter_put_record(struct buf *out, const struct dead_letter *letter, bool is_json);
#endif
