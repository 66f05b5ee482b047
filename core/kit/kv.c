/* weir.kv/1 of a test: a store in memory, that tells a put when the test settles. */
#include "kit/kit.h"

#include <stdio.h>

static void on_post(struct post *post)
{
    struct kit_keeper *keeper =
        (struct kit_keeper *)((char *)post - offsetof(struct kit_keeper, post));
    struct store_keep *keep = keeper->first;
    keeper->posted = false;
    keeper->first = NULL;
    while (keep) { /* done() may hand over more, for the next time */
        struct store_keep *next = keep->impl;
        int status = keeper->fail;
        keeper->fail = 0;
        keep->done(keep, status);
        keep = next;
    }
}

static int keep(void *ctx, struct store_keep *keep)
{
    weir_test *test = ctx;
    struct kit_keeper *keeper = &test->keeper;
    struct clock *clock = &test->world.world.clock;
    keep->impl = NULL;
    if (keeper->first)
        keeper->last->impl = keep;
    else
        keeper->first = keep;
    keeper->last = keep;
    keeper->post.run = on_post;
    if (!keeper->posted)
        clock->post(clock->ctx, &keeper->post);
    keeper->posted = true;
    return 0;
}

static int kept(void *ctx, weir_str sink, weir_str plugin,
                int (*each)(void *arg, weir_str key, weir_str value), void *arg)
{
    const char *const *at = ((weir_test *)ctx)->keeper.values;
    (void)sink;
    (void)plugin;
    int rc = 0;
    for (; rc == 0 && at && at[0] && at[1]; at += 2)
        rc = each(arg, str_of(at[0]), str_of(at[1]));
    return rc;
}

void kit_keeper_init(weir_test *test, const char *const *values)
{
    test->keeper = (struct kit_keeper){
        .store = {.ctx = test, .keep = keep, .kept = kept},
        .values = values,
    };
    test->keeper.kv = kv_new(&test->keeper.store);
    if (!test->keeper.kv)
        kit_out_of_memory();
}

const char *weir_test_value(const weir_test *test, const char *key)
{
    weir_str value = STR_NONE;
    weir_test *writer = (weir_test *)(uintptr_t)test; /* only for a copy with a NUL behind */
    if (!test->instance || ext_kv_table.get(test->instance, str_of(key), &value) != 1)
        return NULL;
    return kit_text(writer, value);
}

void weir_test_refuse_value(weir_test *test, int32_t error)
{
    test->keeper.fail = error;
}
