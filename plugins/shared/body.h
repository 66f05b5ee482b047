/* What a sink sends of a record: by the host's weir.envelope/1. */
#ifndef WEIR_PLUGINS_SHARED_BODY_H
#define WEIR_PLUGINS_SHARED_BODY_H
#include "shared/text.h"
#include <weir/ext/envelope.h>

struct body {
    const weir_envelope *envelope;
    weir_instance *instance;
};

#define BODY_OPTIONS WEIR_ENVELOPE_OPTIONS /* body, raw, template */

/* In open(): reads the options, and tells the host which images it needs. 0 or -errno, after
 * option_error for -EINVAL. */
int body_open(struct body *body, const weir_host *host, weir_instance *instance);
/* The same with a form of weir.envelope/1 that other options chose. */
int body_open_form(struct body *body, const weir_host *host, weir_instance *instance, int32_t form);

/* One line of printable ASCII: characters outside XML 1.0, which some services refuse, can't occur.
 * A dead letter is written whole. False: the record has no such form, or out->failed. */
bool put_body(const struct body *body, const weir_record *record, weir_buf *out);
/* One value, untyped. */
bool put_value_body(const struct body *body, const weir_value *value, weir_buf *out);

/* As a JSON string, with its quotes. */
void put_base64(weir_buf *out, weir_str bytes);

/* "INSERT", "MODIFY", "REMOVE"; "OTHER" for an event of another name. */
const char *event_name(int32_t event);
#endif
