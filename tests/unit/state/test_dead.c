/* The local dead-letter store on a real SQLite file. */
#include "state/dead_sqlite.h"
#include "unit.h"
#include "util/alloc.h"
#include "vworld.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

struct drig {
    struct vworld world;
    struct dead_store *dead;
    struct store store;
    char folder[64], path[128];
    int status[16];
    size_t answers;
};

static void begin(struct drig *rig)
{
    *rig = (struct drig){.folder = "/tmp/weir-dead-XXXXXX"};
    vworld_init(&rig->world, 1);
    CHECK_FATAL(mkdtemp(rig->folder) != NULL);
    snprintf(rig->path, sizeof rig->path, "%s/sub/dead.db", rig->folder);
    CHECK_FATAL(dead_store_new(rig->path, &rig->world.world, &rig->dead) == 0);
    dead_store_seam(rig->dead, &rig->store);
}

static void reopen(struct drig *rig)
{
    dead_store_free(rig->dead);
    CHECK_FATAL(dead_store_new(rig->path, &rig->world.world, &rig->dead) == 0);
    dead_store_seam(rig->dead, &rig->store);
}

static void end(struct drig *rig)
{
    static const char *const names[] = {"/sub/dead.db", "/sub/dead.db-wal", "/sub/dead.db-shm",
                                        "/sub"};
    char path[160];
    dead_store_free(rig->dead);
    vworld_done(&rig->world);
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", rig->folder, names[i]);
        remove(path);
    }
    CHECK_INT(rmdir(rig->folder), 0);
}

static void on_done(struct store_put *put, int status)
{
    struct drig *rig = put->arg;
    CHECK_FATAL(rig->answers < 16);
    rig->status[rig->answers++] = status;
}

static struct store_put put_of(struct drig *rig, weir_str sequence, weir_str record, int attempts)
{
    return (struct store_put){.letter = {.pipeline = STR("p"),
                                         .sink = STR("s"),
                                         .stream_arn = STR("arn"),
                                         .shard = STR(""),
                                         .sequence = sequence,
                                         .event_id = STR("e"),
                                         .record = record,
                                         .reason = STR("why"),
                                         .code = STR("GaveUp"),
                                         .attempts = attempts,
                                         .first_us = 1000 + attempts,
                                         .last_us = 2000 + attempts},
                              .done = on_done,
                              .arg = rig};
}

static int put(struct drig *rig, weir_str sequence, weir_str record, int attempts)
{
    struct store_put one = put_of(rig, sequence, record, attempts);
    size_t before = rig->answers;
    int rc = rig->store.dead_put(rig->store.ctx, &one);
    if (rc < 0)
        return rc;
    CHECK_INT(rig->answers, before); /* later, never from inside */
    vworld_settle(&rig->world);
    CHECK_INT(rig->answers, before + 1);
    return rig->status[before];
}

static long long ask(const struct drig *rig, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    CHECK_FATAL(sqlite3_open_v2(rig->path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
    CHECK_FATAL(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
    CHECK_INT(sqlite3_step(statement), SQLITE_ROW);
    long long value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

static void letters_outlive_the_process(void)
{
    struct drig rig;
    struct stat info;
    begin(&rig);
    CHECK_INT(access(rig.path, F_OK), -1); /* no file before the first letter */
    CHECK_INT(put(&rig, STR("1"), STR("{}"), 3), 0);
    CHECK_INT(dead_store_count(rig.dead), 1);
    CHECK_INT(stat(rig.path, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0600);
    reopen(&rig);
    CHECK_INT(put(&rig, STR("2"), STR("{}"), 3), 0);
    CHECK_INT(ask(&rig, "SELECT count(*) FROM dead_letter"), 2);
    end(&rig);
}

static void a_record_read_again_replaces_its_letter_poison_does_not(void)
{
    struct drig rig;
    begin(&rig);
    CHECK_INT(put(&rig, STR("1"), STR("{}"), 1), 0);
    CHECK_INT(put(&rig, STR("1"), STR("{\"a\":1}"), 2), 0);
    CHECK_INT(ask(&rig, "SELECT count(*) FROM dead_letter"), 1);
    CHECK_INT(ask(&rig, "SELECT attempts FROM dead_letter"), 2);
    CHECK_INT(ask(&rig, "SELECT first_us FROM dead_letter"), 1001); /* of the first letter */
    CHECK_INT(ask(&rig, "SELECT last_us FROM dead_letter"), 2002);
    CHECK_INT(ask(&rig, "SELECT length(record) FROM dead_letter"), 7);
    CHECK_INT(put(&rig, STR(""), STR("x"), 0), 0);
    CHECK_INT(put(&rig, STR(""), STR("y"), 0), 0);
    CHECK_INT(ask(&rig, "SELECT count(*) FROM dead_letter"), 3);
    end(&rig);
}

static void hostile_texts_are_stored_as_they_are(void)
{
    static const char bytes[] = "'); DROP TABLE dead_letter;--\0\xff\xfe\x1b[2J\"";
    struct drig rig;
    const weir_str hostile = {bytes, sizeof bytes - 1};
    begin(&rig);
    struct store_put one = put_of(&rig, STR("7"), hostile, 1);
    one.letter.reason = one.letter.sink = one.letter.stream_arn = hostile;
    one.letter.shard = STR_NONE;
    CHECK_INT(rig.store.dead_put(rig.store.ctx, &one), 0);
    vworld_settle(&rig.world);
    CHECK_INT(rig.status[0], 0);
    CHECK_INT(ask(&rig, "SELECT count(*) FROM dead_letter WHERE shard = ''"), 1);
    CHECK_INT(ask(&rig, "SELECT length(record) FROM dead_letter"), (long long)hostile.len);
    CHECK_INT(ask(&rig, "SELECT length(CAST(reason AS BLOB)) FROM dead_letter"),
              (long long)hostile.len);
    end(&rig);
}

/* Several at once: each is answered, in order, and the queue survives a refused one. */
static void letters_queue_up(void)
{
    struct drig rig;
    struct store_put puts[6];
    char names[6][4];
    begin(&rig);
    rig.world.hold_works = true;
    for (size_t i = 0; i < 6; i++) {
        snprintf(names[i], sizeof names[i], "%zu", i);
        puts[i] = put_of(&rig, str_of(names[i]), STR("{}"), 1);
        CHECK_INT(rig.store.dead_put(rig.store.ctx, &puts[i]), 0);
    }
    CHECK(vworld_work(&rig.world));
    CHECK(vworld_work(&rig.world));
    CHECK_INT(rig.answers, 2);
    rig.world.refuse_work = -EAGAIN; /* the pool takes nothing more: the rest hears of it */
    CHECK(vworld_work(&rig.world));
    CHECK_INT(rig.answers, 6);
    for (size_t i = 0; i < 6; i++)
        CHECK_INT(rig.status[i], i < 3 ? 0 : -EAGAIN);
    CHECK_INT(rig.store.dead_put(rig.store.ctx, &puts[5]), -EAGAIN);
    rig.world.refuse_work = 0;
    rig.world.hold_works = false;
    CHECK_INT(put(&rig, STR("9"), STR("{}"), 1), 0);
    CHECK_INT(ask(&rig, "SELECT count(*) FROM dead_letter"), 4);
    end(&rig);
}

/* From inside done(), as a router might. */
struct chain {
    struct drig *rig;
    struct store_put again;
};

static void on_chain(struct store_put *one, int status)
{
    struct chain *chain = one->arg;
    chain->rig->status[chain->rig->answers++] = status;
    CHECK_INT(chain->rig->store.dead_put(chain->rig->store.ctx, &chain->again), 0);
}

static void a_letter_may_follow_from_inside_done(void)
{
    struct drig rig;
    begin(&rig);
    struct chain chain = {.rig = &rig, .again = put_of(&rig, STR("2"), STR("{}"), 1)};
    struct store_put first = put_of(&rig, STR("1"), STR("{}"), 1);
    struct store_put behind = put_of(&rig, STR("3"), STR("{}"), 1);
    first.done = on_chain;
    first.arg = &chain;
    CHECK_INT(rig.store.dead_put(rig.store.ctx, &first), 0);
    CHECK_INT(rig.store.dead_put(rig.store.ctx, &behind), 0);
    vworld_settle(&rig.world);
    CHECK_INT(rig.answers, 3);
    CHECK_INT(dead_store_count(rig.dead), 3);
    CHECK_INT(ask(&rig, "SELECT count(*) FROM dead_letter"), 3);
    end(&rig);
}

static void a_folder_that_can_not_be_made_is_an_error_each_time(void)
{
    struct drig rig;
    char blocker[128];
    begin(&rig);
    snprintf(blocker, sizeof blocker, "%s/sub", rig.folder);
    FILE *file = fopen(blocker, "w"); /* a file where the folder should be */
    CHECK_FATAL(file != NULL);
    fclose(file);
    CHECK(put(&rig, STR("1"), STR("{}"), 1) < 0);
    CHECK(put(&rig, STR("1"), STR("{}"), 1) < 0);
    CHECK_INT(dead_store_count(rig.dead), 0);
    remove(blocker);
    CHECK_INT(put(&rig, STR("1"), STR("{}"), 1), 0); /* and it heals */
    end(&rig);
}

static void a_file_that_is_no_database_is_an_error_and_left_alone(void)
{
    struct drig rig;
    char folder[128];
    begin(&rig);
    snprintf(folder, sizeof folder, "%s/sub", rig.folder);
    CHECK_INT(mkdir(folder, 0700), 0);
    FILE *file = fopen(rig.path, "w");
    CHECK_FATAL(file != NULL);
    for (int i = 0; i < 400; i++)
        fputs("not a database ", file);
    fclose(file);
    CHECK(put(&rig, STR("1"), STR("{}"), 1) < 0);
    struct stat info;
    CHECK_INT(stat(rig.path, &info), 0);
    CHECK_INT(info.st_size, 6000);
    end(&rig);
}

/* No room for more: an error, nothing half stored, and it goes on when there is room again. */
static void a_full_disk_is_an_error(void)
{
    struct drig rig;
    struct rlimit before, tiny;
    size_t len = 1u << 20;
    char *large = malloc(len);
    CHECK_FATAL(large != NULL);
    memset(large, 'x', len);
    begin(&rig);
    CHECK_INT(put(&rig, STR("1"), STR("{}"), 1), 0);
    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
    tiny = (struct rlimit){256 << 10, before.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    CHECK(put(&rig, STR("2"), (weir_str){large, len}, 1) < 0);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK_INT(ask(&rig, "SELECT count(*) FROM dead_letter"), 1);
    CHECK_INT(put(&rig, STR("2"), (weir_str){large, len}, 1), 0);
    CHECK_INT(ask(&rig, "SELECT count(*) FROM dead_letter"), 2);
    free(large);
    end(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"letters_outlive_the_process", letters_outlive_the_process},
        {"a_record_read_again_replaces_its_letter_poison_does_not",
         a_record_read_again_replaces_its_letter_poison_does_not},
        {"hostile_texts_are_stored_as_they_are", hostile_texts_are_stored_as_they_are},
        {"letters_queue_up", letters_queue_up},
        {"a_letter_may_follow_from_inside_done", a_letter_may_follow_from_inside_done},
        {"a_folder_that_can_not_be_made_is_an_error_each_time",
         a_folder_that_can_not_be_made_is_an_error_each_time},
        {"a_file_that_is_no_database_is_an_error_and_left_alone",
         a_file_that_is_no_database_is_an_error_and_left_alone},
        {"a_full_disk_is_an_error", a_full_disk_is_an_error},
        {NULL, NULL}};
    return unit_main(argc, argv, "state, dead letters", tests);
}
