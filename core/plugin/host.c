#include "plugin/host.h"

#include "plugin/ext.h"
#include "plugin/instance.h"
#include "plugin/options.h"
#include "util/alloc.h"

#include <weir/ext/aws.h>

#include <errno.h>
#include <stdio.h>

enum { ATTRIBUTES_MAX = 256, LOG_BYTES_MAX = 8192 };

/* A node is what the plugin sees as an opaque value. */
static const weir_value *value_of(const struct node *node)
{
    return (const weir_value *)node;
}

static const struct node *node_of(const weir_value *value)
{
    return (const struct node *)value;
}

/* ---- the instance ---- */

static void host_log(weir_instance *instance, int32_t level, weir_str msg)
{
    struct buf text;
    if (!instance || !instance->services.log)
        return;
    if (level < WEIR_LOG_ERROR || level > WEIR_LOG_DEBUG)
        level = WEIR_LOG_INFO;
    if (!msg.ptr)
        msg.len = 0;
    if (msg.len > LOG_BYTES_MAX)
        msg.len = LOG_BYTES_MAX;
    buf_init(&text, (size_t)4 * LOG_BYTES_MAX);
    if (option_redact(instance->options, msg, &text) == 0)
        instance->services.log(instance->services.ctx, instance->name, level, buf_str(&text));
    buf_done(&text);
}

static const struct option_value *option_of(weir_instance *instance, const char *name,
                                            const weir_option **option)
{
    const struct option_value *value =
        instance && name ? option_find(instance->options, name, option) : NULL;
    return value && value->set ? value : NULL;
}

static int32_t host_option_str(weir_instance *instance, const char *name, weir_str *out)
{
    const struct option_value *value = option_of(instance, name, NULL);
    if (!value || !value->text)
        return 0;
    if (out)
        *out = (weir_str){value->text, value->text_bytes};
    return 1;
}

static int32_t host_option_i64(weir_instance *instance, const char *name, int64_t *out)
{
    const weir_option *option = NULL;
    const struct option_value *value = option_of(instance, name, &option);
    if (!value || option->type == WEIR_O_STRING || option->type == WEIR_O_JSON ||
        option->type == WEIR_O_PATH)
        return 0;
    if (out)
        *out = value->number;
    return 1;
}

void instance_option_error(weir_instance *instance, const char *name, const struct json_value *at,
                           weir_str msg)
{
    if (!instance || !instance->opening)
        return;
    const struct json_value *member = name ? json_member0(instance->options_json, name) : NULL;
    struct option_problem problem = {.at = at       ? at
                                           : member ? member
                                                    : instance->options_json,
                                     .code = "W0105"};
    struct buf text;
    buf_init(&text, LOG_BYTES_MAX);
    option_redact(instance->options, msg.ptr ? msg : STR("its value will not do"), &text);
    snprintf(problem.msg, sizeof problem.msg, "\"%.64s\" in the config of sink \"%.60s\": %s",
             name ? name : "?", instance->name, buf_cstr(&text));
    for (char *c = problem.msg; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    buf_done(&text);
    instance->problem_count++;
    if (instance->problem)
        instance->problem(instance->problem_arg, &problem);
}

static void host_option_error(weir_instance *instance, const char *name, weir_str msg)
{
    instance_option_error(instance, name, NULL, msg);
}

void instance_unsubscribe(weir_instance *instance)
{
    char **attributes = (char **)(uintptr_t)instance->subscription.attributes;
    for (char **at = attributes; at && *at; at++)
        mem_free(*at);
    mem_free(attributes);
    instance->subscription = (weir_subscription){0};
}

int instance_subscribe(weir_instance *instance, const weir_subscription *subscription)
{
    if (subscription_fault(subscription))
        return -EINVAL;
    size_t count = 0;
    bool listed = subscription->struct_size > 0 && subscription->attributes;
    while (listed && subscription->attributes[count])
        if (++count > ATTRIBUTES_MAX)
            return -EINVAL;
    char **copy = listed ? mem_zalloc(count + 1, sizeof *copy) : NULL;
    if (listed && !copy)
        return -ENOMEM;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        const char *path = subscription->attributes[i];
        copy[i] = mem_dup0(path, strlen(path));
        if (!copy[i])
            rc = -ENOMEM;
    }
    if (rc < 0) {
        for (size_t i = 0; i < count; i++)
            mem_free(copy[i]);
        mem_free(copy);
        return rc;
    }
    instance_unsubscribe(instance);
    if (subscription->struct_size > 0) {
        instance->subscription = *subscription;
        instance->subscription.struct_size = sizeof *subscription;
    }
    instance->subscription.attributes = (const char *const *)copy;
    return 0;
}

static int32_t host_subscribe(weir_instance *instance, const weir_subscription *subscription)
{
    if (!instance || !subscription || !instance->opening)
        return -EINVAL;
    return instance_subscribe(instance, subscription);
}

/* Appends a copy to a NULL-terminated list. */
static int list_add(char ***list, weir_str value)
{
    size_t count = 0;
    while (*list && (*list)[count])
        count++;
    char *copy = mem_dup0(value.ptr, value.len);
    char **grown = copy ? mem_realloc(*list, (count + 2) * sizeof *grown) : NULL;
    if (!grown) {
        mem_free(copy);
        return -ENOMEM;
    }
    grown[count] = copy;
    grown[count + 1] = NULL;
    *list = grown;
    return 0;
}

static void host_declare(weir_instance *instance, int32_t what, weir_str value)
{
    int rc = 0;
    if (!instance || !instance->opening || !value.ptr || value.len == 0)
        return;
    if (what == WEIR_D_WRITES_TABLE) {
        rc = list_add(&instance->tables, value);
    } else if (what == WEIR_D_IAM) {
        rc = list_add(&instance->iam, value);
    } else if (what == WEIR_D_TARGET || what == WEIR_D_ORDER) {
        char **place = what == WEIR_D_TARGET ? &instance->target : &instance->order;
        mem_free(*place);
        *place = mem_dup0(value.ptr, value.len);
        rc = *place ? 0 : -ENOMEM;
    }
    if (rc < 0)
        instance->out_of_memory = true;
}

static const void *extension_aws(weir_instance *instance)
{
    struct instance_services *services = &instance->services;
    if (!services->aws_table)
        return NULL;
    if (!instance->aws && instance->opening && services->aws_attach) {
        instance->aws = services->aws_attach(services->ctx, instance);
        if (!instance->aws)
            instance->out_of_memory = true;
    }
    /* Not attached in check, where there is nothing to attach to and open() calls nothing. */
    return instance->aws || !services->aws_attach ? services->aws_table : NULL;
}

static const void *extension_http(weir_instance *instance)
{
    struct world *world = instance->services.world;
    if (!world) /* in check open() calls nothing */
        return &ext_http_table;
    if (!instance->http && instance->opening && world->transport.start) {
        instance->http = ext_http_new(world);
        instance->out_of_memory |= !instance->http;
    }
    return instance->http ? &ext_http_table : NULL;
}

/* What can't be read is not there; the reason is the store's to tell. */
static const void *extension_kv(weir_instance *instance)
{
    struct kv *kv = instance->services.kv;
    if (!kv)
        return &ext_kv_table;
    if (!instance->kv && instance->opening &&
        kv_space_of(kv, str_of(instance->name), str_of(instance->plugin->desc.name),
                    &instance->kv) == -ENOMEM)
        instance->out_of_memory = true;
    return instance->kv ? &ext_kv_table : NULL;
}

static const void *host_extension(weir_instance *instance, const char *id)
{
    if (!instance || !id)
        return NULL;
    if (instance->services.without && strstr(instance->services.without, id))
        return NULL;
    if (strcmp(id, WEIR_EXT_TIMER) == 0)
        return &ext_timer_table;
    if (strcmp(id, WEIR_EXT_WORK) == 0)
        return &ext_work_table;
    if (strcmp(id, WEIR_EXT_JSON) == 0)
        return &ext_json_table;
    if (strcmp(id, WEIR_EXT_METRICS) == 0)
        return &ext_metrics_table;
    if (strcmp(id, WEIR_EXT_KV) == 0)
        return extension_kv(instance);
    if (strcmp(id, WEIR_EXT_ENVELOPE) == 0)
        return &ext_envelope_table;
    if (strcmp(id, WEIR_EXT_HTTP) == 0)
        return extension_http(instance);
    if (strcmp(id, WEIR_EXT_AWS) == 0)
        return extension_aws(instance);
    return NULL;
}

/* ---- deliveries and records ---- */

static size_t host_count(const weir_delivery *delivery)
{
    return delivery ? delivery->count : 0;
}

static const weir_record *host_at(const weir_delivery *delivery, size_t i)
{
    return delivery && i < delivery->count ? &delivery->entries[i] : NULL;
}

static int64_t host_remaining_ms(const weir_delivery *delivery)
{
    if (!delivery)
        return 0;
    struct clock *clock = delivery->board->clock;
    int64_t now_ms = clock->now_ms(clock->ctx);
    return delivery->deadline_ms > now_ms ? delivery->deadline_ms - now_ms : 0;
}

static int32_t host_event(const weir_record *record)
{
    return record ? record->rec->event : 0;
}

static int64_t host_created_us(const weir_record *record, int32_t *precision)
{
    if (precision)
        *precision = record ? record->rec->precision : 0;
    return record ? record->rec->created_us : 0;
}

static uint32_t host_images(const weir_record *record)
{
    return record ? record->rec->images : 0;
}

static uint64_t host_lane(const weir_record *record)
{
    return record ? record->lane : 0;
}

static weir_str host_field(const weir_record *record, int32_t which)
{
    if (!record)
        return STR_NONE;
    if (which < WEIR_F_DEAD_SINK || which > WEIR_F_DEAD_JSON)
        return record_field(record->rec, which);
    const struct dead_info *dead = record->dead;
    if (!dead)
        return STR_NONE;
    switch (which) {
    case WEIR_F_DEAD_SINK:
        return dead->sink;
    case WEIR_F_DEAD_REASON:
        return dead->reason;
    case WEIR_F_DEAD_ATTEMPTS:
        return dead->attempts;
    default:
        return dead->json;
    }
}

static const weir_value *host_image(const weir_record *record, int32_t image)
{
    return record ? value_of(record_image(record->rec, image)) : NULL;
}

static const weir_value *host_attr(const weir_record *record, int32_t image, const char *path)
{
    if (!record || !path)
        return NULL;
    return value_of(value_path(record_image(record->rec, image), path));
}

static size_t host_size(const weir_value *value)
{
    return value_size(node_of(value));
}

static const weir_value *host_entry(const weir_value *value, size_t i, weir_str *name)
{
    return value_of(value_entry(node_of(value), i, name));
}

static size_t host_walk(const weir_value *value, size_t from, weir_entry *out, size_t max)
{
    return value_walk(node_of(value), from, out, max);
}

static int32_t host_type(const weir_value *value)
{
    return value_type(node_of(value));
}

static weir_str host_text(const weir_value *value)
{
    return value_text(node_of(value));
}

static weir_str host_json(const weir_value *value)
{
    return value_json(node_of(value));
}

static int32_t host_equal(const weir_value *a, const weir_value *b)
{
    return value_equal(node_of(a), node_of(b));
}

/* ---- completion ---- */

static uint64_t host_token(const weir_delivery *delivery)
{
    return delivery ? delivery->token : 0;
}

static void host_complete(weir_instance *instance, uint64_t token, size_t i, int32_t outcome,
                          weir_str reason)
{
    if (instance && instance->services.board)
        delivery_complete(instance->services.board, instance, token, i, outcome, reason);
}

static void host_complete_rest(weir_instance *instance, uint64_t token, int32_t outcome,
                               weir_str reason)
{
    if (instance && instance->services.board)
        delivery_complete_rest(instance->services.board, instance, token, outcome, reason);
}

const weir_host host_table = {
    .abi = WEIR_ABI_CURRENT,
    .struct_size = sizeof(weir_host),
    .log = host_log,
    .option_str = host_option_str,
    .option_i64 = host_option_i64,
    .option_error = host_option_error,
    .subscribe = host_subscribe,
    .declare = host_declare,
    .extension = host_extension,
    .count = host_count,
    .at = host_at,
    .remaining_ms = host_remaining_ms,
    .event = host_event,
    .created_us = host_created_us,
    .images = host_images,
    .lane = host_lane,
    .field = host_field,
    .image = host_image,
    .attr = host_attr,
    .size = host_size,
    .entry = host_entry,
    .type = host_type,
    .text = host_text,
    .json = host_json,
    .equal = host_equal,
    .token = host_token,
    .complete = host_complete,
    .complete_rest = host_complete_rest,
    .walk = host_walk,
};
