/* One execution environment of Lambda, played on this machine: the Runtime API on loopback and the
 * bootstrap under it, started as Lambda starts it. For the command line: every call blocks. The
 * bootstrap ends with the thread that called host_invoke first; a Ctrl-C does not reach it. */
#ifndef WEIR_CLI_RUNTIME_HOST_H
#define WEIR_CLI_RUNTIME_HOST_H
#include "util/buf.h"
#include "util/err.h"

enum host_end {
    HOST_RESPONSE,   /* the runtime answered */
    HOST_ERROR,      /* it answered that the invocation failed */
    HOST_INIT_ERROR, /* it could not start, and said why */
    HOST_TIMEOUT,    /* neither within the time; it was ended */
    HOST_EXIT        /* it ended without an answer */
};
const char *host_end_name(enum host_end end); /* "response", "error", ... */

struct host_config {                  /* what it points at outlives the host */
    const char *bootstrap;            /* a program; started without arguments */
    const char *task_root;            /* its working folder */
    const char *const *environ_block; /* AWS_LAMBDA_RUNTIME_API is added. NULL-terminated */
    int log_fd;                       /* where its standard output and error go */
    uint32_t number;                  /* part of its request ids: one function may have several */
};

struct host_result {
    enum host_end end;
    weir_str body;       /* what it posted, or an error in Lambda's words; until the next call */
    weir_str request_id; /* until the next call */
    bool cold;           /* it was started for this invocation */
    int64_t init_us;     /* cold: from its start until it asked for an event */
    int64_t duration_us; /* from the event until the answer */
    int64_t peak_rss_kb; /* so far; 0 = not known */
    int64_t rss_kb;      /* now */
};

struct runtime_host;
int host_new(const struct host_config *config, struct runtime_host **out, struct err *err);
void host_free(struct runtime_host *host); /* ends the bootstrap as Lambda does: by SIGKILL */
/* Starts the bootstrap where none runs. 0, or -errno and *err when it can't be played at all. */
int host_invoke(struct runtime_host *host, weir_str event, int64_t timeout_ms,
                struct host_result *out, struct err *err);
#endif
