/* The file sink: what stands in the file after each kind of accident. */
#include "fakehost.h"
#include "file/file.h"
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64], path[96];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/weir-file-XXXXXX");
    CHECK_FATAL(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/out.jsonl", folder);
}

static void remove_folder(void)
{
    char rm[] = "rm", recursive[] = "-rf";
    char *const arguments[] = {rm, recursive, folder, NULL};
    pid_t child = fork();
    if (child == 0) {
        execvp("rm", arguments);
        _exit(127);
    }
    CHECK_INT(waitpid(child, NULL, 0), child);
}

static void put_file(const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK_FATAL(file != NULL);
    fputs(text, file);
    fclose(file);
}

static const char *content(const char *name)
{
    static char text[65536];
    FILE *file = fopen(name, "r");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[len] = '\0';
    if (file)
        fclose(file);
    return file ? text : "no file";
}

static struct writer writer_of(enum sync_policy sync)
{
    struct writer writer = {.path = path, .sync = sync};
    writer_init(&writer);
    return writer;
}

static void lines_are_appended(void)
{
    static const enum sync_policy policies[] = {SYNC_BATCH, SYNC_SECOND, SYNC_NEVER};
    for (size_t i = 0; i < 3; i++) {
        make_folder();
        struct writer writer = writer_of(policies[i]);
        CHECK_INT(writer_append(&writer, WEIR_STR("{1}\n{2}\n")), 0);
        CHECK_INT(writer_append(&writer, WEIR_STR("{3}\n")), 0);
        CHECK_STR(content(path), "{1}\n{2}\n{3}\n");
        writer_close(&writer);
        writer = writer_of(policies[i]); /* another life goes on behind it */
        CHECK_INT(writer_append(&writer, WEIR_STR("{4}\n")), 0);
        CHECK_STR(content(path), "{1}\n{2}\n{3}\n{4}\n");
        writer_close(&writer);
        remove_folder();
    }
}

static void a_torn_line_is_cut_off(void)
{
    static const struct {
        const char *before, *after;
    } rows[] = {
        {"{1}\n{2", "{1}\n{9}\n"}, {"{torn", "{9}\n"}, {"", "{9}\n"}, {"{1}\n", "{1}\n{9}\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_folder();
        put_file(rows[i].before);
        struct writer writer = writer_of(SYNC_BATCH);
        CHECK_INT(writer_append(&writer, WEIR_STR("{9}\n")), 0);
        CHECK_STR(content(path), rows[i].after);
        writer_close(&writer);
        remove_folder();
    }
}

/* Longer than what is looked at in one step. */
static void a_long_torn_line_is_cut_off_too(void)
{
    make_folder();
    FILE *file = fopen(path, "w");
    CHECK_FATAL(file != NULL);
    fputs("{1}\n", file);
    for (int i = 0; i < 40000; i++)
        fputc('x', file);
    fclose(file);
    struct writer writer = writer_of(SYNC_NEVER);
    CHECK_INT(writer_append(&writer, WEIR_STR("{2}\n")), 0);
    CHECK_STR(content(path), "{1}\n{2}\n");
    writer_close(&writer);
    remove_folder();
}

/* A full disk (here: a limit) stores a part of a line: all of the write is taken back. */
static void F74_a_write_that_fails_leaves_whole_lines_only(void)
{
    struct rlimit before, tight;
    make_folder();
    struct writer writer = writer_of(SYNC_BATCH);
    CHECK_INT(writer_append(&writer, WEIR_STR("{1}\n")), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    tight = (struct rlimit){10, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
    int rc = writer_append(&writer, WEIR_STR("{22}\n{333}\n{4444}\n"));
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    CHECK_INT(rc, -1);
    CHECK(strncmp(writer.reason, "can't write /tmp/weir-file-", 27) == 0);
    CHECK_STR(writer.reason + 33, "/out.jsonl: File too large");
    CHECK_STR(content(path), "{1}\n");
    CHECK_INT(writer_append(&writer, WEIR_STR("{22}\n")), 0);
    CHECK_STR(content(path), "{1}\n{22}\n");
    writer_close(&writer);
    remove_folder();
}

static void a_file_that_was_moved_away_is_made_anew(void)
{
    char moved[112];
    make_folder();
    struct writer writer = writer_of(SYNC_NEVER);
    CHECK_INT(writer_append(&writer, WEIR_STR("{1}\n")), 0);
    snprintf(moved, sizeof moved, "%s.1", path);
    CHECK_INT(rename(path, moved), 0);
    CHECK_INT(writer_append(&writer, WEIR_STR("{2}\n")), 0);
    CHECK_STR(content(moved), "{1}\n");
    CHECK_STR(content(path), "{2}\n");
    writer_close(&writer);
    remove_folder();
}

static void a_file_of_another_process_a_link_and_a_device_are_refused(void)
{
    char link_name[112];
    make_folder();
    put_file("");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK_INT(flock(fd, LOCK_EX), 0);
    struct writer writer = writer_of(SYNC_NEVER);
    CHECK_INT(writer_append(&writer, WEIR_STR("{1}\n")), -1);
    CHECK(strstr(writer.reason, "another process writes it") != NULL);
    close(fd);
    CHECK_INT(writer_append(&writer, WEIR_STR("{1}\n")), 0); /* it is gone */
    writer_close(&writer);
    snprintf(link_name, sizeof link_name, "%s/link", folder);
    CHECK_INT(symlink(path, link_name), 0);
    writer.path = link_name;
    CHECK_INT(writer_append(&writer, WEIR_STR("{1}\n")), -1);
    writer.path = "/dev/null";
    CHECK_INT(writer_append(&writer, WEIR_STR("{1}\n")), -1);
    CHECK_STR(writer.reason, "can't write /dev/null: it is no regular file");
    char long_name[300] = "";
    memset(long_name, '/', sizeof long_name - 1);
    writer.path = long_name;
    CHECK_INT(writer_append(&writer, WEIR_STR("{1}\n")), -1);
    CHECK_INT(strlen(writer.reason), strlen("can't open ...: Is a directory") + 100);
    remove_folder();
}

#define RECORDS                                                                                    \
    "[{\"eventID\":\"1\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"a\\n\"}}}},"                       \
    "{\"eventID\":\"2\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"b\"}}}}]"

static void open_sink(struct fake *fake, const char *more)
{
    char options[256];
    snprintf(options, sizeof options, "{\"path\":\"%s\"%s}", path, more);
    CHECK_INT(fake_open(fake, fake_load("file"), options), 0);
}

static void records_count_as_stored_when_they_are_written(void)
{
    static struct fake fake;
    make_folder();
    open_sink(&fake, "");
    struct fake_delivery *first = fake_deliver(&fake, RECORDS);
    struct fake_delivery *second = fake_deliver(&fake, RECORDS);
    CHECK_INT(fake_outcomes(first, 0), 2);
    CHECK(fake_work(&fake));
    CHECK_INT(fake_outcomes(first, WEIR_OK), 2);
    CHECK_INT(fake_outcomes(second, 0), 2); /* one write at a time */
    fake_cancel(&fake, second);
    fake_work_all(&fake);
    CHECK_INT(fake_outcomes(second, WEIR_RETRY), 2);
    CHECK(strstr(content(path), "\"k\":{\"S\":\"a\\n\"}}}}\n{\"eventID\":\"2\"") != NULL);
    CHECK_STR(fake.declared[WEIR_D_IAM], "");
    fake_close(&fake);
    remove_folder();
}

static void F46_a_file_that_can_not_be_written_holds_the_sink(void)
{
    static struct fake fake;
    make_folder();
    open_sink(&fake, "");
    CHECK_INT(rmdir(folder), 0);
    struct fake_delivery *delivery = fake_deliver(&fake, RECORDS);
    fake_work_all(&fake);
    CHECK_INT(fake_outcomes(delivery, WEIR_DOWN), 2);
    CHECK(strstr(fake_reason(delivery, 0), "/out.jsonl: No such file") != NULL);
    fake_close(&fake);
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(lines_are_appended),
        TEST(a_torn_line_is_cut_off),
        TEST(a_long_torn_line_is_cut_off_too),
        TEST(F74_a_write_that_fails_leaves_whole_lines_only),
        TEST(a_file_that_was_moved_away_is_made_anew),
        TEST(a_file_of_another_process_a_link_and_a_device_are_refused),
        TEST(records_count_as_stored_when_they_are_written),
        TEST(F46_a_file_that_can_not_be_written_holds_the_sink),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "plugin_file", tests);
}
