#include "plugin/elf_facts.h"
#include "support.h"
#include "util/alloc.h"

#include <errno.h>

static void facts_of_a_plugin(void)
{
    struct elf_facts facts;
    unsigned long len;
    char *bytes = unit_file(PLUGINS "/thread.so", &len);

    CHECK_INT(elf_facts_read(bytes, len, &facts), 0);

    CHECK(facts.sections && facts.relro && facts.bind_now && facts.entry);
    CHECK_INT(facts.exports.len, 0);
    CHECK_INT(facts.export_count, 1);
    CHECK_INT(facts.glibc_major, 2);
    CHECK(facts.glibc_minor > 1);
    CHECK(strstr(buf_cstr(&facts.needed), "libc.so.6") != NULL);
    elf_facts_done(&facts);
    mem_free(bytes);
}

static void F59_cut_and_broken_files_are_read_within_bounds(void)
{
    unsigned long len;
    char *bytes = unit_file(PLUGINS "/good.so", &len);
    for (unsigned long cut = 0; cut < len; cut += cut < 1024 ? 7 : 509) {
        struct elf_facts facts;
        char *part = mem_alloc(cut + 1); /* its end is where the sanitizer looks */
        CHECK_FATAL(part != NULL);
        memcpy(part, bytes, cut);
        int rc = elf_facts_read(part, cut, &facts);
        CHECK(rc == 0 || rc == -ENOEXEC);
        elf_facts_done(&facts);
        mem_free(part);
    }
    for (unsigned long at = 0; at < 4096 && at < len; at++) {
        struct elf_facts facts;
        char was = bytes[at];
        bytes[at] = (char)0xff;
        CHECK(elf_facts_read(bytes, len, &facts) <= 0);
        elf_facts_done(&facts);
        bytes[at] = was;
    }
    mem_free(bytes);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {{"facts_of_a_plugin", facts_of_a_plugin},
                                             {"F59_cut_and_broken_files_are_read_within_bounds",
                                              F59_cut_and_broken_files_are_read_within_bounds},
                                             {0}};
    return unit_main(argc, argv, "elf_facts", tests);
}
