/* The status of a running weir as text. */
#ifndef WEIR_CLI_STATUS_TEXT_H
#define WEIR_CLI_STATUS_TEXT_H
#include "json/json.h"
#include "util/buf.h"

struct status_look {
    bool color;
    size_t shard_rows;                /* the shards furthest behind, at most so many */
    const struct json_value *earlier; /* of which rates are told; NULL = none */
};
void status_put_text(const struct json_value *status, const struct status_look *look,
                     struct buf *out);
#endif
