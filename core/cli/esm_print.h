/* What `weir lambda invoke-local --esm` prints: a line an invocation, a summary. */
#ifndef WEIR_CLI_ESM_PRINT_H
#define WEIR_CLI_ESM_PRINT_H
#include "esm/delivery.h"

/* "shard 3f2a17c9: 10 records ..0000000121 to ..0000000130, response in 3.1 ms: done". `lanes`: of
 * the mapping; `retries`: maximum_retry_attempts. */
void esm_print_report(struct buf *out, const struct esm_report *report,
                      const struct esm_options *options);
void esm_print_report_json(struct buf *out, const struct esm_report *report);
/* The mapping's parameters, in a line. */
void esm_print_options(struct buf *out, const struct esm_options *options);
void esm_print_counts(struct buf *out, const struct esm_counts *counts);
/* A shard's id without what all have in common; a number without its first digits. */
weir_str esm_short_shard(weir_str id);
void esm_put_sequence(struct buf *out, weir_str sequence);
#endif
