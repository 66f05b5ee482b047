/* How a record that was read in full becomes a stencil. */
#include "record/stencil.h"

#include "util/alloc.h"

enum {
    RECORD_BYTES_MAX = 4096, /* in larger ones the texts count, and the twin saves more */
    RECORDS_LEFT = 4,        /* of about this size must follow, or it does not pay */
    NAME_AT_MAX = 48,
    FIRST_CREDIT = 6
};

struct draft {
    struct stencil *s;
    const char *at; /* behind the last hole */
    bool unfit;
};

void stencils_free(struct stencils *stencils)
{
    mem_free(stencils);
}

static struct hole *put_hole(struct draft *draft, enum hole_kind kind, const char *from,
                             const char *end)
{
    struct stencil *s = draft->s;
    draft->unfit |= s->hole_count == STENCIL_HOLES || from <= draft->at;
    if (draft->unfit)
        return NULL;
    struct hole *hole = &s->hole[s->hole_count++];
    *hole = (struct hole){
        .text = draft->at, .text_bytes = (uint32_t)(from - draft->at), .kind = (uint8_t)kind};
    draft->at = end;
    return hole;
}

/* ---- images ---- */

static enum hole_kind node_kind(const struct node *node)
{
    switch (node_type(node)) {
    case WEIR_T_N:
        return HOLE_NUMBER;
    case WEIR_T_B:
        return HOLE_BINARY;
    case WEIR_T_S:
        return HOLE_TEXT;
    default:
        return HOLE_TRUTH;
    }
}

static void put_scalar(struct draft *draft, const struct node *node)
{
    enum hole_kind kind = node_kind(node);
    /* Numbers and B with escapes are not worth a stencil. */
    draft->unfit |= (kind == HOLE_NUMBER || kind == HOLE_BINARY) && (node->bits & NODE_VAL_ESCAPED);
    struct hole *hole = put_hole(draft, kind, node->val, node->val + node->val_bytes);
    if (!hole)
        return;
    hole->node = (uint16_t)(node_index(node) + 1);
    hole->bits = node->bits & ~(uint32_t)NODE_VAL_ESCAPED;
    hole->key_bytes = node->key_bytes;
    hole->key_back = node->key ? (uint32_t)(node->val - node->key) : 0;
}

static void put_box(struct draft *draft, const struct node *node)
{
    struct stencil *s = draft->s;
    draft->unfit |= s->box_count == STENCIL_BOXES;
    if (draft->unfit)
        return;
    s->box[s->box_count++] =
        (struct box){.node = *node,
                     .index = node_index(node),
                     .key_back = node->key ? (uint32_t)(node->val - node->key) : 0};
}

static void put_nodes(struct draft *draft, const struct node *image)
{
    for (const struct node *node = image; node < image + image->next && !draft->unfit; node++) {
        if (node_type(node) <= WEIR_T_NULL)
            put_scalar(draft, node);
        else
            put_box(draft, node);
    }
}

/* An image that was only skipped: any string may stand for a string there, any truth for another. A
 * name with white space before its colon is taken for a value: just as good where all is skipped.
 */
static void put_strings(struct draft *draft, const char *p, const char *end)
{
    struct scan scan;
    uint32_t escaped = 0;
    while (p < end && !draft->unfit) {
        if (*p == '"') {
            const char *close = scan_text(&scan, p + 1, &escaped);
            if (!close) /* it was sound before */
                return;
            if (close[1] != ':')
                put_hole(draft, HOLE_TEXT, p + 1, close);
            p = close + 1;
        } else if (*p == 't' || *p == 'f') {
            const char *behind = p + (*p == 't' ? 4 : 5);
            put_hole(draft, HOLE_TRUTH, p, behind);
            p = behind;
        } else {
            p++;
        }
    }
}

static void put_image(struct draft *draft, struct decoder *d, int which, const struct spot *spot)
{
    uint32_t index = d->head->image_at[which];
    if (index)
        put_nodes(draft, record_nodes(d->head) + index - 1);
    else
        put_strings(draft, spot->at, spot->end);
}

/* ---- the other members ---- */

static bool all_digits(const char *p, const char *end, ptrdiff_t most)
{
    for (const char *at = p; at < end; at++)
        if (*at < '0' || *at > '9')
            return false;
    return p < end && end - p <= most;
}

/* Values of another form stay fixed text. */
static void put_member(struct draft *draft, struct decoder *d, const struct spot *spot)
{
    struct stencil *s = draft->s;
    int64_t seconds;
    if (spot->member == M_KEYS)
        put_image(draft, d, 0, spot);
    else if (spot->member == M_OLD)
        put_image(draft, d, 1, spot);
    else if (spot->member == M_NEW)
        put_image(draft, d, 2, spot);
    else if (spot->member == M_CREATED && spot->end - spot->at == 10 &&
             scan_seconds(spot->at, &seconds) && put_hole(draft, HOLE_SECONDS, spot->at, spot->end))
        s->seconds = s->hole_count;
    else if (spot->member == M_SEQUENCE && *spot->at == '"' &&
             all_digits(spot->at + 1, spot->end - 1, 31) &&
             put_hole(draft, HOLE_DIGITS, spot->at + 1, spot->end - 1))
        s->sequence = s->hole_count;
    else if (spot->member == M_SIZE && all_digits(spot->at, spot->end, 9))
        put_hole(draft, HOLE_SIZE, spot->at, spot->end);
}

/* The place behind the last hole that ends at or before p. */
static uint32_t place_of(const struct stencil *s, const char *p, uint32_t *further)
{
    uint32_t place = s->hole_count;
    const char *start = s->tail;
    while (place > 0 && start > p)
        start = s->hole[--place].text;
    *further = (uint32_t)(p - start);
    return place;
}

static void place_boxes(struct stencil *s)
{
    for (uint32_t i = 0; i < s->box_count; i++) {
        struct box *box = &s->box[i];
        box->from = place_of(s, box->node.val, &box->from_bytes);
        box->to = place_of(s, box->node.val + box->node.val_bytes, &box->to_bytes);
    }
}

static bool draw(struct decoder *d, struct stencil *s)
{
    const struct record *record = d->head;
    weir_str id = record->event_id;
    struct draft draft = {.s = s, .at = record->raw.ptr};
    s->hole_count = s->box_count = s->seconds = s->sequence = s->misses = 0;
    put_hole(&draft, HOLE_TEXT, id.ptr, id.ptr + id.len);
    for (uint32_t i = 0; i < d->spot_count && !draft.unfit; i++)
        put_member(&draft, d, &d->spot[i]);
    s->tail = draft.at;
    s->tail_bytes = (uint32_t)(record->raw.ptr + record->raw.len - draft.at);
    if (draft.unfit || s->tail_bytes == 0)
        return false;
    place_boxes(s);
    s->record = *record;
    return true;
}

/* Is it written as stencils take for granted: eventID, then eventName, both without escapes, then
 * the change? */
static bool fit(const struct decoder *d)
{
    const struct record *record = d->head;
    weir_str id = record->event_id, name = d->rare.event_name;
    const char *end = record->raw.ptr + record->raw.len;
    if (record->raw.len > RECORD_BYTES_MAX || record->kinesis || d->data.ptr ||
        (size_t)(d->end - end) < record->raw.len * RECORDS_LEFT)
        return false;
    if (d->spot_count == 0 || d->spot_count == SPOTS_MAX || id.len == 0 || name.len == 0)
        return false;
    const char *change = d->spot[0].at;
    return id.ptr > record->raw.ptr && name.ptr > id.ptr + id.len &&
           name.ptr - (id.ptr + id.len) < NAME_AT_MAX && name.ptr + name.len < change &&
           change < end;
}

static struct stencils *stencils_new(void)
{
    struct stencils *set = mem_alloc(sizeof *set);
    if (!set)
        return NULL; /* then all is read the long way */
    set->credit = FIRST_CREDIT;
    set->head = NULL;
    for (int i = 0; i < STENCIL_EVENTS; i++)
        set->of_event[i] = NULL;
    return set;
}

/* All stencils have the same text before the eventID, and their eventName at the same distance. */
static bool same_head(const struct stencils *set, const struct hole *first, uint32_t name_at)
{
    return set->name_at == name_at && set->head_bytes == first->text_bytes &&
           memcmp(set->head, first->text, first->text_bytes) == 0;
}

void stencil_learn(struct decoder *d)
{
    const struct record *record = d->head;
    int event = fit(d) ? stencil_place(d->rare.event_name.ptr) : -1;
    if (event >= 0 && !d->stencils)
        d->stencils = stencils_new();
    if (event < 0 || !d->stencils)
        return;
    struct stencils *set = d->stencils;
    struct stencil *s = &set->room[event];
    const char *id_end = record->event_id.ptr + record->event_id.len;
    uint32_t name_at = (uint32_t)(d->rare.event_name.ptr - id_end);
    set->of_event[event] = NULL;
    if (!draw(d, s) || (set->head && !same_head(set, s->hole, name_at))) {
        set->credit -= 2;
        return;
    }
    if (!set->head) {
        set->head = s->hole[0].text;
        set->head_bytes = s->hole[0].text_bytes;
        set->name_at = name_at;
    }
    set->of_event[event] = s;
}
