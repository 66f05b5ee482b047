#include "record/match.h"

#include "record/filter.h"
#include "record/plan.h"
#include "util/text.h"

enum { SHOWN_BYTES = 60 };

static void put_value(struct buf *out, const struct node *value)
{
    int type = value_type(value);
    weir_str text = type == WEIR_T_S || type == WEIR_T_N ? value_text(value) : value_json(value);
    if (value)
        buf_put_visible(out, text, SHOWN_BYTES);
    else
        buf_puts(out, "(absent)");
}

static void put_path(struct buf *out, const struct plan_path *path)
{
    buf_put_visible(out, str_of(path->text), SHOWN_BYTES);
}

static void put_paths(struct buf *out, const struct match_plan *plan,
                      const struct plan_condition *condition)
{
    for (uint32_t i = 0; i < condition->count; i++) {
        buf_puts(out, i == 0 ? "" : i + 1 < condition->count ? ", " : " or ");
        put_path(out, &plan->paths[plan->lists[condition->first + i]]);
    }
}

static void put_events(struct buf *out, uint32_t events)
{
    static const char *const names[] = {"INSERT", "MODIFY", "REMOVE"};
    bool any = false;
    for (int i = 0; i < 3; i++)
        if (events & 1u << i) {
            buf_printf(out, "%s%s", any ? ", " : "", names[i]);
            any = true;
        }
    if (!any)
        buf_puts(out, "nothing");
}

static const char *event_name(uint32_t event)
{
    return event == WEIR_INSERT   ? "INSERT"
           : event == WEIR_MODIFY ? "MODIFY"
           : event == WEIR_REMOVE ? "REMOVE"
                                  : "another event";
}

/* "price 10 -> 12.5", or for one that did not change "price is 10 in both". */
static void put_comparison(struct buf *out, const struct plan_path *path,
                           const struct record *record, bool differs)
{
    const struct node *before = plan_find(path, record_image(record, WEIR_OLD));
    const struct node *after = plan_find(path, record_image(record, WEIR_NEW));
    put_path(out, path);
    buf_puts(out, differs ? " " : " is ");
    put_value(out, before);
    if (!differs && !before) {
        buf_puts(out, " in both images");
        return;
    }
    buf_puts(out, differs ? " -> " : " before and ");
    put_value(out, after);
    buf_puts(out, differs ? "" : " after");
}

/* The first path that makes the condition true, or NULL. */
static const struct plan_path *holding_path(const struct match_plan *plan,
                                            const struct plan_condition *condition,
                                            const struct record *record)
{
    const struct node *old = record_image(record, WEIR_OLD), *new = record_image(record, WEIR_NEW);
    for (uint32_t i = 0; i < condition->count; i++) {
        const struct plan_path *path = &plan->paths[plan->lists[condition->first + i]];
        const struct node *before = plan_find(path, old), *after = plan_find(path, new);
        if (condition->test == TEST_CHANGED ? plan_differs(before, after) : before || after)
            return path;
    }
    return NULL;
}

static void put_failed(struct buf *out, const struct match_plan *plan,
                       const struct plan_condition *condition, const struct record *record)
{
    if (condition->test == TEST_FILTER) {
        buf_puts(out, "the filter does not match");
    } else if (condition->test == TEST_PRESENT) {
        buf_puts(out, "neither image has ");
        put_paths(out, plan, condition);
    } else if (condition->count == 1) {
        put_comparison(out, &plan->paths[plan->lists[condition->first]], record, false);
    } else {
        buf_puts(out, "no difference in ");
        put_paths(out, plan, condition);
    }
}

/* Whether this condition, on its own, lets the sink have the record. */
static bool condition_holds(const struct match_plan *plan, const struct plan_condition *condition,
                            const struct record *record)
{
    if (condition->test == TEST_FILTER)
        return filter_matches(condition->filter, record_field(record, WEIR_F_EVENT_JSON));
    return holding_path(plan, condition, record) != NULL;
}

static bool explain_head(const struct plan_sink *head, const struct record *record, struct buf *out)
{
    uint32_t event = plan_event(record->event);
    if (record->poison) {
        buf_printf(out, "no match: the record can't be decoded (%s)", record->poison);
        return false;
    }
    if (!(head->events & event)) {
        buf_printf(out, "no match: %s, wants ", event_name(event));
        put_events(out, head->events);
        return false;
    }
    if (record->ttl_delete ? head->ttl_never : head->ttl_only) {
        buf_puts(out,
                 record->ttl_delete ? "no match: deleted by TTL" : "no match: not a TTL delete");
        return false;
    }
    return true;
}

static void put_unmet(struct buf *out, uint32_t missing)
{
    const char *what = missing == WEIR_OLD   ? "OldImage"
                       : missing == WEIR_NEW ? "NewImage"
                                             : "OldImage and no NewImage";
    buf_printf(out, "FAIL: the record has no %s, which this sink needs: see the stream's view type",
               what);
}

static void put_match(struct buf *out, const struct match_plan *plan, uint64_t bit,
                      const struct record *record)
{
    buf_printf(out, "MATCH (%s", event_name(plan_event(record->event)));
    for (size_t i = 0; i < plan->condition_count; i++) {
        const struct plan_condition *condition = &plan->conditions[i];
        if (!(condition->sinks & bit))
            continue;
        buf_puts(out, ", ");
        if (condition->test == TEST_FILTER) {
            buf_puts(out, "filter");
        } else if (condition->test == TEST_PRESENT) {
            buf_puts(out, "has ");
            put_path(out, holding_path(plan, condition, record));
        } else {
            put_comparison(out, holding_path(plan, condition, record), record, true);
        }
    }
    buf_putc(out, ')');
}

/* The same decision as match_record's, told in the order in which it falls. */
bool match_explain(const struct match_plan *plan, size_t sink, const struct record *record,
                   struct buf *out)
{
    if (sink >= plan->sink_count || !explain_head(&plan->sinks[sink], record, out))
        return false;
    uint64_t bit = UINT64_C(1) << sink;
    uint32_t missing = plan_natural_images(plan_event(record->event)) & ~(uint32_t)record->images;
    bool blind = missing & plan->sinks[sink].needed;
    for (size_t i = 0; i < plan->condition_count; i++) {
        const struct plan_condition *condition = &plan->conditions[i];
        if (!(condition->sinks & bit) || (condition->test == TEST_CHANGED && blind))
            continue;
        if (condition_holds(plan, condition, record))
            continue;
        if (condition->test != TEST_PRESENT || !missing) {
            buf_puts(out, "no match: ");
            put_failed(out, plan, condition, record);
            return false;
        }
        blind = true;
    }
    if (blind)
        put_unmet(out, missing);
    else
        put_match(out, plan, bit, record);
    return !blind;
}
