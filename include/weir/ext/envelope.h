/* weir.envelope/1: what a sink sends of a record: as Lambda gets it, untyped JSON, CloudEvents,
 * Debezium, or a template from the config. One line of printable ASCII, numbers exact, whatever the
 * record holds. */
#ifndef WEIR_EXT_ENVELOPE_H
#define WEIR_EXT_ENVELOPE_H
#include <weir/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_EXT_ENVELOPE "weir.envelope/1"

enum {
    WEIR_B_OPTIONS = 0, /* what the options `body`, `raw` and `template` say */
    WEIR_B_AWS,         /* WEIR_F_EVENT_JSON; a dead letter whole */
    WEIR_B_RAW,         /* WEIR_F_RAW_JSON; a dead letter whole */
    WEIR_B_PLAIN,       /* {"event":"MODIFY",...,"keys":{},"old":{},"new":{}}, untyped */
    WEIR_B_CLOUDEVENTS, /* CloudEvents 1.0, structured, with the plain form as `data` */
    WEIR_B_DEBEZIUM, /* {"before":{},"after":{},"source":{},"op":"u","ts_ms":0}; a dead letter whole
                      */
    WEIR_B_TEMPLATE  /* as the option `template` says */
};

/* Three entries of a plugin's table of options, for WEIR_B_OPTIONS. A plugin may offer fewer forms.
 */
#define WEIR_ENVELOPE_OPTIONS                                                                      \
    {"body",                                                                                       \
     "\"aws\"",                                                                                    \
     WEIR_O_ENUM,                                                                                  \
     0,                                                                                            \
     "aws|plain|cloudevents|debezium|template",                                                    \
     "aws: the record as Lambda gets it; plain: untyped JSON, numbers exact; cloudevents: 1.0, "   \
     "structured; debezium: before, after, op; template: as template says."},                      \
        {"raw",                                                                                    \
         "false",                                                                                  \
         WEIR_O_BOOL,                                                                              \
         0,                                                                                        \
         NULL,                                                                                     \
         "With body aws: the record's bytes as received from its source instead of the Lambda "    \
         "shape."},                                                                                \
    {                                                                                              \
        "template", NULL, WEIR_O_JSON, 0, NULL,                                                    \
            "With body template: any JSON; a text that begins with $. stands for what it names "   \
            "in the "                                                                              \
            "record, such as $.new.price."                                                         \
    }

typedef struct weir_envelope {
    uint32_t revision, struct_size; /* revision 1 */
    /* Chooses the form (WEIR_B_*), and narrows or widens the images that the host reads to what it
     * needs; other parts of the subscription stay. 0; -EINVAL after option_error, open() then
     * returns it; -ENOMEM. [open] */
    int32_t (*open)(weir_instance *, int32_t form);
    /* The text of a record. 0 and *out, which lives until the next call for this instance;
     * -EBADMSG: the record has no such form (a change without the image that Debezium needs);
     * -EMSGSIZE: above 32 MiB; -ENOMEM; -EINVAL: before open(). From any thread, one call at a
     * time. */
    int32_t (*record)(weir_instance *, const weir_record *, weir_str *out);
    /* The same of one value, untyped: 12.50, "red", {"a":[1]}. Binary is base64, sets are lists, no
     * value is null. */
    int32_t (*value)(weir_instance *, const weir_value *, weir_str *out);
} weir_envelope;

#ifdef __cplusplus
}
#endif
#endif
