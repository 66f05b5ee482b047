#include "cli/showing.h"

#include "admin/tap_record.h"
#include "util/text.h"

static size_t sink_count(const struct showing *showing)
{
    return showing->opened.set ? showing->opened.set->count : 0;
}

static void put_record(struct showing *showing, const struct record *record)
{
    const struct config *config = showing->opened.config;
    struct buf *out = &showing->record;
    buf_reset(out);
    tap_put_record(record, config ? config->log.redact : NULL, out);
    if (showing->opened.cli->json)
        tap_put_whole(record, config ? config->log.redact : NULL, out);
    buf_puts(out, ",\"at\":");
    if (record->precision) {
        buf_putc(out, '"');
        buf_put_iso_time(out, record->created_us, 3);
        buf_putc(out, '"');
    } else {
        buf_puts(out, "null");
    }
    buf_puts(out, ",\"sinks\":[");
    for (size_t i = 0; i < sink_count(showing); i++) {
        const char *outcome = record->matched >> i & 1 ? "match"
                              : record->unmet >> i & 1 ? "fail"
                                                       : "-";
        buf_puts(out, i ? ",{\"sink\":" : "{\"sink\":");
        buf_put_json_string(out, str_of(showing->opened.set->sinks[i].config->name));
        buf_printf(out, ",\"outcome\":\"%s\"}", outcome);
    }
    buf_puts(out, "]}");
}

static bool is_wanted(const struct showing *showing, const struct record *record)
{
    if (showing->sink != SIZE_MAX && !((record->matched | record->unmet) >> showing->sink & 1))
        return false;
    return !showing->events || (showing->events & record->event);
}

int showing_batch(struct showing *showing, struct batch *batch)
{
    const struct cli *cli = showing->opened.cli;
    int code = EXIT_DONE;
    for (size_t i = 0; i < batch->record_count && !tail_is_full(&showing->tail); i++) {
        struct record *record = batch->records[i];
        if (record->poison) {
            code = cli_fail(cli, EXIT_NO, NULL, "record %zu can't be decoded: %s", i + 1,
                            record->poison);
            continue;
        }
        if (showing->opened.set)
            match_record(showing->opened.set->plan, record);
        if (!is_wanted(showing, record))
            continue;
        put_record(showing, record);
        if (showing->record.failed)
            return cli_fail(cli, EXIT_SOFTWARE, NULL, "out of memory");
        if (!tail_show(&showing->tail, buf_str(&showing->record)))
            return EXIT_NO;
    }
    return code;
}

static int choose(struct showing *showing)
{
    const struct cli *cli = showing->opened.cli;
    weir_str event = str_of(cli->event);
    showing->events = str_is(event, "INSERT")   ? WEIR_INSERT
                      : str_is(event, "MODIFY") ? WEIR_MODIFY
                      : str_is(event, "REMOVE") ? WEIR_REMOVE
                                                : 0;
    showing->sink = SIZE_MAX;
    for (size_t i = 0; cli->sink && i < sink_count(showing); i++)
        if (strcmp(cli->sink, showing->opened.set->sinks[i].config->name) == 0)
            showing->sink = i;
    if (cli->sink && showing->sink == SIZE_MAX)
        return cli_fail(cli, EXIT_NO, NULL, "no sink \"%s\" is enabled", cli->sink);
    return 0;
}

int showing_begin(struct showing *showing, struct cli *cli)
{
    buf_init(&showing->record, 1 << 20);
    tail_begin(&showing->tail, cli);
    int code = opened_begin_if_any(&showing->opened, cli);
    return code == 0 ? choose(showing) : code;
}

int showing_end(struct showing *showing, int exit_code)
{
    tail_end(&showing->tail);
    buf_done(&showing->record);
    return opened_end(&showing->opened, exit_code);
}
