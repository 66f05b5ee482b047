/* One value of an event against the values that a pattern allows. */
#include "record/filter_impl.h"

#include "util/text.h"

/* A value with what is derived from it once, however many tests ask. */
struct subject {
    const struct leaf *leaf;
    bool number_known, comparable, address_known, is_address;
    struct decimal number;
    struct address address;
};

/* event-ruler compares numbers whose double is exactly as written (ComparableNumber.java), so those
 * of up to 15, often 17 digits; others are only ever equal to themselves as written. Here the
 * border is 17 digits and DynamoDB's exponents, and the comparison is by decimal text: exact,
 * without doubles. */
enum { NUMBER_DIGITS_MAX = 17 };

static bool comparable_number(struct subject *subject)
{
    if (!subject->number_known) {
        subject->number_known = true;
        subject->comparable = subject->leaf->kind == LEAF_NUMBER &&
                              decimal_parse(subject->leaf->text, &subject->number) == 0 &&
                              subject->number.digit_count <= NUMBER_DIGITS_MAX;
    }
    return subject->comparable;
}

static bool is_address(struct subject *subject)
{
    if (!subject->address_known) {
        subject->address_known = true;
        subject->is_address = subject->leaf->kind == LEAF_STRING &&
                              address_parse(subject->leaf->text, &subject->address);
    }
    return subject->is_address;
}

static bool number_equals(const struct test *test, struct subject *subject)
{
    if (test->comparable && comparable_number(subject))
        return decimal_cmp(&test->low, &subject->number) == 0;
    return subject->leaf->kind == LEAF_NUMBER && str_eq(test->text, subject->leaf->text);
}

static bool in_range(const struct test *test, struct subject *subject)
{
    if (!comparable_number(subject))
        return false;
    int low = test->has_low ? decimal_cmp(&subject->number, &test->low) : 1;
    int high = test->has_high ? decimal_cmp(&subject->number, &test->high) : -1;
    return (test->low_open ? low > 0 : low >= 0) && (test->high_open ? high < 0 : high <= 0);
}

/* Behind the folded characters at the start of `text`, or NULL. */
static const char *skip_folded(const struct test *test, weir_str text)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    for (uint32_t i = 0; i < test->count; i++) {
        uint32_t code;
        size_t used = utf8_decode(at, (size_t)(end - at), &code);
        if (used == 0 || (code != test->folded[i].lower && code != test->folded[i].upper))
            return NULL;
        at += used;
    }
    return at;
}

static bool folded_matches(const struct test *test, weir_str text)
{
    size_t skipped = text.len;
    if (text.len == 0)
        return test->count == 0;
    if (test->kind == T_SUFFIX_FOLDED) {
        /* As many characters from the end: both cases of a letter are one character. */
        for (uint32_t left = test->count; left > 0 && skipped > 0; left--)
            do
                skipped--;
            while (skipped > 0 && ((unsigned char)text.ptr[skipped] & 0xc0) == 0x80);
        text = (weir_str){text.ptr + skipped, text.len - skipped};
    }
    const char *end = skip_folded(test, text);
    return end && (test->kind == T_PREFIX_FOLDED || end == text.ptr + text.len);
}

static bool string_matches(const struct test *test, weir_str text)
{
    switch (test->kind) {
    case T_TEXT:
        return str_eq(text, test->text);
    case T_PREFIX:
        return str_starts(text, test->text);
    case T_SUFFIX:
        return str_ends(text, test->text);
    case T_WILDCARD:
        return wildcard_matches(test->parts, test->count, text);
    default:
        return folded_matches(test, text);
    }
}

static bool plain_matches(const struct test *test, struct subject *subject)
{
    switch (test->kind) {
    case T_RAW:
        return subject->leaf->kind == LEAF_WORD && str_eq(subject->leaf->text, test->text);
    case T_NUMBER:
        return number_equals(test, subject);
    case T_RANGE:
        return in_range(test, subject);
    case T_ADDRESS:
        return is_address(subject) && address_in(&subject->address, &test->from, &test->to);
    case T_EXISTS:
        return true;
    case T_ABSENT:
        return false;
    default:
        return subject->leaf->kind == LEAF_STRING && string_matches(test, subject->leaf->text);
    }
}

/* Whatever it is, as long as it is none of these: also null, and numbers against strings. */
static bool none_matches(const struct tests *tests, struct subject *subject)
{
    for (size_t i = 0; i < tests->count; i++)
        if (plain_matches(&tests->test[i], subject))
            return false;
    return true;
}

bool filter_leaf_matches(const struct tests *tests, const struct leaf *leaf)
{
    struct subject subject = {.leaf = leaf};
    for (size_t i = 0; i < tests->count; i++) {
        const struct test *test = &tests->test[i];
        if (test->kind == T_NONE_OF ? none_matches(test->none_of, &subject)
                                    : plain_matches(test, &subject))
            return true;
    }
    return false;
}
