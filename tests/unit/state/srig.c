#include "srig.h"

#include <dirent.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_log(void *ctx, int level, const char *component, const char *code, const char *msg)
{
    struct srig *rig = ctx;
    (void)level;
    rig->lines++;
    snprintf(rig->logged, sizeof rig->logged, "%s %s %s", component, code ? code : "-", msg);
}

static void on_owner(struct store_owner *owner, bool owned, const char *reason)
{
    struct srig *rig = owner->arg;
    rig->told++;
    rig->owned = owned;
    snprintf(rig->reason, sizeof rig->reason, "%s", reason);
}

static void start(struct srig *rig)
{
    struct sqlite_store_config config = {.path = rig->path,
                                         .pipeline = "p",
                                         .world = &rig->world.world,
                                         .log = on_log,
                                         .log_ctx = rig};
    rig->told = 0;
    rig->owned = false;
    rig->owner = (struct store_owner){on_owner, rig};
    CHECK_FATAL(sqlite_store_new(&config, &rig->sqlite) == 0);
    sqlite_store_seam(rig->sqlite, &rig->store);
}

void srig_begin(struct srig *rig)
{
    *rig = (struct srig){.folder = "/tmp/weir-state-XXXXXX"};
    vworld_init(&rig->world, 1);
    CHECK_FATAL(mkdtemp(rig->folder) != NULL);
    snprintf(rig->path, sizeof rig->path, "%s/sub/weir.db", rig->folder);
    start(rig);
}

static void clear_folder(const char *folder)
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

void srig_end(struct srig *rig)
{
    char sub[128];
    sqlite_store_free(rig->sqlite);
    vworld_done(&rig->world);
    snprintf(sub, sizeof sub, "%s/sub", rig->folder);
    clear_folder(sub);
    clear_folder(rig->folder);
    CHECK_INT(access(rig->folder, F_OK), -1);
}

void srig_reopen(struct srig *rig)
{
    sqlite_store_free(rig->sqlite);
    start(rig);
}

static void on_released(void *arg)
{
    ((struct srig *)arg)->told++;
}

void srig_release(struct srig *rig)
{
    int before = rig->told;
    rig->store.release(rig->store.ctx, on_released, rig);
    CHECK_INT(rig->told, before);
    vworld_settle(&rig->world);
    CHECK_INT(rig->told, before + 1);
    CHECK(!rig->store.owned(rig->store.ctx));
}

bool srig_acquire(struct srig *rig)
{
    CHECK_INT(rig->store.acquire(rig->store.ctx, &rig->owner), 0);
    CHECK_INT(rig->told, 0);
    vworld_settle(&rig->world);
    CHECK_INT(rig->told, 1);
    CHECK_INT(rig->store.owned(rig->store.ctx), rig->owned);
    return rig->owned;
}

struct answer {
    int told, status;
    char *text;
    size_t room;
};

static void on_saved(struct store_save *save, int status)
{
    struct answer *answer = save->arg;
    answer->told++;
    answer->status = status;
}

int srig_save(struct srig *rig, const struct state_row *rows, size_t count, char reason[200])
{
    struct answer answer = {0};
    struct store_save save = {.rows = rows, .count = count, .done = on_saved, .arg = &answer};
    int rc = rig->store.save(rig->store.ctx, &save);
    if (rc < 0)
        return rc;
    CHECK_INT(answer.told, 0); /* later, never from inside */
    vworld_settle(&rig->world);
    CHECK_INT(answer.told, 1);
    if (reason)
        memcpy(reason, save.reason, sizeof save.reason);
    return answer.status;
}

static void on_loaded(struct store_load *load, int status)
{
    static const char *const kinds[] = {"stream", "position", "gap"};
    struct answer *answer = load->arg;
    size_t len = 0;
    answer->told++;
    answer->status = status;
    answer->text[0] = '\0';
    for (size_t i = 0; i < load->count && len < answer->room; i++) {
        const struct state_row *row = &load->rows[i];
        len += (size_t)snprintf(answer->text + len, answer->room - len, "%s %s %s %s %s|",
                                kinds[row->kind], row->sink.ptr, row->stream.ptr, row->shard.ptr,
                                row->position.ptr);
    }
}

int srig_load(struct srig *rig, char *text, size_t room, char reason[200])
{
    struct answer answer = {.text = text, .room = room};
    struct store_load load = {.done = on_loaded, .arg = &answer};
    int rc = rig->store.load(rig->store.ctx, &load);
    if (rc < 0)
        return rc;
    CHECK_INT(answer.told, 0);
    vworld_settle(&rig->world);
    CHECK_INT(answer.told, 1);
    if (reason)
        memcpy(reason, load.reason, sizeof load.reason);
    return answer.status;
}

static void on_put(struct store_put *put, int status)
{
    struct srig *rig = put->arg;
    CHECK_FATAL(rig->answers < sizeof rig->status / sizeof *rig->status);
    rig->status[rig->answers++] = status;
}

struct store_put srig_put_of(struct srig *rig, weir_str sequence, weir_str record, int attempts)
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
                              .done = on_put,
                              .arg = rig};
}

int srig_put(struct srig *rig, weir_str sequence, weir_str record, int attempts)
{
    struct store_put one = srig_put_of(rig, sequence, record, attempts);
    size_t before = rig->answers;
    int rc = rig->store.dead_put(rig->store.ctx, &one);
    if (rc < 0)
        return rc;
    CHECK_INT(rig->answers, before);
    vworld_settle(&rig->world);
    CHECK_INT(rig->answers, before + 1);
    return rig->status[before];
}

static void on_kept(struct store_keep *keep, int status)
{
    struct srig_keep *one = keep->arg;
    one->told++;
    one->status = status;
}

void srig_keep_of(struct srig_keep *out, const char *sink, weir_str key, weir_str bytes)
{
    *out = (struct srig_keep){
        .keep = {.value = {str_of(sink), STR("http"), key, bytes}, .done = on_kept, .arg = out}};
}

int srig_keep(struct srig *rig, struct srig_keep *one)
{
    int rc = rig->store.keep(rig->store.ctx, &one->keep);
    CHECK_INT(one->told, 0);
    if (rc < 0)
        return rc;
    vworld_settle(&rig->world);
    CHECK_INT(one->told, 1);
    return one->status;
}

struct listing {
    char *text;
    size_t len, room;
};

static int list_value(void *arg, weir_str key, weir_str value)
{
    struct listing *list = arg;
    if (list->len < list->room)
        list->len += (size_t)snprintf(list->text + list->len, list->room - list->len, "%.*s=%.*s ",
                                      STR_ARG(key), STR_ARG(value));
    return 0;
}

int srig_kept(struct srig *rig, const char *sink, const char *plugin, char *text, size_t room)
{
    struct listing list = {text, 0, room};
    text[0] = '\0';
    return rig->store.kept(rig->store.ctx, str_of(sink), str_of(plugin), list_value, &list);
}

struct state_row srig_row(const char *sink, const char *shard, const char *position)
{
    return (struct state_row){.kind = STATE_POSITION,
                              .sink = str_of(sink),
                              .stream = STR("arn"),
                              .shard = str_of(shard),
                              .position = str_of(position),
                              .start = STR("TRIM_HORIZON"),
                              .updated_us = 1};
}

static sqlite3 *visit(const struct srig *rig)
{
    sqlite3 *db = NULL;
    CHECK_FATAL(sqlite3_open_v2(rig->path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    return db;
}

long long srig_ask(const struct srig *rig, const char *sql)
{
    sqlite3 *db = visit(rig);
    sqlite3_stmt *statement = NULL;
    CHECK_FATAL(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
    CHECK_INT(sqlite3_step(statement), SQLITE_ROW);
    long long value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

void srig_do(const struct srig *rig, const char *sql)
{
    sqlite3 *db = visit(rig);
    char *message = NULL;
    sqlite3_exec(db, sql, NULL, NULL, &message);
    CHECK_STR(message ? message : "", "");
    sqlite3_free(message);
    sqlite3_close(db);
}
