#include "record/match.h"

#include "record/filter.h"
#include "record/plan.h"

uint32_t match_images(const struct match_plan *plan, int event)
{
    return WEIR_KEYS | plan->images[plan_event(event)];
}

const struct node *plan_find(const struct plan_path *path, const struct node *image)
{
    if (!image)
        return NULL;
    return path->name.len > 0 ? value_member(image, path->name) : value_path(image, path->text);
}

/* Nearly always the bytes decide: the same bytes of the same type are the same value. */
bool plan_differs(const struct node *before, const struct node *after)
{
    if (!before || !after)
        return before != after;
    if (before->val_bytes == after->val_bytes && value_type(before) == value_type(after) &&
        memcmp(before->val, after->val, before->val_bytes) == 0)
        return false;
    return !value_equal(before, after);
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
