/* What an answer of a service means. */
#ifndef WEIR_AWS_ANSWER_H
#define WEIR_AWS_ANSWER_H
#include "aws/aws.h"
#include "aws/crc32.h"
#include "util/arena.h"

struct answer_reader {
    struct crc32 crc;
    struct arena arena;
    struct buf json; /* of an answer in XML */
};
void answer_reader_init(struct answer_reader *reader);
void answer_reader_done(struct answer_reader *reader);

/* Reads the HTTP exchange into `call`: outcome, status, answer, error_type, error_message,
 * request_id, sent. The views point into the exchange, into the reader (until the next answer) or
 * to constants. */
void answer_read(struct answer_reader *reader, const struct http_call *http, struct aws_call *call);
/* By the error's type, which is compared without a namespace and without "Exception"; then by
 * status. */
enum aws_outcome error_outcome(int status, weir_str type);

/* May the standard retry mode try again? */
bool answer_retryable(const struct aws_call *call);
/* Could it be the clock that was refused, or old keys? */
bool answer_blames_clock(const struct aws_call *call);
bool answer_blames_keys(const struct aws_call *call);
#endif
