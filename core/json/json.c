#include "json/json.h"

#include "json/scan.h"
#include "util/text.h"

#include <stdalign.h>
#include <stdio.h>

enum {
    NAMES_SCANNED =
        16,          /* up to so many names of an object, duplicates are found by looking at all */
    SHOWN_BYTES = 40 /* of a token, in a message */
};

struct slot {
    struct json_value *entry; /* NULL: free */
};

/* An object or array that is not closed yet. */
struct frame {
    struct json_value *container, *last;
    struct slot *names; /* open addressing, when there are more than NAMES_SCANNED */
    size_t name_slots;  /* a power of two, more than twice the names */
};

struct parser {
    struct arena *arena;
    const char *begin, *at, *end;
    const char *token; /* the last whole token: where it begins; it ends at token_end */
    const char *token_end;
    unsigned flags;
    size_t values_left;
    struct json_error *error;
    size_t depth;
    struct frame frames[JSON_DEPTH_MAX];
};

/* ---- errors ---- */

static void set_place(struct parser *parser, const char *at, size_t length)
{
    parser->error->offset = (size_t)(at - parser->begin);
    parser->error->length = length > 0 ? length : 1;
}

static bool fail_at(struct parser *parser, const char *at, size_t length, const char *reason)
{
    set_place(parser, at, length);
    snprintf(parser->error->msg, sizeof parser->error->msg, "%s", reason);
    return false;
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '.' || c == '+' || c == '-';
}

/* How many bytes at `at` a person would call one token. */
static size_t token_length(const struct parser *parser, const char *at)
{
    const char *to = at;
    if (at == parser->end)
        return 1;
    if (*at == '"' || *at == '\'') {
        for (to++; to < parser->end && *to != *at && *to != '\n'; to++)
            ;
        return (size_t)(to - at) + (to < parser->end && *to == *at);
    }
    while (to < parser->end && is_word(*to))
        to++;
    return to > at ? (size_t)(to - at) : 1;
}

static void show(char out[SHOWN_BYTES + 4], const char *from, const char *to)
{
    size_t len = (size_t)(to - from);
    size_t shown = len < SHOWN_BYTES ? len : SHOWN_BYTES;
    for (size_t i = 0; i < shown; i++)
        out[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
    memcpy(out + shown, "...", 4);
    if (shown == len)
        out[shown] = '\0';
}

static bool fail_expected(struct parser *parser, const char *what)
{
    char before[SHOWN_BYTES + 4] = "";
    const char *ends = parser->at == parser->end ? ", but the text ends" : "";
    if (parser->token < parser->token_end)
        show(before, parser->token, parser->token_end);
    set_place(parser, parser->at, token_length(parser, parser->at));
    snprintf(parser->error->msg, sizeof parser->error->msg, "expected %s%s%s%s", what,
             *before ? " after " : "", before, ends);
    return false;
}

/* A message about the token at parser->at, which is shown between two halves. */
static bool fail_token(struct parser *parser, const char *reason)
{
    char token[SHOWN_BYTES + 4];
    size_t length = token_length(parser, parser->at);
    show(token, parser->at, parser->at + length);
    set_place(parser, parser->at, length);
    snprintf(parser->error->msg, sizeof parser->error->msg, "%s %s", reason, token);
    return false;
}

static bool fail_scan(struct parser *parser, const struct json_scan_error *scan)
{
    size_t length = 1;
    if (scan->at < parser->end && (*scan->at == '\\' || is_word(*scan->at)))
        length = 1 + token_length(parser, scan->at + 1);
    if (*parser->at == '"' && scan->at == parser->end)
        return fail_at(parser, parser->at, token_length(parser, parser->at), scan->reason);
    return fail_at(parser, scan->at, length, scan->reason);
}

/* ---- blanks and comments ---- */

static bool skip_comment(struct parser *parser)
{
    const char *at = parser->at;
    size_t left = (size_t)(parser->end - at);
    if (!(parser->flags & JSON_COMMENTS))
        return fail_at(parser, at, left > 1 ? 2 : 1, "comments are not allowed here");
    if (left > 1 && at[1] == '/') {
        const char *stop = memchr(at, '\n', left);
        parser->at = stop ? stop + 1 : parser->end;
        return true;
    }
    if (left < 2 || at[1] != '*')
        return fail_at(parser, at, 1, "a comment begins with // or /*");
    for (const char *stop = at + 2; parser->end - stop >= 2; stop++)
        if (stop[0] == '*' && stop[1] == '/') {
            parser->at = stop + 2;
            return true;
        }
    return fail_at(parser, at, 2, "unfinished comment");
}

static bool skip_blanks(struct parser *parser)
{
    for (; parser->at < parser->end; parser->at++) {
        while (parser->at < parser->end && *parser->at == '/')
            if (!skip_comment(parser))
                return false;
        if (parser->at == parser->end)
            break;
        char c = *parser->at;
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            break;
    }
    return true;
}

/* ---- tokens ---- */

static bool take(struct parser *parser, char c)
{
    if (parser->at == parser->end || *parser->at != c)
        return false;
    parser->token = parser->at++;
    parser->token_end = parser->at;
    return true;
}

static bool scan_string(struct parser *parser, weir_str *raw, weir_str *text, bool *escaped)
{
    struct json_scan_error scan;
    const char *first = parser->at + 1;
    const char *quote = json_scan_string(first, parser->end, escaped, &scan);
    if (!quote)
        return fail_scan(parser, &scan);
    *raw = (weir_str){parser->at, (size_t)(quote + 1 - parser->at)};
    *text = (weir_str){first, (size_t)(quote - first)};
    if (*escaped) {
        char *plain = arena_alloc(parser->arena, text->len, 1);
        if (!plain)
            return fail_at(parser, parser->at, 1, "out of memory");
        text->len = json_unescape(*text, plain);
        text->ptr = plain;
    }
    parser->token = parser->at;
    parser->at = parser->token_end = quote + 1;
    return true;
}

static bool scan_plain(struct parser *parser, struct json_value *value, enum json_kind kind,
                       const char *to)
{
    value->kind = (uint8_t)kind;
    value->raw = value->text = (weir_str){parser->at, (size_t)(to - parser->at)};
    parser->token = parser->at;
    parser->at = parser->token_end = to;
    return true;
}

static bool scan_word(struct parser *parser, struct json_value *value, const char *what)
{
    static const struct {
        const char *word;
        enum json_kind kind;
    } known[] = {{"null", JSON_NULL}, {"false", JSON_FALSE}, {"true", JSON_TRUE}};
    weir_str word = {parser->at, token_length(parser, parser->at)};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_is(word, known[i].word))
            return scan_plain(parser, value, known[i].kind, word.ptr + word.len);
    if (*word.ptr == '\'')
        return fail_token(parser, "strings need double quotes:");
    return is_word(*word.ptr) ? fail_token(parser, "unknown word") : fail_expected(parser, what);
}

static bool open_container(struct parser *parser, struct json_value *value)
{
    if (parser->depth == JSON_DEPTH_MAX)
        return fail_at(parser, parser->at, 1, "nested deeper than 128 levels");
    parser->frames[parser->depth++] = (struct frame){.container = value};
    value->kind = *parser->at == '{' ? JSON_OBJECT : JSON_ARRAY;
    value->raw.ptr = parser->at;
    return take(parser, *parser->at);
}

/* Reads the value at parser->at, of an array or object only its bracket. */
static bool scan_value(struct parser *parser, struct json_value *value, const char *what)
{
    if (!skip_blanks(parser))
        return false;
    if (parser->at == parser->end)
        return fail_expected(parser, what);
    char c = *parser->at;
    if (c == '{' || c == '[')
        return open_container(parser, value);
    if (c == '"') {
        bool escaped;
        value->kind = JSON_STRING;
        if (!scan_string(parser, &value->raw, &value->text, &escaped))
            return false;
        value->escaped = escaped;
        return true;
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        struct json_scan_error scan;
        const char *to = json_scan_number(parser->at, parser->end, &scan);
        return to ? scan_plain(parser, value, JSON_NUMBER, to) : fail_scan(parser, &scan);
    }
    return scan_word(parser, value, what);
}

/* ---- containers ---- */

static struct json_value *new_entry(struct parser *parser, struct frame *frame)
{
    if (parser->values_left == 0) {
        fail_at(parser, parser->at, 1, "too many values");
        return NULL;
    }
    struct json_value *value =
        arena_alloc(parser->arena, sizeof *value, alignof(struct json_value));
    if (!value) {
        fail_at(parser, parser->at, 1, "out of memory");
        return NULL;
    }
    *value = (struct json_value){0};
    parser->values_left--;
    if (frame) {
        *(frame->last ? &frame->last->next : &frame->container->first) = value;
        frame->last = value;
        frame->container->size++;
    }
    return value;
}

/* The slot where `name` is or would be. Seeded with an address, so that prepared names do not pile
 * up in one place. */
static struct slot *name_slot(const struct frame *frame, weir_str name)
{
    uint64_t hash = hash_bytes(HASH_SEED ^ (uintptr_t)frame->container, name.ptr, name.len);
    hash ^= hash >> 29;
    hash *= 0xbf58476d1ce4e5b9ull;
    size_t slot = (size_t)(hash >> 32) & (frame->name_slots - 1);
    while (frame->names[slot].entry && !str_eq(frame->names[slot].entry->name, name))
        slot = (slot + 1) & (frame->name_slots - 1);
    return &frame->names[slot];
}

static bool grow_names(struct parser *parser, struct frame *frame)
{
    size_t slots = frame->name_slots ? frame->name_slots * 2 : (size_t)NAMES_SCANNED * 4;
    struct slot *names = arena_alloc(parser->arena, slots * sizeof *names, alignof(struct slot));
    if (!names)
        return fail_at(parser, parser->at, 1, "out of memory");
    memset(names, 0, slots * sizeof *names);
    frame->names = names;
    frame->name_slots = slots;
    for (struct json_value *entry = frame->container->first; entry; entry = entry->next)
        name_slot(frame, entry->name)->entry = entry;
    return true;
}

static struct json_value *find_name(const struct frame *frame, weir_str name)
{
    if (frame->names)
        return name_slot(frame, name)->entry;
    struct json_value *entry = frame->container->first;
    while (entry && !str_eq(entry->name, name))
        entry = entry->next;
    return entry;
}

/* An entry for `name`; that of an earlier member with the same name where the last one wins. */
static struct json_value *named_entry(struct parser *parser, struct frame *frame, weir_str name)
{
    bool keep_all = parser->flags & JSON_KEEP_DUPLICATES;
    if (!keep_all && frame->container->size >= NAMES_SCANNED &&
        frame->name_slots / 2 <= frame->container->size && !grow_names(parser, frame))
        return NULL;
    struct json_value *entry = keep_all ? NULL : find_name(frame, name);
    if (entry && !(parser->flags & JSON_LAST_WINS)) {
        parser->at = parser->token;
        fail_token(parser, "duplicate name");
        return NULL;
    }
    if (entry)
        *entry = (struct json_value){.next = entry->next};
    else
        entry = new_entry(parser, frame);
    if (entry) {
        entry->name = name;
        entry->name_at = parser->token;
        if (frame->names)
            name_slot(frame, name)->entry = entry;
    }
    return entry;
}

/* Reads `"name":` and returns the entry for its value. */
static struct json_value *scan_name(struct parser *parser, struct frame *frame, const char *what)
{
    weir_str raw, name;
    bool escaped;
    if (parser->at == parser->end || *parser->at != '"') {
        fail_expected(parser, what);
        return NULL;
    }
    if (!scan_string(parser, &raw, &name, &escaped))
        return NULL;
    struct json_value *entry = named_entry(parser, frame, name);
    if (!entry || !skip_blanks(parser))
        return NULL;
    if (!take(parser, ':')) {
        fail_expected(parser, "':'");
        return NULL;
    }
    return entry;
}

static void close_container(struct parser *parser, struct frame *frame)
{
    weir_str *raw = &frame->container->raw;
    raw->len = (size_t)(parser->at - raw->ptr);
    parser->depth--;
}

/* Goes from behind one value to where the next one begins: commas, names, closing brackets. NULL at
 * the end of the document and on an error; *failed tells them apart. */
static struct json_value *next_entry(struct parser *parser, bool *failed, const char **what)
{
    while (parser->depth > 0) {
        struct frame *frame = &parser->frames[parser->depth - 1];
        bool object = frame->container->kind == JSON_OBJECT;
        bool fresh = parser->token == frame->container->raw.ptr, comma = false;
        *failed = true;
        if (!skip_blanks(parser))
            return NULL;
        if (!fresh) {
            comma = take(parser, ',');
            if (comma && !skip_blanks(parser))
                return NULL;
        }
        bool may_close = !comma || (parser->flags & JSON_COMMENTS);
        if (may_close && take(parser, object ? '}' : ']')) {
            close_container(parser, frame);
            continue;
        }
        if (!fresh && !comma) {
            fail_expected(parser, object ? "',' or '}'" : "',' or ']'");
            return NULL;
        }
        *what = comma ? "a value" : "a value or ']'";
        struct json_value *entry =
            object ? scan_name(parser, frame,
                               comma ? "a name in double quotes" : "a name in double quotes or '}'")
                   : new_entry(parser, frame);
        if (object)
            *what = "a value";
        *failed = entry == NULL;
        return entry;
    }
    *failed = false;
    return NULL;
}

struct json_value *json_parse(struct arena *arena, weir_str text, unsigned flags, size_t max_values,
                              struct json_error *error)
{
    const char *begin = text.ptr ? text.ptr : "";
    struct parser parser;
    parser.arena = arena;
    parser.begin = parser.at = parser.token = parser.token_end = begin;
    parser.end = begin + text.len;
    parser.flags = flags;
    parser.values_left = max_values == 0           ? 1000000
                         : max_values < UINT32_MAX ? max_values
                                                   : UINT32_MAX;
    parser.error = error;
    parser.depth = 0;

    bool failed = false;
    const char *what = "a value";
    struct json_value *root = new_entry(&parser, NULL);
    for (struct json_value *value = root; value; value = next_entry(&parser, &failed, &what))
        if (!scan_value(&parser, value, what))
            return NULL;
    if (!root || failed || !skip_blanks(&parser))
        return NULL;
    if (parser.at < parser.end) {
        fail_expected(&parser, "the end of the text");
        return NULL;
    }
    return root;
}

bool json_valid(weir_str text)
{
    struct arena arena;
    struct json_error error;
    arena_init(&arena, 16 << 10);
    bool valid = json_parse(&arena, text, JSON_KEEP_DUPLICATES, 0, &error) != NULL;
    arena_done(&arena);
    return valid;
}
