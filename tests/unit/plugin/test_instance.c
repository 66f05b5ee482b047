#include "support.h"

#include "plugin/host.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

struct aws_probe {
    struct notes notes;
    int attached, detached;
    bool fail;
};

static void *attach(void *ctx, weir_instance *instance)
{
    struct aws_probe *probe = ctx;
    probe->attached++;
    return probe->fail ? NULL : instance;
}

static void detach(void *ctx, void *attached)
{
    struct aws_probe *probe = ctx;
    CHECK(attached != NULL);
    probe->detached++;
}

/* Opens an instance of `plugin` with `options`; the code. Its notes are in `notes`. */
static int try_open(const char *plugin_name, const char *options, struct notes *notes,
                    struct err *err)
{
    struct arena arena;
    struct plugin *plugin = load_plugin(plugin_name);
    struct instance_services services = {.ctx = notes, .log = notes_log};
    weir_instance *instance = NULL;
    arena_init(&arena, 512);
    notes_init(notes);
    *err = (struct err){0};
    int rc = instance_new(plugin, "test", options ? json_of(&arena, options) : NULL, &services,
                          notes_problem, notes, &instance, err);
    CHECK((rc == 0) == (instance != NULL));
    instance_close(instance);
    arena_done(&arena);
    plugin_free(plugin);
    return rc;
}

static void open_reads_its_options(void)
{
    struct notes notes;
    struct err err;

    CHECK_INT(
        try_open("options",
                 "{\"table\":\"History\",\"key\":\"${s3cret}\",\"room\":\"2KiB\",\"mode\":\"text\","
                 "\"shape\":[1, {}]}",
                 &notes, &err),
        0);
    CHECK_STR(notes_text(&notes),
              "test 3 table=History\ntest 3 key=***\ntest 3 mode=text\n"
              "test 3 shape=[1,{}]\ntest 3 count=25\ntest 3 loud=1\ntest 3 every=5000\n"
              "test 3 room=2048\ntest 3 mode=2\n");
    notes_done(&notes);
}

static void open_declares_and_subscribes(void)
{
    struct arena arena;
    struct plugin *plugin = load_plugin("options");
    struct instance_services services = {0};
    arena_init(&arena, 512);
    weir_instance *instance =
        open_instance(plugin, json_of(&arena, "{\"table\":\"History\"}"), &services);

    CHECK_STR(instance->tables[0], "History");
    CHECK(instance->tables[1] == NULL);
    CHECK_STR(instance->target, "table two");
    CHECK_STR(instance->iam[0], "dynamodb:PutItem x");
    CHECK_STR(instance->iam[1], "dynamodb:BatchWriteItem x");
    CHECK(instance->iam[2] == NULL);
    CHECK_INT(instance->subscription.events, WEIR_MODIFY);
    CHECK_INT(instance->subscription.images, WEIR_OLD | WEIR_NEW);
    CHECK_STR(instance->subscription.attributes[0], "price");
    CHECK_STR(instance->subscription.attributes[1], "stock.count");
    CHECK(instance->subscription.attributes[2] == NULL);
    instance_close(instance);
    arena_done(&arena);
    plugin_free(plugin);
}

static void what_belongs_to_open_is_refused_later(void)
{
    struct plugin *plugin = load_plugin("good");
    struct instance_services services = {0};
    weir_subscription subscription = {sizeof subscription, WEIR_MODIFY, 0, 0, NULL};
    weir_instance *instance = open_instance(plugin, NULL, &services);

    CHECK_INT(host_table.subscribe(instance, &subscription), -EINVAL);
    host_table.declare(instance, WEIR_D_TARGET, STR("late"));
    host_table.option_error(instance, "a", STR("late"));
    CHECK(instance->target == NULL && instance->problem_count == 0);
    CHECK_INT(instance->subscription.events, 0);
    instance_close(instance);
    plugin_free(plugin);
}

static void a_bad_subscription_leaves_the_old_one(void)
{
    static const char *const paths[] = {"a", NULL};
    static const char *const none[] = {NULL};
    weir_subscription good = {sizeof good, WEIR_INSERT, WEIR_NEW, 0, paths};
    weir_subscription bad[] = {{4, 0, 0, 0, NULL},
                               {sizeof good, 64, 0, 0, NULL},
                               {sizeof good, 0, 8, 0, NULL},
                               {sizeof good, 0, 0, 1, none}};
    struct plugin *plugin = load_plugin("good");
    struct instance_services services = {0};
    weir_instance *instance = open_instance(plugin, NULL, &services);

    CHECK_INT(instance_subscribe(instance, &good), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_INT(instance_subscribe(instance, &bad[i]), -EINVAL);
    CHECK_STR(instance->subscription.attributes[0], "a");
    CHECK_INT(instance_subscribe(instance, &(weir_subscription){0}), 0); /* everything */
    CHECK(instance->subscription.events == 0 && !instance->subscription.attributes);
    instance_close(instance);
    plugin_free(plugin);
}

static void open_that_refuses(void)
{
    static const struct {
        const char *options, *says, *problem;
        int code;
    } rows[] = {
        {"{\"code\":-5}",
         "sink \"test\": plugin \"openfails\" could not be opened: Input/output error", "", -EIO},
        {"{\"code\":-12}",
         "sink \"test\": plugin \"openfails\" could not be opened: Cannot allocate memory", "",
         -ENOMEM},
        {"{\"code\":7}",
         "sink \"test\": plugin \"openfails\" could not be opened: Invalid argument", "", -EINVAL},
        {"{\"code\":-99999}",
         "sink \"test\": plugin \"openfails\" could not be opened: Invalid argument", "", -EINVAL},
        {"{\"target\":\"bad\"}", "sink \"test\": its config was refused by plugin \"openfails\"",
         "W0105 \"target\" in the config of sink \"test\": \"bad\" is no queue URL | \n", -EINVAL},
        {"{\"target\":\"liar\"}", "sink \"test\": its config was refused by plugin \"openfails\"",
         "W0105 \"target\" in the config of sink \"test\": complains, then returns 0 | \n",
         -EINVAL},
        {"{\"cod\":1}", "sink \"test\": its config is not valid",
         "W0101 unknown key \"cod\" in the config of sink \"test\" | did you mean \"code\"?\n",
         -EINVAL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct notes notes;
        struct err err;
        CHECK_INT(try_open("openfails", rows[i].options, &notes, &err), rows[i].code);
        CHECK_STR(err.msg, rows[i].says);
        CHECK_STR(notes_text(&notes), rows[i].problem);
        notes_done(&notes);
    }
}

static void an_option_error_points_at_the_member(void)
{
    struct arena arena;
    struct notes notes;
    struct plugin *plugin = load_plugin("openfails");
    struct instance_services services = {0};
    weir_instance *instance = NULL;
    arena_init(&arena, 512);
    notes_init(&notes);

    CHECK_INT(instance_new(plugin, "test", json_of(&arena, "{\"code\":0,\"target\":\"bad\"}"),
                           &services, notes_problem, &notes, &instance, NULL),
              -EINVAL);
    CHECK(str_is(notes.last.at->name, "target"));
    notes_done(&notes);
    arena_done(&arena);
    plugin_free(plugin);
}

static void every_function_takes_nothing(void)
{
    struct notes notes;
    struct err err;
    CHECK_INT(try_open("mirror", NULL, &notes, &err), 0);
    CHECK_STR(notes_text(&notes), "");
    notes_done(&notes);
}

static void F61_two_plugins_with_the_same_global(void)
{
    struct notes notes;
    struct err err;
    CHECK_INT(try_open("twin_a", NULL, &notes, &err), 0);
    CHECK_STR(notes_text(&notes), "test 3 twin_a\n");
    notes_done(&notes);
    CHECK_INT(try_open("twin_b", NULL, &notes, &err), 0);
    CHECK_STR(notes_text(&notes), "test 3 twin_b\n");
    notes_done(&notes);
}

static void two_instances_of_one_plugin_are_apart(void)
{
    struct arena arena;
    struct plugin *plugin = load_plugin("options");
    struct instance_services services = {0};
    arena_init(&arena, 512);
    weir_instance *one =
        open_instance(plugin, json_of(&arena, "{\"table\":\"One\",\"count\":1}"), &services);
    weir_instance *two =
        open_instance(plugin, json_of(&arena, "{\"table\":\"Two\",\"count\":2}"), &services);
    int64_t first = 0, second = 0;

    CHECK(one->self != two->self);
    CHECK(host_table.option_i64(one, "count", &first) &&
          host_table.option_i64(two, "count", &second));
    CHECK(first == 1 && second == 2);
    instance_close(one);
    CHECK_STR(two->tables[0], "Two");
    instance_close(two);
    arena_done(&arena);
    plugin_free(plugin);
}

static void an_old_short_struct_works(void)
{
    struct plugin *plugin = load_plugin("smallstruct");
    struct instance_services services = {0};
    weir_instance *instance = open_instance(plugin, NULL, &services);

    instance_flush(instance, 100); /* has none */
    CHECK(plugin->desc.cancel == NULL);
    CHECK_INT(plugin->desc.record(instance->self, NULL), WEIR_OK);
    instance_close(instance);
    plugin_free(plugin);
}

static void aws_is_attached_in_open_only(void)
{
    struct aws_probe probe = {0};
    struct plugin *plugin = load_plugin("good");
    struct instance_services services = {
        .ctx = &probe, .aws_table = &probe, .aws_attach = attach, .aws_detach = detach};
    weir_instance *instance = open_instance(plugin, NULL, &services);

    CHECK(host_table.extension(instance, "weir.aws/1") == NULL);
    instance->opening = true;
    CHECK(host_table.extension(instance, "weir.aws/1") == &probe);
    CHECK(host_table.extension(instance, "weir.aws/1") == &probe);
    instance->opening = false;
    CHECK(host_table.extension(instance, "weir.aws/1") == &probe);
    CHECK_INT(probe.attached, 1);
    instance_close(instance);
    CHECK_INT(probe.detached, 1);
    services = (struct instance_services){0};
    instance = open_instance(plugin, NULL, &services);
    CHECK(host_table.extension(instance, "weir.aws/1") == NULL);
    instance_close(instance);
    plugin_free(plugin);
}

static void F72_memory_that_fails_anywhere_leaks_nothing(void)
{
    struct arena arena;
    struct plugin *plugin = load_plugin("options");
    struct instance_services services = {0};
    arena_init(&arena, 512);
    const struct json_value *options =
        json_of(&arena, "{\"table\":\"t\",\"key\":\"${k}\",\"shape\":[1,2],\"mode\":\"text\"}");
    int rc = -1;
    uint64_t n = 1;
    for (; rc < 0 && n < 1000; n++) {
        weir_instance *instance = NULL;
        struct err err = {0};
        mem_fail_at(n);
        rc = instance_new(plugin, "test", options, &services, NULL, NULL, &instance, &err);
        mem_fail_at(0);
        CHECK(rc == 0 || rc == -ENOMEM);
        instance_close(instance);
    }
    CHECK(n > 20 && rc == 0);
    arena_done(&arena);
    plugin_free(plugin);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"open_reads_its_options", open_reads_its_options},
        {"open_declares_and_subscribes", open_declares_and_subscribes},
        {"what_belongs_to_open_is_refused_later", what_belongs_to_open_is_refused_later},
        {"a_bad_subscription_leaves_the_old_one", a_bad_subscription_leaves_the_old_one},
        {"open_that_refuses", open_that_refuses},
        {"an_option_error_points_at_the_member", an_option_error_points_at_the_member},
        {"every_function_takes_nothing", every_function_takes_nothing},
        {"F61_two_plugins_with_the_same_global", F61_two_plugins_with_the_same_global},
        {"two_instances_of_one_plugin_are_apart", two_instances_of_one_plugin_are_apart},
        {"an_old_short_struct_works", an_old_short_struct_works},
        {"aws_is_attached_in_open_only", aws_is_attached_in_open_only},
        {"F72_memory_that_fails_anywhere_leaks_nothing",
         F72_memory_that_fails_anywhere_leaks_nothing},
        {NULL, NULL}};
    return unit_main(argc, argv, "plugin_instance", tests);
}
