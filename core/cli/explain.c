/* weir explain: records against every sink. */
#include "cli/opened.h"
#include "cli/records.h"
#include "cli/verbs.h"
#include "util/text.h"

enum { FLUSH_BYTES = 256 << 10 };

static bool flush(struct opened *opened)
{
    bool written = cli_write(opened->cli->out, &opened->out);
    buf_reset(&opened->out);
    return written;
}

static void put_sink(struct opened *opened, size_t index, const struct record *record)
{
    const struct sink_set *set = opened->set;
    struct buf *out = &opened->out;
    buf_printf(out, "%s: ", set->sinks[index].config->name);
    if (set->sinks[index].rule_count == 0)
        buf_puts(out, "no match: gets dead letters only");
    else
        match_explain(set->plan, index, record, out);
    buf_putc(out, '\n');
}

static void put_sink_json(struct opened *opened, size_t index, const struct record *record)
{
    const struct sink_set *set = opened->set;
    struct buf *out = &opened->out;
    buf_put_comma(out);
    buf_putc(out, '{');
    buf_put_text_member(out, "sink", set->sinks[index].config->name);
    buf_putc(out, ',');
    if (set->sinks[index].rule_count == 0)
        buf_puts(out, "\"matched\":false,\"outcome\":\"no match\",\"condition\":\"only_from\","
                      "\"compared\":[],\"text\":\"no match: gets dead letters only\"");
    else
        match_explain_json(set->plan, index, record, out);
    buf_putc(out, '}');
}

/* With one record the answers are all there is to say; with more, each is named. */
static void put_record(struct opened *opened, const struct batch *batch,
                       const struct record *record)
{
    struct buf *out = &opened->out;
    bool json = opened->cli->json;
    if (json) {
        buf_puts(out, "{\"record\":");
        records_put_json(record, out);
        buf_puts(out, ",\"sinks\":[");
    } else if (batch->record_count > 1 || record->poison) {
        records_put_head(record, out);
        buf_putc(out, '\n');
    }
    for (size_t i = 0; i < opened->set->count; i++) {
        if (json) {
            put_sink_json(opened, i, record);
        } else {
            buf_puts(out, batch->record_count > 1 ? "  " : "");
            put_sink(opened, i, record);
        }
    }
    buf_puts(out, json ? "]}\n" : "");
}

static int explain(struct opened *opened, const struct batch *batch)
{
    int code = EXIT_DONE;
    if (batch->record_count == 0)
        return cli_fail(opened->cli, EXIT_NO, NULL, "there is no record in it");
    for (size_t i = 0; i < batch->record_count; i++) {
        put_record(opened, batch, batch->records[i]);
        if (batch->records[i]->poison)
            code = EXIT_NO;
        if (opened->out.len > FLUSH_BYTES && !flush(opened))
            return EXIT_NO;
    }
    return code;
}

int verb_explain(struct cli *cli)
{
    struct opened opened;
    struct batch *batch = NULL;
    int code = opened_begin(&opened, cli, true);
    if (code == 0)
        code = records_read(cli, cli->record, &batch);
    if (code == 0)
        code = explain(&opened, batch);
    batch_unref(batch);
    return opened_end(&opened, code);
}
