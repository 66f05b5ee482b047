/* Polling a source that refuses, forgets, breaks off and tells nonsense. */
#include "prig.h"

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS };

static size_t stream_of(struct prig *prig, unsigned partitions)
{
    return streams_model_create(&prig->model, "Products", partitions, prig_unix_ms(prig));
}

static void check_got(struct prig *prig, size_t expected)
{
    size_t repeats;
    for (size_t i = 0; i < prig->rig.count; i++) {
        CHECK_INT(prig_got(prig, i, &repeats), expected);
        CHECK_INT(repeats, 0);
        CHECK(prig_in_order(prig, i));
    }
}

/* ---- a fault by kind, so many times ---- */

struct script {
    enum model_kind kind;
    const char *error;
    uint64_t after, times; /* so many calls of the kind are let pass, then so many fail */
    uint64_t seen;
};

static const char *scripted(void *ctx, const struct model_call *call)
{
    struct script *script = ctx;
    if (call->kind != script->kind)
        return NULL;
    uint64_t number = script->seen++;
    return number >= script->after && number - script->after < script->times ? script->error : NULL;
}

static void use(struct prig *prig, struct script *script)
{
    prig->model.fault = scripted;
    prig->model.ctx = script;
}

static void F01_an_expired_iterator_is_renewed_behind_the_last_record_taken(void)
{
    struct script script = {MODEL_RECORDS, "ExpiredIteratorException", 3, 1, 0};
    struct prig prig;
    prig_init(&prig, 2);
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 450, 7);
    use(&prig, &script);
    prig_start(&prig);
    prig_run(&prig, 10000);
    CHECK_INT(poll_counts(prig.poll).expired, 1);
    check_got(&prig, 450);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void B05_an_iterator_that_expires_before_any_record_begins_at_the_start_again(void)
{
    struct script script = {MODEL_RECORDS, "ExpiredIteratorException", 0, 3, 0};
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 50, 7);
    use(&prig, &script);
    prig_start(&prig);
    prig_run(&prig, 20000);
    CHECK_INT(poll_counts(prig.poll).expired, 3);
    check_got(&prig, 50);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void F01_a_sink_that_holds_up_reading_for_an_hour_costs_no_record(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.rig.sinks[0].delay_ms = HOUR_MS / 2;
    prig.rig.routes[0].timeout_ms = 2 * HOUR_MS;
    prig.rig.routes[0].batch_records = 100;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 1000, 1000);
    prig_start(&prig);
    prig_run(&prig, 8 * HOUR_MS);
    CHECK(poll_counts(prig.poll).expired > 0);
    check_got(&prig, 1000);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void F03_throttled_shards_back_off_and_the_others_do_not(void)
{
    struct prig prig;
    struct script script = {MODEL_RECORDS, "LimitExceededException", 0, 1000000, 0};
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 50, 7);
    use(&prig, &script);
    prig_start(&prig);
    prig_run(&prig, 10 * MINUTE_MS);
    CHECK(prig.model.calls[MODEL_RECORDS] < 120); /* no hot loop */
    CHECK(prig.model.calls[MODEL_RECORDS] > 20);
    CHECK_INT(poll_counts(prig.poll).throttled, prig.model.calls[MODEL_RECORDS]);
    CHECK_INT(prig_lines(&prig, "W0802"), 1); /* F12: the reason, once */
    prig.model.fault = NULL;
    prig_run(&prig, MINUTE_MS);
    check_got(&prig, 50);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void F12_a_third_reader_costs_calls_but_no_record(void)
{
    struct prig prig;
    struct script script = {MODEL_RECORDS, "ThrottlingException", 0, 1, 0};
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 2);
    use(&prig, &script);
    prig_start(&prig);
    for (int i = 0; i < 30; i++) {
        prig_write(&prig, stream, 20, 7);
        prig_run(&prig, 1000);
        script.after = script.seen + 2; /* every third */
    }
    prig_run(&prig, MINUTE_MS);
    check_got(&prig, 600);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static bool cut_all(struct prig *prig, enum model_kind kind, enum http_result *result, int *status,
                    const char **body)
{
    (void)prig;
    (void)kind;
    (void)body;
    *result = HTTP_UNREACHABLE;
    *status = 0;
    return true;
}

static bool fail_all(struct prig *prig, enum model_kind kind, enum http_result *result, int *status,
                     const char **body)
{
    (void)prig;
    (void)kind;
    *result = HTTP_DONE;
    *status = 503;
    *body = "<html>Service Unavailable</html>";
    return true;
}

static void F04_a_source_that_is_away_for_ten_minutes_is_tried_on(void)
{
    bool (*const cuts[])(struct prig *, enum model_kind, enum http_result *, int *,
                         const char **) = {cut_all, fail_all};
    for (size_t i = 0; i < 2; i++) { /* B16: nothing is given up meanwhile */
        struct prig prig;
        prig_init(&prig, 1);
        size_t stream = stream_of(&prig, 3);
        prig_write(&prig, stream, 30, 7);
        prig_start(&prig);
        prig_run(&prig, 5000);
        prig.cut = cuts[i];
        prig_write(&prig, stream, 30, 7);
        prig_run(&prig, 10 * MINUTE_MS);
        CHECK(!prig.finished);
        CHECK_INT(prig_lines(&prig, "W0801"), 1);
        prig.cut = NULL;
        prig_run(&prig, MINUTE_MS);
        check_got(&prig, 60);
        prig_stop(&prig, 0);
        prig_done(&prig);
    }
}

static void F05_hundreds_of_empty_pages_are_no_end(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.model.empty_pages = 500;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 5, 2);
    streams_model_close(&prig.model, stream, 0, 1, prig_unix_ms(&prig));
    prig_start(&prig);
    prig_run(&prig, 20 * MINUTE_MS);
    check_got(&prig, 5);
    prig_stop(&prig, 0);
    CHECK(prig_row(&prig, 0, stream, 0)->done);
    prig_done(&prig);
}

static bool cut_some(struct prig *prig, enum model_kind kind, enum http_result *result, int *status,
                     const char **body)
{
    (void)body;
    if (kind != MODEL_RECORDS || ++prig->cut_count % 3 != 0)
        return false;
    *result = HTTP_AMBIGUOUS;
    *status = 0;
    return true;
}

static void F13_a_page_whose_answer_was_lost_is_asked_for_again(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.cut = cut_some;
    size_t stream = stream_of(&prig, 2);
    prig_write(&prig, stream, 2000, 70);
    prig_start(&prig);
    prig_run(&prig, 2 * MINUTE_MS);
    check_got(&prig, 2000);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void F14_sequence_numbers_grow_longer(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    for (uint8_t digits = 21; digits <= 40; digits++) {
        prig.model.digits = digits;
        prig_write(&prig, stream, 30, 3);
    }
    for (int i = 0; i < 4; i++) {
        prig_start(&prig);
        prig_run(&prig, 300 + 100 * i);
        prig_stop(&prig, 0);
        prig_end(&prig);
    }
    prig_start(&prig);
    prig_run(&prig, 10000);
    check_got(&prig, 600);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

/* ---- pages that are none (D7) ---- */

static bool nonsense(struct prig *prig, enum model_kind kind, enum http_result *result, int *status,
                     const char **body)
{
    if (kind != MODEL_RECORDS || prig->cut_count == 0)
        return false;
    prig->cut_count--;
    *result = HTTP_DONE;
    *status = 200;
    *body = "{\"Records\":[{\"dynamodb\":}}";
    return true;
}

static void D7_a_page_that_is_none_is_asked_for_three_times_more(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.cut = nonsense;
    prig.cut_count = 3;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 30, 3);
    prig_start(&prig);
    prig_run(&prig, 10000);
    CHECK_INT(prig_lines(&prig, "W0804"), 0);
    check_got(&prig, 30);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void D7_then_its_shard_is_held_and_said_once(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.cut = nonsense;
    prig.cut_count = 10;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 30, 3);
    prig_start(&prig);
    prig_run(&prig, 20000);
    CHECK_INT(prig_lines(&prig, "W0804"), 1);
    CHECK_INT(poll_counts(prig.poll).shards_held, 1);
    check_got(&prig, 0);
    prig_run(&prig, 10 * MINUTE_MS);
    CHECK_INT(prig_lines(&prig, "W0804"), 1);
    CHECK_INT(poll_counts(prig.poll).shards_held, 0);
    check_got(&prig, 30);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

/* ---- what is not there ---- */

static void B20_a_shard_that_was_not_found_but_is_listed_is_asked_for_again(void)
{
    struct script script = {MODEL_RECORDS, "ResourceNotFoundException", 2, 5, 0};
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 450, 7);
    use(&prig, &script);
    prig_start(&prig);
    prig_run(&prig, 5 * MINUTE_MS);
    check_got(&prig, 450);
    CHECK_INT(poll_counts(prig.poll).gaps, 0);
    prig_stop(&prig, 0);
    CHECK(!prig_row(&prig, 0, stream, 0)->done);
    prig_done(&prig);
}

static void B20_a_stream_that_is_missing_ends_no_shard(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 30, 7);
    prig_start(&prig);
    prig_run(&prig, 8000);
    streams_model_delete(&prig.model, stream);
    prig_run(&prig, 30 * MINUTE_MS);
    CHECK(!prig.finished);
    CHECK_INT(prig_lines(&prig, "W0901"), 1);
    CHECK_INT(prig_lines(&prig, "W08"), prig_lines(&prig, "W0827")); /* but what it found first */
    CHECK_INT(poll_counts(prig.poll).gaps, 0);
    prig_stop(&prig, 0);
    CHECK(!prig_row(&prig, 0, stream, 0)->done);
    CHECK(!prig_row(&prig, 0, stream, 0)->read_to_end);
    prig_done(&prig);
}

/* ---- permissions ---- */

static const char *denied(void *ctx, const struct model_call *call)
{
    (void)ctx;
    return call->kind == MODEL_RECORDS || call->kind == MODEL_ITERATOR ? "AccessDeniedException"
                                                                       : NULL;
}

static void a_source_that_refuses_from_the_start_is_given_up_after_two_minutes(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 30, 7);
    prig.model.fault = denied;
    prig_start(&prig);
    CHECK(vworld_until(&prig.rig.world, &prig.finished, 10 * MINUTE_MS));
    CHECK_INT(prig.exit_code, 77);
    CHECK(prig_lines(&prig, "W0811") >= 1);
    prig_done(&prig);
}

static void F17_a_view_type_without_the_images_is_refused(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.config.images_needed = WEIR_OLD | WEIR_NEW;
    size_t stream = stream_of(&prig, 1);
    prig.model.streams[stream].view = "NEW_IMAGE";
    prig_write(&prig, stream, 30, 7);
    prig_start(&prig);
    CHECK(vworld_until(&prig.rig.world, &prig.finished, MINUTE_MS));
    CHECK_INT(prig.exit_code, 78);
    CHECK_INT(prig_lines(&prig, "W0301"), 1);
    check_got(&prig, 0);
    prig_done(&prig);
}

/* By its ARN and as its table's newest: two readers would give each record twice. */
static void a_stream_that_is_named_twice_is_refused(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig.streams[0] = prig.model.streams[stream].arn;
    prig.config.streams = prig.streams;
    prig_write(&prig, stream, 20, 20);
    prig_start(&prig);
    CHECK(vworld_until(&prig.rig.world, &prig.finished, MINUTE_MS));
    CHECK_INT(prig.exit_code, 78);
    CHECK_INT(prig_lines(&prig, "W0405"), 1);
    prig_end(&prig);
    prig_done(&prig);
}

static const struct unit_test tests[] = {
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    TEST(F01_an_expired_iterator_is_renewed_behind_the_last_record_taken),
    TEST(B05_an_iterator_that_expires_before_any_record_begins_at_the_start_again),
    TEST(F01_a_sink_that_holds_up_reading_for_an_hour_costs_no_record),
    TEST(F03_throttled_shards_back_off_and_the_others_do_not),
    TEST(F12_a_third_reader_costs_calls_but_no_record),
    TEST(F04_a_source_that_is_away_for_ten_minutes_is_tried_on),
    TEST(F05_hundreds_of_empty_pages_are_no_end),
    TEST(F13_a_page_whose_answer_was_lost_is_asked_for_again),
    TEST(F14_sequence_numbers_grow_longer),
    TEST(D7_a_page_that_is_none_is_asked_for_three_times_more),
    TEST(D7_then_its_shard_is_held_and_said_once),
    TEST(B20_a_shard_that_was_not_found_but_is_listed_is_asked_for_again),
    TEST(B20_a_stream_that_is_missing_ends_no_shard),
    TEST(a_source_that_refuses_from_the_start_is_given_up_after_two_minutes),
    TEST(F17_a_view_type_without_the_images_is_refused),
    TEST(a_stream_that_is_named_twice_is_refused),
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "poll_faults", tests);
}
