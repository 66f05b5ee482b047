#include "util/seam.h"

#include <errno.h>
#include <strings.h>

int64_t world_boot_ms(const struct world *world)
{
    const struct clock *clock = &world->clock;
    return world->boot_ms ? world->boot_ms(clock->ctx) : clock->now_ms(clock->ctx);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

weir_str http_answer_header(const struct http_call *call, const char *name)
{
    weir_str left = buf_str(&call->answer_headers);
    size_t name_len = strlen(name);
    while (left.len) {
        const char *newline = memchr(left.ptr, '\n', left.len);
        size_t line = newline ? (size_t)(newline - left.ptr) + 1 : left.len;
        if (line > name_len && left.ptr[name_len] == ':' &&
            strncasecmp(left.ptr, name, name_len) == 0) {
            const char *at = left.ptr + name_len + 1, *end = left.ptr + line;
            while (at < end && is_blank(*at))
                at++;
            while (end > at && (is_blank(end[-1]) || end[-1] == '\r' || end[-1] == '\n'))
                end--;
            return (weir_str){at, (size_t)(end - at)};
        }
        left = (weir_str){left.ptr + line, left.len - line};
    }
    return STR_NONE;
}

int state_row_keep(struct arena *arena, struct state_row *row)
{
    weir_str *const texts[] = {&row->sink,  &row->stream, &row->shard,    &row->parent,
                               &row->table, &row->start,  &row->position, &row->first_available};
    return arena_keep(arena, texts, sizeof texts / sizeof *texts);
}

int state_rows_keep(struct arena *arena, const struct state_row *rows, size_t count,
                    struct state_row **out)
{
    struct state_row *kept =
        arena_alloc(arena, (count + 1) * sizeof *kept, _Alignof(struct state_row));
    for (size_t i = 0; kept && i < count; i++) {
        kept[i] = rows[i];
        if (state_row_keep(arena, &kept[i]) < 0)
            return -ENOMEM;
    }
    *out = kept;
    return kept ? 0 : -ENOMEM;
}
