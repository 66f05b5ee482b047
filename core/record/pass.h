/* The pass over one record, compiled for several instruction sets and chosen at run time. */
#ifndef WEIR_RECORD_PASS_H
#define WEIR_RECORD_PASS_H
#include "record/decode.h"

typedef const char *(*pass_parse)(struct decoder *d, const char *p, bool inner);
pass_parse pass_choose(void); /* the fastest record_parse that this processor has */
const char *record_parse_avx2(struct decoder *d, const char *p, bool inner);
#endif
