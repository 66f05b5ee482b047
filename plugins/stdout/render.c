#include "render.h"

static bool render_json(const struct style *style, const weir_record *record, weir_buf *line)
{
    weir_str json = style->host->field(record, WEIR_F_DEAD_JSON);
    if (json.len == 0)
        json = style->host->field(record, style->raw ? WEIR_F_RAW_JSON : WEIR_F_EVENT_JSON);
    put_json_ascii(line, json);
    return json.len > 0;
}

bool render_line(const struct style *style, const weir_record *record, weir_buf *line)
{
    size_t before = line->len;
    bool rendered = true;
    if (style->format == FORMAT_JSON)
        rendered = render_json(style, record, line);
    else if (style->format == FORMAT_PLAIN)
        rendered = put_plain_record(style->host, record, line);
    else
        render_pretty(style, record, line);
    put_char(line, '\n');
    if (rendered && !line->failed)
        return true;
    line->len = before;
    return false;
}
