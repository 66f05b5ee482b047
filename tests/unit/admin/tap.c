/* The tap over a router: what a reader gets, what is hidden, and that nobody waits for it. */
#include "admin/tap.h"
#include "rig.h"

enum { TEXT_BYTES = 1 << 20 };

struct listener {
    char text[TEXT_BYTES];
    size_t len, lines;
    bool refuses;
};

static bool take(void *arg, weir_str bytes)
{
    struct listener *listener = arg;
    if (listener->refuses)
        return false;
    if (!str_starts(bytes, STR("data: ")))
        return true;
    listener->lines++;
    if (listener->len + bytes.len < TEXT_BYTES) {
        memcpy(listener->text + listener->len, bytes.ptr, bytes.len);
        listener->len += bytes.len;
        listener->text[listener->len] = '\0';
    }
    return true;
}

struct scene {
    struct rig rig;
    struct listener listener;
    struct tap *tap;
};

static struct scene *scene_of(size_t sinks, const char *const *redact)
{
    struct scene *scene = calloc(1, sizeof *scene);
    CHECK_FATAL(scene != NULL);
    rig_init(&scene->rig, sinks, true);
    rig_start(&scene->rig);
    const struct tap_config config = {.router = scene->rig.router,
                                      .clock = &scene->rig.world.world.clock,
                                      .redact = redact,
                                      .shows_records = true};
    CHECK_FATAL(tap_new(&config, &scene->tap) == 0);
    return scene;
}

static struct tap_reader *listen_to(struct scene *scene, size_t sink)
{
    const struct tap_filter filter = {.sink = sink};
    return tap_add(scene->tap, &filter, take, &scene->listener);
}

static void done(struct scene *scene)
{
    tap_free(scene->tap);
    rig_done(&scene->rig);
    free(scene);
}

static bool says(const struct scene *scene, const char *text)
{
    return strstr(scene->listener.text, text) != NULL;
}

static void a_record_comes_with_its_outcomes(void)
{
    struct scene *scene = scene_of(2, NULL);
    listen_to(scene, SIZE_MAX);
    rig_run(&scene->rig, "1:k1 2:k2", 0);
    CHECK_INT(scene->listener.lines, 2);
    CHECK(says(scene, "\"keys\":{"));
    CHECK(says(scene, "{\"sink\":\"a\",\"outcome\":\"ok\""));
    CHECK(says(scene, "{\"sink\":\"b\",\"outcome\":\"ok\""));
    done(scene);
}

static int32_t fails_once(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    return seen->attempt > 1 ? WEIR_OK : WEIR_RETRY;
}

static void a_retry_is_told_and_then_the_end(void)
{
    struct scene *scene = scene_of(1, NULL);
    scene->rig.sinks[0].script = fails_once;
    listen_to(scene, SIZE_MAX);
    rig_run(&scene->rig, "1:k1", 0);
    CHECK_INT(scene->listener.lines, 2);
    CHECK(says(scene, "\"outcome\":\"retry\""));
    CHECK(says(scene, "\"outcome\":\"ok\""));
    done(scene);
}

static void S19_what_is_covered_is_not_shown(void)
{
    static const char *const redact[] = {"*.id", "*.product_id", NULL};
    struct scene *scene = scene_of(1, redact);
    listen_to(scene, SIZE_MAX);
    rig_run(&scene->rig, "1:canary", 0);
    CHECK_INT(scene->listener.lines, 1);
    CHECK(says(scene, "\"***\""));
    CHECK(!says(scene, "canary"));
    done(scene);
}

static void a_reader_may_want_one_sink(void)
{
    struct scene *scene = scene_of(2, NULL);
    listen_to(scene, 1);
    rig_run(&scene->rig, "1:k1", 0);
    CHECK_INT(scene->listener.lines, 1);
    done(scene);
}

static void one_who_takes_nothing_loses_lines_and_they_are_counted(void)
{
    struct scene *scene = scene_of(1, NULL);
    listen_to(scene, SIZE_MAX);
    scene->listener.refuses = true;
    rig_run(&scene->rig, "1:k1 2:k2 3:k3", 0);
    CHECK_INT(tap_dropped(scene->tap), 3);
    CHECK_INT(rig_counts(&scene->rig, 0).delivered, 3);
    done(scene);
}

static void only_so_many_records_are_shown(void)
{
    enum { RECORDS = 2 * TAP_RECORDS_PER_S };
    static char text[RECORDS * 16];
    struct scene *scene = scene_of(1, NULL);
    size_t len = 0;
    listen_to(scene, SIZE_MAX);
    for (int i = 1; i <= RECORDS; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%d:k%d ", i, i);
    text[len - 1] = '\0';
    rig_run(&scene->rig, text, 0);
    CHECK_INT(rig_counts(&scene->rig, 0).delivered, RECORDS);
    CHECK(scene->listener.lines > 0);
    CHECK(scene->listener.lines <= TAP_RECORDS_PER_S + 20);
    size_t lines = scene->listener.lines;
    vworld_run(&scene->rig.world, 1000);
    tap_tick(scene->tap);
    rig_run(&scene->rig, "1001:z", 0); /* alone behind the burst */
    CHECK_INT(scene->listener.lines, lines + 1);
    done(scene);
}

static void nothing_is_looked_at_while_nobody_reads(void)
{
    struct scene *scene = scene_of(1, NULL);
    struct tap_reader *readers[TAP_READERS_MAX];
    for (size_t i = 0; i < TAP_READERS_MAX; i++)
        CHECK_FATAL((readers[i] = listen_to(scene, SIZE_MAX)) != NULL);
    CHECK(listen_to(scene, SIZE_MAX) == NULL);
    for (size_t i = 0; i < TAP_READERS_MAX; i++)
        tap_remove(scene->tap, readers[i]);
    rig_run(&scene->rig, "1:k1", 0);
    CHECK_INT(scene->listener.lines, 0);
    done(scene);
}

static int32_t refuses(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return WEIR_FAIL;
}

static void what_was_dropped_is_kept_for_the_status(void)
{
    struct scene *scene = calloc(1, sizeof *scene);
    struct buf out;
    CHECK_FATAL(scene != NULL);
    rig_init(&scene->rig, 1, true);
    scene->rig.routes[0].on_exhausted = ROUTE_DROP;
    scene->rig.sinks[0].script = refuses;
    rig_start(&scene->rig);
    const struct tap_config config = {.router = scene->rig.router,
                                      .clock = &scene->rig.world.world.clock};
    CHECK_FATAL(tap_new(&config, &scene->tap) == 0);
    rig_run(&scene->rig, "7:canary", 0);
    buf_init(&out, 1 << 16);
    tap_put_dead(scene->tap, &out);
    CHECK(strstr(buf_cstr(&out), "\"sink\":\"a\",\"outcome\":\"dropped\"") != NULL);
    CHECK(strstr(buf_cstr(&out), "canary") == NULL); /* records are not shown */
    buf_done(&out);
    done(scene);
}

static void a_reader_may_want_the_whole_record(void)
{
    static const char *const redact[] = {"*.id", "*.product_id", NULL};
    for (int covered = 0; covered < 2; covered++) {
        struct scene *scene = scene_of(1, covered ? redact : NULL);
        struct listener *brief = calloc(1, sizeof *brief);
        const struct tap_filter whole = {.sink = SIZE_MAX, .whole = true}, any = {.sink = SIZE_MAX};
        CHECK_FATAL(brief && tap_add(scene->tap, &whole, take, &scene->listener));
        CHECK_FATAL(tap_add(scene->tap, &any, take, brief) != NULL);
        rig_run(&scene->rig, "1:canary", 0);
        CHECK_INT(scene->listener.lines, 1);
        CHECK_INT(brief->lines, 1);
        CHECK(says(scene, ",\"record\":{\"eventID\":"));
        CHECK(says(scene, "\"sequence\":\"1\""));
        CHECK(says(scene, "{\"sink\":\"a\",\"outcome\":\"ok\""));
        CHECK(says(scene, "{\"S\":\"canary\"}") == !covered);
        CHECK(says(scene, "canary") == !covered);
        CHECK(strstr(brief->text, "\"record\"") == NULL);
        CHECK(strstr(brief->text, "\"changes\"") != NULL);
        done(scene);
        free(brief);
    }
}

static const struct unit_test tests[] = {
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    TEST(a_record_comes_with_its_outcomes),
    TEST(a_retry_is_told_and_then_the_end),
    TEST(S19_what_is_covered_is_not_shown),
    TEST(a_reader_may_want_one_sink),
    TEST(a_reader_may_want_the_whole_record),
    TEST(one_who_takes_nothing_loses_lines_and_they_are_counted),
    TEST(only_so_many_records_are_shown),
    TEST(nothing_is_looked_at_while_nobody_reads),
    TEST(what_was_dropped_is_kept_for_the_status),
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "admin_tap", tests);
}
