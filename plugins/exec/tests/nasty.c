/* A program for the exec sink that does what the attribute "do" of each record says. Arguments:
 * a file that it makes when it crashes for the first time, then "deaf" to ignore its end. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static void answer(const char *id, const char *rest)
{
    printf("{\"id\":%s,%s}\n", id, rest);
    fflush(stdout);
}

static void die(void)
{
    raise(SIGKILL);
}

static void die_once(const char *mark, const char *id)
{
    if (access(mark, F_OK) != 0) {
        FILE *file = fopen(mark, "w");
        if (file)
            fclose(file);
        die();
    }
    answer(id, "\"ok\":true");
}

static void say_environment(const char *id)
{
    char text[512];
    size_t len = 0;
    for (char **at = environ; *at && len < sizeof text; at++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s;", *at);
    printf("{\"id\":%s,\"error\":\"%s\"}\n", id, text);
    fflush(stdout);
}

static void say_descriptors(const char *id)
{
    char text[64];
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    snprintf(text, sizeof text, "\"error\":\"%d open, group %d\"", count - 3 /* ., .., its own */,
             getpgrp() == getpid());
    answer(id, text);
}

static void fill(FILE *to, size_t bytes)
{
    while (bytes-- > 0)
        fputc('x', to);
    fflush(to);
}

static void hang(void)
{
    for (;;)
        pause();
}

static void misbehave(const char *what, const char *id)
{
    if (strcmp(what, "garbage") == 0) {
        puts("\x1b[2Jhello");
        fflush(stdout);
    } else if (strcmp(what, "unknown") == 0) {
        answer("4711", "\"ok\":true");
    } else if (strcmp(what, "twice") == 0) {
        answer(id, "\"ok\":true");
        answer(id, "\"ok\":true");
    } else if (strcmp(what, "both") == 0) {
        answer(id, "\"ok\":true,\"error\":true");
    } else if (strcmp(what, "long") == 0) {
        fill(stdout, 200000);
    } else if (strcmp(what, "torn") == 0) {
        printf("{\"id\":%s,\"ok\":tr", id);
        fflush(stdout);
        exit(0);
    } else if (strcmp(what, "close_out") == 0) {
        fclose(stdout);
        hang();
    } else if (strcmp(what, "close_in") == 0) {
        fclose(stdin);
        answer(id, "\"ok\":true");
        hang();
    }
}

static void act(const char *what, const char *id, const char *mark)
{
    static const char *const plain[][2] = {
        {"ok", "\"ok\":true"},
        {"skip", "\"skip\":true"},
        {"retry", "\"retry\":\"busy\""},
        {"later", "\"retry\":true,\"after_ms\":30"},
        {"error", "\"error\":\"no such \\u001b[2J thing\""},
        {"down", "\"down\":\"no database\""},
    };
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (strcmp(what, plain[i][0]) == 0)
            answer(id, plain[i][1]);
    if (strcmp(what, "crash") == 0)
        die();
    if (strcmp(what, "crash_once") == 0)
        die_once(mark, id);
    if (strcmp(what, "exit") == 0)
        exit(0);
    if (strcmp(what, "hang") == 0)
        hang();
    if (strcmp(what, "environment") == 0)
        say_environment(id);
    if (strcmp(what, "descriptors") == 0)
        say_descriptors(id);
    if (strcmp(what, "complain") == 0) {
        fputs("one\n\x1b[2Jtwo\n", stderr);
        fill(stderr, 5000);
        fputs("\nlast words\n", stderr);
        exit(3);
    }
    if (strcmp(what, "flood") == 0) {
        for (int i = 0; i < 5000; i++)
            fprintf(stderr, "line %d\n", i);
        answer(id, "\"ok\":true");
    }
    misbehave(what, id);
}

int main(int argc, char **argv)
{
    char *line = NULL, what[32];
    size_t size = 0;
    if (argc > 2 && strcmp(argv[2], "deaf") == 0)
        signal(SIGTERM, SIG_IGN);
    while (getline(&line, &size, stdin) > 0) {
        char *id = line + strlen("{\"id\":"), *at = strstr(line, "\"do\":{\"S\":\"");
        if (!at || sscanf(at, "\"do\":{\"S\":\"%31[a-z_]", what) != 1)
            snprintf(what, sizeof what, "ok");
        id[strspn(id, "0123456789")] = '\0';
        act(what, id, argc > 1 ? argv[1] : "/nowhere");
    }
    free(line);
    if (argc > 2 && strcmp(argv[2], "deaf") == 0)
        hang();
    return 0;
}
