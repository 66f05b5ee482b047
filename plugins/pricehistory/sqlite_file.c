#include "sqlite_file.h"

#include <sqlite3.h>
#include <stdio.h>

enum { BUSY_MS = 2000 };

struct file {
    const struct history *history;
    sqlite3 *db; /* NULL: not open */
    sqlite3_stmt *insert, *find;
    weir_buf changed_at;
};

/* A row's prices as exact text. `timestamp` sorts as text, since its seconds have ten digits. */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS price_history ("
    " product_id TEXT NOT NULL," /* S and N: the text; B: base64 */
    " timestamp TEXT NOT NULL,"
    " old_price TEXT," /* S and N: the text; other types: typed JSON; NULL: absent */
    " new_price TEXT,"
    " old_type TEXT, new_type TEXT," /* S, N, M... */
    " product_id_type TEXT NOT NULL,"
    " other_key TEXT,"           /* {\"name\":{\"S\":\"...\"}}, or NULL */
    " changed_at TEXT NOT NULL," /* ISO time, for people */
    " event_id TEXT NOT NULL,"
    " PRIMARY KEY (product_id, timestamp)) WITHOUT ROWID";
static const char insert_sql[] = "INSERT INTO price_history VALUES (?,?,?,?,?,?,?,?,?,?)"
                                 " ON CONFLICT (product_id, timestamp) DO NOTHING";
static const char find_sql[] = "SELECT event_id, old_price, new_price FROM price_history WHERE "
                               "product_id = ? AND timestamp = ?";

static void file_close(struct file *file)
{
    sqlite3_finalize(file->insert);
    sqlite3_finalize(file->find);
    sqlite3_close(file->db);
    file->insert = file->find = NULL;
    file->db = NULL;
}

static int run(struct file *file, const char *sql)
{
    return sqlite3_exec(file->db, sql, NULL, NULL, NULL);
}

static int file_open(struct file *file)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(file->history->settings.path.ptr, &file->db, flags, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(file->db, BUSY_MS);
    if (rc == SQLITE_OK)
        rc = run(file, "PRAGMA journal_mode = WAL");
    if (rc == SQLITE_OK)
        rc = run(file, "PRAGMA synchronous = FULL");
    if (rc == SQLITE_OK)
        rc = run(file, schema);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(file->db, insert_sql, -1, SQLITE_PREPARE_PERSISTENT, &file->insert,
                                NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(file->db, find_sql, -1, SQLITE_PREPARE_PERSISTENT, &file->find,
                                NULL);
    return rc;
}

static int bind(sqlite3_stmt *statement, int at, weir_str text)
{
    if (!text.ptr)
        return sqlite3_bind_null(statement, at);
    return sqlite3_bind_text64(statement, at, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

/* The inner text of typed JSON, {"B":"AAE="}: base64 needs no unescaping but of "\/". */
static weir_str inner(weir_str json)
{
    const char *colon = memchr(json.ptr, ':', json.len);
    const char *end = json.ptr + json.len - 1;
    while (end > json.ptr && *end != '"')
        end--;
    const char *start = colon ? memchr(colon, '"', (size_t)(end - colon)) : NULL;
    return start ? (weir_str){start + 1, (size_t)(end - start - 1)} : json;
}

static weir_str type_name(int32_t type)
{
    static const char *const names[] = {
        [WEIR_T_S] = "S",       [WEIR_T_N] = "N",  [WEIR_T_B] = "B", [WEIR_T_BOOL] = "BOOL",
        [WEIR_T_NULL] = "NULL", [WEIR_T_M] = "M",  [WEIR_T_L] = "L", [WEIR_T_SS] = "SS",
        [WEIR_T_NS] = "NS",     [WEIR_T_BS] = "BS"};
    bool known = type > WEIR_T_NONE && type <= WEIR_T_BS;
    return known ? weir_cstr(names[type]) : (weir_str){NULL, 0};
}

static weir_str id_text(const weir_host *host, const weir_value *id)
{
    return host->type(id) == WEIR_T_B ? inner(host->json(id)) : value_shown(host, id);
}

static weir_str price_text(const weir_host *host, const weir_value *price)
{
    return price ? value_shown(host, price) : (weir_str){NULL, 0};
}

static int insert_row(struct file *file, const struct row *row)
{
    const weir_host *host = file->history->host;
    weir_buf *text = &file->changed_at;
    weir_buf_clear(text);
    put_iso_time(text, row->seconds * 1000000, 0);
    size_t iso_bytes = text->len;
    if (row->other) {
        put_char(text, '{');
        weir_buf_json_string(text, row->other_name);
        put_char(text, ':');
        put(text, host->json(row->other));
        put_char(text, '}');
    }
    if (text->failed)
        return SQLITE_NOMEM;
    weir_str other = {row->other ? text->ptr + iso_bytes : NULL, text->len - iso_bytes};
    const weir_str values[] = {id_text(host, row->id),
                               {row->stamp, row->stamp_len},
                               price_text(host, row->old_price),
                               price_text(host, row->new_price),
                               type_name(host->type(row->old_price)),
                               type_name(host->type(row->new_price)),
                               type_name(host->type(row->id)),
                               other,
                               {text->ptr, iso_bytes},
                               row->event_id.len > 0 ? row->event_id : WEIR_STR("")};
    int rc = SQLITE_OK;
    for (int i = 0; i < (int)(sizeof values / sizeof values[0]) && rc == SQLITE_OK; i++)
        rc = bind(file->insert, i + 1, values[i]);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(file->insert) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(file->db);
    sqlite3_reset(file->insert);
    return rc;
}

static weir_str column(sqlite3_stmt *statement, int at)
{
    const char *text = (const char *)sqlite3_column_text(statement, at);
    return weir_view(text, (size_t)sqlite3_column_bytes(statement, at));
}

/* Whether the row found is this one. A key with whole seconds says little, so there only the event
 * tells; elsewhere the same prices are proof as well (a replay may carry other event ids). */
static bool is_same(const struct file *file, const struct row *row)
{
    const weir_host *host = file->history->host;
    if (weir_equal(column(file->find, 0), row->event_id))
        return true;
    return file->history->settings.mode != STAMP_SECONDS &&
           weir_equal(column(file->find, 1), price_text(host, row->old_price)) &&
           weir_equal(column(file->find, 2), price_text(host, row->new_price));
}

static void set_result(struct result *result, int32_t outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void set_result(struct result *result, int32_t outcome, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(result->reason, sizeof result->reason, format, args);
    va_end(args);
    result->outcome = outcome;
}

/* A row with this key is there already: the same record again is fine, another one is a collision.
 */
static int compare_row(struct file *file, const struct row *row, struct result *result)
{
    char name[256];
    int rc = bind(file->find, 1, id_text(file->history->host, row->id));
    if (rc == SQLITE_OK)
        rc = bind(file->find, 2, weir_view(row->stamp, row->stamp_len));
    if (rc == SQLITE_OK) {
        int step = sqlite3_step(file->find);
        rc = step == SQLITE_ROW ? SQLITE_OK : step == SQLITE_DONE ? SQLITE_CORRUPT : step;
    }
    if (rc == SQLITE_OK && !is_same(file, row)) {
        weir_buf event = {0};
        row_name(file->history, row, name, sizeof name);
        put_visible(&event, column(file->find, 0), 60);
        set_result(result, WEIR_FAIL, "collision: %.150s is the row of event %.*s", name,
                   (int)event.len, event.len ? event.ptr : "");
        weir_buf_free(&event);
    }
    sqlite3_reset(file->find);
    return rc;
}

static int write_row(struct file *file, const struct row *row, struct result *result)
{
    int rc = insert_row(file, row);
    if (rc == SQLITE_OK && sqlite3_changes(file->db) == 0)
        rc = compare_row(file, row, result);
    return rc;
}

/* Errors that are the record's and not the file's, and that left the transaction open. */
static bool is_row_error(const struct file *file, int rc)
{
    int base = rc & 0xff;
    return (base == SQLITE_TOOBIG || base == SQLITE_MISMATCH || base == SQLITE_CONSTRAINT) &&
           !sqlite3_get_autocommit(file->db);
}

static int write_rows(struct file *file, struct row *const *rows, struct result *results,
                      size_t count)
{
    int rc = file->db ? SQLITE_OK : file_open(file);
    if (rc == SQLITE_OK)
        rc = run(file, "BEGIN IMMEDIATE");
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++) {
        results[i] = (struct result){.outcome = WEIR_OK};
        rc = write_row(file, rows[i], &results[i]);
        if (rc != SQLITE_OK && is_row_error(file, rc)) {
            set_result(&results[i], WEIR_FAIL, "sqlite: %s", sqlite3_errmsg(file->db));
            rc = SQLITE_OK;
        }
    }
    return rc == SQLITE_OK ? run(file, "COMMIT") : rc;
}

void file_write(struct file *file, struct row *const *rows, struct result *results, size_t count)
{
    int rc = write_rows(file, rows, results, count);
    if (rc == SQLITE_OK)
        return;
    struct result down;
    set_result(&down, WEIR_DOWN, "can't write %.100s: %.120s", file->history->settings.path.ptr,
               file->db ? sqlite3_errmsg(file->db) : sqlite3_errstr(rc));
    for (size_t i = 0; i < count; i++)
        results[i] = down;
    file_close(file); /* rolls back; after a failed write nothing of this connection is trusted */
}

struct file *file_new(const struct history *history)
{
    struct file *file = calloc(1, sizeof *file);
    if (file)
        file->history = history;
    return file;
}

void file_free(struct file *file)
{
    if (!file)
        return;
    file_close(file);
    weir_buf_free(&file->changed_at);
    free(file);
}
