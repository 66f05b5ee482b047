/* Problems found in a configuration: collected, sorted by position, shown all at once. */
#ifndef WEIR_CONFIG_DIAG_H
#define WEIR_CONFIG_DIAG_H
#include "json/json.h"
#include "util/arena.h"
#include "util/buf.h"

enum { DIAG_SHOWN_MAX = 20, DIAG_KEPT_MAX = 1000, DIAG_SECRETS_MAX = 64 };

/* One problem; its texts live in the diags' arena. */
struct diag {
    bool warning;
    bool hidden;           /* neither this nor another problem shows its line: it holds a secret */
    const char *code;      /* "W0101"; see diag_codes */
    const char *file;      /* as the user named it, "--set", or NULL */
    unsigned line, column; /* from 1, columns in bytes; 0 = the file as a whole */
    unsigned end_column;   /* behind the last marked byte of that line */
    const char *line_text; /* cut around the mark; printable */
    unsigned mark_at, mark_width; /* where the carets stand in line_text, in characters */
    const char *message, *help, *note, *replacement; /* the last three may be NULL */
    size_t rank, offset, length;                     /* order: of its text, and in it */
};

/* A text in which problems may be placed: the file, or one --set argument. */
struct diag_text {
    struct diag_text *next;
    const char *name;
    weir_str text;
    size_t rank;
};

struct diags {
    struct arena arena;
    struct diag_text *texts;
    struct diag **items;
    size_t count, cap;
    size_t errors, warnings; /* all of them, kept or not */
    const char *subject;     /* the file named by the closing line; NULL = none was found */
    weir_str secrets[DIAG_SECRETS_MAX]; /* replaced by *** in every message */
    size_t secret_count;
    struct diag spare; /* what diag_add returns when memory or room ran out */
};

void diags_init(struct diags *diags);
void diags_done(struct diags *diags);

/* Copies name and text; the views given to diag_add must point into `text` itself, which must stay
 * alive while problems are added. 0 or -ENOMEM. */
int diags_add_text(struct diags *diags, const char *name, weir_str text);
/* From now on no place is looked for: the texts may be freed. */
void diags_forget_texts(struct diags *diags);
/* Copies; texts shorter than 4 bytes are not hidden. */
void diags_add_secret(struct diags *diags, weir_str text);

/* Nothing is added where an interpolation went wrong (W0110 to W0112): its value is nobody's. */
/* Adds a problem at `at`, a view into one of the texts (STR_NONE, or any other memory: the subject
 * as a whole). Never NULL; the result lives as long as the diags. */
struct diag *diag_add(struct diags *diags, bool warning, const char *code, weir_str at,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));
#define diag_error(diags, code, at, ...)   diag_add(diags, false, code, at, __VA_ARGS__)
#define diag_warning(diags, code, at, ...) diag_add(diags, true, code, at, __VA_ARGS__)
void diag_help(struct diags *diags, struct diag *diag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What to type instead of the marked token; shown by --json, so that editors can apply it. */
void diag_replace(struct diags *diags, struct diag *diag, const char *replacement);
/* The line is not shown: it holds a secret. */
void diag_hide_line(struct diag *diag);
/* Says where something else stands: "first defined at weir.json:22:5". */
void diag_note_at(struct diags *diags, struct diag *diag, const char *what, weir_str at);

weir_str diag_name_of(const struct json_value *member); /* its name, with quotes, in the text */
weir_str diag_value_of(const struct json_value *value); /* the value as written */

/* Sorts, then prints at most DIAG_SHOWN_MAX problems, a count of the rest and, when there are
 * errors, the closing line `error: 2 errors in weir.json; OUTCOME`. */
int diags_print(struct diags *diags, const char *outcome, struct buf *out);
/* The same as one JSON document: {"ok":..,"errors":..,"warnings":..,"problems":[...]}. All of them.
 */
int diags_print_json(struct diags *diags, struct buf *out);

/* Every code with what it means and what to do, ordered; ends with a NULL code. */
struct diag_code {
    const char *code, *meaning, *remedy;
};
extern const struct diag_code diag_codes[];
#endif
