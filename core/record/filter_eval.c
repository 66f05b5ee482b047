/* Does one branch hold for an event?
 *
 * event-ruler chooses one value for every path, in the order of the paths' names, so that no two of
 * them are in different elements of one array ("array consistency"); a path that must be absent is
 * looked for only in what is consistent with the choices made before it. Trying all choices takes
 * exponential time. Here each container gives, when it closes, what its best choice of elements
 * satisfies: which is enough, because arrays in different places never restrict each other. One
 * pass, no recursion. */
#include "record/filter_impl.h"

#include "util/alloc.h"
#include "util/text.h"

enum { WORDS = FILTER_PATHS_MAX / 64 };

struct bits { /* paths of the branch, by their place in its order */
    uint64_t word[WORDS];
};

static inline void bits_set(struct bits *bits, size_t i)
{
    bits->word[i / 64] |= UINT64_C(1) << (i & 63);
}

static inline bool bits_has(const struct bits *bits, size_t i)
{
    return bits->word[i / 64] >> (i & 63) & 1;
}

static inline void bits_add(struct bits *bits, const struct bits *more)
{
    for (int i = 0; i < WORDS; i++)
        bits->word[i] |= more->word[i];
}

/* The paths behind the first of `bits`: those that are looked at after an element was chosen. */
static struct bits bits_behind_first(const struct bits *bits)
{
    struct bits behind = {0};
    int i = 0;
    while (i < WORDS && bits->word[i] == 0)
        i++;
    if (i == WORDS)
        return behind;
    uint64_t first = bits->word[i] & -bits->word[i];
    behind.word[i] = ~(first | (first - 1));
    while (++i < WORDS)
        behind.word[i] = ~UINT64_C(0);
    return behind;
}

/* What a value, or all values of a container, have to say. */
struct finding {
    struct bits satisfied; /* paths with an allowed value */
    struct bits seen;     /* paths with any value that is consistent with the choices before them */
    struct bits anywhere; /* paths with any value, whatever was chosen */
};

struct frame {
    bool array, has_best;
    int32_t node;
    size_t best_score;
    struct finding own;   /* object: of its members; array: of its plain elements */
    struct finding best;  /* array: of the element chosen */
    struct bits elements; /* array: `anywhere` of all elements together */
};

struct evaluation {
    const struct branch *branch;
    size_t depth;
    struct frame frame[FILTER_DEPTH_MAX + 1]; /* 0 stands around the event */
};

static bool path_holds(const struct branch *branch, size_t i, const struct finding *finding)
{
    return bits_has(&finding->satisfied, i) ||
           (branch->paths[i].tests->may_be_absent && !bits_has(&finding->seen, i));
}

/* How good a choice an element is. The path that ends at the array itself counts less: a plain
 * element may satisfy it too, what is below can only come from here. */
static size_t score(const struct evaluation *evaluation, int32_t node,
                    const struct finding *finding)
{
    size_t points = 0, first = FILTER_PATHS_MAX;
    for (size_t i = evaluation->branch->count; i-- > 0;) {
        if (path_holds(evaluation->branch, i, finding))
            points += evaluation->branch->paths[i].node == node ? 1 : 2;
        if (bits_has(&finding->satisfied, i))
            first = i;
    }
    return points * (FILTER_PATHS_MAX + 1) + (FILTER_PATHS_MAX - first);
}

static void take_element(struct evaluation *evaluation, struct frame *frame, struct finding finding)
{
    bits_add(&frame->elements, &finding.anywhere);
    /* Before any path has chosen this element, all elements count: close_array adds those. */
    struct bits behind = bits_behind_first(&finding.satisfied);
    for (int i = 0; i < WORDS; i++)
        finding.seen.word[i] &= behind.word[i];
    size_t points = score(evaluation, frame->node, &finding);
    if (frame->has_best && points <= frame->best_score)
        return;
    frame->has_best = true;
    frame->best_score = points;
    frame->best = finding;
}

static struct finding close_array(const struct frame *frame)
{
    struct finding finding = frame->own;
    struct bits behind = bits_behind_first(&frame->best.satisfied);
    bits_add(&finding.satisfied, &frame->best.satisfied);
    bits_add(&finding.seen, &frame->best.seen);
    for (int i = 0; i < WORDS; i++)
        finding.seen.word[i] |= frame->elements.word[i] & ~behind.word[i];
    bits_add(&finding.anywhere, &frame->elements);
    return finding;
}

static void close_container(struct evaluation *evaluation)
{
    struct frame *frame = &evaluation->frame[evaluation->depth--];
    struct frame *around = &evaluation->frame[evaluation->depth];
    struct finding finding = frame->array ? close_array(frame) : frame->own;
    if (around->array) {
        take_element(evaluation, around, finding);
        return;
    }
    bits_add(&around->own.satisfied, &finding.satisfied);
    bits_add(&around->own.seen, &finding.seen);
    bits_add(&around->own.anywhere, &finding.anywhere);
}

bool filter_entry_allowed(const struct tests *tests, const struct tape_entry *entry)
{
    char plain[1024];
    struct leaf leaf = {(enum leaf_kind)entry->leaf, entry->text};
    if (!tests->has_value_test)
        return false;
    if (!entry->escaped)
        return filter_leaf_matches(tests, &leaf);
    char *space = entry->text.len <= sizeof plain ? plain : mem_alloc(entry->text.len);
    if (!space)
        return false;
    leaf.text = (weir_str){space, json_unescape(entry->text, space)};
    bool allowed = filter_leaf_matches(tests, &leaf);
    if (space != plain)
        mem_free(space);
    return allowed;
}

static void take_leaf(struct evaluation *evaluation, const struct tape_entry *entry)
{
    const struct branch *branch = evaluation->branch;
    struct finding *own = &evaluation->frame[evaluation->depth].own;
    for (size_t i = 0; i < branch->count; i++) {
        if (branch->paths[i].node != entry->node)
            continue;
        bits_set(&own->seen, i);
        bits_set(&own->anywhere, i);
        if (!bits_has(&own->satisfied, i) && filter_entry_allowed(branch->paths[i].tests, entry))
            bits_set(&own->satisfied, i);
        return;
    }
}

bool filter_branch_holds(const struct branch *branch, const struct tape *tape)
{
    struct evaluation evaluation;
    evaluation.branch = branch;
    evaluation.depth = 0;
    memset(&evaluation.frame[0], 0, sizeof evaluation.frame[0]);
    for (size_t i = 0; i < tape->count; i++) {
        const struct tape_entry *entry = &tape->entries[i];
        if (entry->kind == TAPE_LEAF) {
            take_leaf(&evaluation, entry);
        } else if (entry->kind == TAPE_CLOSE) {
            close_container(&evaluation);
        } else {
            struct frame *frame = &evaluation.frame[++evaluation.depth];
            memset(frame, 0, sizeof *frame);
            frame->array = entry->kind == TAPE_ARRAY;
            frame->node = entry->node;
        }
    }
    for (size_t i = 0; i < branch->count; i++)
        if (!path_holds(branch, i, &evaluation.frame[0].own))
            return false;
    return true;
}
