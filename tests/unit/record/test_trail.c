/* An image is read along one of an earlier record (trail.c). Whatever the two have in common, it
 * must come out as if it had been read alone. */
#include "images.h"

#include "record/match.h"
#include "util/alloc.h"

#include <stdio.h>
#include <time.h>

enum { ROUNDS = 3000, RECORDS = 4 };

/* What makes no difference to an image, but to how it is read. */
struct shape {
    const char *event; /* of all records but the first, which is a MODIFY */
    bool both;         /* an old image too, like the new one of the record before */
};

static void put_record(struct buf *text, const char *event, const struct image *image,
                       const struct image *old_image)
{
    buf_printf(text, "{\"eventID\":\"1\",\"eventName\":\"%s\",\"dynamodb\":{\"NewImage\":", event);
    put_image(text, image);
    if (old_image) {
        buf_puts(text, ",\"OldImage\":");
        put_image(text, old_image);
    }
    buf_puts(text, ",\"SequenceNumber\":\"111\"}}");
}

/* A body of these images, [from, to). */
static struct batch *decode(const struct image *images, unsigned from, unsigned to,
                            const struct shape *shape, const struct match_plan *plan)
{
    struct buf text;
    struct batch *batch = NULL;
    struct err err = {0};
    const struct decode_options options = {.lines = true};
    buf_init(&text, 1 << 20);
    for (unsigned i = from; i < to; i++) { /* a body of lines: a broken one spares the others */
        put_record(&text, i == 0 ? "MODIFY" : shape->event, &images[i],
                   shape->both && i > 0 ? &images[i - 1] : NULL);
        buf_putc(&text, '\n');
    }
    size_t len = text.len;
    buf_reserve(&text, 64);
    int rc = batch_decode(text.ptr, len, plan, &options, &batch, &err);
    return rc == 0 ? batch : NULL;
}

static bool same_images(const struct record *a, const struct record *b)
{
    for (int image = WEIR_OLD; image <= WEIR_NEW; image <<= 1) {
        const struct node *of_a = record_image(a, image), *of_b = record_image(b, image);
        if (!of_a != !of_b || (of_a && !same_tree(of_a, of_b)))
            return false;
    }
    return true;
}

static void any_images(struct image *images)
{
    images[0] = any_image();
    for (unsigned i = 1; i < RECORDS; i++)
        images[i] = changed(images[i - 1]);
}

static void check_round(const struct image *images, const struct shape *shape, unsigned *poison)
{
    struct batch *all = decode(images, 0, RECORDS, shape, NULL);
    for (unsigned i = 0; i < RECORDS; i++) {
        struct batch *alone = decode(images, i, i + 1, shape, NULL);
        CHECK(!all || all->record_count == RECORDS);
        if (!all || all->record_count != RECORDS || !alone || alone->record_count != 1) {
            CHECK(!alone || !all || all->record_count == RECORDS);
            ++*poison;
        } else {
            const struct record *here = all->records[i], *there = alone->records[0];
            CHECK(!here->poison == !there->poison);
            *poison += here->poison != NULL;
            if (!here->poison && !there->poison)
                CHECK(same_images(here, there));
        }
        batch_unref(alone);
    }
    batch_unref(all);
}

static void F80_an_image_along_a_trail_reads_as_if_it_were_alone(void)
{
    static const struct shape shapes[] = {{"INSERT", false}, {"MODIFY", true}};
    unsigned poison = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct image images[RECORDS];
        seed = round * 7919u + 1;
        any_images(images);
        check_round(images, &shapes[round % 2], &poison);
    }
    CHECK(poison > RECORDS * ROUNDS / 100); /* both kinds were seen */
    CHECK(poison < RECORDS * ROUNDS / 2);
}

/* Every value after every sound one, in the midst of members that stay. */
static void F80_every_value_along_every_other(void)
{
    static const struct shape shape = {"INSERT", false};
    unsigned poison = 0;
    for (unsigned first = 0; first < SOUND_VALUES; first++) {
        for (unsigned second = 0; second < VALUES; second++) {
            struct image images[RECORDS] = {
                {.count = 3, .name = {0, 1, 2}, .value = {0, first, 2}}};
            for (unsigned i = 1; i < RECORDS; i++)
                images[i] = images[0];
            images[1].value[1] = images[3].value[1] = second;
            check_round(images, &shape, &poison);
        }
    }
    CHECK_INT(poison, 2 * SOUND_VALUES * (VALUES - SOUND_VALUES));
}

/* Nobody wants the images of INSERT here: they are only passed over, along the trail that the
 * MODIFY has left. What is poison must not depend on that. */
static void F80_an_unwanted_image_is_as_sound_along_a_trail(void)
{
    static const char *const paths[] = {"price", NULL};
    static const struct match_rule rule = {.events = WEIR_MODIFY, .changed = paths};
    static const struct match_sink sink = {&rule, 1};
    static const struct shape shape = {"INSERT", false};
    struct match_plan *plan = NULL;
    struct err err;
    unsigned poison = 0;
    CHECK_INT(match_plan_new(&sink, 1, &plan, &err), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct image images[RECORDS];
        size_t alone_poison = 0, all_poison = 0;
        seed = round * 104729u + 1;
        any_images(images);
        struct batch *all = decode(images, 0, RECORDS, &shape, plan);
        for (unsigned i = 0; all && i < RECORDS; i++) {
            struct batch *alone = decode(images, i, i + 1, &shape, plan);
            alone_poison += !alone || (alone->record_count > 0 && alone->records[0]->poison);
            batch_unref(alone);
        }
        for (size_t i = 0; all && i < all->record_count; i++)
            all_poison += all->records[i]->poison != NULL;
        CHECK_INT(all_poison, alone_poison);
        poison += (unsigned)all_poison;
        batch_unref(all);
    }
    CHECK(poison > 0);
    match_plan_free(plan);
}

/* Items that share no names must not be searched for in each other, each time anew. */
static void F81_images_without_common_names_cost_no_square(void)
{
    enum { NAMES_EACH = 60000 };
    size_t size = (size_t)NAMES_EACH * 2 * 24 + 200;
    char *body = mem_alloc(size + 64), *at = body;
    struct batch *batch = NULL;
    struct err err;
    CHECK_FATAL(body != NULL);
    at += snprintf(at, 100, "[{\"eventName\":\"MODIFY\",\"dynamodb\":{\"OldImage\":{");
    for (int i = 0; i < NAMES_EACH; i++)
        at += snprintf(at, 24, "%s\"a%05d\":{\"S\":\"\"}", i ? "," : "", i);
    at += snprintf(at, 24, "},\"NewImage\":{");
    for (int i = 0; i < NAMES_EACH; i++)
        at += snprintf(at, 24, "%s\"b%05d\":{\"S\":\"\"}", i ? "," : "", i);
    at += snprintf(at, 24, "}}}]");
    clock_t begin = clock();
    CHECK_INT(batch_decode(body, (size_t)(at - body), NULL, NULL, &batch, &err), 0);
    CHECK((double)(clock() - begin) / CLOCKS_PER_SEC < 3.0);
    CHECK_FATAL(batch != NULL);
    CHECK(batch->records[0]->poison == NULL);
    CHECK_INT(value_size(record_image(batch->records[0], WEIR_NEW)), NAMES_EACH);
    batch_unref(batch);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F80_an_image_along_a_trail_reads_as_if_it_were_alone",
         F80_an_image_along_a_trail_reads_as_if_it_were_alone},
        {"F80_every_value_along_every_other", F80_every_value_along_every_other},
        {"F80_an_unwanted_image_is_as_sound_along_a_trail",
         F80_an_unwanted_image_is_as_sound_along_a_trail},
        {"F81_images_without_common_names_cost_no_square",
         F81_images_without_common_names_cost_no_square},
        {NULL, NULL}};
    return unit_main(argc, argv, "record: the trail", tests);
}
