/* What a shared object tells about itself without being loaded: for checks of a built plugin. */
#ifndef WEIR_PLUGIN_ELF_FACTS_H
#define WEIR_PLUGIN_ELF_FACTS_H
#include "util/buf.h"

struct elf_facts {
    bool sections; /* the section headers are there: without them only the next three are known */
    bool relro, bind_now, stack_protector;
    size_t export_count;          /* symbols that others could bind to */
    bool entry;                   /* weir_plugin_entry is among them */
    struct buf exports;           /* the others: at most some, separated by blanks */
    struct buf needed;            /* libraries, separated by blanks */
    int glibc_major, glibc_minor; /* the newest symbol version it wants; 0.0 = none */
};

/* Reads nothing outside the bytes, whatever they hold. 0, -ENOEXEC when it is no 64-bit ELF file,
 * -ENOMEM. Release with elf_facts_done also after a failure. */
int elf_facts_read(const void *bytes, size_t len, struct elf_facts *out);
void elf_facts_done(struct elf_facts *facts);
#endif
