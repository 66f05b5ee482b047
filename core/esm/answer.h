/* What a mapping makes of a function's answer: the rules of ReportBatchItemFailures, as AWS's guide
 * "Configuring partial batch response with DynamoDB and Lambda" has them, and as recorded. */
#ifndef WEIR_ESM_ANSWER_H
#define WEIR_ESM_ANSWER_H
#include "util/str.h"

enum esm_verdict {
    ESM_SUCCESS,
    ESM_PARTIAL, /* the records before `from` are done */
    ESM_FAILURE  /* nothing is */
};

struct esm_judgement {
    enum esm_verdict verdict;
    size_t from;
    const char *why; /* for people; NULL = nothing to say */
};

/* `body`: what the function answered when it did not fail. `sequences`: of the batch, in its order.
 * `report`: the mapping has ReportBatchItemFailures; without it the body is ignored. Out of memory
 * is ESM_FAILURE: the batch comes again. */
struct esm_judgement esm_judge(weir_str body, bool report, const weir_str *sequences, size_t count);
#endif
