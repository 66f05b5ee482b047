#include "cli/records.h"

#include "config/tree.h"
#include "plugin/options.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { INPUT_MAX_BYTES = 256 << 20, READ_BYTES = 64 << 10, PADDING = 64, SHOWN_BYTES = 60 };

/* ---- reading ---- */

static int read_all(int fd, struct buf *out)
{
    for (;;) {
        int rc = buf_reserve(out, READ_BYTES + PADDING);
        if (rc < 0)
            return rc;
        ssize_t got = read(fd, out->ptr + out->len, READ_BYTES);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return -errno;
        out->len += got > 0 ? (size_t)got : 0;
    }
}

int records_decode(struct buf *bytes, struct batch **out, struct err *err)
{
    struct decode_options options = {
        .max_bytes = INPUT_MAX_BYTES, .max_records = 10000000, .lines = true};
    size_t len = bytes->len;
    if (buf_reserve(bytes, PADDING) < 0) {
        buf_done(bytes);
        return err_set(err, -ENOMEM, "out of memory");
    }
    return batch_decode(buf_take(bytes), len, NULL, &options, out, err);
}

int records_read(struct cli *cli, const char *path, struct batch **out)
{
    bool standard = !path || strcmp(path, "-") == 0;
    const char *shown = standard ? "standard input" : path;
    struct buf bytes;
    struct err err = {0};
    if (!path && isatty(STDIN_FILENO))
        return cli_fail(cli, EXIT_USAGE, "`weir sample modify | weir explain` shows how.",
                        "no records: pipe some in, or name a file");
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cli_fail(cli, EXIT_NO, NULL, "can't open %s: %s", shown, strerror(errno));
    buf_init(&bytes, INPUT_MAX_BYTES + READ_BYTES + PADDING);
    int rc = read_all(fd, &bytes);
    if (!standard)
        close(fd);
    if (rc < 0) {
        buf_done(&bytes);
        return cli_fail(cli, EXIT_NO, NULL, "can't read %s: %s", shown,
                        rc == -EMSGSIZE ? "it is larger than 256 MiB" : strerror(-rc));
    }
    rc = records_decode(&bytes, out, &err);
    return rc < 0 ? cli_fail(cli, EXIT_NO, NULL, "%s: %s", shown, err.msg) : 0;
}

/* ---- showing ---- */

static const char *event_text(const struct record *record)
{
    return record->event == WEIR_INSERT   ? "INSERT"
           : record->event == WEIR_MODIFY ? "MODIFY"
           : record->event == WEIR_REMOVE ? "REMOVE"
                                          : "(another event)";
}

void records_put_head(const struct record *record, struct buf *out)
{
    const struct node *keys = record_image(record, WEIR_KEYS);
    if (record->poison) {
        buf_printf(out, "record %u can't be decoded: %s", record->index + 1, record->poison);
        return;
    }
    buf_puts(out, event_text(record));
    for (size_t i = 0; i < value_size(keys); i++) {
        weir_str name;
        const struct node *value = value_entry(keys, i, &name);
        int type = value_type(value);
        bool plain = type == WEIR_T_S || type == WEIR_T_N;
        buf_putc(out, ' ');
        buf_put_visible(out, name, SHOWN_BYTES);
        buf_putc(out, '=');
        buf_put_visible(out, plain ? value_text(value) : value_json(value), SHOWN_BYTES);
    }
}

void records_put_json(const struct record *record, struct buf *out)
{
    const struct node *keys = record_image(record, WEIR_KEYS);
    buf_putc(out, '{');
    buf_put_member(out, "event", record_field(record, WEIR_F_EVENT_NAME));
    buf_put_key(out, "keys");
    if (keys)
        buf_put_json_ascii(out, value_json(keys));
    else
        buf_puts(out, "null");
    buf_put_member(out, "eventID", record_field(record, WEIR_F_EVENT_ID));
    buf_put_member(out, "sequence", record_field(record, WEIR_F_SEQUENCE));
    buf_putc(out, '}');
}

/* ---- items ---- */

static bool all_strings(const struct json_value *list)
{
    for (const struct json_value *entry = list->first; entry; entry = entry->next)
        if (entry->kind != JSON_STRING)
            return false;
    return list->kind == JSON_ARRAY && list->first;
}

/* {"N":"12"}: one member, named as a type, whose value is what that type has. */
static bool is_typed(const struct json_value *value)
{
    const struct json_value *m = value->first;
    if (value->kind != JSON_OBJECT || value->size != 1)
        return false;
    if (str_is(m->name, "S") || str_is(m->name, "N") || str_is(m->name, "B"))
        return m->kind == JSON_STRING;
    if (str_is(m->name, "SS") || str_is(m->name, "NS") || str_is(m->name, "BS"))
        return all_strings(m);
    if (str_is(m->name, "BOOL"))
        return m->kind == JSON_TRUE || m->kind == JSON_FALSE;
    if (str_is(m->name, "NULL"))
        return m->kind == JSON_TRUE;
    return (str_is(m->name, "M") && m->kind == JSON_OBJECT) ||
           (str_is(m->name, "L") && m->kind == JSON_ARRAY);
}

static void put_scalar(const struct json_value *value, struct buf *out)
{
    switch (value->kind) {
    case JSON_STRING:
        buf_puts(out, "{\"S\":");
        buf_put_json_string(out, value->text);
        buf_putc(out, '}');
        break;
    case JSON_NUMBER:
        buf_printf(out, "{\"N\":\"%.*s\"}", STR_ARG(value->text));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        buf_printf(out, "{\"BOOL\":%s}", value->kind == JSON_TRUE ? "true" : "false");
        break;
    default:
        buf_puts(out, "{\"NULL\":true}");
        break;
    }
}

/* One value with all that is below it: `ends` closes what is open. */
static void put_tree(const struct json_value *root, struct buf *out)
{
    struct tree_walk walk;
    const char *ends[TREE_DEPTH_MAX];
    bool any[TREE_DEPTH_MAX + 1] = {false}, skip;
    size_t open = 0;
    struct json_value *v = tree_first(&walk, (struct json_value *)root);
    for (; v; v = tree_next(&walk, skip)) {
        while (open > walk.depth)
            buf_puts(out, ends[--open]);
        buf_puts(out, any[walk.depth] ? "," : "");
        any[walk.depth] = true;
        any[walk.depth + 1] = false;
        if (walk.depth > 0 && v->name.ptr) {
            buf_put_json_string(out, v->name);
            buf_putc(out, ':');
        }
        bool map = v->kind == JSON_OBJECT, list = v->kind == JSON_ARRAY;
        skip = is_typed(v);
        if (skip) {
            option_json_write(v, out);
        } else if (map || list) {
            buf_puts(out, map ? "{\"M\":{" : "{\"L\":[");
            ends[open++] = map ? "}}" : "]}";
        } else {
            put_scalar(v, out);
        }
    }
    while (open > 0)
        buf_puts(out, ends[--open]);
}

void records_put_item(const struct json_value *item, const struct json_value *keys, struct buf *out)
{
    const struct json_value *both[] = {keys, item};
    bool any = false;
    buf_putc(out, '{');
    for (size_t i = 0; i < 2; i++)
        for (const struct json_value *m = both[i] ? both[i]->first : NULL; m; m = m->next) {
            if (i == 0 && json_member(item, m->name))
                continue;
            buf_puts(out, any ? "," : "");
            buf_put_json_string(out, m->name);
            buf_putc(out, ':');
            put_tree(m, out);
            any = true;
        }
    buf_putc(out, '}');
}
