#include "record/stencil.h"

enum { CREDIT_MAX = 16, SIZE_DIGITS_MAX = 9, SEQUENCE_HOLE_MAX = 31 };

static inline const char *digits_end(const char *p, uint32_t most)
{
    uint32_t count = scan_digits(p);
    return count - 1 < most ? p + count : NULL;
}

/* The less frequent kinds. */
static const char *rare_end(const char *p, uint32_t kind)
{
    int64_t seconds;
    const char *end;
    switch (kind) {
    case HOLE_BINARY:
        end = scan_plain(p);
        return base64_valid(p, (size_t)(end - p)) ? end : NULL;
    case HOLE_TRUTH:
        return memcmp(p, "true", 4) == 0 ? p + 4 : memcmp(p, "false", 5) == 0 ? p + 5 : NULL;
    case HOLE_SECONDS:
        return scan_seconds(p, &seconds) ? p + 10 : NULL;
    case HOLE_DIGITS:
        return digits_end(p, SEQUENCE_HOLE_MAX);
    default:
        end = digits_end(p, SIZE_DIGITS_MAX);
        return end && (*p != '0' || end == p + 1) ? end : NULL;
    }
}

/* The end of the value in a hole, NULL when it is none of its kind. The text behind the hole begins
 * with what must end it (a quote, or a comma or bracket), and is compared next. */
static inline const char *hole_end(struct scan *scan, const char *p, uint32_t kind,
                                   uint32_t *escaped)
{
    if (kind == HOLE_TEXT)
        return scan_text(scan, p, escaped);
    if (kind == HOLE_NUMBER) {
        const char *end = scan_plain(p);
        return number_valid(p, (size_t)(end - p)) ? end : NULL;
    }
    return rare_end(p, kind);
}

static inline void fill(struct node *nodes, const struct hole *hole, const char *p, const char *end,
                        uint32_t escaped)
{
    nodes[hole->node - 1] = (struct node){.key = hole->key_back ? p - hole->key_back : NULL,
                                          .val = p,
                                          .key_bytes = hole->key_bytes,
                                          .val_bytes = (uint32_t)(end - p),
                                          .next = 1,
                                          .bits = hole->bits | (escaped ? NODE_VAL_ESCAPED : 0)};
}

/* Holes from the second on, and the tail; place[i] becomes where the text before hole i begins. */
static inline const char *walk(struct decoder *d, const struct stencil *s, const char **place)
{
    struct node *nodes = record_nodes(d->head);
    const char *p = place[1];
    for (uint32_t i = 1; i < s->hole_count; i++) {
        const struct hole *hole = &s->hole[i];
        uint32_t escaped = 0;
        if (unlikely(!scan_stands(p, hole->text, hole->text_bytes)))
            return NULL;
        p += hole->text_bytes;
        const char *end = hole_end(&d->scan, p, hole->kind, &escaped);
        if (unlikely(!end))
            return NULL;
        if (hole->node)
            fill(nodes, hole, p, end, escaped);
        place[i + 1] = p = end;
    }
    return likely(scan_stands(p, s->tail, s->tail_bytes)) ? p + s->tail_bytes : NULL;
}

static inline void fill_boxes(struct node *nodes, const struct stencil *s, const char **place)
{
    for (uint32_t i = 0; i < s->box_count; i++) {
        const struct box *box = &s->box[i];
        struct node *node = &nodes[box->index];
        *node = box->node;
        node->val = place[box->from] + box->from_bytes;
        node->val_bytes = (uint32_t)(place[box->to] + box->to_bytes - node->val);
        node->key = box->key_back ? node->val - box->key_back : NULL;
    }
}

static inline weir_str hole_text(const struct stencil *s, const char **place, uint32_t hole)
{
    const char *start = place[hole] + s->hole[hole].text_bytes;
    return (weir_str){start, (size_t)(place[hole + 1] - start)};
}

static inline void fill_record(struct decoder *d, const struct stencil *s, const char **place)
{
    struct record *record = d->head;
    int64_t seconds;
    if (d->standing != s) {
        memcpy(record, &s->record, sizeof *record);
        d->standing = s;
    }
    record->pipes = d->pipes;
    record->event_id = hole_text(s, place, 0);
    if (s->sequence)
        record->position = hole_text(s, place, s->sequence - 1);
    if (s->seconds && scan_seconds(hole_text(s, place, s->seconds - 1).ptr, &seconds))
        record->created_us = seconds * 1000000;
}

static const char *miss(struct decoder *d, struct stencil *s)
{
    d->stencils->credit -= 2;
    d->learn = ++s->misses > 1;
    return NULL;
}

const char *stencil_apply(struct decoder *d, const char *p)
{
    const char *place[STENCIL_HOLES + 1];
    struct stencils *set = d->stencils;
    uint32_t escaped = 0;
    d->learn = !set || (!set->head && set->credit > 0);
    if (!set || !set->head || set->credit <= 0)
        return NULL;
    /* The eventID stands first, and before it the same text in all stencils. */
    if (!scan_stands(p, set->head, set->head_bytes))
        return NULL;
    const char *id_end = scan_text(&d->scan, p + set->head_bytes, &escaped);
    int event = id_end && !escaped ? stencil_place(id_end + set->name_at) : -1;
    if (event < 0)
        return NULL;
    struct stencil *s = set->of_event[event];
    d->learn = !s;
    if (!s)
        return NULL;
    place[0] = p;
    place[1] = id_end;
    const char *end = walk(d, s, place);
    if (!end)
        return miss(d, s);
    fill_boxes(record_nodes(d->head), s, place);
    fill_record(d, s, place);
    d->head->raw = (weir_str){p, (size_t)(end - p)};
    s->misses = 0;
    set->credit += set->credit < CREDIT_MAX;
    return end;
}
