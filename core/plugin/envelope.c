#include "plugin/envelope.h"

#include "plugin/untyped.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_KEPT_MAX = 1024 * 1024, KEYS_MAX = 8, SUBJECT_MAX = 64 * 1024 };

/* ---- which form ---- */

static int refuse(struct option_problem *problem, const char **option, const char *name,
                  const char *why)
{
    *option = name;
    snprintf(problem->msg, sizeof problem->msg, "%s", why);
    return -EINVAL;
}

static int read_form(const weir_host *host, weir_instance *instance, int32_t *form,
                     const char **option, struct option_problem *problem)
{
    static const struct {
        const char *name;
        int32_t form;
    } forms[] = {{"aws", WEIR_B_AWS},
                 {"plain", WEIR_B_PLAIN},
                 {"cloudevents", WEIR_B_CLOUDEVENTS},
                 {"debezium", WEIR_B_DEBEZIUM},
                 {"template", WEIR_B_TEMPLATE}};
    weir_str body = STR("aws");
    int64_t raw = 0;
    host->option_str(instance, "body", &body);
    host->option_i64(instance, "raw", &raw);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (str_is(body, forms[i].name))
            *form = forms[i].form;
    if (*form == WEIR_B_OPTIONS)
        return refuse(problem, option, "body", "this host has no such body");
    if (!raw)
        return 0;
    if (*form != WEIR_B_AWS)
        return refuse(problem, option, "raw", "only body aws can be the bytes as received");
    *form = WEIR_B_RAW;
    return 0;
}

int envelope_open(struct envelope *envelope, const weir_host *host, weir_instance *instance,
                  int32_t form, const struct json_value *template, const char **option,
                  struct option_problem *problem)
{
    int rc = 0;
    *problem = (struct option_problem){0};
    if (form == WEIR_B_OPTIONS)
        rc = read_form(host, instance, &form, option, problem);
    if (rc < 0)
        return rc;
    if (form < WEIR_B_AWS || form > WEIR_B_TEMPLATE)
        return refuse(problem, option, "body", "this host has no such form");
    if (template && form != WEIR_B_TEMPLATE)
        return refuse(problem, option, "template", "is not used; it needs body template");
    if (!template && form == WEIR_B_TEMPLATE)
        return refuse(problem, option, "template", "is missing: what is to be sent");
    *option = "template";
    rc = template ? template_new(template, &envelope->template, problem) : 0;
    if (rc < 0)
        return rc;
    envelope->form = form;
    buf_init(&envelope->text, ENVELOPE_BYTES_MAX);
    return 0;
}

void envelope_close(struct envelope *envelope)
{
    template_free(envelope->template);
    buf_done(&envelope->text);
    *envelope = (struct envelope){0};
}

weir_subscription envelope_subscription(const struct envelope *envelope, weir_subscription wants)
{
    uint32_t images = 0;
    bool whole = false, everything = wants.struct_size == 0;
    if (envelope->form == WEIR_B_PLAIN || envelope->form == WEIR_B_CLOUDEVENTS)
        return wants; /* they show what is there */
    if (envelope->form == WEIR_B_DEBEZIUM)
        images = WEIR_KEYS | WEIR_OLD | WEIR_NEW;
    else if (envelope->form == WEIR_B_TEMPLATE)
        images = template_images(envelope->template, &whole);
    if (everything && whole)
        return wants;
    wants.struct_size = sizeof wants;
    wants.images |= images;
    return wants;
}

/* ---- CloudEvents 1.0: https://github.com/cloudevents/spec, json-format ---- */

/* A URI reference: all else is %XX. */
static void put_uri(struct buf *out, weir_str text)
{
    static const char hex[] = "0123456789ABCDEF";
    buf_putc(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter || (c && strchr("-._~:/", c)))
            buf_putc(out, (char)c);
        else
            buf_put(out, (const char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
    }
    buf_putc(out, '"');
}

static void put_key_value(const weir_host *host, const weir_entry *key, struct buf *out)
{
    if (key->type == WEIR_T_S || key->type == WEIR_T_N)
        buf_put_str(out, key->text);
    else if (key->type == WEIR_T_B)
        buf_put_base64(out, key->text);
    else
        untyped_put_value(host, key->value, out); /* no table has such a key */
}

static int by_name(const void *a, const void *b)
{
    weir_str left = ((const weir_entry *)a)->name, right = ((const weir_entry *)b)->name;
    size_t least = left.len < right.len ? left.len : right.len;
    int order = least > 0 ? memcmp(left.ptr, right.ptr, least) : 0;
    return order ? order : (left.len > right.len) - (left.len < right.len);
}

/* The value of the item's key; of a key of two, NAME=VALUE,NAME=VALUE by name. */
static void put_subject(const weir_host *host, const weir_record *record, struct buf *out)
{
    const weir_value *keys = host->image(record, WEIR_KEYS);
    weir_entry list[KEYS_MAX];
    struct buf text;
    size_t count = 0;
    for (size_t i = 0; count < KEYS_MAX && host->walk(keys, i, &list[count], 1) > 0; count++)
        i += 1 + list[count].below;
    qsort(list, count, sizeof list[0], by_name);
    buf_init(&text, SUBJECT_MAX);
    for (size_t i = 0; i < count; i++) {
        if (count > 1) {
            buf_puts(&text, i > 0 ? "," : "");
            buf_put_str(&text, list[i].name);
            buf_putc(&text, '=');
        }
        put_key_value(host, &list[i], &text);
    }
    if (!text.failed && text.len > 0)
        buf_put_member(out, "subject", buf_str(&text));
    buf_done(&text);
}

/* A record is told from another one by source and id, so a dead letter has another id. */
static int put_id(const weir_host *host, const weir_record *record, struct buf *out)
{
    weir_str id = host->field(record, WEIR_F_EVENT_ID);
    weir_str dead = host->field(record, WEIR_F_DEAD_SINK);
    struct buf text;
    if (id.len == 0)
        id = host->field(record, WEIR_F_IDENTITY);
    if (id.len == 0)
        return -EBADMSG;
    buf_init(&text, SUBJECT_MAX);
    buf_put_str(&text, id);
    if (dead.len > 0) {
        buf_puts(&text, "/dead/");
        buf_put_str(&text, dead);
    }
    int rc = buf_error(&text) < 0 ? -EBADMSG : buf_put_member(out, "id", buf_str(&text));
    buf_done(&text);
    return rc;
}

static int put_cloudevent(const weir_host *host, const weir_record *record, struct buf *out)
{
    bool dead = host->field(record, WEIR_F_DEAD_JSON).len > 0;
    weir_str source = host->field(record, WEIR_F_STREAM_ARN);
    weir_str sequence = host->field(record, WEIR_F_SEQUENCE);
    int32_t precision = 0;
    if (source.len == 0)
        source = host->field(record, WEIR_F_TABLE);
    buf_puts(out, "{\"specversion\":\"1.0\"");
    int rc = put_id(host, record, out);
    if (rc < 0)
        return rc;
    buf_put_key(out, "source");
    put_uri(out, source.len > 0 ? source : STR("dynamodb"));
    buf_puts(out, ",\"type\":\"com.amazonaws.dynamodb.");
    buf_puts(out, dead ? "dead" : untyped_event(host->event(record)));
    buf_putc(out, '"');
    put_subject(host, record, out);
    host->created_us(record, &precision);
    if (precision > 0) {
        buf_put_key(out, "time");
        untyped_put_time(host, record, out);
    }
    if (sequence.len > 0)
        buf_put_member(out, "sequence", sequence);
    buf_puts(out, ",\"datacontenttype\":\"application/json\",\"data\":");
    rc = untyped_put_record(host, record, out);
    buf_putc(out, '}');
    return rc;
}

/* ---- Debezium ---- */

static int put_image(const weir_host *host, const char *name, const weir_value *image,
                     struct buf *out)
{
    buf_put_key(out, name);
    return untyped_put_value(host, image, out); /* none is null */
}

/* `ts_ms` is when the change was made, in both places, so that a repeat is the same text. */
static void put_source(const weir_host *host, const weir_record *record, struct buf *out)
{
    static const struct {
        const char *name;
        int32_t which;
    } facts[] = {{"name", WEIR_F_STREAM_ARN},
                 {"table", WEIR_F_TABLE},
                 {"sequence", WEIR_F_SEQUENCE},
                 {"event_id", WEIR_F_EVENT_ID}};
    int32_t precision = 0;
    int64_t created_us = host->created_us(record, &precision);
    buf_puts(out, ",\"source\":{\"connector\":\"dynamodb\"");
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        weir_str text = host->field(record, facts[i].which);
        if (text.len > 0)
            buf_put_member(out, facts[i].name, text);
    }
    if (precision > 0)
        buf_put_number_member(out, "ts_ms", created_us / 1000);
    if (host->field(record, WEIR_F_TTL_DELETE).len > 0)
        buf_put_flag_member(out, "ttl_delete", true);
    buf_putc(out, '}');
}

/* A change of an unknown kind that shows the item as it is now is a read. Without the new image an
 * insert, an update or a read would say that the item has no attributes, so it has no such form; a
 * delete without the old image tells the key. */
static int put_change(const weir_host *host, const weir_record *record, struct buf *out)
{
    static const char ops[] = {'r', 'c', 'u', 0, 'd'}; /* by event */
    const weir_value *before = host->image(record, WEIR_OLD);
    const weir_value *after = host->image(record, WEIR_NEW);
    int32_t event = host->event(record), precision = 0;
    int64_t created_us = host->created_us(record, &precision);
    if (event == WEIR_REMOVE ? !before && !host->image(record, WEIR_KEYS) : !after)
        return -EBADMSG;
    if (event == WEIR_REMOVE && !before)
        before = host->image(record, WEIR_KEYS);
    buf_putc(out, '{');
    int rc = put_image(host, "before", event == WEIR_MODIFY || event == WEIR_REMOVE ? before : NULL,
                       out);
    if (rc == 0)
        rc = put_image(host, "after", event == WEIR_REMOVE ? NULL : after, out);
    put_source(host, record, out);
    buf_put_member(out, "op", (weir_str){&ops[event], 1});
    if (precision > 0)
        buf_put_number_member(out, "ts_ms", created_us / 1000);
    buf_putc(out, '}');
    return rc;
}

/* ---- all of them ---- */

static int put_as_received(const struct envelope *envelope, const weir_host *host,
                           const weir_record *record, struct buf *out)
{
    weir_str json = host->field(record, WEIR_F_DEAD_JSON);
    if (json.len == 0)
        json =
            host->field(record, envelope->form == WEIR_B_RAW ? WEIR_F_RAW_JSON : WEIR_F_EVENT_JSON);
    return json.len > 0 ? buf_put_json_ascii(out, json) : -ENOMEM; /* every record has one */
}

static int put_form(const struct envelope *envelope, const weir_host *host,
                    const weir_record *record, struct buf *out)
{
    switch (envelope->form) {
    case WEIR_B_PLAIN:
        return untyped_put_record(host, record, out);
    case WEIR_B_CLOUDEVENTS:
        return put_cloudevent(host, record, out);
    case WEIR_B_TEMPLATE:
        return template_put(envelope->template, host, record, out);
    case WEIR_B_DEBEZIUM:
        if (host->field(record, WEIR_F_DEAD_JSON).len == 0)
            return put_change(host, record, out);
        return put_as_received(envelope, host, record, out);
    default:
        return put_as_received(envelope, host, record, out);
    }
}

/* One huge record doesn't pin its memory for ever. */
static int begin(struct envelope *envelope)
{
    if (envelope->form == 0)
        return -EINVAL;
    if (envelope->text.cap > TEXT_KEPT_MAX)
        buf_done(&envelope->text);
    buf_reset(&envelope->text);
    return 0;
}

static int end(const struct envelope *envelope, int rc, weir_str *out)
{
    int failed = buf_error(&envelope->text);
    rc = failed < 0 ? failed : rc;
    if (rc == 0)
        *out = buf_str(&envelope->text);
    return rc;
}

int envelope_record(struct envelope *envelope, const weir_host *host, const weir_record *record,
                    weir_str *out)
{
    int rc = begin(envelope);
    return rc < 0 ? rc : end(envelope, put_form(envelope, host, record, &envelope->text), out);
}

int envelope_value(struct envelope *envelope, const weir_host *host, const weir_value *value,
                   weir_str *out)
{
    int rc = begin(envelope);
    return rc < 0 ? rc : end(envelope, untyped_put_value(host, value, &envelope->text), out);
}
