#include "unit.h"

#include "state/dead_sqlite.h"
#include "util/alloc.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A worker whose works run when the test says so. */
struct bench {
    char dir[64], path[96];
    struct world world;
    struct work *works[4];
    size_t work_count;
    struct dead_store *dead;
    struct store store;
    int done[4];
    struct store_put *chained; /* put from inside a done() */
};

static int submit(void *ctx, struct work *work)
{
    struct bench *bench = ctx;
    CHECK_FATAL(bench->work_count < 4);
    bench->works[bench->work_count++] = work;
    return 0;
}

static void run_works(struct bench *bench)
{
    while (bench->work_count > 0) {
        struct work *work = bench->works[0];
        memmove(bench->works, bench->works + 1, --bench->work_count * sizeof *bench->works);
        work->run(work);
        work->done(work);
    }
}

static void bench_open(struct bench *bench)
{
    *bench = (struct bench){.world.worker = {bench, submit}};
    snprintf(bench->dir, sizeof bench->dir, "/tmp/weir-dead-XXXXXX");
    CHECK_FATAL(mkdtemp(bench->dir) != NULL);
    snprintf(bench->path, sizeof bench->path, "%s/state/weir.db", bench->dir);
    CHECK_FATAL(dead_store_new(bench->path, &bench->world, &bench->dead) == 0);
    dead_store_seam(bench->dead, &bench->store);
}

static void bench_close(struct bench *bench)
{
    static const char *const names[] = {"state/weir.db", "state/weir.db-wal", "state/weir.db-shm"};
    char path[128];
    dead_store_free(bench->dead);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", bench->dir, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/state", bench->dir);
    rmdir(path);
    rmdir(bench->dir);
}

static void on_done(struct store_put *put, int status)
{
    struct bench *bench = put->arg;
    CHECK_INT(status, 0);
    bench->done[put->letter.attempts]++;
    struct store_put *next = bench->chained;
    bench->chained = NULL;
    if (next)
        CHECK_INT(bench->store.dead_put(bench->store.ctx, next), 0);
}

static struct store_put letter_of(struct bench *bench, int number, const char *stream,
                                  const char *sequence, const char *event_id)
{
    return (struct store_put){.letter = {.pipeline = STR("p"),
                                         .sink = STR("s"),
                                         .stream_arn = str_of(stream),
                                         .sequence = str_of(sequence),
                                         .event_id = str_of(event_id),
                                         .record = STR("{}"),
                                         .reason = STR("why"),
                                         .code = STR("GaveUp"),
                                         .attempts = number},
                              .done = on_done,
                              .arg = bench};
}

static void put(struct bench *bench, struct store_put *letter)
{
    CHECK_INT(bench->store.dead_put(bench->store.ctx, letter), 0);
}

static int rows(const struct bench *bench)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *count = NULL;
    int found = -1;
    if (sqlite3_open_v2(bench->path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT count(*) FROM dead_letter", -1, &count, NULL) == SQLITE_OK &&
        sqlite3_step(count) == SQLITE_ROW)
        found = sqlite3_column_int(count, 0);
    sqlite3_finalize(count);
    sqlite3_close(db);
    return found;
}

static void a_letter_never_takes_another_record_s_place(void)
{
    static const struct row {
        const char *what, *stream, *sequence, *event_id;
        int rows;
    } table[] = {
        {"the first", "arn:a", "100", "e1", 1},
        {"the same record again", "arn:a", "100", "e1", 1},
        {"another stream", "arn:b", "100", "e1", 2},
        {"from a file, without a stream", "", "1", "e1", 3},
        {"another file's first record", "", "1", "e2", 4},
        {"poison without a position", "", "", "", 5},
        {"and another", "", "", "", 6},
    };
    struct bench bench;
    bench_open(&bench);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct store_put letter =
            letter_of(&bench, 0, table[i].stream, table[i].sequence, table[i].event_id);
        put(&bench, &letter);
        run_works(&bench);
        unit_int(__FILE__, __LINE__, table[i].what, rows(&bench), table[i].rows);
    }
    bench_close(&bench);
}

/* The router may give up on the next record as soon as it hears of one: each is told once. */
static void a_letter_put_from_inside_done_is_written_once(void)
{
    struct bench bench;
    bench_open(&bench);
    struct store_put first = letter_of(&bench, 0, "arn:a", "1", "a"),
                     second = letter_of(&bench, 1, "arn:a", "2", "b"),
                     third = letter_of(&bench, 2, "arn:a", "3", "c"),
                     fourth = letter_of(&bench, 3, "arn:a", "4", "d");
    put(&bench, &first);
    put(&bench, &second);
    bench.chained = &third;
    run_works(&bench);
    put(&bench, &fourth);
    run_works(&bench);
    for (int i = 0; i < 4; i++)
        CHECK_INT(bench.done[i], 1);
    CHECK_INT(rows(&bench), 4);
    CHECK_INT(dead_store_count(bench.dead), 4);
    bench_close(&bench);
}

static void S30_records_are_for_their_owner_only(void)
{
    static const struct {
        const char *name;
        mode_t mode;
    } table[] = {{"state", 0700}, {"state/weir.db", 0600}, {"state/weir.db-wal", 0600}};
    struct bench bench;
    char path[128];
    struct stat info;
    bench_open(&bench);
    mode_t before = umask(0);
    struct store_put letter = letter_of(&bench, 0, "arn:a", "1", "a");
    put(&bench, &letter);
    run_works(&bench);
    umask(before);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", bench.dir, table[i].name);
        CHECK_INT(stat(path, &info), 0);
        unit_int(__FILE__, __LINE__, table[i].name, info.st_mode & 07777, table[i].mode);
    }
    bench_close(&bench);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"a_letter_never_takes_another_record_s_place",
         a_letter_never_takes_another_record_s_place},
        {"a_letter_put_from_inside_done_is_written_once",
         a_letter_put_from_inside_done_is_written_once},
        {"S30_records_are_for_their_owner_only", S30_records_are_for_their_owner_only},
        {0},
    };
    return unit_main(argc, argv, "dead_sqlite", tests);
}
