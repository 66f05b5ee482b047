/* The store on a SQLite file: what is in the file, and what happens when it can't be written. */
#include "table.h"
#include "unit.h"

#include "util/alloc.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define N(text) "{\"N\":\"" text "\"}"
#define SECOND  "1763850074"

static struct fake fake;
static char folder[64], path[96], options[160];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/weir-history-XXXXXX");
    CHECK_FATAL(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/prices.db", folder);
}

static void open_with(const char *more)
{
    make_folder();
    snprintf(options, sizeof options, "{\"store\":\"sqlite\",\"path\":\"%s\"%s}", path, more);
    CHECK_INT(fake_open(&fake, fake_load("pricehistory"), options), 0);
}

static void finish(void)
{
    char side[128];
    fake_close(&fake);
    unlink(path);
    snprintf(side, sizeof side, "%s-wal", path);
    unlink(side);
    snprintf(side, sizeof side, "%s-shm", path);
    unlink(side);
    CHECK_INT(rmdir(folder), 0);
}

/* The rows as `a|b|c` lines, or the first error. In a static buffer. */
static const char *query(const char *sql)
{
    static char out[4096];
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    size_t len = 0;
    out[0] = '\0';
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, sql, -1, &rows, NULL) != SQLITE_OK)
        snprintf(out, sizeof out, "error: %s", sqlite3_errmsg(db));
    while (rows && sqlite3_step(rows) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(rows) && len < sizeof out - 200; i++) {
            const char *text = (const char *)sqlite3_column_text(rows, i);
            len += (size_t)snprintf(out + len, 200, "%s%s", i ? "|" : "", text ? text : "-");
        }
        out[len++] = '\n';
        out[len] = '\0';
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    return out;
}

static void rows_are_for_people_and_exact(void)
{
    open_with(",\"on_missing\":\"record\"");
    CHECK_STR(fake.declared[WEIR_D_WRITES_TABLE], "");
    CHECK(access(path, F_OK) != 0); /* open() touches no file */
    fake_deliver(&fake,
                 change("p1", N("10"), N("12345678901234567890123456789012345678"), SECOND, "111"));
    fake_deliver(&fake, change("p2", NULL, "{\"S\":\"free\"}", SECOND, "112"));
    fake_deliver(&fake, change("p3", "{\"L\":[{\"N\":\"1\"}]}", "{\"NULL\":true}", SECOND, "113"));
    CHECK(access(path, F_OK) != 0); /* and nothing happens on the loop */
    fake_work_all(&fake);
    CHECK_STR(
        query("SELECT product_id, timestamp, old_price, new_price FROM price_history ORDER BY "
              "timestamp"),
        "p1|1763850074.0000000000000000000000000111|10|12345678901234567890123456789012345678\n"
        "p2|1763850074.0000000000000000000000000112|-|free\n"
        "p3|1763850074.0000000000000000000000000113|{\"L\":[{\"N\":\"1\"}]}|{\"NULL\":true}\n");
    CHECK_STR(
        query("SELECT product_id_type, old_type, new_type, changed_at, event_id, other_key FROM "
              "price_history ORDER BY timestamp"),
        "S|N|N|2025-11-22T22:21:14Z|e111|-\nS|-|S|2025-11-22T22:21:14Z|e112|-\n"
        "S|L|NULL|2025-11-22T22:21:14Z|e113|-\n");
    CHECK_STR(query("PRAGMA journal_mode"), "wal\n");
    CHECK_STR(fake.log, "info: Price updated for p1: 10 -> 12345678901234567890123456789012345678\n"
                        "info: Price updated for p2: (none) -> free\n"
                        "info: Price updated for p3: {\"L\":[{\"N\":\"1\"}]} -> {\"NULL\":true}\n");
    finish();
}

static void keys_of_other_types_and_second_keys_are_kept(void)
{
    open_with(",\"key_attribute\":\"k\"");
    fake_deliver(&fake,
                 "{\"eventName\":\"MODIFY\",\"eventID\":\"e\",\"dynamodb\":{\"Keys\":{\"k\":{\"B\" "
                 ": \"AAEC/w==\"},\"v\":{\"N\":\"2\"}},"
                 "\"ApproximateCreationDateTime\":1763850074,\"SequenceNumber\":\"9\","
                 "\"OldImage\":{\"price\":{\"N\":\"1\"}},\"NewImage\":{\"price\":{\"N\":\"2\"}}}}");
    fake_work_all(&fake);
    CHECK_STR(query("SELECT product_id, product_id_type, other_key FROM price_history"),
              "AAEC/w==|B|{\"v\":{\"N\":\"2\"}}\n");
    finish();
}

static void ok_comes_only_after_the_commit(void)
{
    open_with("");
    struct fake_delivery *delivery = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    CHECK_INT(fake_outcome(delivery, 0), 0);
    fake_work_begin(&fake);
    CHECK_INT(fake_outcome(delivery, 0), 0);
    fake_work_end(&fake);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    finish();
}

static void two_hundred_changes_in_a_second_are_two_hundred_rows(void)
{
    char *changes = many_changes(200, 1);
    open_with("");
    for (int round = 0; round < 2; round++) { /* the same batch twice: the same table */
        struct fake_delivery *delivery = fake_deliver(&fake, changes);
        fake_work_all(&fake);
        CHECK_INT(fake_outcomes(delivery, WEIR_OK), 200);
        CHECK_STR(query("SELECT count(*), count(DISTINCT timestamp) FROM price_history"),
                  "200|200\n");
    }
    finish();
    mem_free(changes);
}

static void what_arrives_meanwhile_is_one_transaction(void)
{
    char *changes = many_changes(700, 9);
    open_with("");
    fake_deliver(&fake, change("q", N("1"), N("2"), SECOND, "1"));
    fake_work_begin(&fake);
    struct fake_delivery *more = fake_deliver(&fake, changes);
    fake_deliver(&fake, change("q", N("2"), N("3"), SECOND, "2"));
    CHECK_INT(fake.work_count, 1);
    fake_work_end(&fake);
    CHECK(fake_work(&fake)); /* 500 */
    CHECK(fake_work(&fake)); /* 201 */
    CHECK(!fake_work(&fake));
    CHECK_INT(fake_outcomes(more, WEIR_OK), 700);
    CHECK_STR(query("SELECT count(*) FROM price_history"), "702\n");
    finish();
    mem_free(changes);
}

static void collision_of_whole_seconds_fails_and_a_repeat_passes(void)
{
    open_with(",\"timestamp\":\"seconds\"");
    struct fake_delivery *first = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    struct fake_delivery *again = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    struct fake_delivery *other = fake_deliver(&fake, change("p", N("2"), N("3"), SECOND, "2"));
    fake_work_all(&fake);
    CHECK_INT(fake_outcome(first, 0), WEIR_OK);
    CHECK_INT(fake_outcome(again, 0), WEIR_OK);
    CHECK_INT(fake_outcome(other, 0), WEIR_FAIL);
    CHECK_STR(fake_reason(other, 0), "collision: p at 1763850074 is the row of event e1");
    CHECK_STR(query("SELECT timestamp, old_price, new_price FROM price_history"),
              "1763850074|1|2\n");
    finish();
}

static void F36_a_file_that_can_not_be_opened_means_down(void)
{
    open_with("");
    CHECK_INT(mkdir(path, 0700), 0); /* a folder stands in its place */
    struct fake_delivery *delivery = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    fake_work_all(&fake);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_DOWN);
    CHECK(strstr(fake_reason(delivery, 0), "unable to open database file") != NULL);
    CHECK_INT(rmdir(path), 0); /* mended: the next delivery passes */
    delivery = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    fake_work_all(&fake);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    finish();
}

static void a_locked_file_means_down_and_nothing_is_half_stored(void)
{
    sqlite3 *db = NULL;
    open_with("");
    fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    fake_work_all(&fake);
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct fake_delivery *delivery = fake_deliver(&fake, change("p", N("2"), N("3"), SECOND, "2"));
    fake_work_all(&fake);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_DOWN);
    CHECK(strstr(fake_reason(delivery, 0), "database is locked") != NULL);
    sqlite3_close(db);
    CHECK_STR(query("SELECT count(*) FROM price_history"), "1\n");
    delivery = fake_deliver(&fake, change("p", N("2"), N("3"), SECOND, "2"));
    fake_work_all(&fake);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    finish();
}

/* A file that may not grow is what a full disk looks like. */
static void F73_a_full_disk_means_down_and_nothing_is_half_stored(void)
{
    struct rlimit before, small;
    char *changes = many_changes(700, 3);
    open_with("");
    fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    fake_work_all(&fake);
    struct fake_delivery *delivery = fake_deliver(&fake, changes);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 24 * 1024;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
    fake_work_all(&fake);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK_INT(fake_outcomes(delivery, WEIR_DOWN), 700);
    CHECK(strstr(fake_reason(delivery, 0), "can't write /tmp/weir-history-") != NULL);
    CHECK_STR(query("SELECT count(*) FROM price_history"), "1\n");
    delivery = fake_deliver(&fake, changes); /* there is room again */
    fake_work_all(&fake);
    CHECK_INT(fake_outcomes(delivery, WEIR_OK), 700);
    CHECK_STR(query("SELECT count(*) FROM price_history"), "701\n");
    finish();
    mem_free(changes);
}

static void a_transaction_rolled_back_in_the_middle_stores_nothing(void)
{
    char *changes = many_changes(200, 3);
    open_with("");
    fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    fake_work_all(&fake);
    CHECK_STR(query("CREATE TRIGGER full BEFORE INSERT ON price_history WHEN new.old_price = '150' "
                    "BEGIN SELECT RAISE(ROLLBACK, 'no'); END"),
              "");
    struct fake_delivery *delivery = fake_deliver(&fake, changes);
    fake_work_all(&fake);
    CHECK_INT(fake_outcomes(delivery, WEIR_DOWN), 200);
    CHECK_STR(query("SELECT count(*) FROM price_history"), "1\n");
    finish();
    mem_free(changes);
}

/* One row that the file refuses for good is the record's failure; its neighbours are stored. */
static void a_refused_row_fails_alone(void)
{
    open_with("");
    fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    fake_work_all(&fake);
    CHECK_STR(query("CREATE TRIGGER no BEFORE INSERT ON price_history WHEN new.old_price = '1' "
                    "BEGIN SELECT RAISE(ABORT, 'not this one'); END"),
              "");
    char *changes = many_changes(3, 1);
    struct fake_delivery *delivery = fake_deliver(&fake, changes);
    fake_work_all(&fake);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    CHECK_INT(fake_outcome(delivery, 1), WEIR_FAIL);
    CHECK_STR(fake_reason(delivery, 1), "sqlite: not this one");
    CHECK_INT(fake_outcome(delivery, 2), WEIR_OK);
    finish();
    mem_free(changes);
}

static void a_table_of_another_shape_means_down(void)
{
    open_with("");
    fclose(fopen(path, "w"));
    CHECK_STR(query("CREATE TABLE price_history (a)"), "");
    struct fake_delivery *delivery = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    fake_work_all(&fake);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_DOWN);
    CHECK(strstr(fake_reason(delivery, 0), "table price_history has 1 columns") != NULL);
    finish();
}

static void cancel_drops_what_waits_and_tells_the_truth_of_the_rest(void)
{
    open_with("");
    struct fake_delivery *running = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    fake_work_begin(&fake);
    struct fake_delivery *waiting = fake_deliver(&fake, change("p", N("2"), N("3"), SECOND, "2"));
    struct fake_delivery *other = fake_deliver(&fake, change("q", N("2"), N("3"), SECOND, "3"));
    fake_cancel(&fake, running);
    fake_cancel(&fake, waiting);
    CHECK_INT(fake_outcome(waiting, 0), WEIR_RETRY);
    fake_work_end(&fake);
    fake_work_all(&fake);
    CHECK_INT(fake_outcome(running, 0), WEIR_OK); /* it is stored */
    CHECK_INT(fake_outcome(other, 0), WEIR_OK);
    CHECK_STR(query("SELECT product_id FROM price_history ORDER BY timestamp"), "p\nq\n");
    finish();
}

static void two_instances_on_one_file_share_it(void)
{
    static struct fake two;
    open_with("");
    CHECK_INT(fake_open(&two, fake_load("pricehistory"), options), 0);
    fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    fake_deliver(&two, change("p", N("2"), N("3"), SECOND, "2"));
    fake_work_begin(&fake);
    fake_work_begin(&two);
    fake_work_end(&two);
    fake_work_end(&fake);
    CHECK_STR(query("SELECT count(*) FROM price_history"), "2\n");
    fake_close(&two);
    finish();
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(rows_are_for_people_and_exact),
        TEST(keys_of_other_types_and_second_keys_are_kept),
        TEST(ok_comes_only_after_the_commit),
        TEST(two_hundred_changes_in_a_second_are_two_hundred_rows),
        TEST(what_arrives_meanwhile_is_one_transaction),
        TEST(collision_of_whole_seconds_fails_and_a_repeat_passes),
        TEST(F36_a_file_that_can_not_be_opened_means_down),
        TEST(a_locked_file_means_down_and_nothing_is_half_stored),
        TEST(F73_a_full_disk_means_down_and_nothing_is_half_stored),
        TEST(a_transaction_rolled_back_in_the_middle_stores_nothing),
        TEST(a_refused_row_fails_alone),
        TEST(a_table_of_another_shape_means_down),
        TEST(cancel_drops_what_waits_and_tells_the_truth_of_the_rest),
        TEST(two_instances_on_one_file_share_it),
        {NULL, NULL},
    };
    signal(SIGXFSZ, SIG_IGN);
    return unit_main(argc, argv, "plugin_pricehistory_sqlite", tests);
}
