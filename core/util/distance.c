#include "util/text.h"

enum { WORD_MAX = EDIT_WORD_BYTES };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t edit_distance(weir_str a, weir_str b, size_t limit)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    size_t apart = a.len > b.len ? a.len - b.len : b.len - a.len;
    if (limit == SIZE_MAX)
        limit--;
    if (apart > limit || a.len > WORD_MAX || b.len > WORD_MAX)
        return str_eq(a, b) ? 0 : limit + 1;
    for (size_t j = 0; j <= b.len; j++)
        above[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t swap_cost = above[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
            row[j] = least(swap_cost, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return least(above[b.len], limit + 1);
}

const char *nearest_name(weir_str word, const char *const *names)
{
    size_t best_distance = word.len / 3 > 1 ? word.len / 3 : 1;
    const char *best = NULL;
    for (; names && *names; names++) {
        size_t distance = edit_distance(word, str_of(*names), best_distance);
        if (distance > best_distance)
            continue;
        best = *names;
        if (distance == 0)
            break;
        best_distance = distance - 1; /* only a nearer one replaces it */
    }
    return best;
}
