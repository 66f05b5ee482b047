/* The only place in the core that calls malloc. Tests count and fail allocations through it. */
#ifndef WEIR_UTIL_ALLOC_H
#define WEIR_UTIL_ALLOC_H
#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t bytes); /* NULL when out of memory; mem_alloc(0) is mem_alloc(1) */
void *mem_zalloc(size_t count, size_t bytes);  /* zeroed; NULL also when the product overflows */
void *mem_realloc(void *old, size_t bytes);    /* NULL leaves `old` alone */
void mem_free(void *ptr);                      /* NULL is fine */
char *mem_dup0(const void *bytes, size_t len); /* a copy with a NUL behind it */

/* For tests: calls so far (all threads), and blocks now alive; fail_at = n makes the n-th call from
 * now return NULL (0: none). Not for the product. */
uint64_t mem_calls(void);
int64_t mem_live(void);
void mem_fail_at(uint64_t n);
#endif
