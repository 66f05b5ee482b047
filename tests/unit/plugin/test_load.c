#define _XOPEN_SOURCE 700 /* setenv, S_ISVTX */
#include "support.h"

#include "plugin/file.h"
#include "util/alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct plugin_search nowhere = {0};

/* Loads and frees; the code, and the message in `err`. */
static int try_load(const char *name, const struct plugin_search *search, struct err *err)
{
    struct plugin *plugin = NULL;
    *err = (struct err){0};
    int rc = plugin_load(name, search, &plugin, err);
    CHECK((rc == 0) == (plugin != NULL));
    plugin_free(plugin);
    return rc;
}

static void refused(const char *name, const struct plugin_search *search, int code,
                    const char *says)
{
    struct err err;
    CHECK_INT(try_load(name, search, &err), code);
    if (!strstr(err.msg, says))
        CHECK_STR(err.msg, says);
    CHECK(strstr(err.msg, "; help: ") != NULL);
}

static void S1_a_name_is_absolute_or_bare(void)
{
    static const char *const bad[] = {"",        ".",    "..",          "./good", "a/b",
                                      "../good", "a..b", "sub/../good", ".hidden"};
    static const char *const dirs[] = {PLUGINS, NULL};
    struct plugin_search search = {.dirs = dirs, .insecure = true};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(bad[i], &search, -EINVAL, "names no plugin");
    refused(PLUGINS "/none.so", &nowhere, -ENOENT, PLUGINS "/none.so: no such file");
}

static void S1_folders_are_searched_in_order(void)
{
    struct folder folder;
    char path[640], sub[640];
    folder_make(&folder);
    snprintf(sub, sizeof sub, "%s/missing", folder.path);
    folder_plugin(&folder, "good", "good.so", path);
    const char *dirs[] = {sub, folder.path, PLUGINS, NULL};
    struct plugin_search search = {.dirs = dirs, .insecure = true};
    struct plugin *plugin = NULL;
    struct err err;

    CHECK_INT(plugin_load("good", &search, &plugin, &err), 0);
    CHECK_STR(plugin->path, path);
    plugin_free(plugin);
    folder_file(&folder, "noop.so", "no ELF", 6, path); /* the first hit counts, good or bad */
    refused("noop", &search, -ENOEXEC, "not an ELF shared object");
    folder_remove(&folder);
}

static void F58_a_missing_plugin_names_the_folders_and_the_nearest(void)
{
    static const char *const dirs[] = {"/no/such/folder", PLUGINS, NULL};
    struct plugin_search search = {.dirs = dirs, .insecure = true};
    struct err err;

    CHECK_INT(try_load("scriptde", &search, &err), -ENOENT);
    CHECK_STR(err.msg, "no plugin named \"scriptde\" (looked in: /no/such/folder, " PLUGINS
                       "); help: did you mean \"scripted\"?");
    refused("kafka-connect", &search, -ENOENT, "help: `weir plugin list`");
    refused("good", &nowhere, -ENOENT, "looked in: no folder");
}

static void S2_only_regular_files_that_are_no_links(void)
{
    struct folder folder;
    char path[640], other[640];
    folder_make(&folder);
    struct plugin_search search = {.insecure = true};

    folder_plugin(&folder, "good", "good.so", path);
    snprintf(other, sizeof other, "%s/link.so", folder.path);
    CHECK_FATAL(symlink(path, other) == 0);
    refused(other, &search, -EACCES, "is a symbolic link");
    snprintf(other, sizeof other, "%s/folder.so", folder.path);
    CHECK_FATAL(mkdir(other, 0755) == 0);
    refused(other, &search, -EACCES, "not a regular file");
    snprintf(other, sizeof other, "%s/pipe.so", folder.path);
    CHECK_FATAL(mkfifo(other, 0644) == 0);
    refused(other, &search, -EACCES, "not a regular file");
    folder_remove(&folder);
}

static void S2_nobody_else_may_change_file_or_folder(void)
{
    static const struct {
        mode_t file, folder;
        const char *says; /* NULL: it passes */
    } rows[] = {
        {0755, 0755, NULL},
        {0444, 0555, NULL},
        {0775, 0755, "the file may be changed by others (mode 0775)"},
        {0646, 0755, "the file may be changed by others"},
        {0644, 0775, "this folder may be changed by others"},
        {0644, 0757, "this folder may be changed by others"},
        {0644, 01777, NULL},
    };
    struct folder folder;
    char path[640];
    struct err err;
    folder_make(&folder);
    folder_plugin(&folder, "good", "good.so", path);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct plugin_search search = {0};
        CHECK_FATAL(chmod(path, rows[i].file) == 0 && chmod(folder.path, rows[i].folder) == 0);
        if (rows[i].says)
            refused(path, &search, -EACCES, rows[i].says);
        else
            CHECK_INT(try_load(path, &search, &err), 0);
        search.insecure = true;
        CHECK_INT(try_load(path, &search, &err), 0);
    }
    CHECK_FATAL(chmod(folder.path, 0755) == 0);
    folder_remove(&folder);
}

static void S2_the_owner_is_root_or_us(void)
{
    struct folder folder;
    char path[640];
    struct err err;
    if (geteuid() != 0) /* only root can give files away */
        return;
    folder_make(&folder);
    folder_plugin(&folder, "good", "good.so", path);
    CHECK_FATAL(chown(path, 12345, 12345) == 0);

    refused(path, &nowhere, -EACCES, "belongs to user 12345, neither root nor the running user 0");
    CHECK_INT(try_load(path, &(struct plugin_search){.allow_any_owner = true}, &err), 0);
    CHECK_INT(try_load(path, &(struct plugin_search){.insecure = true}, &err), 0);
    CHECK_FATAL(chown(path, 0, 0) == 0 && chown(folder.path, 12345, 12345) == 0);
    refused(path, &nowhere, -EACCES, "belongs to user 12345");
    folder_remove(&folder);
}

static void F59_a_file_cut_anywhere_is_refused(void)
{
    struct folder folder;
    char path[640];
    unsigned long len;
    struct err err;
    char *bytes = unit_file(PLUGINS "/good.so", &len);
    struct plugin_search search = {.insecure = true};
    folder_make(&folder);

    for (unsigned long cut = 0; cut < len; cut += 512) {
        folder_file(&folder, "cut.so", bytes, cut, path);
        CHECK_INT(try_load(path, &search, &err), -ENOEXEC);
        CHECK(strstr(err.msg, path) == err.msg);
    }
    folder_file(&folder, "cut.so", bytes, len, path);
    CHECK_INT(try_load(path, &search, &err), 0);
    mem_free(bytes);
    folder_remove(&folder);
}

static void S3_stack_and_text_relocations_are_refused(void)
{
    struct plugin_search search = {.insecure = true};

    refused(PLUGINS "/execstack.so", &search, -EACCES, "wants an executable stack");
#if defined(__x86_64__)
    refused(PLUGINS "/textrel.so", &search, -EACCES,
            "has text relocations; help: compile it with -fPIC");
#endif
}

static void S4_each_file_is_itself_whatever_its_descriptor(void)
{
    static const char *const names[] = {"twin_a", "twin_b", "good", "noop"};
    for (size_t i = 0; i < 4; i++) { /* each gets the number that the one before had */
        struct plugin *plugin = load_plugin(names[i]);
        CHECK_STR(plugin->desc.name, names[i]);
        plugin_free(plugin);
    }
}

static void S4_a_plugin_loaded_twice_is_two_handles_on_one(void)
{
    struct plugin *first = load_plugin("good"), *second = load_plugin("good");

    CHECK(first != second);
    CHECK(first->desc.record == second->desc.record);
    plugin_free(first);
    CHECK_STR(second->desc.name, "good");
    plugin_free(second);
}

static void S4_a_file_replaced_by_rename_is_a_new_plugin(void)
{
    struct folder folder;
    char path[640], next[640];
    struct err err;
    struct plugin *plugin = NULL;
    struct plugin_search search = {.insecure = true};
    folder_make(&folder);
    folder_plugin(&folder, "good", "sink.so", path);
    CHECK_INT(try_load(path, &search, &err), 0);
    folder_plugin(&folder, "noop", "next.so", next);
    CHECK_FATAL(rename(next, path) == 0);

    CHECK_INT(plugin_load(path, &search, &plugin, &err), 0);
    CHECK_STR(plugin->desc.name, "noop");
    plugin_free(plugin);
    folder_remove(&folder);
}

static void S8_a_pin_holds(void)
{
    struct plugin *plugin = load_plugin("good");
    struct plugin_search search = {.sha256 = plugin->sha256, .insecure = true};
    char pin[65];
    struct err err;

    CHECK_INT(strlen(plugin->sha256), 64);
    CHECK_INT(try_load(PLUGINS "/good.so", &search, &err), 0);
    for (int i = 0; i < 65; i++)
        pin[i] =
            plugin->sha256[i] >= 'a' ? (char)(plugin->sha256[i] - 'a' + 'A') : plugin->sha256[i];
    search.sha256 = pin;
    CHECK_INT(try_load(PLUGINS "/good.so", &search, &err), 0);
    pin[63] = '\0';
    refused(PLUGINS "/good.so", &search, -EACCES, plugin->sha256);
    search.sha256 = "";
    refused(PLUGINS "/good.so", &search, -EACCES, "pins another");
    plugin_free(plugin);
}

static void S9_the_code_stays_when_the_plugin_is_freed(void)
{
    struct plugin *plugin = load_plugin("smallstruct");
    int32_t (*record)(void *, const weir_record *) = plugin->desc.record;
    plugin_free(plugin);

    CHECK_INT(record(NULL, NULL), WEIR_OK);
}

static void S6_F58_other_abi_versions(void)
{
    static const char *const dirs[] = {PLUGINS, NULL};
    struct plugin_search search = {.dirs = dirs, .insecure = true};
    struct err err;
    struct plugin *plugin = load_plugin("smallstruct");

    CHECK(plugin->desc.cancel == NULL && plugin->desc.record != NULL);
    plugin_free(plugin);
    plugin = load_plugin("bigstruct");
    CHECK_STR(plugin->desc.name, "bigstruct");
    plugin_free(plugin);
    CHECK_INT(try_load("badabi", &search, &err), -ENOEXEC);
    CHECK_STR(err.msg, PLUGINS
              "/badabi.so: built for plugin ABI 2, this weir speaks 1; help: rebuild against "
              "weir/plugin.h of this weir, or upgrade weir");
    CHECK_INT(try_load("badmin", &search, &err), -ENOEXEC);
    CHECK_STR(err.msg,
              PLUGINS "/badmin.so: built for plugin ABI 1.99 and needs 1.99 or newer, this weir "
                      "speaks 1.1; help: upgrade weir, or rebuild with a lower abi_min");
    refused("noentry", &search, -ENOEXEC, "no symbol weir_plugin_entry");
    refused("wrongname", &search, -ENOEXEC,
            "calls itself \"good\"; help: rename the file to good.so");
    CHECK_INT(try_load(PLUGINS "/wrongname.so", &search, &err), 0);
}

static void S6_F58_malformed_descriptors(void)
{
    static const struct {
        const char *fault, *says;
    } rows[] = {
        {"nothing", "it offers nothing to a host of plugin ABI 1.1"},
        {"abi major", "built for plugin ABI 2, this weir speaks 1"},
        {"abi old", "built for plugin ABI 0, this weir speaks 1"},
        {"abi_min", "needs 1.99 or newer"},
        {"size tiny", "struct_size 12"},
        {"size huge", "struct_size 268435456"},
        {"no name", "it has no name"},
        {"name", "its name is not a clean identifier"},
        {"empty name", "its name is not a clean identifier"},
        {"no version", "it has no version"},
        {"no summary", "it has no summary"},
        {"no open", "it has no open()"},
        {"no close", "it has no close()"},
        {"neither", "it has neither record() nor deliver()"},
        {"both", "it has both record() and deliver()"},
        {"repeats", "its `repeats` is none of WEIR_R_*"},
        {"option name", "option \"two words\": the name is not a clean identifier"},
        {"option twice", "option \"a\": the name is there twice"},
        {"option type", "option \"a\": its type is none of WEIR_O_*"},
        {"option choices", "an ENUM needs choices"},
        {"option hole", "an ENUM needs choices"},
        {"option fallback", "its fallback is not the JSON text of a value that fits its type"},
        {"option not json", "its fallback is not the JSON text of a value that fits its type"},
        {"option both", "it can't be required and have a fallback"},
        {"subscription size", "its subscription's struct_size is too small"},
        {"subscription events", "its subscription names events other than"},
        {"subscription images", "its subscription names images other than"},
        {"subscription changed", "wants changes only, but lists no attribute"},
    };
    struct plugin_search search = {.insecure = true};
    struct err err;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setenv("WEIR_TEST_FAULT", rows[i].fault, 1);
        refused(PLUGINS "/malformed.so", &search, -ENOEXEC, rows[i].says);
    }
    unsetenv("WEIR_TEST_FAULT");
    CHECK_INT(try_load(PLUGINS "/malformed.so", &search, &err), 0);
}

static void S5_every_symbol_is_bound_at_once(void)
{
    struct plugin_search search = {.insecure = true};
    struct err err;

    CHECK_INT(try_load(PLUGINS "/unresolved.so", &search, &err), -ENOEXEC);
    CHECK_STR(err.msg, PLUGINS
              "/unresolved.so: the dynamic linker refuses it: undefined symbol: not_anywhere; "
              "help: `ldd " PLUGINS "/unresolved.so` shows libraries that are missing");
}

static void S5_S7_program_and_plugins_see_nothing_of_each_other(void)
{
    void *program = dlopen(NULL, RTLD_NOW);
    struct plugin *plugin = load_plugin("twin_a");

    CHECK_FATAL(program != NULL);
    CHECK(dlsym(program, "weir_plugin_entry") == NULL);
    CHECK(dlsym(program, "twin_says") == NULL);
    CHECK(dlsym(program, "plugin_load") == NULL);
    CHECK(dlsym(program, "host_table") == NULL);
    plugin_free(plugin);
    dlclose(program);
}

static void S10_a_plugin_is_described_in_one_line(void)
{
    struct plugin *plugin = load_plugin("bigstruct");
    struct buf line;
    char wanted[800];
    buf_init(&line, 1000);
    plugin_describe(plugin, &line);

    snprintf(wanted, sizeof wanted,
             "%s/bigstruct.so: bigstruct 1.0.0, plugin ABI 1.9, owner %u, sha256 %s", PLUGINS,
             (unsigned)plugin->owner_uid, plugin->sha256);
    CHECK_STR(buf_cstr(&line), wanted);
    buf_done(&line);
    plugin_free(plugin);
}

/* What a constructor does can't be prevented; the process that loads it to try it must be another.
 */
static void F60_a_constructor_that_exits_never_comes_back(void)
{
    struct err err;
    struct plugin_search search = {.insecure = true};
    int status = -1;
    pid_t child = fork();
    CHECK_FATAL(child >= 0);
    if (child == 0) {
        try_load(PLUGINS "/ctor_exit.so", &search, &err);
        _exit(99);
    }

    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int count_names(void *arg, const char *name, const char *path)
{
    char *text = arg;
    CHECK(strstr(path, name) != NULL);
    size_t len = strlen(text);
    snprintf(text + len, 200 - len, "%s%s", name, strstr(path, PLUGINS) == path ? "* " : " ");
    return strcmp(name, "stop") == 0 ? 7 : 0;
}

static void each_lists_in_order_and_the_first_folder_wins(void)
{
    struct folder one, two;
    char path[640], names[200] = "";
    folder_make(&one);
    folder_make(&two);
    folder_file(&one, "b.so", "", 0, path);
    folder_file(&one, "note.txt", "", 0, path);
    folder_file(&one, ".so", "", 0, path);
    folder_file(&two, "b.so", "", 0, path);
    folder_file(&two, "a.so", "", 0, path);
    const char *dirs[] = {one.path, "/no/such/folder", two.path, NULL};
    struct plugin_search search = {.dirs = dirs};

    CHECK_INT(plugin_each(&search, count_names, names), 0);
    CHECK_STR(names, "a b ");
    folder_file(&two, "stop.so", "", 0, path);
    folder_file(&two, "then.so", "", 0, path);
    CHECK_INT(plugin_each(&search, count_names, names), 7);
    CHECK_STR(names, "a b a b stop ");
    folder_remove(&one);
    folder_remove(&two);
}

static void F72_memory_that_fails_anywhere_leaks_nothing(void)
{
    static const char *const dirs[] = {PLUGINS, NULL};
    struct plugin_search search = {.dirs = dirs, .insecure = true};
    struct err err;
    int rc = -1;
    uint64_t n = 1;
    for (; rc < 0 && n < 1000; n++) {
        mem_fail_at(n);
        rc = try_load("options", &search, &err);
        CHECK(rc == 0 || rc == -ENOMEM || rc == -ENOEXEC); /* ENOEXEC: a fallback was not read */
    }
    mem_fail_at(0);
    CHECK(n > 5 && rc == 0);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"S1_a_name_is_absolute_or_bare", S1_a_name_is_absolute_or_bare},
        {"S1_folders_are_searched_in_order", S1_folders_are_searched_in_order},
        {"F58_a_missing_plugin_names_the_folders_and_the_nearest",
         F58_a_missing_plugin_names_the_folders_and_the_nearest},
        {"S2_only_regular_files_that_are_no_links", S2_only_regular_files_that_are_no_links},
        {"S2_nobody_else_may_change_file_or_folder", S2_nobody_else_may_change_file_or_folder},
        {"S2_the_owner_is_root_or_us", S2_the_owner_is_root_or_us},
        {"F59_a_file_cut_anywhere_is_refused", F59_a_file_cut_anywhere_is_refused},
        {"S3_stack_and_text_relocations_are_refused", S3_stack_and_text_relocations_are_refused},
        {"S4_each_file_is_itself_whatever_its_descriptor",
         S4_each_file_is_itself_whatever_its_descriptor},
        {"S4_a_plugin_loaded_twice_is_two_handles_on_one",
         S4_a_plugin_loaded_twice_is_two_handles_on_one},
        {"S4_a_file_replaced_by_rename_is_a_new_plugin",
         S4_a_file_replaced_by_rename_is_a_new_plugin},
        {"S8_a_pin_holds", S8_a_pin_holds},
        {"S9_the_code_stays_when_the_plugin_is_freed", S9_the_code_stays_when_the_plugin_is_freed},
        {"S6_F58_other_abi_versions", S6_F58_other_abi_versions},
        {"S6_F58_malformed_descriptors", S6_F58_malformed_descriptors},
        {"S5_every_symbol_is_bound_at_once", S5_every_symbol_is_bound_at_once},
        {"S5_S7_program_and_plugins_see_nothing_of_each_other",
         S5_S7_program_and_plugins_see_nothing_of_each_other},
        {"S10_a_plugin_is_described_in_one_line", S10_a_plugin_is_described_in_one_line},
        {"F60_a_constructor_that_exits_never_comes_back",
         F60_a_constructor_that_exits_never_comes_back},
        {"each_lists_in_order_and_the_first_folder_wins",
         each_lists_in_order_and_the_first_folder_wins},
        {"F72_memory_that_fails_anywhere_leaks_nothing",
         F72_memory_that_fails_anywhere_leaks_nothing},
        {NULL, NULL}};
    return unit_main(argc, argv, "plugin_load", tests);
}
