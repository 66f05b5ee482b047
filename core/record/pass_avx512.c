#define PASS(name) name##_avx512
#include "record/pass_variant.h"
