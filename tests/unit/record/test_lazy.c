/* Results made on first access: by many threads at once, of many values, without memory. */
#include "support.h"

#include "util/text.h"

#include <pthread.h>

enum { READERS = 4, VALUES = 3000 };

/* One record whose new image holds `values` binaries, escaped texts and escaped names. */
static struct batch *many_results(int values)
{
    char *body = mem_alloc((size_t)values * 80 + 100), *at = body;
    CHECK_FATAL(body != NULL);
    at += snprintf(at, 80, "[{\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"\\u0041\"}},\"NewImage\":{");
    for (int i = 0; i < values; i++)
        at += snprintf(at, 80, "%s\"a\\u002e%d\":{\"%s\"}", i ? "," : "", i,
                       i % 2 ? "S\":\"\\u00e9\\n" : "B\":\"AAEC\\/w==");
    snprintf(at, 80, "}}}]");
    struct batch *batch = decode(body);
    mem_free(body);
    CHECK_FATAL(batch->records[0]->poison == NULL);
    return batch;
}

struct reader {
    pthread_t thread;
    const struct node *image;
    size_t wrong, count;
    const char *first, *last; /* where two of the texts stand */
};

static void *reader_run(void *arg)
{
    struct reader *reader = arg;
    weir_entry at;
    char name[32];
    for (int i = 0; value_walk(reader->image, (size_t)i, &at, 1) > 0; i++) {
        weir_str wanted = i % 2 ? STR("\xc3\xa9\n") : (weir_str){"\0\1\2\377", 4};
        snprintf(name, sizeof name, "a.%d", i);
        reader->wrong += !str_eq(at.text, wanted) || !str_eq(at.name, str_of(name));
        reader->first = i == 0 ? at.text.ptr : reader->first;
        reader->last = at.text.ptr;
        reader->count++;
    }
    return NULL;
}

/* All threads carve from the same memory, and see the same results. Under TSan this is the proof.
 */
static void F69_many_results_of_one_record(void)
{
    for (int round = 0; round < 10; round++) {
        struct reader readers[READERS] = {{0}};
        struct batch *batch = many_results(VALUES);
        for (int i = 0; i < READERS; i++) {
            readers[i].image = record_image(batch->records[0], WEIR_NEW);
            CHECK_INT(pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]), 0);
        }
        for (int i = 0; i < READERS; i++)
            pthread_join(readers[i].thread, NULL);
        for (int i = 0; i < READERS; i++) {
            CHECK_INT(readers[i].count, VALUES);
            CHECK_INT(readers[i].wrong, 0);
            CHECK(readers[i].first == readers[0].first && readers[i].last == readers[0].last);
        }
        batch_unref(batch);
    }
}

/* Without memory a text is empty, with no place; later it may be had. */
static void F72_without_memory_a_text_is_none(void)
{
    enum { FEW = 60 };
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        struct batch *batch = many_results(FEW);
        const struct node *image = record_image(batch->records[0], WEIR_NEW);
        struct reader reader = {.image = image};
        weir_entry at;
        failed = false;
        mem_fail_at(nth);
        for (size_t i = 0; value_walk(image, i, &at, 1) > 0; i++)
            failed |= !at.text.ptr || !at.name.ptr;
        mem_fail_at(0);
        reader_run(&reader);
        CHECK_INT(reader.count, FEW);
        CHECK_INT(reader.wrong, 0);
        batch_unref(batch);
        CHECK_FATAL(nth < 100);
    }
}

/* A few results of a record cost one block; thousands cost few more. */
static void T1i_results_share_memory(void)
{
    static const struct {
        int values;
        uint64_t calls;
    } rows[] = {{1, 1}, {VALUES, 40}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct batch *batch = many_results(rows[i].values);
        struct reader reader = {.image = record_image(batch->records[0], WEIR_NEW)};
        uint64_t calls = mem_calls();
        reader_run(&reader);
        calls = mem_calls() - calls;
        if (calls > rows[i].calls)
            printf("\n    %llu allocations", (unsigned long long)calls);
        CHECK(calls <= rows[i].calls);
        CHECK_INT(reader.wrong, 0);
        batch_unref(batch);
    }
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F69_many_results_of_one_record", F69_many_results_of_one_record},
        {"F72_without_memory_a_text_is_none", F72_without_memory_a_text_is_none},
        {"T1i_results_share_memory", T1i_results_share_memory},
        {NULL, NULL}};
    return unit_main(argc, argv, "record.lazy", tests);
}
