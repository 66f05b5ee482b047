/* One strict pass over an event's text, which writes down the values at places that the filter
 * names. */
#include "record/filter_impl.h"

#include "json/scan.h"
#include "util/alloc.h"
#include "util/text.h"

struct open {
    int32_t node; /* place of the container; FILTER_NO_NODE: nobody asks */
    bool array;
};

struct scanner {
    const struct filter *filter;
    struct tape *tape;
    const char *at, *end;
    size_t depth;
    struct open open[FILTER_DEPTH_MAX];
};

static bool grow(struct tape *tape)
{
    size_t cap = tape->cap * 2;
    bool fixed = tape->entries == tape->fixed;
    struct tape_entry *grown = mem_realloc(fixed ? NULL : tape->entries, cap * sizeof *grown);
    if (!grown)
        return false;
    if (fixed)
        memcpy(grown, tape->fixed, sizeof tape->fixed);
    tape->entries = grown;
    tape->cap = cap;
    return true;
}

static bool write_down(struct tape *tape, struct tape_entry entry)
{
    if (tape->count == tape->cap && !grow(tape))
        return false;
    tape->entries[tape->count++] = entry;
    return true;
}

/* ---- names to places ---- */

static int32_t child_named(const struct filter *filter, int32_t node, weir_str step)
{
    int32_t child = filter->nodes[node].child;
    while (child != FILTER_NO_NODE && !str_eq(filter->nodes[child].step, step))
        child = filter->nodes[child].sibling;
    return child;
}

/* A name with dots is as good as names inside each other: event-ruler joins all by dots. */
static int32_t descend(const struct filter *filter, int32_t node, weir_str name)
{
    while (node != FILTER_NO_NODE) {
        const char *dot = name.len > 0 ? memchr(name.ptr, '.', name.len) : NULL;
        size_t len = dot ? (size_t)(dot - name.ptr) : name.len;
        node = child_named(filter, node, (weir_str){name.ptr, len});
        if (!dot)
            return node;
        name = (weir_str){dot + 1, name.len - len - 1};
    }
    return node;
}

/* Names that are longer than any pattern can't be in one. */
static int32_t place_of_name(const struct scanner *scanner, int32_t node, weir_str raw,
                             bool escaped)
{
    char plain[FILTER_PATTERN_BYTES];
    if (node == FILTER_NO_NODE || raw.len > sizeof plain)
        return FILTER_NO_NODE;
    if (escaped)
        raw = (weir_str){plain, json_unescape(raw, plain)};
    return descend(scanner->filter, node, raw);
}

/* ---- tokens ---- */

static inline bool blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool skip_blanks(struct scanner *scanner)
{
    while (scanner->at < scanner->end && blank(*scanner->at))
        scanner->at++;
    return scanner->at < scanner->end;
}

static bool take(struct scanner *scanner, char c)
{
    bool there = skip_blanks(scanner) && *scanner->at == c;
    scanner->at += there;
    return there;
}

static bool scan_leaf(struct scanner *scanner, struct tape_entry *leaf)
{
    static const weir_str words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    struct json_scan_error error;
    const char *start = scanner->at, *end = scanner->end;
    if (*start == '"') {
        const char *quote = json_scan_string(start + 1, end, &leaf->escaped, &error);
        if (!quote)
            return false;
        leaf->leaf = LEAF_STRING;
        leaf->text = (weir_str){start + 1, (size_t)(quote - start - 1)};
        scanner->at = quote + 1;
        return true;
    }
    if (*start == '-' || (*start >= '0' && *start <= '9')) {
        const char *behind = json_scan_number(start, end, &error);
        if (!behind)
            return false;
        leaf->leaf = LEAF_NUMBER;
        leaf->text = (weir_str){start, (size_t)(behind - start)};
        scanner->at = behind;
        return true;
    }
    leaf->leaf = LEAF_WORD;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_starts((weir_str){start, (size_t)(end - start)}, words[i])) {
            leaf->text = (weir_str){start, words[i].len};
            scanner->at += words[i].len;
            return true;
        }
    return false;
}

static bool scan_value(struct scanner *scanner, int32_t node)
{
    if (!skip_blanks(scanner))
        return false;
    struct tape_entry entry = {.node = node, .kind = TAPE_LEAF};
    char c = *scanner->at;
    if (c == '{' || c == '[') {
        if (scanner->depth == FILTER_DEPTH_MAX)
            return false;
        scanner->open[scanner->depth++] = (struct open){node, c == '['};
        scanner->at++;
        entry.kind = c == '[' ? TAPE_ARRAY : TAPE_OBJECT;
    } else if (!scan_leaf(scanner, &entry)) {
        return false;
    } else if (node != FILTER_NO_NODE && !scanner->filter->nodes[node].ends) {
        return true;
    }
    return node == FILTER_NO_NODE || write_down(scanner->tape, entry);
}

/* Closes all containers that end here. *more: another entry follows. */
static bool close_ended(struct scanner *scanner, bool fresh, bool *more)
{
    *more = false;
    while (scanner->depth > 0) {
        const struct open *top = &scanner->open[scanner->depth - 1];
        if (take(scanner, top->array ? ']' : '}')) {
            struct tape_entry entry = {.node = top->node, .kind = TAPE_CLOSE};
            if (top->node != FILTER_NO_NODE && !write_down(scanner->tape, entry))
                return false;
            scanner->depth--;
            fresh = false;
            continue;
        }
        *more = true;
        return fresh || take(scanner, ',');
    }
    return true;
}

static bool scan_entry(struct scanner *scanner)
{
    const struct open *top = &scanner->open[scanner->depth - 1];
    struct json_scan_error error;
    bool escaped;
    if (top->array)
        return scan_value(scanner, top->node);
    if (!take(scanner, '"'))
        return false;
    const char *name = scanner->at;
    const char *quote = json_scan_string(name, scanner->end, &escaped, &error);
    if (!quote)
        return false;
    scanner->at = quote + 1;
    weir_str raw = {name, (size_t)(quote - name)};
    int32_t node = place_of_name(scanner, top->node, raw, escaped);
    return take(scanner, ':') && scan_value(scanner, node);
}

bool filter_scan(const struct filter *filter, weir_str json, struct tape *tape)
{
    struct scanner scanner;
    scanner.filter = filter;
    scanner.tape = tape;
    scanner.at = json.ptr;
    scanner.end = json.ptr + json.len;
    scanner.depth = 0;
    bool more = true;
    if (!skip_blanks(&scanner) || *scanner.at != '{' || !scan_value(&scanner, 0))
        return false;
    for (bool fresh = true; more;) {
        if (!close_ended(&scanner, fresh, &more))
            return false;
        size_t depth = scanner.depth;
        if (more && !scan_entry(&scanner))
            return false;
        fresh = scanner.depth > depth;
    }
    return !skip_blanks(&scanner);
}
