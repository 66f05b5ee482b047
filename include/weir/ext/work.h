/* weir.work/1: run blocking work on a pool thread. */
#ifndef WEIR_EXT_WORK_H
#define WEIR_EXT_WORK_H
#include <weir/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_EXT_WORK "weir.work/1"

typedef struct weir_work {
    uint32_t revision, struct_size; /* revision 1 */
    /* run(arg) on a pool thread, then done(arg) on the loop. Work of one instance runs one at a time,
     * in the order submitted, so that it needs no lock against itself. close() comes after the last
     * done(). 0 or -errno (nothing is called then). [loop] */
    int32_t (*submit)(weir_instance *, void (*run)(void *arg), void (*done)(void *arg), void *arg);
} weir_work;

#ifdef __cplusplus
}
#endif
#endif
