/* The store that keeps nothing answers as the others do: later, once, in its turn. */
#include "state/memory.h"
#include "unit.h"
#include "vworld.h"

#include <errno.h>

struct rig {
    struct vworld world;
    struct memory_store *memory;
    struct store store;
    int owned, loaded, saved, released;
    struct store_save save;
};

static void on_owner(struct store_owner *owner, bool owned, const char *reason)
{
    struct rig *rig = owner->arg;
    CHECK(reason != NULL);
    rig->owned += owned ? 1 : 100;
}

static void on_saved(struct store_save *save, int status)
{
    struct rig *rig = save->arg;
    CHECK_INT(status, 0);
    rig->saved++;
}

/* From inside a done(), as a source does. */
static void on_loaded(struct store_load *load, int status)
{
    struct rig *rig = load->arg;
    CHECK_INT(status, 0);
    CHECK_INT(load->count, 0);
    rig->loaded++;
    CHECK_INT(rig->store.save(rig->store.ctx, &rig->save), 0);
    CHECK_INT(rig->saved, 0);
}

static void on_released(void *arg)
{
    ((struct rig *)arg)->released++;
}

static void nothing_is_kept_and_all_is_answered(void)
{
    struct rig rig = {0};
    struct store none = {0};
    vworld_init(&rig.world, 1);
    CHECK_FATAL(memory_store_new(&rig.world.world, &none, &rig.memory) == 0);
    memory_store_seam(rig.memory, &rig.store);
    struct store_owner owner = {on_owner, &rig};
    struct store_load load = {.done = on_loaded, .arg = &rig};
    struct state_row row = {.kind = STATE_STREAM, .stream = STR("arn")};
    rig.save = (struct store_save){.rows = &row, .count = 1, .done = on_saved, .arg = &rig};
    CHECK(!rig.store.owned(rig.store.ctx));
    CHECK_INT(rig.store.acquire(rig.store.ctx, &owner), 0);
    CHECK_INT(rig.owned, 0);
    vworld_settle(&rig.world);
    CHECK_INT(rig.owned, 1);
    CHECK(rig.store.owned(rig.store.ctx));
    CHECK_INT(rig.store.load(rig.store.ctx, &load), 0);
    CHECK_INT(rig.loaded, 0);
    vworld_settle(&rig.world);
    CHECK_INT(rig.loaded, 1);
    CHECK_INT(rig.saved, 1);
    struct store_put put = {0};
    CHECK_INT(rig.store.dead_put(rig.store.ctx, &put), -ENOSYS);
    rig.store.release(rig.store.ctx, on_released, &rig);
    CHECK_INT(rig.released, 0);
    CHECK(!rig.store.owned(rig.store.ctx));
    vworld_settle(&rig.world);
    CHECK_INT(rig.released, 1);
    CHECK_INT(rig.owned, 1);
    memory_store_free(rig.memory);
    vworld_done(&rig.world);
}

static void letters_go_where_they_are_told_to(void)
{
    struct rig rig = {0};
    vworld_init(&rig.world, 1);
    CHECK_FATAL(memory_store_new(&rig.world.world, &rig.world.world.store, &rig.memory) == 0);
    memory_store_seam(rig.memory, &rig.store);
    rig.world.refuse_put = -EXDEV;
    struct store_put put = {0};
    CHECK_INT(rig.store.dead_put(rig.store.ctx, &put), -EXDEV);
    memory_store_free(rig.memory);
    vworld_done(&rig.world);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"nothing_is_kept_and_all_is_answered", nothing_is_kept_and_all_is_answered},
        {"letters_go_where_they_are_told_to", letters_go_where_they_are_told_to},
        {NULL, NULL}};
    return unit_main(argc, argv, "state, memory", tests);
}
