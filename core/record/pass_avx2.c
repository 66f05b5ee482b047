#define PASS(name) name##_avx2
#include "record/pass_variant.h"
