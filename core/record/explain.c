#include "record/match.h"

#include "record/filter.h"
#include "record/plan.h"
#include "util/text.h"

enum { SHOWN_BYTES = 60, LINE_BYTES = 16 << 10 };

/* The first condition that failed, in the order in which match_record decides; all NULL: a match.
 */
struct verdict {
    const char *condition;               /* its name in the JSON form */
    const struct plan_condition *failed; /* of "changed", "present", "filter" */
    uint32_t missing;                    /* of "images" */
};

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

/* Whether this condition, on its own, lets the sink have the record. */
static bool condition_holds(const struct match_plan *plan, const struct plan_condition *condition,
                            const struct record *record)
{
    if (condition->test == TEST_FILTER)
        return filter_matches(condition->filter, record_field(record, WEIR_F_EVENT_JSON));
    return holding_path(plan, condition, record) != NULL;
}

static const char *condition_name(const struct plan_condition *condition)
{
    return condition->test == TEST_FILTER    ? "filter"
           : condition->test == TEST_PRESENT ? "present"
                                             : "changed";
}

static struct verdict verdict_of(const struct match_plan *plan, size_t sink,
                                 const struct record *record)
{
    const struct plan_sink *head = &plan->sinks[sink];
    uint64_t bit = UINT64_C(1) << sink;
    uint32_t event = plan_event(record->event);
    uint32_t missing = plan_natural_images(event) & ~(uint32_t)record->images;
    bool blind = missing & head->needed;
    if (record->poison)
        return (struct verdict){"poison", NULL, 0};
    if (!(head->events & event))
        return (struct verdict){"event", NULL, 0};
    if (record->ttl_delete ? head->ttl_never : head->ttl_only)
        return (struct verdict){"ttl", NULL, 0};
    for (size_t i = 0; i < plan->condition_count; i++) {
        const struct plan_condition *condition = &plan->conditions[i];
        if (!(condition->sinks & bit) || (condition->test == TEST_CHANGED && blind) ||
            condition_holds(plan, condition, record))
            continue;
        if (condition->test != TEST_PRESENT || !missing)
            return (struct verdict){condition_name(condition), condition, 0};
        blind = true;
    }
    return blind ? (struct verdict){"images", NULL, missing} : (struct verdict){NULL, NULL, 0};
}

/* ---- as a line ---- */

static void put_filter(struct buf *out, const struct plan_condition *condition,
                       const struct record *record)
{
    struct buf values;
    weir_str path;
    buf_init(&values, LINE_BYTES);
    filter_why(condition->filter, record_field(record, WEIR_F_EVENT_JSON), SHOWN_BYTES, &path,
               &values);
    if (path.len == 0) {
        buf_puts(out, "the filter wants values of one element of a list that are in several");
    } else {
        buf_puts(out, "the filter at ");
        buf_put_visible(out, path, 2 * SHOWN_BYTES);
        buf_puts(out, values.len > 2 ? " does not allow " : " wants a value, there is none");
        if (values.len > 2)
            buf_put_visible(out, (weir_str){values.ptr + 1, values.len - 2}, 4 * SHOWN_BYTES);
    }
    buf_done(&values);
}

static void put_failed(struct buf *out, const struct match_plan *plan,
                       const struct plan_condition *condition, const struct record *record)
{
    if (condition->test == TEST_FILTER) {
        put_filter(out, condition, record);
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

static void put_line(struct buf *out, const struct match_plan *plan, size_t sink,
                     const struct record *record, const struct verdict *verdict)
{
    const char *condition = verdict->condition;
    if (!condition) {
        put_match(out, plan, UINT64_C(1) << sink, record);
    } else if (strcmp(condition, "images") == 0) {
        put_unmet(out, verdict->missing);
    } else if (strcmp(condition, "poison") == 0) {
        buf_printf(out, "no match: the record can't be decoded (%s)", record->poison);
    } else if (strcmp(condition, "event") == 0) {
        buf_printf(out, "no match: %s, wants ", event_name(plan_event(record->event)));
        put_events(out, plan->sinks[sink].events);
    } else if (strcmp(condition, "ttl") == 0) {
        buf_puts(out,
                 record->ttl_delete ? "no match: deleted by TTL" : "no match: not a TTL delete");
    } else {
        buf_puts(out, "no match: ");
        put_failed(out, plan, verdict->failed, record);
    }
}

bool match_explain(const struct match_plan *plan, size_t sink, const struct record *record,
                   struct buf *out)
{
    if (sink >= plan->sink_count)
        return false;
    struct verdict verdict = verdict_of(plan, sink, record);
    put_line(out, plan, sink, record, &verdict);
    return !verdict.condition;
}

/* ---- as JSON ---- */

static void put_typed(struct buf *out, const char *name, const struct node *value)
{
    buf_printf(out, ",\"%s\":", name);
    if (value)
        buf_put_json_ascii(out, value_json(value));
    else
        buf_puts(out, "null");
}

static void put_compared_paths(struct buf *out, const struct match_plan *plan,
                               const struct plan_condition *condition, const struct record *record)
{
    for (uint32_t i = 0; i < condition->count; i++) {
        const struct plan_path *path = &plan->paths[plan->lists[condition->first + i]];
        buf_puts(out, i ? ",{\"path\":" : "{\"path\":");
        buf_put_json_string(out, str_of(path->text));
        put_typed(out, "old", plan_find(path, record_image(record, WEIR_OLD)));
        put_typed(out, "new", plan_find(path, record_image(record, WEIR_NEW)));
        buf_putc(out, '}');
    }
}

static void put_compared(struct buf *out, const struct match_plan *plan,
                         const struct plan_condition *condition, const struct record *record)
{
    struct buf values;
    weir_str path;
    if (condition->test != TEST_FILTER) {
        put_compared_paths(out, plan, condition, record);
        return;
    }
    buf_init(&values, LINE_BYTES);
    filter_why(condition->filter, record_field(record, WEIR_F_EVENT_JSON), SHOWN_BYTES, &path,
               &values);
    buf_puts(out, "{\"path\":");
    buf_put_json_string(out, path);
    buf_puts(out, ",\"values\":");
    if (values.failed || buf_put_json_ascii(out, buf_str(&values)) < 0)
        buf_puts(out, "[]");
    buf_putc(out, '}');
    buf_done(&values);
}

/* On a match, what made it one: every condition of the sink but filters. */
static void put_all_compared(struct buf *out, const struct match_plan *plan, uint64_t bit,
                             const struct record *record)
{
    bool any = false;
    for (size_t i = 0; i < plan->condition_count; i++) {
        const struct plan_condition *condition = &plan->conditions[i];
        if (!(condition->sinks & bit) || condition->test == TEST_FILTER)
            continue;
        buf_puts(out, any ? "," : "");
        put_compared_paths(out, plan, condition, record);
        any = true;
    }
}

bool match_explain_json(const struct match_plan *plan, size_t sink, const struct record *record,
                        struct buf *out)
{
    struct buf line;
    if (sink >= plan->sink_count)
        return false;
    struct verdict verdict = verdict_of(plan, sink, record);
    const char *condition = verdict.condition;
    bool fails = condition && strcmp(condition, "images") == 0;
    buf_printf(out,
               "\"matched\":%s,\"outcome\":\"%s\",\"condition\":", condition ? "false" : "true",
               fails       ? "fail"
               : condition ? "no match"
                           : "match");
    buf_printf(out, "%s%s%s", condition ? "\"" : "", condition ? condition : "null",
               condition ? "\"" : "");
    buf_puts(out, ",\"compared\":[");
    if (verdict.failed)
        put_compared(out, plan, verdict.failed, record);
    else if (!condition)
        put_all_compared(out, plan, UINT64_C(1) << sink, record);
    buf_puts(out, "],\"text\":");
    buf_init(&line, LINE_BYTES);
    put_line(&line, plan, sink, record, &verdict);
    buf_put_json_string(out, buf_str(&line));
    buf_done(&line);
    return !condition;
}
