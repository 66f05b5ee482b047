/* Records for verbs that look at them and deliver nothing. */
#ifndef WEIR_CLI_RECORDS_H
#define WEIR_CLI_RECORDS_H
#include "cli/cli.h"
#include "json/json.h"
#include "record/record.h"

/* Reads a file, or standard input ("-" or NULL), as far as 256 MiB, and decodes it with all images
 * of all records. 0, or an exit code after a message. */
int records_read(struct cli *cli, const char *path, struct batch **out);
/* The same of bytes (from mem_alloc; taken, also on failure). 0 or -errno with *err. */
int records_decode(struct buf *bytes, struct batch **out, struct err *err);

/* Appends "MODIFY product_id=p1", the record in few words. */
void records_put_head(const struct record *record, struct buf *out);
/* Appends {"event":..,"keys":{typed},"eventID":..,"sequence":..}. */
void records_put_json(const struct record *record, struct buf *out);

/* Appends an item as DynamoDB types it: plain JSON gets its types ("12" S, 12 N with its digits as
 * they are), what is typed already ({"N":"12"}) stays. `keys` (may be NULL) are members that the
 * item has as well where it does not name them. */
void records_put_item(const struct json_value *item, const struct json_value *keys,
                      struct buf *out);
#endif
