/* Where records lie that `weir plugin check` gives: in memory that is read-only while the plugin
 * has them and gone once their delivery is completed, so that who writes into them, or reads on,
 * is stopped there and named. It belongs to the process, as signal handlers do.
 *
 * Covered are the records, their values, and all text that stands as it was received. Text that the
 * host makes on demand (unescaped, decoded from base64, keys, identities) lies in the heap, where
 * AddressSanitizer looks. */
#ifndef WEIR_KIT_GUARD_H
#define WEIR_KIT_GUARD_H
#include "plugin/instance.h"

struct guard; /* of one delivery */

/* From here on a fault in such memory is written to `out`, as a line of the check's report, and
 * ends the process; every other fault takes its old way. Without memory for it nothing is guarded.
 */
void guard_start(int out);
/* What such a line says the check was about to do. Not while a plugin's call is under way. */
void guard_doing(const char *scenario, uint64_t seed);

/* A sink just opened, whose completions then count at once, and not only when the host's thread
 * comes to them: who reads on after complete(), in the same call, is seen. A plugin with a copy of
 * the host's table is seen later. */
void guard_watch(weir_instance *instance);
/* Moves the records of a delivery that is not yet open. NULL: they stay where they are. */
struct guard *guard_take(weir_delivery *delivery);
void guard_end(struct guard *guard); /* its delivery is completed, or nobody's. NULL is fine */
#endif
