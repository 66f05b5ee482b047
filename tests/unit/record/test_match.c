#include "unit.h"

#include "record/filter.h"
#include "record/match.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

enum { OLD_NEW = WEIR_OLD | WEIR_NEW };

/* One record in Lambda's shape; an image of NULL is absent. `extra` goes between the members. */
static struct batch *decode(const char *event, const char *before, const char *after,
                            const char *extra)
{
    struct buf body;
    struct batch *batch = NULL;
    struct err err = {0};
    buf_init(&body, 1 << 20);
    buf_printf(&body,
               "{\"Records\":[{\"eventID\":\"e1\",\"eventName\":\"%s\",\"eventVersion\":\"1.1\","
               "\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"eu-west-1\",%s"
               "\"dynamodb\":{\"ApproximateCreationDateTime\":1795386074,\"Keys\":{\"id\":{\"S\":"
               "\"p1\"}},",
               event, extra ? extra : "");
    if (after)
        buf_printf(&body, "\"NewImage\":%s,", after);
    if (before)
        buf_printf(&body, "\"OldImage\":%s,", before);
    buf_puts(&body,
             "\"SequenceNumber\":\"100000000000000000001\",\"SizeBytes\":60,"
             "\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"},"
             "\"eventSourceARN\":\"arn:aws:dynamodb:eu-west-1:1:table/Products/stream/x\"}]}");
    CHECK_FATAL(!body.failed && buf_reserve(&body, 64) == 0);
    struct decode_options options = {0};
    int rc = batch_decode(body.ptr, body.len, NULL, &options, &batch, &err);
    if (rc < 0)
        printf("\n    %s", err.msg);
    CHECK_FATAL(rc == 0 && batch->record_count == 1);
    return batch;
}

static struct match_plan *new_plan(const struct match_sink *sinks, size_t count)
{
    struct match_plan *plan = NULL;
    struct err err = {0};
    int rc = match_plan_new(sinks, count, &plan, &err);
    if (rc < 0)
        printf("\n    %s", err.msg);
    CHECK_FATAL(rc == 0);
    return plan;
}

enum verdict { NO, MATCH, UNMET };

static enum verdict judge(const struct match_rule *rule, struct batch *batch)
{
    struct match_sink sink = {rule, 1};
    struct match_plan *plan = new_plan(&sink, 1);
    struct record *record = batch->records[0];
    struct buf line;
    buf_init(&line, 4096);
    match_record(plan, record);
    CHECK((record->matched & record->unmet) == 0);
    CHECK((record->matched | record->unmet) <= 1);
    enum verdict verdict = record->matched ? MATCH : record->unmet ? UNMET : NO;
    CHECK_INT(match_explain(plan, 0, record, &line), verdict == MATCH);
    const char *begins = verdict == MATCH ? "MATCH (" : verdict == UNMET ? "FAIL: " : "no match: ";
    CHECK(strncmp(buf_cstr(&line), begins, strlen(begins)) == 0);
    buf_done(&line);
    match_plan_free(plan);
    return verdict;
}

#define PATHS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void events_are_told_apart(void)
{
    static const struct {
        const char *event;
        uint32_t events;
        enum verdict verdict;
    } rows[] = {
        {"INSERT", WEIR_INSERT, MATCH},
        {"INSERT", WEIR_MODIFY | WEIR_REMOVE, NO},
        {"MODIFY", WEIR_MODIFY, MATCH},
        {"MODIFY", WEIR_INSERT, NO},
        {"REMOVE", WEIR_REMOVE | WEIR_INSERT, MATCH},
        {"REMOVE", WEIR_MODIFY, NO},
        {"REMOVE", 0, MATCH},
        {"ARCHIVE", 0, MATCH}, /* a name that is not invented yet */
        {"ARCHIVE", WEIR_INSERT | WEIR_MODIFY | WEIR_REMOVE, NO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct batch *batch = decode(rows[i].event, "{}", "{}", NULL);
        struct match_rule rule = {.events = rows[i].events};
        CHECK_INT(judge(&rule, batch), rows[i].verdict);
        batch_unref(batch);
    }
}

#define D38 "12345678901234567890123456789012345678"

static void F85_changed_compares_deeply_and_exactly(void)
{
    static const struct {
        const char *before, *after;
        bool changed;
    } rows[] = {
        {"{\"p\":{\"N\":\"10\"}}", "{\"p\":{\"N\":\"12.5\"}}", true},
        {"{\"p\":{\"N\":\"10\"}}", "{\"p\":{\"N\":\"10\"}}", false},
        {"{\"p\":{\"N\":\"10\"}}", "{\"p\":{\"N\":\"10.0\"}}", false},
        {"{\"p\":{\"N\":\"10\"}}", "{\"p\":{\"N\":\"1E1\"}}", false},
        {"{\"p\":{\"N\":\"0\"}}", "{\"p\":{\"N\":\"-0.00\"}}", false},
        {"{\"p\":{\"N\":\"" D38 "\"}}", "{\"p\":{\"N\":\"" D38 ".0\"}}", false},
        {"{\"p\":{\"N\":\"9007199254740992\"}}", "{\"p\":{\"N\":\"9007199254740993\"}}", true},
        {"{\"p\":{\"N\":\"10\"}}", "{\"p\":{\"S\":\"10\"}}", true}, /* a type is part of a value */
        {"{\"p\":{\"S\":\"x\"}}", "{\"p\":{\"B\":\"eHg=\"}}", true},
        {"{\"p\":{\"S\":\"10\"}}", "{\"p\":{\"S\":\"10.0\"}}", true},
        {"{\"p\":{\"S\":\"\\u0061\"}}", "{\"p\":{\"S\":\"a\"}}", false},
        {"{\"p\":{\"S\":\"x\\u0000y\"}}", "{\"p\":{\"S\":\"x\\u0000z\"}}", true},
        {"{\"p\":{\"BOOL\":true}}", "{\"p\":{\"BOOL\":false}}", true},
        {"{\"p\":{\"NULL\":true}}", "{\"p\":{\"NULL\":true}}", false},
        {"{\"p\":{\"NULL\":true}}", "{\"p\":{\"N\":\"1\"}}", true},
        {"{\"p\":{\"SS\":[\"a\",\"b\"]}}", "{\"p\":{\"SS\":[\"b\",\"a\"]}}", false},
        {"{\"p\":{\"NS\":[\"1\",\"2\"]}}", "{\"p\":{\"NS\":[\"2.0\",\"1e0\"]}}", false},
        {"{\"p\":{\"SS\":[\"a\",\"b\"]}}", "{\"p\":{\"SS\":[\"a\"]}}", true},
        {"{\"p\":{\"L\":[{\"N\":\"1\"},{\"N\":\"2\"}]}}",
         "{\"p\":{\"L\":[{\"N\":\"2\"},{\"N\":\"1\"}]}}", true},
        {"{\"p\":{\"M\":{\"x\":{\"N\":\"1\"},\"y\":{\"S\":\"a\"}}}}",
         "{\"p\":{\"M\":{\"y\":{\"S\":\"a\"},\"x\":{\"N\":\"1.0\"}}}}", false},
        {"{\"p\":{\"M\":{\"x\":{\"N\":\"1\"}}}}", "{\"p\":{\"M\":{\"X\":{\"N\":\"1\"}}}}", true},
        {"{}", "{\"p\":{\"N\":\"1\"}}", true}, /* one side absent */
        {"{\"p\":{\"N\":\"1\"}}", "{}", true},
        {"{\"q\":{\"N\":\"1\"}}", "{\"q\":{\"N\":\"2\"}}", false},      /* another attribute */
        {"{\"\\u0070\":{\"N\":\"1\"}}", "{\"p\":{\"N\":\"2\"}}", true}, /* an escaped name */
        {"{\"\\u0070\":{\"N\":\"1\"}}", "{\"p\":{\"N\":\"1\"}}", false},
        {"{\"pp\":{\"N\":\"1\"},\"P\":{\"N\":\"1\"}}", "{\"pp\":{\"N\":\"2\"},\"P\":{\"N\":\"2\"}}",
         false},
    };
    struct match_rule rule = {.events = WEIR_MODIFY, .images = OLD_NEW, .changed = PATHS("p")};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct batch *batch = decode("MODIFY", rows[i].before, rows[i].after, NULL);
        enum verdict verdict = judge(&rule, batch);
        if ((verdict == MATCH) != rows[i].changed)
            printf("\n    %s -> %s", rows[i].before, rows[i].after);
        CHECK_INT(verdict, rows[i].changed ? MATCH : NO);
        batch_unref(batch);
    }
}

static void a_missing_side_differs_on_insert_and_remove(void)
{
    struct match_rule rule = {.changed = PATHS("p")};
    struct batch *batch = decode("INSERT", NULL, "{\"p\":{\"N\":\"1\"}}", NULL);
    CHECK_INT(judge(&rule, batch), MATCH);
    batch_unref(batch);
    batch = decode("INSERT", NULL, "{\"q\":{\"N\":\"1\"}}", NULL);
    CHECK_INT(judge(&rule, batch), NO);
    batch_unref(batch);
    batch = decode("REMOVE", "{\"p\":{\"N\":\"1\"}}", NULL, NULL);
    CHECK_INT(judge(&rule, batch), MATCH);
    batch_unref(batch);
    batch = decode("REMOVE", "{\"q\":{\"N\":\"1\"}}", NULL, NULL);
    CHECK_INT(judge(&rule, batch), NO);
    batch_unref(batch);
}

/* Every view type of a stream against every kind of need: never a silent skip. */
static void a_missing_image_is_unmet(void)
{
    static const char image[] = "{\"p\":{\"N\":\"1\"}}";
    const struct match_rule changed = {.changed = PATHS("p")}, both = {.images = OLD_NEW},
                            new_only = {.images = WEIR_NEW}, old_only = {.images = WEIR_OLD},
                            keys = {.images = WEIR_KEYS}, has = {.present = PATHS("p")},
                            has_other = {.present = PATHS("q")},
                            elsewhere = {.events = WEIR_REMOVE, .images = OLD_NEW};
    const struct {
        const char *event;
        bool before, after;
        const struct match_rule *rule;
        enum verdict verdict;
    } rows[] = {
        {"MODIFY", false, false, &changed, UNMET}, /* KEYS_ONLY */
        {"MODIFY", false, true, &changed, UNMET},  /* NEW_IMAGE */
        {"MODIFY", true, false, &changed, UNMET},  /* OLD_IMAGE */
        {"MODIFY", true, true, &changed, NO},
        {"INSERT", false, false, &changed, UNMET},
        {"INSERT", false, true, &changed, MATCH},
        {"REMOVE", false, false, &changed, UNMET},
        {"REMOVE", true, false, &changed, MATCH},
        {"MODIFY", false, true, &both, UNMET},
        {"MODIFY", true, true, &both, MATCH},
        {"INSERT", false, true, &both, MATCH}, /* by nature there is no old one */
        {"REMOVE", true, false, &both, MATCH},
        {"INSERT", false, false, &both, UNMET},
        {"MODIFY", false, true, &new_only, MATCH},
        {"MODIFY", true, false, &new_only, UNMET},
        {"REMOVE", false, false, &new_only, MATCH},
        {"MODIFY", true, false, &old_only, MATCH},
        {"INSERT", false, false, &old_only, MATCH},
        {"REMOVE", false, false, &old_only, UNMET},
        {"MODIFY", false, false, &keys, MATCH},
        {"MODIFY", true, true, &has, MATCH},
        {"MODIFY", false, true, &has, MATCH},
        {"MODIFY", true, false, &has, MATCH},
        {"MODIFY", false, false, &has, UNMET},
        {"MODIFY", true, true, &has_other, NO},
        {"MODIFY", false, true, &has_other, UNMET}, /* the old one may have had it */
        {"INSERT", false, true, &has_other, NO},
        {"REMOVE", false, false, &has_other, UNMET},
        {"MODIFY", false, false, &elsewhere, NO}, /* not its event: nothing is missed */
        {"ARCHIVE", false, false, &changed, NO},
        {"ARCHIVE", false, false, &both, MATCH}, /* nobody knows what it should have */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct batch *batch = decode(rows[i].event, rows[i].before ? image : NULL,
                                     rows[i].after ? image : NULL, NULL);
        enum verdict verdict = judge(rows[i].rule, batch);
        if (verdict != rows[i].verdict)
            printf("\n    row %zu", i);
        CHECK_INT(verdict, rows[i].verdict);
        batch_unref(batch);
    }
}

static void unmet_only_where_all_else_holds(void)
{
    struct batch *batch = decode("MODIFY", NULL, "{\"q\":{\"N\":\"1\"}}", NULL);
    struct match_rule rules[] = {{.changed = PATHS("p")}, {.ttl = 1}};
    struct match_sink sink = {rules, 2};
    struct match_plan *plan = new_plan(&sink, 1);
    match_record(plan, batch->records[0]);
    CHECK_INT(batch->records[0]->matched | batch->records[0]->unmet, 0);
    match_plan_free(plan);
    batch_unref(batch);
}

static void ttl_deletes_are_told_apart(void)
{
    static const char by_ttl[] = "\"userIdentity\":{\"type\":\"Service\",\"principalId\":"
                                 "\"dynamodb.amazonaws.com\"},";
    struct match_rule any = {0}, only = {.ttl = 1}, never = {.ttl = -1};
    struct batch *batch = decode("REMOVE", "{}", NULL, by_ttl);
    CHECK(batch->records[0]->ttl_delete);
    CHECK_INT(judge(&any, batch), MATCH);
    CHECK_INT(judge(&only, batch), MATCH);
    CHECK_INT(judge(&never, batch), NO);
    batch_unref(batch);
    batch = decode("REMOVE", "{}", NULL, NULL);
    CHECK_INT(judge(&only, batch), NO);
    CHECK_INT(judge(&never, batch), MATCH);
    batch_unref(batch);
}

static void paths_reach_into_maps_and_lists(void)
{
    static const char before[] = "{\"m\":{\"M\":{\"l\":{\"L\":[{\"N\":\"1\"},{\"S\":\"x\"}]}}},"
                                 "\"a.b\":{\"S\":\"1\"}}",
                      after[] = "{\"m\":{\"M\":{\"l\":{\"L\":[{\"N\":\"1\"},{\"S\":\"y\"}]}}},"
                                "\"a.b\":{\"S\":\"2\"}}";
    static const struct {
        const char *path;
        bool changed;
    } rows[] = {
        {"m", true},       {"m.l", true},       {"m.l[1]", true},    {"m.l[0]", false},
        {"m.l[2]", false}, {"m.x", false},      {"a.b", false},      {"['a.b']", true},
        {"['m'].l", true}, {"m['l'][1]", true}, {"m.l[1].z", false},
    };
    struct batch *batch = decode("MODIFY", before, after, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct match_rule rule = {.changed = PATHS(rows[i].path)};
        if (judge(&rule, batch) != (rows[i].changed ? MATCH : NO))
            printf("\n    path %s", rows[i].path);
        CHECK_INT(judge(&rule, batch), rows[i].changed ? MATCH : NO);
    }
    batch_unref(batch);
}

static void bad_paths_are_refused(void)
{
    static const char *const bad[] = {"",      ".a",   "a.",   "a..b",  "[0]",
                                      "a[",    "a[x]", "a[]",  "a[-1]", "a[0",
                                      "a[0]b", "['a'", "['']", "['a'x", "a.[0]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct match_rule rule = {.present = PATHS(bad[i])};
        struct match_sink sink = {&rule, 1};
        struct match_plan *plan = NULL;
        struct err err = {0};
        CHECK_INT(match_plan_new(&sink, 1, &plan, &err), -EINVAL);
        CHECK(plan == NULL);
        CHECK(strncmp(err.msg, "bad attribute path", 18) == 0);
    }
}

static void all_rules_of_a_sink_must_hold(void)
{
    struct batch *batch = decode("MODIFY", "{\"p\":{\"N\":\"1\"},\"q\":{\"N\":\"1\"}}",
                                 "{\"p\":{\"N\":\"2\"},\"q\":{\"N\":\"1\"}}", NULL);
    struct match_rule narrow[] = {{.events = WEIR_MODIFY | WEIR_INSERT, .changed = PATHS("p", "q")},
                                  {.events = WEIR_MODIFY, .present = PATHS("x", "q")}},
                      apart[] = {{.events = WEIR_MODIFY}, {.events = WEIR_INSERT}},
                      fails[] = {{.changed = PATHS("p")}, {.changed = PATHS("q")}};
    struct match_sink sinks[] = {{narrow, 2}, {apart, 2}, {fails, 2}, {NULL, 0}, {fails, 1}};
    struct match_plan *plan = new_plan(sinks, 5);
    match_record(plan, batch->records[0]);
    CHECK_INT(batch->records[0]->matched, 1 << 0 | 1 << 4);
    CHECK_INT(batch->records[0]->unmet, 0);
    match_plan_free(plan);
    batch_unref(batch);
}

static void images_to_build_follow_from_what_is_read(void)
{
    struct match_rule changed = {.events = WEIR_MODIFY, .changed = PATHS("p")},
                      added = {.events = WEIR_INSERT, .images = WEIR_NEW},
                      any = {.present = PATHS("p")}, keys = {.images = WEIR_KEYS};
    struct match_sink sinks[] = {{&changed, 1}, {&added, 1}, {&keys, 1}, {&any, 1}};
    struct match_plan *plan = new_plan(sinks, 3);
    CHECK_INT(match_images(plan, WEIR_MODIFY), WEIR_KEYS | OLD_NEW);
    CHECK_INT(match_images(plan, WEIR_INSERT), WEIR_KEYS | WEIR_NEW);
    CHECK_INT(match_images(plan, WEIR_REMOVE), WEIR_KEYS);
    CHECK_INT(match_images(plan, 0), WEIR_KEYS);
    match_plan_free(plan);
    struct match_rule glances = {.optional_images = OLD_NEW};
    struct match_sink glancing = {&glances, 1};
    plan = new_plan(&glancing, 1);
    CHECK_INT(match_images(plan, WEIR_MODIFY), WEIR_KEYS | OLD_NEW);
    match_plan_free(plan);
    struct batch *batch = decode("MODIFY", NULL, NULL, NULL);
    CHECK_INT(judge(&glances, batch), MATCH); /* built where there, not missed where not */
    batch_unref(batch);
    plan = new_plan(sinks, 4);
    CHECK_INT(match_images(plan, WEIR_REMOVE), WEIR_KEYS | OLD_NEW);
    CHECK_INT(match_images(plan, 0), WEIR_KEYS | OLD_NEW);
    match_plan_free(plan);
}

static struct filter *new_filter(const char *pattern)
{
    struct arena arena;
    struct json_error error;
    struct filter *filter = NULL;
    size_t note_count;
    arena_init(&arena, 1024);
    const struct json_value *value = json_parse(&arena, str_of(pattern), 0, 0, &error);
    CHECK_FATAL(value != NULL);
    CHECK_INT(filter_new(value, &filter, NULL, 0, &note_count), 0);
    arena_done(&arena);
    return filter;
}

static void filters_see_the_whole_event(void)
{
    struct filter *yes = new_filter(
        "{\"eventName\":[\"MODIFY\"],\"dynamodb\":{\"NewImage\":{\"p\":{\"N\":[\"2\"]}}}}");
    struct filter *no = new_filter("{\"dynamodb\":{\"OldImage\":{\"p\":{\"N\":[\"2\"]}}}}");
    struct match_rule passes = {.changed = PATHS("p"), .filter = yes}, fails = {.filter = no};
    struct batch *batch = decode("MODIFY", "{\"p\":{\"N\":\"1\"}}", "{\"p\":{\"N\":\"2\"}}", NULL);
    CHECK_INT(judge(&passes, batch), MATCH);
    CHECK_INT(judge(&fails, batch), NO);
    batch_unref(batch);
    batch = decode("MODIFY", NULL, "{\"p\":{\"N\":\"3\"}}", NULL);
    CHECK_INT(judge(&passes, batch), NO); /* filtered out: the missing image does not matter */
    batch_unref(batch);
    batch = decode("MODIFY", NULL, "{\"p\":{\"N\":\"2\"}}", NULL);
    CHECK_INT(judge(&passes, batch), UNMET);
    batch_unref(batch);
    filter_free(yes);
    filter_free(no);
}

static void F82_poison_matches_nothing(void)
{
    struct batch *batch = decode("MODIFY", "{}", "{}", NULL);
    struct match_rule any = {0};
    struct match_sink sink = {&any, 1};
    struct match_plan *plan = new_plan(&sink, 1);
    batch->records[0]->poison = "test";
    batch->records[0]->matched = batch->records[0]->unmet = 7;
    match_record(plan, batch->records[0]);
    CHECK_INT(batch->records[0]->matched | batch->records[0]->unmet, 0);
    match_plan_free(plan);
    batch_unref(batch);
}

static void explain_names_the_first_failed_condition(void)
{
    static const char before[] = "{\"price\":{\"N\":\"10\"},\"s\":{\"S\":\"a\\u001b\"}}",
                      after[] = "{\"price\":{\"N\":\"12.5\"},\"s\":{\"S\":\"a\\u001b\"}}";
    const struct {
        struct match_rule rule;
        const char *event, *before, *line;
    } rows[] = {
        {{.changed = PATHS("price")}, "MODIFY", before, "MATCH (MODIFY, price 10 -> 12.5)"},
        {{.changed = PATHS("s", "price"), .present = PATHS("x", "s")},
         "MODIFY",
         before,
         "MATCH (MODIFY, price 10 -> 12.5, has s)"},
        {{0}, "REMOVE", before, "MATCH (REMOVE)"},
        {{.changed = PATHS("s")},
         "MODIFY",
         before,
         "no match: s is a\\x1b before and a\\x1b after"},
        {{.changed = PATHS("x")}, "MODIFY", before, "no match: x is (absent) in both images"},
        {{.changed = PATHS("s", "x")}, "MODIFY", before, "no match: no difference in s or x"},
        {{.present = PATHS("x", "y")}, "MODIFY", before, "no match: neither image has x or y"},
        {{.events = WEIR_INSERT | WEIR_REMOVE},
         "MODIFY",
         before,
         "no match: MODIFY, wants INSERT, REMOVE"},
        {{.ttl = 1}, "MODIFY", before, "no match: not a TTL delete"},
        {{.changed = PATHS("price")},
         "MODIFY",
         NULL,
         "FAIL: the record has no OldImage, which this sink needs: see the stream's view type"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct batch *batch = decode(rows[i].event, rows[i].before, after, NULL);
        struct match_sink sink = {&rows[i].rule, 1};
        struct match_plan *plan = new_plan(&sink, 1);
        struct buf line;
        buf_init(&line, 1024);
        match_explain(plan, 0, batch->records[0], &line);
        CHECK_STR(buf_cstr(&line), rows[i].line);
        buf_done(&line);
        match_plan_free(plan);
        batch_unref(batch);
    }
}

static void sixty_four_sinks_share_one_look(void)
{
    static const char *const p[] = {"p", NULL}, *const q[] = {"q", NULL};
    struct match_rule rules[MATCH_SINKS_MAX];
    struct match_sink sinks[MATCH_SINKS_MAX + 1];
    for (int i = 0; i < MATCH_SINKS_MAX; i++) {
        rules[i] = (struct match_rule){.changed = i % 2 ? p : q};
        sinks[i] = (struct match_sink){&rules[i], 1};
    }
    struct match_plan *plan = NULL;
    struct err err;
    sinks[MATCH_SINKS_MAX] = sinks[0];
    CHECK_INT(match_plan_new(sinks, MATCH_SINKS_MAX + 1, &plan, &err), -EINVAL);
    plan = new_plan(sinks, MATCH_SINKS_MAX);
    struct batch *batch = decode("MODIFY", "{\"p\":{\"N\":\"1\"}}", "{\"p\":{\"N\":\"2\"}}", NULL);
    uint64_t calls = mem_calls();
    match_record(plan, batch->records[0]);
    CHECK_INT(mem_calls(), calls); /* no allocation per record */
    CHECK(batch->records[0]->matched == 0xaaaaaaaaaaaaaaaaull);
    batch_unref(batch);
    match_plan_free(plan);
}

static void out_of_memory_is_reported(void)
{
    struct match_rule rule = {.changed = PATHS("p", "q.r"), .present = PATHS("s")};
    struct match_sink sink = {&rule, 1};
    int failures = 0;
    for (uint64_t n = 1;; n++) {
        struct match_plan *plan = NULL;
        struct err err;
        mem_fail_at(n);
        int rc = match_plan_new(&sink, 1, &plan, &err);
        mem_fail_at(0);
        match_plan_free(plan);
        if (rc == 0)
            break;
        CHECK_INT(rc, -ENOMEM);
        failures++;
    }
    CHECK(failures >= 5);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"events_are_told_apart", events_are_told_apart},
        {"F85_changed_compares_deeply_and_exactly", F85_changed_compares_deeply_and_exactly},
        {"a_missing_side_differs_on_insert_and_remove",
         a_missing_side_differs_on_insert_and_remove},
        {"a_missing_image_is_unmet", a_missing_image_is_unmet},
        {"unmet_only_where_all_else_holds", unmet_only_where_all_else_holds},
        {"ttl_deletes_are_told_apart", ttl_deletes_are_told_apart},
        {"paths_reach_into_maps_and_lists", paths_reach_into_maps_and_lists},
        {"bad_paths_are_refused", bad_paths_are_refused},
        {"all_rules_of_a_sink_must_hold", all_rules_of_a_sink_must_hold},
        {"images_to_build_follow_from_what_is_read", images_to_build_follow_from_what_is_read},
        {"filters_see_the_whole_event", filters_see_the_whole_event},
        {"F82_poison_matches_nothing", F82_poison_matches_nothing},
        {"explain_names_the_first_failed_condition", explain_names_the_first_failed_condition},
        {"sixty_four_sinks_share_one_look", sixty_four_sinks_share_one_look},
        {"out_of_memory_is_reported", out_of_memory_is_reported},
        {NULL, NULL}};
    return unit_main(argc, argv, "match", tests);
}
