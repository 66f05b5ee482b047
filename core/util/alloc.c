#include "util/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Test instrumentation, not program state: nothing in the core reads these to decide anything but
 * whether an allocation was asked to fail. */
static _Atomic uint64_t calls;
static _Atomic int64_t live;
static _Atomic uint64_t fail_countdown;

static int told_to_fail(void)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0)
        return 0;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

static void *counted(void *ptr)
{
    if (ptr)
        atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return ptr;
}

void *mem_alloc(size_t bytes)
{
    return told_to_fail() ? NULL : counted(malloc(bytes ? bytes : 1));
}

void *mem_zalloc(size_t count, size_t bytes)
{
    size_t product;
    if (told_to_fail() || __builtin_mul_overflow(count, bytes, &product))
        return NULL;
    return counted(calloc(count ? count : 1, bytes ? bytes : 1));
}

void *mem_realloc(void *old, size_t bytes)
{
    if (told_to_fail())
        return NULL;
    void *grown = realloc(old, bytes ? bytes : 1);
    return old ? grown : counted(grown);
}

void mem_free(void *ptr)
{
    if (ptr)
        atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    free(ptr);
}

char *mem_dup0(const void *bytes, size_t len)
{
    char *copy = len == SIZE_MAX ? NULL : mem_alloc(len + 1);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

uint64_t mem_calls(void)
{
    return atomic_load(&calls);
}

int64_t mem_live(void)
{
    return atomic_load(&live);
}

void mem_fail_at(uint64_t n)
{
    atomic_store(&fail_countdown, n);
}
