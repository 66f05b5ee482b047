/* Decodes documents for the differential test. Standard input: per document its length in decimal,
 * a newline, its bytes. Standard output: one JSON line each, with all that was decoded. */
#include "record/match.h"
#include "util/alloc.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>

static void put_text(struct buf *out, const char *name, weir_str text)
{
    buf_printf(out, ",\"%s\":", name);
    buf_put_json_string(out, text);
}

/* ["S","text"], ["B","base64"], ["L",[...]], ["M",[["name",value]...]]. Depth is capped by the
 * decoder. */
static void put_value(struct buf *out, const struct node *value)
{
    static const char *const types[] = {"",  "S", "N",  "B",  "BOOL", "NULL",
                                        "M", "L", "SS", "NS", "BS"};
    int type = value_type(value);
    buf_printf(out, "[\"%s\",", types[type]);
    if (type == WEIR_T_B) {
        buf_putc(out, '"');
        buf_put_base64(out, value_text(value));
        buf_putc(out, '"');
    } else if (type < WEIR_T_M) {
        buf_put_json_string(out, value_text(value));
    } else {
        buf_putc(out, '[');
        for (size_t i = 0; i < value_size(value); i++) {
            weir_str name = STR_NONE;
            const struct node *entry = value_entry(value, i, &name);
            buf_puts(out, i ? "," : "");
            if (type == WEIR_T_M) {
                buf_putc(out, '[');
                buf_put_json_string(out, name);
                buf_putc(out, ',');
            }
            put_value(out, entry);
            buf_puts(out, type == WEIR_T_M ? "]" : "");
        }
        buf_putc(out, ']');
    }
    buf_putc(out, ']');
}

static void put_image(struct buf *out, const char *name, const struct node *image)
{
    buf_printf(out, ",\"%s\":", name);
    if (image)
        put_value(out, image);
    else
        buf_puts(out, "null");
}

static void put_record(struct buf *out, const struct record *record)
{
    buf_printf(out, "{\"poison\":%d", record->poison != NULL);
    put_text(out, "reason", str_of(record->poison));
    put_text(out, "id", record->event_id);
    put_text(out, "name", record_field(record, WEIR_F_EVENT_NAME));
    put_text(out, "sequence", record_field(record, WEIR_F_SEQUENCE));
    put_text(out, "arn", record->origin->stream_arn);
    buf_printf(out, ",\"us\":%lld,\"precision\":%d", (long long)record->created_us,
               record->precision);
    put_image(out, "keys", record_image(record, WEIR_KEYS));
    put_image(out, "old", record_image(record, WEIR_OLD));
    put_image(out, "new", record_image(record, WEIR_NEW));
    buf_putc(out, '}');
}

static void dump(char *bytes, size_t len, struct buf *out)
{
    struct batch *batch = NULL;
    struct err err = {0};
    int rc = batch_decode(bytes, len, NULL, NULL, &batch, &err);
    buf_reset(out);
    buf_printf(out, "{\"rc\":%d", rc);
    put_text(out, "error", str_of(err.msg));
    buf_puts(out, ",\"records\":[");
    for (size_t i = 0; batch && i < batch->record_count; i++) {
        buf_puts(out, i ? "," : "");
        put_record(out, batch->records[i]);
    }
    buf_puts(out, "]}");
    batch_unref(batch);
    puts(buf_cstr(out));
}

int main(void)
{
    char line[32];
    struct buf out;
    buf_init(&out, 64 << 20);
    while (fgets(line, sizeof line, stdin)) {
        size_t len = (size_t)strtoul(line, NULL, 10);
        char *bytes = mem_alloc(len + 64);
        if (!bytes || fread(bytes, 1, len, stdin) != len)
            return 2;
        dump(bytes, len, &out);
    }
    buf_done(&out);
    return mem_live() != 0;
}
