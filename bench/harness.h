/* Shared by the decode benchmarks, C and C++: the body, the hits with their checksum, the loop, one
 * line of output: T1, name, records, hits, checksum, ns per record, MB/s, peak RSS in KB.
 * A hit is a MODIFY with a changed price; the checksum is FNV-1a over product_id, creation time in
 * seconds, old and new price and eventID of each, a newline behind each text. */
#ifndef WEIR_BENCH_HARNESS_H
#define WEIR_BENCH_HARNESS_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define PADDING   64
#define ROUNDS    9
#define FNV_START UINT64_C(0xcbf29ce484222325)

struct tally {
    size_t records, hits;
    uint64_t checksum;
    int want_checksum; /* only in the last pass: hashing is no part of what is measured */
};

static inline void tally_text(struct tally *tally, const char *text, size_t len)
{
    for (size_t i = 0; i <= len; i++) {
        unsigned char c = i < len ? (unsigned char)text[i] : (unsigned char)'\n';
        tally->checksum = (tally->checksum ^ c) * UINT64_C(0x100000001b3);
    }
}

static inline void tally_seconds(struct tally *tally, long long seconds)
{
    char text[32];
    tally_text(tally, text, (size_t)snprintf(text, sizeof text, "%lld", seconds));
}

static inline double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline long peak_kb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static inline int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The whole file into memory from `alloc`, PADDING bytes of room behind it. Exits on failure. */
static inline char *load_body(const char *path, void *(*alloc)(size_t), size_t *len)
{
    FILE *file = fopen(path, "rb");
    long size = -1;
    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    char *body = size >= 0 ? (char *)alloc((size_t)size + PADDING) : NULL;
    if (!body || fseek(file, 0, SEEK_SET) != 0 ||
        fread(body, 1, (size_t)size, file) != (size_t)size) {
        perror(path);
        exit(2);
    }
    fclose(file);
    for (int i = 0; i < PADDING; i++)
        body[size + i] = '\0';
    *len = (size_t)size;
    return body;
}

/* Seconds of CPU time that one pass() takes: it decodes the body once and counts into *tally.
 * Median of ROUNDS, after a warm-up. */
static inline double measure(void (*pass)(struct tally *))
{
    struct tally tally = {0, 0, FNV_START, 0};
    double start = cpu_seconds(), spent, round[ROUNDS];
    long warm = 0;
    do {
        pass(&tally);
        warm++;
        spent = cpu_seconds() - start;
    } while (spent < 0.3);
    long loops = (long)(0.1 / (spent / (double)warm)) + 1;
    for (int i = 0; i < ROUNDS; i++) {
        start = cpu_seconds();
        for (long k = 0; k < loops; k++)
            pass(&tally);
        round[i] = (cpu_seconds() - start) / (double)loops;
    }
    qsort(round, ROUNDS, sizeof *round, by_size);
    return round[ROUNDS / 2];
}

static inline void print_line(const char *name, size_t body_bytes, const struct tally *tally,
                              double seconds)
{
    printf("T1\t%s\t%zu\t%zu\t%016llx\t%.1f\t%.1f\t%ld\n", name, tally->records, tally->hits,
           (unsigned long long)tally->checksum,
           seconds * 1e9 / (double)(tally->records ? tally->records : 1),
           (double)body_bytes / seconds / 1e6, peak_kb());
}

static inline void run_bench(const char *name, size_t body_bytes, void (*pass)(struct tally *))
{
    double seconds = measure(pass);
    struct tally tally = {0, 0, FNV_START, 1};
    pass(&tally);
    print_line(name, body_bytes, &tally, seconds);
}
#endif
