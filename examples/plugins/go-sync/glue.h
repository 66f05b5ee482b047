/* What Go can't do itself: call through the host's function pointers. */
#ifndef GLUE_H
#define GLUE_H
#include <weir/util.h>

weir_str glue_option(const weir_host *host, weir_instance *instance, const char *name);
void glue_option_error(const weir_host *host, weir_instance *instance, const char *name,
                       weir_str msg);
int32_t glue_watch(const weir_host *host, weir_instance *instance, const char *attribute);
weir_str glue_json(const weir_host *host, const weir_record *record, int32_t image,
                   const char *path);
void glue_log(const weir_host *host, weir_instance *instance, int32_t level, weir_str msg);
#endif
