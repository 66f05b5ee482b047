#include "kit/check_parts.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void check_state_read(struct check_state *out)
{
    *out = (struct check_state){0};
    for (int number = 1; number <= 64; number++) {
        struct sigaction action;
        void (*handler)(int) = SIG_DFL;
        if (sigaction(number, NULL, &action) == 0)
            handler = action.sa_handler;
        memcpy(&out->handlers[number], &handler, sizeof handler);
    }
    if (!getcwd(out->folder, sizeof out->folder))
        out->folder[0] = '\0';
    snprintf(out->locale, sizeof out->locale, "%s", setlocale(LC_ALL, NULL));
    mode_t bits = umask(0);
    umask(bits);
    out->umask_bits = bits;
    for (int fd = 0; fd < 3; fd++) {
        struct stat st;
        if (fstat(fd, &st) == 0)
            out->standard[fd] = (uint64_t)st.st_dev << 32 ^ (uint64_t)st.st_ino ^ 1u << 31;
    }
}

void check_state_compare(struct check *check, const struct check_state *was)
{
    static const char HELP[] = "A plugin shares the process with others: leave its state alone.";
    struct check_state is;
    unsigned before = check->failures, signals = 0;
    check_state_read(&is);
    if (strcmp(was->folder, is.folder) != 0)
        check_fail(check, "process", HELP, "it changes the working folder");
    if (strcmp(was->locale, is.locale) != 0)
        check_fail(check, "process", HELP, "it changes the locale");
    if (was->umask_bits != is.umask_bits)
        check_fail(check, "process", HELP, "it changes the umask");
    for (int fd = 0; fd < 3; fd++)
        if (was->standard[fd] != is.standard[fd])
            check_fail(check, "process", HELP, "it closes or replaces descriptor %d", fd);
    for (int number = 1; number <= 64; number++)
        signals += was->handlers[number] != is.handlers[number];
    if (was->handlers[SIGPIPE] != is.handlers[SIGPIPE] && signals < 4)
        check_fail(check, "process", HELP, "it changes what SIGPIPE does");
    else if (signals > 0)
        check_note(check, "process",
                   "A language's runtime may do that (Go); a plugin should not of itself.",
                   "it sets %u signal handlers", signals);
    if (check->failures == before && signals == 0)
        check_ok(check, "process", "signals, working folder, locale, umask and 0 to 2 as before");
}
