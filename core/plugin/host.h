/* The host table: what a plugin calls. */
#ifndef WEIR_PLUGIN_HOST_H
#define WEIR_PLUGIN_HOST_H
#include <weir/plugin.h>

extern const weir_host host_table;

/* Copies `subscription` into the instance, in place of what it had. 0, -EINVAL, -ENOMEM. */
int instance_subscribe(weir_instance *instance, const weir_subscription *subscription);
void instance_unsubscribe(weir_instance *instance); /* frees the copy */
#endif
