#include "plugin/elf.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
enum { THIS_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { THIS_MACHINE = EM_AARCH64 };
#else
#error "name this machine's EM_ constant here"
#endif

#define HELP_REBUILD "; help: build it on (or for) a machine like this one"
#define HELP_COPY    "; help: copy or build the file again, and install by rename"

struct image {
    const unsigned char *bytes;
    size_t len;
    Elf64_Ehdr head;
};

static bool within(const struct image *image, uint64_t at, uint64_t bytes)
{
    return bytes <= image->len && at <= image->len - bytes;
}

static const char *machine_name(unsigned machine)
{
    switch (machine) {
    case EM_X86_64:
        return "x86-64";
    case EM_AARCH64:
        return "arm64";
    case EM_386:
        return "x86 (32 bit)";
    case EM_ARM:
        return "arm (32 bit)";
    default:
        return "another machine";
    }
}

static int check_head(struct image *image, struct err *err)
{
    if (image->len < sizeof image->head || memcmp(image->bytes, ELFMAG, SELFMAG) != 0)
        return err_set(err, -ENOEXEC,
                       "not an ELF shared object; help: a plugin is a .so file, "
                       "built with -shared -fPIC");
    memcpy(&image->head, image->bytes, sizeof image->head);
    const Elf64_Ehdr *head = &image->head;
    if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB ||
        head->e_ident[EI_VERSION] != EV_CURRENT)
        return err_set(err, -ENOEXEC, "not a 64-bit little-endian ELF file" HELP_REBUILD);
    if (head->e_machine != THIS_MACHINE)
        return err_set(err, -ENOEXEC, "built for %s, this weir runs on %s" HELP_REBUILD,
                       machine_name(head->e_machine), machine_name(THIS_MACHINE));
    if (head->e_type != ET_DYN)
        return err_set(err, -ENOEXEC,
                       "an ELF file, but not a shared object; help: link it with -shared");
    if (head->e_phentsize != sizeof(Elf64_Phdr) || head->e_phnum == 0)
        return err_set(err, -ENOEXEC, "its program headers make no sense" HELP_COPY);
    if (!within(image, head->e_phoff, (uint64_t)head->e_phnum * sizeof(Elf64_Phdr)))
        return err_set(err, -ENOEXEC, "cut off: the program headers end beyond the file" HELP_COPY);
    /* The linker does not need the section headers, but they come last: a short copy lacks them. */
    if (head->e_shoff != 0 &&
        !within(image, head->e_shoff, (uint64_t)head->e_shnum * head->e_shentsize))
        return err_set(err, -ENOEXEC, "cut off: the section headers end beyond the file" HELP_COPY);
    return 0;
}

static Elf64_Phdr segment(const struct image *image, unsigned index)
{
    Elf64_Phdr out;
    memcpy(&out, image->bytes + image->head.e_phoff + index * sizeof out, sizeof out);
    return out;
}

static int check_load(const struct image *image, const Elf64_Phdr *load, struct err *err)
{
    if (!within(image, load->p_offset, load->p_filesz) || load->p_filesz > load->p_memsz)
        return err_set(err, -ENOEXEC, "cut off: a segment ends beyond the file" HELP_COPY);
    if ((load->p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
        return err_set(err, -EACCES,
                       "a segment is both writable and executable; help: link it "
                       "without -N or -z norelro tricks");
    return 0;
}

static int check_dynamic(const struct image *image, const Elf64_Phdr *dynamic, struct err *err)
{
    if (!within(image, dynamic->p_offset, dynamic->p_filesz))
        return err_set(err, -ENOEXEC,
                       "cut off: the dynamic section ends beyond the file" HELP_COPY);
    for (size_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic->p_filesz; at += sizeof(Elf64_Dyn)) {
        Elf64_Dyn entry;
        memcpy(&entry, image->bytes + dynamic->p_offset + at, sizeof entry);
        if (entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_TEXTREL ||
            (entry.d_tag == DT_FLAGS && (entry.d_un.d_val & DF_TEXTREL)))
            return err_set(err, -EACCES, "has text relocations; help: compile it with -fPIC");
    }
    return 0;
}

int elf_check(const void *bytes, size_t len, struct err *err)
{
    struct image image = {.bytes = bytes, .len = len};
    bool stack_said = false, dynamic_seen = false;
    int rc = check_head(&image, err);
    for (unsigned i = 0; rc == 0 && i < image.head.e_phnum; i++) {
        Elf64_Phdr part = segment(&image, i);
        if (part.p_type == PT_LOAD) {
            rc = check_load(&image, &part, err);
        } else if (part.p_type == PT_DYNAMIC) {
            dynamic_seen = true;
            rc = check_dynamic(&image, &part, err);
        } else if (part.p_type == PT_GNU_STACK) {
            stack_said = true;
            if (part.p_flags & PF_X)
                rc = err_set(err, -EACCES,
                             "wants an executable stack; help: link it with "
                             "-z noexecstack");
        }
    }
    if (rc == 0 && !dynamic_seen)
        rc = err_set(err, -ENOEXEC, "not a shared object: no dynamic section" HELP_COPY);
    if (rc == 0 && !stack_said) /* without the note the kernel may make every stack executable */
        rc = err_set(err, -EACCES,
                     "does not say that its stack is not executable; help: link it with "
                     "-z noexecstack");
    return rc;
}
