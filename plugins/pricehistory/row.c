#include "row.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    ITEM_BYTES_MAX = 400 * 1024, /* DynamoDB's limit for an item */
    WALK_MAX = 32                /* values at a time */
};

static int32_t fail(char *reason, size_t reason_bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int32_t fail(char *reason, size_t reason_bytes, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason, reason_bytes, format, args);
    va_end(args);
    return WEIR_FAIL;
}

weir_str value_shown(const weir_host *host, const weir_value *value)
{
    int32_t type = host->type(value);
    if (type == WEIR_T_NONE)
        return WEIR_STR("(none)");
    return type == WEIR_T_S || type == WEIR_T_N ? host->text(value) : host->json(value);
}

/* N takes about a byte for two digits. */
static size_t text_bytes(int32_t type, weir_str text)
{
    return type == WEIR_T_N ? text.len / 2 : text.len;
}

size_t value_bytes(const weir_host *host, const weir_value *value)
{
    weir_entry some[WALK_MAX];
    size_t total = text_bytes(host->type(value), host->text(value)), count;
    for (size_t i = 0; (count = host->walk(value, i, some, WALK_MAX)) > 0; i += count)
        for (size_t k = 0; k < count; k++)
            total += some[k].name.len + text_bytes(some[k].type, some[k].text);
    return total;
}

/* The images that a record of this event has by nature must be there: on a stream with another view
 * type they are not, and a silent skip would lose the change. */
static int32_t check_images(const weir_host *host, int32_t event, const weir_record *record,
                            char *reason, size_t reason_bytes)
{
    static const uint32_t needed[] = {
        [WEIR_INSERT] = WEIR_NEW, [WEIR_MODIFY] = WEIR_OLD | WEIR_NEW, [WEIR_REMOVE] = WEIR_OLD};
    uint32_t missing = needed[event] & ~host->images(record);
    if (missing == 0)
        return WEIR_OK;
    return fail(reason, reason_bytes,
                "the record has no %s image: the stream's view type must be NEW_AND_OLD_IMAGES",
                missing & WEIR_OLD ? "old" : "new");
}

static int32_t take_keys(const weir_host *host, const struct settings *settings,
                         const weir_record *record, struct row *row, char *reason,
                         size_t reason_bytes)
{
    const weir_value *keys = host->image(record, WEIR_KEYS);
    row->id = row->other = NULL;
    row->other_name = WEIR_NONE;
    weir_entry at;
    for (size_t i = 0; host->walk(keys, i, &at, 1) > 0; i += 1 + at.below) {
        if (weir_equal(at.name, settings->key_attribute)) {
            row->id = at.value;
        } else if (settings->other_keys) {
            row->other = at.value;
            row->other_name = at.name;
        }
    }
    if (row->id)
        return WEIR_OK;
    return fail(reason, reason_bytes,
                "the record's keys have no attribute \"%.*s\" (key_attribute)",
                (int)settings->key_attribute.len, settings->key_attribute.ptr);
}

static int32_t take_prices(const weir_host *host, const struct settings *settings, int32_t event,
                           const weir_record *record, struct row *row)
{
    row->old_price = host->attr(record, WEIR_OLD, settings->price_path);
    row->new_price = host->attr(record, WEIR_NEW, settings->price_path);
    if (!row->old_price && !row->new_price)
        return WEIR_SKIP;
    /* An INSERT has no old side by nature: who lists it in `events` asked for the first price. */
    if ((!row->old_price || !row->new_price) && event == WEIR_MODIFY &&
        !settings->on_missing_record)
        return WEIR_SKIP;
    return host->equal(row->old_price, row->new_price) ? WEIR_SKIP : WEIR_OK;
}

static int32_t check_size(const weir_host *host, const struct settings *settings, struct row *row,
                          char *reason, size_t reason_bytes)
{
    const weir_value *values[] = {row->id, row->other, row->old_price, row->new_price};
    size_t bytes = row->stamp_len + settings->id_name.len + settings->stamp_name.len +
                   settings->old_name.len + settings->new_name.len;
    row->json_bytes = 0;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        row->json_bytes += host->json(values[i]).len;
    if (row->json_bytes + bytes <=
        ITEM_BYTES_MAX) /* the JSON text is never shorter than the value */
        return WEIR_OK;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        bytes += value_bytes(host, values[i]);
    if (bytes <= ITEM_BYTES_MAX)
        return WEIR_OK;
    return fail(reason, reason_bytes, "the row has %zu bytes; an item may have %d", bytes,
                ITEM_BYTES_MAX);
}

int32_t row_make(const weir_host *host, const struct settings *settings, const weir_record *record,
                 struct row *row, char *reason, size_t reason_bytes)
{
    int32_t precision = 0, event = host->event(record);
    reason[0] = '\0';
    if ((event & (int32_t)settings->events) == 0)
        return WEIR_SKIP;
    int32_t outcome = check_images(host, event, record, reason, reason_bytes);
    if (outcome == WEIR_OK)
        outcome = take_prices(host, settings, event, record, row);
    if (outcome == WEIR_OK)
        outcome = take_keys(host, settings, record, row, reason, reason_bytes);
    if (outcome != WEIR_OK)
        return outcome;

    int64_t created_us = host->created_us(record, &precision);
    row->seconds = floor_seconds(created_us);
    row->event_id = host->field(record, WEIR_F_EVENT_ID);
    if (row->event_id.len == 0)
        row->event_id = host->field(record, WEIR_F_IDENTITY);
    const char *why = stamp_make((enum stamp_mode)settings->mode, created_us, precision,
                                 host->field(record, WEIR_F_SEQUENCE), row->event_id, row->stamp,
                                 &row->stamp_len);
    if (why)
        return fail(reason, reason_bytes, "%s", why);
    return check_size(host, settings, row, reason, reason_bytes);
}
