/* The second image of a record is read along the first (image.c, "the twin"). Whatever the two have
 * in common, it must come out as if it had been read alone. */
#include "images.h"

#include "util/alloc.h"

#include <stdio.h>

enum { PAIRS = 4000 };

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
