/* weir dead and weir shards over a state file, beside a process that owns it. */
#include "cli/verbs.h"
#include "state/db.h"
#include "state/lock.h"
#include "unit.h"
#include "util/alloc.h"

#include <dirent.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct place { /* a folder with weir.json, the state file and its owner */
    char folder[64], config[512], path[128], log[128];
    struct state_db *db;
    int lock;
    char *out, *err;
    size_t out_len, err_len;
};

static const char config_text[] =
    "{\"name\": \"prices\", \"plugin_dirs\": [\"%s/tests/plugins\"],\n"
    " \"source\": {\"kind\": \"file\", \"path\": \"-\"}, \"state\": {\"path\": "
    "\"state/weir.db\"},\n"
    " \"sinks\": {\"price\": {\"plugin\": \"scripted\", \"match\": {\"events\": [\"MODIFY\"]},\n"
    "  \"config\": {\"log\": \"%s\", \"script\": {\"bad\": [\"fail\"], \"odd\": [\"skip\"],\n"
    "   \"off\": [\"down\", \"down\", \"down\", \"down\", \"down\", \"down\", \"down\", "
    "\"down\"]}}},\n"
    "  \"off\": {\"plugin\": \"scripted\", \"enabled\": false}}}\n";

static void place_begin(struct place *place, bool with_state)
{
    *place = (struct place){.folder = "/tmp/weir-verbs-XXXXXX", .lock = -1};
    CHECK_FATAL(mkdtemp(place->folder) != NULL);
    snprintf(place->config, sizeof place->config, "%s/weir.json", place->folder);
    snprintf(place->path, sizeof place->path, "%s/state/weir.db", place->folder);
    snprintf(place->log, sizeof place->log, "%s/log", place->folder);
    FILE *file = fopen(place->config, "w");
    CHECK_FATAL(file != NULL);
    fprintf(file, config_text, TEST_BUILD, place->log);
    fclose(file);
    if (!with_state)
        return;
    CHECK_FATAL(db_make_folders(place->path, NULL) == 0);
    CHECK_FATAL(state_lock(place->path, &place->lock, NULL) == 0);
    CHECK_FATAL(db_open(place->path, DB_OWN, &place->db, NULL) == 0);
}

static void empty(const char *folder)
{
    char path[512];
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            remove(path);
    }
    if (dir)
        closedir(dir);
    rmdir(folder);
}

static void forget(struct place *place)
{
    free(place->out);
    free(place->err);
    place->out = place->err = NULL;
}

static void place_end(struct place *place)
{
    char state[128];
    db_close(place->db);
    state_unlock(place->lock);
    snprintf(state, sizeof state, "%s/state", place->folder);
    empty(state);
    empty(place->folder);
    forget(place);
}

/* Runs a command line, split at blanks; the exit code. */
static int weir(struct place *place, const char *line)
{
    static char *nothing[] = {NULL};
    char words[512], *argv[24] = {0};
    struct cli cli;
    int argc = 0;
    snprintf(words, sizeof words, "weir %s -c %s", line, place->config);
    for (char *save, *word = strtok_r(words, " ", &save); word && argc < 23;
         word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    forget(place);
    FILE *out = open_memstream(&place->out, &place->out_len);
    FILE *err = open_memstream(&place->err, &place->err_len);
    CHECK_FATAL(out && err);
    cli_init(&cli, out, err, nothing);
    int code = cli_main(&cli, argc, argv);
    cli_done(&cli);
    fclose(out);
    fclose(err);
    return code;
}

/* ---- dead letters ---- */

static void add_letter(struct place *place, const char *sink, const char *id, const char *record)
{
    struct dead_letter letter = {.pipeline = STR("prices"),
                                 .sink = str_of(sink),
                                 .stream_arn = STR("arn:s"),
                                 .shard = STR("shard-1"),
                                 .sequence = str_of(*sink ? id : ""),
                                 .event_id = str_of(id),
                                 .record = str_of(record),
                                 .reason = STR("no \x1b[2J luck"),
                                 .code = *sink ? STR("GaveUp") : STR("Poison"),
                                 .attempts = 8,
                                 .first_us = 1768471200000000,
                                 .last_us = 1768471260500000};
    CHECK_FATAL(db_begin(place->db, NULL) == 0);
    CHECK_FATAL(db_write_letter(place->db, &letter, NULL) == 0);
    CHECK_FATAL(db_commit(place->db, NULL) == 0);
}

static void add_record(struct place *place, const char *sink, const char *id, const char *event)
{
    char record[512];
    snprintf(record, sizeof record,
             "{\"eventID\":\"%s\",\"eventName\":\"%s\",\"eventSource\":\"aws:dynamodb\","
             "\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"%s\"}},\"SequenceNumber\":\"1234567\"},"
             "\"eventSourceARN\":\"arn:aws:dynamodb:r:1:table/T/stream/x\"}",
             id, event, id);
    add_letter(place, sink, id, record);
}

static int count_one(void *ctx, int64_t id, const struct dead_letter *letter)
{
    (void)letter;
    *(long long *)ctx = *(long long *)ctx * 10 + id;
    return 0;
}

/* The ids, as digits. */
static long long ids(const struct place *place)
{
    long long digits = 0;
    struct db_letters all = {.limit = 0};
    CHECK_INT(db_each_letter(place->db, &all, count_one, &digits, NULL), 0);
    return digits;
}

static void dead_letters_are_listed_shown_and_dropped(void)
{
    struct place place;
    place_begin(&place, true);
    add_letter(&place, "price", "100", "{\"a\":\"\\u0000\xc3\xa9\"}");
    add_letter(&place, "", "x", "{broken \x07");
    CHECK_INT(weir(&place, "dead list"), 0);
    CHECK_STR(place.out,
              "    ID  LAST                  SINK          TRIES  SEQUENCE               REASON\n"
              "     1  2026-01-15T10:01:00Z  price             8  100                    "
              "no \\x1b[2J luck\n"
              "     2  2026-01-15T10:01:00Z  -                 8  -                      "
              "no \\x1b[2J luck\n"
              "2 dead letters. `weir dead show ID` shows one, `weir dead retry ID` delivers it "
              "again\n");
    CHECK_INT(weir(&place, "dead list --limit 1 --json"), 0);
    CHECK_STR(place.out,
              "{\"letters\":[{\"id\":1,\"pipeline\":\"prices\",\"sink\":\"price\",\"stream\":"
              "\"arn:s\",\"shard\":\"shard-1\",\"sequence\":\"100\",\"eventID\":\"100\","
              "\"reason\":\"no \\u001b[2J luck\",\"code\":\"GaveUp\",\"attempts\":8,\"first\":"
              "\"2026-01-15T10:00:00.000Z\",\"last\":\"2026-01-15T10:01:00.500Z\","
              "\"bytes\":16}],\"more\":true}\n");
    CHECK_INT(weir(&place, "dead list --sink nobody"), 0);
    CHECK_STR(place.out, "no dead letters of sink nobody\n");
    CHECK_INT(weir(&place, "dead retry --all --sink nobody"), 0);
    CHECK_STR(place.out, "no dead letters of sink nobody\n");
    CHECK_INT(weir(&place, "dead show 1"), 0);
    CHECK(strstr(place.out, "record    {\"a\":\"\\u0000\\u00e9\"}\n") != NULL);
    CHECK_INT(weir(&place, "dead show 2"), 0);
    CHECK(strstr(place.out, "raw       {broken \\x07\n") != NULL);
    CHECK_INT(weir(&place, "dead show 2 --json"), 0);
    CHECK(strstr(place.out, ",\"raw\":\"{broken \\u0007\"}\n") != NULL);
    CHECK_INT(weir(&place, "dead show 3"), 1);
    CHECK_STR(place.err, "weir: there is no dead letter 3\n");
    CHECK_INT(weir(&place, "dead drop 3 2"), 1);
    CHECK_STR(place.out, "dropped 1 dead letter\n");
    CHECK_INT(ids(&place), 1);
    CHECK_INT(weir(&place, "dead drop --all --sink price --json"), 0);
    CHECK_STR(place.out, "{\"dropped\":1}\n");
    CHECK_INT(ids(&place), 0);
    place_end(&place);
}

static void without_a_state_file_there_is_nothing_to_say(void)
{
    static const struct {
        const char *line, *out;
        int code;
    } table[] = {{"dead list", "no dead letters\n", 0},
                 {"dead list --json", "{\"letters\":[],\"more\":false}\n", 0},
                 {"dead show 1", "", 1},
                 {"dead drop 1", "dropped 0 dead letters\n", 1},
                 {"dead drop --all", "dropped 0 dead letters\n", 0},
                 {"dead retry --all", "no dead letters\n", 0},
                 {"shards", "no progress is stored yet\n", 0},
                 {"shards --stream T", "no progress is stored of stream T\n", 0},
                 {"shards --json", "{\"pipeline\":\"prices\",\"gaps\":0,\"streams\":[]}\n", 0},
                 {"shards accept-gap --all", "accepted 0 gaps\n", 0},
                 {"shards accept-gap --sink price", "accepted 0 gaps\n", 1},
                 {"dead drop", "", 2},
                 {"dead drop 1 --all", "", 2},
                 {"dead drop x", "", 2},
                 {"dead show 0", "", 2},
                 {"shards accept-gap", "", 2},
                 {"shards accept-gap --all --sink price", "", 2},
                 {"shards lst", "", 2},
                 {"dead", "", 2},
                 {"dead lsit", "", 2}};
    struct place place;
    place_begin(&place, false);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        unit_int(__FILE__, __LINE__, table[i].line, weir(&place, table[i].line), table[i].code);
        unit_str(__FILE__, __LINE__, table[i].line, place.out, table[i].out);
    }
    CHECK_INT(access(place.path, F_OK), -1);
    place_end(&place);
}

static void F74_a_state_file_that_is_none_is_said(void)
{
    static const char *const lines[] = {"dead list",    "dead show 1", "dead drop 1",
                                        "dead retry 1", "shards",      "shards accept-gap --all"};
    struct place place;
    place_begin(&place, false);
    CHECK_FATAL(db_make_folders(place.path, NULL) == 0);
    FILE *file = fopen(place.path, "w");
    CHECK_FATAL(file != NULL);
    for (int i = 0; i < 1000; i++)
        fputs("not a database ", file);
    fclose(file);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        unit_int(__FILE__, __LINE__, lines[i], weir(&place, lines[i]), EXIT_CANTCREATE);
        CHECK(strstr(place.err, "state/weir.db is damaged") != NULL);
    }
    place_end(&place);
}

/* Only what the sink has taken is forgotten, and what is kept says why. */
static void a_retried_letter_goes_only_after_ok(void)
{
    struct place place;
    place_begin(&place, true);
    add_record(&place, "price", "good", "MODIFY");
    add_record(&place, "price", "bad", "MODIFY");
    add_record(&place, "price", "odd", "MODIFY");
    add_record(&place, "price", "off", "MODIFY");
    add_record(&place, "price", "new", "INSERT");
    add_record(&place, "off", "good", "MODIFY");
    add_letter(&place, "", "x", "{broken");
    add_letter(&place, "price", "torn", "{broken");
    CHECK_INT(weir(&place, "dead retry --all --log-level error"), 1);
    CHECK(strstr(place.err, "delivering outside the order of their items") != NULL);
    CHECK_INT(ids(&place), 2345678);
    const char *const says[] = {
        "     1  delivered\n",
        "     2  kept: ",
        "     3  kept: the sink skipped it\n",
        "     4  kept: ",
        "     5  kept: sink price does not take such records any more (match)\n",
        "     6  kept: there is no enabled sink \"off\" in the configuration\n",
        "     7  kept: it could not be decoded, so it belongs to no sink\n",
        "     8  kept: not records of a DynamoDB stream",
        "1 delivered, 7 kept\n"};
    for (size_t i = 0; i < sizeof says / sizeof *says; i++)
        unit_int(__FILE__, __LINE__, says[i], strstr(place.out, says[i]) != NULL, 1);
    unsigned long len;
    char *log = unit_file(place.log, &len);
    CHECK(strstr(log, "good 1234567 ") != NULL);
    CHECK(strstr(log, "new ") == NULL);
    mem_free(log);
    CHECK_INT(weir(&place, "dead retry 7 99 7 --json -q"), 1);
    CHECK_STR(place.out,
              "{\"letters\":[{\"id\":7,\"delivered\":false,\"reason\":\"it could not be decoded, "
              "so it belongs to no sink\"},{\"id\":99,\"delivered\":false,\"reason\":\"there is no "
              "such dead letter\"}],\"delivered\":0,\"kept\":2}\n");
    CHECK_STR(place.err, "");
    place_end(&place);
}

/* ---- shards ---- */

static void write_rows(struct place *place)
{
    const struct state_row position = {.kind = STATE_POSITION,
                                       .sink = STR("price"),
                                       .stream = STR("arn:1"),
                                       .start = STR("TRIM_HORIZON")};
    struct state_row rows[8];
    for (size_t i = 0; i < 8; i++)
        rows[i] = position;
    rows[0].shard = STR("b");
    rows[0].position = STR("100");
    rows[0].read_to_end = rows[0].done = true;
    rows[1].shard = STR("a"); /* sorted by the tree, not by name */
    rows[1].parent = STR("b");
    rows[1].position = STR("200");
    rows[1].record_us = 1;
    rows[2].shard = STR("c");
    rows[2].parent = STR("b");
    rows[2].read_to_end = true;
    rows[3].shard = STR("c");
    rows[3].sink = STR("other");
    rows[3].parent = STR("b");
    rows[3].start = STR("AT_TIMESTAMP");
    rows[3].start_us = 1768471200000000;
    rows[4].shard = STR("lonely");
    rows[4].parent = STR("gone");
    rows[5] = rows[4];
    rows[5].kind = STATE_GAP;
    rows[5].position = STR("7");
    rows[5].first_available = STR("9");
    rows[6] =
        (struct state_row){.kind = STATE_STREAM, .stream = STR("arn:1"), .table = STR("Products")};
    rows[7].stream = STR("arn:2");
    rows[7].shard = STR("loop");
    rows[7].parent = STR("loop");
    CHECK_FATAL(db_begin(place->db, NULL) == 0);
    CHECK_FATAL(db_write_rows(place->db, STR("prices"), rows, 8, NULL) == 0);
    CHECK_FATAL(db_commit(place->db, NULL) == 0);
}

/* Without the age of a record of 1970, and the blanks. */
static void squeeze(char *text)
{
    char *to = text;
    for (const char *at = text; *at; at++)
        if (*at != ' ' || at[1] != ' ')
            *to++ = *at;
    *to = '\0';
}

static void shards_are_shown_under_their_parents(void)
{
    struct place place;
    place_begin(&place, true);
    write_rows(&place);
    CHECK_INT(weir(&place, "shards"), 0);
    CHECK(strstr(place.out, "\n  b  ") && strstr(place.out, "\n    a  "));
    squeeze(place.out);
    char *age = strstr(place.out, " 200 ");
    CHECK_FATAL(age != NULL);
    CHECK(strtol(age + 5, NULL, 10) > 480000); /* hours */
    memmove(age + 5, strstr(age, "h "), strlen(strstr(age, "h ")) + 1);
    CHECK_STR(place.out, "Products arn:1\n"
                         " SHARD SINK POSITION LAG SAVED STATE\n"
                         " b price 100 - - done\n"
                         " a price 200 h - reading\n"
                         " c other from 2026-01-15T10:00:00Z - - reading\n"
                         " price from the beginning - - held\n"
                         " lonely price from the beginning - - gap\n"
                         " lost: after 7, before 9\n"
                         "stream arn:2\n"
                         " SHARD SINK POSITION LAG SAVED STATE\n"
                         " loop price from the beginning - - reading\n"
                         "5 shards, 1 gap; `weir shards accept-gap --all` reads on behind what is "
                         "lost\n");
    CHECK_INT(weir(&place, "shards --stream Products --sink other --json"), 0);
    CHECK_STR(place.out,
              "{\"pipeline\":\"prices\",\"gaps\":0,\"streams\":[{\"stream\":\"arn:1\",\"table\":"
              "\"Products\",\"ended\":false,\"shards\":[{\"shard\":\"c\",\"parent\":\"b\","
              "\"sinks\":[{\"sink\":\"other\",\"state\":\"reading\",\"position\":\"\",\"start\":"
              "\"AT_TIMESTAMP\",\"start_time\":\"2026-01-15T10:00:00.000Z\",\"saved\":"
              "\"1970-01-01T00:00:00.000Z\",\"caught_up\":false,\"lag_seconds\":null}]}]}]}\n");
    place_end(&place);
}

/* What was written last, of the shard and of its stream, says whether records wait. */
static void a_shard_that_is_only_quiet_has_no_lag(void)
{
    static const struct {
        int followed_s, saved_s, record_s; /* ago */
        bool done, caught_up;
        const char *text, *json;
    } table[] = {
        {10, 3000, 3001, false, true, "- 50m caught up\n", "\"lag_seconds\":0}"},
        {10, 3000, 3029, false, true, "- 50m caught up\n", "\"lag_seconds\":0}"},
        {10, 3000, 3100, false, false, "51m 50m reading\n", "\"lag_seconds\":310"},
        {300, 3000, 3001, false, false, "50m 50m reading\n", "\"lag_seconds\":300"},
        {10, 3000, 3001, true, false, "- 50m held\n", "\"lag_seconds\":null}"},
    };
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct place place;
        int64_t now_us = (int64_t)now.tv_sec * 1000000;
        const struct state_row rows[] = {{.kind = STATE_STREAM,
                                          .stream = STR("arn:1"),
                                          .updated_us = now_us - table[i].followed_s * 1000000LL},
                                         {.kind = STATE_POSITION,
                                          .sink = STR("price"),
                                          .stream = STR("arn:1"),
                                          .shard = STR("a"),
                                          .position = STR("1"),
                                          .read_to_end = table[i].done,
                                          .updated_us = now_us - table[i].saved_s * 1000000LL,
                                          .record_us = now_us - table[i].record_s * 1000000LL}};
        place_begin(&place, true);
        CHECK_FATAL(db_begin(place.db, NULL) == 0);
        CHECK_FATAL(db_write_rows(place.db, STR("prices"), rows, 2, NULL) == 0);
        CHECK_FATAL(db_commit(place.db, NULL) == 0);
        CHECK_INT(weir(&place, "shards"), 0);
        squeeze(place.out);
        CHECK(strstr(place.out, table[i].text) != NULL);
        CHECK_INT(weir(&place, "shards --json"), 0);
        CHECK(strstr(place.out, table[i].json) != NULL);
        CHECK_INT(strstr(place.out, "\"caught_up\":true") != NULL, table[i].caught_up);
        place_end(&place);
    }
}

static bool gap_open(const struct place *place)
{
    struct arena arena;
    struct state_row *rows = NULL;
    size_t count = 0;
    bool open = false;
    arena_init(&arena, 4096);
    CHECK_INT(db_read_rows(place->db, STR("prices"), &arena, &rows, &count, NULL), 0);
    for (size_t i = 0; i < count; i++)
        open = open || (rows[i].kind == STATE_GAP && !rows[i].done);
    arena_done(&arena);
    return open;
}

static void a_gap_is_accepted_beside_its_owner(void)
{
    static const struct {
        const char *line, *out;
        int code;
        bool open;
    } table[] = {{"shards accept-gap --stream arn:2", "accepted 0 gaps\n", 1, true},
                 {"shards accept-gap --sink other", "accepted 0 gaps\n", 1, true},
                 {"shards accept-gap --shard lonely --stream Products --sink price",
                  "accepted 1 gap\n", 0, false},
                 {"shards accept-gap --shard lonely", "accepted 0 gaps\n", 1, false}};
    struct place place;
    place_begin(&place, true);
    write_rows(&place);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        unit_int(__FILE__, __LINE__, table[i].line, weir(&place, table[i].line), table[i].code);
        CHECK_STR(place.out, table[i].out);
        CHECK_INT(gap_open(&place), table[i].open);
    }
    CHECK_INT(weir(&place, "shards"), 0);
    CHECK(strstr(place.out, "5 shards, 0 gaps\n") != NULL);
    place_end(&place);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"dead_letters_are_listed_shown_and_dropped", dead_letters_are_listed_shown_and_dropped},
        {"without_a_state_file_there_is_nothing_to_say",
         without_a_state_file_there_is_nothing_to_say},
        {"F74_a_state_file_that_is_none_is_said", F74_a_state_file_that_is_none_is_said},
        {"a_retried_letter_goes_only_after_ok", a_retried_letter_goes_only_after_ok},
        {"shards_are_shown_under_their_parents", shards_are_shown_under_their_parents},
        {"a_shard_that_is_only_quiet_has_no_lag", a_shard_that_is_only_quiet_has_no_lag},
        {"a_gap_is_accepted_beside_its_owner", a_gap_is_accepted_beside_its_owner},
        {NULL, NULL}};
    return unit_main(argc, argv, "weir dead, weir shards", tests);
}
