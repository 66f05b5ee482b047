/* weir.kv/1: what can be put, by whom, who sees it, and who is told what. */
#include "support.h"

#include "plugin/host.h"
#include "plugin/kv.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const weir_kv *const kv = &ext_kv_table;

/* A store that tells what it was handed when the test says so. */
struct shelf {
    struct store store;
    struct store_keep *handed[2048];
    size_t count;
    int refuse;
    const char *sink, *plugin, *key, *value; /* that was kept before */
};

static int shelf_keep(void *ctx, struct store_keep *keep)
{
    struct shelf *shelf = ctx;
    if (shelf->refuse == 0)
        shelf->handed[shelf->count++] = keep;
    return shelf->refuse;
}

static int shelf_kept(void *ctx, weir_str sink, weir_str plugin,
                      int (*each)(void *arg, weir_str key, weir_str value), void *arg)
{
    const struct shelf *shelf = ctx;
    if (shelf->refuse < 0)
        return shelf->refuse;
    bool ours = str_is(sink, shelf->sink) && str_is(plugin, shelf->plugin);
    return ours ? each(arg, str_of(shelf->key), str_of(shelf->value)) : 0;
}

static void tell(struct shelf *shelf, int status)
{
    struct store_keep *first = shelf->handed[0];
    CHECK_FATAL(shelf->count > 0);
    shelf->count--;
    memmove(shelf->handed, shelf->handed + 1, shelf->count * sizeof(struct store_keep *));
    first->done(first, status);
}

struct kvrig {
    struct rig rig;
    struct shelf shelf;
    struct kv *kv;
    weir_instance *sink; /* rig.instance, after its open() */
    int told, status;
};

/* As in open(): the extension is asked for. */
static const void *ask(struct kvrig *it, weir_instance *instance)
{
    instance->services.kv = it->kv;
    instance->opening = true;
    const void *table = host_table.extension(instance, WEIR_EXT_KV);
    instance->opening = false;
    return table;
}

static void begin(struct kvrig *it)
{
    *it = (struct kvrig){.shelf = {.sink = "test", .plugin = "good", .key = "old", .value = "1"}};
    it->shelf.store = (struct store){.ctx = &it->shelf, .keep = shelf_keep, .kept = shelf_kept};
    rig_init(&it->rig, "good", NULL);
    it->sink = it->rig.instance;
    it->kv = kv_new(&it->shelf.store);
    CHECK_FATAL(it->kv != NULL);
    CHECK(ask(it, it->sink) == kv);
}

static void end(struct kvrig *it)
{
    rig_done(&it->rig);
    kv_free(it->kv);
}

static void on_done(void *arg, int32_t status)
{
    struct kvrig *it = arg;
    it->told++;
    it->status = status;
}

static int put(struct kvrig *it, const char *key, const char *value)
{
    return kv->put(it->sink, str_of(key), str_of(value), on_done, it);
}

static void is_value(weir_instance *sink, const char *key, const char *expected)
{
    weir_str value = STR_NONE;
    CHECK_INT(kv->get(sink, str_of(key), &value), expected != NULL);
    CHECK(str_is(value, expected));
}

/* All keys, each with a blank behind. */
static const char *keys_of(weir_instance *sink, char out[256])
{
    weir_str key = STR_NONE;
    size_t len = 0;
    out[0] = '\0';
    while (kv->next(sink, key, &key) == 1)
        len += (size_t)snprintf(out + len, 256 - len, "%.*s ", STR_ARG(key));
    return out;
}

static void a_value_is_there_once_it_is_told(void)
{
    struct kvrig it;
    char keys[256];
    begin(&it);
    CHECK_INT(kv->revision, 1);
    CHECK_INT(kv->struct_size, sizeof *kv);
    is_value(it.sink, "old", "1");
    CHECK_INT(put(&it, "b", "2"), 0);
    CHECK_INT(put(&it, "a", ""), 0);
    CHECK_INT(put(&it, "old", "3"), 0);
    is_value(it.sink, "b", NULL);
    is_value(it.sink, "old", "1");
    CHECK_INT(it.told, 0);
    for (int i = 1; i <= 3; i++) {
        tell(&it.shelf, 0);
        CHECK_INT(it.told, i);
        CHECK_INT(it.status, 0);
    }
    is_value(it.sink, "b", "2");
    is_value(it.sink, "a", "");
    is_value(it.sink, "old", "3");
    CHECK_STR(keys_of(it.sink, keys), "a b old ");
    CHECK_INT(kv->drop(it.sink, STR("b"), on_done, &it), 0);
    CHECK_INT(kv->drop(it.sink, STR("none"), NULL, NULL), 0);
    tell(&it.shelf, 0);
    tell(&it.shelf, 0);
    CHECK_INT(it.told, 4);
    CHECK_STR(keys_of(it.sink, keys), "a old ");
    end(&it);
}

static void what_could_not_be_stored_is_told_and_not_shown(void)
{
    struct kvrig it;
    char keys[256];
    begin(&it);
    CHECK_INT(put(&it, "new", "1"), 0);
    CHECK_INT(put(&it, "old", "2"), 0);
    CHECK_INT(kv->drop(it.sink, STR("old"), on_done, &it), 0);
    tell(&it.shelf, -ENOSPC);
    CHECK_INT(it.status, -ENOSPC);
    tell(&it.shelf, -EIO);
    CHECK_INT(it.status, -EIO);
    tell(&it.shelf, -EROFS);
    CHECK_INT(it.status, -EROFS);
    CHECK_INT(it.told, 3);
    CHECK_STR(keys_of(it.sink, keys), "old ");
    is_value(it.sink, "old", "1");
    it.shelf.refuse = -EPERM; /* the state is another's */
    CHECK_INT(put(&it, "new", "1"), -EPERM);
    CHECK_INT(kv->drop(it.sink, STR("old"), on_done, &it), -EPERM);
    CHECK_INT(it.told, 3);
    end(&it);
}

static void lengths_are_bounded_and_any_byte_will_do(void)
{
    static char long_key[WEIR_KV_KEY_BYTES + 1], long_value[WEIR_KV_VALUE_BYTES + 1];
    struct kvrig it;
    weir_str value = STR_NONE, key;
    begin(&it);
    CHECK_INT(kv->put(it.sink, STR(""), STR("v"), NULL, NULL), -EINVAL);
    CHECK_INT(kv->put(it.sink, (weir_str){NULL, 3}, STR("v"), NULL, NULL), -EINVAL);
    CHECK_INT(kv->put(it.sink, STR("k"), (weir_str){NULL, 3}, NULL, NULL), -EINVAL);
    CHECK_INT(kv->put(it.sink, (weir_str){long_key, 257}, STR("v"), NULL, NULL), -EINVAL);
    CHECK_INT(kv->put(it.sink, STR("k"), (weir_str){long_value, 4097}, NULL, NULL), -EINVAL);
    CHECK_INT(kv->put(it.sink, STR("k"), (weir_str){long_value, SIZE_MAX}, NULL, NULL), -EINVAL);
    CHECK_INT(kv->drop(it.sink, STR(""), NULL, NULL), -EINVAL);
    CHECK_INT(kv->put(NULL, STR("k"), STR("v"), NULL, NULL), -EINVAL);
    CHECK_INT(kv->get(it.sink, (weir_str){NULL, 3}, &value), 0);
    CHECK_INT(kv->get(NULL, STR("old"), &value), 0);
    CHECK_INT(kv->next(NULL, STR("old"), &value), 0);
    CHECK_INT(kv->next(it.sink, (weir_str){long_key, 257}, &value), 0);
    CHECK_INT(kv->get(it.sink, STR("old"), NULL), 1);
    CHECK_INT(kv->next(it.sink, STR(""), NULL), 1);
    CHECK_INT(it.shelf.count, 0);

    CHECK_INT(kv->put(it.sink, (weir_str){long_key, 256}, (weir_str){long_value, 4096}, NULL, NULL),
              0);
    tell(&it.shelf, 0);
    CHECK_INT(kv->get(it.sink, (weir_str){long_key, 256}, &value), 1);
    CHECK_INT(value.len, 4096);
    CHECK_INT(kv->next(it.sink, STR_NONE, &key), 1); /* NUL bytes are before any letter */
    CHECK_INT(key.len, 256);
    end(&it);
}

/* Puts "PREFIX0" ... until one is refused, which is returned. */
static int fill(struct kvrig *it, const char *prefix, bool told, int *count)
{
    char key[16];
    for (*count = 0;; ++*count) {
        snprintf(key, sizeof key, "%s%d", prefix, *count);
        int rc = put(it, key, "v");
        if (rc < 0)
            return rc;
        if (told)
            tell(&it->shelf, 0);
    }
}

static void keys_and_what_is_under_way_are_bounded(void)
{
    struct kvrig it;
    int count;
    begin(&it);
    CHECK_INT(fill(&it, "a", false, &count), -ENOSPC); /* those under way count */
    CHECK_INT(count, WEIR_KV_KEYS_MAX - 1);
    CHECK_INT(put(&it, "old", "2"), 0); /* no further key */
    CHECK_INT(put(&it, "old", "3"), -EAGAIN);
    while (it.shelf.count > 0)
        tell(&it.shelf, -EIO); /* none of them became a key */
    CHECK_INT(fill(&it, "b", true, &count), -ENOSPC);
    CHECK_INT(count, WEIR_KV_KEYS_MAX - 1);
    /* What is dropped and put again takes no more room than there is. */
    CHECK_INT(kv->drop(it.sink, STR("b0"), NULL, NULL), 0);
    CHECK_INT(put(&it, "b0", "2"), -ENOSPC);
    CHECK_INT(put(&it, "z", "2"), -ENOSPC);
    tell(&it.shelf, 0);
    CHECK_INT(kv->drop(it.sink, STR("b1"), NULL, NULL), 0);
    CHECK_INT(put(&it, "b1", "2"), 0);
    CHECK_INT(put(&it, "z", "2"), -ENOSPC);
    tell(&it.shelf, 0);
    tell(&it.shelf, 0);
    CHECK_INT(put(&it, "z", "2"), 0);
    CHECK_INT(put(&it, "z1", "2"), -ENOSPC);
    tell(&it.shelf, 0);
    is_value(it.sink, "b1", "2");
    is_value(it.sink, "z", "2");
    end(&it);
}

static void an_instance_of_a_reload_sees_the_same_and_a_stranger_nothing(void)
{
    struct kvrig it;
    char keys[256];
    begin(&it);
    struct instance_services services = it.sink->services;
    weir_instance *next = open_instance(it.rig.plugin, NULL, &services); /* also "test" */
    CHECK(ask(&it, next) == kv);
    CHECK_INT(put(&it, "mine", "1"), 0);
    tell(&it.shelf, 0);
    is_value(next, "mine", "1");

    weir_instance *other = NULL;
    CHECK_FATAL(instance_new(it.rig.plugin, "another", NULL, &services, NULL, NULL, &other, NULL) ==
                0);
    CHECK(ask(&it, other) == kv);
    CHECK_STR(keys_of(other, keys), "");
    CHECK_INT(kv->put(other, STR("mine"), STR("2"), NULL, NULL), 0);
    CHECK(str_is(it.shelf.handed[0]->value.sink, "another"));
    CHECK(str_is(it.shelf.handed[0]->value.plugin, "good"));
    tell(&it.shelf, 0);
    is_value(it.sink, "mine", "1");
    instance_close(other);

    struct plugin *plugin = load_plugin("good_async"); /* the sink's plugin was changed */
    weir_instance *changed = open_instance(plugin, NULL, &services);
    CHECK(ask(&it, changed) == kv);
    CHECK_STR(keys_of(changed, keys), "");
    instance_close(changed);
    plugin_free(plugin);
    instance_close(next);
    end(&it);
}

static void nothing_is_called_after_close(void)
{
    struct kvrig it;
    begin(&it);
    struct instance_services services = it.sink->services;
    weir_instance *next = open_instance(it.rig.plugin, NULL, &services);
    CHECK(ask(&it, next) == kv);
    CHECK_INT(put(&it, "a", "1"), 0);
    CHECK_INT(kv->put(next, STR("a"), STR("2"), on_done, &it), 0);
    instance_close(next);
    tell(&it.shelf, 0);
    CHECK_INT(it.told, 1);
    tell(&it.shelf, 0); /* stored still */
    CHECK_INT(it.told, 1);
    is_value(it.sink, "a", "2");
    CHECK_INT(put(&it, "b", "1"), 0); /* never told: freed with the rest */
    end(&it);
}

static void put_again(void *arg, int32_t status)
{
    struct kvrig *it = arg;
    CHECK_INT(status, 0);
    is_value(it->sink, "a", "1"); /* it is stored already */
    CHECK_INT(put(it, "a", "2"), 0);
}

static void done_may_put(void)
{
    struct kvrig it;
    begin(&it);
    CHECK_INT(kv->put(it.sink, STR("a"), STR("1"), put_again, &it), 0);
    tell(&it.shelf, 0);
    CHECK_INT(it.told, 0);
    tell(&it.shelf, 0);
    CHECK_INT(it.told, 1);
    is_value(it.sink, "a", "2");
    end(&it);
}

static void open_reads_and_changes_nothing(void)
{
    struct kvrig it;
    begin(&it);
    it.sink->opening = true;
    is_value(it.sink, "old", "1");
    CHECK_INT(put(&it, "a", "1"), -EINVAL);
    CHECK_INT(kv->drop(it.sink, STR("old"), NULL, NULL), -EINVAL);
    it.sink->opening = false;
    end(&it);
}

static void where_nothing_is_stored_that_is_said(void)
{
    struct rig rig;
    char keys[256];
    rig_init(&rig, "good", NULL); /* as in weir check: no store */
    CHECK(host_table.extension(rig.instance, WEIR_EXT_KV) == kv);
    CHECK_STR(keys_of(rig.instance, keys), "");
    is_value(rig.instance, "old", NULL);
    CHECK_INT(kv->put(rig.instance, STR("a"), STR("1"), NULL, NULL), -ENOTSUP);
    CHECK_INT(kv->drop(rig.instance, STR("a"), NULL, NULL), -ENOTSUP);
    rig.instance->services.without = WEIR_EXT_KV; /* Lambda, a table */
    CHECK(host_table.extension(rig.instance, WEIR_EXT_KV) == NULL);
    rig_done(&rig);
}

static void what_can_not_be_read_is_not_offered(void)
{
    struct kvrig it;
    begin(&it);
    struct instance_services services = it.sink->services;
    weir_instance *next = NULL;
    CHECK_FATAL(instance_new(it.rig.plugin, "b", NULL, &services, NULL, NULL, &next, NULL) == 0);
    CHECK(host_table.extension(next, WEIR_EXT_KV) == NULL); /* not asked for in open() */
    it.shelf.refuse = -EPERM;
    CHECK(ask(&it, next) == NULL);
    CHECK(!next->out_of_memory);
    it.shelf.refuse = 0;
    CHECK(ask(&it, next) == kv);
    instance_close(next);
    end(&it);
}

static void no_allocation_that_fails_loses_anything(void)
{
    for (uint64_t n = 1; n < 8; n++) {
        struct kvrig it;
        begin(&it);
        struct kv *fresh;
        struct kv_space *space = NULL;
        mem_fail_at(n);
        fresh = kv_new(&it.shelf.store);
        int rc = fresh ? kv_space_of(fresh, STR("test"), STR("good"), &space) : -ENOMEM;
        mem_fail_at(0);
        CHECK_INT(rc, n <= 6 ? -ENOMEM : 0);
        kv_free(fresh);
        mem_fail_at(n);
        rc = put(&it, "a", "1");
        mem_fail_at(0);
        CHECK_INT(rc, n == 1 ? -ENOMEM : 0);
        if (rc == 0)
            tell(&it.shelf, 0);
        is_value(it.sink, "a", rc == 0 ? "1" : NULL);
        end(&it);
    }
}

/* Any order of puts and drops, told or refused, against a table that is plain. */
static void as_a_plain_table_would_have_it(void)
{
    struct kvrig it;
    char model[26] = {0}, waiting[2048][2];
    size_t first = 0, last = 0;
    unsigned seed = 7;
    begin(&it);
    for (int i = 0; i < 3000; i++) {
        seed = seed * 1103515245u + 12345u;
        unsigned r = seed >> 16;
        char key[2] = {(char)('A' + r % 26), '\0'}, value[2] = {(char)('0' + r / 26 % 10), '\0'};
        bool drop = r % 3 == 0;
        if (r % 5 < 3 && last < 2048) {
            CHECK_INT(drop ? kv->drop(it.sink, str_of(key), NULL, NULL) : put(&it, key, value), 0);
            waiting[last][0] = key[0];
            waiting[last++][1] = drop ? '\0' : value[0];
        } else if (first < last) {
            int status = r % 7 == 0 ? -EIO : 0;
            tell(&it.shelf, status);
            if (status == 0)
                model[waiting[first][0] - 'A'] = waiting[first][1];
            first++;
        }
    }
    for (int k = 0; k < 26; k++) {
        char key[2] = {(char)('A' + k), '\0'}, value[2] = {model[k], '\0'};
        is_value(it.sink, key, model[k] ? value : NULL);
    }
    end(&it);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"a_value_is_there_once_it_is_told", a_value_is_there_once_it_is_told},
        {"what_could_not_be_stored_is_told_and_not_shown",
         what_could_not_be_stored_is_told_and_not_shown},
        {"lengths_are_bounded_and_any_byte_will_do", lengths_are_bounded_and_any_byte_will_do},
        {"keys_and_what_is_under_way_are_bounded", keys_and_what_is_under_way_are_bounded},
        {"an_instance_of_a_reload_sees_the_same_and_a_stranger_nothing",
         an_instance_of_a_reload_sees_the_same_and_a_stranger_nothing},
        {"nothing_is_called_after_close", nothing_is_called_after_close},
        {"done_may_put", done_may_put},
        {"open_reads_and_changes_nothing", open_reads_and_changes_nothing},
        {"where_nothing_is_stored_that_is_said", where_nothing_is_stored_that_is_said},
        {"what_can_not_be_read_is_not_offered", what_can_not_be_read_is_not_offered},
        {"no_allocation_that_fails_loses_anything", no_allocation_that_fails_loses_anything},
        {"as_a_plain_table_would_have_it", as_a_plain_table_would_have_it},
        {NULL, NULL}};
    return unit_main(argc, argv, "weir.kv/1", tests);
}
