/* Records that are alike are read by a stencil of an earlier one (record/stencil.h). Whatever holds
 * for their values, each must come out as if it had been alone in its batch. */
#include "unit.h"

#include "record/match.h"
#include "record/record.h"
#include "util/alloc.h"
#include "util/buf.h"

enum { BODIES = 400, RECORDS = 40 };

static uint32_t seed;
static const struct match_plan *plan;

static unsigned pick(unsigned below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* One of a NULL-terminated list, mostly from its sound part: the first `sound`. */
static const char *one_of(const char *const *list, unsigned sound)
{
    unsigned all = 0;
    while (list[all])
        all++;
    return list[pick(pick(30) == 0 ? all : sound)];
}

static const char *const events[] = {"MODIFY", "MODIFY", "INSERT", "REMOVE", "MODIFI", "", NULL};
static const char *const seconds[] = {"1735689600", "1735689601",  "0735689600", "1735689600.5",
                                      "1735689",    "1735689600 ", "17356896x0", NULL};
static const char *const sequences[] = {
    "\"4421584500000000000019\"",
    "\"4421584500000000000218\"",
    "\"1\"",
    "\"000000000000000000000000000000000000000000000000000000000000007\"",
    "\"44\\u0032\"",
    "\"\"",
    "\"12a\"",
    "null",
    NULL};
static const char *const sizes[] = {"153", "7", "0", "1e2", "007", "\"9\"", "-", NULL};
static const char *const strings[] = {"nectar",
                                      "willow amber yarrow saffron timber granite",
                                      "",
                                      "caf\xc3\xa9",
                                      "a\\\"b\\u00e9",
                                      "\xff",
                                      "tab\there",
                                      NULL};
static const char *const numbers[] = {"693.01", "278", "-0.5", "1e5", "0",        "1.0",
                                      "01",     "1e",  "",     "12x", "5\\u0030", NULL};
static const char *const binaries[] = {"AAEC", "AA==", "", "AAE", "AB==", "AAE\\u0043", NULL};
static const char *const truths[] = {"true", "false", "null", "truf", NULL};

static void put_item(struct buf *out)
{
    buf_printf(out, "{\"id\":{\"S\":\"%s\"},\"price\":{\"N\":\"%s\"}", one_of(strings, 5),
               one_of(numbers, 6));
    buf_printf(out, ",\"on\":{\"BOOL\":%s},\"raw\":{\"B\":\"%s\"}", one_of(truths, 2),
               one_of(binaries, 3));
    buf_printf(out,
               ",\"m\":{\"M\":{\"k\":{\"N\":\"%s\"},\"l\":{\"L\":[{\"S\":\"%s\"},{\"M\":{}}]}}}",
               one_of(numbers, 6), one_of(strings, 5));
    buf_printf(out, ",\"%s\":{\"SS\":[\"%s\",\"q\"]},\"none\":{\"NULL\":true}}",
               pick(60) == 0 ? "price" : "tags", one_of(strings, 5));
}

static void put_record(struct buf *out)
{
    const char *event = one_of(events, 4);
    buf_printf(out, "{\"eventID\":\"%u%s\",\"eventName\":\"%s\",\"awsRegion\":\"eu-west-1\",",
               pick(1000000), pick(40) == 0 ? "\\n" : "", event);
    buf_printf(out,
               "\"dynamodb\":{\"ApproximateCreationDateTime\":%s,\"Keys\":{\"id\":{\"S\":\"%s\"}}",
               one_of(seconds, 2), one_of(strings, 5));
    if (*event != 'R') {
        buf_puts(out, ",\"NewImage\":");
        put_item(out);
    }
    if (*event != 'I') {
        buf_puts(out, ",\"OldImage\":");
        put_item(out);
    }
    buf_printf(out, ",\"SequenceNumber\":%s,\"SizeBytes\":%s,\"StreamViewType\":\"%s\"}",
               one_of(sequences, 3), one_of(sizes, 3),
               pick(50) == 0 ? "NEW_IMAGE" : "NEW_AND_OLD_IMAGES");
    if (pick(50) == 0)
        buf_puts(out, ",\"userIdentity\":{\"type\":\"Service\",\"principalId\":"
                      "\"dynamodb.amazonaws.com\"}");
    buf_puts(out, ",\"eventSourceARN\":\"arn:aws:dynamodb:eu-west-1:123456789012:table/Products/"
                  "stream/2025-01-01T00:00:00.000\"}");
}

/* One byte changed, gone or put in, anywhere. */
static void damage(struct buf *record)
{
    static const char bytes[] = "\"\\{}[],: 0aN\x01\x80";
    size_t at = pick((unsigned)record->len);
    char *p = record->ptr + at;
    if (pick(2) == 0) {
        memmove(p, p + 1, record->len - at - 1);
        record->len--;
    } else {
        *p = bytes[pick(sizeof bytes - 1)];
    }
}

static struct batch *decode(weir_str records)
{
    struct buf text;
    struct batch *batch = NULL;
    struct err err = {0};
    buf_init(&text, 1 << 20);
    buf_puts(&text, "{\"Records\":[");
    buf_put_str(&text, records);
    buf_puts(&text, "]}");
    size_t len = text.len;
    buf_reserve(&text, 64);
    return batch_decode(text.ptr, len, plan, NULL, &batch, &err) == 0 ? batch : NULL;
}

static bool same_tree(const struct node *a, const struct node *b)
{
    size_t size = value_size(a);
    if (!a != !b || value_type(a) != value_type(b) || size != value_size(b) ||
        !str_eq(value_json(a), value_json(b)) || !str_eq(value_text(a), value_text(b)))
        return false;
    for (size_t i = 0; i < size; i++) {
        weir_str name_a = STR_NONE, name_b = STR_NONE;
        const struct node *entry_a = value_entry(a, i, &name_a),
                          *entry_b = value_entry(b, i, &name_b);
        if (!str_eq(name_a, name_b) || !same_tree(entry_a, entry_b))
            return false;
    }
    return true;
}

static bool same_poison(const struct record *a, const struct record *b)
{
    return !a->poison == !b->poison && (!a->poison || strcmp(a->poison, b->poison) == 0);
}

static bool same_head(const struct record *a, const struct record *b)
{
    return str_eq(a->raw, b->raw) && str_eq(a->event_id, b->event_id) &&
           str_eq(record_field(a, WEIR_F_EVENT_NAME), record_field(b, WEIR_F_EVENT_NAME)) &&
           str_eq(record_field(a, WEIR_F_SEQUENCE), record_field(b, WEIR_F_SEQUENCE)) &&
           str_eq(a->origin->stream_arn, b->origin->stream_arn) &&
           str_eq(a->origin->table, b->origin->table) &&
           str_eq(a->origin->region, b->origin->region) && a->created_us == b->created_us &&
           a->item_hash == b->item_hash && a->matched == b->matched && a->unmet == b->unmet &&
           a->node_count == b->node_count && a->event == b->event && a->precision == b->precision &&
           a->images == b->images && a->view == b->view && a->ttl_delete == b->ttl_delete &&
           a->lambda_form == b->lambda_form && a->pipes == b->pipes && a->kinesis == b->kinesis;
}

static bool same_record(const struct record *a, const struct record *b)
{
    bool same = same_poison(a, b) && same_head(a, b);
    for (int image = 0; same && image < 3; image++)
        same = same_tree(record_image(a, 1 << image), record_image(b, 1 << image));
    return same;
}

/* A record, damaged now and then, that is one record when alone; *alone is its batch. */
static void make_record(struct buf *out, struct batch **alone)
{
    do {
        buf_init(out, 1 << 16);
        put_record(out);
        if (pick(20) == 0)
            damage(out);
        *alone = decode(buf_str(out));
        if (*alone && (*alone)->read_count == 1)
            return;
        batch_unref(*alone);
        buf_done(out);
    } while (true);
}

static void check_body(unsigned *hits, unsigned *poison)
{
    struct batch *alone[RECORDS];
    struct buf body, record;
    size_t kept = 0;
    buf_init(&body, 1 << 20);
    for (unsigned i = 0; i < RECORDS; i++) {
        make_record(&record, &alone[i]);
        buf_puts(&body, i ? "," : "");
        buf_put_str(&body, buf_str(&record));
        buf_done(&record);
    }
    struct batch *all = decode(buf_str(&body));
    CHECK(all && all->read_count == RECORDS);
    for (unsigned i = 0; all && i < RECORDS; i++) {
        if (alone[i]->record_count == 0)
            continue;
        const struct record *one = kept < all->record_count ? all->records[kept] : NULL;
        CHECK(one && one->index == i && same_record(one, alone[i]->records[0]));
        kept++;
        *poison += one && one->poison;
    }
    CHECK(all && kept == all->record_count);
    *hits += all ? (unsigned)all->stencil_count : 0;
    for (unsigned i = 0; i < RECORDS; i++)
        batch_unref(alone[i]);
    batch_unref(all);
    buf_done(&body);
}

static void check_bodies(void)
{
    unsigned hits = 0, poison = 0;
    for (unsigned body = 0; body < BODIES; body++) {
        seed = body * 7919u + 1;
        check_body(&hits, &poison);
    }
    CHECK(hits > BODIES * 2); /* both were seen */
    CHECK(poison > BODIES);
}

static void F80_records_read_by_a_stencil_are_as_if_alone(void)
{
    plan = NULL;
    check_bodies();
}

static void F80_records_that_few_sinks_want_are_as_if_alone(void)
{
    static const char *const price[] = {"price", NULL};
    static const struct match_rule rule = {
        .events = WEIR_MODIFY, .images = WEIR_OLD | WEIR_NEW, .changed = price};
    static const struct match_sink sink = {&rule, 1};
    struct match_plan *made = NULL;
    struct err err;
    CHECK(match_plan_new(&sink, 1, &made, &err) == 0);
    plan = made;
    check_bodies();
    match_plan_free(made);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F80_records_read_by_a_stencil_are_as_if_alone",
         F80_records_read_by_a_stencil_are_as_if_alone},
        {"F80_records_that_few_sinks_want_are_as_if_alone",
         F80_records_that_few_sinks_want_are_as_if_alone},
        {NULL, NULL},
    };
    return unit_main(argc, argv, "record: stencils", tests);
}
