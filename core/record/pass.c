#include "record/pass.h"

#include "record/stencil.h"

void pass_choose(struct decoder *d)
{
    d->parse = record_parse;
    d->apply = stencil_apply;
#ifdef WEIR_PASS_X86
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")) {
        d->parse = record_parse_avx2;
        d->apply = stencil_apply_avx2;
    }
#endif
}
