#include "fakehost.h"
#include "fakevalue.h"
#include "unit.h"

#include "util/alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct weir_record {
    struct fake_delivery *delivery;
    struct fake_record value;
    uint64_t lane;
};

struct outcome {
    int outcome;
    char reason[600];
};

struct fake_delivery {
    struct fake *fake;
    struct fake_delivery *next;
    uint64_t token;
    char *text; /* freed with the last completion, as the arena is */
    struct arena arena;
    struct weir_record *records;
    struct outcome *outcomes;
    size_t count, open;
};

static struct fake_delivery *delivery_of(const weir_delivery *delivery)
{
    return (struct fake_delivery *)(uintptr_t)delivery;
}

/* ---- options, log, declarations ---- */

static void host_log(weir_instance *instance, int32_t level, weir_str msg)
{
    static const char *const names[] = {"?", "error", "warn", "info", "debug"};
    struct fake *fake = fake_of(instance);
    size_t before = fake->log ? strlen(fake->log) : 0;
    char *log = mem_realloc(fake->log, before + msg.len + 16);
    CU_ASSERT_PTR_NOT_NULL_FATAL(log);
    fake->log = log;
    snprintf(log + before, msg.len + 16, "%s: %.*s\n", names[level & 7], (int)msg.len, msg.ptr);
}

static const weir_option *option_find(const struct fake *fake, const char *name)
{
    const weir_option *option = fake->plugin->options;
    while (option && option->name && strcmp(option->name, name) != 0)
        option++;
    CU_ASSERT_FATAL(option && option->name); /* a plugin asks for options that it declares */
    return option;
}

static const struct json_value *option_value(struct fake *fake, const char *name)
{
    const weir_option *option = option_find(fake, name);
    const struct json_value *value = json_member0(fake->options, name);
    struct json_error error;
    if (value || !option->fallback)
        return value;
    return json_parse(&fake->arena, str_of(option->fallback), 0, 0, &error);
}

static int32_t host_option_str(weir_instance *instance, const char *name, weir_str *out)
{
    struct fake *fake = fake_of(instance);
    const struct json_value *value = option_value(fake, name);
    if (!value)
        return 0;
    weir_str text = option_find(fake, name)->type == WEIR_O_JSON ? value->raw : value->text;
    CHECK_FATAL(fake->text_count < FAKE_OPTIONS_MAX);
    char *copy = mem_dup0(text.ptr, text.len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    fake->texts[fake->text_count++] = copy;
    *out = (weir_str){copy, text.len};
    return 1;
}

static int64_t choice_index(const char *choices, weir_str word)
{
    for (int64_t index = 0; *choices; index++) {
        size_t len = strcspn(choices, "|");
        if (str_eq(word, (weir_str){choices, len}))
            return index;
        choices += len + (choices[len] == '|');
    }
    CU_FAIL_FATAL("not a choice: the host would have refused it");
    return -1;
}

/* "64KiB", "10s": a whole number and its unit. */
static int64_t quantity(weir_str text)
{
    int64_t number = 0;
    size_t i = 0;
    while (i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9')
        number = number * 10 + (text.ptr[i++] - '0');
    weir_str unit = {text.ptr + i, text.len - i};
    static const struct {
        const char *name;
        int64_t factor;
    } units[] = {{"KiB", 1024}, {"MiB", 1024 * 1024}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    for (size_t k = 0; k < sizeof units / sizeof units[0]; k++)
        if (str_is(unit, units[k].name))
            return number * units[k].factor;
    return number; /* "B", "ms" */
}

static int32_t host_option_i64(weir_instance *instance, const char *name, int64_t *out)
{
    struct fake *fake = fake_of(instance);
    const weir_option *option = option_find(fake, name);
    const struct json_value *value = option_value(fake, name);
    if (!value)
        return 0;
    if (option->type == WEIR_O_ENUM)
        *out = choice_index(option->choices, value->text);
    else if (option->type == WEIR_O_BOOL)
        *out = value->kind == JSON_TRUE;
    else if (option->type == WEIR_O_SIZE_BYTES || option->type == WEIR_O_DURATION_MS)
        *out = quantity(value->text);
    else
        CHECK_INT(json_i64(value, out), 0);
    return 1;
}

static void host_option_error(weir_instance *instance, const char *name, weir_str msg)
{
    struct fake *fake = fake_of(instance);
    option_find(fake, name);
    snprintf(fake->option_error, sizeof fake->option_error, "%s: %.*s", name, (int)msg.len,
             msg.ptr);
}

static int32_t host_subscribe(weir_instance *instance, const weir_subscription *subscription)
{
    struct fake *fake = fake_of(instance);
    fake->subscription = *subscription;
    for (size_t i = 0; subscription->attributes && subscription->attributes[i]; i++)
        snprintf(fake->watched[i], sizeof fake->watched[i], "%s", subscription->attributes[i]);
    return 0;
}

static void host_declare(weir_instance *instance, int32_t what, weir_str value)
{
    char *at = fake_of(instance)->declared[what];
    size_t used = strlen(at);
    snprintf(at + used, 256 - used, "%s%.*s", used ? "," : "", (int)value.len, value.ptr);
}

/* ---- deliveries ---- */

static size_t host_count(const weir_delivery *delivery)
{
    return delivery_of(delivery)->count;
}

static const weir_record *host_at(const weir_delivery *delivery, size_t i)
{
    CHECK_FATAL(i < delivery_of(delivery)->count);
    return &delivery_of(delivery)->records[i];
}

static int64_t host_remaining_ms(const weir_delivery *delivery)
{
    (void)delivery;
    return 60000;
}

static uint64_t host_token(const weir_delivery *delivery)
{
    return delivery_of(delivery)->token;
}

static struct fake_delivery *find_delivery(struct fake *fake, uint64_t token)
{
    struct fake_delivery *delivery = fake->deliveries;
    while (delivery && delivery->token != token)
        delivery = delivery->next;
    return delivery;
}

static void end_delivery(struct fake_delivery *delivery)
{
    memset(delivery->text, 0xdd, strlen(delivery->text)); /* what is still read of it shows */
    mem_free(delivery->text);
    delivery->text = NULL;
    arena_done(&delivery->arena);
}

static void host_complete(weir_instance *instance, uint64_t token, size_t i, int32_t outcome,
                          weir_str reason)
{
    struct fake *fake = fake_of(instance);
    struct fake_delivery *delivery = find_delivery(fake, token);
    if (!delivery || i >= delivery->count || delivery->outcomes[i].outcome) {
        fake->ignored++;
        return;
    }
    CHECK(outcome >= WEIR_OK && outcome <= WEIR_DOWN);
    delivery->outcomes[i].outcome = outcome;
    snprintf(delivery->outcomes[i].reason, sizeof delivery->outcomes[i].reason, "%.*s",
             (int)reason.len, reason.ptr);
    if (outcome == WEIR_OK && (fake->plugin->flags & WEIR_P_KEEPS_ORDER))
        for (size_t k = 0; k < i; k++)
            fake->lane_breaches += delivery->records[k].lane == delivery->records[i].lane &&
                                   delivery->outcomes[k].outcome != WEIR_OK &&
                                   delivery->outcomes[k].outcome != WEIR_SKIP;
    if (--delivery->open == 0)
        end_delivery(delivery);
}

static void host_complete_rest(weir_instance *instance, uint64_t token, int32_t outcome,
                               weir_str reason)
{
    struct fake_delivery *delivery = find_delivery(fake_of(instance), token);
    for (size_t i = 0; delivery && i < delivery->count; i++)
        if (!delivery->outcomes[i].outcome)
            host_complete(instance, token, i, outcome, reason);
}

/* ---- records ---- */

static int32_t host_event(const weir_record *record)
{
    return fake_record_event(&record->value);
}

static int64_t host_created_us(const weir_record *record, int32_t *precision)
{
    return fake_record_created_us(&record->value, precision);
}

static uint32_t host_images(const weir_record *record)
{
    uint32_t images = 0;
    for (int image = WEIR_KEYS; image <= WEIR_NEW; image *= 2)
        if (fake_record_image(&record->value, image))
            images |= (uint32_t)image;
    return images;
}

static uint64_t host_lane(const weir_record *record)
{
    return record->lane;
}

static weir_str host_field(const weir_record *record, int32_t which)
{
    const struct fake *fake = record->delivery->fake;
    switch (which) {
    case WEIR_F_SHARD:
        return str_of(fake->shard);
    case WEIR_F_DEAD_SINK:
        return str_of(fake->dead_sink);
    case WEIR_F_DEAD_REASON:
        return str_of(fake->dead_reason);
    case WEIR_F_DEAD_ATTEMPTS:
        return str_of(fake->dead_attempts);
    case WEIR_F_DEAD_JSON:
        return str_of(fake->dead_json);
    default:
        return fake_record_field(&record->value, which);
    }
}

static const weir_value *host_image(const weir_record *record, int32_t image)
{
    return fake_record_image(&record->value, image);
}

static const weir_value *host_attr(const weir_record *record, int32_t image, const char *path)
{
    return fake_value_path(fake_record_image(&record->value, image), path);
}

/* ---- weir.envelope/1: weir's own code, on this host's records ---- */

static int32_t open_envelope(weir_instance *instance, int32_t form)
{
    struct fake *fake = fake_of(instance);
    const char *option = NULL;
    struct option_problem problem;
    int rc = envelope_open(&fake->envelope, &fake->host, instance, form,
                           json_member0(fake->options, "template"), &option, &problem);
    if (rc == -EINVAL)
        host_option_error(instance, option, str_of(problem.msg));
    if (rc == 0)
        fake->subscription = envelope_subscription(&fake->envelope, fake->subscription);
    return rc;
}

static int32_t put_record(weir_instance *instance, const weir_record *record, weir_str *out)
{
    struct fake *fake = fake_of(instance);
    return envelope_record(&fake->envelope, &fake->host, record, out);
}

static int32_t put_value(weir_instance *instance, const weir_value *value, weir_str *out)
{
    struct fake *fake = fake_of(instance);
    return envelope_value(&fake->envelope, &fake->host, value, out);
}

static const weir_envelope fake_envelope_table = {1, sizeof fake_envelope_table, open_envelope,
                                                  put_record, put_value};

/* ---- the table ---- */

static const void *host_extension(weir_instance *instance, const char *id)
{
    struct fake *fake = fake_of(instance);
    if (strcmp(id, "weir.aws/1") == 0)
        return fake->no_aws ? NULL : fake->old_aws ? &fake_aws_table_1 : &fake_aws_table;
    if (strcmp(id, "weir.work/1") == 0)
        return fake->no_work ? NULL : &fake_work_table;
    if (strcmp(id, "weir.json/1") == 0)
        return fake->no_json ? NULL : &fake_json_table;
    if (strcmp(id, WEIR_EXT_ENVELOPE) == 0)
        return &fake_envelope_table;
    return NULL;
}

static const weir_host table = {
    .abi = WEIR_ABI_CURRENT,
    .struct_size = sizeof table,
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
    .size = fake_value_size,
    .entry = fake_value_entry,
    .type = fake_value_type,
    .text = fake_value_text,
    .json = fake_value_json,
    .equal = fake_value_equal,
    .token = host_token,
    .complete = host_complete,
    .complete_rest = host_complete_rest,
    .walk = fake_value_walk,
};

const weir_plugin *fake_load(const char *name)
{
    char path[512];
    const weir_plugin *(*entry)(uint32_t) = NULL;
    snprintf(path, sizeof path, "%s/plugins/%s.so", TEST_BUILD, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        printf("\n    %s", dlerror());
    CU_ASSERT_PTR_NOT_NULL_FATAL(library);
    *(void **)&entry = dlsym(library, "weir_plugin_entry");
    dlclose(library);
    CHECK_FATAL(entry != NULL);
    const weir_plugin *plugin = entry(WEIR_ABI_CURRENT);
    CHECK_FATAL(plugin && plugin->abi == WEIR_ABI_CURRENT);
    return plugin;
}

static bool is_option(const weir_plugin *plugin, weir_str name)
{
    const weir_option *option = plugin->options;
    while (option && option->name && !str_is(name, option->name))
        option++;
    return option && option->name;
}

int fake_open(struct fake *fake, const weir_plugin *plugin, const char *options)
{
    struct json_error error;
    fake->plugin = plugin;
    fake->host = table;
    fake->next_token = 7;
    if (!fake->arn)
        fake->arn =
            "arn:aws:dynamodb:us-east-1:123456789012:table/Products/stream/2026-01-15T10:00:00.000";
    arena_init(&fake->arena, 4096);
    fake->subscription = plugin->subscription;
    fake->options = json_parse(&fake->arena, str_of(options), 0, 0, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(fake->options);
    for (size_t i = 0; i < fake->options->size; i++)
        CHECK_FATAL(is_option(plugin, json_at(fake->options, i)->name));
    int rc = plugin->open(&fake->host, (weir_instance *)(void *)fake, &fake->self);
    CHECK((rc == 0) == (fake->self != NULL));
    return rc;
}

void fake_close(struct fake *fake)
{
    CHECK_INT(fake->work_count, 0);
    CHECK_INT(fake->in_flight, 0);
    CHECK_INT(fake->ignored, 0);
    CHECK_INT(fake->lane_breaches, 0);
    if (fake->self)
        fake->plugin->close(fake->self);
    while (fake->deliveries) {
        struct fake_delivery *delivery = fake->deliveries;
        fake->deliveries = delivery->next;
        CHECK_INT(delivery->open, 0);
        if (delivery->text)
            end_delivery(delivery);
        mem_free(delivery->records);
        mem_free(delivery->outcomes);
        mem_free(delivery);
    }
    for (size_t i = 0; i < fake->text_count; i++)
        mem_free(fake->texts[i]);
    for (size_t i = 0; i < fake->call_count; i++)
        mem_free(fake->calls[i].body);
    mem_free(fake->log);
    envelope_close(&fake->envelope);
    arena_done(&fake->arena);
    *fake = (struct fake){0};
}

struct fake_delivery *fake_deliver(struct fake *fake, const char *json)
{
    return fake_deliver_text(fake, str_of(json));
}

static const struct json_value *record_at(const struct json_value *root, size_t i)
{
    const struct json_value *records = json_member0(root, "Records");
    if (records)
        return json_at(records, i);
    return root->kind == JSON_ARRAY ? json_at(root, i) : root;
}

struct fake_delivery *fake_deliver_text(struct fake *fake, weir_str json)
{
    struct json_error error;
    struct fake_delivery *delivery = mem_zalloc(1, sizeof *delivery);
    CU_ASSERT_PTR_NOT_NULL_FATAL(delivery);
    delivery->fake = fake;
    delivery->token = fake->next_token++;
    delivery->text = mem_dup0(json.ptr, json.len);
    arena_init(&delivery->arena, 4096);
    const struct json_value *root =
        json_parse(&delivery->arena, (weir_str){delivery->text, json.len}, 0, 0, &error);
    if (!root)
        printf("\n    bad test data at byte %zu: %s", error.offset, error.msg);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    const struct json_value *records = json_member0(root, "Records");
    delivery->count = records ? records->size : root->kind == JSON_ARRAY ? root->size : 1;
    delivery->open = delivery->count;
    delivery->records = mem_zalloc(delivery->count + 1, sizeof *delivery->records);
    delivery->outcomes = mem_zalloc(delivery->count + 1, sizeof *delivery->outcomes);
    for (size_t i = 0; i < delivery->count; i++) {
        struct weir_record *record = &delivery->records[i];
        record->delivery = delivery;
        fake_record_init(&record->value, record_at(root, i), fake->arn);
        record->lane = fake->order_none ? i : fake_record_key_hash(&record->value);
    }
    delivery->next = fake->deliveries;
    fake->deliveries = delivery;
    fake->plugin->deliver(fake->self, (weir_delivery *)(void *)delivery);
    return delivery;
}

void fake_cancel(struct fake *fake, struct fake_delivery *delivery)
{
    fake->plugin->cancel(fake->self, delivery->token);
}

uint64_t fake_token(const struct fake_delivery *delivery)
{
    return delivery->token;
}

size_t fake_count(const struct fake_delivery *delivery)
{
    return delivery->count;
}

int fake_outcome(const struct fake_delivery *delivery, size_t index)
{
    return delivery->outcomes[index].outcome;
}

const char *fake_reason(const struct fake_delivery *delivery, size_t index)
{
    return delivery->outcomes[index].reason;
}

size_t fake_outcomes(const struct fake_delivery *delivery, int outcome)
{
    size_t count = 0;
    for (size_t i = 0; i < delivery->count; i++)
        count += delivery->outcomes[i].outcome == outcome;
    return count;
}
