/* `weir plugin check`: what can be told of the file without loading it, here; all that runs the
 * plugin's code, in a child process that may crash or hang. */
#include "cli/scratch.h"
#include "cli/verbs.h"

#include "config/load.h"
#include "kit/check.h"
#include "kit/kit.h"
#include "plugin/elf_facts.h"
#include "plugin/file.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORT_BYTES_MAX = 1 << 20, FILE_BYTES_MAX = 256 << 20, SAID_BYTES = 1500 };
enum { LAMBDA_GLIBC_MAJOR = 2, LAMBDA_GLIBC_MINOR = 34 }; /* Amazon Linux 2023 */

struct verdict {
    struct cli *cli;
    struct buf text;
    unsigned checks, failures;
    char doing[300]; /* what the child said last that it does */
    bool ended;      /* it said that all was done */
};

static void put(struct verdict *verdict, const char *what, const char *name, const char *text,
                const char *help)
{
    struct buf *out = &verdict->text;
    bool bad = strcmp(what, "FAIL") == 0;
    if (verdict->cli->json) {
        buf_put_comma(out);
        buf_puts(out, "\n{");
        buf_put_text_member(out, "result", bad ? "fail" : what);
        buf_put_text_member(out, "check", name);
        buf_put_text_member(out, "text", text);
        buf_put_text_member(out, "help", help);
        buf_putc(out, '}');
    } else {
        buf_printf(out, "  %-4s  %-11s  ", what, name);
        buf_put_visible(out, str_of(text), 1000);
        if (*help) {
            buf_puts(out, "\n                     help: ");
            buf_put_visible(out, str_of(help), 1000);
        }
        buf_putc(out, '\n');
    }
    verdict->checks++;
    verdict->failures += bad;
}

/* ---- the file ---- */

static void judge_facts(struct verdict *verdict, struct elf_facts *facts)
{
    char text[400];
    if (facts->relro && facts->bind_now)
        put(verdict, "ok", "hardening",
            facts->stack_protector ? "RELRO, bound at load, stack protector, no executable stack"
                                   : "RELRO, bound at load, no executable stack",
            "");
    else
        put(verdict, "FAIL", "hardening",
            facts->relro ? "its symbols are bound late" : "it has no RELRO segment",
            "Link with -Wl,-z,relro,-z,now; weir_add_plugin does.");
    if (!facts->sections) {
        put(verdict, "note", "exports", "it has no section headers: exports are not known", "");
        return;
    }
    snprintf(text, sizeof text, "weir_plugin_entry, and %zu more: %.200s", facts->export_count - 1,
             buf_cstr(&facts->exports));
    if (!facts->entry)
        put(verdict, "FAIL", "exports", "weir_plugin_entry is not exported",
            "Define it with WEIR_EXPORT, as weir/plugin.h declares it.");
    else if (facts->export_count > 1)
        put(verdict, "note", "exports", text,
            "Other plugins can't see them, but -fvisibility=hidden keeps it at one.");
    else
        put(verdict, "ok", "exports", "weir_plugin_entry and nothing else", "");
    bool newer =
        facts->glibc_major > LAMBDA_GLIBC_MAJOR ||
        (facts->glibc_major == LAMBDA_GLIBC_MAJOR && facts->glibc_minor > LAMBDA_GLIBC_MINOR);
    snprintf(text, sizeof text, "glibc %d.%d or newer; needs %.300s", facts->glibc_major,
             facts->glibc_minor, facts->needed.len ? buf_cstr(&facts->needed) : "nothing");
    put(verdict, newer ? "note" : "ok", "libraries", text,
        newer ? "AWS Lambda (Amazon Linux 2023) has glibc 2.34: build on an older system for it."
              : "");
}

static char *whole_file(int fd, size_t *out_len)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *bytes = size > 0 && size <= FILE_BYTES_MAX ? mem_alloc((size_t)size) : NULL;
    size_t got = 0;
    while (bytes && got < (size_t)size) {
        ssize_t n = pread(fd, bytes + got, (size_t)size - got, (off_t)got);
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            mem_free(bytes);
            return NULL;
        }
        got += n > 0 ? (size_t)n : 0;
    }
    *out_len = got;
    return bytes;
}

static void judge_refusal(struct verdict *verdict, const char *what, struct err *err)
{
    char *help = strstr(err->msg, "; help: ");
    if (help)
        *help = '\0';
    put(verdict, what, "file", err->msg, help ? help + 8 : "");
}

/* True when its code may be looked at. A developer's file may be writable by the group; that is
 * said, since `weir run` will not take it. */
static bool judge_file(struct verdict *verdict, const char *path)
{
    struct plugin_search search = {0};
    struct plugin_file file;
    struct err err = {0};
    struct elf_facts facts;
    size_t len = 0;
    int rc = plugin_file_open(path, &search, &file, &err);
    if (rc == -EACCES) {
        struct err again = {0};
        search.insecure = true;
        rc = plugin_file_open(path, &search, &file, &again);
        judge_refusal(verdict, rc == 0 ? "note" : "FAIL", &err);
    } else if (rc < 0) {
        judge_refusal(verdict, "FAIL", &err);
    } else {
        put(verdict, "ok", "file", "a whole shared object for this machine, safe to load", "");
    }
    if (rc < 0)
        return false;
    char *bytes = whole_file(file.fd, &len);
    if (bytes && elf_facts_read(bytes, len, &facts) == 0)
        judge_facts(verdict, &facts);
    if (bytes)
        elf_facts_done(&facts);
    mem_free(bytes);
    plugin_file_done(&file);
    return true;
}

/* ---- the child ---- */

static _Noreturn void be_child(const struct check_request *request, const char *folder, int said)
{
    const struct rlimit none = {0, 0};
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGPIPE, SIG_IGN); /* as in weir */
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(said, 1) < 0 || dup2(said, 2) < 0 ||
        chdir(folder) < 0)
        _exit(EXIT_SOFTWARE);
    close(nothing);
    check_run(request);
    _exit(0);
}

/* "WHAT\tNAME\tTEXT\tHELP" */
static void take_line(struct verdict *verdict, char *line)
{
    char *fields[4] = {line, NULL, NULL, NULL};
    for (int i = 1; i < 4 && fields[i - 1]; i++) {
        char *tab = strchr(fields[i - 1], '\t');
        if (!tab)
            break;
        *tab = '\0';
        fields[i] = tab + 1;
    }
    if (strcmp(line, "end") == 0)
        verdict->ended = true;
    else if (fields[3] && strcmp(line, "@") == 0)
        snprintf(verdict->doing, sizeof verdict->doing, "%s", fields[2]);
    else if (fields[3])
        put(verdict, line, fields[1], fields[2], fields[3]);
}

/* Reads what the child finds, to its end. False when it gave no sign of life for so long. */
static bool listen_to(struct verdict *verdict, int from, int64_t timeout_s)
{
    char line[4096];
    size_t len = 0;
    struct pollfd ready = {.fd = from, .events = POLLIN};
    for (;;) {
        int count = poll(&ready, 1, (int)timeout_s * 1000);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        ssize_t got = read(from, line + len, sizeof line - 1 - len);
        if (got <= 0)
            return true;
        len += (size_t)got;
        for (char *end; (end = memchr(line, '\n', len)) != NULL;) {
            *end = '\0';
            take_line(verdict, line);
            len -= (size_t)(end + 1 - line);
            memmove(line, end + 1, len);
        }
        if (len == sizeof line - 1)
            len = 0;
    }
}

/* The last that the plugin printed: a panic, an assertion. */
static void put_said(struct verdict *verdict, int said)
{
    char text[SAID_BYTES];
    off_t size = lseek(said, 0, SEEK_END);
    off_t from = size > SAID_BYTES ? size - SAID_BYTES : 0;
    ssize_t got = size > 0 ? pread(said, text, sizeof text, from) : 0;
    if (got <= 0 || verdict->cli->json)
        return;
    buf_puts(&verdict->text, "  it printed:\n    ");
    for (ssize_t i = 0; i < got; i++) {
        if (text[i] == '\n' && i + 1 < got)
            buf_puts(&verdict->text, "\n    ");
        else if (text[i] != '\n')
            buf_put_visible(&verdict->text, (weir_str){text + i, 1}, 1);
    }
    buf_putc(&verdict->text, '\n');
}

static void judge_end(struct verdict *verdict, bool alive, int status, int64_t timeout_s)
{
    char text[500];
    if (verdict->ended)
        return;
    if (!alive)
        snprintf(text, sizeof text, "no sign of life for %lld s while: %s", (long long)timeout_s,
                 verdict->doing);
    else if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "it died of signal %d (%s) while: %s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)), verdict->doing);
    else
        snprintf(text, sizeof text, "it ended the process with exit code %d while: %s",
                 WEXITSTATUS(status), verdict->doing);
    put(verdict, "FAIL", alive ? "crash" : "hang", text,
        alive ? "The same seed does the same again: gdb, or AddressSanitizer, show where."
              : "Nothing that the host calls may block: use weir.work/1 or a thread.");
}

static int run_child(struct verdict *verdict, struct check_request *request, const char *folder,
                     FILE *said)
{
    int ends[2], status = 0;
    if (pipe(ends) < 0)
        return -errno;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    request->out = ends[1];
    snprintf(verdict->doing, sizeof verdict->doing, "starting");
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        be_child(request, folder, fileno(said));
    }
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return -errno;
    }
    bool alive = listen_to(verdict, ends[0], verdict->cli->timeout_s);
    if (!alive)
        kill(child, SIGKILL);
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    judge_end(verdict, alive, status, verdict->cli->timeout_s);
    if (verdict->failures > 0)
        put_said(verdict, fileno(said));
    return 0;
}

static int judge_behaviour(struct verdict *verdict, struct check_request *request)
{
    struct scratch scratch;
    FILE *said = tmpfile();
    int rc = said ? scratch_make(verdict->cli, "check", &scratch) : -errno;
    if (rc == 0) {
        rc = run_child(verdict, request, scratch.path, said);
        scratch_remove(&scratch);
    }
    if (said)
        fclose(said);
    return rc;
}

/* ---- the verb ---- */

static void put_head(struct verdict *verdict, const char *path)
{
    struct buf *out = &verdict->text;
    if (verdict->cli->json) {
        buf_puts(out, "{\"plugin\":");
        buf_put_json_string(out, str_of(path));
        buf_puts(out, ",\"checks\":[");
    } else {
        buf_put_visible(out, str_of(path), 1000);
        buf_putc(out, '\n');
    }
}

static void put_summary(struct verdict *verdict, int64_t took_ms)
{
    struct buf *out = &verdict->text;
    if (verdict->cli->json) {
        buf_printf(out, "],\n\"passed\":%s}\n", verdict->failures ? "false" : "true");
    } else if (verdict->failures) {
        buf_printf(out, "FAILED: %u of %u checks (seed %lld)\n", verdict->failures, verdict->checks,
                   (long long)verdict->cli->seed);
    } else {
        buf_printf(out, "passed: %u checks in %.1f s (seed %lld)\n", verdict->checks,
                   (double)took_ms / 1000, (long long)verdict->cli->seed);
    }
}

int verb_plugin_check(struct cli *cli)
{
    char path[PATH_MAX];
    if (!realpath(cli->args[0], path))
        return cli_fail(cli, EXIT_CONFIG, NULL, "%s: %s", cli->args[0], strerror(errno));
    int64_t since_ms = kit_real_ms();
    struct verdict verdict = {.cli = cli};
    struct check_request request = {
        .path = path, .options = cli->options, .seed = (uint64_t)cli->seed};
    buf_init(&verdict.text, REPORT_BYTES_MAX);
    put_head(&verdict, cli->args[0]);
    int rc = 0;
    if (judge_file(&verdict, path))
        rc = judge_behaviour(&verdict, &request);
    put_summary(&verdict, kit_real_ms() - since_ms);
    if (rc == 0)
        rc = !cli_write(cli->out, &verdict.text) || verdict.failures ? EXIT_NO : EXIT_DONE;
    else
        rc = cli_fail(cli, EXIT_SOFTWARE, NULL, "no process to check in: %s", strerror(-rc));
    buf_done(&verdict.text);
    return rc;
}
