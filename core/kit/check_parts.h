/* What the files of the check share. */
#ifndef WEIR_KIT_CHECK_PARTS_H
#define WEIR_KIT_CHECK_PARTS_H
#include "kit/check.h"
#include "kit/hostile.h"
#include "kit/kit.h"

enum { CHECK_SINKS = 2, CHECK_BLOCKED_MS = 3000 };

struct check {
    const struct check_request *request;
    char options[4096];
    const weir_plugin *desc; /* once it is loaded */
    weir_plugin desc_copy;
    struct hostile hostile;
    weir_test *sinks[CHECK_SINKS];
    const char *scenario; /* the running one */
    unsigned round;
    unsigned threads; /* of the check itself: more are the plugin's, or of its runtime */
    bool failed;      /* the running scenario */
    unsigned failures;
    uint64_t records, calls;
    struct buf text;
};

/* Tells the parent. Tabs and line ends in the text become blanks. */
void check_begin(struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void check_ok(struct check *check, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void check_note(struct check *check, const char *name, const char *help, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void check_fail(struct check *check, const char *name, const char *help, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* One round of all scenarios; stops at the first that fails. */
void check_scenarios(struct check *check);

/* What belongs to the whole process and not to a plugin. */
struct check_state {
    void *handlers[65]; /* by signal number */
    char folder[512], locale[256];
    unsigned umask_bits;
    uint64_t standard[3]; /* identity of descriptors 0, 1, 2; 0 = closed */
};
void check_state_read(struct check_state *out);
void check_state_compare(struct check *check, const struct check_state *was);
#endif
