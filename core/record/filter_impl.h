/* Inside filter: what a compiled pattern looks like.
 *
 * A pattern is a set of branches, of which one must hold ("$or" makes several); a branch is a set
 * of paths, which all must; a path is an allowed set of values at one place of the event. Places
 * are nodes of a tree of names, shared by all branches, so that one walk over the event finds all
 * values that matter. */
#ifndef WEIR_RECORD_FILTER_IMPL_H
#define WEIR_RECORD_FILTER_IMPL_H
#include "record/filter.h"
#include "util/decimal.h"

enum {
    FILTER_PATTERN_BYTES = 4096, /* AWS's limit of one pattern */
    FILTERS_MAX = 10,            /* of one mapping, by quota; 5 without */
    FILTER_BRANCHES_MAX = 1000,  /* EventBridge's limit for "$or" */
    FILTER_PATHS_MAX = 256,      /* of one branch */
    FILTER_DEPTH_MAX = 128,
    FILTER_NO_NODE = -1
};

enum test_kind {
    T_TEXT,   /* a string, byte for byte */
    T_RAW,    /* true, false, null: as written */
    T_NUMBER, /* a number: equal in value; beyond what can be compared, as written */
    T_PREFIX,
    T_SUFFIX,
    T_FOLDED, /* equals-ignore-case */
    T_PREFIX_FOLDED,
    T_SUFFIX_FOLDED,
    T_WILDCARD,
    T_RANGE,   /* numeric */
    T_ADDRESS, /* cidr; also a plain string that is an IP address */
    T_EXISTS,
    T_ABSENT,
    T_NONE_OF /* anything-but */
};

struct fold_char { /* a character of the event may be either */
    uint32_t lower, upper;
};

struct address {
    uint8_t bytes[16];
    uint8_t len; /* 4 or 16 */
};

struct wild_part { /* literal text between two stars */
    weir_str text;
    uint32_t *fallback; /* how much of `text` still matches when it fails at a byte (KMP) */
};

struct test {
    uint8_t kind;
    bool low_open, high_open, has_low, has_high; /* RANGE */
    bool comparable;                             /* NUMBER: `low` holds it */
    uint16_t count;                              /* FOLDED: characters; WILDCARD: parts */
    weir_str text;
    struct decimal low, high;
    struct address from, to;
    const struct fold_char *folded;
    const struct wild_part *parts; /* first at the start of the value, last at its end */
    const struct tests *none_of;
};

struct tests {
    const struct test *test;
    size_t count;
    bool has_value_test; /* something else than {"exists": false} */
    bool may_be_absent;
};

struct path {
    int32_t node;
    const struct tests *tests;
};

struct branch {
    struct path *paths; /* sorted by name, as event-ruler takes them */
    size_t count;
};

struct name_node {
    weir_str step, name;            /* name: the steps down to here, joined by '.' */
    int32_t parent, child, sibling; /* FILTER_NO_NODE: none */
    bool ends;                      /* some path ends here */
};

struct filter {
    struct arena arena;
    struct name_node *nodes; /* 0 is the root */
    int32_t node_count, node_cap;
    struct branch *branches;
    size_t branch_count, branch_cap;
    bool match_all; /* {"Filters": []} */
};

/* ---- compiling ---- */
struct compiler {
    struct filter *filter;
    struct arena scratch;
    struct filter_note *notes;
    size_t notes_max;
    size_t *note_count;
    weir_str
        outer; /* the config's value, where the pattern is JSON inside a string; else ptr NULL */
    bool out_of_memory;
};

/* Records what is wrong with `value`. Returns false, for the caller to pass on. */
bool filter_refuse(struct compiler *compiler, const struct json_value *value, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));
void filter_warn(struct compiler *compiler, const struct json_value *value, const char *help,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
void *filter_alloc(struct compiler *compiler, size_t count, size_t bytes);
/* filter_values.c: the array of allowed values of one path, or NULL. */
const struct tests *filter_compile_values(struct compiler *compiler,
                                          const struct json_value *array);
/* filter_branch.c: adds the branches of one pattern object. */
bool filter_compile_pattern(struct compiler *compiler, const struct json_value *object);
/* filter_advice.c: warns of allowed values that can never match a DynamoDB record at this place. */
void filter_advise(struct compiler *compiler, int32_t node, const struct json_value *array);

/* ---- evaluating ---- */
enum leaf_kind { LEAF_STRING, LEAF_NUMBER, LEAF_WORD };
struct leaf {
    enum leaf_kind kind;
    weir_str text; /* strings: unescaped */
};
bool filter_leaf_matches(const struct tests *tests, const struct leaf *leaf);

/* What of an event a filter looks at, in the order of the text. */
enum tape_kind { TAPE_OBJECT, TAPE_ARRAY, TAPE_CLOSE, TAPE_LEAF };
struct tape_entry {
    int32_t node;
    uint8_t kind, leaf; /* enum tape_kind, enum leaf_kind */
    bool escaped;
    weir_str text;
};
enum { TAPE_FIXED = 96 };
struct tape {
    struct tape_entry *entries; /* `fixed`, or from mem_alloc when there are many */
    size_t count, cap;
    struct tape_entry fixed[TAPE_FIXED];
};
/* False when the text is not one JSON object, or memory ran out. */
bool filter_scan(const struct filter *filter, weir_str json, struct tape *tape);
/* Strings with escapes are compared without them. */
bool filter_entry_allowed(const struct tests *tests, const struct tape_entry *entry);
bool filter_branch_holds(const struct branch *branch, const struct tape *tape);

/* ---- pieces ---- */
bool address_parse(weir_str text, struct address *out);
/* "10.0.0.0/8" into its first and last address; NULL, or what is wrong. */
const char *address_parse_block(weir_str text, struct address *from, struct address *to);
bool address_in(const struct address *address, const struct address *from,
                const struct address *to);
bool wildcard_matches(const struct wild_part *parts, size_t count, weir_str text);
void wildcard_prepare(struct wild_part *part); /* fills part->fallback, of part->text.len places */
#endif
