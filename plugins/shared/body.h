/* What a sink sends of a record: the options `body` and `raw`, and the text. */
#ifndef WEIR_PLUGINS_SHARED_BODY_H
#define WEIR_PLUGINS_SHARED_BODY_H
#include "shared/plain.h"

enum body_form { BODY_AWS, BODY_PLAIN }; /* as in the option's choices */

struct body {
    const weir_host *host;
    enum body_form form;
    bool raw;
};

#define BODY_OPTIONS                                                                               \
    {                                                                                              \
        "body",      "\"aws\"",                                                                    \
        WEIR_O_ENUM, 0,                                                                            \
        "aws|plain", "aws: the record as Lambda gets it; plain: untyped JSON, numbers exact."},    \
    {                                                                                              \
        "raw", "false", WEIR_O_BOOL, 0, NULL,                                                      \
            "With body aws: the record's bytes as received from its source instead of the Lambda " \
            "shape."                                                                               \
    }

/* In open(): reads the options, and with body aws tells the host that it need not take the images
 * apart. 0 or -errno, after option_error for -EINVAL. */
int body_open(struct body *body, const weir_host *host, weir_instance *instance);

/* One line of printable ASCII: characters outside XML 1.0, which some services refuse, can't occur.
 * A dead letter is written whole. False: the record has no such form. */
bool put_body(const struct body *body, const weir_record *record, weir_buf *out);
#endif
