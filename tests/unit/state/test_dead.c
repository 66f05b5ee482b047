/* Dead letters in the state file. */
#include "srig.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static void letters_outlive_the_process(void)
{
    struct srig rig;
    struct stat info;
    srig_begin(&rig);
    CHECK_INT(access(rig.path, F_OK), -1); /* no file before the first letter */
    CHECK_INT(srig_put(&rig, STR("1"), STR("{}"), 3), 0);
    CHECK_INT(sqlite_store_letters(rig.sqlite), 1);
    CHECK_INT(stat(rig.path, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0600);
    srig_reopen(&rig);
    CHECK_INT(srig_put(&rig, STR("2"), STR("{}"), 3), 0);
    CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM dead_letter"), 2);
    srig_end(&rig);
}

static void a_record_read_again_replaces_its_letter_poison_does_not(void)
{
    struct srig rig;
    srig_begin(&rig);
    CHECK_INT(srig_put(&rig, STR("1"), STR("{}"), 1), 0);
    CHECK_INT(srig_put(&rig, STR("1"), STR("{\"a\":1}"), 2), 0);
    CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM dead_letter"), 1);
    CHECK_INT(srig_ask(&rig, "SELECT attempts FROM dead_letter"), 2);
    CHECK_INT(srig_ask(&rig, "SELECT first_us FROM dead_letter"), 1001); /* of the first letter */
    CHECK_INT(srig_ask(&rig, "SELECT last_us FROM dead_letter"), 2002);
    CHECK_INT(srig_ask(&rig, "SELECT length(record) FROM dead_letter"), 7);
    CHECK_INT(srig_put(&rig, STR(""), STR("x"), 0), 0);
    CHECK_INT(srig_put(&rig, STR(""), STR("y"), 0), 0);
    CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM dead_letter"), 3);
    srig_end(&rig);
}

static void hostile_texts_are_stored_as_they_are(void)
{
    static const char bytes[] = "'); DROP TABLE dead_letter;--\0\xff\xfe\x1b[2J\"";
    struct srig rig;
    const weir_str hostile = {bytes, sizeof bytes - 1};
    srig_begin(&rig);
    struct store_put one = srig_put_of(&rig, STR("7"), hostile, 1);
    one.letter.reason = one.letter.sink = one.letter.stream_arn = hostile;
    one.letter.shard = STR_NONE;
    CHECK_INT(rig.store.dead_put(rig.store.ctx, &one), 0);
    vworld_settle(&rig.world);
    CHECK_INT(rig.status[0], 0);
    CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM dead_letter WHERE shard = ''"), 1);
    CHECK_INT(srig_ask(&rig, "SELECT length(record) FROM dead_letter"), (long long)hostile.len);
    CHECK_INT(srig_ask(&rig, "SELECT length(CAST(reason AS BLOB)) FROM dead_letter"),
              (long long)hostile.len);
    srig_end(&rig);
}

/* What comes while a letter is being written is written together, and answered in order. */
static void letters_queue_up(void)
{
    struct srig rig;
    struct store_put puts[6];
    char names[6][4];
    srig_begin(&rig);
    rig.world.hold_works = true;
    for (size_t i = 0; i < 6; i++) {
        snprintf(names[i], sizeof names[i], "%zu", i);
        puts[i] = srig_put_of(&rig, str_of(names[i]), STR("{}"), 1);
        CHECK_INT(rig.store.dead_put(rig.store.ctx, &puts[i]), 0);
    }
    CHECK(vworld_work(&rig.world));
    CHECK_INT(rig.answers, 1);
    CHECK(vworld_work(&rig.world));
    CHECK_INT(rig.answers, 6);
    CHECK(!vworld_work(&rig.world));
    for (size_t i = 0; i < 6; i++)
        CHECK_INT(rig.status[i], 0);
    CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM dead_letter"), 6);
    srig_end(&rig);
}

static void a_pool_that_takes_nothing_more_is_heard_of(void)
{
    struct srig rig;
    struct store_put puts[4];
    static const char *const names[] = {"1", "2", "3", "4"};
    srig_begin(&rig);
    rig.world.hold_works = true;
    for (size_t i = 0; i < 4; i++)
        puts[i] = srig_put_of(&rig, str_of(names[i]), STR("{}"), 1);
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(rig.store.dead_put(rig.store.ctx, &puts[i]), 0);
    rig.world.refuse_work = -EAGAIN;
    CHECK(vworld_work(&rig.world));
    CHECK_INT(rig.answers, 3);
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(rig.status[i], i < 1 ? 0 : -EAGAIN);
    CHECK_INT(rig.store.dead_put(rig.store.ctx, &puts[3]), -EAGAIN);
    rig.world.refuse_work = 0;
    rig.world.hold_works = false;
    CHECK_INT(srig_put(&rig, STR("9"), STR("{}"), 1), 0);
    CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM dead_letter"), 2);
    srig_end(&rig);
}

static void a_letter_never_takes_another_record_s_place(void)
{
    static const struct {
        const char *stream, *sequence, *event_id;
        int letters;
    } table[] = {
        {"arn:a", "100", "e1", 1}, /* the first */
        {"arn:a", "100", "e1", 1}, /* the same record again */
        {"arn:b", "100", "e1", 2}, /* another stream */
        {"", "1", "e1", 3},        /* from a file, without a stream */
        {"", "1", "e2", 4},        /* another file's first record */
        {"", "", "", 5},           /* poison without a position */
        {"", "", "", 6},           /* and another */
    };
    struct srig rig;
    srig_begin(&rig);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct store_put one = srig_put_of(&rig, str_of(table[i].sequence), STR("{}"), 1);
        one.letter.stream_arn = str_of(table[i].stream);
        one.letter.event_id = str_of(table[i].event_id);
        CHECK_INT(rig.store.dead_put(rig.store.ctx, &one), 0);
        vworld_settle(&rig.world);
        CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM dead_letter"), table[i].letters);
    }
    srig_end(&rig);
}

/* From inside done(), as a router might. */
struct chain {
    struct srig *rig;
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
    struct srig rig;
    srig_begin(&rig);
    struct chain chain = {.rig = &rig, .again = srig_put_of(&rig, STR("2"), STR("{}"), 1)};
    struct store_put first = srig_put_of(&rig, STR("1"), STR("{}"), 1);
    struct store_put behind = srig_put_of(&rig, STR("3"), STR("{}"), 1);
    first.done = on_chain;
    first.arg = &chain;
    CHECK_INT(rig.store.dead_put(rig.store.ctx, &first), 0);
    CHECK_INT(rig.store.dead_put(rig.store.ctx, &behind), 0);
    vworld_settle(&rig.world);
    CHECK_INT(rig.answers, 3);
    CHECK_INT(sqlite_store_letters(rig.sqlite), 3);
    CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM dead_letter"), 3);
    srig_end(&rig);
}

static void a_folder_that_can_not_be_made_is_an_error_each_time(void)
{
    struct srig rig;
    char blocker[128];
    srig_begin(&rig);
    snprintf(blocker, sizeof blocker, "%s/sub", rig.folder);
    FILE *file = fopen(blocker, "w"); /* a file where the folder should be */
    CHECK_FATAL(file != NULL);
    fclose(file);
    CHECK(srig_put(&rig, STR("1"), STR("{}"), 1) < 0);
    CHECK(srig_put(&rig, STR("1"), STR("{}"), 1) < 0);
    CHECK_INT(sqlite_store_letters(rig.sqlite), 0);
    remove(blocker);
    CHECK_INT(srig_put(&rig, STR("1"), STR("{}"), 1), 0); /* and it heals */
    srig_end(&rig);
}

static void a_file_that_is_no_database_is_an_error_and_left_alone(void)
{
    struct srig rig;
    char folder[128];
    srig_begin(&rig);
    snprintf(folder, sizeof folder, "%s/sub", rig.folder);
    CHECK_INT(mkdir(folder, 0700), 0);
    FILE *file = fopen(rig.path, "w");
    CHECK_FATAL(file != NULL);
    for (int i = 0; i < 400; i++)
        fputs("not a database ", file);
    fclose(file);
    CHECK(srig_put(&rig, STR("1"), STR("{}"), 1) < 0);
    struct stat info;
    CHECK_INT(stat(rig.path, &info), 0);
    CHECK_INT(info.st_size, 6000);
    srig_end(&rig);
}

/* A limit of file size, which is no full disk to SQLite: an error, nothing half stored, and it goes
 * on when there is room again. */
static void F73_a_letter_without_room_is_an_error(void)
{
    struct srig rig;
    struct rlimit before, tiny;
    size_t len = 1u << 20;
    char *large = malloc(len);
    CHECK_FATAL(large != NULL);
    memset(large, 'x', len);
    srig_begin(&rig);
    CHECK_INT(srig_put(&rig, STR("1"), STR("{}"), 1), 0);
    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
    tiny = (struct rlimit){256 << 10, before.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    CHECK_INT(srig_put(&rig, STR("2"), (weir_str){large, len}, 1), -EIO);
    CHECK_INT(srig_put(&rig, STR("2"), (weir_str){large, len}, 1), -EIO);
    CHECK_INT(rig.lines, 1); /* said once */
    CHECK(strstr(rig.logged, "state W0820 ") && strstr(rig.logged, "the disk failed"));
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM dead_letter"), 1);
    CHECK_INT(srig_put(&rig, STR("2"), (weir_str){large, len}, 1), 0);
    CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM dead_letter"), 2);
    free(large);
    srig_end(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"letters_outlive_the_process", letters_outlive_the_process},
        {"a_record_read_again_replaces_its_letter_poison_does_not",
         a_record_read_again_replaces_its_letter_poison_does_not},
        {"hostile_texts_are_stored_as_they_are", hostile_texts_are_stored_as_they_are},
        {"letters_queue_up", letters_queue_up},
        {"a_pool_that_takes_nothing_more_is_heard_of", a_pool_that_takes_nothing_more_is_heard_of},
        {"a_letter_never_takes_another_record_s_place",
         a_letter_never_takes_another_record_s_place},
        {"a_letter_may_follow_from_inside_done", a_letter_may_follow_from_inside_done},
        {"a_folder_that_can_not_be_made_is_an_error_each_time",
         a_folder_that_can_not_be_made_is_an_error_each_time},
        {"a_file_that_is_no_database_is_an_error_and_left_alone",
         a_file_that_is_no_database_is_an_error_and_left_alone},
        {"F73_a_letter_without_room_is_an_error", F73_a_letter_without_room_is_an_error},
        {NULL, NULL}};
    return unit_main(argc, argv, "state, dead letters", tests);
}
