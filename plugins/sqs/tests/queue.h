/* A queue that answers the sink's calls, and the records to feed it. */
#ifndef WEIR_SQS_TESTS_QUEUE_H
#define WEIR_SQS_TESTS_QUEUE_H
#include "fakehost.h"

enum { QUEUE_MAX = 4096 };

struct queued {                /* a message that the queue took */
    char *body, *group, *once; /* MessageGroupId, MessageDeduplicationId; "" when absent */
};

struct queue {
    struct queued messages[QUEUE_MAX];
    size_t count;
    unsigned duplicates; /* FIFO: dropped by their deduplication id */
    bool fifo;
    /* Decides per entry: 0 = taken, else a Failed entry: 1 = SenderFault false, 2 = true, 3 = left
     * out of the answer, 4 = taken but the MD5 is wrong. NULL: all taken. */
    int (*judge)(struct queue *queue, const char *body, void *arg);
    void *arg;
};

/* Answers call `index` of `fake`. Returns the number of its entries. */
size_t queue_answer(struct queue *queue, struct fake *fake, size_t index);
void queue_answer_all(struct queue *queue, struct fake *fake);
void queue_free(struct queue *queue);

/* {"Records":[...]} with `count` MODIFYs of `items` items in turn; from mem_alloc. The body names
 * item and sequence: "k<item>" and "n<sequence>;". */
char *queue_records(size_t first, size_t count, size_t items);
#endif
