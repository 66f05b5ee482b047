/* What a record costs in a plugin. */
#ifndef WEIR_KIT_BENCH_H
#define WEIR_KIT_BENCH_H
#include "util/err.h"
#include <stddef.h>
#include <stdint.h>

struct bench_request {
    const char *plugin;  /* the file */
    const char *options; /* a JSON object, or NULL */
    uint64_t records, seed;
};

struct bench_result {
    char name[72];
    uint64_t records, given; /* made, and wanted by the subscription */
    int64_t total_ns; /* from the first call of a batch to its last completion; decoding apart */
    double p50_ns, p99_ns; /* a record, over batches */
    uint64_t not_ok;
    uint64_t calls; /* to AWS, answered at once with an empty answer */
};

/* 0, or -errno with the reason. */
int bench_run(const struct bench_request *request, struct bench_result *out, struct err *err);
#endif
