/* Logs all that the host table says of each record: what the accessors are tested by. */
#include "sink.h"
#include <inttypes.h>

static void put_number(weir_buf *out, const char *label, int64_t number)
{
    char text[64];
    snprintf(text, sizeof text, " %s=%" PRId64, label, number);
    weir_buf_puts(out, text);
}

static void put_text(weir_buf *out, const char *label, weir_str text)
{
    weir_buf_puts(out, " ");
    weir_buf_puts(out, label);
    weir_buf_puts(out, "=");
    weir_buf_json_string(out, text);
}

static void put_fields(const weir_host *host, const weir_record *record, weir_buf *out)
{
    static const struct {
        int32_t which;
        const char *label;
    } fields[] = {{WEIR_F_EVENT_ID, "id"},
                  {WEIR_F_SEQUENCE, "seq"},
                  {WEIR_F_IDENTITY, "identity"},
                  {WEIR_F_TABLE, "table"},
                  {WEIR_F_SHARD, "shard"},
                  {WEIR_F_TTL_DELETE, "ttl"},
                  {WEIR_F_DEAD_SINK, "dead"},
                  {WEIR_F_DEAD_REASON, "why"},
                  {WEIR_F_DEAD_ATTEMPTS, "attempts"},
                  {WEIR_F_DEAD_JSON, "letter"},
                  {99, "unknown"}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        weir_str text = host->field(record, fields[i].which);
        if (text.len > 0)
            put_text(out, fields[i].label, text);
    }
    put_number(out, "raw", host->field(record, WEIR_F_RAW_JSON).len > 0);
    put_number(out, "event_json", host->field(record, WEIR_F_EVENT_JSON).len > 0);
    put_number(out, "key", host->field(record, WEIR_F_ITEM_KEY).len > 0);
}

static void put_value(const weir_host *host, const weir_value *value, weir_buf *out)
{
    put_number(out, "type", host->type(value));
    put_number(out, "size", (int64_t)host->size(value));
    put_text(out, "text", host->text(value));
    put_text(out, "json", host->json(value));
}

static int same_text(weir_str a, weir_str b)
{
    return a.ptr == b.ptr && a.len == b.len;
}

/* Does walk() say of `entry` what the other functions say? */
static int walks_to(const weir_host *host, const weir_value *map, size_t place,
                    const weir_value *entry, weir_str name, weir_entry *at)
{
    if (!entry)
        return host->walk(map, place, at, 1) == 0;
    return host->walk(map, place, at, 1) == 1 && at->value == entry && same_text(at->name, name) &&
           same_text(at->text, host->text(entry)) && at->type == host->type(entry);
}

static void put_entries(const weir_host *host, const weir_value *map, weir_buf *out)
{
    weir_entry at = {0};
    size_t place = 0;
    for (size_t i = 0; i <= host->size(map); i++) { /* one beyond the end: NULL */
        weir_str name = {"-", 1};
        const weir_value *entry = host->entry(map, i, &name);
        if (!walks_to(host, map, place, entry, name, &at))
            put_text(out, "walk", WEIR_STR("differs"));
        place += 1 + at.below;
        put_text(out, entry ? "entry" : "end", name);
        host->entry(map, i, NULL);
    }
}

static int32_t mirror_record(void *self, const weir_record *record)
{
    const struct sink *sink = self;
    const weir_host *host = sink->host;
    weir_buf out = {0};
    int32_t precision = -1;
    weir_str path = {"price", 5};
    put_number(&out, "event", host->event(record));
    put_number(&out, "created", host->created_us(record, &precision));
    put_number(&out, "precision", precision);
    put_number(&out, "images", host->images(record));
    put_number(&out, "lane", (int64_t)host->lane(record));
    put_fields(host, record, &out);
    host->option_str(sink->instance, "path", &path);
    weir_buf_puts(&out, " |");
    put_value(host, host->attr(record, WEIR_NEW, path.ptr), &out);
    put_number(&out, "same",
               host->equal(host->attr(record, WEIR_OLD, path.ptr),
                           host->attr(record, WEIR_NEW, path.ptr)));
    put_entries(host, host->image(record, WEIR_NEW), &out);
    host->log(sink->instance, WEIR_LOG_INFO, weir_buf_view(&out));
    weir_buf_free(&out);
    return WEIR_OK;
}

/* Every function of the table, given nothing. */
static int32_t mirror_open(const weir_host *host, weir_instance *instance, void **self)
{
    weir_str none = {NULL, 0};
    weir_entry at = {0};
    int64_t zero = host->event(NULL) + host->created_us(NULL, NULL) + host->images(NULL) +
                   (int64_t)host->lane(NULL) + host->type(NULL) + (int64_t)host->size(NULL) +
                   (int64_t)host->count(NULL) + host->remaining_ms(NULL) +
                   (int64_t)host->token(NULL) + (int64_t)host->field(NULL, WEIR_F_SEQUENCE).len +
                   (int64_t)host->text(NULL).len + (int64_t)host->json(NULL).len +
                   host->option_str(NULL, "a", NULL) + host->option_str(instance, NULL, NULL) +
                   host->option_i64(NULL, "a", NULL) + (int64_t)host->walk(NULL, 0, &at, 1);
    int some = host->at(NULL, 0) || host->image(NULL, WEIR_NEW) ||
               host->attr(NULL, WEIR_NEW, "a") || host->entry(NULL, 0, NULL) ||
               host->extension(NULL, WEIR_EXT_TIMER) || host->extension(instance, NULL) ||
               host->extension(instance, "weir.none/1");
    host->log(NULL, WEIR_LOG_INFO, none);
    host->option_error(NULL, "a", none);
    host->declare(NULL, WEIR_D_TARGET, none);
    host->declare(instance, WEIR_D_TARGET, none);
    host->declare(instance, 99, WEIR_STR("unknown"));
    host->complete(NULL, 1, 0, WEIR_OK, none);
    host->complete_rest(NULL, 1, WEIR_OK, none);
    zero += host->subscribe(NULL, NULL) != -EINVAL;
    zero += host->subscribe(instance, NULL) != -EINVAL;
    zero += host->equal(NULL, NULL) != 1;
    return zero || some ? -EPROTO : plain_open(host, instance, self);
}

static const weir_option options[] = {
    {"path", NULL, WEIR_O_STRING, 0, NULL, "The attribute to show."},
    {NULL, NULL, 0, 0, NULL, NULL}};
PLUGIN("mirror", .options = options, .open = mirror_open, .close = plain_close,
       .record = mirror_record)
