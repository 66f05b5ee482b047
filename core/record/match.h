/* Which sinks want which records, decided once per record before any plugin runs. */
#ifndef WEIR_RECORD_MATCH_H
#define WEIR_RECORD_MATCH_H
#include "record/record.h"
#include "util/buf.h"

enum { MATCH_SINKS_MAX = 64 };
struct filter;

/* One conjunction of conditions. Zeroed: everything matches. */
struct match_rule {
    uint32_t events;            /* WEIR_* bits; 0 = every event name, also unknown ones */
    uint32_t images;            /* WEIR_OLD|WEIR_NEW that the reader needs to look at */
    const char *const *changed; /* NULL-terminated paths: at least one differs between the images */
    const char *const *present; /* NULL-terminated paths: at least one is in the new or old image */
    int ttl;                    /* 0 any, 1 only TTL deletes, -1 no TTL deletes */
    const struct filter *filter; /* over the record's EVENT_JSON; NULL = none */
    uint32_t optional_images; /* WEIR_OLD|WEIR_NEW to build where the record has them; not needed */
};

/* A sink wants what ALL its rules want. `rule_count` 0: nothing (a dead-letter sink with
 * only_from). */
struct match_sink {
    const struct match_rule *rules;
    size_t rule_count;
};

/* Compiles; copies paths, borrows filters. Sink i gets bit i. 0, -EINVAL (a bad path; err says
 * which), -ENOMEM. */
int match_plan_new(const struct match_sink *sinks, size_t sink_count, struct match_plan **out,
                   struct err *err);
void match_plan_free(struct match_plan *plan);

/* Images to build (WEIR_* bits) for a record of this event, before the images are seen. Keys
 * always. */
uint32_t match_images(const struct match_plan *plan, int event);
/* Sets record->matched and record->unmet. `unmet`: the sink's other conditions hold so far, but an
 * image it needs (`changed`, `present`, `images`) is missing from a record whose event has that
 * image on a NEW_AND_OLD_IMAGES stream: never a silent skip. INSERT has no old, REMOVE no new by
 * nature. */
void match_record(const struct match_plan *plan, struct record *record);

/* Why sink i did or did not match: for `explain` and tests. Writes one line, returns true on a
 * match. The record must have been decoded with all images (plan NULL, or one that wants it). */
bool match_explain(const struct match_plan *plan, size_t sink, const struct record *record,
                   struct buf *out);
/* The same as members of a JSON object, without its braces: "matched", "outcome" ("match", "no
 * match", "fail": an image that the sink needs is missing), "condition" (the first that failed:
 * "poison", "event", "ttl", "changed", "present", "filter", "images"; null on a match), "compared"
 * (a list of {"path", "old", "new"}, of a filter {"path", "values"}, typed as in the record) and
 * "text", the line above. */
bool match_explain_json(const struct match_plan *plan, size_t sink, const struct record *record,
                        struct buf *out);
#endif
