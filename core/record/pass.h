/* The pass over one record, compiled for several instruction sets and chosen at run time. */
#ifndef WEIR_RECORD_PASS_H
#define WEIR_RECORD_PASS_H
#include "record/decode.h"

void pass_choose(struct decoder *d); /* sets d->parse and d->apply */
const char *record_parse_avx2(struct decoder *d, const char *p, bool inner);
const char *stencil_apply_avx2(struct decoder *d, const char *p);
#endif
