/* Images made by chance, and others like them, for what is read along something else. */
#ifndef WEIR_TESTS_RECORD_IMAGES_H
#define WEIR_TESTS_RECORD_IMAGES_H
#include "unit.h"

#include "record/record.h"
#include "util/buf.h"

enum { MEMBERS_MAX = 9 };

static uint32_t seed;

static inline unsigned pick(unsigned below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static const char *const names[] = {"a",          "b",     "price", "title", "a\\u0062",
                                    "caf\\u00e9", "stock", "spec",  "z z"};
static const char *const values[] = {
    "{\"N\":\"1\"}",
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
    "{\"NS\":[\"1\",\"2\",\"3.50\"]}",
    "{\"BS\":[\"AQ==\"]}",
    "{\"L\":[{\"S\":\"l\"},{\"M\":{\"n\":{\"N\":\"5\"}}}]}",
    "{\"L\":[{\"M\":{\"n\\u0041\":{\"SS\":[\"a\"]},\"l\":{\"L\":[]}}}]}",
    "{\"L\":[{\"M\":{\"n\\u0041\":{\"SS\":[]},\"l\":{\"L\":[]}}}]}",
    "{\"N\":\"1e\"}",
    "{\"L\":[{\"M\":{\"n\":{\"N\":\"5\"},\"n\":{\"N\":\"5\"}}}]}",
    "{\"M\":{\"k\":{\"S\":\"v\"},\"k\":{\"N\":\"3\"}}}",
    "{\"B\":\"AAE\"}",
    "{\"S\":\"open}",
    "{\"X\":\"1\"}"};
enum {
    SOUND_VALUES = 21,
    NAMES = sizeof names / sizeof *names,
    VALUES = sizeof values / sizeof *values
};

struct image {
    unsigned count, name[MEMBERS_MAX], value[MEMBERS_MAX];
    bool spaced;
};

static inline struct image any_image(void)
{
    struct image image = {.count = pick(MEMBERS_MAX + 1), .spaced = pick(8) == 0};
    for (unsigned i = 0; i < image.count; i++) {
        image.name[i] = pick(20) == 0 ? pick(NAMES) : i % NAMES; /* now and then one name twice */
        image.value[i] = pick(SOUND_VALUES);
    }
    return image;
}

/* The other image: mostly alike, with members changed, gone, added, swapped or broken. */
static inline struct image changed(struct image image)
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

static inline void put_image(struct buf *out, const struct image *image)
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

/* Name by name, value by value, in order; nodes as such, not only what they mean. */
static inline bool same_tree(const struct node *a, const struct node *b)
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
#endif
