/* What sinks keep, in the state file: what is told as stored is stored, whatever the disk does. */
#include "badfs.h"
#include "srig.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int keep_bytes(struct srig *rig, const char *sink, weir_str key, weir_str bytes)
{
    struct srig_keep one;
    srig_keep_of(&one, sink, key, bytes);
    return srig_keep(rig, &one);
}

static int keep(struct srig *rig, const char *sink, const char *key, const char *value)
{
    return keep_bytes(rig, sink, str_of(key), str_of(value));
}

static int forget(struct srig *rig, const char *sink, const char *key)
{
    struct srig_keep one;
    srig_keep_of(&one, sink, str_of(key), STR_NONE);
    one.keep.erase = true;
    return srig_keep(rig, &one);
}

/* Handed over; told later. */
static void hand_over(struct srig *rig, struct srig_keep *one)
{
    CHECK_INT(rig->store.keep(rig->store.ctx, &one->keep), 0);
    CHECK_INT(one->told, 0);
}

static void expect(struct srig *rig, const char *sink, const char *plugin, const char *expected)
{
    char text[512];
    CHECK_INT(srig_kept(rig, sink, plugin, text, sizeof text), 0);
    CHECK_STR(text, expected);
}

struct seen {
    weir_str key, value; /* of the last */
    int count, stop;
};

static int on_value(void *arg, weir_str key, weir_str value)
{
    struct seen *seen = arg;
    seen->key = key;
    seen->value = value;
    seen->count++;
    return seen->stop;
}

static void begin_owned(struct srig *rig)
{
    srig_begin(rig);
    CHECK_FATAL(srig_acquire(rig));
}

static void next_process(struct srig *rig)
{
    srig_reopen(rig);
    CHECK_FATAL(srig_acquire(rig));
}

static void F70_values_outlive_the_process(void)
{
    struct srig rig;
    begin_owned(&rig);
    expect(&rig, "a", "http", "");
    CHECK_INT(keep(&rig, "a", "k2", "1"), 0);
    CHECK_INT(keep(&rig, "a", "k1", ""), 0);
    CHECK_INT(keep(&rig, "b", "k2", "of b"), 0);
    CHECK_INT(keep(&rig, "a", "k2", "2"), 0);
    CHECK_INT(keep(&rig, "a", "k3", "3"), 0);
    CHECK_INT(forget(&rig, "a", "k3"), 0);
    CHECK_INT(forget(&rig, "a", "none"), 0);
    next_process(&rig);
    expect(&rig, "a", "http", "k1= k2=2 ");
    expect(&rig, "b", "http", "k2=of b ");
    expect(&rig, "c", "http", "");
    expect(&rig, "a", "file", ""); /* another plugin under the same name */
    struct seen seen = {.stop = -ENOMEM};
    CHECK_INT(rig.store.kept(rig.store.ctx, STR("a"), STR("http"), on_value, &seen), -ENOMEM);
    CHECK_INT(seen.count, 1);
    srig_end(&rig);
}

static void pipelines_share_a_file_and_no_value(void)
{
    struct srig rig;
    begin_owned(&rig);
    CHECK_INT(keep(&rig, "a", "k", "1"), 0);
    srig_do(&rig, "INSERT INTO sink_value SELECT 'other', sink, plugin, 'x', value, checksum"
                  " FROM sink_value"); /* not looked at: its checksum is the other's to find */
    next_process(&rig);
    expect(&rig, "a", "http", "k=1 ");
    CHECK_INT(forget(&rig, "a", "x"), 0);
    CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM sink_value WHERE pipeline = 'other'"), 1);
    srig_end(&rig);
}

static void each_byte_comes_back_as_it_was(void)
{
    static const char hostile[] = "'); DROP TABLE progress;--\0\xff\xfe";
    static char large[4096];
    const weir_str text = {hostile, sizeof hostile - 1}, key = {large, 256};
    struct srig rig;
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 7);
    begin_owned(&rig);
    CHECK_INT(keep_bytes(&rig, "a", text, text), 0);
    CHECK_INT(keep_bytes(&rig, "b", key, (weir_str){large, sizeof large}), 0);
    next_process(&rig);
    struct seen seen = {0};
    CHECK_INT(rig.store.kept(rig.store.ctx, STR("a"), STR("http"), on_value, &seen), 0);
    CHECK(str_eq(seen.key, text) && str_eq(seen.value, text));
    CHECK_INT(rig.store.kept(rig.store.ctx, STR("b"), STR("http"), on_value, &seen), 0);
    CHECK(str_eq(seen.key, key) && str_eq(seen.value, (weir_str){large, sizeof large}));
    srig_end(&rig);
}

static void only_the_owner_keeps_anything(void)
{
    struct srig rig;
    struct seen seen = {0};
    srig_begin(&rig);
    CHECK_INT(keep(&rig, "a", "k", "1"), -EPERM);
    CHECK_INT(rig.store.kept(rig.store.ctx, STR("a"), STR("http"), on_value, &seen), -EPERM);
    CHECK_INT(sqlite_store_own(rig.sqlite, NULL),
              0); /* as the daemon does, before its sinks open */
    expect(&rig, "a", "http", "");
    CHECK_INT(keep(&rig, "a", "k", "1"), 0);
    CHECK_FATAL(srig_acquire(&rig));
    CHECK_INT(keep(&rig, "a", "k", "2"), 0);
    srig_release(&rig);
    CHECK_INT(keep(&rig, "a", "k", "3"), -EPERM);
    CHECK_INT(rig.store.kept(rig.store.ctx, STR("a"), STR("http"), on_value, &seen), -EPERM);
    next_process(&rig);
    expect(&rig, "a", "http", "k=2 ");
    srig_end(&rig);
}

static void on_released(void *arg)
{
    ++*(int *)arg;
}

static void what_waits_is_one_transaction_in_order_and_before_the_release(void)
{
    enum { PUTS = 600 };
    static struct srig_keep puts[PUTS];
    struct srig rig;
    int released = 0;
    struct badfs *badfs = badfs_install();
    begin_owned(&rig);
    int before = badfs->syncs;
    rig.world.hold_works = true;
    for (size_t i = 0; i < PUTS; i++) {
        srig_keep_of(&puts[i], "a", STR("k"), i == PUTS - 1 ? STR("last") : STR("x"));
        hand_over(&rig, &puts[i]);
    }
    rig.store.release(rig.store.ctx, on_released, &released);
    rig.world.hold_works = false;
    vworld_settle(&rig.world);
    CHECK_INT(released, 1);
    CHECK(badfs->syncs - before < 10);
    for (size_t i = 0; i < PUTS; i++)
        CHECK(puts[i].told == 1 && puts[i].status == 0);
    next_process(&rig);
    expect(&rig, "a", "http", "k=last ");
    srig_end(&rig);
    badfs_remove();
}

static void a_value_that_fails_fails_no_position(void)
{
    struct srig rig;
    struct srig_keep good, bad;
    struct state_row row = srig_row("a", "s", "5");
    char text[128];
    begin_owned(&rig);
    srig_do(&rig, "CREATE TRIGGER refuse BEFORE INSERT ON sink_value WHEN new.key = 'bad'"
                  " BEGIN SELECT RAISE(ABORT, 'unlucky'); END");
    rig.world.hold_works = true;
    srig_keep_of(&good, "a", STR("good"), STR("1"));
    srig_keep_of(&bad, "a", STR("bad"), STR("1"));
    hand_over(&rig, &good); /* alone: it is under way already */
    hand_over(&rig, &bad);
    rig.world.hold_works = false;
    CHECK_INT(srig_save(&rig, &row, 1, NULL), 0);
    CHECK_INT(good.status, 0);
    CHECK(bad.status < 0);
    CHECK_INT(srig_load(&rig, text, sizeof text, NULL), 0);
    CHECK_STR(text, "position a arn s 5|");
    next_process(&rig);
    expect(&rig, "a", "http", "good=1 ");
    srig_end(&rig);
}

/* ---- the file ---- */

static void F74_a_value_changed_by_hand_is_told(void)
{
    static const char *const changes[] = {"value = CAST('2' AS BLOB)", "key = 'l'", "sink = 'b'",
                                          "plugin = 'file'", "checksum = checksum + 1"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct srig rig;
        char sql[128];
        begin_owned(&rig);
        CHECK_INT(keep(&rig, "a", "k", "1"), 0);
        snprintf(sql, sizeof sql, "UPDATE sink_value SET %s", changes[i]);
        srig_do(&rig, sql);
        srig_reopen(&rig);
        CHECK(!srig_acquire(&rig));
        CHECK(strstr(rig.reason, "was changed by something") != NULL);
        CHECK_INT(keep(&rig, "a", "k", "1"), -EPERM);
        srig_end(&rig);
    }
}

/* Format 1.1 had no such table; a weir of then opens a file of now as F79 has it. */
static void F79_an_older_file_gets_the_table(void)
{
    struct srig rig;
    struct state_row row = srig_row("a", "s", "1");
    char text[128];
    begin_owned(&rig);
    CHECK_INT(srig_save(&rig, &row, 1, NULL), 0);
    srig_do(&rig, "DROP TABLE sink_value; UPDATE meta SET value = '1.1' WHERE key = 'schema'");
    next_process(&rig);
    CHECK_INT(srig_ask(&rig, "SELECT value = '1.2' FROM meta WHERE key = 'schema'"), 1);
    CHECK_INT(srig_load(&rig, text, sizeof text, NULL), 0);
    CHECK_STR(text, "position a arn s 1|");
    expect(&rig, "a", "http", "");
    CHECK_INT(keep(&rig, "a", "k", "1"), 0);
    srig_do(&rig, "ALTER TABLE sink_value ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';"
                  "UPDATE meta SET value = '1.9' WHERE key = 'schema'");
    next_process(&rig);
    expect(&rig, "a", "http", "k=1 ");
    CHECK_INT(keep(&rig, "a", "k", "2"), 0);
    next_process(&rig);
    expect(&rig, "a", "http", "k=2 ");
    srig_end(&rig);
}

/* ---- a disk that fails, a process that is killed ---- */

static const struct {
    int code, status;
} failures[] = {{SQLITE_FULL, -ENOSPC}, {SQLITE_IOERR_FSYNC, -EIO}, {SQLITE_IOERR_WRITE, -EIO}};

static bool put_with_failure(size_t f, int k)
{
    struct srig rig;
    struct badfs *badfs = badfs_install();
    begin_owned(&rig);
    CHECK_INT(keep(&rig, "a", "k", "1"), 0);
    badfs->fail_at = k;
    badfs->code = failures[f].code;
    badfs->for_good = true;
    int status = keep(&rig, "a", "k", "2");
    badfs->fail_at = 0;
    CHECK(status == 0 || status == failures[f].status);
    srig_reopen(&rig); /* at once, as after a crash */
    CHECK_FATAL(srig_acquire(&rig));
    char text[128];
    CHECK_INT(srig_kept(&rig, "a", "http", text, sizeof text), 0);
    if (status == 0 || strcmp(text, "k=1 ") != 0) /* not told: the old one or the new one */
        CHECK_STR(text, "k=2 ");
    CHECK_INT(keep(&rig, "a", "k", "3"), 0);
    srig_end(&rig);
    badfs_remove();
    return status < 0;
}

static void F73_a_put_that_fails_is_told_and_tears_nothing(void)
{
    for (size_t f = 0; f < sizeof failures / sizeof *failures; f++) {
        int k = 1;
        while (k < 50 && put_with_failure(f, k))
            k++;
        CHECK(k > 2 && k < 50); /* at least a write and a sync */
    }
}

static void F73_a_place_that_can_not_be_written_is_told(void)
{
    struct srig rig;
    begin_owned(&rig);
    CHECK_INT(keep(&rig, "a", "k", "1"), 0);
    srig_do(&rig, "CREATE TRIGGER refuse BEFORE UPDATE ON sink_value"
                  " BEGIN SELECT RAISE(FAIL, 'no'); END");
    CHECK(keep(&rig, "a", "k", "2") < 0);
    rig.world.refuse_work = -EAGAIN;
    CHECK(keep(&rig, "a", "k", "2") < 0); /* no thread: not taken, so not told */
    rig.world.refuse_work = 0;
    next_process(&rig);
    expect(&rig, "a", "http", "k=1 ");
    srig_end(&rig);
}

/* Puts 1, 2, 3 ... under two keys and says so behind each. */
static void keep_for_ever(struct srig *rig, int out)
{
    static char filled[4096];
    if (!srig_acquire(rig))
        _exit(1);
    for (int i = 1;; i++) {
        memset(filled, 'x', sizeof filled);
        int len = snprintf(filled, 16, "%d ", i);
        filled[len] = 'x';
        if (keep_bytes(rig, "a", STR("k"), (weir_str){filled, sizeof filled}) < 0 ||
            write(out, &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

static int kill_after(struct srig *rig, long nap_us)
{
    int ends[2], told = 0, next;
    CHECK_FATAL(pipe(ends) == 0);
    pid_t child = fork();
    CHECK_FATAL(child >= 0);
    if (child == 0)
        keep_for_ever(rig, ends[1]);
    close(ends[1]);
    CHECK_INT(read(ends[0], &told, sizeof told), sizeof told);
    nanosleep(&(struct timespec){0, nap_us * 1000}, NULL);
    kill(child, SIGKILL);
    CHECK_INT(waitpid(child, NULL, 0), child);
    while (read(ends[0], &next, sizeof next) == sizeof next)
        told = next;
    close(ends[0]);
    return told;
}

static void F70_a_kill_at_any_moment_leaves_what_was_told(void)
{
    for (int round = 0; round < 60; round++) {
        struct srig rig;
        struct seen seen = {0};
        srig_begin(&rig);
        int told = kill_after(&rig, round * 79 % 60 * 50);
        CHECK_FATAL(srig_acquire(&rig));
        CHECK_INT(rig.store.kept(rig.store.ctx, STR("a"), STR("http"), on_value, &seen), 0);
        CHECK_FATAL(seen.value.len == 4096);
        long found = strtol(seen.value.ptr, NULL, 10);
        CHECK(found == told || found == told + 1);
        CHECK(seen.value.ptr[4095] == 'x');
        srig_end(&rig);
    }
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F70_values_outlive_the_process", F70_values_outlive_the_process},
        {"pipelines_share_a_file_and_no_value", pipelines_share_a_file_and_no_value},
        {"each_byte_comes_back_as_it_was", each_byte_comes_back_as_it_was},
        {"only_the_owner_keeps_anything", only_the_owner_keeps_anything},
        {"what_waits_is_one_transaction_in_order_and_before_the_release",
         what_waits_is_one_transaction_in_order_and_before_the_release},
        {"a_value_that_fails_fails_no_position", a_value_that_fails_fails_no_position},
        {"F74_a_value_changed_by_hand_is_told", F74_a_value_changed_by_hand_is_told},
        {"F79_an_older_file_gets_the_table", F79_an_older_file_gets_the_table},
        {"F73_a_put_that_fails_is_told_and_tears_nothing",
         F73_a_put_that_fails_is_told_and_tears_nothing},
        {"F73_a_place_that_can_not_be_written_is_told",
         F73_a_place_that_can_not_be_written_is_told},
        {"F70_a_kill_at_any_moment_leaves_what_was_told",
         F70_a_kill_at_any_moment_leaves_what_was_told},
        {NULL, NULL}};
    return unit_main(argc, argv, "state, what sinks keep", tests);
}
