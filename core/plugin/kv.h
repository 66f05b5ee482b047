/* The values that sinks keep (weir.kv/1) over the store of the pipeline. Those that are stored are
 * in memory, by sink and plugin, so that the instances of a reload, old and new, see the same. */
#ifndef WEIR_PLUGIN_KV_H
#define WEIR_PLUGIN_KV_H
#include "util/seam.h"
#include <weir/ext/kv.h>

struct kv;
struct kv_space; /* of one sink */

/* `store` has keep() and kept(), and must outlive it. NULL when out of memory. */
struct kv *kv_new(const struct store *store);
/* Nothing may be under way in the store any more; NULL is fine. */
void kv_free(struct kv *kv);
/* 0; -errno of the store, -ENOMEM. The space lives as long as `kv`. */
int kv_space_of(struct kv *kv, weir_str sink, weir_str plugin, struct kv_space **out);
/* Nobody hears of what the instance has put from now on; NULL is fine. */
void kv_leave(struct kv_space *space, const weir_instance *instance);

extern const weir_kv ext_kv_table;
#endif
