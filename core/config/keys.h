/* The table of keys: the single source for parsing, defaults, unknown-key refusal and help. */
#ifndef WEIR_CONFIG_KEYS_H
#define WEIR_CONFIG_KEYS_H
#include "config/load.h"

enum key_kind {
    KEY_STRING,   /* const char *; min 1 = not empty */
    KEY_PATH,     /* const char *, relative to the file's folder; "-" and "" stay */
    KEY_PATHS,    /* const char *const * of such */
    KEY_URL,      /* const char *, an endpoint; "" is NULL */
    KEY_SECRET,   /* const char *, never shown, and never written out in the file */
    KEY_BOOL,     /* bool */
    KEY_INT,      /* int64_t */
    KEY_DURATION, /* int64_t, ms */
    KEY_SIZE,     /* int64_t, bytes */
    KEY_TIME,     /* int64_t, us since the epoch */
    KEY_ENUM,     /* int: 1 + the place among choices */
    KEY_CHOICE,   /* const char *: one of choices */
    KEY_SWITCH,   /* bool: the second of two choices */
    KEY_STRINGS,  /* const char *const *, NULL-terminated, not empty */
    KEY_SECTION,  /* an object with the keys of `section`, in the same struct */
    KEY_OBJECT,   /* const struct json_value *: any object, checked elsewhere */
    /* From here on `special` reads the value; the kind says what may stand there. */
    KEY_NAME,     /* 1 to 64 of letters, digits, '.', '_', '-' */
    KEY_WORDS,    /* a list of some of choices */
    KEY_AUTO,     /* true, false or "auto" */
    KEY_URLS,     /* an object: an endpoint for each of choices */
    KEY_ROUTE,    /* one of choices, or an object with the keys of `section` */
    KEY_SECTIONS, /* an object: a name of yours to an object with the keys of `section` */
    KEY_LIST,     /* a list of objects with the keys of `section` */
    KEY_INPUTS,   /* one of those, or a list of them */
    KEY_COUNTS,   /* an object: a name to a whole number */
    KEY_LEVELS    /* an object: a name to one of choices */
};
#define KEY_NOWHERE SIZE_MAX /* checked, not stored */

struct apply {
    struct config *config;
    struct diags *diags;
    char **environ_block;
    bool no_memory;
};

struct key;
typedef void (*key_special)(struct apply *apply, const struct key *key,
                            const struct json_value *value, const char *where, void *base);

struct key {
    const char *name; /* NULL ends a table */
    enum key_kind kind;
    bool required;
    const char *fallback; /* as it would be written, strings without quotes; NULL = zero */
    int64_t min, max;     /* numbers, durations, sizes; both 0 = any */
    const char *choices;  /* "a|b|c" */
    size_t offset;        /* in struct config or struct sink_config; KEY_NOWHERE */
    const struct key *section;
    key_special special;
    const char *otherwise; /* what holds when it is not written and there is no fallback */
    const char *help;      /* one or two sentences */
    bool later; /* checked, but nothing uses it yet: said as a warning where it is written */
};
extern const struct key config_keys[]; /* of the file, into struct config */
extern const struct key sink_keys[];   /* of one sink, into struct sink_config */
extern const struct key route_keys[];  /* of on_exhausted and on_poison */
extern const struct key test_keys[];   /* of one of the tests, into struct test_config */

/* Fills `base` from the members of `object` (NULL: only defaults); reports every problem. `where`
 * is the end of "unknown key X in WHERE". */
void apply_section(struct apply *apply, const struct key *keys, const struct json_value *object,
                   const char *where, void *base);

/* Pieces that the specials share. */
void apply_wrong_type(struct apply *apply, const struct json_value *value, const char *wanted,
                      const char *help);
/* The place of a string among "a|b|c", or -1 after a report. */
int apply_choice(struct apply *apply, const struct json_value *value, const char *choices);
const char *apply_string(struct apply *apply,
                         const struct json_value *value); /* or NULL after a report */
const char *const *apply_strings(struct apply *apply, const struct json_value *value);
void apply_unknown(struct apply *apply, const struct json_value *member, const char *where,
                   const char *const *known);
/* Warns that a key, or with `instead` (what happens now) its value, is not used by this release. */
void apply_later(struct apply *apply, const struct json_value *value, const char *instead);
const char *apply_format(struct apply *apply, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* in the arena; "" without memory */
void *apply_alloc(struct apply *apply, size_t count,
                  size_t bytes); /* zeroed, in the arena; or NULL, no_memory set */
const char *const *split_choices(struct apply *apply, const char *choices); /* NULL-terminated */
bool name_ok(weir_str name); /* 1 to 64 of letters, digits, '.', '_', '-' */

/* Specials (core/config/special.c, tests.c). */
void special_name(struct apply *, const struct key *, const struct json_value *, const char *,
                  void *);
void special_endpoints(struct apply *, const struct key *, const struct json_value *, const char *,
                       void *);
void special_on_poison(struct apply *, const struct key *, const struct json_value *, const char *,
                       void *);
void special_on_exhausted(struct apply *, const struct key *, const struct json_value *,
                          const char *, void *);
void special_events(struct apply *, const struct key *, const struct json_value *, const char *,
                    void *);
void special_ttl(struct apply *, const struct key *, const struct json_value *, const char *,
                 void *);
void special_filter(struct apply *, const struct key *, const struct json_value *, const char *,
                    void *);
void special_emf(struct apply *, const struct key *, const struct json_value *, const char *,
                 void *);
void special_levels(struct apply *, const struct key *, const struct json_value *, const char *,
                    void *);
void special_sinks(struct apply *, const struct key *, const struct json_value *, const char *,
                   void *);
void special_tests(struct apply *, const struct key *, const struct json_value *, const char *,
                   void *);
void special_inputs(struct apply *, const struct key *, const struct json_value *, const char *,
                    void *);
void special_counts(struct apply *, const struct key *, const struct json_value *, const char *,
                    void *);

/* admin.listen taken apart (core/config/listen.c). */
void rules_listen(struct apply *apply);

/* The rules between keys, after all were read (core/config/rules.c). */
void config_rules(struct apply *apply);
#endif
