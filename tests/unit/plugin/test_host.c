#include "support.h"

#include "plugin/host.h"
#include "util/alloc.h"

#include <errno.h>

static const char record_head[] =
    "{\"Records\":[{\"eventID\":\"e1\",\"eventName\":\"MODIFY\",\"awsRegion\":\"eu-west-1\","
    "\"dynamodb\":{"
    "\"ApproximateCreationDateTime\":1700000000,\"Keys\":{\"id\":{\"S\":\"p1\"}},"
    "\"OldImage\":{\"id\":{\"S\":\"p1\"},\"price\":{\"N\":\"12.5\"}},\"NewImage\":";
static const char record_tail[] =
    ",\"SequenceNumber\":\"000123\",\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"},\"eventSourceARN\":"
    "\"arn:aws:dynamodb:eu-west-1:123456789012:table/Products/stream/s\"}]}";

/* What the mirror says behind the '|' of a record with this new image. */
static void mirrored(const char *options, const char *new_image, const char *says)
{
    struct rig rig;
    struct buf event;
    rig_init(&rig, "mirror", options);
    buf_init(&event, 1 << 16);
    buf_puts(&event, record_head);
    buf_puts(&event, new_image);
    buf_puts(&event, record_tail);

    rig_deliver(&rig, buf_cstr(&event));
    const char *bar = strchr(notes_text(&rig.notes), '|');
    CHECK_FATAL(bar != NULL);
    CHECK_STR(bar, says);
    rig_drain(&rig);
    CHECK_INT(rig.ended, 1);
    buf_done(&event);
    rig_done(&rig);
}

static void values_of_every_type(void)
{
    mirrored(NULL, "{\"price\":{\"N\":\"12.50\"}}",
             "| type=2 size=0 text=\"12.50\" json=\"{\\\"N\\\":\\\"12.50\\\"}\" same=1 "
             "entry=\"price\" end=\"-\"\n");
    mirrored(NULL, "{\"price\":{\"S\":\"a\\u0000\\u00e9\"},\"z\":{\"NULL\":true}}",
             "| type=1 size=0 text=\"a\\u0000\\u00e9\" "
             "json=\"{\\\"S\\\":\\\"a\\\\u0000\\\\u00e9\\\"}\" same=0 "
             "entry=\"price\" entry=\"z\" end=\"-\"\n");
    mirrored(NULL, "{\"price\":{\"B\":\"AP8=\"}}",
             "| type=3 size=0 text=\"\\u0000\\ufffd\" json=\"{\\\"B\\\":\\\"AP8=\\\"}\" same=0 "
             "entry=\"price\" "
             "end=\"-\"\n");
    mirrored(NULL, "{\"price\":{\"NS\":[\"1\",\"2\"]}}",
             "| type=9 size=2 text=\"\" json=\"{\\\"NS\\\":[\\\"1\\\",\\\"2\\\"]}\" same=0 "
             "entry=\"price\" "
             "end=\"-\"\n");
    mirrored(NULL, "{}", "| type=0 size=0 text=\"\" json=\"\" same=0 end=\"-\"\n");
    mirrored("{\"path\":\"a.b[1]\"}",
             "{\"a\":{\"M\":{\"b\":{\"L\":[{\"S\":\"x\"},{\"BOOL\":true}]}}}}",
             "| type=4 size=0 text=\"true\" json=\"{\\\"BOOL\\\":true}\" same=0 entry=\"a\" "
             "end=\"-\"\n");
    mirrored("{\"path\":\"['x.y']\"}", "{\"x.y\":{\"S\":\"dot\"}}",
             "| type=1 size=0 text=\"dot\" json=\"{\\\"S\\\":\\\"dot\\\"}\" same=0 entry=\"x.y\" "
             "end=\"-\"\n");
}

static void fields_of_a_record(void)
{
    struct rig rig;
    struct buf event;
    rig_init(&rig, "mirror", NULL);
    buf_init(&event, 1 << 16);
    rig_event(1, &event);

    rig_deliver(&rig, buf_cstr(&event));
    const char *text = notes_text(&rig.notes);
    CHECK(strstr(text, "test 3  event=2 created=1700000000000000 precision=1 images=7 lane=") ==
          text);
    CHECK(strstr(text,
                 " id=\"e1\" seq=\"101\" identity=\"arn:aws:dynamodb:eu-west-1:123456789012:"
                 "table/Products/stream/2026-01-01T00:00:00.000/101\" table=\"Products\" raw=1 "
                 "event_json=1 key=1 |") != NULL);
    rig_drain(&rig);
    buf_done(&event);
    rig_done(&rig);
}

static void fields_of_a_dead_letter(void)
{
    struct rig rig;
    struct buf event;
    rig_init(&rig, "mirror", NULL);
    rig.dead = (struct dead_info){STR("orders"), STR("too large"), STR("8"), STR("{\"record\":{}}"),
                                  false};
    buf_init(&event, 1 << 16);
    rig_event(1, &event);

    rig_deliver(&rig, buf_cstr(&event));
    CHECK(strstr(notes_text(&rig.notes), " dead=\"orders\" why=\"too large\" attempts=\"8\" "
                                         "letter=\"{\\\"record\\\":{}}\" raw=1") != NULL);
    rig_drain(&rig);
    buf_done(&event);
    rig_done(&rig);
}

static void deliveries(void)
{
    struct rig rig;
    struct buf event;
    rig_init(&rig, "never", NULL);
    buf_init(&event, 1 << 16);
    rig_event(3, &event);
    uint64_t token = rig_deliver(&rig, buf_cstr(&event));

    CHECK_INT(host_table.count(rig.delivery), 3);
    CHECK(host_table.at(rig.delivery, 2) == &rig.delivery->entries[2]);
    CHECK(host_table.at(rig.delivery, 3) == NULL);
    CHECK(host_table.at(rig.delivery, (size_t)-1) == NULL);
    CHECK(host_table.token(rig.delivery) == token && token != 0);
    CHECK_INT(host_table.remaining_ms(rig.delivery), 30000);
    still_advance(&rig.still, 29999);
    CHECK_INT(host_table.remaining_ms(rig.delivery), 1);
    still_advance(&rig.still, 5000);
    CHECK_INT(host_table.remaining_ms(rig.delivery), 0);
    host_table.complete_rest(rig.instance, token, WEIR_OK, STR_NONE);
    rig_drain(&rig);
    CHECK_INT(rig.ended, 1);
    buf_done(&event);
    rig_done(&rig);
}

static void completions_without_a_board_are_nothing(void)
{
    struct plugin *plugin = load_plugin("good");
    struct instance_services services = {0};
    weir_instance *instance = open_instance(plugin, NULL, &services);

    host_table.complete(instance, 1, 0, WEIR_OK, STR_NONE);
    host_table.complete_rest(instance, 1, WEIR_OK, STR_NONE);
    host_table.log(instance, WEIR_LOG_INFO, STR("to nobody"));
    CHECK(instance_idle(instance));
    instance_close(instance);
    plugin_free(plugin);
}

static void log_levels_and_lengths(void)
{
    struct notes notes;
    struct plugin *plugin = load_plugin("good");
    notes_init(&notes);
    struct instance_services services = {.ctx = &notes, .log = notes_log};
    weir_instance *instance = open_instance(plugin, NULL, &services);
    char *much = mem_alloc(100000);
    CHECK_FATAL(much != NULL);
    memset(much, 'x', 100000);

    host_table.log(instance, WEIR_LOG_ERROR, STR("one"));
    host_table.log(instance, 99, STR("two"));
    host_table.log(instance, 0, (weir_str){NULL, 7});
    CHECK_STR(notes_text(&notes), "test 1 one\ntest 3 two\ntest 3 \n");
    host_table.log(instance, WEIR_LOG_WARN, (weir_str){much, 100000});
    CHECK(notes.text.len < 9000);
    instance_close(instance);
    plugin_free(plugin);
    notes_done(&notes);
    mem_free(much);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"values_of_every_type", values_of_every_type},
        {"fields_of_a_record", fields_of_a_record},
        {"fields_of_a_dead_letter", fields_of_a_dead_letter},
        {"deliveries", deliveries},
        {"completions_without_a_board_are_nothing", completions_without_a_board_are_nothing},
        {"log_levels_and_lengths", log_levels_and_lengths},
        {NULL, NULL}};
    return unit_main(argc, argv, "plugin_host", tests);
}
