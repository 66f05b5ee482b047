/* Tables by name: the streams that are theirs, one after the other. */
#include "source/poll_parts.h"
#include "util/alloc.h"

#include <errno.h>

/* ---- the streams of a table, oldest first ---- */

static int open_next(struct table *table, weir_str arn)
{
    struct stream *stream = NULL;
    int rc = stream_open(table->poll, arn, str_of(table->name), &stream);
    if (rc < 0)
        return rc;
    stream->predecessor = table->stream;
    table->stream = stream;
    return 0;
}

/* The label at an ARN's end is the time at which the stream was enabled. */
static bool comes_before(weir_str a, weir_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.ptr, b.ptr, len);
    return order < 0 || (order == 0 && a.len < b.len);
}

bool tables_left_behind(const struct table *table, weir_str arn)
{
    return table->stream && comes_before(arn, str_of(table->stream->arn));
}

/* The stored stream of the table that comes next behind `last`. */
static const struct state_row *next_row(const struct table *table, weir_str last)
{
    const struct poll *poll = table->poll;
    const struct state_row *next = NULL;
    for (size_t i = 0; i < poll->row_count; i++) {
        const struct state_row *row = &poll->rows[i];
        if (row->kind == STATE_STREAM && str_is(row->table, table->name) &&
            (!last.len || comes_before(last, row->stream)) &&
            (!next || comes_before(row->stream, next->stream)))
            next = row;
    }
    return next;
}

/* Those that were followed before and not read to their end. */
static int open_stored(struct table *table, weir_str *newest)
{
    const struct state_row *row;
    int rc = 0;
    while (rc == 0 && (row = next_row(table, *newest))) {
        *newest = row->stream;
        if (!row->read_to_end)
            rc = open_next(table, row->stream);
    }
    return rc;
}

static void on_found(void *arg, const struct follow_stream *found)
{
    struct table *table = arg;
    struct poll *poll = table->poll;
    if (!poll_reading(poll))
        return;
    if (table->stream)
        poll_log(poll, WEIR_LOG_INFO, "W0910",
                 "table %s has a new stream, %.*s; the old one is read to its end first",
                 table->name, STR_ARG(found->arn));
    int rc = open_next(table, found->arn);
    if (rc < 0)
        poll_not_opened(poll, rc);
}

static void on_failed(void *arg, int exit_code, const char *reason)
{
    struct table *table = arg;
    (void)reason; /* it was logged */
    poll_end(table->poll, exit_code);
}

/* ---- life ---- */

static int begin(struct table *table)
{
    struct poll *poll = table->poll;
    weir_str newest = STR_NONE;
    int rc = open_stored(table, &newest);
    if (rc < 0)
        return rc;
    const struct follow_config config = {.world = poll->config.world,
                                         .aws = poll->config.aws,
                                         .table = str_of(table->name),
                                         .known_arn = newest,
                                         .found = on_found,
                                         .failed = on_failed,
                                         .arg = table,
                                         .log = poll->config.log,
                                         .log_ctx = poll->config.log_ctx};
    rc = follow_new(&config, &table->follow);
    if (rc == 0)
        follow_start(table->follow);
    return rc;
}

int tables_start(struct poll *poll)
{
    const char *const *names = poll->config.tables;
    struct table **end = &poll->tables;
    int rc = 0;
    for (; rc == 0 && names && *names; names++) {
        struct table *table = mem_zalloc(1, sizeof *table);
        if (!table)
            return -ENOMEM;
        *table = (struct table){.poll = poll, .name = *names};
        *end = table;
        end = &table->next;
        rc = begin(table);
    }
    return rc;
}

static void on_stopped(void *arg)
{
    struct table *table = arg;
    table->stopped = true;
    poll_settle(table->poll);
}

void tables_stop(struct poll *poll)
{
    for (struct table *table = poll->tables; table; table = table->next)
        if (table->follow)
            follow_stop(table->follow, on_stopped, table);
}

bool tables_stopped(const struct poll *poll)
{
    for (const struct table *table = poll->tables; table; table = table->next)
        if (table->follow && !table->stopped)
            return false;
    return true;
}

/* The newest stream is closing or missing: has the table another? */
void tables_look(struct poll *poll)
{
    for (struct table *table = poll->tables; table; table = table->next) {
        enum stream_state state =
            table->stream ? discovery_state(table->stream->discovery) : STREAM_UNKNOWN;
        if (state == STREAM_CLOSING || state == STREAM_MISSING)
            follow_look(table->follow);
    }
}

void tables_free(struct poll *poll)
{
    while (poll->tables) {
        struct table *table = poll->tables;
        poll->tables = table->next;
        follow_free(table->follow);
        mem_free(table);
    }
}
