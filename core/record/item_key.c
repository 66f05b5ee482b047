#include "record/item_key.h"

#include "record/plain.h"
#include "util/alloc.h"
#include "util/decimal.h"
#include "util/text.h"

#include <errno.h>
#include <stdlib.h>

static weir_str raw_name(const struct node *node)
{
    return (weir_str){node->key, node->key_bytes};
}

/* The one spelling of an N; a text that is none (never decoded) stays as it is. */
static weir_str number_spelling(const struct node *node, char out[DECIMAL_CANONICAL_MAX])
{
    struct decimal number;
    weir_str raw = {node->val, node->val_bytes};
    if ((node->bits & NODE_VAL_ESCAPED) || decimal_parse(raw, &number) < 0)
        raw = value_text(node);
    if (decimal_parse(raw, &number) < 0)
        return raw;
    return (weir_str){out, decimal_canonical(&number, out)};
}

static uint64_t value_hash(uint64_t seed, const struct node *node)
{
    char spelling[DECIMAL_CANONICAL_MAX];
    if (node_type(node) == WEIR_T_N) {
        weir_str number = number_spelling(node, spelling);
        return hash_bytes(seed, number.ptr, number.len);
    }
    return plain_hash(seed, (weir_str){node->val, node->val_bytes}, node->bits & NODE_VAL_ESCAPED);
}

uint64_t item_key_hash(const struct node *keys)
{
    uint64_t sum = 0;
    if (!keys)
        return 0;
    const struct node *end = keys + keys->next;
    for (const struct node *entry = keys + 1; entry < end; entry += entry->next) {
        char type = (char)node_type(entry);
        uint64_t hash = plain_hash(HASH_SEED, raw_name(entry), entry->bits & NODE_KEY_ESCAPED);
        hash = value_hash(hash_bytes(hash, &type, 1), entry);
        sum += hash * UINT64_C(0x9e3779b97f4a7c15); /* a sum: the order does not matter */
    }
    return sum ^ sum >> 32;
}

static int by_name(const void *a, const void *b)
{
    const struct node *const *left = a, *const *right = b;
    struct plain x = plain_of(raw_name(*left), (*left)->bits & NODE_KEY_ESCAPED);
    struct plain y = plain_of(raw_name(*right), (*right)->bits & NODE_KEY_ESCAPED);
    int c, d;
    do {
        c = plain_next(&x);
        d = plain_next(&y);
    } while (c == d && c >= 0);
    return c - d;
}

static int put_part(struct buf *out, weir_str part)
{
    uint32_t len = (uint32_t)part.len;
    char head[4] = {(char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len};
    int rc = buf_put(out, head, sizeof head);
    return rc < 0 ? rc : buf_put_str(out, part);
}

static int put_entry(struct buf *out, const struct node *entry)
{
    static const char types[] = "?SNBbnMLsnB";
    char spelling[DECIMAL_CANONICAL_MAX];
    int type = node_type(entry);
    weir_str name, value = {entry->val, entry->val_bytes};
    char *clean = mem_alloc(entry->key_bytes + 1u);
    if (!clean)
        return -ENOMEM;
    name = (weir_str){clean, json_unescape(raw_name(entry), clean)};
    int rc = put_part(out, name);
    mem_free(clean);
    if (type == WEIR_T_N)
        value = number_spelling(entry, spelling);
    else if (type == WEIR_T_S || type == WEIR_T_B)
        value = value_text(entry);
    if (!value.ptr)
        return -ENOMEM;
    rc = rc < 0 ? rc : buf_putc(out, types[type]);
    return rc < 0 ? rc : put_part(out, value);
}

int item_key_put(struct buf *out, const struct node *keys)
{
    size_t count = value_size(keys), filled = 0;
    const struct node **sorted = mem_alloc((count + 1) * sizeof *sorted);
    int rc = sorted ? 0 : -ENOMEM;
    for (const struct node *entry = keys + 1; sorted && filled < count; entry += entry->next)
        sorted[filled++] = entry;
    if (sorted)
        qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = put_entry(out, sorted[i]);
    mem_free(sorted);
    return rc;
}
