#include "observe/log_fold.h"

#include <weir/plugin.h>

#include <stdio.h>
#include <string.h>

static bool is_over(const struct fold_kind *kind, int64_t now_ms)
{
    /* a clock that was set back must not make a window endless */
    return now_ms - kind->since_ms >= FOLD_WINDOW_MS || now_ms < kind->since_ms;
}

static bool is(const struct fold_kind *kind, int level, const char *component, const char *code)
{
    return kind->level == level && strcmp(kind->code, code) == 0 &&
           strncmp(kind->component, component, sizeof kind->component - 1) == 0;
}

/* Its place, or one that is free or whose window is over with nothing left to say; or NULL. */
static struct fold_kind *place_of(struct log_fold *fold, int level, const char *component,
                                  const char *code, int64_t now_ms)
{
    struct fold_kind *spare = NULL;
    for (size_t i = 0; i < FOLD_KINDS_MAX; i++) {
        struct fold_kind *kind = &fold->kinds[i];
        if (is(kind, level, component, code))
            return kind;
        if (!spare && (kind->level == 0 || (kind->more == 0 && is_over(kind, now_ms))))
            spare = kind;
    }
    if (!spare)
        return NULL;
    *spare = (struct fold_kind){.level = level, .since_ms = now_ms};
    snprintf(spare->component, sizeof spare->component, "%s", component);
    snprintf(spare->code, sizeof spare->code, "%s", code);
    return spare;
}

static bool within_rate(struct log_fold *fold, int64_t now_ms)
{
    if (now_ms - fold->second_ms >= 1000 || now_ms < fold->second_ms) {
        fold->second_ms = now_ms;
        fold->in_second = 0;
    }
    if (fold->in_second < FOLD_RATE_MAX) {
        fold->in_second++;
        return true;
    }
    fold->dropped++;
    fold->dropped_unsaid++;
    return false;
}

/* Lines below a warning that are no repeats: each was asked for, or is about another thing. */
static bool is_news(const char *code)
{
    static const char *const codes[] = {"W0822", "W0823", "W0827", "W0829", "W0908",
                                        "W0910", "W1204", "W1221", NULL};
    for (const char *const *one = codes; code && *one; one++)
        if (strcmp(code, *one) == 0)
            return true;
    return !code; /* a plugin's, such as what a sink has stored */
}

bool fold_admit(struct log_fold *fold, int level, const char *component, const char *code,
                int64_t now_ms)
{
    bool serious = level <= WEIR_LOG_WARN;
    if (level >= WEIR_LOG_DEBUG || (!serious && is_news(code)))
        return true;
    struct fold_kind *kind = place_of(fold, level, component, code ? code : "", now_ms);
    if (!kind) /* more kinds at a time than are remembered */
        return !serious || within_rate(fold, now_ms);
    if (kind->more == 0 && is_over(kind, now_ms)) {
        kind->since_ms = now_ms;
        kind->shown = 0;
    }
    if (kind->shown < FOLD_SHOWN) {
        kind->shown++;
        return !serious || within_rate(fold, now_ms);
    }
    kind->more++;
    int64_t over_ms = kind->since_ms + FOLD_WINDOW_MS;
    if (fold->due_ms == 0 || over_ms < fold->due_ms)
        fold->due_ms = over_ms;
    return false;
}

const struct fold_kind *fold_next_due(struct log_fold *fold, int64_t now_ms, bool all,
                                      uint32_t *more, int64_t *for_ms)
{
    if (fold->due_ms == 0 ||
        (!all && now_ms < fold->due_ms && fold->due_ms - now_ms <= FOLD_WINDOW_MS))
        return NULL;
    int64_t next_ms = 0;
    for (size_t i = 0; i < FOLD_KINDS_MAX; i++) {
        struct fold_kind *kind = &fold->kinds[i];
        if (kind->more == 0)
            continue;
        if (all || is_over(kind, now_ms)) {
            *more = kind->more;
            *for_ms = now_ms >= kind->since_ms ? now_ms - kind->since_ms : FOLD_WINDOW_MS;
            kind->more = kind->shown = 0;
            kind->since_ms = now_ms;
            return kind; /* due_ms stays: there may be others */
        }
        if (next_ms == 0 || kind->since_ms + FOLD_WINDOW_MS < next_ms)
            next_ms = kind->since_ms + FOLD_WINDOW_MS;
    }
    fold->due_ms = next_ms;
    return NULL;
}

uint64_t fold_take_dropped(struct log_fold *fold)
{
    uint64_t dropped = fold->dropped_unsaid;
    fold->dropped_unsaid = 0;
    return dropped;
}
