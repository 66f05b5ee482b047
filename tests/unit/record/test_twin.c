/* The second image of a record is read along the first (image.c, "the twin"). Whatever the two have
 * in common, it must come out as if it had been read alone. */
#include "unit.h"

#include "record/record.h"
#include "util/alloc.h"
#include "util/buf.h"

#include <stdio.h>

enum { PAIRS = 4000, MEMBERS_MAX = 9 };

static uint32_t seed;

static unsigned pick(unsigned below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static const char *const names[] = {"a",          "b",     "price", "title", "a\\u0062",
                                    "caf\\u00e9", "stock", "spec",  "z z"};
static const char *const values[] = {"{\"N\":\"1\"}",
                                     "{\"N\":\"1.0\"}",
                                     "{\"S\":\"x\"}",
                                     "{\"S\":\"x\\n\"}",
                                     "{\"S\":\"\xc3\xa9\"}",
                                     "{\"BOOL\":true}",
                                     "{\"NULL\":true}",
                                     "{\"B\":\"AAEC\"}",
                                     "{\"SS\":[\"p\",\"q\"]}",
                                     "{\"NS\":[\"1\"]}",
                                     "{\"M\":{}}",
                                     "{\"L\":[]}",
                                     "{\"M\":{\"k\":{\"S\":\"v\"},\"price\":{\"N\":\"2\"}}}",
                                     "{\"M\":{\"k\":{\"S\":\"v\"},\"price\":{\"N\":\"3\"}}}",
                                     "{\"L\":[{\"S\":\"l\"},{\"M\":{\"n\":{\"N\":\"4\"}}}]}",
                                     "{ \"S\" : \"x\" }",
                                     "{\"N\":\"1e\"}",
                                     "{\"S\":\"open}",
                                     "{\"X\":\"1\"}"};
enum {
    SOUND_VALUES = 16,
    NAMES = sizeof names / sizeof *names,
    VALUES = sizeof values / sizeof *values
};

struct image {
    unsigned count, name[MEMBERS_MAX], value[MEMBERS_MAX];
    bool spaced;
};

static struct image any_image(void)
{
    struct image image = {.count = pick(MEMBERS_MAX + 1), .spaced = pick(8) == 0};
    for (unsigned i = 0; i < image.count; i++) {
        image.name[i] = pick(20) == 0 ? pick(NAMES) : i % NAMES; /* now and then one name twice */
        image.value[i] = pick(SOUND_VALUES);
    }
    return image;
}

/* The other image: mostly alike, with members changed, gone, added, swapped or broken. */
static struct image changed(struct image image)
{
    for (unsigned edits = pick(4); edits > 0 && image.count > 0; edits--) {
        unsigned at = pick(image.count);
        switch (pick(6)) {
        case 0:
            image.name[at] = pick(NAMES);
            break;
        case 1:
            image.count--;
            image.name[at] = image.name[image.count];
            image.value[at] = image.value[image.count];
            break;
        case 2:
            if (image.count < MEMBERS_MAX) {
                image.name[image.count] = pick(NAMES);
                image.value[image.count++] = pick(SOUND_VALUES);
            }
            break;
        case 3:
            image.value[at] = pick(20) == 0 ? pick(VALUES) : pick(SOUND_VALUES);
            break;
        default:
            image.value[at] = pick(SOUND_VALUES);
        }
    }
    image.spaced ^= pick(10) == 0;
    return image;
}

static void put_image(struct buf *out, const struct image *image)
{
    buf_puts(out, image->spaced ? "{ " : "{");
    for (unsigned i = 0; i < image->count; i++)
        buf_printf(out, "%s\"%s\":%s",
                   i == 0          ? ""
                   : image->spaced ? " , "
                                   : ",",
                   names[image->name[i]], values[image->value[i]]);
    buf_puts(out, image->spaced ? " }" : "}");
}

static struct batch *decode(const struct image *new_image, const struct image *old_image)
{
    struct buf text;
    struct batch *batch = NULL;
    struct err err = {0};
    buf_init(&text, 1 << 20);
    buf_puts(&text, "{\"Records\":[{\"eventID\":\"1\",\"eventName\":\"MODIFY\",\"dynamodb\":{"
                    "\"Keys\":{\"a\":{\"N\":\"1\"}}");
    if (new_image) {
        buf_puts(&text, ",\"NewImage\":");
        put_image(&text, new_image);
    }
    buf_puts(&text, ",\"OldImage\":");
    put_image(&text, old_image);
    buf_puts(&text, ",\"SequenceNumber\":\"111\"}}]}");
    size_t len = text.len;
    buf_reserve(&text, 64);
    int rc = batch_decode(text.ptr, len, NULL, NULL, &batch, &err);
    return rc == 0 ? batch : NULL;
}

/* Name by name, value by value, in order; nodes as such, not only what they mean. */
static bool same_tree(const struct node *a, const struct node *b)
{
    size_t size = value_size(a);
    if (value_type(a) != value_type(b) || size != value_size(b) ||
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

static void check_pair(const struct image *new_image, const struct image *old_image,
                       unsigned *poison)
{
    struct batch *both = decode(new_image, old_image), *alone = decode(NULL, old_image),
                 *first = decode(NULL, new_image);
    CHECK(both == NULL || both->record_count == 1);
    if (both && alone && first) {
        const struct record *record = both->records[0], *old_alone = alone->records[0],
                            *new_alone = first->records[0];
        bool sound = !old_alone->poison && !new_alone->poison;
        CHECK(sound == !record->poison);
        *poison += !sound;
        if (sound && !record->poison) {
            CHECK(same_tree(record_image(record, WEIR_OLD), record_image(old_alone, WEIR_OLD)));
            CHECK(same_tree(record_image(record, WEIR_NEW), record_image(new_alone, WEIR_OLD)));
        }
    } else {
        CHECK(!both);
        *poison += 1;
    }
    batch_unref(both);
    batch_unref(alone);
    batch_unref(first);
}

static void F80_a_second_image_reads_as_if_it_were_alone(void)
{
    unsigned poison = 0;
    for (unsigned pair = 0; pair < PAIRS; pair++) {
        seed = pair * 7919u + 1;
        struct image new_image = any_image(), old_image = changed(new_image);
        check_pair(&new_image, &old_image, &poison);
    }
    CHECK(poison > PAIRS / 100); /* both kinds were seen */
    CHECK(poison < PAIRS / 2);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F80_a_second_image_reads_as_if_it_were_alone",
         F80_a_second_image_reads_as_if_it_were_alone},
        {NULL, NULL},
    };
    return unit_main(argc, argv, "record: the second image", tests);
}
