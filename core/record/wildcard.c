/* Text with stars, in time linear in the value: the parts between the stars are looked for one
 * behind the other, each at its first place (Knuth, Morris, Pratt), which is never worse than a
 * later one. */
#include "record/filter_impl.h"

void wildcard_prepare(struct wild_part *part)
{
    uint32_t matched = 0;
    if (part->text.len > 0)
        part->fallback[0] = 0;
    for (size_t i = 1; i < part->text.len; i++) {
        while (matched > 0 && part->text.ptr[i] != part->text.ptr[matched])
            matched = part->fallback[matched - 1];
        if (part->text.ptr[i] == part->text.ptr[matched])
            matched++;
        part->fallback[i] = matched;
    }
}

/* Behind the part's first place in [at, end), or NULL. */
static const char *find_part(const struct wild_part *part, const char *at, const char *end)
{
    size_t matched = 0;
    if (part->text.len == 0)
        return at;
    for (; at < end; at++) {
        while (matched > 0 && *at != part->text.ptr[matched])
            matched = part->fallback[matched - 1];
        if (*at == part->text.ptr[matched] && ++matched == part->text.len)
            return at + 1;
    }
    return NULL;
}

bool wildcard_matches(const struct wild_part *parts, size_t count, weir_str text)
{
    if (count == 1)
        return str_eq(text, parts[0].text);
    const weir_str *first = &parts[0].text, *last = &parts[count - 1].text;
    if (text.len < first->len + last->len || !str_starts(text, *first) || !str_ends(text, *last))
        return false;
    const char *at = text.ptr + first->len, *end = text.ptr + text.len - last->len;
    for (size_t i = 1; i + 1 < count && at; i++)
        at = find_part(&parts[i], at, end);
    return at != NULL;
}
