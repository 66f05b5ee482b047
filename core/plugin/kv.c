#include "plugin/kv.h"

#include "plugin/instance.h"
#include "util/alloc.h"

#include <errno.h>

/* A value: under way until the store has told of it, then, unless it removes one, stored. */
struct item {
    weir_str key, value; /* in `bytes` */
    struct store_keep keep;
    struct kv_space *space;
    struct item *next;       /* under way */
    weir_instance *instance; /* NULL: nobody is told */
    void (*done)(void *arg, int32_t status);
    void *arg;
    bool adds; /* a key */
    char bytes[];
};

struct kv_space {
    struct kv_space *next;
    const struct store *store;
    char *sink, *plugin;
    struct item **items; /* stored, by key; room for those of `adding` too */
    size_t count, room;
    struct item *first, *last; /* under way, in order */
    size_t underway, adding;
};

struct kv {
    const struct store *store;
    struct kv_space *spaces;
};

/* ---- what is stored ---- */

/* Where the key is, or belongs. */
static size_t place_of(const struct kv_space *space, weir_str key, bool *found)
{
    size_t low = 0, high = space->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(space->items[middle]->key, key);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int make_room(struct kv_space *space, size_t count)
{
    if (count <= space->room)
        return 0;
    size_t room = count * 2 + 6;
    struct item **items = mem_realloc(space->items, room * sizeof *items);
    if (!items)
        return -ENOMEM;
    space->items = items;
    space->room = room;
    return 0;
}

/* There is room. The item is the space's from now on. */
static void set(struct kv_space *space, struct item *item)
{
    bool found;
    size_t at = place_of(space, item->key, &found);
    struct item **place = &space->items[at];
    if (found) {
        mem_free(*place);
    } else {
        memmove(place + 1, place, (space->count - at) * sizeof(struct item *));
        space->count++;
    }
    *place = item;
}

static void unset(struct kv_space *space, weir_str key)
{
    bool found;
    size_t at = place_of(space, key, &found);
    if (!found)
        return;
    mem_free(space->items[at]);
    space->count--;
    memmove(space->items + at, space->items + at + 1, (space->count - at) * sizeof(struct item *));
}

static struct item *item_new(struct kv_space *space, weir_str key, weir_str value)
{
    struct item *item = mem_alloc(sizeof *item + key.len + value.len);
    if (!item)
        return NULL;
    *item = (struct item){
        .space = space, .key = {item->bytes, key.len}, .value = {item->bytes + key.len, value.len}};
    memcpy(item->bytes, key.ptr, key.len);
    if (value.len > 0)
        memcpy(item->bytes + key.len, value.ptr, value.len);
    return item;
}

static int on_kept(void *arg, weir_str key, weir_str value)
{
    struct kv_space *space = arg;
    struct item *item =
        make_room(space, space->count + 1) == 0 ? item_new(space, key, value) : NULL;
    if (!item)
        return -ENOMEM;
    set(space, item);
    return 0;
}

/* ---- spaces ---- */

static void space_free(struct kv_space *space)
{
    while (space->first) {
        struct item *item = space->first;
        space->first = item->next;
        mem_free(item);
    }
    for (size_t i = 0; i < space->count; i++)
        mem_free(space->items[i]);
    mem_free(space->items);
    mem_free(space->sink);
    mem_free(space->plugin);
    mem_free(space);
}

int kv_space_of(struct kv *kv, weir_str sink, weir_str plugin, struct kv_space **out)
{
    for (struct kv_space *space = kv->spaces; space; space = space->next)
        if (str_is(sink, space->sink) && str_is(plugin, space->plugin)) {
            *out = space;
            return 0;
        }
    struct kv_space *space = mem_zalloc(1, sizeof *space);
    if (!space)
        return -ENOMEM;
    space->store = kv->store;
    space->sink = mem_dup0(sink.ptr, sink.len);
    space->plugin = mem_dup0(plugin.ptr, plugin.len);
    int rc = !space->sink || !space->plugin
                 ? -ENOMEM
                 : kv->store->kept(kv->store->ctx, sink, plugin, on_kept, space);
    if (rc < 0) {
        space_free(space);
        return rc;
    }
    space->next = kv->spaces;
    kv->spaces = space;
    *out = space;
    return 0;
}

void kv_leave(struct kv_space *space, const weir_instance *instance)
{
    for (struct item *item = space ? space->first : NULL; item; item = item->next)
        if (item->instance == instance)
            item->instance = NULL;
}

struct kv *kv_new(const struct store *store)
{
    struct kv *kv = mem_zalloc(1, sizeof *kv);
    if (kv)
        kv->store = store;
    return kv;
}

void kv_free(struct kv *kv)
{
    while (kv && kv->spaces) {
        struct kv_space *space = kv->spaces;
        kv->spaces = space->next;
        space_free(space);
    }
    mem_free(kv);
}

/* ---- what is put ---- */

static void take_out(struct kv_space *space, struct item *item)
{
    struct item **link = &space->first, *before = NULL;
    while (*link != item) {
        before = *link;
        link = &before->next;
    }
    *link = item->next;
    if (space->last == item)
        space->last = before;
    space->underway--;
    space->adding -= item->adds;
}

static void on_stored(struct store_keep *keep, int status)
{
    struct item *item = keep->arg;
    struct kv_space *space = item->space;
    void (*done)(void *arg, int32_t status) = item->instance ? item->done : NULL;
    void *arg = item->arg;
    take_out(space, item);
    if (status == 0 && keep->erase)
        unset(space, item->key);
    if (status == 0 && !keep->erase)
        set(space, item);
    else
        mem_free(item);
    if (done)
        done(arg, status);
}

static int hand_over(struct kv_space *space, struct item *item)
{
    int rc = make_room(space, space->count + space->adding + item->adds);
    if (rc < 0)
        return rc;
    if (space->last)
        space->last->next = item;
    else
        space->first = item;
    space->last = item;
    space->underway++;
    space->adding += item->adds;
    rc = space->store->keep(space->store->ctx, &item->keep);
    if (rc < 0)
        take_out(space, item);
    return rc;
}

static bool is_sound(weir_str text, size_t min, size_t max)
{
    return text.len >= min && text.len <= max && (text.ptr || text.len == 0);
}

/* Whether there is one key more once the value is stored, as far as is known now. */
static bool adds_key(const struct kv_space *space, weir_str key)
{
    bool found;
    for (const struct item *item = space->first; item; item = item->next)
        if (item->keep.erase && str_eq(item->key, key))
            return true;
    place_of(space, key, &found);
    return !found;
}

static int32_t change(weir_instance *instance, weir_str key, weir_str value, bool erase,
                      void (*done)(void *arg, int32_t status), void *arg)
{
    if (!instance || instance->opening || !is_sound(key, 1, WEIR_KV_KEY_BYTES) ||
        !is_sound(value, 0, WEIR_KV_VALUE_BYTES))
        return -EINVAL;
    struct kv_space *space = instance->kv;
    if (!space)
        return -ENOTSUP;
    if (space->underway == WEIR_KV_UNDERWAY_MAX)
        return -EAGAIN;
    bool adds = !erase && adds_key(space, key);
    if (adds && space->count + space->adding >= WEIR_KV_KEYS_MAX)
        return -ENOSPC;
    struct item *item = item_new(space, key, value);
    if (!item)
        return -ENOMEM;
    item->instance = instance;
    item->done = done;
    item->arg = arg;
    item->adds = adds;
    item->keep = (struct store_keep){.value = {.sink = str_of(space->sink),
                                               .plugin = str_of(space->plugin),
                                               .key = item->key,
                                               .bytes = item->value},
                                     .erase = erase,
                                     .done = on_stored,
                                     .arg = item};
    int rc = hand_over(space, item);
    if (rc < 0)
        mem_free(item);
    return rc;
}

/* ---- the table ---- */

static int32_t kv_get(weir_instance *instance, weir_str key, weir_str *value)
{
    bool found = false;
    struct kv_space *space = instance ? instance->kv : NULL;
    if (!space || !is_sound(key, 1, WEIR_KV_KEY_BYTES))
        return 0;
    size_t at = place_of(space, key, &found);
    if (found && value)
        *value = space->items[at]->value;
    return found;
}

static int32_t kv_next(weir_instance *instance, weir_str key, weir_str *next)
{
    bool found;
    struct kv_space *space = instance ? instance->kv : NULL;
    if (!space || !is_sound(key, 0, WEIR_KV_KEY_BYTES))
        return 0;
    size_t at = place_of(space, key, &found) + found;
    if (at >= space->count)
        return 0;
    if (next)
        *next = space->items[at]->key;
    return 1;
}

static int32_t kv_put(weir_instance *instance, weir_str key, weir_str value,
                      void (*done)(void *arg, int32_t status), void *arg)
{
    return change(instance, key, value, false, done, arg);
}

static int32_t kv_drop(weir_instance *instance, weir_str key,
                       void (*done)(void *arg, int32_t status), void *arg)
{
    return change(instance, key, STR_NONE, true, done, arg);
}

const weir_kv ext_kv_table = {
    .revision = 1,
    .struct_size = sizeof(weir_kv),
    .get = kv_get,
    .next = kv_next,
    .put = kv_put,
    .drop = kv_drop,
};
