#include "plugin/instance.h"

#include "plugin/calls.h"
#include "plugin/ext.h"
#include "plugin/host.h"
#include "plugin/options.h"
#include "util/alloc.h"

#include <errno.h>

static void list_free(char **list)
{
    for (char **at = list; at && *at; at++)
        mem_free(*at);
    mem_free(list);
}

static void instance_free(weir_instance *instance)
{
    ext_timers_free(instance->timers);
    ext_works_free(instance->works);
    if (instance->aws && instance->services.aws_detach)
        instance->services.aws_detach(instance->services.ctx, instance->aws);
    plugin_calls_close(instance->http);
    envelope_close(&instance->envelope);
    figures_free(instance->figures);
    kv_leave(instance->kv, instance);
    instance_unsubscribe(instance);
    option_set_free(instance->options);
    list_free(instance->tables);
    list_free(instance->iam);
    mem_free(instance->target);
    mem_free(instance->order);
    mem_free(instance->name);
    mem_free(instance);
}

static void finish_close(weir_instance *instance)
{
    if (instance->self_open)
        instance->plugin->desc.close(instance->self);
    instance_free(instance);
}

static void on_drained(void *arg)
{
    weir_instance *instance = arg;
    if (instance->closing)
        finish_close(instance);
}

static weir_instance *instance_alloc(struct plugin *plugin, const char *name,
                                     const struct instance_services *services)
{
    weir_instance *instance = mem_zalloc(1, sizeof *instance);
    if (!instance)
        return NULL;
    instance->plugin = plugin;
    instance->services = *services;
    instance->host = host_table;
    instance->name = mem_dup0(name, strlen(name));
    instance->timers = ext_timers_new(services->world);
    instance->works = ext_works_new(services->world, on_drained, instance);
    if (instance->name && instance->timers && instance->works &&
        instance_subscribe(instance, &plugin->desc.subscription) == 0)
        return instance;
    instance_free(instance);
    return NULL;
}

/* 0, or why the instance can't be used. */
static int call_open(weir_instance *instance, struct err *err)
{
    const weir_plugin *desc = &instance->plugin->desc;
    instance->opening = true;
    int rc = desc->open(&instance->host, instance, &instance->self);
    instance->opening = false;
    instance->self_open = rc == 0;
    if (instance->problem_count > 0)
        return err_set(err, -EINVAL, "sink \"%s\": its config was refused by plugin \"%s\"",
                       instance->name, desc->name);
    if (rc != 0) {
        rc = rc < 0 && rc > -4096 ? rc : -EINVAL;
        return err_set(err, rc, "sink \"%s\": plugin \"%s\" could not be opened: %s",
                       instance->name, desc->name, strerror(-rc));
    }
    if (instance->out_of_memory)
        return err_set(err, -ENOMEM, "sink \"%s\": out of memory", instance->name);
    return 0;
}

int instance_new(struct plugin *plugin, const char *name, const struct json_value *options,
                 const struct instance_services *services, option_problem_cb problem, void *arg,
                 weir_instance **out, struct err *err)
{
    weir_instance *instance = instance_alloc(plugin, name, services);
    if (!instance)
        return err_set(err, -ENOMEM, "sink \"%s\": out of memory", name);
    int rc = option_set_new(plugin->desc.options, name, options, problem, arg, &instance->options);
    if (rc == -EINVAL)
        err_set(err, rc, "sink \"%s\": its config is not valid", name);
    else if (rc < 0)
        err_set(err, rc, "sink \"%s\": out of memory", name);
    if (rc == 0 && services->dir)
        rc = option_set_resolve(instance->options, services->dir);
    if (rc == 0) {
        instance->options_json = options;
        instance->problem = problem;
        instance->problem_arg = arg;
        rc = call_open(instance, err);
        instance->options_json = NULL;
        instance->problem = NULL;
        instance->problem_arg = NULL;
    }
    if (rc < 0) {
        instance_close(instance);
        return rc;
    }
    *out = instance;
    return 0;
}

void instance_revoke(weir_instance *instance, uint64_t token)
{
    if (instance->http)
        plugin_calls_revoke(instance->http, token);
}

void instance_flush(weir_instance *instance, int64_t deadline_ms)
{
    if (instance->plugin->desc.flush)
        instance->plugin->desc.flush(instance->self, deadline_ms);
}

bool instance_idle(const weir_instance *instance)
{
    return ext_works_idle(instance->works);
}

void instance_close(weir_instance *instance)
{
    if (!instance || instance->closing)
        return;
    instance->closing = true;
    if (instance_idle(instance))
        finish_close(instance);
}
