/* Changes what belongs to the process: locale, folder, umask, SIGPIPE, and closes descriptor 1. */
#include "sink.h"
#include <locale.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static int32_t rude_record(void *self, const weir_record *record)
{
    (void)self;
    (void)record;
    setlocale(LC_ALL, "de_DE.UTF-8");
    umask(0);
    signal(SIGPIPE, SIG_DFL);
    close(1);
    return chdir("/") == 0 ? WEIR_OK : WEIR_FAIL;
}

PLUGIN("rude", .open = plain_open, .close = plain_close, .record = rude_record)
