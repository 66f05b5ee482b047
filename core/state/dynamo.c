#include "state/dynamo.h"

#include "state/dynamo_internal.h"
#include "util/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <weir/plugin.h>

/* ---- calls ---- */

int dynamo_start(struct dynamo_store *store, struct aws_call *call, const char *target,
                 const struct buf *body, void (*done)(struct aws_call *call))
{
    bool conditional = call == &store->call; /* asked again by the lease, not by the client */
    *call = (struct aws_call){.service = "dynamodb",
                              .target = target,
                              .json = "1.0",
                              .body = buf_str(body),
                              .timeout_ms = conditional ? store->config.lease_ms / 4 : 0,
                              .max_attempts = conditional ? 1 : 0,
                              .max_answer_bytes = DYNAMO_ANSWER_BYTES,
                              .done = done,
                              .arg = store};
    return aws_call_start(store->config.aws, call);
}

void dynamo_reason(const struct dynamo_store *store, const struct aws_call *call, char *out,
                   size_t room)
{
    const char *table = store->config.table;
    if (call->outcome == AWS_MISSING ||
        (call->outcome == AWS_INVALID && store->phase != LEASE_HELD))
        snprintf(out, room,
                 "the state table %s is not there, or is no state table (%.*s). Make it: aws "
                 "dynamodb create-table --table-name %s --billing-mode PAY_PER_REQUEST "
                 "--attribute-definitions AttributeName=pk,AttributeType=S "
                 "AttributeName=sk,AttributeType=S --key-schema AttributeName=pk,KeyType=HASH "
                 "AttributeName=sk,KeyType=RANGE",
                 table, STR_ARG(call->error_type), table);
    else
        snprintf(out, room, "the state table %s can't be used: %.*s: %.*s", table,
                 STR_ARG(call->error_type), STR_ARG(call->error_message));
}

void dynamo_log(const struct dynamo_store *store, int level, const char *code, const char *format,
                ...)
{
    char text[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (store->config.log)
        store->config.log(store->config.log_ctx, level, "state", code, text);
}

/* ---- save ---- */

int save_put_next(struct dynamo_store *store)
{
    const struct store_save *save = store->save;
    size_t left = save->count - store->saved;
    store->chunk = left < ITEMS_PER_CALL - 1 ? left : ITEMS_PER_CALL - 1;
    return items_put_save(&store->body, &store->place, &store->self, save->rows + store->saved,
                          store->chunk, store->refused);
}

void save_fail(struct dynamo_store *store, int status, const char *reason)
{
    struct store_save *save = store->save;
    if (!save)
        return;
    store->save = NULL;
    snprintf(save->reason, sizeof save->reason, "%s", reason);
    save->done(save, status);
}

void save_answered(struct dynamo_store *store, int status, const char *reason)
{
    memset(store->refused, 0, sizeof store->refused);
    if (status == 0)
        store->saved += store->chunk;
    if (status < 0 || store->saved == store->save->count)
        save_fail(store, status, reason);
}

static int seam_save(void *ctx, struct store_save *save)
{
    struct dynamo_store *store = ctx;
    store->save = save;
    store->saved = 0;
    lease_step_soon(store);
    return 0;
}

/* ---- load ---- */

static void load_page(struct dynamo_store *store, weir_str after);

static void load_end(struct dynamo_store *store, int status, const char *reason)
{
    struct store_load *load = store->load;
    store->load = NULL;
    load->rows = status == 0 ? store->rows : NULL;
    load->count = status == 0 ? store->row_count : 0;
    snprintf(load->reason, sizeof load->reason, "%s", reason);
    load->done(load, status);
    mem_free(store->rows);
    store->rows = NULL;
    store->row_count = store->row_room = 0;
    arena_done(&store->load_arena);
}

static int add_rows(struct dynamo_store *store, const struct items_page *page)
{
    if (store->row_count + page->count > store->row_room) {
        size_t room = (store->row_count + page->count) * 2;
        struct state_row *rows = mem_realloc(store->rows, room * sizeof *rows);
        if (!rows)
            return -ENOMEM;
        store->rows = rows;
        store->row_room = room;
    }
    if (page->count)
        memcpy(store->rows + store->row_count, page->rows, page->count * sizeof *page->rows);
    store->row_count += page->count;
    return 0;
}

/* The answer's text goes with the call, the rows do not. */
static weir_str keep(struct arena *arena, weir_str text)
{
    char *copy = arena_alloc(arena, text.len + 1, 1);
    if (!copy)
        return STR_NONE;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return (weir_str){copy, text.len};
}

static void on_page(struct aws_call *call)
{
    struct dynamo_store *store = call->arg;
    struct items_page page = {.count = 0};
    struct err err = {0};
    char reason[400];
    if (call->outcome != AWS_OK) {
        dynamo_reason(store, call, reason, sizeof reason);
        load_end(store, call->outcome == AWS_MISSING ? -ENOENT : -EIO, reason);
        return;
    }
    weir_str text = keep(&store->load_arena, call->answer);
    int rc = text.ptr ? items_read_page(text, &store->load_arena, &page, &err)
                      : err_set(&err, -ENOMEM, "out of memory");
    if (rc == 0 && add_rows(store, &page) < 0)
        rc = err_set(&err, -ENOMEM, "out of memory");
    if (rc == 0 && page.last_key.len)
        load_page(store, page.last_key);
    else
        load_end(store, rc, err.msg);
}

static int ask_page(struct dynamo_store *store, weir_str after)
{
    buf_reset(&store->load_body);
    int rc = items_put_query(&store->load_body, &store->place, after);
    return rc < 0 ? rc
                  : dynamo_start(store, &store->load_call, "DynamoDB_20120810.Query",
                                 &store->load_body, on_page);
}

static void load_page(struct dynamo_store *store, weir_str after)
{
    if (ask_page(store, after) < 0)
        load_end(store, -ENOMEM, "out of memory");
}

static int seam_load(void *ctx, struct store_load *load)
{
    struct dynamo_store *store = ctx;
    int rc = ask_page(store, STR_NONE);
    if (rc == 0)
        store->load = load;
    return rc;
}

/* ---- accept ---- */

static void on_accepted(struct aws_call *call)
{
    struct dynamo_store *store = call->arg;
    char reason[400] = "";
    int status = call->outcome == AWS_OK ? 0 : call->outcome == AWS_CONDITION ? -ENOENT : -EIO;
    if (status == -EIO)
        dynamo_reason(store, call, reason, sizeof reason);
    store->accepted(store->accept_arg, status, reason);
}

int dynamo_store_accept(struct dynamo_store *store, const struct state_row *gap,
                        void (*done)(void *arg, int status, const char *reason), void *arg)
{
    buf_reset(&store->accept_body);
    int rc = items_put_accept(&store->accept_body, &store->place, gap);
    store->accepted = done;
    store->accept_arg = arg;
    return rc < 0 ? rc
                  : dynamo_start(store, &store->accept_call, "DynamoDB_20120810.UpdateItem",
                                 &store->accept_body, on_accepted);
}

/* ---- the rest of the seam ---- */

static int seam_acquire(void *ctx, struct store_owner *owner)
{
    struct dynamo_store *store = ctx;
    store->owner = owner;
    lease_acquire(store);
    return 0;
}

static bool seam_owned(void *ctx)
{
    return lease_valid(ctx);
}

static void seam_release(void *ctx, void (*done)(void *arg), void *arg)
{
    struct dynamo_store *store = ctx;
    store->released = done;
    store->released_arg = arg;
    if (store->open == CALL_LOOK)
        aws_call_abort(store->config.aws, &store->call);
    lease_step(store);
}

static int seam_dead_put(void *ctx, struct store_put *put)
{
    const struct store *letters = &((struct dynamo_store *)ctx)->config.letters;
    return letters->dead_put ? letters->dead_put(letters->ctx, put) : -ENOSYS;
}

void dynamo_store_seam(struct dynamo_store *store, struct store *out)
{
    *out = (struct store){.ctx = store,
                          .acquire = seam_acquire,
                          .owned = seam_owned,
                          .release = seam_release,
                          .load = seam_load,
                          .save = seam_save,
                          .dead_put = seam_dead_put};
}

/* ---- life ---- */

int dynamo_store_new(const struct dynamo_config *config, struct dynamo_store **out)
{
    const struct random *random = &config->world->random;
    struct dynamo_store *store = mem_zalloc(1, sizeof *store);
    if (!store)
        return -ENOMEM;
    store->config = *config;
    if (!store->config.lease_ms)
        store->config.lease_ms = DYNAMO_LEASE_MS;
    if (!store->config.beat_ms)
        store->config.beat_ms = DYNAMO_BEAT_MS;
    store->place = (struct items_place){str_of(config->table), str_of(config->pipeline)};
    uint64_t high = random->next(random->ctx), low = random->next(random->ctx);
    snprintf(store->id, sizeof store->id, "%016" PRIx64 "%016" PRIx64, high, low);
    store->self.holder = str_of(store->id);
    store->self.who = str_of(config->who);
    buf_init(&store->body, DYNAMO_BODY_BYTES);
    buf_init(&store->load_body, 64 << 10);
    buf_init(&store->accept_body, 64 << 10);
    arena_init(&store->load_arena, 64 << 10);
    *out = store;
    return 0;
}

void dynamo_store_free(struct dynamo_store *store)
{
    if (!store)
        return;
    const struct clock *clock = &store->config.world->clock;
    clock->disarm(clock->ctx, &store->timer);
    buf_done(&store->body);
    buf_done(&store->load_body);
    buf_done(&store->accept_body);
    arena_done(&store->load_arena);
    mem_free(store->rows);
    mem_free(store);
}
