/* Leaves something behind with every sink, as `what` has it: memory, a file (opened at the first
 * record, or already in open()), a thread; or blocks for a while, or gives an outcome that is none.
 */
#include "sink.h"
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

struct leak {
    struct sink base;
    int64_t what, done;
};

enum { MEMORY, FILE_LATE, FILE_EARLY, THREAD, BLOCK, GARBAGE };

static void *wait_for_ever(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static int32_t leak_open(const weir_host *host, weir_instance *instance, void **self)
{
    int32_t rc = sink_open(host, instance, sizeof(struct leak), self);
    if (rc < 0)
        return rc;
    struct leak *leak = *self;
    leak->what = sink_number(&leak->base, "what");
    return leak->what == FILE_EARLY && open("/dev/null", O_RDONLY | O_CLOEXEC) < 0 ? -EIO : 0;
}

static int32_t leak_record(void *self, const weir_record *record)
{
    pthread_t thread;
    struct leak *leak = self;
    (void)record;
    if (leak->what == GARBAGE)
        return 77;
    if (leak->done++ > 0)
        return WEIR_OK;
    if (leak->what == MEMORY) {
        volatile char *lost = malloc(100);
        if (lost)
            lost[0] = 1;
    }
    if (leak->what == FILE_LATE && open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
        return WEIR_DOWN;
    if (leak->what == THREAD && pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
        return WEIR_DOWN;
    if (leak->what == BLOCK)
        sleep(4);
    return WEIR_OK;
}

static const weir_option options[] = {{"what", "\"memory\"", WEIR_O_ENUM, 0,
                                       "memory|file|file_in_open|thread|block|garbage",
                                       "What is left behind."},
                                      {NULL, NULL, 0, 0, NULL, NULL}};
PLUGIN("leak", .options = options, .open = leak_open, .close = plain_close, .record = leak_record)
