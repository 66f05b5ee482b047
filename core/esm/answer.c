#include "esm/answer.h"

#include "json/json.h"
#include "util/text.h"

static struct esm_judgement whole(enum esm_verdict verdict, const char *why)
{
    return (struct esm_judgement){.verdict = verdict, .why = why};
}

static bool blank(weir_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!memchr(" \t\r\n", text.ptr[i], 4))
            return false;
    return true;
}

/* Where the record of that number stands; `count` = nowhere. */
static size_t place_of(weir_str sequence, const weir_str *sequences, size_t count)
{
    size_t at = 0;
    while (at < count && !str_eq(sequences[at], sequence))
        at++;
    return at;
}

/* Several are reported: the lowest number, not the first one named, is where retries begin. One
 * that can't be right makes the whole list worthless. */
static struct esm_judgement judge_list(const struct json_value *list, const weir_str *sequences,
                                       size_t count)
{
    size_t lowest = count;
    for (const struct json_value *item = list->first; item; item = item->next) {
        const struct json_value *id = json_member0(item, "itemIdentifier");
        if (!id)
            return whole(ESM_FAILURE, "an entry of batchItemFailures has no itemIdentifier");
        if (id->kind != JSON_STRING)
            return whole(ESM_FAILURE, id->kind == JSON_NULL ? "an itemIdentifier is null"
                                                            : "an itemIdentifier is not a string");
        if (id->text.len == 0)
            return whole(ESM_FAILURE, "an itemIdentifier is empty");
        size_t at = place_of(id->text, sequences, count);
        if (at == count)
            return whole(ESM_FAILURE, "an itemIdentifier is not in the batch");
        if (lowest == count || sequence_cmp(sequences[at], sequences[lowest]) < 0)
            lowest = at;
    }
    return (struct esm_judgement){.verdict = ESM_PARTIAL, .from = lowest};
}

static struct esm_judgement judge_value(const struct json_value *root, const weir_str *sequences,
                                        size_t count)
{
    bool empty = root->kind == JSON_NULL || (root->kind == JSON_STRING && root->text.len == 0) ||
                 (root->kind == JSON_ARRAY && root->size == 0);
    if (empty)
        return whole(ESM_SUCCESS, NULL);
    if (root->kind != JSON_OBJECT)
        return whole(ESM_FAILURE, "the answer is not an object");
    const struct json_value *list = json_member0(root, "batchItemFailures");
    if (!list)
        return whole(ESM_SUCCESS, root->size ? "it has no batchItemFailures: a success" : NULL);
    if (list->kind == JSON_NULL || (list->kind == JSON_ARRAY && list->size == 0))
        return whole(ESM_SUCCESS, NULL);
    if (list->kind != JSON_ARRAY)
        return whole(ESM_FAILURE, "batchItemFailures is not a list");
    return judge_list(list, sequences, count);
}

struct esm_judgement esm_judge(weir_str body, bool report, const weir_str *sequences, size_t count)
{
    struct arena arena;
    struct json_error error;
    if (!report || blank(body))
        return whole(ESM_SUCCESS, NULL);
    arena_init(&arena, 4096);
    const struct json_value *root = json_parse(&arena, body, JSON_LAST_WINS, 0, &error);
    struct esm_judgement judgement =
        root ? judge_value(root, sequences, count) : whole(ESM_FAILURE, "the answer is not JSON");
    arena_done(&arena);
    return judgement;
}
