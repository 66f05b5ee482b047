/* The plugin ABI of weir, major 1. This is all that a sink needs.
 *
 * Threads: [loop] = the host's router thread, one call at a time; [any] = any thread, concurrently;
 * [open] = only inside open(). Text is UTF-8 and not NUL-terminated unless said. Data reached from a
 * delivery lives until the delivery's last record is completed, also after cancel(). No exception,
 * panic or longjmp may cross a call. Pointers are non-NULL unless marked optional.
 *
 * Within a major, structs only grow at the end; a member's meaning never changes. Test a member that
 * came later with WEIR_HAS. */
#ifndef WEIR_PLUGIN_H
#define WEIR_PLUGIN_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_ABI(major, minor) (((uint32_t)(major) << 16) | (uint32_t)(minor))
#define WEIR_ABI_CURRENT       WEIR_ABI(1, 1)
#define WEIR_EXPORT            __attribute__((visibility("default")))
#define WEIR_HAS(p, m) /* is the other side's struct long enough to hold member m? */              \
    ((p)->struct_size >= (size_t)((const char *)&(p)->m - (const char *)(p)) + sizeof((p)->m))

typedef struct weir_instance weir_instance; /* one configured sink, host owned */
typedef struct weir_delivery weir_delivery; /* records of one batch, given to one sink */
typedef struct weir_record weir_record;     /* one stream record in a delivery, immutable */
typedef struct weir_value weir_value;       /* one attribute value, immutable */

typedef struct weir_str {
    const char *ptr;
    size_t len;
} weir_str;

/* Event names; values are bits. */
enum { WEIR_INSERT = 1, WEIR_MODIFY = 2, WEIR_REMOVE = 4 };
/* Images; values are bits. */
enum { WEIR_KEYS = 1, WEIR_OLD = 2, WEIR_NEW = 4 };
/* Types of a value, as DynamoDB names them. */
enum {
    WEIR_T_NONE, WEIR_T_S, WEIR_T_N, WEIR_T_B, WEIR_T_BOOL, WEIR_T_NULL, WEIR_T_M, WEIR_T_L,
    WEIR_T_SS, WEIR_T_NS, WEIR_T_BS
};
enum { WEIR_LOG_ERROR = 1, WEIR_LOG_WARN, WEIR_LOG_INFO, WEIR_LOG_DEBUG };
/* What became of one record. 0 and unknown values are treated as WEIR_RETRY, so that a zeroed
 * variable never acknowledges. */
enum {
    WEIR_OK = 1,    /* stored */
    WEIR_SKIP,      /* not for us; finished */
    WEIR_RETRY,     /* this record, counted; the unfinished later ones of its lane wait */
    WEIR_FAIL,      /* this record, for good: goes to on_exhausted */
    WEIR_DOWN       /* the sink itself: held and probed, not counted as an attempt */
};
/* Text fields of a record. Length 0 = the record has none. */
enum {
    WEIR_F_EVENT_ID = 1,
    WEIR_F_SEQUENCE,      /* decimal digits as received */
    WEIR_F_IDENTITY,      /* stream ARN, '/', sequence number; Kinesis input: the eventID. The dedupe key */
    WEIR_F_STREAM_ARN,
    WEIR_F_TABLE,
    WEIR_F_SHARD,         /* empty in Lambda */
    WEIR_F_ITEM_KEY,      /* canonical bytes of Keys: equal keys, equal bytes */
    WEIR_F_TTL_DELETE,    /* "1" when DynamoDB's TTL removed the item */
    WEIR_F_RAW_JSON,      /* the record's bytes as received */
    WEIR_F_EVENT_JSON,    /* the record in the shape Lambda gets, from any source */
    WEIR_F_DEAD_SINK,     /* only in a delivery of dead letters: who gave up, ... */
    WEIR_F_DEAD_REASON,   /* ... why, ... */
    WEIR_F_DEAD_ATTEMPTS, /* ... after how many attempts (decimal) */
    WEIR_F_DEAD_JSON,     /* the whole dead letter: EVENT_JSON with reason, sink, attempts, times */
    WEIR_F_EVENT_NAME     /* as received: also a name that event() shows as 0 */
};
/* Types of an option. DURATION_MS is written "250ms", "5s", "15m", "24h"; SIZE_BYTES "64KiB", "8MiB". */
enum {
    WEIR_O_STRING, WEIR_O_INT, WEIR_O_BOOL, WEIR_O_DURATION_MS, WEIR_O_ENUM, WEIR_O_JSON,
    WEIR_O_SIZE_BYTES,
    WEIR_O_PATH /* a file; relative ones are relative to the config file, as option_str gives them */
};
enum { WEIR_O_REQUIRED = 1, WEIR_O_SECRET = 2 /* redacted everywhere */ };
/* weir_plugin.flags */
enum {
    WEIR_P_KEEPS_ORDER = 1, /* gets whole runs of a lane in one delivery and keeps their order: never
                               completes WEIR_OK after a non-OK of the same lane() in one delivery */
    WEIR_P_ORDER_NONE = 2   /* order between records does not matter to this sink: default order none */
};
/* weir_plugin.repeats: what a second delivery of the same record does. */
enum {
    WEIR_R_NONE = 0,   /* a second copy */
    WEIR_R_KEYED = 1,  /* a second copy that carries a key to drop it by */
    WEIR_R_NATIVE = 2  /* nothing: the same record is stored once */
};
/* host->declare: facts about what this instance touches, for checks, plans and messages. */
enum {
    WEIR_D_WRITES_TABLE = 1, /* a DynamoDB table name or ARN: the loop guard compares it */
    WEIR_D_TARGET,           /* one short phrase for messages: `table PriceHistory`, `queue orders.fifo`; of
                                `server https://host:port` weir doctor asks whether it answers */
    WEIR_D_IAM,              /* "dynamodb:PutItem <resource>": an action that this instance needs */
    WEIR_D_ORDER             /* "none", "item" or "shard": the default order of this instance, where it depends
                                on its options (a FIFO queue or not); the config's `order` goes before */
};

typedef struct weir_option {      /* an array of these ends with name == NULL; frozen layout */
    const char *name, *fallback;  /* fallback: the default as JSON text, or NULL */
    int32_t type;                 /* WEIR_O_* */
    uint32_t flags;               /* WEIR_O_REQUIRED, WEIR_O_SECRET */
    const char *choices, *help;   /* "a|b|c" for ENUM; one sentence */
} weir_option;

typedef struct weir_subscription {
    uint32_t struct_size, events, images; /* images read; others may be absent */
    uint32_t changed_only;                /* 1: only records where a listed attribute differs
                                             between the images (a missing side differs) */
    const char *const *attributes;        /* NULL-terminated paths; NULL = whole item.
                                             changed_only 0: at least one must be present */
} weir_subscription;

typedef struct weir_entry { /* host->walk: one value below another; frozen layout */
    const weir_value *value;
    weir_str name, text; /* name: of an M's entry, else length 0; text: what host->text says */
    int32_t type;        /* WEIR_T_* */
    uint32_t below;      /* how many of the next ones are below this one */
} weir_entry;

typedef struct weir_host { /* append only; valid until close() returns */
    uint32_t abi, struct_size;
    void (*log)(weir_instance *, int32_t level, weir_str msg); /* [any] copies */

    /* Options, as declared in weir_plugin.options and validated by the host. [loop] They return 1
     * when the option is set or has a fallback, else 0 and leave *out alone. Text is NUL-terminated
     * and lives until close(). option_i64 serves INT, BOOL (0, 1), DURATION_MS, SIZE_BYTES; for ENUM the index in
     * `choices`. option_str serves STRING, PATH, ENUM, and JSON (its text). */
    int32_t (*option_str)(weir_instance *, const char *name, weir_str *out);
    int32_t (*option_i64)(weir_instance *, const char *name, int64_t *out);
    /* Says that an option's value will not do; open() must then return -EINVAL. [open] */
    void (*option_error)(weir_instance *, const char *name, weir_str msg);
    int32_t (*subscribe)(weir_instance *, const weir_subscription *); /* [open] copies; 0 or -errno */
    void (*declare)(weir_instance *, int32_t what, weir_str value);   /* [open] WEIR_D_*, copies */
    /* A table from weir/ext/, or NULL where this host has none. weir.aws/1 has to be asked for in
     * open(), so that checks see who calls AWS; later asking gives what open() was given. [any] */
    const void *(*extension)(weir_instance *, const char *id);

    /* Records and values: from here on [any]. */
    size_t (*count)(const weir_delivery *);
    const weir_record *(*at)(const weir_delivery *, size_t i);
    int64_t (*remaining_ms)(const weir_delivery *); /* until the delivery is revoked; >= 0 */
    int32_t (*event)(const weir_record *);          /* WEIR_INSERT, _MODIFY, _REMOVE; 0 = another name */
    int64_t (*created_us)(const weir_record *, int32_t *precision); /* unix us; precision of the source:
                                             1 s, 2 ms, 3 us, 0 none; neither unique nor monotonic */
    uint32_t (*images)(const weir_record *); /* WEIR_KEYS|OLD|NEW that this record has */
    uint64_t (*lane)(const weir_record *);   /* equal = must keep order, for this sink */
    weir_str (*field)(const weir_record *, int32_t which); /* WEIR_F_*; len 0 = none */
    const weir_value *(*image)(const weir_record *, int32_t image); /* a whole image as an M, or NULL */
    const weir_value *(*attr)(const weir_record *, int32_t image, const char *path); /* or NULL; NUL-terminated
                                             `a.b[0]`; names holding . or [ as `['x.y']` */
    size_t (*size)(const weir_value *); /* entries of M, L or a set; else 0 */
    const weir_value *(*entry)(const weir_value *, size_t i, weir_str *name); /* in the order received;
                                             name (optional) only for M */
    int32_t (*type)(const weir_value *); /* WEIR_T_*; NULL -> WEIR_T_NONE */
    weir_str (*text)(const weir_value *); /* S; N exact; B raw bytes; BOOL "true"/"false"; NULL-safe */
    weir_str (*json)(const weir_value *); /* DynamoDB-typed JSON as received, {"S":"x"}; NULL-safe */
    int32_t (*equal)(const weir_value *, const weir_value *); /* deep; N as decimals; NULL-safe */

    /* Completion: one outcome per record. Never calls back into the plugin; repeats and late calls
     * are ignored and counted. `reason` (optional) is copied, and shown to people. [any] */
    uint64_t (*token)(const weir_delivery *); /* a value, safe to use at any time, also after the end */
    void (*complete)(weir_instance *, uint64_t token, size_t i, int32_t outcome, weir_str reason);
    void (*complete_rest)(weir_instance *, uint64_t token, int32_t outcome, weir_str reason);

    /* Since 1.1. All values below an M, L or set, at every level, in the order received, each M or L
     * right before its own entries: fills out[] with up to `max` of them from the from-th on, and
     * returns how many; 0 behind the last one, and where there are none (also for NULL). Every call
     * takes the same time, wherever it begins. Everything, and only the entries of `map` itself:
     *     for (size_t i = 0; (n = host->walk(map, i, out, 32)) > 0; i += n) ...
     *     for (size_t i = 0; host->walk(map, i, &one, 1) > 0; i += 1 + one.below) ...
     * out[] is yours; its views live as those of entry() and text(). [any] */
    size_t (*walk)(const weir_value *, size_t from, weir_entry *out, size_t max);
} weir_host;

typedef struct weir_plugin { /* static storage; append only */
    uint32_t abi, abi_min, struct_size, flags; /* WEIR_ABI_CURRENT; oldest host; sizeof; WEIR_P_* */
    const char *name, *version, *summary;      /* NUL-terminated; name is the config key */
    const weir_option *options;                /* optional */
    weir_subscription subscription;            /* default; struct_size 0 = everything */
    int32_t repeats;                           /* WEIR_R_* */
    uint32_t batch_records;                    /* records wanted in one delivery; 0 = the host's choice */
    /* open() sets the instance up. [loop] It also runs for `weir check`, so it touches no network and
     * no file: the first delivery connects. 0 or -errno; after a failure close() is not called. */
    int32_t (*open)(const weir_host *, weir_instance *, void **self);
    void (*close)(void *self);                          /* [loop] after flush; nothing is open */
    int32_t (*record)(void *self, const weir_record *); /* [loop] its outcome; give this ... */
    void (*deliver)(void *self, weir_delivery *);       /* [loop] ... or this; never block */
    void (*flush)(void *self, int64_t deadline_ms);     /* [loop] optional: send what you hold; deadline_ms
                                                           is the time left */
    void (*cancel)(void *self, uint64_t token);         /* [loop] optional: revoked: abort its calls and
                                                           complete what is left as WEIR_RETRY */
} weir_plugin;

#ifndef WEIR_NO_ENTRY_DECL /* cgo emits its own, const-less prototype */
WEIR_EXPORT const weir_plugin *weir_plugin_entry(uint32_t host_abi); /* the only export; pure */
#endif

#ifdef __cplusplus
}
#endif
#endif
