#include "record/plan.h"

#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>

/* ---- paths ---- */

/* Behind one step ("name", "[0]", "['a.b']") of a path, or NULL. */
static const char *step_end(const char *at, bool first)
{
    if (at[0] == '[' && at[1] == '\'') {
        const char *quote = strstr(at + 2, "']");
        return quote && quote > at + 2 ? quote + 2 : NULL;
    }
    if (at[0] == '[') {
        size_t digits = strspn(at + 1, "0123456789");
        return !first && digits > 0 && digits < 10 && at[digits + 1] == ']' ? at + digits + 2
                                                                            : NULL;
    }
    if (!first && *at++ != '.')
        return NULL;
    size_t len = strcspn(at, ".[");
    return len > 0 ? at + len : NULL;
}

/* Fills `name` for a path of one step. */
static bool parse_path(const char *text, weir_str *name)
{
    const char *at = step_end(text, true);
    *name = STR_NONE;
    if (at && *at == '\0')
        *name = *text == '[' ? (weir_str){text + 2, (size_t)(at - text) - 4} : str_of(text);
    while (at && *at)
        at = step_end(at, false);
    return at != NULL;
}

static int add_path(struct match_plan *plan, const char *text, uint32_t *place, struct err *err)
{
    weir_str name;
    for (size_t i = 0; i < plan->path_count; i++)
        if (strcmp(plan->paths[i].text, text) == 0) {
            *place = (uint32_t)i;
            return 0;
        }
    if (!parse_path(text, &name))
        return err_set(err, -EINVAL, "bad attribute path \"%.200s\": use a.b[0] or ['a.b']", text);
    if (plan->path_count == PLAN_PATHS_MAX)
        return err_set(err, -EINVAL, "the sinks match on more than %d different attributes",
                       PLAN_PATHS_MAX);
    char *copy = mem_dup0(text, strlen(text));
    if (!copy)
        return err_set(err, -ENOMEM, "out of memory");
    parse_path(copy, &name);
    *place = (uint32_t)plan->path_count;
    plan->paths[plan->path_count++] = (struct plan_path){copy, name};
    return 0;
}

/* ---- conditions ---- */

static bool same_condition(const struct match_plan *plan, const struct plan_condition *a,
                           const struct plan_condition *b)
{
    return a->test == b->test && a->filter == b->filter && a->count == b->count &&
           (a->count == 0 || memcmp(plan->lists + a->first, plan->lists + b->first,
                                    a->count * sizeof *plan->lists) == 0);
}

static void add_condition(struct match_plan *plan, struct plan_condition condition)
{
    for (size_t i = 0; i < plan->condition_count; i++)
        if (same_condition(plan, &plan->conditions[i], &condition)) {
            plan->conditions[i].sinks |= condition.sinks;
            return;
        }
    plan->conditions[plan->condition_count++] = condition;
}

static size_t list_length(const char *const *paths)
{
    size_t count = 0;
    while (paths && paths[count])
        count++;
    return count;
}

static int add_attributes(struct match_plan *plan, size_t sink, enum plan_test test,
                          const char *const *paths, struct err *err)
{
    struct plan_condition condition = {.test = test,
                                       .first = (uint32_t)plan->list_count,
                                       .count = (uint32_t)list_length(paths),
                                       .sinks = UINT64_C(1) << sink};
    if (!paths)
        return 0;
    for (size_t i = 0; i < condition.count; i++) {
        int rc = add_path(plan, paths[i], &plan->lists[plan->list_count], err);
        if (rc < 0)
            return rc;
        plan->list_count++;
    }
    add_condition(plan, condition);
    return 0;
}

static int add_rule(struct match_plan *plan, size_t sink, const struct match_rule *rule,
                    struct err *err)
{
    struct plan_sink *head = &plan->sinks[sink];
    if (rule->events)
        head->events &= rule->events;
    head->ttl_only |= rule->ttl > 0;
    head->ttl_never |= rule->ttl < 0;
    head->needed |= rule->images & (WEIR_OLD | WEIR_NEW);
    if (rule->changed)
        head->needed |= WEIR_OLD | WEIR_NEW;
    head->images |= head->needed | (rule->optional_images & (WEIR_OLD | WEIR_NEW));
    if (rule->present)
        head->images |= WEIR_OLD | WEIR_NEW;
    int rc = add_attributes(plan, sink, TEST_CHANGED, rule->changed, err);
    return rc < 0 ? rc : add_attributes(plan, sink, TEST_PRESENT, rule->present, err);
}

static int add_sink(struct match_plan *plan, size_t sink, const struct match_sink *wants,
                    struct err *err)
{
    uint64_t bit = UINT64_C(1) << sink;
    struct plan_sink *head = &plan->sinks[sink];
    head->events = wants->rule_count > 0 ? EVENT_ALL : 0;
    for (size_t i = 0; i < wants->rule_count; i++) {
        int rc = add_rule(plan, sink, &wants->rules[i], err);
        if (rc < 0)
            return rc;
    }
    for (uint32_t event = WEIR_INSERT; event <= EVENT_OTHER; event *= 2)
        if (head->events & event) {
            plan->wanted[event] |= bit;
            plan->images[event] |= head->images;
        }
    plan->ttl_only |= head->ttl_only ? bit : 0;
    plan->ttl_never |= head->ttl_never ? bit : 0;
    plan->need_old |= head->needed & WEIR_OLD ? bit : 0;
    plan->need_new |= head->needed & WEIR_NEW ? bit : 0;
    return 0;
}

static void add_filters(struct match_plan *plan, size_t sink, const struct match_sink *wants)
{
    for (size_t i = 0; i < wants->rule_count; i++)
        if (wants->rules[i].filter)
            add_condition(plan, (struct plan_condition){.test = TEST_FILTER,
                                                        .filter = wants->rules[i].filter,
                                                        .sinks = UINT64_C(1) << sink});
}

/* Room for as many as there could be, if nothing were shared. */
static int reserve(struct match_plan *plan, const struct match_sink *sinks, size_t sink_count)
{
    size_t paths = 0, conditions = 0;
    for (size_t s = 0; s < sink_count; s++)
        for (size_t r = 0; r < sinks[s].rule_count; r++) {
            paths +=
                list_length(sinks[s].rules[r].changed) + list_length(sinks[s].rules[r].present);
            conditions += 3;
        }
    plan->paths = mem_zalloc(PLAN_PATHS_MAX, sizeof *plan->paths);
    plan->lists = mem_zalloc(paths, sizeof *plan->lists);
    plan->conditions = mem_zalloc(conditions, sizeof *plan->conditions);
    return plan->paths && plan->lists && plan->conditions ? 0 : -ENOMEM;
}

int match_plan_new(const struct match_sink *sinks, size_t sink_count, struct match_plan **out,
                   struct err *err)
{
    if (sink_count > MATCH_SINKS_MAX)
        return err_set(err, -EINVAL, "more than %d sinks", MATCH_SINKS_MAX);
    struct match_plan *plan = mem_zalloc(1, sizeof *plan);
    int rc = plan ? reserve(plan, sinks, sink_count) : -ENOMEM;
    if (rc < 0)
        err_set(err, rc, "out of memory");
    for (size_t i = 0; rc == 0 && i < sink_count; i++)
        rc = add_sink(plan, i, &sinks[i], err);
    if (rc < 0) {
        match_plan_free(plan);
        return rc;
    }
    for (size_t i = 0; i < sink_count; i++)
        add_filters(plan, i, &sinks[i]);
    plan->sink_count = sink_count;
    *out = plan;
    return 0;
}

void match_plan_free(struct match_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->path_count; i++)
        mem_free((void *)(uintptr_t)plan->paths[i].text);
    mem_free(plan->paths);
    mem_free(plan->lists);
    mem_free(plan->conditions);
    mem_free(plan);
}
