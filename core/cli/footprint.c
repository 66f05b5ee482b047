#define _GNU_SOURCE /* dl_iterate_phdr, madvise */
#include "cli/footprint.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* The read-only segments hold the file's own bytes: the loader writes to none of them (text
 * relocations are refused by the layer's gate). */
static int give_back(struct dl_phdr_info *object, size_t size, void *arg)
{
    (void)size;
    const uintptr_t page = *(const uintptr_t *)arg;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W))
            continue;
        uintptr_t from = object->dlpi_addr + segment->p_vaddr;
        uintptr_t to = from + segment->p_filesz + page - 1;
        from -= from % page;
        madvise((void *)from, to - to % page - from, MADV_DONTNEED);
    }
    return 1; /* the program comes first; libc's pages are mostly needed again */
}

void footprint_give_back(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    dl_iterate_phdr(give_back, &page);
}
