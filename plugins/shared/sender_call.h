/* Between sender.c, which queues, and sender_call.c, which calls. */
#ifndef WEIR_PLUGINS_SHARED_SENDER_CALL_H
#define WEIR_PLUGINS_SHARED_SENDER_CALL_H
#include "shared/sender.h"

enum added { ADDED, ADD_NO_ROOM /* in this call */, ADD_TOO_LARGE, ADD_NO_FORM, ADD_NO_MEMORY };

/* ---- sender_call.c ---- */
struct call *call_take(struct sender *sender); /* an open one, empty; NULL: out of memory */
void call_release(struct call *call);
/* Appends the message to the call's body. For ADD_TOO_LARGE *bytes is its size. */
enum added call_add(struct call *call, struct message *message, size_t *bytes);
void call_abort(struct call *call);
bool call_send(struct call *call); /* false: its messages are finished, it is to be released */

/* ---- sender.c ---- */
/* Completes the record; unless stored, also holds back what waits behind it where order matters.
 * Takes the message back. */
void sender_finish(struct sender *sender, struct message *message, int32_t outcome,
                   const char *reason);
void sender_put_back(struct sender *sender, struct message *message, bool alone); /* first */
#endif
