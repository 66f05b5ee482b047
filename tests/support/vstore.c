#include "vstore.h"

#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the disk ---- */

/* One block for the texts of a row or a letter: not from util/alloc, it outlives processes. */
static char *pack(weir_str *const *texts, size_t count)
{
    size_t total = count;
    for (size_t i = 0; i < count; i++)
        total += texts[i]->len;
    char *block = malloc(total), *at = block;
    CHECK_FATAL(block != NULL);
    for (size_t i = 0; i < count; i++) {
        size_t len = texts[i]->len;
        if (len)
            memcpy(at, texts[i]->ptr, len);
        at[len] = '\0';
        *texts[i] = (weir_str){at, len};
        at += len + 1;
    }
    return block;
}

static void *grown(void *list, size_t count, size_t *room, size_t item_bytes)
{
    if (count < *room)
        return list;
    *room = *room * 2 + 16;
    list = realloc(list, *room * item_bytes);
    CHECK_FATAL(list != NULL);
    return list;
}

static struct vrow *find_row(const struct vdisk *disk, const struct state_row *key)
{
    for (size_t i = 0; i < disk->row_count; i++) {
        const struct state_row *row = &disk->rows[i].row;
        if (row->kind == key->kind && str_eq(row->shard, key->shard) &&
            str_eq(row->sink, key->sink) && str_eq(row->stream, key->stream))
            return &disk->rows[i];
    }
    return NULL;
}

const struct state_row *vdisk_row(const struct vdisk *disk, enum state_kind kind, const char *sink,
                                  const char *stream, const char *shard)
{
    struct state_row key = {
        .kind = kind, .sink = str_of(sink), .stream = str_of(stream), .shard = str_of(shard)};
    struct vrow *found = find_row(disk, &key);
    return found ? &found->row : NULL;
}

static void erase_row(struct vdisk *disk, struct vrow *row)
{
    size_t at = (size_t)(row - disk->rows);
    free(row->text);
    memmove(row, row + 1, (disk->row_count - at - 1) * sizeof *row);
    disk->row_count--;
}

static void write_row(struct vdisk *disk, const struct state_row *row)
{
    struct vrow *place = find_row(disk, row);
    if (place && !row->erase && row->kind == STATE_GAP && !row->done && place->row.done &&
        row->start_us == place->row.start_us)
        return; /* accepted beside its owner */
    if (disk->changed)
        disk->changed(disk->ctx, row);
    if (row->erase) {
        if (place)
            erase_row(disk, place);
        return;
    }
    struct vrow fresh = {.row = *row};
    struct state_row *r = &fresh.row;
    weir_str *const texts[] = {&r->sink,  &r->stream, &r->shard,    &r->parent,
                               &r->table, &r->start,  &r->position, &r->first_available};
    fresh.text = pack(texts, sizeof texts / sizeof *texts);
    if (place) {
        free(place->text);
    } else {
        disk->rows = grown(disk->rows, disk->row_count, &disk->row_room, sizeof *disk->rows);
        place = &disk->rows[disk->row_count++];
    }
    *place = fresh;
}

/* As the SQLite file: a letter of the same record replaces the earlier one, poison without a
 * position does not. */
static void write_letter(struct vdisk *disk, const struct dead_letter *letter)
{
    struct vdead *place = NULL, fresh = {.letter = *letter};
    struct dead_letter *l = &fresh.letter;
    weir_str *const texts[] = {&l->pipeline, &l->sink,   &l->stream_arn, &l->shard, &l->sequence,
                               &l->event_id, &l->record, &l->reason,     &l->code};
    for (size_t i = 0; letter->sequence.len && i < disk->letter_count; i++) {
        const struct dead_letter *other = &disk->letters[i].letter;
        if (str_eq(other->sequence, letter->sequence) && str_eq(other->sink, letter->sink) &&
            str_eq(other->stream_arn, letter->stream_arn) &&
            str_eq(other->event_id, letter->event_id))
            place = &disk->letters[i];
    }
    if (place) {
        l->first_us = place->letter.first_us;
        free(place->text);
    } else {
        disk->letters =
            grown(disk->letters, disk->letter_count, &disk->letter_room, sizeof *disk->letters);
        place = &disk->letters[disk->letter_count++];
    }
    fresh.text = pack(texts, sizeof texts / sizeof *texts);
    *place = fresh;
}

bool vdisk_stored(const struct vdisk *disk, const char *sink, const char *sequence)
{
    for (size_t i = 0; i < disk->letter_count; i++)
        if (str_is(disk->letters[i].letter.sink, sink) &&
            str_is(disk->letters[i].letter.sequence, sequence))
            return true;
    return false;
}

void vdisk_done(struct vdisk *disk)
{
    CHECK(disk->first == NULL);
    for (size_t i = 0; i < disk->row_count; i++)
        free(disk->rows[i].text);
    for (size_t i = 0; i < disk->letter_count; i++)
        free(disk->letters[i].text);
    free(disk->rows);
    free(disk->letters);
    *disk = (struct vdisk){0};
}

/* ---- who owns it ---- */

static void arm(struct vstore *store, struct timer *timer, int64_t delay_ms)
{
    const struct clock *clock = &store->world->world.clock;
    CHECK_FATAL(clock->arm(clock->ctx, timer, delay_ms) == 0);
}

static void disarm(struct vstore *store, struct timer *timer)
{
    const struct clock *clock = &store->world->world.clock;
    clock->disarm(clock->ctx, timer);
}

/* Nobody owns the disk: whoever waits tries at once, or when the lease is over. */
static void offer(struct vdisk *disk)
{
    for (struct vstore *one = disk->first; one; one = one->next) {
        int64_t wait_ms = disk->free_at_ms - one->world->now_ms;
        if (one->owner && !one->owns && !one->lost)
            arm(one, &one->take, wait_ms < 0 ? 0 : wait_ms);
    }
}

static void on_take(struct timer *timer)
{
    struct vstore *store = (struct vstore *)((char *)timer - offsetof(struct vstore, take));
    struct vdisk *disk = store->disk;
    if (disk->owner)
        return; /* offered again when that one ends */
    disk->owner = store;
    disk->fence++;
    store->owns = true;
    store->owner->changed(store->owner, true, "");
}

static void on_tell(struct timer *timer)
{
    struct vstore *store = (struct vstore *)((char *)timer - offsetof(struct vstore, tell));
    struct store_owner *owner = store->owner;
    void (*released)(void *arg) = store->released;
    store->released = NULL;
    if (released) {
        store->owner = NULL;
        released(store->released_arg);
    } else if (owner) {
        owner->changed(owner, false, store->reason);
    }
}

static void take_away(struct vstore *store)
{
    struct vdisk *disk = store->disk;
    store->owns = false;
    if (disk->owner == store)
        disk->owner = NULL;
}

void vstore_lose(struct vstore *store, int64_t tell_ms)
{
    CHECK_FATAL(store->owns);
    take_away(store);
    store->lost = true;
    store->disk->free_at_ms = store->world->now_ms;
    store->reason = "the lease was taken over by another process";
    arm(store, &store->tell, tell_ms);
    offer(store->disk);
}

/* ---- operations ---- */

static struct vfault plan(struct vstore *store, enum vstore_op op)
{
    struct vfault fault = store->script[op];
    store->script[op] = (struct vfault){0};
    if (store->plan)
        store->plan(store->ctx, op, &fault);
    return fault;
}

static void carry_out_save(struct vstore_job *job)
{
    struct store_save *save = job->save;
    size_t count = job->status == 0                   ? save->count
                   : job->fault.written < save->count ? job->fault.written
                                                      : save->count;
    if (!job->store->owns) {
        job->status = -EOWNERDEAD;
        return;
    }
    for (size_t i = 0; i < count; i++)
        write_row(job->store->disk, &save->rows[i]);
    job->store->disk->saves++;
}

static void carry_out(struct vstore_job *job)
{
    job->carried_out = true;
    job->status = job->fault.status;
    if (job->op == VSTORE_SAVE)
        carry_out_save(job);
    else if (job->op == VSTORE_PUT && (job->status == 0 || job->fault.written))
        write_letter(job->store->disk, &job->put->letter);
}

static void tell_load(struct vstore_job *job)
{
    struct vdisk *disk = job->store->disk;
    struct state_row *rows = calloc(disk->row_count + 1, sizeof *rows);
    CHECK_FATAL(rows != NULL);
    for (size_t i = 0; i < disk->row_count; i++)
        rows[i] = disk->rows[i].row;
    disk->loads++;
    job->load->rows = job->status == 0 ? rows : NULL;
    job->load->count = job->status == 0 ? disk->row_count : 0;
    snprintf(job->load->reason, sizeof job->load->reason, "%s", job->status ? "scripted" : "");
    job->load->done(job->load, job->status);
    free(rows);
}

static void tell(struct vstore_job *job)
{
    if (job->op == VSTORE_LOAD) {
        tell_load(job);
    } else if (job->op == VSTORE_SAVE) {
        job->store->saving = false;
        snprintf(job->save->reason, sizeof job->save->reason, "%s", job->status ? "scripted" : "");
        job->save->done(job->save, job->status);
    } else {
        job->put->done(job->put, job->status);
    }
}

static void unlink_job(struct vstore_job *job)
{
    struct vstore_job **link = &job->store->jobs;
    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
}

static void on_job(struct timer *timer)
{
    struct vstore_job *job =
        (struct vstore_job *)((char *)timer - offsetof(struct vstore_job, timer));
    if (!job->carried_out) {
        carry_out(job);
        if (job->fault.answer_ms > 0) {
            arm(job->store, &job->timer, job->fault.answer_ms);
            return;
        }
    }
    unlink_job(job);
    tell(job);
    free(job);
}

static int begin(struct vstore *store, const struct vstore_job *what)
{
    struct vfault fault = plan(store, what->op);
    if (fault.refuse)
        return fault.refuse;
    struct vstore_job *job = malloc(sizeof *job);
    CHECK_FATAL(job != NULL);
    *job = *what;
    job->timer.fire = on_job;
    job->fault = fault;
    job->store = store;
    job->next = store->jobs;
    store->jobs = job;
    arm(store, &job->timer, fault.delay_ms);
    return 0;
}

static int seam_acquire(void *ctx, struct store_owner *owner)
{
    struct vstore *store = ctx;
    struct vfault fault = plan(store, VSTORE_ACQUIRE);
    CHECK_FATAL(!store->owner);
    if (fault.refuse)
        return fault.refuse;
    store->owner = owner;
    if (fault.status) { /* the state can't be had at all */
        store->lost = true;
        store->reason = "scripted";
        arm(store, &store->tell, fault.delay_ms);
        return 0;
    }
    int64_t wait_ms = store->disk->free_at_ms - store->world->now_ms;
    arm(store, &store->take, wait_ms > fault.delay_ms ? wait_ms : fault.delay_ms);
    return 0;
}

static bool seam_owned(void *ctx)
{
    return ((struct vstore *)ctx)->owns;
}

static void seam_release(void *ctx, void (*done)(void *arg), void *arg)
{
    struct vstore *store = ctx;
    CHECK(!store->saving); /* a dead letter may be on its way */
    disarm(store, &store->take);
    store->lost = true; /* takes nothing any more */
    store->released = done;
    store->released_arg = arg;
    if (store->owns) {
        take_away(store);
        store->disk->free_at_ms = store->world->now_ms;
        offer(store->disk);
    }
    arm(store, &store->tell, 0);
}

static int seam_load(void *ctx, struct store_load *load)
{
    return begin(ctx, &(struct vstore_job){.op = VSTORE_LOAD, .load = load});
}

static int seam_save(void *ctx, struct store_save *save)
{
    struct vstore *store = ctx;
    CHECK_FATAL(!store->saving);
    int rc = begin(store, &(struct vstore_job){.op = VSTORE_SAVE, .save = save});
    store->saving = rc == 0;
    return rc;
}

static int seam_put(void *ctx, struct store_put *put)
{
    return begin(ctx, &(struct vstore_job){.op = VSTORE_PUT, .put = put});
}

void vstore_seam(struct vstore *store, struct store *out)
{
    *out = (struct store){.ctx = store,
                          .acquire = seam_acquire,
                          .owned = seam_owned,
                          .release = seam_release,
                          .load = seam_load,
                          .save = seam_save,
                          .dead_put = seam_put};
}

/* ---- life ---- */

void vstore_init(struct vstore *store, struct vdisk *disk, struct vworld *world)
{
    *store = (struct vstore){.disk = disk,
                             .world = world,
                             .next = disk->first,
                             .take.fire = on_take,
                             .tell.fire = on_tell};
    disk->first = store;
}

static void leave(struct vstore *store)
{
    struct vstore **link = &store->disk->first;
    while (*link != store)
        link = &(*link)->next;
    *link = store->next;
    disarm(store, &store->take);
    disarm(store, &store->tell);
}

void vstore_crash(struct vstore *store)
{
    struct vdisk *disk = store->disk;
    while (store->jobs) {
        struct vstore_job *job = store->jobs;
        store->jobs = job->next;
        disarm(store, &job->timer);
        free(job);
    }
    leave(store);
    if (store->owns) {
        take_away(store);
        disk->free_at_ms = store->world->now_ms + disk->lease_ms;
        offer(disk);
    }
}

void vstore_done(struct vstore *store)
{
    CHECK(!store->jobs);
    CHECK(!store->owns);
    vstore_crash(store);
}
