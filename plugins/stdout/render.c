#include "render.h"

bool render_line(const struct style *style, const weir_record *record, weir_buf *line)
{
    size_t before = line->len;
    bool rendered = true;
    if (style->pretty)
        render_pretty(style, record, line);
    else
        rendered = put_body(&style->body, record, line);
    put_char(line, '\n');
    if (rendered && !line->failed)
        return true;
    line->len = before;
    return false;
}
