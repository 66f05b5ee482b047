#include "state/memory.h"

#include "util/alloc.h"

#include <errno.h>

struct memory_store {
    const struct world *world;
    struct store letters;
    struct store_owner *owner;
    struct store_load *load;
    struct store_save *save;
    void (*released)(void *arg);
    void *released_arg;
    bool owned, posted;
    struct post post;
};

/* Answers all that was asked since; done() may ask again. */
static void on_post(struct post *post)
{
    struct memory_store *memory =
        (struct memory_store *)((char *)post - offsetof(struct memory_store, post));
    struct store_load *load = memory->load;
    struct store_save *save = memory->save;
    void (*released)(void *arg) = memory->released;
    bool news = memory->owner && !memory->owned && !released;
    memory->posted = false;
    memory->load = NULL;
    memory->save = NULL;
    memory->released = NULL;
    if (news) {
        memory->owned = true;
        memory->owner->changed(memory->owner, true, "");
    }
    if (load) {
        load->rows = NULL;
        load->count = 0;
        load->reason[0] = '\0';
        load->done(load, 0);
    }
    if (save) {
        save->reason[0] = '\0';
        save->done(save, 0);
    }
    if (released)
        released(memory->released_arg);
}

static int ask(struct memory_store *memory)
{
    const struct clock *clock = &memory->world->clock;
    memory->post.run = on_post;
    if (!memory->posted)
        clock->post(clock->ctx, &memory->post);
    memory->posted = true;
    return 0;
}

static int seam_acquire(void *ctx, struct store_owner *owner)
{
    struct memory_store *memory = ctx;
    memory->owner = owner;
    return ask(memory);
}

static bool seam_owned(void *ctx)
{
    return ((struct memory_store *)ctx)->owned;
}

static void seam_release(void *ctx, void (*done)(void *arg), void *arg)
{
    struct memory_store *memory = ctx;
    memory->owned = false;
    memory->owner = NULL;
    memory->released = done;
    memory->released_arg = arg;
    ask(memory);
}

static int seam_load(void *ctx, struct store_load *load)
{
    struct memory_store *memory = ctx;
    memory->load = load;
    return ask(memory);
}

static int seam_save(void *ctx, struct store_save *save)
{
    struct memory_store *memory = ctx;
    memory->save = save;
    return ask(memory);
}

static int seam_dead_put(void *ctx, struct store_put *put)
{
    const struct store *letters = &((struct memory_store *)ctx)->letters;
    return letters->dead_put ? letters->dead_put(letters->ctx, put) : -ENOSYS;
}

void memory_store_seam(struct memory_store *memory, struct store *out)
{
    *out = (struct store){.ctx = memory,
                          .acquire = seam_acquire,
                          .owned = seam_owned,
                          .release = seam_release,
                          .load = seam_load,
                          .save = seam_save,
                          .dead_put = seam_dead_put};
}

int memory_store_new(const struct world *world, const struct store *letters,
                     struct memory_store **out)
{
    struct memory_store *memory = mem_zalloc(1, sizeof *memory);
    if (!memory)
        return -ENOMEM;
    memory->world = world;
    memory->letters = *letters;
    *out = memory;
    return 0;
}

void memory_store_free(struct memory_store *memory)
{
    mem_free(memory);
}
