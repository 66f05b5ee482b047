#include "cli/progress.h"

#include <errno.h>
#include <stdlib.h>

const char *progress_state(const struct progress_sink *sink)
{
    if (sink->gap && !sink->gap->done)
        return "gap";
    if (!sink->position)
        return "done";
    return sink->position->done          ? "done"
           : sink->position->read_to_end ? "held" /* its sink has not finished what was read */
                                         : "reading";
}

bool progress_caught_up(const struct progress_stream *stream, const struct progress_sink *sink,
                        int64_t now_us)
{
    const struct state_row *row = sink->position;
    bool followed = stream->row && now_us - stream->row->updated_us < STATE_FOLLOWED_US;
    return followed && row && row->position.len && strcmp(progress_state(sink), "reading") == 0 &&
           row->record_us && row->updated_us - row->record_us < STATE_BEHIND_US;
}

static void *take(struct progress *progress, size_t count, size_t bytes)
{
    void *memory = arena_alloc(&progress->arena, count * bytes + 1, _Alignof(max_align_t));
    if (memory)
        memset(memory, 0, count * bytes);
    return memory;
}

/* By stream, shard, sink, kind. */
static int by_place(const void *x, const void *y)
{
    const struct state_row *a = x, *b = y;
    int order = str_cmp(a->stream, b->stream);
    if (order == 0)
        order = str_cmp(a->shard, b->shard);
    if (order == 0)
        order = str_cmp(a->sink, b->sink);
    return order ? order : (int)a->kind - (int)b->kind;
}

/* ---- one shard ---- */

static size_t rows_of_shard(const struct state_row *rows, size_t count)
{
    size_t same = 0;
    while (same < count && str_eq(rows[same].stream, rows[0].stream) &&
           str_eq(rows[same].shard, rows[0].shard))
        same++;
    return same;
}

static int fill_shard(struct progress *progress, struct progress_shard *shard,
                      const struct state_row *rows, size_t count)
{
    *shard = (struct progress_shard){.id = rows[0].shard};
    shard->sinks = take(progress, count, sizeof *shard->sinks);
    if (!shard->sinks)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct progress_sink *sink = shard->sinks + shard->sink_count;
        if (i == 0 || !str_eq(rows[i].sink, rows[i - 1].sink))
            shard->sink_count++;
        else
            sink--;
        sink->name = rows[i].sink;
        if (rows[i].kind == STATE_GAP) {
            sink->gap = &rows[i];
            progress->gaps += !rows[i].done;
            continue;
        }
        sink->position = &rows[i];
        if (rows[i].parent.len)
            shard->parent = rows[i].parent;
    }
    return 0;
}

/* ---- the tree of one stream ---- */

static int by_id(const void *key, const void *shard)
{
    return str_cmp(*(const weir_str *)key, ((const struct progress_shard *)shard)->id);
}

static void link_children(struct progress_shard *shards, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        struct progress_shard *shard = &shards[i];
        struct progress_shard *parent =
            shard->parent.len ? bsearch(&shard->parent, shards, count, sizeof *shards, by_id)
                              : NULL;
        if (!parent || parent == shard)
            continue;
        shard->parent_shard = parent;
        shard->sibling = parent->child;
        parent->child = shard;
    }
}

/* Depth first, without recursion. */
static struct progress_shard *behind(struct progress_shard *shard)
{
    if (shard->child)
        return shard->child;
    while (shard && !shard->sibling)
        shard = shard->parent_shard;
    return shard ? shard->sibling : NULL;
}

static void put_in_order(struct progress_stream *stream, struct progress_shard *shards)
{
    struct progress_shard **end = &stream->first;
    for (size_t i = 0; i < stream->shard_count; i++)
        for (struct progress_shard *at = shards[i].parent_shard ? NULL : &shards[i]; at;
             at = behind(at)) {
            at->depth = at->parent_shard ? at->parent_shard->depth + 1 : 0;
            at->placed = true;
            *end = at;
            end = &at->next;
        }
    for (size_t i = 0; i < stream->shard_count; i++)
        if (!shards[i].placed) { /* parents in a circle: nonsense, but shown */
            *end = &shards[i];
            end = &shards[i].next;
        }
    *end = NULL;
}

static int build_stream(struct progress *progress, struct progress_stream *stream,
                        const struct state_row *rows, size_t count)
{
    struct progress_shard *shards = take(progress, count, sizeof *shards);
    if (!shards)
        return -ENOMEM;
    stream->arn = rows[0].stream;
    for (size_t at = 0; at < count;) {
        size_t same = rows_of_shard(rows + at, count - at);
        if (rows[at].kind == STATE_STREAM) {
            stream->row = &rows[at++];
            continue;
        }
        if (fill_shard(progress, &shards[stream->shard_count], rows + at, same) < 0)
            return -ENOMEM;
        stream->shard_count++;
        at += same;
    }
    link_children(shards, stream->shard_count);
    put_in_order(stream, shards);
    return 0;
}

int progress_build(struct progress *progress)
{
    struct progress_stream **end = &progress->first;
    if (progress->row_count)
        qsort(progress->rows, progress->row_count, sizeof *progress->rows, by_place);
    for (size_t at = 0; at < progress->row_count;) {
        size_t same = at;
        while (same < progress->row_count &&
               str_eq(progress->rows[same].stream, progress->rows[at].stream))
            same++;
        struct progress_stream *stream = take(progress, 1, sizeof *stream);
        if (!stream || build_stream(progress, stream, progress->rows + at, same - at) < 0)
            return -ENOMEM;
        *end = stream;
        end = &stream->next;
        at = same;
    }
    return 0;
}
