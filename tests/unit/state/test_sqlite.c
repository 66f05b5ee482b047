/* Positions in the state file: what is told as stored is stored, whatever the disk does. */
#include "badfs.h"
#include "srig.h"
#include "util/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void expect_rows(struct srig *rig, const char *expected)
{
    char text[2048], reason[200] = "";
    CHECK_INT(srig_load(rig, text, sizeof text, reason), 0);
    CHECK_STR(reason, "");
    CHECK_STR(text, expected);
}

static void begin_owned(struct srig *rig)
{
    srig_begin(rig);
    CHECK_FATAL(srig_acquire(rig));
}

/* ---- rows ---- */

static void F70_rows_outlive_the_process(void)
{
    struct srig rig;
    begin_owned(&rig);
    expect_rows(&rig, "");
    struct state_row rows[] = {
        srig_row("a", "s1", "100"),
        srig_row("b", "s1", "90"),
        srig_row("a", "s2", ""),
        {.kind = STATE_STREAM, .stream = STR("arn"), .start = STR("LATEST"), .start_us = 7},
        {.kind = STATE_GAP, .sink = STR("a"), .stream = STR("arn"), .shard = STR("s1")}};
    CHECK_INT(srig_save(&rig, rows, 5, NULL), 0);
    srig_reopen(&rig);
    CHECK_FATAL(srig_acquire(&rig));
    expect_rows(&rig, "gap a arn s1 |position a arn s1 100|position a arn s2 |"
                      "position b arn s1 90|stream  arn  |");
    rows[0].position = STR("200");
    rows[1].erase = rows[3].erase = rows[4].erase = true;
    CHECK_INT(srig_save(&rig, rows, 5, NULL), 0);
    srig_release(&rig);
    srig_reopen(&rig);
    CHECK_FATAL(srig_acquire(&rig));
    expect_rows(&rig, "position a arn s1 200|position a arn s2 |");
    srig_end(&rig);
}

struct seen {
    struct state_row row;
    int told;
};

static void on_seen(struct store_load *load, int status)
{
    struct seen *seen = load->arg;
    const struct state_row *row = load->rows;
    CHECK_INT(status, 0);
    CHECK_FATAL(load->count == 1);
    CHECK_INT(row->kind, seen->row.kind);
    CHECK(str_eq(row->sink, seen->row.sink) && str_eq(row->stream, seen->row.stream));
    CHECK(str_eq(row->shard, seen->row.shard) && str_eq(row->parent, seen->row.parent));
    CHECK(str_eq(row->table, seen->row.table) && str_eq(row->start, seen->row.start));
    CHECK(str_eq(row->position, seen->row.position));
    CHECK(str_eq(row->first_available, seen->row.first_available));
    CHECK_INT(row->start_us, seen->row.start_us);
    CHECK_INT(row->read_to_end, seen->row.read_to_end);
    CHECK_INT(row->done, seen->row.done);
    CHECK_INT(row->record_us, seen->row.record_us);
    CHECK_INT(row->updated_us, seen->row.updated_us);
    CHECK(!row->erase);
    seen->told++;
}

static void each_field_comes_back_as_it_was(void)
{
    static const char hostile[] = "'); DROP TABLE progress;--\0\xff\xfe";
    const weir_str text = {hostile, sizeof hostile - 1};
    const struct state_row table[] = {
        {.kind = STATE_POSITION,
         .sink = STR("sink"),
         .stream = STR("arn:x/y"),
         .shard = STR("shard-1"),
         .parent = STR("shard-0"),
         .start = STR("AT_TIMESTAMP"),
         .start_us = 1767225600000001,
         .position = STR("000000000000000000001"),
         .read_to_end = true,
         .record_us = 2,
         .updated_us = 3},
        {.kind = STATE_GAP,
         .sink = text,
         .stream = text,
         .shard = text,
         .position = text,
         .first_available = text,
         .done = true},
        {.kind = STATE_STREAM, .stream = STR("a"), .table = STR("T"), .start_us = INT64_MIN},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct srig rig;
        begin_owned(&rig);
        CHECK_INT(srig_save(&rig, &table[i], 1, NULL), 0);
        struct seen seen = {.row = table[i]};
        struct store_load load = {.done = on_seen, .arg = &seen};
        CHECK_INT(rig.store.load(rig.store.ctx, &load), 0);
        vworld_settle(&rig.world);
        CHECK_INT(seen.told, 1);
        srig_end(&rig);
    }
}

static void pipelines_share_a_file_and_nothing_else(void)
{
    struct srig rig;
    begin_owned(&rig);
    struct state_row row = srig_row("a", "s", "1");
    CHECK_INT(srig_save(&rig, &row, 1, NULL), 0);
    sqlite_store_free(rig.sqlite);
    struct sqlite_store_config config = {
        .path = rig.path, .pipeline = "other", .world = &rig.world.world};
    CHECK_FATAL(sqlite_store_new(&config, &rig.sqlite) == 0);
    sqlite_store_seam(rig.sqlite, &rig.store);
    rig.told = 0;
    CHECK_FATAL(srig_acquire(&rig));
    expect_rows(&rig, "");
    row.position = STR("2");
    CHECK_INT(srig_save(&rig, &row, 1, NULL), 0);
    srig_reopen(&rig);
    CHECK_FATAL(srig_acquire(&rig));
    expect_rows(&rig, "position a arn s 1|");
    srig_end(&rig);
}

static void F72_memory_that_fails_anywhere_loses_nothing_that_was_stored(void)
{
    bool failed = true;
    uint64_t n = 1;
    for (; failed && n < 500; n++) {
        struct srig rig;
        char text[256];
        begin_owned(&rig);
        struct state_row row = srig_row("a", "s", "1");
        CHECK_INT(srig_save(&rig, &row, 1, NULL), 0);
        srig_reopen(&rig);
        uint64_t before = mem_calls();
        mem_fail_at(n);
        row.position = STR("2");
        bool owned = srig_acquire(&rig), saved = owned && srig_save(&rig, &row, 1, NULL) == 0;
        if (owned && srig_load(&rig, text, sizeof text, NULL) == 0)
            CHECK_STR(text, saved ? "position a arn s 2|" : "position a arn s 1|");
        failed = mem_calls() - before >= n;
        mem_fail_at(0);
        srig_reopen(&rig);
        CHECK_FATAL(srig_acquire(&rig));
        expect_rows(&rig, saved ? "position a arn s 2|" : "position a arn s 1|");
        srig_end(&rig);
    }
    CHECK(n > 3 && n < 500);
}

/* ---- one owner ---- */

static void the_second_process_is_told_who_has_it(void)
{
    struct srig rig, second;
    char expected[64];
    begin_owned(&rig);
    srig_begin(&second);
    memcpy(second.path, rig.path, sizeof second.path);
    srig_reopen(&second);
    CHECK(!srig_acquire(&second));
    snprintf(expected, sizeof expected, "is in use by process %ld;", (long)getpid());
    CHECK(strstr(second.reason, expected) != NULL);
    CHECK(strstr(second.reason, rig.path) != NULL);
    struct state_row row = srig_row("a", "s", "1");
    CHECK_INT(srig_save(&second, &row, 1, NULL), -EPERM);
    struct err err = {0};
    CHECK_INT(sqlite_store_own(second.sqlite, &err), -EBUSY);
    srig_release(&rig);
    CHECK_INT(sqlite_store_own(second.sqlite, &err), 0);
    second.told = 0;
    CHECK(srig_acquire(&second));
    sqlite_store_free(second.sqlite);
    second.sqlite = NULL;
    srig_end(&second);
    srig_end(&rig);
}

static void F70_a_killed_owner_holds_nothing(void)
{
    struct srig rig;
    char byte;
    int ready[2];
    srig_begin(&rig);
    CHECK_FATAL(pipe(ready) == 0);
    pid_t child = fork();
    CHECK_FATAL(child >= 0);
    if (child == 0) {
        struct state_row row = srig_row("a", "s", "5");
        if (sqlite_store_own(rig.sqlite, NULL) < 0 || !srig_acquire(&rig) ||
            srig_save(&rig, &row, 1, NULL) < 0)
            _exit(1);
        if (write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    CHECK_INT(read(ready[0], &byte, 1), 1);
    struct err err = {0};
    CHECK_INT(sqlite_store_own(rig.sqlite, &err), -EBUSY);
    kill(child, SIGKILL);
    CHECK_INT(waitpid(child, NULL, 0), child);
    CHECK(srig_acquire(&rig));
    expect_rows(&rig, "position a arn s 5|");
    close(ready[0]);
    close(ready[1]);
    srig_end(&rig);
}

/* Saves 1, 2, 3 ... and says so behind each. */
static void save_for_ever(struct srig *rig, int out)
{
    char position[16];
    struct state_row row = srig_row("a", "s", "0");
    if (!srig_acquire(rig))
        _exit(1);
    for (int i = 1;; i++) {
        snprintf(position, sizeof position, "%d", i);
        row.position = str_of(position);
        if (srig_save(rig, &row, 1, NULL) < 0 || write(out, &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

static pid_t start_saving(struct srig *rig, int *out)
{
    int ends[2];
    srig_begin(rig);
    CHECK_FATAL(pipe(ends) == 0);
    pid_t child = fork();
    CHECK_FATAL(child >= 0);
    if (child == 0)
        save_for_ever(rig, ends[1]);
    close(ends[1]);
    *out = ends[0];
    return child;
}

/* The last position that was told before the end. */
static int end_saving(pid_t child, int in)
{
    int told = 0, next;
    kill(child, SIGKILL);
    CHECK_INT(waitpid(child, NULL, 0), child);
    while (read(in, &next, sizeof next) == sizeof next)
        told = next;
    close(in);
    return told;
}

static long us_to_the_first_save(void)
{
    struct srig rig;
    struct timespec before, after;
    int in, first = 0;
    clock_gettime(CLOCK_MONOTONIC, &before);
    pid_t child = start_saving(&rig, &in);
    CHECK_INT(read(in, &first, sizeof first), sizeof first);
    clock_gettime(CLOCK_MONOTONIC, &after);
    end_saving(child, in);
    srig_end(&rig);
    return (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
}

/* At the start, while the file is made, and between any two system calls of a save. */
static void F70_a_kill_at_any_moment_leaves_what_was_told(void)
{
    long span_us = us_to_the_first_save() * 2;
    for (unsigned round = 0; round < 150; round++) {
        struct srig rig;
        int in;
        char text[128] = "", position[64];
        pid_t child = start_saving(&rig, &in);
        long nap_us = span_us * (long)(round * 79u % 150u) / 150;
        nanosleep(&(struct timespec){nap_us / 1000000, nap_us % 1000000 * 1000}, NULL);
        int told = end_saving(child, in);
        CHECK_FATAL(srig_acquire(&rig));
        CHECK_INT(srig_load(&rig, text, sizeof text, NULL), 0);
        snprintf(position, sizeof position, "position a arn s %d|", told);
        if (strcmp(text, told ? position : "") != 0) { /* or the one that was not told any more */
            snprintf(position, sizeof position, "position a arn s %d|", told + 1);
            CHECK_STR(text, position);
        }
        srig_end(&rig);
    }
}

static void S30_files_are_for_their_owner_only(void)
{
    static const struct {
        const char *name;
        mode_t mode;
    } table[] = {{"sub", 0700},
                 {"sub/weir.db", 0600},
                 {"sub/weir.db-wal", 0600},
                 {"sub/weir.db-shm", 0600},
                 {"sub/weir.db.lock", 0600}};
    struct srig rig;
    char path[128];
    struct stat info;
    int checked = 0;
    mode_t before = umask(0);
    begin_owned(&rig);
    struct state_row row = srig_row("a", "s", "1");
    CHECK_INT(srig_save(&rig, &row, 1, NULL), 0);
    umask(before);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        snprintf(path, sizeof path, "%s/%s", rig.folder, table[i].name);
        CHECK_INT(stat(path, &info), 0);
        unit_int(__FILE__, __LINE__, table[i].name, info.st_mode & 07777, table[i].mode);
    }
    for (int fd = 3; fd < 64; fd++) { /* a process that a credential helper is must not have them */
        char name[256] = "", link[32];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (readlink(link, name, sizeof name - 1) < 0 || !strstr(name, rig.folder))
            continue;
        checked++;
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    CHECK(checked >= 3);
    srig_end(&rig);
}

/* ---- a disk that fails ---- */

static const struct {
    int code, status;
    const char *says;
} failures[] = {{SQLITE_FULL, -ENOSPC, "the disk is full; what was stored before is valid"},
                {SQLITE_IOERR_FSYNC, -EIO, "nothing since counts as stored"},
                {SQLITE_IOERR_WRITE, -EIO, "the disk failed"}};
enum { FAILURES = sizeof failures / sizeof *failures };

/* The k-th change on disk of a save fails: what is told as stored is there after a crash, what was
 * stored before always, and the next save heals. */
static void save_with_failure(size_t f, int k, bool for_good, bool *failed)
{
    struct srig rig;
    char reason[200], text[256];
    struct badfs *badfs = badfs_install();
    begin_owned(&rig);
    struct state_row row = srig_row("a", "s", "1");
    CHECK_INT(srig_save(&rig, &row, 1, NULL), 0);
    badfs->fail_at = k;
    badfs->code = failures[f].code;
    badfs->for_good = for_good;
    row.position = STR("2");
    int status = srig_save(&rig, &row, 1, reason);
    *failed = status < 0;
    badfs->fail_at = 0;
    if (status < 0) {
        CHECK_INT(status, failures[f].status);
        CHECK(strstr(reason, failures[f].says) != NULL);
        expect_rows(&rig, "position a arn s 1|");
        row.position = STR("3");
        CHECK_INT(srig_save(&rig, &row, 1, NULL), 0);
        expect_rows(&rig, "position a arn s 3|");
    }
    srig_reopen(&rig);
    CHECK_FATAL(srig_acquire(&rig));
    CHECK_INT(srig_load(&rig, text, sizeof text, NULL), 0);
    CHECK_STR(text, status < 0 ? "position a arn s 3|" : "position a arn s 2|");
    srig_end(&rig);
    badfs_remove();
}

static void F73_a_save_that_fails_leaves_what_was_stored(void)
{
    for (size_t f = 0; f < FAILURES; f++)
        for (int for_good = 0; for_good < 2; for_good++) {
            bool failed = true;
            int k = 1;
            for (; failed && k < 50; k++)
                save_with_failure(f, k, for_good, &failed);
            CHECK(k > 2 && k < 50); /* at least a write and a sync */
        }
}

/* The same while the file is made: it is whole or absent, and the next start makes it. */
static void F73_a_start_that_fails_leaves_nothing_half_made(void)
{
    for (size_t f = 0; f < FAILURES; f++) {
        bool failed = true;
        int k = 1;
        for (; failed && k < 200; k++) {
            struct srig rig;
            struct badfs *badfs = badfs_install();
            srig_begin(&rig);
            badfs->fail_at = k;
            badfs->code = failures[f].code;
            badfs->for_good = true;
            failed = !srig_acquire(&rig);
            CHECK(!failed || rig.reason[0]);
            badfs->fail_at = 0;
            srig_reopen(&rig);
            CHECK_FATAL(srig_acquire(&rig));
            expect_rows(&rig, "");
            srig_end(&rig);
            badfs_remove();
        }
        CHECK(k > 5 && k < 200);
    }
}

static void F73_a_place_that_can_not_be_written_is_said_at_the_start(void)
{
    struct srig rig;
    struct badfs *badfs = badfs_install();
    begin_owned(&rig);
    badfs->read_only = true;
    srig_reopen(&rig);
    CHECK(!srig_acquire(&rig));
    CHECK(strstr(rig.reason, "can't be written. Make the file and its folder writable") != NULL);
    srig_end(&rig);
    badfs_remove();
    struct srig nowhere;
    srig_begin(&nowhere);
    snprintf(nowhere.path, sizeof nowhere.path, "/proc/nowhere/weir.db");
    srig_reopen(&nowhere);
    CHECK(!srig_acquire(&nowhere));
    CHECK(strstr(nowhere.reason, "can't make the folder /proc/nowhere: ") != NULL);
    srig_end(&nowhere);
}

/* ---- saves and letters together ---- */

static void on_saved(struct store_save *save, int status)
{
    *(int *)save->arg = status;
}

static int save_beside_letters(struct srig *rig, struct store_put *puts, size_t count)
{
    struct state_row row = srig_row("a", "s", "9");
    int status = 1;
    struct store_save save = {.rows = &row, .count = 1, .done = on_saved, .arg = &status};
    rig->world.hold_works = true;
    for (size_t i = 0; i < count; i++)
        CHECK_INT(rig->store.dead_put(rig->store.ctx, &puts[i]), 0);
    CHECK_INT(rig->store.save(rig->store.ctx, &save), 0);
    rig->world.hold_works = false;
    vworld_settle(&rig->world);
    return status;
}

static void what_waits_together_is_one_transaction(void)
{
    struct srig rig;
    struct store_put puts[5];
    static const char *const names[] = {"1", "2", "3", "4", "5"};
    struct badfs *badfs = badfs_install();
    begin_owned(&rig);
    CHECK_INT(srig_put(&rig, STR("0"), STR("{}"), 1), 0);
    for (size_t i = 0; i < 5; i++)
        puts[i] = srig_put_of(&rig, str_of(names[i]), STR("{}"), 1);
    int before = badfs->syncs;
    CHECK_INT(save_beside_letters(&rig, puts, 5), 0);
    CHECK_INT(badfs->syncs - before, 2); /* the first letter; then all the rest */
    CHECK_INT(rig.answers, 6);
    expect_rows(&rig, "position a arn s 9|");
    srig_end(&rig);
    badfs_remove();
}

static void a_letter_that_fails_fails_no_position(void)
{
    struct srig rig;
    struct store_put puts[4];
    static const char *const names[] = {"1", "2", "13", "4"};
    begin_owned(&rig);
    CHECK_INT(srig_put(&rig, STR("0"), STR("{}"), 1), 0);
    srig_do(&rig, "CREATE TRIGGER refuse BEFORE INSERT ON dead_letter WHEN new.sequence = '13'"
                  " BEGIN SELECT RAISE(ABORT, 'unlucky'); END");
    for (size_t i = 0; i < 4; i++)
        puts[i] = srig_put_of(&rig, str_of(names[i]), STR("{}"), 1);
    CHECK_INT(save_beside_letters(&rig, puts, 4), 0);
    for (size_t i = 1; i < 5; i++)
        CHECK_INT(rig.status[i] < 0, i == 3);
    CHECK(strstr(rig.logged, "dead letters are stored again") != NULL);
    CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM dead_letter"), 4);
    srig_reopen(&rig);
    CHECK_FATAL(srig_acquire(&rig));
    expect_rows(&rig, "position a arn s 9|");
    srig_end(&rig);
}

/* `weir shards accept-gap` writes beside the daemon, which writes it as open once more. */
static void D10_an_accepted_gap_stays_accepted(void)
{
    struct srig rig;
    begin_owned(&rig);
    struct state_row gap = srig_row("a", "s1", "5");
    gap.kind = STATE_GAP;
    CHECK_INT(srig_save(&rig, &gap, 1, NULL), 0);
    gap.done = true;
    CHECK_INT(srig_save(&rig, &gap, 1, NULL), 0);
    gap.done = false;
    CHECK_INT(srig_save(&rig, &gap, 1, NULL), 0);
    CHECK_INT(srig_ask(&rig, "SELECT done FROM progress WHERE kind = 'gap'"), 1);
    gap.start_us++; /* another gap */
    CHECK_INT(srig_save(&rig, &gap, 1, NULL), 0);
    CHECK_INT(srig_ask(&rig, "SELECT done FROM progress WHERE kind = 'gap'"), 0);
    char text[200];
    CHECK_INT(srig_load(&rig, text, sizeof text, NULL), 0); /* their checksums are right */
    srig_end(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"D10_an_accepted_gap_stays_accepted", D10_an_accepted_gap_stays_accepted},
        {"F70_rows_outlive_the_process", F70_rows_outlive_the_process},
        {"each_field_comes_back_as_it_was", each_field_comes_back_as_it_was},
        {"pipelines_share_a_file_and_nothing_else", pipelines_share_a_file_and_nothing_else},
        {"F72_memory_that_fails_anywhere_loses_nothing_that_was_stored",
         F72_memory_that_fails_anywhere_loses_nothing_that_was_stored},
        {"the_second_process_is_told_who_has_it", the_second_process_is_told_who_has_it},
        {"F70_a_killed_owner_holds_nothing", F70_a_killed_owner_holds_nothing},
        {"F70_a_kill_at_any_moment_leaves_what_was_told",
         F70_a_kill_at_any_moment_leaves_what_was_told},
        {"S30_files_are_for_their_owner_only", S30_files_are_for_their_owner_only},
        {"F73_a_save_that_fails_leaves_what_was_stored",
         F73_a_save_that_fails_leaves_what_was_stored},
        {"F73_a_start_that_fails_leaves_nothing_half_made",
         F73_a_start_that_fails_leaves_nothing_half_made},
        {"F73_a_place_that_can_not_be_written_is_said_at_the_start",
         F73_a_place_that_can_not_be_written_is_said_at_the_start},
        {"what_waits_together_is_one_transaction", what_waits_together_is_one_transaction},
        {"a_letter_that_fails_fails_no_position", a_letter_that_fails_fails_no_position},
        {NULL, NULL}};
    return unit_main(argc, argv, "state, SQLite", tests);
}
