#include "plugin/elf_facts.h"

#include "util/text.h"

#include <elf.h>
#include <errno.h>

enum { NAMES_SHOWN = 6, TEXT_BYTES_MAX = 4096, CHAIN_MAX = 4096 };

struct image {
    const unsigned char *bytes;
    size_t len;
    Elf64_Ehdr head;
};

/* Copies `size` bytes at `at` to `out`; false when they are not all there. */
static bool take(const struct image *image, uint64_t at, void *out, size_t size)
{
    if (size > image->len || at > image->len - size)
        return false;
    memcpy(out, image->bytes + at, size);
    return true;
}

static bool section(const struct image *image, size_t i, Elf64_Shdr *out)
{
    return i < image->head.e_shnum && image->head.e_shentsize == sizeof *out &&
           take(image, image->head.e_shoff + i * sizeof *out, out, sizeof *out);
}

static bool section_of_type(const struct image *image, uint32_t type, Elf64_Shdr *out)
{
    for (size_t i = 0; section(image, i, out); i++)
        if (out->sh_type == type)
            return true;
    return false;
}

/* The string at `at` of the string table that `owner` is linked to. */
static weir_str linked_name(const struct image *image, const Elf64_Shdr *owner, uint64_t at)
{
    Elf64_Shdr strings;
    if (!section(image, owner->sh_link, &strings) || at >= strings.sh_size ||
        strings.sh_offset > image->len || strings.sh_size > image->len - strings.sh_offset)
        return STR_NONE;
    const char *name = (const char *)image->bytes + strings.sh_offset + at;
    return (weir_str){name, strnlen(name, strings.sh_size - at)};
}

static void add_word(struct buf *words, weir_str word, size_t already)
{
    if (already == NAMES_SHOWN)
        buf_puts(words, " ...");
    if (already >= NAMES_SHOWN)
        return;
    if (already > 0)
        buf_putc(words, ' ');
    buf_put_visible(words, word, 100);
}

static void read_symbols(const struct image *image, struct elf_facts *out)
{
    Elf64_Shdr table;
    Elf64_Sym symbol;
    size_t others = 0;
    if (!section_of_type(image, SHT_DYNSYM, &table))
        return;
    for (uint64_t at = 0; at + sizeof symbol <= table.sh_size; at += sizeof symbol) {
        if (!take(image, table.sh_offset + at, &symbol, sizeof symbol))
            return;
        weir_str name = linked_name(image, &table, symbol.st_name);
        if (str_is(name, "__stack_chk_fail"))
            out->stack_protector = true;
        unsigned bind = ELF64_ST_BIND(symbol.st_info), sight = symbol.st_other & 3u;
        if (symbol.st_shndx == SHN_UNDEF || bind == STB_LOCAL || name.len == 0 ||
            (sight != STV_DEFAULT && sight != STV_PROTECTED))
            continue;
        out->export_count++;
        if (str_is(name, "weir_plugin_entry"))
            out->entry = true;
        else
            add_word(&out->exports, name, others++);
    }
}

/* "GLIBC_2.34", of which the highest counts. */
static void see_version(weir_str name, struct elf_facts *out)
{
    int parts[2] = {0, 0}, part = 0;
    if (!str_starts(name, STR("GLIBC_")))
        return;
    for (size_t i = 6; i < name.len && part < 2; i++) {
        if (name.ptr[i] == '.')
            part++;
        else if (name.ptr[i] >= '0' && name.ptr[i] <= '9' && parts[part] < 1000)
            parts[part] = parts[part] * 10 + (name.ptr[i] - '0');
        else
            return; /* GLIBC_PRIVATE */
    }
    if (parts[0] < out->glibc_major ||
        (parts[0] == out->glibc_major && parts[1] <= out->glibc_minor))
        return;
    out->glibc_major = parts[0];
    out->glibc_minor = parts[1];
}

static void read_versions(const struct image *image, struct elf_facts *out)
{
    Elf64_Shdr table;
    Elf64_Verneed need;
    Elf64_Vernaux version;
    if (!section_of_type(image, SHT_GNU_verneed, &table))
        return;
    uint64_t at = table.sh_offset;
    for (unsigned i = 0; i < CHAIN_MAX && take(image, at, &need, sizeof need); i++) {
        uint64_t aux = at + need.vn_aux;
        for (unsigned k = 0; k < need.vn_cnt && take(image, aux, &version, sizeof version); k++) {
            see_version(linked_name(image, &table, version.vna_name), out);
            if (version.vna_next == 0)
                break;
            aux += version.vna_next;
        }
        if (need.vn_next == 0)
            return;
        at += need.vn_next;
    }
}

static void read_dynamic(const struct image *image, const Elf64_Phdr *part, struct elf_facts *out)
{
    Elf64_Dyn entry;
    Elf64_Shdr table;
    size_t count = 0;
    bool named = section_of_type(image, SHT_DYNAMIC, &table);
    for (uint64_t at = 0; at + sizeof entry <= part->p_filesz; at += sizeof entry) {
        if (!take(image, part->p_offset + at, &entry, sizeof entry) || entry.d_tag == DT_NULL)
            return;
        if (entry.d_tag == DT_BIND_NOW ||
            (entry.d_tag == DT_FLAGS && entry.d_un.d_val & DF_BIND_NOW) ||
            (entry.d_tag == DT_FLAGS_1 && entry.d_un.d_val & DF_1_NOW))
            out->bind_now = true;
        if (entry.d_tag == DT_NEEDED && named)
            add_word(&out->needed, linked_name(image, &table, entry.d_un.d_val), count++);
    }
}

int elf_facts_read(const void *bytes, size_t len, struct elf_facts *out)
{
    struct image image = {.bytes = bytes, .len = len};
    Elf64_Phdr part;
    Elf64_Shdr first;
    *out = (struct elf_facts){0};
    buf_init(&out->exports, TEXT_BYTES_MAX);
    buf_init(&out->needed, TEXT_BYTES_MAX);
    if (!take(&image, 0, &image.head, sizeof image.head) ||
        memcmp(image.head.e_ident, ELFMAG, SELFMAG) != 0 ||
        image.head.e_ident[EI_CLASS] != ELFCLASS64)
        return -ENOEXEC;
    out->sections = section_of_type(&image, SHT_DYNSYM, &first);
    for (size_t i = 0; i < image.head.e_phnum; i++) {
        if (!take(&image, image.head.e_phoff + i * sizeof part, &part, sizeof part))
            break;
        if (part.p_type == PT_GNU_RELRO)
            out->relro = true;
        if (part.p_type == PT_DYNAMIC)
            read_dynamic(&image, &part, out);
    }
    read_symbols(&image, out);
    read_versions(&image, out);
    return out->exports.failed || out->needed.failed ? -ENOMEM : 0;
}

void elf_facts_done(struct elf_facts *facts)
{
    buf_done(&facts->exports);
    buf_done(&facts->needed);
}
