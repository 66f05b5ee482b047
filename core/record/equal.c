/* Deep equality of two values: N as decimals, maps by name, sets without order. No recursion, and
 * close to linear for any content. */
#include "record/node.h"

#include "record/plain.h"
#include "record/scan.h"
#include "util/alloc.h"
#include "util/decimal.h"
#include "util/text.h"

enum { FRAMES_MAX = SCAN_DEPTH_MAX / 2, TABLE_MIN = 12 };

/* Finds b's entry for one of a's: the next in order is tried first, since the images of a record
 * list their attributes alike; then a table, for which there is only a slow way when memory is out.
 */
struct frame {
    const struct node *a, *a_end; /* a's entry to be looked at next */
    const struct node *b, *hint;
    uint32_t *table;
    size_t table_size;
};

static weir_str raw_text(const struct node *node)
{
    return (weir_str){node->val, node->val_bytes};
}

static bool number_equal(const struct node *a, const struct node *b)
{
    struct decimal x, y;
    if ((a->bits | b->bits) & NODE_VAL_ESCAPED)
        return decimal_text_equal(value_text(a), value_text(b));
    if (str_eq(raw_text(a), raw_text(b)))
        return true;
    return decimal_parse(raw_text(a), &x) == 0 && decimal_parse(raw_text(b), &y) == 0 &&
           decimal_cmp(&x, &y) == 0;
}

static bool scalar_equal(const struct node *a, const struct node *b)
{
    if (node_type(a) == WEIR_T_N)
        return number_equal(a, b);
    return plain_equal(raw_text(a), a->bits & NODE_VAL_ESCAPED, raw_text(b),
                       b->bits & NODE_VAL_ESCAPED);
}

static bool is_map(const struct node *node)
{
    return node_type(node) == WEIR_T_M;
}

static bool is_list(const struct node *node)
{
    return node_type(node) == WEIR_T_L;
}

/* Are these entries of two maps or sets the same one (a map's by its name)? */
static bool same_entry(bool map, const struct node *a, const struct node *b)
{
    if (!map)
        return scalar_equal(a, b);
    return plain_equal((weir_str){a->key, a->key_bytes}, a->bits & NODE_KEY_ESCAPED,
                       (weir_str){b->key, b->key_bytes}, b->bits & NODE_KEY_ESCAPED);
}

static uint64_t entry_hash(bool map, const struct node *entry)
{
    uint64_t seed = (uintptr_t)entry->val >> 63 ^ HASH_SEED;
    struct decimal number;
    char spelling[DECIMAL_CANONICAL_MAX];
    if (map)
        return plain_hash(seed, (weir_str){entry->key, entry->key_bytes},
                          entry->bits & NODE_KEY_ESCAPED);
    if (node_type(entry) != WEIR_T_N)
        return plain_hash(seed, raw_text(entry), entry->bits & NODE_VAL_ESCAPED);
    if ((entry->bits & NODE_VAL_ESCAPED) || decimal_parse(raw_text(entry), &number) < 0)
        return 0;
    return hash_bytes(seed, spelling, decimal_canonical(&number, spelling));
}

static void table_build(struct frame *frame)
{
    size_t size = 32;
    while (size < (size_t)frame->b->next * 2)
        size *= 2;
    frame->table = mem_zalloc(size, sizeof *frame->table);
    frame->table_size = frame->table ? size : 0;
    const struct node *end = frame->b + frame->b->next;
    for (const struct node *at = frame->b + 1; frame->table && at < end; at += at->next) {
        size_t slot = (size_t)entry_hash(is_map(frame->b), at) & (size - 1);
        while (frame->table[slot])
            slot = (slot + 1) & (size - 1);
        frame->table[slot] = (uint32_t)(at - frame->b);
    }
}

static const struct node *find(struct frame *frame, const struct node *wanted)
{
    const struct node *end = frame->b + frame->b->next;
    bool map = is_map(frame->b);
    if (frame->hint < end && same_entry(map, wanted, frame->hint))
        return frame->hint;
    if (!frame->table && frame->b->next > TABLE_MIN)
        table_build(frame);
    if (frame->table) {
        size_t slot = (size_t)entry_hash(map, wanted) & (frame->table_size - 1);
        for (; frame->table[slot]; slot = (slot + 1) & (frame->table_size - 1))
            if (same_entry(map, wanted, frame->b + frame->table[slot]))
                return frame->b + frame->table[slot];
        return NULL;
    }
    for (const struct node *at = frame->b + 1; at < end; at += at->next)
        if (same_entry(map, wanted, at))
            return at;
    return NULL;
}

static bool all_in(const struct node *a, const struct node *b)
{
    struct frame frame = {.a = a + 1, .a_end = a + a->next, .b = b, .hint = b + 1};
    bool all = true;
    for (; all && frame.a < frame.a_end; frame.a++) {
        const struct node *other = find(&frame, frame.a);
        all = other != NULL;
        frame.hint = other ? other + 1 : frame.hint;
    }
    mem_free(frame.table);
    return all;
}

/* Sets hold nothing twice, but a hostile file may: both ways then. */
static bool set_equal(const struct node *a, const struct node *b)
{
    return a->next == b->next && all_in(a, b) && all_in(b, a);
}

static size_t entries(const struct node *value)
{
    return value_size(value);
}

/* Equal, different, or (1, 0, -1) both maps or both lists of the same size, to be looked into. */
static int compare(const struct node *a, const struct node *b)
{
    int type = node_type(a);
    if (type != node_type(b))
        return 0;
    if (type <= WEIR_T_NULL)
        return scalar_equal(a, b);
    if (type >= WEIR_T_SS)
        return set_equal(a, b);
    if (str_eq(raw_text(a), raw_text(b)))
        return 1;
    return entries(a) == entries(b) ? -1 : 0;
}

static const struct node *counterpart(struct frame *frame)
{
    if (is_list(frame->b))
        return frame->hint < frame->b + frame->b->next ? frame->hint : NULL;
    return find(frame, frame->a);
}

static struct frame enter(const struct node *a, const struct node *b)
{
    return (struct frame){.a = a + 1, .a_end = a + a->next, .b = b, .hint = b + 1};
}

bool value_equal(const struct node *a, const struct node *b)
{
    struct frame frames[FRAMES_MAX];
    size_t top = 0;
    if (!a || !b || a == b)
        return a == b;
    int verdict = compare(a, b);
    if (verdict < 0)
        frames[top++] = enter(a, b);
    while (top > 0) {
        struct frame *frame = &frames[top - 1];
        if (verdict == 0 || frame->a >= frame->a_end) {
            mem_free(frame->table);
            verdict = verdict == 0 ? 0 : 1;
            top--;
            continue;
        }
        const struct node *entry = frame->a, *other = counterpart(frame);
        verdict = other && top < FRAMES_MAX ? compare(entry, other) : 0;
        frame->a += entry->next;
        frame->hint = other ? other + other->next : frame->hint;
        if (verdict < 0)
            frames[top++] = enter(entry, other);
    }
    return verdict != 0;
}
