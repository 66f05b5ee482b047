/* A state file that was damaged, or that another version of weir wrote. */
#include "srig.h"
#include "util/alloc.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

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

/* ---- a file that can't be trusted ---- */

static char *bytes_of(const struct srig *rig, size_t *len)
{
    unsigned long bytes;
    char *content = unit_file(rig->path, &bytes);
    *len = bytes;
    return content;
}

static void put_bytes(const struct srig *rig, const char *bytes, size_t len)
{
    FILE *file = fopen(rig->path, "w");
    CHECK_FATAL(file != NULL);
    CHECK_INT(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

/* A file with content, as a clean end leaves it: no log beside it. */
static char *make_file(struct srig *rig, size_t *len)
{
    begin_owned(rig);
    struct state_row rows[] = {srig_row("a", "s1", "100"),
                               srig_row("b", "s2", "200"),
                               {.kind = STATE_STREAM, .stream = STR("arn")}};
    CHECK_INT(srig_save(rig, rows, 3, NULL), 0);
    CHECK_INT(srig_put(rig, STR("1"), STR("{}"), 1), 0);
    struct srig_keep value;
    srig_keep_of(&value, "a", STR("wait_until"), STR("17"));
    CHECK_INT(srig_keep(rig, &value), 0);
    srig_release(rig);
    return bytes_of(rig, len);
}

static const char file_rows[] = "position a arn s1 100|position b arn s2 200|stream  arn  |";

/* Opened, it is refused and left as it is, or it says what was stored. */
static bool refused_or_right(struct srig *rig, size_t at)
{
    char text[512];
    srig_reopen(rig);
    if (srig_acquire(rig)) {
        CHECK_INT(srig_kept(rig, "a", "http", text, sizeof text), 0);
        CHECK_STR(text, "wait_until=17 ");
        if (srig_load(rig, text, sizeof text, NULL) == 0 && strcmp(text, file_rows) != 0) {
            unit_int(__FILE__, __LINE__, "byte", (long long)at, -1);
            CHECK_STR(text, file_rows);
        }
        srig_release(rig);
        return false;
    }
    CHECK(rig->reason[0]);
    return true;
}

static void F74_no_flipped_byte_is_believed(void)
{
    struct srig rig;
    size_t len, refused = 0, tried = 0;
    char *good = make_file(&rig, &len);
    for (size_t at = 0; at < len; at += at < 512 ? 1 : 13) {
        char before = good[at];
        good[at] = (char)(before ^ (1 << at % 8));
        put_bytes(&rig, good, len);
        good[at] = before;
        tried++;
        refused += refused_or_right(&rig, at);
    }
    CHECK(tried > 1000 && refused > 50);
    put_bytes(&rig, good, len);
    CHECK(!refused_or_right(&rig, len));
    mem_free(good);
    srig_end(&rig);
}

static void F74_a_torn_or_foreign_file_stops_the_start(void)
{
    struct srig rig;
    size_t len, found;
    char *good = make_file(&rig, &len);
    char *noise = mem_dup0(good, len);
    memset(noise, 'x', len);
    const struct {
        const char *bytes;
        size_t len;
        const char *says;
    } table[] = {{"", 0, "is damaged (it is empty)"}, {good, 100, "is damaged"},
                 {good, 4096, "is damaged"},          {good, len - 4096, "is damaged"},
                 {good, len - 1, "is damaged"},       {noise, len, "is damaged"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        put_bytes(&rig, table[i].bytes, table[i].len);
        srig_reopen(&rig);
        CHECK(!srig_acquire(&rig));
        unit_int(__FILE__, __LINE__, rig.reason, strstr(rig.reason, table[i].says) != NULL, 1);
        char *now = bytes_of(&rig, &found);
        CHECK_INT(found, table[i].len);
        CHECK(memcmp(now, table[i].bytes, found) == 0);
        mem_free(now);
    }
    CHECK(strstr(rig.reason, "nothing was changed. Put a good copy in its place, or move it") !=
          NULL);
    CHECK_INT(remove(rig.path), 0);
    CHECK_INT(mkdir(rig.path, 0700), 0);
    srig_reopen(&rig);
    CHECK(!srig_acquire(&rig));
    CHECK(strstr(rig.reason, "is a folder; state.path names a file") != NULL);
    CHECK_INT(remove(rig.path), 0);
    mem_free(noise);
    mem_free(good);
    srig_end(&rig);
}

static void F74_a_log_without_its_file_is_no_new_beginning(void)
{
    struct srig rig;
    char name[160];
    begin_owned(&rig);
    snprintf(name, sizeof name, "%s-wal", rig.path);
    struct state_row row = srig_row("a", "s", "1");
    CHECK_INT(srig_save(&rig, &row, 1, NULL), 0);
    CHECK_INT(remove(rig.path), 0);
    sqlite_store_free(rig.sqlite);
    rig.sqlite = NULL;
    FILE *file = fopen(name, "w");
    CHECK_FATAL(file != NULL);
    fputs("what a killed process left", file);
    fclose(file);
    srig_reopen(&rig);
    CHECK(!srig_acquire(&rig));
    CHECK(strstr(rig.reason, "is gone, but its log") != NULL);
    CHECK_INT(remove(name), 0);
    srig_reopen(&rig);
    CHECK(srig_acquire(&rig));
    srig_end(&rig);
}

static void F74_a_row_changed_by_hand_is_told(void)
{
    struct srig rig;
    begin_owned(&rig);
    struct state_row row = srig_row("a", "s", "1");
    CHECK_INT(srig_save(&rig, &row, 1, NULL), 0);
    srig_do(&rig, "UPDATE progress SET position = '100000'");
    srig_reopen(&rig);
    CHECK(!srig_acquire(&rig));
    CHECK(strstr(rig.reason, "the row of sink \"a\", shard \"s\" was changed by something") !=
          NULL);
    srig_do(&rig, "DELETE FROM progress");
    srig_reopen(&rig);
    CHECK(srig_acquire(&rig));
    srig_end(&rig);
}

/* ---- versions ---- */

/* As the first release made it. */
static const char schema_1[] =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);"
    "INSERT OR IGNORE INTO meta VALUES('schema','1');"
    "CREATE TABLE dead_letter("
    " id INTEGER PRIMARY KEY, pipeline TEXT NOT NULL, sink TEXT NOT NULL, stream TEXT NOT NULL, "
    "shard TEXT NOT NULL, sequence TEXT NOT NULL, event_id TEXT NOT NULL, record BLOB NOT NULL,"
    " reason TEXT NOT NULL, code TEXT NOT NULL, attempts INTEGER NOT NULL, first_us INTEGER NOT "
    "NULL, last_us INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX dead_letter_record ON dead_letter(pipeline, sink, stream, sequence, "
    "event_id) WHERE sequence <> '';";
static const char insert_1[] =
    "INSERT INTO dead_letter(pipeline, sink, stream, shard, sequence, event_id, record, reason,"
    " code, attempts, first_us, last_us) VALUES('p','s','','','17','e','{}','why','GaveUp',1,1,1)"
    " ON CONFLICT(pipeline, sink, stream, sequence, event_id) WHERE sequence <> ''"
    " DO UPDATE SET record = excluded.record, last_us = excluded.last_us";

static void make_old_file(struct srig *rig)
{
    char folder[128];
    sqlite3 *db = NULL;
    srig_begin(rig);
    snprintf(folder, sizeof folder, "%s/sub", rig->folder);
    CHECK_INT(mkdir(folder, 0700), 0);
    CHECK_FATAL(sqlite3_open(rig->path, &db) == SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, schema_1, NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, insert_1, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void F79_an_older_file_is_upgraded_and_stays_readable_for_the_older(void)
{
    for (int letters_only = 0; letters_only < 2; letters_only++) {
        struct srig rig;
        make_old_file(&rig);
        if (!letters_only)
            CHECK_FATAL(srig_acquire(&rig));
        CHECK_INT(srig_put(&rig, STR("18"), STR("{}"), 1), 0);
        CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM dead_letter"), 2);
        CHECK_INT(srig_ask(&rig, "SELECT value = '1.2' FROM meta WHERE key = 'schema'"), 1);
        srig_do(&rig, "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);"
                      "INSERT OR IGNORE INTO meta VALUES('schema','1');"); /* the older opens it */
        srig_do(&rig, insert_1);
        srig_reopen(&rig);
        CHECK(srig_acquire(&rig));
        srig_end(&rig);
    }
}

static void F79_a_newer_minor_version_is_used_as_it_is(void)
{
    struct srig rig;
    begin_owned(&rig);
    struct state_row row = srig_row("a", "s", "1");
    CHECK_INT(srig_save(&rig, &row, 1, NULL), 0);
    srig_do(&rig, "UPDATE meta SET value = '1.7';"
                  "ALTER TABLE progress ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';"
                  "ALTER TABLE dead_letter ADD COLUMN size INTEGER;"
                  "CREATE TABLE lease(x);"
                  "INSERT INTO progress SELECT pipeline, 'lease', sink, stream, shard, parent,"
                  " source_table, start, start_us, position, first_available, read_to_end, done,"
                  " record_us, updated_us, checksum, 'blue' FROM progress;");
    srig_reopen(&rig);
    CHECK_FATAL(srig_acquire(&rig));
    expect_rows(&rig, "position a arn s 1|");
    row.position = STR("2");
    CHECK_INT(srig_save(&rig, &row, 1, NULL), 0);
    CHECK_INT(srig_put(&rig, STR("18"), STR("{}"), 1), 0);
    expect_rows(&rig, "position a arn s 2|");
    CHECK_INT(srig_ask(&rig, "SELECT value = '1.7' FROM meta WHERE key = 'schema'"), 1);
    CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM progress WHERE colour = 'blue'"), 1);
    srig_end(&rig);
}

static void F79_a_newer_major_version_is_refused(void)
{
    static const struct {
        const char *version, *says;
    } table[] = {{"2", "was written by a newer weir (its format is 2, this one reads 1). Run that "
                       "weir, or give this one another state.path; nothing was changed"},
                 {"12.3", "was written by a newer weir (its format is 12.3"},
                 {"", "its format is not a version"},
                 {"1.x", "its format is not a version"},
                 {"-1", "its format is not a version"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct srig rig;
        char sql[128];
        begin_owned(&rig);
        snprintf(sql, sizeof sql, "UPDATE meta SET value = '%s'", table[i].version);
        srig_do(&rig, sql);
        srig_reopen(&rig);
        CHECK(!srig_acquire(&rig));
        unit_int(__FILE__, __LINE__, rig.reason, strstr(rig.reason, table[i].says) != NULL, 1);
        CHECK(srig_put(&rig, STR("18"), STR("{}"), 1) < 0);
        CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM dead_letter"), 0);
        srig_end(&rig);
    }
}

static void a_database_of_something_else_is_left_alone(void)
{
    struct srig rig;
    char folder[128];
    sqlite3 *db = NULL;
    srig_begin(&rig);
    snprintf(folder, sizeof folder, "%s/sub", rig.folder);
    CHECK_INT(mkdir(folder, 0700), 0);
    CHECK_FATAL(sqlite3_open(rig.path, &db) == SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "CREATE TABLE orders(id)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    CHECK(!srig_acquire(&rig));
    CHECK(strstr(rig.reason, "is an SQLite file, but not weir's; name another state.path") != NULL);
    CHECK_INT(srig_ask(&rig, "SELECT count(*) FROM sqlite_schema"), 1);
    srig_end(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F74_no_flipped_byte_is_believed", F74_no_flipped_byte_is_believed},
        {"F74_a_torn_or_foreign_file_stops_the_start", F74_a_torn_or_foreign_file_stops_the_start},
        {"F74_a_log_without_its_file_is_no_new_beginning",
         F74_a_log_without_its_file_is_no_new_beginning},
        {"F74_a_row_changed_by_hand_is_told", F74_a_row_changed_by_hand_is_told},
        {"F79_an_older_file_is_upgraded_and_stays_readable_for_the_older",
         F79_an_older_file_is_upgraded_and_stays_readable_for_the_older},
        {"F79_a_newer_minor_version_is_used_as_it_is", F79_a_newer_minor_version_is_used_as_it_is},
        {"F79_a_newer_major_version_is_refused", F79_a_newer_major_version_is_refused},
        {"a_database_of_something_else_is_left_alone", a_database_of_something_else_is_left_alone},
        {NULL, NULL}};
    return unit_main(argc, argv, "state, the file", tests);
}
