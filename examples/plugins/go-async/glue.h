/* What Go can't do itself: call through the host's function pointers. */
#ifndef GLUE_H
#define GLUE_H
#include <weir/util.h>

weir_str glue_option(const weir_host *host, weir_instance *instance, const char *name);
void glue_declare(const weir_host *host, weir_instance *instance, int32_t what, weir_str value);
uint64_t glue_token(const weir_host *host, const weir_delivery *delivery);
size_t glue_count(const weir_host *host, const weir_delivery *delivery);
weir_str glue_field(const weir_host *host, const weir_delivery *delivery, size_t i, int32_t which);
void glue_complete_rest(const weir_host *host, weir_instance *instance, uint64_t token,
                        int32_t outcome, weir_str reason);
#endif
