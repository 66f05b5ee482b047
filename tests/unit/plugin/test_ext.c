#include "support.h"

#include "plugin/ext.h"
#include "plugin/host.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

/* ---- weir.timer/1 ---- */

static void count_up(void *arg)
{
    ++*(int *)arg;
}

static weir_instance *good_instance(struct plugin *plugin, struct world *world)
{
    struct instance_services services = {.world = world};
    return open_instance(plugin, NULL, &services);
}

static void timers_fire_once_and_stop(void)
{
    struct still_world still;
    struct plugin *plugin = load_plugin("good");
    still_world_init(&still);
    weir_instance *instance = good_instance(plugin, &still.world);
    const weir_timer *timer = host_table.extension(instance, WEIR_EXT_TIMER);
    int one = 0, two = 0;

    CHECK(timer->revision == 1 && timer->struct_size == sizeof *timer);
    CHECK(timer->now_ms(instance) == 1000 && timer->wall_us(instance) == 1700000000000000);
    uint64_t first = timer->start(instance, 10, count_up, &one);
    uint64_t second = timer->start(instance, -5, count_up, &two);
    CHECK(first && second && first != second);
    CHECK(two == 0); /* never from inside start() */
    still_advance(&still, 0);
    CHECK(two == 1 && one == 0);
    timer->stop(instance, first);
    still_advance(&still, 100);
    CHECK(two == 1 && one == 0);
    instance_close(instance);
    plugin_free(plugin);
}

static void a_stale_id_stops_nothing(void)
{
    struct still_world still;
    struct plugin *plugin = load_plugin("good");
    still_world_init(&still);
    weir_instance *instance = good_instance(plugin, &still.world);
    const weir_timer *timer = &ext_timer_table;
    int fired = 0;

    uint64_t old = timer->start(instance, 1, count_up, &fired);
    still_advance(&still, 1);
    uint64_t next = timer->start(instance, 1, count_up, &fired); /* in the slot of the old one */
    CHECK(old != next);
    timer->stop(instance, old);
    timer->stop(instance, 0);
    timer->stop(instance, UINT64_MAX);
    timer->stop(instance, next + 1);
    timer->stop(NULL, next);
    still_advance(&still, 1);
    CHECK_INT(fired, 2);
    instance_close(instance);
    plugin_free(plugin);
}

static void timers_left_at_close_are_dropped(void)
{
    struct still_world still;
    struct plugin *plugin = load_plugin("good");
    still_world_init(&still);
    weir_instance *instance = good_instance(plugin, &still.world);
    int fired = 0;
    for (int i = 0; i < 40; i++)
        CHECK(ext_timer_table.start(instance, i, count_up, &fired) != 0);

    still_advance(&still, 9);
    CHECK_INT(fired, 10);
    instance_close(instance);
    CHECK_INT(still.timer_count, 0);
    still_advance(&still, 100);
    CHECK_INT(fired, 10);
    plugin_free(plugin);
}

static void where_nothing_runs_nothing_starts(void)
{
    struct plugin *plugin = load_plugin("good");
    weir_instance *instance = good_instance(plugin, NULL); /* check, explain */
    int fired = 0;

    CHECK_INT(ext_timer_table.start(instance, 1, count_up, &fired), 0);
    CHECK_INT(ext_timer_table.now_ms(instance), 0);
    CHECK_INT(ext_timer_table.wall_us(instance), 0);
    CHECK_INT(ext_work_table.submit(instance, count_up, count_up, &fired), -ENOTSUP);
    CHECK_INT(ext_work_table.submit(NULL, count_up, count_up, &fired), -EINVAL);
    CHECK_INT(ext_work_table.submit(instance, NULL, count_up, &fired), -EINVAL);
    instance_close(instance);
    plugin_free(plugin);
}

static void a_clock_that_refuses_gives_no_timer(void)
{
    struct still_world still;
    struct plugin *plugin = load_plugin("good");
    still_world_init(&still);
    weir_instance *instance = good_instance(plugin, &still.world);
    int fired = 0;

    still.refuse_timer = true;
    CHECK_INT(ext_timer_table.start(instance, 1, count_up, &fired), 0);
    still.refuse_timer = false;
    CHECK(ext_timer_table.start(instance, 1, count_up, &fired) != 0);
    still_advance(&still, 1);
    CHECK_INT(fired, 1);
    CHECK_INT(ext_timer_table.start(instance, 1, NULL, NULL), 0);
    instance_close(instance);
    plugin_free(plugin);
}

/* ---- through a plugin ---- */

static void scripted_calls(const char *script, void (*act)(struct rig *rig), const char *says)
{
    struct rig rig;
    struct buf event, options;
    buf_init(&event, 1 << 16);
    buf_init(&options, 200);
    buf_printf(&options, "{\"script\":\"%s\"}", script);
    rig_init(&rig, "extensions", buf_cstr(&options));
    rig_deliver(&rig, rig_event(1, &event));
    rig_drain(&rig);
    act(&rig);
    CHECK_STR(notes_text(&rig.notes), says);
    while (still_work(&rig.still))
        ;
    rig_done(&rig);
    buf_done(&event);
    buf_done(&options);
}

static void advance_100(struct rig *rig)
{
    still_advance(&rig->still, 100);
}

static void all_work(struct rig *rig)
{
    while (still_work(&rig->still))
        ;
    CHECK(instance_idle(rig->instance));
}

static void no_more_threads(struct rig *rig)
{
    rig->still.refuse_work = true;
    all_work(rig);
}

static void one_work(struct rig *rig)
{
    CHECK_INT(rig->still.work_count, 1); /* one at a time */
    CHECK(still_work(&rig->still));
    CHECK_INT(rig->still.work_count, 1);
    CHECK(!instance_idle(rig->instance));
}

static void plugins_use_timers_and_work(void)
{
    scripted_calls("t", advance_100, "0 1 - last\ntest 3 fired\n");
    scripted_calls("ts", advance_100, "0 1 - last\n");
    scripted_calls("txT", advance_100,
                   "0 1 - last\ntest 3 fired\ntest 3 fired, again\ntest 3 fired\n");
    scripted_calls("Tts", advance_100, "0 1 - last\ntest 3 fired, again\ntest 3 fired\n");
}

static void works_are_one_at_a_time_and_in_order(void)
{
    scripted_calls("www", one_work, "0 1 - last\ntest 3 done 1\n");
    scripted_calls("www", all_work, "0 1 - last\ntest 3 done 1\ntest 3 done 2\ntest 3 done 3\n");
    scripted_calls("Ww", all_work, "0 1 - last\ntest 3 done 1\ntest 3 done 2\ntest 3 done 3\n");
    scripted_calls("W", all_work, "0 1 - last\ntest 3 done 1\ntest 3 done 2\n");
}

static void queued_work_runs_where_no_thread_is_to_be_had(void)
{
    scripted_calls("www", no_more_threads,
                   "0 1 - last\ntest 3 done 1\ntest 3 done 2\ntest 3 done 3\n");
}

static void close_waits_for_the_last_work(void)
{
    struct rig rig;
    struct buf event;
    buf_init(&event, 1 << 16);
    rig_init(&rig, "extensions", "{\"script\":\"wwt\"}");
    rig_deliver(&rig, rig_event(1, &event));
    rig_drain(&rig);

    instance_close(rig.instance);
    instance_close(rig.instance); /* once is enough */
    CHECK_STR(notes_text(&rig.notes), "0 1 - last\n");
    CHECK(still_work(&rig.still));
    CHECK_STR(notes_text(&rig.notes), "0 1 - last\ntest 3 done 1\n");
    CHECK(still_work(&rig.still));
    CHECK_STR(notes_text(&rig.notes), "0 1 - last\ntest 3 done 1\ntest 3 done 2\ntest 3 closed\n");
    rig.instance = NULL;
    rig_done(&rig);
    buf_done(&event);
}

/* ---- weir.json/1 ---- */

static weir_json_doc *parse(const char *text)
{
    return ext_json_table.parse(str_of(text));
}

static void json_of_every_kind(void)
{
    static const struct {
        const char *text, *shown, *raw;
        int32_t kind;
    } rows[] = {
        {"null", "null", "null", WEIR_J_NULL},
        {" true ", "true", "true", WEIR_J_BOOL},
        {"false", "false", "false", WEIR_J_BOOL},
        {"-1.50e+3", "-1.50e+3", "-1.50e+3", WEIR_J_NUMBER},
        {"123456789012345678901234567890", "123456789012345678901234567890",
         "123456789012345678901234567890", WEIR_J_NUMBER},
        {"\"a\\n\\u00e9\"", "a\n\xc3\xa9", "\"a\\n\\u00e9\"", WEIR_J_STRING},
        {"[1, 2]", "", "[1, 2]", WEIR_J_ARRAY},
        {"{\"a\" : 1}", "", "{\"a\" : 1}", WEIR_J_OBJECT},
    };
    const weir_json *json = &ext_json_table;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weir_json_doc *doc = parse(rows[i].text);
        CHECK_FATAL(doc != NULL);
        CHECK_INT(json->kind(json->root(doc)), rows[i].kind);
        CHECK(str_is(json->text(json->root(doc)), rows[i].shown));
        CHECK(str_is(json->raw(json->root(doc)), rows[i].raw));
        json->free(doc);
    }
}

static void json_that_is_none(void)
{
    static const char *const rows[] = {"",   "{",   "[1,]", "{\"a\":1,\"a\":2}", "1 2",
                                       "01", "NaN", "'a'",  "\"\xff\"",          "// c\n1"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK(parse(rows[i]) == NULL);
    CHECK(ext_json_table.parse((weir_str){"1\0", 2}) == NULL);
    ext_json_table.free(NULL);
}

static void json_members_and_entries(void)
{
    const weir_json *json = &ext_json_table;
    weir_str name = STR("untouched");
    weir_json_doc *doc =
        parse("{\"Items\":[{\"id\":\"a\"},{\"id\":\"b\",\"n\":[[],[7]]}],\"items\":0}");
    CHECK_FATAL(doc != NULL);
    const weir_json_node *root = json->root(doc), *items = json->member(root, "Items");

    CHECK_INT(json->size(root), 2);
    CHECK_INT(json->size(items), 2);
    CHECK(str_is(json->text(json->member(json->entry(items, 1, &name), "id")), "b"));
    CHECK_INT(name.len, 0);
    CHECK(json->entry(root, 1, &name) == json->member(root, "items") && str_is(name, "items"));
    const weir_json_node *lists = json->member(json->entry(items, 1, NULL), "n");
    CHECK(str_is(json->text(json->entry(json->entry(lists, 1, NULL), 0, NULL)), "7"));
    CHECK(json->entry(json->entry(lists, 0, NULL), 0, NULL) == NULL);
    CHECK(json->entry(items, 2, NULL) == NULL && json->entry(items, (size_t)-1, NULL) == NULL);
    CHECK(json->member(root, "ITEMS") == NULL && json->member(items, "id") == NULL);
    CHECK(json->member(root, NULL) == NULL);
    json->free(doc);
}

static void json_of_nothing(void)
{
    const weir_json *json = &ext_json_table;
    CHECK(json->revision == 1 && json->struct_size == sizeof *json);
    CHECK(json->root(NULL) == NULL && json->kind(NULL) == WEIR_J_NONE && json->size(NULL) == 0);
    CHECK(json->entry(NULL, 0, NULL) == NULL && json->member(NULL, "a") == NULL);
    CHECK(json->text(NULL).len == 0 && json->raw(NULL).len == 0);
}

static void F72_json_under_failing_memory(void)
{
    weir_json_doc *doc = NULL;
    uint64_t n = 1;
    for (; !doc && n < 100; n++) {
        mem_fail_at(n);
        doc = parse("{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]}");
        mem_fail_at(0);
    }
    CHECK(n > 3 && doc != NULL);
    ext_json_table.free(doc);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"timers_fire_once_and_stop", timers_fire_once_and_stop},
        {"a_stale_id_stops_nothing", a_stale_id_stops_nothing},
        {"timers_left_at_close_are_dropped", timers_left_at_close_are_dropped},
        {"where_nothing_runs_nothing_starts", where_nothing_runs_nothing_starts},
        {"a_clock_that_refuses_gives_no_timer", a_clock_that_refuses_gives_no_timer},
        {"plugins_use_timers_and_work", plugins_use_timers_and_work},
        {"works_are_one_at_a_time_and_in_order", works_are_one_at_a_time_and_in_order},
        {"queued_work_runs_where_no_thread_is_to_be_had",
         queued_work_runs_where_no_thread_is_to_be_had},
        {"close_waits_for_the_last_work", close_waits_for_the_last_work},
        {"json_of_every_kind", json_of_every_kind},
        {"json_that_is_none", json_that_is_none},
        {"json_members_and_entries", json_members_and_entries},
        {"json_of_nothing", json_of_nothing},
        {"F72_json_under_failing_memory", F72_json_under_failing_memory},
        {NULL, NULL}};
    return unit_main(argc, argv, "plugin_ext", tests);
}
