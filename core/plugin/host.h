/* The host table: what a plugin calls. */
#ifndef WEIR_PLUGIN_HOST_H
#define WEIR_PLUGIN_HOST_H
#include "json/json.h"
#include <weir/plugin.h>

extern const weir_host host_table;

/* As host->option_error, at a place within the option; `at` NULL: the option. */
void instance_option_error(weir_instance *instance, const char *name, const struct json_value *at,
                           weir_str msg);

/* Copies `subscription` into the instance, in place of what it had. 0, -EINVAL, -ENOMEM. */
int instance_subscribe(weir_instance *instance, const weir_subscription *subscription);
void instance_unsubscribe(weir_instance *instance); /* frees the copy */
#endif
