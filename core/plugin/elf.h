/* What a shared object may be like before the dynamic linker is let near it. */
#ifndef WEIR_PLUGIN_ELF_H
#define WEIR_PLUGIN_ELF_H
#include "util/err.h"
#include <stddef.h>

/* Checks the bytes of a whole file: a 64-bit ELF shared object for this machine, not cut off (the
 * linker maps segments, and a missing page is SIGBUS), without an executable stack, without
 * segments both writable and executable, without text relocations. 0; -ENOEXEC (not a loadable
 * shared object of this machine) or -EACCES (one that is refused) with a reason that ends in ";
 * help: REMEDY". Reads nothing outside the bytes, whatever they hold. */
int elf_check(const void *bytes, size_t len, struct err *err);
#endif
