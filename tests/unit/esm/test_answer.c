/* SEMANTICS 2.3: what a mapping makes of each answer. One row of the table, one row here. */
#include "esm/answer.h"

#include "unit.h"

static const weir_str sequences[] = {{"98", 2}, {"99", 2}, {"100", 3}, {"101", 3}};
enum { COUNT = sizeof sequences / sizeof *sequences };

static struct esm_judgement judge(const char *body)
{
    return esm_judge(str_of(body), true, sequences, COUNT);
}

static void whole_successes(void)
{
    const char *bodies[] = {
        "null",
        "",
        "\"\"",
        "[]",
        "{}",
        "{\"batchItemFailures\":[]}",
        "{\"batchItemFailures\":null}",
        " {\"statusCode\":200,\"body\":\"x\",\"batchItemFailures\":[]}\n",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        CHECK_INT(judge(bodies[i]).verdict, ESM_SUCCESS);
        CHECK(judge(bodies[i]).why == NULL);
    }
    /* a list is not asked for: a success, but one that may surprise */
    CHECK_INT(judge("{\"statusCode\":200}").verdict, ESM_SUCCESS);
    CHECK(judge("{\"statusCode\":200}").why != NULL);
}

static void whole_failures(void)
{
    const struct {
        const char *body, *why;
    } rows[] = {
        {"{\"batchItemFailures\":[{\"itemIdentifier\":\"\"}]}", "an itemIdentifier is empty"},
        {"{\"batchItemFailures\":[{\"itemIdentifier\":null}]}", "an itemIdentifier is null"},
        {"{\"batchItemFailures\":[{}]}", "an entry of batchItemFailures has no itemIdentifier"},
        {"{\"batchItemFailures\":[{\"itemIdentifer\":\"99\"}]}", /* a wrong key */
         "an entry of batchItemFailures has no itemIdentifier"},
        {"{\"batchItemFailures\":[\"99\"]}", "an entry of batchItemFailures has no itemIdentifier"},
        {"{\"batchItemFailures\":[null]}", "an entry of batchItemFailures has no itemIdentifier"},
        {"{\"batchItemFailures\":[{\"itemIdentifier\":\"97\"}]}",
         "an itemIdentifier is not in the batch"},
        {"{\"batchItemFailures\":[{\"itemIdentifier\":\"0099\"}]}",
         "an itemIdentifier is not in the batch"},
        {"{\"batchItemFailures\":[{\"itemIdentifier\":99}]}", "an itemIdentifier is not a string"},
        {"{\"batchItemFailures\":[{\"itemIdentifier\":\"99\"},{\"itemIdentifier\":\"7\"}]}",
         "an itemIdentifier is not in the batch"},
        {"{\"batchItemFailures\":[{\"itemIdentifier\":\"99\"},{\"itemIdentifier\":null}]}",
         "an itemIdentifier is null"},
        {"{\"batchItemFailures\":{\"itemIdentifier\":\"99\"}}", "batchItemFailures is not a list"},
        {"{\"batchItemFailures\":\"99\"}", "batchItemFailures is not a list"},
        {"\"done\"", "the answer is not an object"},
        {"[1]", "the answer is not an object"},
        {"true", "the answer is not an object"},
        {"{\"batchItemFailures\":[", "the answer is not JSON"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_INT(judge(rows[i].body).verdict, ESM_FAILURE);
        CHECK_STR(judge(rows[i].body).why, rows[i].why);
    }
}

static void the_lowest_number_is_the_checkpoint(void)
{
    const struct {
        const char *body;
        size_t from;
    } rows[] = {
        {"{\"batchItemFailures\":[{\"itemIdentifier\":\"98\"}]}", 0},
        {"{\"batchItemFailures\":[{\"itemIdentifier\":\"101\"}]}", 3},
        {"{\"batchItemFailures\":[{\"itemIdentifier\":\"101\"},{\"itemIdentifier\":\"100\"}]}", 2},
        /* as numbers: "100" and "101" come before "99" as text */
        {"{\"batchItemFailures\":[{\"itemIdentifier\":\"100\"},{\"itemIdentifier\":\"99\"},"
         "{\"itemIdentifier\":\"101\"}]}",
         1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_INT(judge(rows[i].body).verdict, ESM_PARTIAL);
        CHECK_INT(judge(rows[i].body).from, rows[i].from);
    }
}

/* 21 and 40 digits: no 64-bit integer and no plain text compare gets these right. */
static void sequence_numbers_of_any_length(void)
{
    const weir_str longs[] = {STR("999999999999999999999"),
                              STR("1000000000000000000000000000000000000000")};
    struct esm_judgement judged = esm_judge(STR("{\"batchItemFailures\":[{\"itemIdentifier\":"
                                                "\"1000000000000000000000000000000000000000\"},"
                                                "{\"itemIdentifier\":\"999999999999999999999\"}]}"),
                                            true, longs, 2);
    CHECK_INT(judged.verdict, ESM_PARTIAL);
    CHECK_INT(judged.from, 0);
}

static void without_the_switch_the_body_is_ignored(void)
{
    const char *bodies[] = {"{\"batchItemFailures\":[{\"itemIdentifier\":\"99\"}]}", "{", "\"x\""};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        CHECK_INT(esm_judge(str_of(bodies[i]), false, sequences, COUNT).verdict, ESM_SUCCESS);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"whole_successes", whole_successes},
        {"whole_failures", whole_failures},
        {"the_lowest_number_is_the_checkpoint", the_lowest_number_is_the_checkpoint},
        {"sequence_numbers_of_any_length", sequence_numbers_of_any_length},
        {"without_the_switch_the_body_is_ignored", without_the_switch_the_body_is_ignored},
        {0}};
    return unit_main(argc, argv, "esm answer", tests);
}
