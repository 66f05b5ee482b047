/* The simulator's store does what the seam promises, and what it is scripted to. */
#include "unit.h"
#include "vstore.h"

#include <errno.h>

struct process {
    struct vstore vstore;
    struct store store;
    struct store_owner owner;
    struct store_save save;
    struct store_load load;
    struct store_put put;
    int owned, lost, saved, loaded, stored, released; /* times told */
    int status;
    size_t rows;
};

struct rig {
    struct vworld world;
    struct vdisk disk;
    struct process one, two;
};

static void on_owner(struct store_owner *owner, bool owned, const char *reason)
{
    struct process *process = owner->arg;
    CHECK(reason != NULL);
    *(owned ? &process->owned : &process->lost) += 1;
}

static void on_saved(struct store_save *save, int status)
{
    struct process *process = save->arg;
    process->saved++;
    process->status = status;
}

static void on_loaded(struct store_load *load, int status)
{
    struct process *process = load->arg;
    process->loaded++;
    process->status = status;
    process->rows = load->count;
}

static void on_stored(struct store_put *put, int status)
{
    struct process *process = put->arg;
    process->stored++;
    process->status = status;
}

static void on_released(void *arg)
{
    ((struct process *)arg)->released++;
}

static void boot(struct rig *rig, struct process *process)
{
    *process = (struct process){.owner = {on_owner, process},
                                .save = {.done = on_saved, .arg = process},
                                .load = {.done = on_loaded, .arg = process},
                                .put = {.done = on_stored, .arg = process}};
    vstore_init(&process->vstore, &rig->disk, &rig->world);
    vstore_seam(&process->vstore, &process->store);
}

static void acquire(struct rig *rig, struct process *process)
{
    CHECK_INT(process->store.acquire(process->store.ctx, &process->owner), 0);
    CHECK_INT(process->owned, 0);
    vworld_settle(&rig->world);
}

static void begin(struct rig *rig)
{
    *rig = (struct rig){0};
    vworld_init(&rig->world, 1);
    boot(rig, &rig->one);
    acquire(rig, &rig->one);
    CHECK_INT(rig->one.owned, 1);
}

static void release(struct rig *rig, struct process *process)
{
    process->store.release(process->store.ctx, on_released, process);
    CHECK_INT(process->released, 0);
    vworld_settle(&rig->world);
    CHECK_INT(process->released, 1);
    CHECK(!process->store.owned(process->store.ctx));
}

static void end(struct rig *rig)
{
    vdisk_done(&rig->disk);
    vworld_done(&rig->world);
}

static struct state_row row_of(const char *shard, const char *position)
{
    return (struct state_row){.kind = STATE_POSITION,
                              .sink = STR("s"),
                              .stream = STR("arn"),
                              .shard = str_of(shard),
                              .position = str_of(position)};
}

static void save(struct rig *rig, struct process *process, const struct state_row *rows,
                 size_t count)
{
    process->save.rows = rows;
    process->save.count = count;
    CHECK_INT(process->store.save(process->store.ctx, &process->save), 0);
    CHECK_INT(process->saved, 0);
    vworld_settle(&rig->world);
}

static void rows_outlive_the_process(void)
{
    struct rig rig;
    begin(&rig);
    const struct state_row rows[] = {row_of("a", "1"), row_of("b", "2"), row_of("a", "3")};
    save(&rig, &rig.one, rows, 3);
    CHECK_INT(rig.one.saved, 1);
    CHECK_INT(rig.one.status, 0);
    vstore_crash(&rig.one.vstore);
    boot(&rig, &rig.one);
    acquire(&rig, &rig.one);
    CHECK_INT(rig.one.store.load(rig.one.store.ctx, &rig.one.load), 0);
    vworld_settle(&rig.world);
    CHECK_INT(rig.one.rows, 2);
    CHECK_STR(vdisk_row(&rig.disk, STATE_POSITION, "s", "arn", "a")->position.ptr, "3");
    struct state_row erase = row_of("a", "");
    erase.erase = true;
    rig.one.saved = 0;
    save(&rig, &rig.one, &erase, 1);
    CHECK(vdisk_row(&rig.disk, STATE_POSITION, "s", "arn", "a") == NULL);
    release(&rig, &rig.one);
    vstore_done(&rig.one.vstore);
    end(&rig);
}

static void a_crash_before_the_write_loses_it_and_after_the_write_does_not(void)
{
    static const struct {
        int64_t delay_ms, answer_ms;
        bool durable;
    } table[] = {{10, 0, false}, {0, 10, true}};
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        begin(&rig);
        const struct state_row row = row_of("a", "1");
        rig.one.vstore.script[VSTORE_SAVE] =
            (struct vfault){.delay_ms = table[i].delay_ms, .answer_ms = table[i].answer_ms};
        save(&rig, &rig.one, &row, 1);
        CHECK_INT(rig.one.saved, 0);
        vstore_crash(&rig.one.vstore);
        vworld_run(&rig.world, 100);
        CHECK_INT(rig.one.saved, 0);
        CHECK_INT(vdisk_row(&rig.disk, STATE_POSITION, "s", "arn", "a") != NULL, table[i].durable);
        end(&rig);
    }
}

static void failures_are_as_scripted(void)
{
    static const struct {
        struct vfault fault;
        size_t rows;
    } table[] = {{{.status = -EIO}, 0},
                 {{.status = -EIO, .written = 1}, 1},
                 {{.status = -EIO, .written = SIZE_MAX}, 2}};
    for (size_t i = 0; i < 3; i++) {
        struct rig rig;
        begin(&rig);
        const struct state_row rows[] = {row_of("a", "1"), row_of("b", "2")};
        rig.one.vstore.script[VSTORE_SAVE] = table[i].fault;
        save(&rig, &rig.one, rows, 2);
        CHECK_INT(rig.one.status, -EIO);
        CHECK_INT(rig.disk.row_count, table[i].rows);
        rig.one.saved = 0;
        save(&rig, &rig.one, rows, 2); /* the script was of one operation */
        CHECK_INT(rig.one.status, 0);
        rig.one.vstore.script[VSTORE_SAVE].refuse = -ENOMEM;
        CHECK_INT(rig.one.store.save(rig.one.store.ctx, &rig.one.save), -ENOMEM);
        release(&rig, &rig.one);
        vstore_done(&rig.one.vstore);
        end(&rig);
    }
}

static void the_second_waits_for_release_or_for_the_lease_of_a_crashed_one(void)
{
    struct rig rig;
    begin(&rig);
    rig.disk.lease_ms = 10000;
    boot(&rig, &rig.two);
    acquire(&rig, &rig.two);
    CHECK_INT(rig.two.owned, 0);
    release(&rig, &rig.one);
    CHECK_INT(rig.two.owned, 1);
    CHECK_INT(rig.disk.fence, 2);
    vstore_done(&rig.one.vstore);
    vstore_crash(&rig.two.vstore);
    boot(&rig, &rig.one);
    acquire(&rig, &rig.one);
    vworld_run(&rig.world, 9999);
    CHECK_INT(rig.one.owned, 0);
    vworld_run(&rig.world, 1);
    CHECK_INT(rig.one.owned, 1);
    release(&rig, &rig.one);
    vstore_done(&rig.one.vstore);
    end(&rig);
}

static void F18_a_zombie_writes_nothing(void)
{
    struct rig rig;
    begin(&rig);
    boot(&rig, &rig.two);
    acquire(&rig, &rig.two);
    const struct state_row row = row_of("a", "1");
    vstore_lose(&rig.one.vstore, 50);
    CHECK(!rig.one.store.owned(rig.one.store.ctx));
    vworld_settle(&rig.world);
    CHECK_INT(rig.two.owned, 1);
    CHECK_INT(rig.one.lost, 0);
    save(&rig, &rig.one, &row, 1);
    CHECK_INT(rig.one.status, -EOWNERDEAD);
    CHECK_INT(rig.disk.row_count, 0);
    vworld_run(&rig.world, 50);
    CHECK_INT(rig.one.lost, 1);
    save(&rig, &rig.two, &row, 1);
    CHECK_INT(rig.two.status, 0);
    release(&rig, &rig.one);
    release(&rig, &rig.two);
    CHECK_INT(rig.one.owned, 1);
    vstore_done(&rig.one.vstore);
    vstore_done(&rig.two.vstore);
    end(&rig);
}

static void letters_are_kept_once_per_record(void)
{
    struct rig rig;
    begin(&rig);
    for (int i = 0; i < 2; i++) {
        rig.one.put.letter = (struct dead_letter){
            .sink = STR("s"), .sequence = STR("7"), .record = STR("{}"), .attempts = i + 1};
        CHECK_INT(rig.one.store.dead_put(rig.one.store.ctx, &rig.one.put), 0);
        vworld_settle(&rig.world);
    }
    CHECK_INT(rig.one.stored, 2);
    CHECK_INT(rig.disk.letter_count, 1);
    CHECK_INT(rig.disk.letters[0].letter.attempts, 2);
    CHECK(vdisk_stored(&rig.disk, "s", "7"));
    release(&rig, &rig.one);
    vstore_done(&rig.one.vstore);
    end(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"rows_outlive_the_process", rows_outlive_the_process},
        {"a_crash_before_the_write_loses_it_and_after_the_write_does_not",
         a_crash_before_the_write_loses_it_and_after_the_write_does_not},
        {"failures_are_as_scripted", failures_are_as_scripted},
        {"the_second_waits_for_release_or_for_the_lease_of_a_crashed_one",
         the_second_waits_for_release_or_for_the_lease_of_a_crashed_one},
        {"F18_a_zombie_writes_nothing", F18_a_zombie_writes_nothing},
        {"letters_are_kept_once_per_record", letters_are_kept_once_per_record},
        {NULL, NULL}};
    return unit_main(argc, argv, "state, the simulator's store", tests);
}
