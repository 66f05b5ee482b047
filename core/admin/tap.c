#include "admin/tap.h"

#include "admin/tap_record.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    ENTRIES = 256,      /* records that wait for outcomes; a power of two */
    PATIENCE_MS = 2000, /* then a record is told of as it is */
    KEPT_MS = 30000,    /* and is not told of again after so long */
    REASON_SHOWN = 80,
    LOOK_EVERY = 64,
    RECORD_BYTES_MAX = 64 << 10,
    WHOLE_BYTES_MAX = 192 << 10
};

struct said { /* by a sink, of one record */
    bool any, final;
    enum record_outcome what;
    uint32_t attempts;
    int64_t took_ms; /* -1 = not known */
    char reason[REASON_SHOWN];
};

struct entry {    /* a record that was chosen to be shown */
    uint64_t key; /* 0 = free */
    uint64_t matched;
    uint32_t event;
    int64_t since_ms;
    bool told, changed; /* changed: since it was told */
    char *text;         /* from tap_put_record; behind it, perhaps, from tap_put_whole */
    size_t text_len, whole_len;
    struct said *said; /* by sink */
};

struct tap_reader {
    struct tap_filter filter;
    bool (*send)(void *arg, weir_str bytes);
    void *arg;
};

struct dead_one {
    int64_t at_us;
    char *text; /* its members, without braces */
};

struct tap {
    struct tap_config config;
    struct router_observer observer;
    struct tap_reader readers[TAP_READERS_MAX];
    size_t sink_count, reader_count;
    struct entry *entries; /* NULL: nobody reads */
    struct said *said;     /* of all entries */
    double tokens;
    unsigned refused;
    int64_t filled_ms;
    uint64_t *unseen; /* by sink: records that were not chosen, since it was told */
    size_t *owed;     /* by sink: entries to which it has not said its last word */
    uint64_t dropped;
    struct buf line;
    struct dead_one dead[TAP_DEAD_KEPT];
    size_t dead_next;
};

static int64_t now_ms(const struct tap *tap)
{
    return tap->config.clock->now_ms(tap->config.clock->ctx);
}

/* ---- what is told ---- */

static void put_said(const struct tap *tap, size_t sink, const struct entry *entry, struct buf *out)
{
    static const char *const names[] = {
        [RECORD_DELIVERED] = "ok",    [RECORD_SKIPPED] = "skipped", [RECORD_DEAD] = "dead",
        [RECORD_DROPPED] = "dropped", [RECORD_RETRIED] = "retry",   [RECORD_SINK_DOWN] = "down"};
    const struct said *said = &entry->said[sink];
    bool matched = entry->matched >> sink & 1;
    buf_printf(out, "{\"sink\":\"%s\",\"outcome\":\"%s\"",
               router_sink_name(tap->config.router, sink),
               !matched    ? "-"
               : said->any ? names[said->what]
                           : "pending");
    if (matched && said->any && said->took_ms >= 0)
        buf_printf(out, ",\"ms\":%" PRId64, said->took_ms);
    if (matched && said->any && said->attempts)
        buf_printf(out, ",\"attempt\":%" PRIu32 ",\"of\":%" PRId64, said->attempts,
                   router_max_attempts(tap->config.router, sink));
    if (matched && said->reason[0]) {
        buf_puts(out, ",\"reason\":");
        buf_put_json_string(out, str_of(said->reason));
    }
    buf_putc(out, '}');
}

static bool wanted_by(const struct tap_reader *reader, const struct entry *entry)
{
    if (reader->filter.sink != SIZE_MAX && !(entry->matched >> reader->filter.sink & 1))
        return false;
    return !reader->filter.events || (reader->filter.events & entry->event);
}

static void send_to(struct tap *tap, struct tap_reader *reader, weir_str bytes)
{
    if (!reader->send(reader->arg, bytes))
        tap->dropped++;
}

static weir_str line_of(struct tap *tap, const struct entry *entry, bool whole)
{
    struct buf *line = &tap->line;
    const struct clock *clock = tap->config.clock;
    buf_reset(line);
    buf_puts(line, "data: ");
    buf_put(line, entry->text, entry->text_len);
    if (whole)
        buf_put(line, entry->text + entry->text_len, entry->whole_len);
    buf_put_time_member(line, "at", clock->wall_us(clock->ctx));
    buf_puts(line, ",\"sinks\":[");
    for (size_t i = 0; i < tap->sink_count; i++) {
        if (router_sink_gone(tap->config.router, i))
            continue;
        buf_put_comma(line);
        put_said(tap, i, entry, line);
    }
    buf_puts(line, "]}\n\n");
    return line->failed ? STR_NONE : buf_str(line);
}

static void tell(struct tap *tap, struct entry *entry)
{
    entry->told = true;
    entry->changed = false;
    for (int whole = 0; whole < 2; whole++) {
        weir_str line = STR_NONE;
        for (size_t i = 0; i < TAP_READERS_MAX; i++) {
            struct tap_reader *reader = &tap->readers[i];
            if (!reader->send || reader->filter.whole != (whole == 1) || !wanted_by(reader, entry))
                continue;
            if (!line.len)
                line = line_of(tap, entry, whole);
            if (line.len)
                send_to(tap, reader, line);
        }
    }
}

/* ---- entries ---- */

/* Of what a copy of the record has as well; the last digits tell one change of an item from the
 * other. Asked of each record that goes by while somebody reads: a hash of all digits would cost
 * more than the rest of the tap. */
static uint64_t key_of(const struct record *record)
{
    weir_str position = record_position(record);
    uint64_t last = 0;
    size_t len = position.len < sizeof last ? position.len : sizeof last;
    if (len)
        memcpy(&last, position.ptr + position.len - len, len);
    last ^= last >> 32; /* the digits that change most come last, and so highest */
    last ^= last >> 16;
    uint64_t key = (record->item_hash ^ last) * UINT64_C(0x9e3779b97f4a7c15);
    key ^= key >> 32;
    return key ? key : 1;
}

static void entry_free(struct tap *tap, struct entry *entry)
{
    for (uint64_t left = entry->matched; left; left &= left - 1) {
        size_t sink = (size_t)__builtin_ctzll(left);
        tap->owed[sink] -= !entry->said[sink].final;
    }
    mem_free(entry->text);
    entry->text = NULL;
    entry->key = 0;
}

static bool all_said(const struct entry *entry, bool final)
{
    for (uint64_t left = entry->matched; left; left &= left - 1) {
        const struct said *said = &entry->said[__builtin_ctzll(left)];
        if (final ? !said->final : !said->any)
            return false;
    }
    return true;
}

static void refill(struct tap *tap, int64_t now)
{
    tap->tokens += (double)(now - tap->filled_ms) * TAP_RECORDS_PER_S / 1000;
    tap->filled_ms = now;
    if (tap->tokens > TAP_RECORDS_PER_S)
        tap->tokens = TAP_RECORDS_PER_S;
}

static bool has_token(struct tap *tap)
{
    if (tap->tokens < 1 && ++tap->refused % LOOK_EVERY == 0) /* the clock, too, costs something */
        refill(tap, now_ms(tap));
    return tap->tokens >= 1;
}

/* One place for each key: whoever comes later to one that is taken is not shown. */
static struct entry *entry_at(struct tap *tap, uint64_t key)
{
    return &tap->entries[key & (ENTRIES - 1)];
}

static bool wants_whole(const struct tap *tap)
{
    bool any = false;
    for (size_t i = 0; i < TAP_READERS_MAX; i++)
        any = any || (tap->readers[i].send && tap->readers[i].filter.whole);
    return any;
}

static struct entry *entry_begin(struct tap *tap, struct entry *entry, uint64_t key,
                                 const struct record *record)
{
    struct buf text;
    size_t brief_len;
    if (tap->tokens < 1 || (entry->key && !entry->told) ||
        (entry->key && now_ms(tap) - entry->since_ms < PATIENCE_MS))
        return NULL;
    if (entry->key)
        entry_free(tap, entry);
    tap->tokens -= 1;
    buf_init(&text, RECORD_BYTES_MAX + WHOLE_BYTES_MAX);
    tap_put_record(record, tap->config.redact, &text);
    brief_len = text.len;
    if (wants_whole(tap))
        tap_put_whole(record, tap->config.redact, &text);
    if (text.failed || brief_len > RECORD_BYTES_MAX) {
        buf_done(&text);
        return NULL;
    }
    struct said *said = entry->said;
    memset(said, 0, tap->sink_count * sizeof *said);
    *entry = (struct entry){.key = key,
                            .matched = record->matched,
                            .event = record->event,
                            .since_ms = now_ms(tap),
                            .text_len = brief_len,
                            .whole_len = text.len - brief_len,
                            .said = said};
    entry->text = buf_take(&text);
    for (uint64_t left = entry->matched; left; left &= left - 1)
        tap->owed[__builtin_ctzll(left)]++;
    return entry;
}

static void note(struct tap *tap, struct entry *entry, size_t sink, const struct said *said)
{
    bool owed = entry->matched >> sink & 1 && !entry->said[sink].final;
    tap->owed[sink] -= owed;
    tap->owed[sink] += !said->final;
    entry->said[sink] = *said;
    entry->changed = true;
    entry->matched |= UINT64_C(1) << sink;
    if (all_said(entry, false) && (!entry->told || all_said(entry, true)))
        tell(tap, entry);
    if (entry->told && all_said(entry, true))
        entry_free(tap, entry);
}

/* ---- dead letters ---- */

static void keep_dead(struct tap *tap, const struct record *record, size_t sink,
                      const struct said *said)
{
    const struct clock *clock = tap->config.clock;
    struct dead_one *one = &tap->dead[tap->dead_next++ % TAP_DEAD_KEPT];
    struct buf text, keys;
    buf_init(&text, 8192);
    buf_init(&keys, 4096);
    buf_printf(&text, "\"sink\":\"%s\",\"outcome\":\"%s\",\"attempts\":%" PRIu32 ",\"sequence\":",
               router_sink_name(tap->config.router, sink),
               said->what == RECORD_DEAD ? "dead" : "dropped", said->attempts);
    buf_put_json_string(&text, record_position(record));
    if (tap->config.shows_records) {
        tap_put_keys(record, tap->config.redact, &keys);
        buf_puts(&text, ",\"keys\":");
        buf_put_json_string(&text, buf_str(&keys));
    }
    buf_puts(&text, ",\"reason\":");
    buf_put_json_string(&text, str_of(said->reason));
    buf_done(&keys);
    mem_free(one->text);
    *one = (struct dead_one){.at_us = clock->wall_us(clock->ctx)};
    if (!text.failed && buf_putc(&text, '\0') == 0)
        one->text = buf_take(&text);
    buf_done(&text);
}

void tap_put_dead(const struct tap *tap, struct buf *out)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < TAP_DEAD_KEPT; i++) {
        const struct dead_one *one =
            &tap->dead[(tap->dead_next + TAP_DEAD_KEPT - 1 - i) % TAP_DEAD_KEPT];
        if (!one->text)
            continue;
        buf_put_comma(out);
        buf_putc(out, '{');
        buf_put_time_member(out, "at", one->at_us);
        buf_printf(out, ",%s}", one->text);
    }
    buf_putc(out, ']');
}

/* ---- the router's word ---- */

static struct said say(const struct tap *tap, enum record_outcome what, uint32_t attempts,
                       int64_t first_us, const char *reason)
{
    const struct clock *clock = tap->config.clock;
    struct said said = {.any = true, .what = what, .attempts = attempts};
    said.final = what != RECORD_RETRIED && what != RECORD_SINK_DOWN;
    said.took_ms = first_us ? (clock->wall_us(clock->ctx) - first_us) / 1000 : -1;
    if (reason && what != RECORD_DELIVERED)
        snprintf(said.reason, sizeof said.reason, "%s", reason);
    return said;
}

/* That of the record, or a new one; NULL: it is not shown. */
static struct entry *choose(struct tap *tap, const struct record *record)
{
    uint64_t key = key_of(record);
    struct entry *entry = entry_at(tap, key);
    return entry->key == key ? entry : entry_begin(tap, entry, key, record);
}

/* Called for each record while somebody reads: one that is not shown costs nearly nothing, since
 * nothing of it is looked at, which by now would have to come from memory. */
static void on_outcome(void *ctx, const struct record *record, size_t sink,
                       enum record_outcome what, uint32_t attempts, int64_t first_us,
                       const char *reason)
{
    struct tap *tap = ctx;
    bool gone = what == RECORD_DEAD || what == RECORD_DROPPED;
    struct entry *entry = NULL;
    if (tap->entries && (tap->owed[sink] || has_token(tap)))
        entry = choose(tap, record);
    if (tap->entries && !entry)
        tap->unseen[sink] += what != RECORD_RETRIED && what != RECORD_SINK_DOWN;
    if (!entry && !gone)
        return;
    const struct said said = say(tap, what, attempts, first_us, reason);
    if (gone)
        keep_dead(tap, record, sink, &said);
    if (entry)
        note(tap, entry, sink, &said);
}

/* ---- readers ---- */

enum { DEAD_ONLY = 1 << RECORD_DEAD | 1 << RECORD_DROPPED, ALL_OUTCOMES = 63 };

static void end(struct tap *tap)
{
    for (size_t i = 0; tap->entries && i < ENTRIES; i++)
        mem_free(tap->entries[i].text);
    mem_free(tap->entries);
    mem_free(tap->said);
    mem_free(tap->unseen);
    mem_free(tap->owed);
    tap->entries = NULL;
    tap->said = NULL;
    tap->unseen = NULL;
    tap->owed = NULL;
    tap->observer.wanted = DEAD_ONLY;
}

static int begin(struct tap *tap)
{
    tap->sink_count = router_sink_count(tap->config.router);
    tap->entries = mem_zalloc(ENTRIES, sizeof *tap->entries);
    tap->said = mem_zalloc(ENTRIES * (tap->sink_count + 1), sizeof *tap->said);
    tap->unseen = mem_zalloc(tap->sink_count + 1, sizeof *tap->unseen);
    tap->owed = mem_zalloc(tap->sink_count + 1, sizeof *tap->owed);
    if (!tap->entries || !tap->said || !tap->unseen || !tap->owed) {
        end(tap);
        return -ENOMEM;
    }
    for (size_t i = 0; i < ENTRIES; i++)
        tap->entries[i].said = tap->said + i * tap->sink_count;
    tap->tokens = TAP_RECORDS_PER_S;
    tap->filled_ms = now_ms(tap);
    tap->observer.wanted = ALL_OUTCOMES;
    return 0;
}

struct tap_reader *tap_add(struct tap *tap, const struct tap_filter *filter,
                           bool (*send)(void *arg, weir_str bytes), void *arg)
{
    if (tap->reader_count == TAP_READERS_MAX || (!tap->entries && begin(tap) < 0))
        return NULL;
    struct tap_reader *reader = tap->readers;
    while (reader->send)
        reader++;
    *reader = (struct tap_reader){*filter, send, arg};
    tap->reader_count++;
    return reader;
}

void tap_remove(struct tap *tap, struct tap_reader *reader)
{
    *reader = (struct tap_reader){0};
    if (--tap->reader_count == 0)
        end(tap);
}

/* So many at least: what one sink has not got may be what another one has. */
static void tell_unseen(struct tap *tap)
{
    char text[80];
    uint64_t most = 0;
    for (size_t i = 0; i < tap->sink_count; i++) {
        most = tap->unseen[i] > most ? tap->unseen[i] : most;
        tap->unseen[i] = 0;
    }
    int len =
        snprintf(text, sizeof text, "event: unseen\ndata: {\"records\":%" PRIu64 "}\n\n", most);
    weir_str event = most ? (weir_str){text, (size_t)len} : STR(":\n\n");
    for (size_t i = 0; i < TAP_READERS_MAX; i++)
        if (tap->readers[i].send)
            tap->readers[i].send(tap->readers[i].arg, event);
}

void tap_tick(struct tap *tap)
{
    int64_t now = now_ms(tap);
    if (!tap->entries)
        return;
    refill(tap, now); /* behind a burst few may come */
    for (size_t i = 0; i < ENTRIES; i++) {
        struct entry *entry = &tap->entries[i];
        if (!entry->key || now - entry->since_ms < PATIENCE_MS)
            continue;
        if (entry->changed)
            tell(tap, entry);
        if (now - entry->since_ms >= KEPT_MS)
            entry_free(tap, entry);
    }
    tell_unseen(tap);
}

uint64_t tap_dropped(const struct tap *tap)
{
    return tap->dropped;
}

/* ---- life ---- */

int tap_new(const struct tap_config *config, struct tap **out)
{
    struct tap *tap = mem_zalloc(1, sizeof *tap);
    if (!tap)
        return -ENOMEM;
    tap->config = *config;
    tap->observer = (struct router_observer){tap, DEAD_ONLY, on_outcome};
    buf_init(&tap->line, RECORD_BYTES_MAX + WHOLE_BYTES_MAX + (64 << 10));
    router_observe(config->router, &tap->observer);
    *out = tap;
    return 0;
}

/* What is being shown begins anew; without memory nothing is shown until the next reader comes. */
void tap_sinks_changed(struct tap *tap)
{
    if (!tap->entries || tap->sink_count == router_sink_count(tap->config.router))
        return;
    end(tap);
    begin(tap);
}

void tap_redact(struct tap *tap, const char *const *redact)
{
    tap->config.redact = redact;
}

void tap_free(struct tap *tap)
{
    if (!tap)
        return;
    router_observe(tap->config.router, NULL);
    end(tap);
    buf_done(&tap->line);
    for (size_t i = 0; i < TAP_DEAD_KEPT; i++)
        mem_free(tap->dead[i].text);
    mem_free(tap);
}
