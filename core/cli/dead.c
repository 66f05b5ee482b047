/* weir dead list, show, drop: the local dead letters. */
#include "cli/verbs.h"
#include "cli/visit.h"
#include "json/json.h"
#include "router/letter_json.h"
#include "util/alloc.h"
#include "util/text.h"

#include <inttypes.h>

enum { REASON_BYTES = 60, FLUSH_BYTES = 64 << 10 };

/* ---- one letter ---- */

static void put_json(struct buf *out, int64_t id, const struct dead_letter *letter, bool whole)
{
    buf_putc(out, '{');
    buf_put_number_member(out, "id", id);
    letter_put_members(out, letter);
    buf_put_number_member(out, "bytes", (int64_t)letter->record.len);
    if (whole) /* poison, and what something else wrote to the file, is text */
        letter_put_record(out, letter, json_valid(letter->record));
    buf_putc(out, '}');
}

static void put_row(struct buf *out, int64_t id, const struct dead_letter *letter)
{
    buf_printf(out, "%6" PRId64 "  ", id);
    buf_put_iso_time(out, letter->last_us, 0);
    buf_puts(out, "  ");
    size_t before = out->len;
    buf_put_visible(out, letter->sink.len ? letter->sink : STR("-"), 40);
    buf_printf(out, "%*s  %5" PRId64 "  ",
               (int)(out->len - before < 12 ? 12 - (out->len - before) : 0), "", letter->attempts);
    before = out->len;
    buf_put_visible(out, letter->sequence.len ? letter->sequence : STR("-"), 128);
    buf_printf(out, "%*s  ", (int)(out->len - before < 21 ? 21 - (out->len - before) : 0), "");
    buf_put_visible(out, letter->reason, REASON_BYTES);
    buf_putc(out, '\n');
}

static void put_line(struct buf *out, const char *name, weir_str value)
{
    buf_printf(out, "%-9s ", name);
    buf_put_visible(out, value.len ? value : STR("-"), 4096);
    buf_putc(out, '\n');
}

static void put_page(struct buf *out, int64_t id, const struct dead_letter *letter)
{
    buf_printf(out, "id        %" PRId64 "\n", id);
    put_line(out, "pipeline", letter->pipeline);
    put_line(out, "sink", letter->sink);
    put_line(out, "stream", letter->stream_arn);
    put_line(out, "shard", letter->shard);
    put_line(out, "sequence", letter->sequence);
    put_line(out, "eventID", letter->event_id);
    buf_printf(out, "attempts  %" PRId64 "\nfirst     ", letter->attempts);
    buf_put_iso_time(out, letter->first_us, 3);
    buf_puts(out, "\nlast      ");
    buf_put_iso_time(out, letter->last_us, 3);
    buf_putc(out, '\n');
    put_line(out, "code", letter->code);
    put_line(out, "reason", letter->reason);
    if (json_valid(letter->record)) {
        buf_puts(out, "record    ");
        buf_put_json_ascii(out, letter->record);
    } else {
        buf_puts(out, "raw       ");
        buf_put_visible(out, letter->record, letter->record.len);
    }
    buf_putc(out, '\n');
}

/* ---- list ---- */

struct listing {
    struct visit visit;
    size_t count;
    bool more;
};

static int list_one(void *ctx, int64_t id, const struct dead_letter *letter)
{
    struct listing *listing = ctx;
    struct visit *visit = &listing->visit;
    struct buf *out = &visit->out;
    if (listing->count == (size_t)visit->cli->limit) {
        listing->more = true;
        return 1;
    }
    if (visit->cli->json) {
        if (listing->count)
            buf_putc(out, ',');
        put_json(out, id, letter, false);
    } else {
        if (listing->count == 0)
            buf_puts(out,
                     "    ID  LAST                  SINK          TRIES  SEQUENCE               "
                     "REASON\n");
        put_row(out, id, letter);
    }
    listing->count++;
    return out->len < FLUSH_BYTES || visit_flush(visit) ? 0 : 1;
}

static void list_end(struct listing *listing)
{
    struct visit *visit = &listing->visit;
    if (visit->cli->json)
        buf_printf(&visit->out, "],\"more\":%s}\n", listing->more ? "true" : "false");
    else if (listing->count == 0)
        visit_put_none(visit);
    else
        buf_printf(&visit->out,
                   "%s%zu dead letter%s. `weir dead show ID` shows one, `weir dead retry "
                   "ID` delivers it again\n",
                   listing->more ? "the first " : "", listing->count,
                   listing->count == 1 ? "" : "s");
}

int verb_dead_list(struct cli *cli)
{
    struct listing listing;
    struct visit *visit = &listing.visit;
    listing.count = 0;
    listing.more = false;
    int code = visit_begin(visit, cli);
    if (code == 0)
        code = visit_open(visit);
    if (code != 0)
        return visit_end(visit, code);
    struct db_letters which = {.pipeline = str_of(visit->config->name), .sink = str_of(cli->sink)};
    struct err err = {0};
    if (cli->json)
        buf_puts(&visit->out, "{\"letters\":[");
    int rc = visit->db ? db_each_letter(visit->db, &which, list_one, &listing, &err) : 0;
    if (rc < 0)
        return visit_end(visit, visit_fail(visit, &err));
    list_end(&listing);
    return visit_end(visit, EXIT_DONE);
}

/* ---- show ---- */

static int show_one(void *ctx, int64_t id, const struct dead_letter *letter)
{
    struct visit *visit = ctx;
    if (visit->cli->json) {
        put_json(&visit->out, id, letter, true);
        buf_putc(&visit->out, '\n');
    } else {
        put_page(&visit->out, id, letter);
    }
    return 1;
}

int verb_dead_show(struct cli *cli)
{
    struct visit visit;
    struct err err = {0};
    int64_t id;
    int code = visit_id(cli, cli->args[0], &id);
    if (code != 0)
        return code;
    code = visit_begin(&visit, cli);
    if (code == 0)
        code = visit_open(&visit);
    if (code != 0)
        return visit_end(&visit, code);
    struct db_letters which = {.id = id};
    int rc = visit.db ? db_each_letter(visit.db, &which, show_one, &visit, &err) : 0;
    if (rc < 0)
        code = visit_fail(&visit, &err);
    else if (rc == 0)
        code = cli_fail(cli, EXIT_NO, NULL, "there is no dead letter %" PRId64, id);
    return visit_end(&visit, code);
}

/* ---- drop ---- */

struct dropping {
    struct visit visit;
    struct id_list list;
};

/* All or none. */
static int drop_all(struct dropping *dropping, size_t *dropped, struct err *err)
{
    struct state_db *db = dropping->visit.db;
    int rc = db_begin(db, err);
    *dropped = 0;
    for (size_t i = 0; i < dropping->list.count && rc >= 0; i++) {
        rc = db_drop_letter(db, dropping->list.ids[i], NULL, err);
        *dropped += rc == 1;
        if (rc == 0)
            cli_fail(dropping->visit.cli, 0, NULL, "there is no dead letter %" PRId64,
                     dropping->list.ids[i]);
    }
    if (rc >= 0)
        rc = db_commit(db, err);
    if (rc < 0)
        db_rollback(db);
    return rc;
}

static int drop(struct dropping *dropping)
{
    struct visit *visit = &dropping->visit;
    struct err err = {0};
    size_t dropped = 0;
    int code = visit_choose(visit, &dropping->list);
    if (code != 0)
        return code;
    if (visit->db && dropping->list.count && drop_all(dropping, &dropped, &err) < 0)
        return visit_fail(visit, &err);
    if (visit->cli->json)
        buf_printf(&visit->out, "{\"dropped\":%zu}\n", dropped);
    else
        buf_printf(&visit->out, "dropped %zu dead letter%s\n", dropped, dropped == 1 ? "" : "s");
    return dropped == dropping->list.count ? EXIT_DONE : EXIT_NO;
}

int verb_dead_drop(struct cli *cli)
{
    struct dropping dropping = {.list.count = 0};
    int code = visit_check_which(cli, "dead drop");
    if (code != 0)
        return code;
    code = visit_begin(&dropping.visit, cli);
    if (code == 0)
        code = visit_open(&dropping.visit);
    if (code == 0)
        code = drop(&dropping);
    mem_free(dropping.list.ids);
    return visit_end(&dropping.visit, code);
}
