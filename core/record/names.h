/* No name may stand twice in a map: the parsers of this world disagree on which of the two counts.
 */
#ifndef WEIR_RECORD_NAMES_H
#define WEIR_RECORD_NAMES_H
#include "record/decode.h"

/* Are the names of `map`'s `count` entries all different, by what they mean? `escaped`: some are.
 * Linear whatever the names are. False also when out of memory (d->out_of_memory). */
bool names_unique(struct decoder *d, const struct node *map, uint32_t count, bool escaped);
#endif
