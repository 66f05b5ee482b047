/* The execution environments of one function: as many as are busy at once, each a bootstrap under a
 * Runtime API of its own, on a thread of its own. */
#ifndef WEIR_CLI_ENVIRONMENTS_H
#define WEIR_CLI_ENVIRONMENTS_H
#include "cli/runtime_host.h"
#include "esm/delivery.h"

enum { ENVIRONMENTS_MAX = 10 }; /* at a time; further invocations wait for one */

struct environments;
/* `config` and what it points at, and `clock`, outlive them. All on the loop's thread. 0, -ENOMEM
 */
int environments_new(const struct host_config *config, int64_t timeout_ms,
                     const struct clock *clock, struct environments **out);
void environments_free(struct environments *all); /* no invocation may be open */
void environments_function(struct environments *all, struct esm_function *out);
size_t environments_count(const struct environments *all);    /* ever needed at once */
int64_t environments_peak_kb(const struct environments *all); /* of the largest one; 0 = unknown */
#endif
