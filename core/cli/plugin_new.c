/* `weir plugin new`: an example, under another name. */
#include "cli/verbs.h"

#include "cli/scratch.h"
#include "cli/templates.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_BYTES_MAX = 40, FILE_BYTES_MAX = 1 << 20, FOLDER_BYTES = 40 };
static const char MODEL[] = "my_sink";

/* It becomes a file, a target of CMake, a crate, a module: what all of them take. */
static bool is_name(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = c >= 'a' && c <= 'z', digit = (c >= '0' && c <= '9') || c == '_';
        if (!letter && !(digit && i > 0))
            return false;
    }
    return len > 0 && len <= NAME_BYTES_MAX;
}

/* CMake has targets of these names. */
static bool is_taken(const char *name)
{
    static const char *const targets[] = {"all",           "clean",   "edit_cache",
                                          "help",          "install", "preinstall",
                                          "rebuild_cache", "test",    NULL};
    return str_is_one_of(str_of(name), targets);
}

/* Where an example is: "cpp-sync". */
static void folder_of(const char *language, const char *kind, char out[FOLDER_BYTES])
{
    snprintf(out, FOLDER_BYTES, "%s-%s", strcmp(language, "c++") == 0 ? "cpp" : language, kind);
}

static void put_renamed(struct buf *out, weir_str text, const char *name)
{
    size_t model = sizeof MODEL - 1;
    for (size_t i = 0; i < text.len;) {
        if (text.len - i >= model && memcmp(text.ptr + i, MODEL, model) == 0) {
            buf_puts(out, name);
            i += model;
        } else {
            buf_putc(out, text.ptr[i++]);
        }
    }
}

static int write_file(const char *path, const struct buf *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int rc = 0;
    for (size_t done = 0; rc == 0 && done < text->len;) {
        ssize_t wrote = write(fd, text->ptr + done, text->len - done);
        if (wrote > 0)
            done += (size_t)wrote;
        else if (errno != EINTR)
            rc = -errno;
    }
    return close(fd) < 0 && rc == 0 ? -errno : rc;
}

/* The folders above a file; one that is there already is fine. */
static int make_folders(char *path)
{
    for (char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        int rc = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
        *at = '/';
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int copy_one(const struct template_file *file, const char *name, struct buf *path)
{
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    buf_reset(path);
    buf_printf(path, "%s/", name);
    put_renamed(path, str_of(file->name), name);
    put_renamed(&text, (weir_str){(const char *)file->bytes, file->len}, name);
    buf_cstr(path);
    int rc = path->failed || text.failed ? -ENOMEM : make_folders(path->ptr);
    if (rc == 0)
        rc = write_file(path->ptr, &text);
    buf_done(&text);
    return rc;
}

static int no_such(const struct cli *cli, const char *language, const char *kind)
{
    char known[100] = "", last[FOLDER_BYTES] = "", prefix[FOLDER_BYTES];
    folder_of(language, "", prefix);
    size_t len = strlen(prefix);
    for (const struct template_file *file = template_files; file->folder; file++) {
        if (strncmp(file->folder, prefix, len) != 0 || strcmp(file->folder, last) == 0)
            continue;
        snprintf(last, sizeof last, "%s", file->folder);
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", last + len);
    }
    return cli_fail(cli, EXIT_USAGE, NULL, "no kind %s in %s, which has: %s", kind, language,
                    known);
}

static void put_next(struct buf *out, const char *name, bool cmake)
{
    buf_printf(out,
               "\nNext:\n  cd %s\n  %s\n  weir plugin check build/%s.so\n"
               "  weir sample modify | weir run --plugin build/%s.so --from - --once\n",
               name,
               cmake ? "cmake -S . -B build && cmake --build build && ctest --test-dir build"
                     : "make test",
               name, name);
}

static int copy_all(struct cli *cli, const char *folder, struct buf *said)
{
    const char *name = cli->args[0];
    struct buf path;
    int rc = 0;
    bool cmake = false;
    buf_init(&path, 4096);
    buf_printf(said, "%s: a plugin\n", name);
    for (const struct template_file *file = template_files; file->folder && rc == 0; file++) {
        if (strcmp(file->folder, folder) != 0)
            continue;
        cmake |= strcmp(file->name, "CMakeLists.txt") == 0;
        rc = copy_one(file, name, &path);
        buf_printf(said, "  %s\n", buf_cstr(&path));
    }
    if (rc < 0)
        rc = cli_fail(cli, EXIT_NO, NULL, "%s: %s", buf_cstr(&path), strerror(-rc));
    buf_done(&path);
    put_next(said, name, cmake);
    return rc;
}

int verb_plugin_new(struct cli *cli)
{
    char folder[FOLDER_BYTES];
    struct stat st;
    const char *name = cli->args[0], *language = cli->lang ? cli->lang : "c",
               *kind = cli->kind ? cli->kind : "sync";
    bool known = false;
    if (!is_name(name))
        return cli_fail(cli, EXIT_USAGE,
                        "Such as my_sink: a letter, then a to z, 0 to 9 and '_', at most 40.",
                        "\"%s\" can't be the name of a plugin", name);
    if (is_taken(name))
        return cli_fail(cli, EXIT_USAGE, "Choose another name.",
                        "\"%s\" can't be the name of a plugin: CMake has a target of that name",
                        name);
    folder_of(language, kind, folder);
    for (const struct template_file *file = template_files; file->folder; file++)
        known |= strcmp(file->folder, folder) == 0;
    if (!known)
        return no_such(cli, language, kind);
    if (lstat(name, &st) == 0)
        return cli_fail(cli, EXIT_NO, "Choose another name, or move it away.", "%s exists already",
                        name);
    struct buf said;
    buf_init(&said, 1 << 16);
    int rc = copy_all(cli, folder, &said);
    if (rc != 0)
        remove_folder(name);
    if (rc == 0 && !cli->quiet && !cli_write(cli->out, &said))
        rc = EXIT_NO;
    buf_done(&said);
    return rc;
}
