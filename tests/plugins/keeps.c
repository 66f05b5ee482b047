/* Takes what it was shown for its own, as `how` has it: writes into the text of a record or into
 * its value; or keeps a view of it, and reads that when the record is completed: at once, at the
 * next delivery, off a timer, or on a value by way of the host. */
#include "sink.h"

struct keeps {
    struct sink base;
    const weir_timer *timer;
    int64_t how;
    weir_str text; /* of a record completed before */
    const weir_value *value;
    volatile size_t seen; /* so that reading is not left out */
};

enum { WRITE_TEXT, WRITE_VALUE, AFTER, NEXT, TIMER, VALUE };

static int32_t keeps_open(const weir_host *host, weir_instance *instance, void **self)
{
    int32_t rc = sink_open(host, instance, sizeof(struct keeps), self);
    if (rc < 0)
        return rc;
    struct keeps *keeps = *self;
    keeps->how = sink_number(&keeps->base, "how");
    keeps->timer = host->extension(instance, WEIR_EXT_TIMER);
    return 0;
}

static void read_text(void *arg)
{
    struct keeps *keeps = arg;
    if (keeps->text.len > 0)
        keeps->seen += (unsigned char)keeps->text.ptr[0];
    keeps->text.len = 0;
}

static void write_to(const void *at)
{
    volatile char *byte = (volatile char *)(uintptr_t)at;
    *byte = 'X';
}

static void look(struct keeps *keeps, const weir_record *record)
{
    const weir_host *host = keeps->base.host;
    weir_str text = host->field(record, WEIR_F_RAW_JSON);
    const weir_value *keys = host->image(record, WEIR_KEYS);
    if (keeps->how == WRITE_TEXT && text.len > 0)
        write_to(text.ptr);
    else if (keeps->how == WRITE_VALUE && keys)
        write_to(keys);
    if (keeps->how == VALUE && keeps->value)
        keeps->seen += host->size(keeps->value);
    if (keeps->how == NEXT)
        read_text(keeps);
    keeps->text = text;
    keeps->value = keys;
}

static void keeps_deliver(void *self, weir_delivery *delivery)
{
    struct keeps *keeps = self;
    const weir_host *host = keeps->base.host;
    weir_instance *instance = keeps->base.instance;
    if (host->count(delivery) > 0)
        look(keeps, host->at(delivery, 0));
    host->complete_rest(instance, host->token(delivery), WEIR_OK, WEIR_NONE);
    if (keeps->how == AFTER)
        read_text(keeps);
    if (keeps->how == TIMER && keeps->timer)
        keeps->timer->start(instance, 100, read_text, keeps);
}

static const weir_option options[] = {{"how", "\"next\"", WEIR_O_ENUM, 0,
                                       "write_text|write_value|after|next|timer|value",
                                       "What is done to a record."},
                                      {NULL, NULL, 0, 0, NULL, NULL}};
PLUGIN("keeps", .options = options, .open = keeps_open, .close = plain_close,
       .deliver = keeps_deliver)
