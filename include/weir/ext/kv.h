/* weir.kv/1: a few small values of a sink's own that outlive the process. They belong to the
 * pipeline, the sink's name and the plugin's, and no other sink sees them; they stay when the sink
 * goes from the configuration, and are there again when it comes back. Only a daemon with a state
 * file has them: elsewhere (Lambda, KCL, a file as the source, state.kind dynamodb or memory)
 * extension() returns NULL, and the sink does without or refuses in open(). It has to be asked for in
 * open(); later asking gives what open() was given. Where nothing may change (weir check, a dry run,
 * weir dead retry) there are no values, and put() is -ENOTSUP. All [loop]. */
#ifndef WEIR_EXT_KV_H
#define WEIR_EXT_KV_H
#include <weir/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_EXT_KV "weir.kv/1"

enum {
    WEIR_KV_KEYS_MAX = 1024,    /* of one sink */
    WEIR_KV_KEY_BYTES = 256,    /* 1 to 256, any bytes */
    WEIR_KV_VALUE_BYTES = 4096, /* 0 to 4096, any bytes */
    WEIR_KV_UNDERWAY_MAX = 1024 /* put() and drop() that are not told yet */
};

typedef struct weir_kv {
    uint32_t revision, struct_size; /* revision 1 */
    /* The value that is stored, without those not told yet: 1 and a view, or 0 = none. Views are
     * valid until the plugin's function returns. Costs no I/O; also in open(). */
    int32_t (*get)(weir_instance *, weir_str key, weir_str *value);
    /* The key behind `key` in the order of their bytes (of none: the first): 1 and a view, or 0. */
    int32_t (*next)(weir_instance *, weir_str key, weir_str *next);
    /* Stores a value, which replaces an earlier one; drop() removes a key, whether or not it is there.
     * Both are copied. done (optional) is called once, later: 0 = durable, it outlives a crash of the
     * process and of the machine; -errno = it may be there after the next start or not, but whole, and
     * get() still finds what was stored before. What is put in order is stored in order. Nothing is
     * called after close(), but what was put before is stored still.
     * 0 or -errno, then done is not called: -EINVAL a length, or in open(), which must change nothing;
     * -ENOSPC too many keys; -EAGAIN too many under way; -EPERM the state is not this process's (any
     * more); -ENOTSUP, -ENOMEM. */
    int32_t (*put)(weir_instance *, weir_str key, weir_str value,
                   void (*done)(void *arg, int32_t status), void *arg);
    int32_t (*drop)(weir_instance *, weir_str key, void (*done)(void *arg, int32_t status), void *arg);
} weir_kv;

#ifdef __cplusplus
}
#endif
#endif
