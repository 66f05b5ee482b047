#include <weir/test.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 20000 }; /* the sink writes on a thread of its own */

struct place { /* a file of the test's own, and the options that name it */
    char folder[64], path[96], options[160];
};

static void place_make(struct place *place)
{
    snprintf(place->folder, sizeof place->folder, "/tmp/my_sink-XXXXXX");
    if (!mkdtemp(place->folder))
        abort();
    snprintf(place->path, sizeof place->path, "%s/out.jsonl", place->folder);
    snprintf(place->options, sizeof place->options, "{\"path\":\"%s\"}", place->path);
}

static void place_remove(const struct place *place)
{
    unlink(place->path);
    rmdir(place->folder);
}

static int lines_in(const char *path)
{
    int count = 0;
    FILE *file = fopen(path, "r");
    for (int c; file && (c = getc(file)) != EOF;)
        count += c == '\n';
    if (file)
        fclose(file);
    return file ? count : -1;
}

static void each_record_is_one_line(void)
{
    struct place place;
    place_make(&place);
    weir_test *test = weir_test_open(PLUGIN, place.options);
    WEIR_TEST_INT(lines_in(place.path), -1); /* open() touches no file */

    weir_test_batch *batch = weir_test_change(test, "{\"id\":1}", NULL, "{\"a\":\"line\\nend\"}");
    weir_test_batch *next = weir_test_change(test, "{\"id\":1}", "{\"a\":\"line\\nend\"}", NULL);
    WEIR_TEST_INT(weir_test_wait(next, WAIT_MS), 1);

    WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_OK);
    WEIR_TEST_INT(weir_test_outcome(next, 0), WEIR_OK);
    WEIR_TEST_INT(lines_in(place.path), 2);
    WEIR_TEST_STR(weir_test_declared(test, WEIR_D_TARGET), place.path);
    weir_test_close(test);
    place_remove(&place);
}

static void a_file_that_cannot_be_written_holds_the_sink(void)
{
    weir_test *test = weir_test_open(PLUGIN, "{\"path\":\"/nowhere/at/all.jsonl\"}");

    weir_test_batch *batch = weir_test_change(test, "{\"id\":1}", NULL, "{}");
    WEIR_TEST_INT(weir_test_wait(batch, WAIT_MS), 1);

    WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_DOWN);
    WEIR_TEST_HAS(weir_test_reason(batch, 0), "such file");
    weir_test_close(test);
}

static void a_sink_without_records_ends(void)
{
    struct place place;
    place_make(&place);
    weir_test *test = weir_test_open(PLUGIN, place.options);

    weir_test_close(test);

    WEIR_TEST_INT(lines_in(place.path), -1);
    place_remove(&place);
}

static const weir_test_case cases[] = {
    {"each_record_is_one_line", each_record_is_one_line},
    {"a_file_that_cannot_be_written_holds_the_sink", a_file_that_cannot_be_written_holds_the_sink},
    {"a_sink_without_records_ends", a_sink_without_records_ends},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return weir_test_main(argc, argv, cases);
}
