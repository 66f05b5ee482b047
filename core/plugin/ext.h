/* Extensions of the host table that the core brings itself. */
#ifndef WEIR_PLUGIN_EXT_H
#define WEIR_PLUGIN_EXT_H
#include <weir/ext/envelope.h>
#include <weir/ext/http.h>
#include <weir/ext/json.h>
#include <weir/ext/timer.h>
#include <weir/ext/work.h>
#include <stdbool.h>

struct world;

extern const weir_timer ext_timer_table;
extern const weir_work ext_work_table;
extern const weir_json ext_json_table;
extern const weir_http ext_http_table;
extern const weir_envelope ext_envelope_table;

/* An instance's timers. `world` NULL: nothing can be started. */
struct ext_timers *ext_timers_new(struct world *world); /* NULL when out of memory */
void ext_timers_free(struct ext_timers *timers);        /* drops those armed, without a call */

/* An instance's work. `drained` is called on the router each time that the last work is done, as
 * the last thing, so that it may free. */
struct ext_works *ext_works_new(struct world *world, void (*drained)(void *arg), void *arg);
bool ext_works_idle(const struct ext_works *works); /* NULL is idle */
void ext_works_free(struct ext_works *works);       /* only when idle; NULL is fine */

/* An instance's requests of weir.http/1 (see calls.h). NULL when out of memory. */
struct plugin_calls *ext_http_new(struct world *world);
#endif
