#include "record/pass.h"

pass_parse pass_choose(void)
{
#ifdef WEIR_PASS_X86
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
        return record_parse_avx2;
#endif
    return record_parse;
}
