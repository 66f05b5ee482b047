#include "support.h"

#include "plugin/elf.h"
#include "util/alloc.h"

#include <elf.h>
#include <errno.h>

/* The good plugin in exact-size memory, so that a sanitizer sees a read beyond it. */
static unsigned char *good(unsigned long *len)
{
    char *text = unit_file(PLUGINS "/good.so", len);
    unsigned char *bytes = mem_alloc(*len);
    CHECK_FATAL(bytes != NULL);
    memcpy(bytes, text, *len);
    mem_free(text);
    return bytes;
}

static Elf64_Ehdr *head_of(unsigned char *bytes)
{
    return (Elf64_Ehdr *)(void *)bytes;
}

/* The first program header of a type. */
static Elf64_Phdr *part_of(unsigned char *bytes, uint32_t type)
{
    Elf64_Phdr *parts = (Elf64_Phdr *)(void *)(bytes + head_of(bytes)->e_phoff);
    for (unsigned i = 0; i < head_of(bytes)->e_phnum; i++)
        if (parts[i].p_type == type)
            return &parts[i];
    CU_FAIL_FATAL("no such program header");
    return NULL;
}

static void expect(const unsigned char *bytes, unsigned long len, int code, const char *says)
{
    struct err err = {0};
    CHECK_INT(elf_check(bytes, len, &err), code);
    if (!strstr(err.msg, says))
        CHECK_STR(err.msg, says);
}

static void S3_a_sound_file_passes(void)
{
    unsigned long len;
    unsigned char *bytes = good(&len);

    CHECK_INT(elf_check(bytes, len, NULL), 0);
    mem_free(bytes);
}

static void S3_F58_heads(void)
{
    static const struct {
        size_t at;
        unsigned char value;
        const char *says;
    } rows[] = {
        {EI_MAG0, 'E', "not an ELF shared object"},
        {EI_CLASS, ELFCLASS32, "not a 64-bit little-endian ELF file"},
        {EI_DATA, ELFDATA2MSB, "not a 64-bit little-endian ELF file"},
        {EI_VERSION, 0, "not a 64-bit little-endian ELF file"},
        {offsetof(Elf64_Ehdr, e_machine), EM_386, "built for x86 (32 bit), this weir runs on"},
        {offsetof(Elf64_Ehdr, e_machine), EM_RISCV, "built for another machine"},
        {offsetof(Elf64_Ehdr, e_type), ET_EXEC, "not a shared object; help: link it with -shared"},
        {offsetof(Elf64_Ehdr, e_type), ET_REL, "not a shared object"},
        {offsetof(Elf64_Ehdr, e_phentsize), 55, "program headers make no sense"},
        {offsetof(Elf64_Ehdr, e_phnum), 0, "program headers make no sense"},
        {offsetof(Elf64_Ehdr, e_phoff) + 7, 0xff, "the program headers end beyond the file"},
        {offsetof(Elf64_Ehdr, e_phnum) + 1, 0xff, "the program headers end beyond the file"},
        {offsetof(Elf64_Ehdr, e_shoff) + 7, 0xff, "the section headers end beyond the file"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned long len;
        unsigned char *bytes = good(&len);
        bytes[rows[i].at] = rows[i].value;
        expect(bytes, len, -ENOEXEC, rows[i].says);
        mem_free(bytes);
    }
}

static void S3_segments(void)
{
    unsigned long len;
    unsigned char *bytes = good(&len);
    Elf64_Phdr *load = part_of(bytes, PT_LOAD), *dynamic = part_of(bytes, PT_DYNAMIC);
    Elf64_Phdr *stack = part_of(bytes, PT_GNU_STACK), was = *load;

    load->p_filesz = load->p_memsz = len + 1;
    expect(bytes, len, -ENOEXEC, "a segment ends beyond the file");
    load->p_offset = UINT64_MAX - 8;
    expect(bytes, len, -ENOEXEC, "a segment ends beyond the file");
    *load = was;
    load->p_memsz = load->p_filesz - 1;
    expect(bytes, len, -ENOEXEC, "a segment ends beyond the file");
    *load = was;
    load->p_flags = PF_R | PF_W | PF_X;
    expect(bytes, len, -EACCES, "both writable and executable");
    *load = was;
    was = *dynamic;
    dynamic->p_offset = len - 1;
    expect(bytes, len, -ENOEXEC, "the dynamic section ends beyond the file");
    *dynamic = was;
    dynamic->p_type = PT_NULL;
    expect(bytes, len, -ENOEXEC, "no dynamic section");
    dynamic->p_type = PT_DYNAMIC;
    stack->p_flags |= PF_X;
    expect(bytes, len, -EACCES, "wants an executable stack; help: link it with -z noexecstack");
    stack->p_type = PT_NULL;
    expect(bytes, len, -EACCES, "does not say that its stack is not executable");
    mem_free(bytes);
}

static void S3_text_relocations_in_either_form(void)
{
    unsigned long len;
    unsigned char *bytes = good(&len);
    Elf64_Dyn *entry = (Elf64_Dyn *)(void *)(bytes + part_of(bytes, PT_DYNAMIC)->p_offset),
              was = *entry;

    *entry = (Elf64_Dyn){.d_tag = DT_TEXTREL};
    expect(bytes, len, -EACCES, "has text relocations; help: compile it with -fPIC");
    *entry = (Elf64_Dyn){.d_tag = DT_FLAGS, .d_un.d_val = DF_TEXTREL | DF_BIND_NOW};
    expect(bytes, len, -EACCES, "has text relocations");
    *entry = (Elf64_Dyn){.d_tag = DT_FLAGS, .d_un.d_val = DF_BIND_NOW};
    CHECK_INT(elf_check(bytes, len, NULL), 0);
    *entry = was;
    mem_free(bytes);
}

static void F59_any_prefix_is_refused_within_its_bytes(void)
{
    unsigned long len;
    unsigned char *bytes = good(&len);
    for (unsigned long cut = 0; cut < len; cut += cut < 1024 ? 1 : 509) {
        unsigned char *prefix = mem_alloc(cut);
        CHECK_FATAL(prefix != NULL);
        memcpy(prefix, bytes, cut);
        expect(prefix, cut, -ENOEXEC, cut < sizeof(Elf64_Ehdr) ? "not an ELF" : "cut off");
        mem_free(prefix);
    }
    mem_free(bytes);
}

static void any_changed_header_byte_is_judged_within_the_bytes(void)
{
    static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
    unsigned long len;
    unsigned char *bytes = good(&len);
    size_t headers = sizeof(Elf64_Ehdr) + head_of(bytes)->e_phnum * sizeof(Elf64_Phdr);

    for (size_t at = 0; at < headers; at++)
        for (size_t i = 0; i < sizeof values; i++) {
            unsigned char was = bytes[at];
            bytes[at] = values[i];
            int rc = elf_check(bytes, len, NULL);
            CHECK(rc == 0 || rc == -ENOEXEC || rc == -EACCES);
            bytes[at] = was;
        }
    mem_free(bytes);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"S3_a_sound_file_passes", S3_a_sound_file_passes},
        {"S3_F58_heads", S3_F58_heads},
        {"S3_segments", S3_segments},
        {"S3_text_relocations_in_either_form", S3_text_relocations_in_either_form},
        {"F59_any_prefix_is_refused_within_its_bytes", F59_any_prefix_is_refused_within_its_bytes},
        {"any_changed_header_byte_is_judged_within_the_bytes",
         any_changed_header_byte_is_judged_within_the_bytes},
        {NULL, NULL}};
    return unit_main(argc, argv, "plugin_elf", tests);
}
