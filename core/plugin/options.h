/* Options of a plugin: is its table sound, and do the values of a config fit it. */
#ifndef WEIR_PLUGIN_OPTIONS_H
#define WEIR_PLUGIN_OPTIONS_H
#include "json/json.h"
#include "plugin/instance.h"

/* What is wrong with one entry of a plugin's table, or NULL. Static text. */
const char *option_fault(const weir_option *table, const weir_option *option);
const char *subscription_fault(const weir_subscription *subscription);

/* "250ms", "5s", "15m", "24h": false when it is none of these or does not fit. */
bool duration_parse(weir_str text, int64_t *out_ms);
/* "512B", "64KiB", "8MiB", "1GiB". */
bool size_parse(weir_str text, int64_t *out_bytes);

struct option_value {
    bool set;
    int64_t number; /* INT, BOOL, DURATION_MS, SIZE_BYTES; ENUM: index in choices */
    char *text;     /* STRING, PATH, ENUM, JSON: owned, NUL-terminated */
    size_t text_bytes;
};

struct option_set { /* values[i] belongs to table[i]; immutable once made, so readable from any
                       thread */
    const weir_option *table;
    size_t count;
    struct option_value values[];
};

/* Appends the JSON text of a tree as it stands now: interpolated, without comments. 0 or -ENOMEM /
 * -EMSGSIZE. */
int option_json_write(const struct json_value *value, struct buf *out);

/* Converts one value. 0; -EINVAL with `problem` filled; -ENOMEM. A value of a secret option is
 * never part of the problem's text. */
int option_convert(const weir_option *option, const struct json_value *value,
                   struct option_value *out, struct option_problem *problem);

/* Reads `options` (an object, or NULL) against `table` (may be NULL). Reports every problem; `sink`
 * is for the messages. 0 and *out (free with option_set_free), -EINVAL (all were reported),
 * -ENOMEM. */
int option_set_new(const weir_option *table, const char *sink, const struct json_value *options,
                   option_problem_cb report, void *arg, struct option_set **out);
void option_set_free(struct option_set *set); /* NULL is fine; wipes secrets */
/* Makes relative PATH options absolute below `dir`; before the plugin sees them. 0 or -ENOMEM. */
int option_set_resolve(struct option_set *set, const char *dir);
/* NULL when no option has this name. */
const struct option_value *option_find(const struct option_set *set, const char *name,
                                       const weir_option **option);
/* Appends `text` with every value of a secret option replaced by "***". */
int option_redact(const struct option_set *set, weir_str text, struct buf *out);
#endif
