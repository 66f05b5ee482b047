#include "history.h"

#include <weir/ext/json.h>

#include <errno.h>

static int refuse(const weir_host *host, weir_instance *instance, const char *name, const char *why)
{
    host->option_error(instance, name, weir_cstr(why));
    return -EINVAL;
}

static bool is_arn(weir_str table)
{
    return table.len > 4 && memcmp(table.ptr, "arn:", 4) == 0;
}

static void read_options(const weir_host *host, weir_instance *instance, struct settings *s)
{
    const struct {
        const char *name;
        weir_str *out;
    } texts[] = {
        {"table", &s->table},
        {"path", &s->path},
        {"endpoint", &s->endpoint},
        {"region", &s->region},
        {"id_name", &s->id_name},
        {"timestamp_name", &s->stamp_name},
        {"old_name", &s->old_name},
        {"new_name", &s->new_name},
        {"event_id_name", &s->event_id_name},
        {"key_attribute", &s->key_attribute},
        {"price_attribute", &s->price_attribute},
    };
    const struct {
        const char *name;
        int64_t *out;
    } numbers[] = {{"store", &s->store},
                   {"timestamp", &s->mode},
                   {"concurrency", &s->concurrency},
                   {"batch", &s->batch}};
    int64_t on_missing = 0, announce = 1, other_keys = 1;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        host->option_str(instance, texts[i].name, texts[i].out);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        host->option_i64(instance, numbers[i].name, numbers[i].out);
    if (s->store == 2) /* SQLite's name of a file that is none */
        s->path = weir_cstr(":memory:");
    host->option_i64(instance, "on_missing", &on_missing);
    host->option_i64(instance, "announce", &announce);
    host->option_i64(instance, "other_keys", &other_keys);
    s->on_missing_record = on_missing != 0;
    s->announce = announce != 0;
    s->other_keys = other_keys != 0;
}

static uint32_t event_bit(weir_str name)
{
    return weir_equal(name, WEIR_STR("INSERT"))   ? WEIR_INSERT
           : weir_equal(name, WEIR_STR("MODIFY")) ? WEIR_MODIFY
           : weir_equal(name, WEIR_STR("REMOVE")) ? WEIR_REMOVE
                                                  : 0;
}

static int read_events(const weir_host *host, weir_instance *instance, uint32_t *out)
{
    const weir_json *json = host->extension(instance, WEIR_EXT_JSON);
    weir_str text = {NULL, 0};
    uint32_t events = 0;
    if (!host->option_str(instance, "events", &text) || !json) {
        *out = WEIR_MODIFY;
        return 0;
    }
    weir_json_doc *doc = json->parse(text);
    const weir_json_node *list = doc ? json->root(doc) : NULL;
    size_t count = json->kind(list) == WEIR_J_ARRAY ? json->size(list) : 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bit = event_bit(json->text(json->entry(list, i, NULL)));
        if (bit == 0 || json->kind(json->entry(list, i, NULL)) != WEIR_J_STRING) {
            events = 0;
            break;
        }
        events |= bit;
    }
    json->free(doc);
    if (events == 0)
        return refuse(host, instance, "events", "must be a list of INSERT, MODIFY and REMOVE");
    *out = events;
    return 0;
}

/* A row's attributes need names, and each its own. */
static int check_names(const weir_host *host, weir_instance *instance, const struct settings *s)
{
    const struct {
        const char *option;
        weir_str name;
    } names[] = {{"id_name", s->id_name},
                 {"timestamp_name", s->stamp_name},
                 {"old_name", s->old_name},
                 {"new_name", s->new_name},
                 {"event_id_name", s->event_id_name}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].name.len == 0 || names[i].name.len > 255)
            return refuse(host, instance, names[i].option, "must have 1 to 255 bytes");
        for (size_t k = 0; k < i; k++)
            if (weir_equal(names[i].name, names[k].name))
                return refuse(host, instance, names[i].option,
                              "two attributes of the row have this name");
    }
    return 0;
}

/* DynamoDB's own rule: a call with another name is refused as invalid, which would look like the
 * fault of each record. */
static bool is_table(weir_str table)
{
    for (size_t i = 0; i < table.len; i++) {
        char c = table.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '_' || c == '-' || c == '.';
        if (!plain && !(is_arn(table) && (c == ':' || c == '/')))
            return false;
    }
    return table.len >= 3 && table.len <= (is_arn(table) ? 1024u : 255u);
}

static int check(const weir_host *host, weir_instance *instance, const struct settings *s)
{
    if (s->store != 0) {
#ifndef WEIR_SQLITE
        return refuse(host, instance, "store", "this build has no SQLite: use store \"dynamodb\"");
#endif
        if (s->store == 1 && s->path.len == 0)
            return refuse(host, instance, "path",
                          "is needed by store \"sqlite\": the file for the history");
    } else if (!is_table(s->table)) {
        return refuse(host, instance, "table",
                      "must have 3 to 255 of a-z, A-Z, 0-9, '_', '-' and '.', or be an ARN");
    }
    if (s->concurrency < 1 || s->concurrency > 64)
        return refuse(host, instance, "concurrency",
                      "must be 1 to 64: so many connections there are");
    if (s->batch < 1 || s->batch > 25)
        return refuse(host, instance, "batch", "must be 1 to 25: DynamoDB takes no more in a call");
    if (s->key_attribute.len == 0)
        return refuse(host, instance, "key_attribute", "must not be empty");
    if (s->price_attribute.len == 0)
        return refuse(host, instance, "price_attribute", "must not be empty");
    return check_names(host, instance, s);
}

static void declare(const weir_host *host, weir_instance *instance, const struct settings *s)
{
    bool puts = s->mode == STAMP_SECONDS || s->batch == 1;
    weir_buf text = {0};
    if (s->store != 0) {
        put_text(&text, s->store == 1 ? "file " : "memory");
        if (s->store == 1)
            put_visible(&text, s->path, 512);
        host->declare(instance, WEIR_D_TARGET, weir_buf_view(&text));
    } else {
        host->declare(instance, WEIR_D_WRITES_TABLE, s->table);
        put_text(&text, "table ");
        put_visible(&text, s->table, 512);
        host->declare(instance, WEIR_D_TARGET, weir_buf_view(&text));
        weir_buf_clear(&text);
        put_text(&text, puts ? "dynamodb:PutItem " : "dynamodb:BatchWriteItem ");
        put_text(&text, is_arn(s->table) ? "" : "arn:aws:dynamodb:*:*:table/");
        put_visible(&text, s->table, 512);
        host->declare(instance, WEIR_D_IAM, weir_buf_view(&text));
    }
    weir_buf_free(&text);
}

int settings_read(const weir_host *host, weir_instance *instance, struct settings *out)
{
    read_options(host, instance, out);
    int rc = check(host, instance, out);
    if (rc == 0)
        rc = read_events(host, instance, &out->events);
    if (rc < 0)
        return rc;
    out->price_path = calloc(1, out->price_attribute.len + 1);
    if (!out->price_path)
        return -ENOMEM;
    memcpy(out->price_path, out->price_attribute.ptr, out->price_attribute.len);

    const char *const attributes[] = {out->price_path, NULL};
    const weir_subscription subscription = {sizeof subscription, out->events, WEIR_OLD | WEIR_NEW,
                                            1, attributes};
    rc = host->subscribe(instance, &subscription);
    if (rc == -EINVAL)
        return refuse(host, instance, "price_attribute", "is no path of an attribute");
    if (rc == 0)
        declare(host, instance, out);
    return rc;
}

void settings_done(struct settings *settings)
{
    free(settings->price_path);
    settings->price_path = NULL;
}
