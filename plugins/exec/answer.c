/* One line of the program: {"id":17,"ok":true}. */
#include "exec/exec.h"

enum { AFTER_MAX_MS = 60000 };

static const struct {
    const char *name;
    int32_t outcome;
} words[] = {
    {"ok", WEIR_OK},      {"skip", WEIR_SKIP}, {"retry", WEIR_RETRY},
    {"error", WEIR_FAIL}, {"down", WEIR_DOWN},
};

/* Digits alone, at most 18 of them. */
static bool read_count(weir_str text, uint64_t *out)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > 18)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *out = value;
    return true;
}

static bool is_true(const weir_json *json, const weir_json_node *node)
{
    return json->kind(node) == WEIR_J_BOOL && weir_equal(json->text(node), WEIR_STR("true"));
}

static const char *read_outcome(const weir_json *json, const weir_json_node *root,
                                struct answer *out)
{
    static const char one_of[] = "has not exactly one of \"ok\", \"skip\", \"retry\", \"error\", "
                                 "\"down\", true or a reason";
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const weir_json_node *node = json->member(root, words[i].name);
        bool reason = json->kind(node) == WEIR_J_STRING && words[i].outcome > WEIR_SKIP;
        if (!node)
            continue;
        if (out->outcome != 0 || (!reason && !is_true(json, node)))
            return one_of;
        out->outcome = words[i].outcome;
        if (reason)
            error_text(WEIR_NONE, json->text(node), out->why, sizeof out->why);
    }
    return out->outcome ? NULL : one_of;
}

const char *answer_read(const weir_json *json, weir_str line, struct answer *out)
{
    weir_json_doc *doc = json->parse(line);
    const weir_json_node *root = doc ? json->root(doc) : NULL;
    const char *problem = NULL;
    uint64_t after_ms = 0;
    *out = (struct answer){0};
    const weir_json_node *after = json->member(root, "after_ms");
    if (json->kind(root) != WEIR_J_OBJECT)
        problem = "is no JSON object";
    else if (!read_count(json->text(json->member(root, "id")), &out->id))
        problem = "has no \"id\" of a record";
    else if (after && !read_count(json->text(after), &after_ms))
        problem = "has an \"after_ms\" that is no whole number";
    else
        problem = read_outcome(json, root, out);
    out->after_ms = after_ms < AFTER_MAX_MS ? (int64_t)after_ms : AFTER_MAX_MS;
    json->free(doc);
    return problem;
}
