#include "record/match.h"

#include "record/filter.h"
#include "record/node.h"
#include "record/plan.h"
#include "record/scan.h"
#include "util/decimal.h"

uint32_t match_images(const struct match_plan *plan, int event)
{
    return WEIR_KEYS | plan->images[plan_event(event)];
}

/* An image's attribute by name. Here and not value_member(): this runs twice for every record, and
 * the image is known to be a map. Names are compared as written; only an escaped one needs more. */
static const struct node *attribute(const struct node *image, weir_str name)
{
    const struct node *end = image + image->next;
    for (const struct node *at = image + 1; at < end; at += at->next) {
        if (at->bits & NODE_KEY_ESCAPED)
            return value_member(image, name);
        if (at->key_bytes == name.len && *at->key == *name.ptr &&
            memcmp(at->key, name.ptr, name.len) == 0)
            return at;
    }
    return NULL;
}

const struct node *plan_find(const struct plan_path *path, const struct node *image)
{
    if (!image)
        return NULL;
    return path->name.len > 0 ? attribute(image, path->name) : value_path(image, path->text);
}

/* Is it a plain number that begins and ends with a digit other than zero? It has no other spelling
 * of that kind. */
static inline bool only_spelling(weir_str number)
{
    const char *p = number.ptr;
    return scan_plain_number(p, number.len) && p[*p == '-'] != '0' && p[number.len - 1] != '0';
}

static bool number_differs(weir_str a, weir_str b)
{
    return (only_spelling(a) && only_spelling(b)) || !decimal_text_equal(a, b);
}

/* Nearly always the bytes decide: the same bytes of one type are the same value, and texts without
 * escapes have one spelling. */
bool plan_differs(const struct node *before, const struct node *after)
{
    if (!before || !after)
        return before != after;
    weir_str a = {before->val, before->val_bytes}, b = {after->val, after->val_bytes};
    int type = node_type(before);
    if (type != node_type(after))
        return true;
    if (str_eq(a, b))
        return false;
    if ((before->bits | after->bits) & NODE_VAL_ESCAPED)
        return !value_equal(before, after);
    return type == WEIR_T_S ||
           (type == WEIR_T_N ? number_differs(a, b) : !value_equal(before, after));
}

/* Answers about paths, for one record: each is looked up at most once, however many ask. */
struct answers {
    const struct match_plan *plan;
    const struct node *before, *after;
    uint64_t known[2][PLAN_WORDS], yes[2][PLAN_WORDS]; /* by test, CHANGED and PRESENT */
};

static bool path_holds(struct answers *answers, enum plan_test test, uint32_t place)
{
    uint64_t bit = UINT64_C(1) << (place & 63);
    uint64_t *known = &answers->known[test][place / 64], *yes = &answers->yes[test][place / 64];
    if (!(*known & bit)) {
        const struct plan_path *path = &answers->plan->paths[place];
        const struct node *after = plan_find(path, answers->after);
        bool holds = test == TEST_CHANGED ? plan_differs(plan_find(path, answers->before), after)
                                          : after || plan_find(path, answers->before);
        *known |= bit;
        *yes |= holds ? bit : 0;
    }
    return *yes & bit;
}

static bool any_path_holds(struct answers *answers, const struct plan_condition *condition)
{
    const uint32_t *list = answers->plan->lists + condition->first;
    for (uint32_t i = 0; i < condition->count; i++)
        if (path_holds(answers, condition->test, list[i]))
            return true;
    return false;
}

static bool filter_holds(const struct plan_condition *condition, const struct record *record)
{
    return filter_matches(condition->filter, record_field(record, WEIR_F_EVENT_JSON));
}

void match_record(const struct match_plan *plan, struct record *record)
{
    uint32_t event = plan_event(record->event);
    uint32_t missing = plan_natural_images(event) & ~(uint32_t)record->images;
    uint64_t wanted =
        plan->wanted[event] & ~(record->ttl_delete ? plan->ttl_never : plan->ttl_only);
    uint64_t blind =
        (missing & WEIR_OLD ? plan->need_old : 0) | (missing & WEIR_NEW ? plan->need_new : 0);
    record->matched = record->unmet = 0;
    if (record->poison || !wanted)
        return;

    struct answers answers = {.plan = plan,
                              .before = record_image(record, WEIR_OLD),
                              .after = record_image(record, WEIR_NEW)};
    for (size_t i = 0; i < plan->condition_count && wanted; i++) {
        const struct plan_condition *condition = &plan->conditions[i];
        uint64_t asking = wanted & condition->sinks;
        /* A change can't be told without both images; those sinks are blind already. */
        if (condition->test == TEST_CHANGED)
            asking &= ~blind;
        if (!asking)
            continue;
        if (condition->test == TEST_FILTER ? filter_holds(condition, record)
                                           : any_path_holds(&answers, condition))
            continue;
        if (condition->test == TEST_PRESENT && missing)
            blind |= asking; /* it may be in the image that is not here */
        else
            wanted &= ~asking;
    }
    record->unmet = wanted & blind;
    record->matched = wanted & ~blind;
}
