/* A strict JSON reader that builds a tree in an arena: config files, answers of services, filter
 * patterns. (The record path has its own pass: record/decode.h.) */
#ifndef WEIR_JSON_JSON_H
#define WEIR_JSON_JSON_H
#include "util/arena.h"
#include "util/str.h"
#include <stdint.h>

enum json_kind {
    JSON_NONE,
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json_value {  /* lives in the arena given to json_parse; strings may point into the text */
    uint8_t kind;    /* enum json_kind */
    uint8_t escaped; /* 1: the raw string holds escapes */
    uint32_t size;   /* entries of an array or object */
    weir_str raw;    /* the value's bytes in the text; strings with their quotes */
    weir_str text;   /* strings: unescaped; numbers: as written; literals: as written */
    weir_str name;   /* as a member of an object: unescaped name */
    const char *name_at; /* where the name's opening quote stands in the text; NULL otherwise */
    struct json_value *first, *next; /* first entry; next sibling, in the order written */
};

enum {
    JSON_COMMENTS = 1,       /* allow // and block comments and trailing commas */
    JSON_LAST_WINS = 2,      /* of duplicate names keep the last; default: an error */
    JSON_KEEP_DUPLICATES = 4 /* keep all; the caller reports them */
};

struct json_error {
    size_t offset; /* byte where it went wrong */
    size_t length; /* bytes of the offending token, at least 1 */
    char msg[120]; /* "expected ',' or '}' after 100" */
};

enum { JSON_DEPTH_MAX = 128 };

/* Parses one whole document (RFC 8259, valid UTF-8, nothing behind it). Returns the root, or NULL
 * with *error filled (error->msg "out of memory" included). No recursion on input depth.
 * `max_values` 0 = 1,000,000. */
struct json_value *json_parse(struct arena *arena, weir_str text, unsigned flags, size_t max_values,
                              struct json_error *error);

/* Whether it is one whole document; duplicate names are allowed. */
bool json_valid(weir_str text);

const struct json_value *json_member(const struct json_value *object,
                                     weir_str name); /* exact; NULL-safe */
const struct json_value *json_member0(const struct json_value *object, const char *name);
const struct json_value *json_at(const struct json_value *array,
                                 size_t index); /* also members; NULL-safe */
weir_str json_text(const struct json_value *value,
                   const char *name); /* a string member, or len 0 */

/* 0, or -EINVAL (not a whole number) or -ERANGE. Accepts "12", "-3", also "1e3" and "5.0". */
int json_i64(const struct json_value *value, int64_t *out);

/* Line and column (both from 1, column in bytes) of an offset, and that line's extent. */
struct json_place {
    unsigned line, column;
    weir_str line_text;
};
struct json_place json_place(weir_str text, size_t offset);
#endif
