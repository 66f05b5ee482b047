/* Templates for what a sink sends: JSON in which a text that begins with `$.` stands for what it
 * names in the record. Paths and literals, no code. */
#ifndef WEIR_PLUGIN_TEMPLATE_H
#define WEIR_PLUGIN_TEMPLATE_H
#include "plugin/problem.h"
#include "util/buf.h"

enum { TEMPLATE_DEPTH_MAX = 32, TEMPLATE_VALUES_MAX = 1000 };

struct template;

/* `tree` as the config has it, interpolated; nothing of it is kept. 0, -ENOMEM, or -EINVAL with
 * problem->at and ->msg ("`$.nwe`: ..."). */
int template_new(const struct json_value *tree, struct template **out,
                 struct option_problem *problem);
void template_free(struct template *template); /* NULL is fine */
/* Images that its paths go into: WEIR_KEYS|OLD|NEW; `*whole`: it also shows records as a whole. */
uint32_t template_images(const struct template *template, bool *whole);
/* Appends what it makes of a record. A member whose path leads nowhere is left out; in a list, and
 * alone, it is null. 0, or as untyped_put_record(). */
int template_put(const struct template *template, const weir_host *host, const weir_record *record,
                 struct buf *out);
#endif
