#include "state/sqlite.h"

#include "state/db.h"
#include "state/lock.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <weir/plugin.h>

enum { GROUP_LETTERS = 64, GROUP_VALUES = 256, GROUP_BYTES = 4 << 20 };

enum task { TASK_NONE, TASK_OPEN, TASK_LOAD, TASK_WRITE, TASK_CLOSE };

/* What is handed to the pool thread, and what comes back. */
struct group {
    struct store_save *save;
    struct store_put *puts[GROUP_LETTERS];
    struct store_keep *keeps[GROUP_VALUES];
    size_t count, keep_count;
    int save_status, put_status[GROUP_LETTERS], keep_status;
    struct err save_err, put_err;
};

struct sqlite_store {
    struct sqlite_store_config config;
    char *path, *pipeline;
    struct state_db *db; /* on the pool's thread while a task is under way, like all to `work` */
    int lock;
    enum task task;
    struct group group;
    struct arena loaded, kept_arena;
    struct kept *kept; /* as it was when the file was opened */
    struct state_row *rows;
    size_t row_count;
    int status;
    struct err err;
    struct work work;
    /* the router's: what waits */
    struct store_owner *owner;
    bool opening;
    struct store_load *load;
    struct store_save *save;
    struct store_put *first, *last; /* linked through impl, like */
    struct store_keep *first_keep, *last_keep;
    void (*released)(void *arg);
    void *released_arg;
    struct post closing;
    bool owned;
    bool held; /* the lock, and nobody asked to release it: also before acquire() */
    uint64_t letters;
    int failing; /* the status of the last letter: said once */
};

/* ---- on the pool's thread ---- */

static int own(struct sqlite_store *store, struct err *err)
{
    if (store->lock >= 0)
        return 0;
    db_close(store->db); /* opened for letters only, and not checked */
    store->db = NULL;
    int rc = db_make_folders(store->path, err);
    if (rc == 0)
        rc = state_lock(store->path, &store->lock, err);
    if (rc == 0)
        rc = db_open(store->path, DB_OWN, &store->db, err);
    arena_done(&store->kept_arena);
    store->kept = NULL;
    if (rc == 0)
        rc = db_read_values(store->db, str_of(store->pipeline), &store->kept_arena, &store->kept,
                            err);
    if (rc < 0) {
        db_close(store->db);
        store->db = NULL;
        state_unlock(store->lock);
        store->lock = -1;
    }
    return rc;
}

static int write_save(struct sqlite_store *store, struct err *err)
{
    const struct store_save *save = store->group.save;
    return db_write_rows(store->db, str_of(store->pipeline), save->rows, save->count, err);
}

static int write_keeps(struct sqlite_store *store)
{
    const struct group *group = &store->group;
    int rc = 0;
    for (size_t i = 0; i < group->keep_count && rc == 0; i++)
        rc = db_write_value(store->db, str_of(store->pipeline), &group->keeps[i]->value,
                            group->keeps[i]->erase, NULL);
    return rc;
}

static int commit_or_roll_back(struct sqlite_store *store, int rc, struct err *err)
{
    if (rc == 0)
        rc = db_commit(store->db, err);
    if (rc < 0)
        db_rollback(store->db);
    return rc;
}

static int write_together(struct sqlite_store *store)
{
    struct group *group = &store->group;
    int rc = db_begin(store->db, NULL);
    if (rc == 0 && group->save)
        rc = write_save(store, NULL);
    for (size_t i = 0; i < group->count && rc == 0; i++)
        rc = db_write_letter(store->db, &group->puts[i]->letter, NULL);
    if (rc == 0)
        rc = write_keeps(store);
    return commit_or_roll_back(store, rc, NULL);
}

/* Each for itself, so that a letter that can't be stored takes nothing else with it. */
static void write_each(struct sqlite_store *store)
{
    struct group *group = &store->group;
    if (group->save) {
        int rc = db_begin(store->db, &group->save_err);
        rc = rc == 0 ? write_save(store, &group->save_err) : rc;
        group->save_status = commit_or_roll_back(store, rc, &group->save_err);
    }
    for (size_t i = 0; i < group->count; i++) {
        int rc = db_begin(store->db, &group->put_err);
        rc = rc == 0 ? db_write_letter(store->db, &group->puts[i]->letter, &group->put_err) : rc;
        group->put_status[i] = commit_or_roll_back(store, rc, &group->put_err);
    }
    if (group->keep_count > 0) { /* together: what sinks keep is bounded and fits always */
        int rc = db_begin(store->db, NULL);
        rc = rc == 0 ? write_keeps(store) : rc;
        group->keep_status = commit_or_roll_back(store, rc, NULL);
    }
}

static void fail_group(struct group *group, int rc, const struct err *err)
{
    group->save_status = group->keep_status = rc;
    group->save_err = group->put_err = *err;
    for (size_t i = 0; i < group->count; i++)
        group->put_status[i] = rc;
}

static void write_group(struct sqlite_store *store)
{
    struct group *group = &store->group;
    struct err err = {0};
    int rc = store->db ? 0 : db_open(store->path, DB_ADD, &store->db, &err);
    bool several = group->count + group->keep_count + (group->save ? 1 : 0) > 1;
    if (rc < 0)
        fail_group(group, rc, &err);
    else if (!several || write_together(store) < 0)
        write_each(store);
}

static void close_file(struct sqlite_store *store)
{
    db_close(store->db);
    store->db = NULL;
    state_unlock(store->lock);
    store->lock = -1;
}

static void run_task(struct work *work)
{
    struct sqlite_store *store = work->impl;
    store->status = 0;
    store->err.msg[0] = '\0';
    switch (store->task) {
    case TASK_OPEN:
        store->status = own(store, &store->err);
        break;
    case TASK_LOAD:
        store->status = db_read_rows(store->db, str_of(store->pipeline), &store->loaded,
                                     &store->rows, &store->row_count, &store->err);
        break;
    case TASK_WRITE:
        write_group(store);
        break;
    case TASK_CLOSE:
        close_file(store);
        break;
    case TASK_NONE:
        break;
    }
}

/* ---- on the router's thread ---- */

static void reason_of(const struct err *err, char *reason, size_t room)
{
    snprintf(reason, room, "%s", err->msg);
}

static void opened(struct sqlite_store *store, int status)
{
    struct store_owner *owner = store->owner;
    store->owned = store->held = status == 0;
    owner->changed(owner, status == 0, store->err.msg);
}

static void loaded(struct sqlite_store *store, int status)
{
    struct store_load *load = store->load;
    store->load = NULL;
    load->rows = status == 0 ? store->rows : NULL;
    load->count = status == 0 ? store->row_count : 0;
    reason_of(&store->err, load->reason, sizeof load->reason);
    load->done(load, status);
    arena_done(&store->loaded);
}

/* A full disk fails every letter: that is one line, not one each. */
static void log_letters(struct sqlite_store *store, int status, const struct err *err)
{
    const struct sqlite_store_config *config = &store->config;
    if (status == store->failing || !config->log)
        return;
    store->failing = status;
    if (status < 0)
        config->log(config->log_ctx, WEIR_LOG_ERROR, "state", "W0820", err->msg);
    else
        config->log(config->log_ctx, WEIR_LOG_INFO, "state", "W0826",
                    "dead letters are stored again");
}

static void written(struct sqlite_store *store)
{
    struct group group = store->group; /* done() may hand over more */
    if (group.save) {
        reason_of(&group.save_err, group.save->reason, sizeof group.save->reason);
        group.save->done(group.save, group.save_status);
    }
    for (size_t i = 0; i < group.count; i++) {
        store->letters += group.put_status[i] == 0;
        log_letters(store, group.put_status[i], &group.put_err);
        group.puts[i]->done(group.puts[i], group.put_status[i]);
    }
    for (size_t i = 0; i < group.keep_count; i++)
        group.keeps[i]->done(group.keeps[i], group.keep_status);
}

static void closed(struct sqlite_store *store)
{
    void (*released)(void *arg) = store->released;
    store->released = NULL;
    released(store->released_arg);
}

static void finish(struct sqlite_store *store, enum task task)
{
    switch (task) {
    case TASK_OPEN:
        opened(store, store->status);
        break;
    case TASK_LOAD:
        loaded(store, store->status);
        break;
    case TASK_WRITE:
        written(store);
        break;
    case TASK_CLOSE:
        closed(store);
        break;
    case TASK_NONE:
        break;
    }
}

static void take_group(struct sqlite_store *store)
{
    struct group *group = &store->group;
    size_t bytes = 0;
    *group = (struct group){.save = store->save};
    store->save = NULL;
    while (store->first && group->count < GROUP_LETTERS &&
           (group->count == 0 || bytes + store->first->letter.record.len <= GROUP_BYTES)) {
        struct store_put *put = store->first;
        store->first = put->impl;
        bytes += put->letter.record.len;
        group->puts[group->count++] = put;
    }
    while (store->first_keep && group->keep_count < GROUP_VALUES) {
        group->keeps[group->keep_count++] = store->first_keep;
        store->first_keep = store->first_keep->impl;
    }
}

static enum task next_task(struct sqlite_store *store)
{
    if (store->opening) {
        store->opening = false;
        return TASK_OPEN;
    }
    if (store->load)
        return TASK_LOAD;
    if (store->save || store->first || store->first_keep) {
        take_group(store);
        return TASK_WRITE;
    }
    return store->released ? TASK_CLOSE : TASK_NONE;
}

/* The pool took nothing: whoever waits for that hears of it. */
static void refuse(struct sqlite_store *store, int rc)
{
    err_set(&store->err, rc, "no thread for the state file: %s", strerror(-rc));
    store->status = rc;
    fail_group(&store->group, rc, &store->err);
}

static int proceed(struct sqlite_store *store)
{
    store->task = next_task(store);
    if (store->task == TASK_NONE)
        return 0;
    const struct worker *worker = &store->config.world->worker;
    int rc = worker->submit(worker->ctx, &store->work);
    if (rc < 0)
        refuse(store, rc);
    return rc;
}

static void on_done(struct work *work)
{
    struct sqlite_store *store = work->impl;
    do { /* `task` stays set meanwhile, so that what done() hands over waits for the loop here */
        finish(store, store->task);
    } while (proceed(store) < 0);
}

/* ---- the seam ---- */

/* Called when something was queued: 0, or what the pool says, with nothing queued then. */
static int start(struct sqlite_store *store)
{
    if (store->task != TASK_NONE)
        return 0;
    int rc = proceed(store);
    if (rc < 0) {
        store->task = TASK_NONE;
        store->group = (struct group){0};
    }
    return rc;
}

static int seam_acquire(void *ctx, struct store_owner *owner)
{
    struct sqlite_store *store = ctx;
    store->owner = owner;
    store->opening = true;
    return start(store);
}

static bool seam_owned(void *ctx)
{
    return ((struct sqlite_store *)ctx)->owned;
}

static int seam_load(void *ctx, struct store_load *load)
{
    struct sqlite_store *store = ctx;
    if (!store->owned)
        return -EPERM;
    store->load = load;
    int rc = start(store);
    if (rc < 0)
        store->load = NULL;
    return rc;
}

static int seam_save(void *ctx, struct store_save *save)
{
    struct sqlite_store *store = ctx;
    if (!store->owned)
        return -EPERM;
    store->save = save;
    return start(store);
}

static int seam_dead_put(void *ctx, struct store_put *put)
{
    struct sqlite_store *store = ctx;
    put->impl = NULL;
    if (store->first)
        store->last->impl = put;
    else
        store->first = put;
    store->last = put;
    return start(store);
}

static int seam_keep(void *ctx, struct store_keep *keep)
{
    struct sqlite_store *store = ctx;
    if (!store->held)
        return -EPERM;
    keep->impl = NULL;
    if (store->first_keep)
        store->last_keep->impl = keep;
    else
        store->first_keep = keep;
    store->last_keep = keep;
    return start(store);
}

static int seam_kept(void *ctx, weir_str sink, weir_str plugin,
                     int (*each)(void *arg, weir_str key, weir_str value), void *arg)
{
    const struct sqlite_store *store = ctx;
    int rc = store->held ? 0 : -EPERM;
    for (const struct kept *at = rc == 0 ? store->kept : NULL; at && rc == 0; at = at->next)
        if (str_eq(at->value.sink, sink) && str_eq(at->value.plugin, plugin))
            rc = each(arg, at->value.key, at->value.bytes);
    return rc;
}

static void on_closed(struct post *post)
{
    closed((struct sqlite_store *)((char *)post - offsetof(struct sqlite_store, closing)));
}

static void seam_release(void *ctx, void (*done)(void *arg), void *arg)
{
    struct sqlite_store *store = ctx;
    store->owned = store->held = false;
    store->released = done;
    store->released_arg = arg;
    if (start(store) < 0) { /* no thread: rather here than not at all */
        close_file(store);
        store->closing.run = on_closed;
        store->config.world->clock.post(store->config.world->clock.ctx, &store->closing);
    }
}

void sqlite_store_seam(struct sqlite_store *store, struct store *out)
{
    *out = (struct store){.ctx = store,
                          .acquire = seam_acquire,
                          .owned = seam_owned,
                          .release = seam_release,
                          .load = seam_load,
                          .save = seam_save,
                          .dead_put = seam_dead_put,
                          .keep = seam_keep,
                          .kept = seam_kept};
}

/* ---- life ---- */

int sqlite_store_new(const struct sqlite_store_config *config, struct sqlite_store **out)
{
    struct sqlite_store *store = mem_zalloc(1, sizeof *store);
    char *path = mem_dup0(config->path, strlen(config->path));
    char *pipeline = mem_dup0(config->pipeline, strlen(config->pipeline));
    if (!store || !path || !pipeline) {
        mem_free(store);
        mem_free(path);
        mem_free(pipeline);
        return -ENOMEM;
    }
    store->config = *config;
    store->path = path;
    store->pipeline = pipeline;
    store->lock = -1;
    store->work = (struct work){.run = run_task, .done = on_done, .impl = store};
    arena_init(&store->loaded, 16 << 10);
    arena_init(&store->kept_arena, 4 << 10);
    *out = store;
    return 0;
}

int sqlite_store_own(struct sqlite_store *store, struct err *err)
{
    int rc = own(store, err);
    store->held = rc == 0;
    return rc;
}

void sqlite_store_free(struct sqlite_store *store)
{
    if (!store)
        return;
    close_file(store);
    arena_done(&store->loaded);
    arena_done(&store->kept_arena);
    mem_free(store->path);
    mem_free(store->pipeline);
    mem_free(store);
}

uint64_t sqlite_store_letters(const struct sqlite_store *store)
{
    return store->letters;
}

const char *sqlite_store_path(const struct sqlite_store *store)
{
    return store->path;
}
