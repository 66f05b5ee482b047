/* Decode and match, as the router does it: bench_decode FILE [match|all|keep].
 *   match  one sink that watches MODIFY, both images, changed price; one call per hit reads both
 * prices all    every attribute of every record is read, as a printing sink would keep   everything
 * is decoded and kept, nothing is read */
#include "harness.h"

#include "record/match.h"
#include "util/alloc.h"

static char *body;
static size_t body_bytes;
static const struct match_plan *plan;
static const char *mode = "match";

static void on_hit(struct tally *tally, const struct record *record)
{
    weir_str product = value_text(value_path(record_image(record, WEIR_KEYS), "product_id"));
    weir_str before = value_text(value_path(record_image(record, WEIR_OLD), "price"));
    weir_str after = value_text(value_path(record_image(record, WEIR_NEW), "price"));
    tally->hits += product.len > 0 && before.len > 0 && after.len > 0;
    if (!tally->want_checksum)
        return;
    tally_text(tally, product.ptr, product.len);
    tally_seconds(tally, record->created_us / 1000000);
    tally_text(tally, before.ptr, before.len);
    tally_text(tally, after.ptr, after.len);
    tally_text(tally, record->event_id.ptr, record->event_id.len);
}

/* Reads every value below `value`; the images of these bodies are shallow. */
static size_t walk(const struct node *value)
{
    const struct node *stack[64];
    size_t place[64], top = 0, bytes = 0;
    if (!value)
        return 0;
    stack[top] = value;
    place[top++] = 0;
    while (top > 0) {
        weir_str name = STR_NONE;
        const struct node *entry = value_entry(stack[top - 1], place[top - 1]++, &name);
        if (!entry) {
            top--;
            continue;
        }
        bytes += name.len + value_text(entry).len;
        if (value_size(entry) > 0 && top < 64) {
            stack[top] = entry;
            place[top++] = 0;
        }
    }
    return bytes;
}

static void pass(struct tally *tally)
{
    static volatile size_t read_bytes;
    (void)read_bytes;
    struct decode_options options = {.max_bytes = 64 << 20, .max_records = 100000};
    struct batch *batch = NULL;
    struct err err;
    if (batch_decode(body, body_bytes, plan, &options, &batch, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    tally->records = batch->read_count;
    tally->hits = 0;
    for (size_t i = 0; i < batch->record_count; i++) {
        const struct record *record = batch->records[i];
        if (*mode == 'm')
            on_hit(tally, record);
        else if (*mode == 'a')
            read_bytes = walk(record_image(record, WEIR_KEYS)) +
                         walk(record_image(record, WEIR_OLD)) +
                         walk(record_image(record, WEIR_NEW));
    }
    batch->bytes = NULL; /* taken back for the next pass: receiving a body is not measured here */
    batch_unref(batch);
}

int main(int argc, char **argv)
{
    static const char *const price[] = {"price", NULL};
    static const struct match_rule rule = {
        .events = WEIR_MODIFY, .images = WEIR_OLD | WEIR_NEW, .changed = price};
    static const struct match_sink sink = {&rule, 1};
    struct match_plan *made = NULL;
    struct err err;
    char name[32];
    if (argc < 2)
        return 2;
    if (argc > 2)
        mode = argv[2];
    if (*mode == 'm' && match_plan_new(&sink, 1, &made, &err) < 0)
        return 1;
    plan = made;
    mem_free(
        mem_alloc(16 << 20)); /* as after one earlier body: the heap is not given back each time */
    body = load_body(argv[1], mem_alloc, &body_bytes);
    snprintf(name, sizeof name, "weir-%s", mode);
    run_bench(name, body_bytes, pass);
    match_plan_free(made);
    mem_free(body);
    return 0;
}
