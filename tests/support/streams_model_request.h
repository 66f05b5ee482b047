/* Reads the requests that the model is sent: one flat object, and one object in it. */
#ifndef WEIR_TESTS_STREAMS_MODEL_REQUEST_H
#define WEIR_TESTS_STREAMS_MODEL_REQUEST_H
#include "streams_model.h"

struct span {
    const char *ptr;
    size_t len;
};

bool span_is(struct span text, const char *word);
/* The value of a member, strings without quotes and still escaped; false = there is none. */
bool request_member(struct span json, const char *name, struct span *out);
/* The text of a member, unescaped: behind what model->scratch holds. Empty = none. */
struct span request_text(struct streams_model *model, struct span json, const char *name);
int64_t request_number(struct span json, const char *name, int64_t fallback);
#endif
