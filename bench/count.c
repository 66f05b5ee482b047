/* Counts every allocation of a process, whoever makes it (weir, a plugin, libcurl, OpenSSL):
 * LD_PRELOAD=bench_count.so, at exit one line `mallocs N` to standard error. Only for glibc. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t bytes);               /* NOLINT(bugprone-reserved-identifier) */
void *__libc_calloc(size_t count, size_t bytes); /* NOLINT(bugprone-reserved-identifier) */
void *__libc_realloc(void *old, size_t bytes);   /* NOLINT(bugprone-reserved-identifier) */

static atomic_ullong calls;

__attribute__((visibility("default"))) void *malloc(size_t bytes)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    return __libc_malloc(bytes);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t bytes)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    return __libc_calloc(count, bytes);
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t bytes)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    return __libc_realloc(old, bytes);
}

__attribute__((destructor)) static void report(void)
{
    fprintf(stderr, "mallocs %llu\n", atomic_load(&calls));
}
