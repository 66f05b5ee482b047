/* What a sink sends of a record, in the forms of weir.envelope/1. By the host's table alone, so
 * that any host has the same. */
#ifndef WEIR_PLUGIN_ENVELOPE_H
#define WEIR_PLUGIN_ENVELOPE_H
#include "plugin/template.h"
#include <weir/ext/envelope.h>

enum { ENVELOPE_BYTES_MAX = 32 * 1024 * 1024 };

struct envelope {
    int32_t form;              /* WEIR_B_AWS to WEIR_B_TEMPLATE; 0: not opened */
    struct template *template; /* owned */
    struct buf text;           /* of the latest record or value */
};

/* What the options of `instance` say, or `form` where it is not WEIR_B_OPTIONS; `template`: its
 * option of that name as a tree, or NULL. Zeroed before. 0; -ENOMEM; -EINVAL with the option's name
 * and `problem` (at NULL: the option as a whole). */
int envelope_open(struct envelope *envelope, const weir_host *host, weir_instance *instance,
                  int32_t form, const struct json_value *template, const char **option,
                  struct option_problem *problem);
void envelope_close(struct envelope *envelope);
/* A subscription of the plugin, with the images that the form needs. */
weir_subscription envelope_subscription(const struct envelope *envelope, weir_subscription wants);
/* As in the table. */
int envelope_record(struct envelope *envelope, const weir_host *host, const weir_record *record,
                    weir_str *out);
int envelope_value(struct envelope *envelope, const weir_host *host, const weir_value *value,
                   weir_str *out);
#endif
