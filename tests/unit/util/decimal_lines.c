/* For decimal_against_python.py: reads lines "A B", writes for each
 * "canonical(A) canonical(B) cmp difference"; '!' where there is none. */
#include "util/decimal.h"

#include <stdio.h>

static bool print_canonical(weir_str text, struct decimal *value)
{
    char canonical[DECIMAL_CANONICAL_MAX];
    bool sound = decimal_parse(text, value) == 0;
    size_t len = sound ? decimal_canonical(value, canonical) : 0;
    printf("%.*s ", sound ? (int)len : 1, sound ? canonical : "!");
    return sound;
}

static void answer(weir_str a, weir_str b)
{
    struct decimal x, y;
    struct buf difference;
    buf_init(&difference, 256);
    bool sound = print_canonical(a, &x);
    if (!print_canonical(b, &y) || !sound) {
        printf("! !\n");
        return;
    }
    int order = decimal_cmp(&x, &y);
    bool written = decimal_difference(&x, &y, &difference);
    printf("%d %s\n", (order > 0) - (order < 0), written ? buf_cstr(&difference) : "!");
    buf_done(&difference);
}

int main(void)
{
    char line[1024];
    while (fgets(line, sizeof line, stdin)) {
        char *blank = strchr(line, ' '), *end = strchr(line, '\n');
        if (!blank || !end)
            return 1;
        answer((weir_str){line, (size_t)(blank - line)},
               (weir_str){blank + 1, (size_t)(end - blank - 1)});
    }
    return 0;
}
