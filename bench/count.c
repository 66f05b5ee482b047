/* Counts every allocation of a process by the object whose code makes it:
 * LD_PRELOAD=bench_count.so; at exit one line `mallocs N OBJECT` each to standard error. Only for
 * glibc. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__libc_malloc(size_t bytes);               /* NOLINT(bugprone-reserved-identifier) */
void *__libc_calloc(size_t count, size_t bytes); /* NOLINT(bugprone-reserved-identifier) */
void *__libc_realloc(void *old, size_t bytes);   /* NOLINT(bugprone-reserved-identifier) */

enum { OBJECTS_MAX = 128 };

static struct {
    void *_Atomic base; /* where the object is mapped; NULL: this place is free */
    const char *name;
    atomic_ullong calls;
} objects[OBJECTS_MAX];

static void count(void *caller)
{
    Dl_info info;
    if (!dladdr(caller, &info))
        return;
    for (int i = 0; i < OBJECTS_MAX; i++) {
        void *base = objects[i].base;
        if (!base && atomic_compare_exchange_strong(&objects[i].base, &base, info.dli_fbase)) {
            objects[i].name = info.dli_fname;
            base = info.dli_fbase;
        }
        if (base == info.dli_fbase) {
            atomic_fetch_add_explicit(&objects[i].calls, 1, memory_order_relaxed);
            return;
        }
    }
}

__attribute__((visibility("default"))) void *malloc(size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_malloc(bytes);
}

__attribute__((visibility("default"))) void *calloc(size_t number, size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_calloc(number, bytes);
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t bytes)
{
    count(__builtin_return_address(0));
    return __libc_realloc(old, bytes);
}

__attribute__((destructor)) static void report(void)
{
    for (int i = 0; i < OBJECTS_MAX && objects[i].base; i++) {
        const char *slash = strrchr(objects[i].name, '/');
        fprintf(stderr, "mallocs %llu %s\n", atomic_load(&objects[i].calls),
                slash ? slash + 1 : objects[i].name);
    }
}
