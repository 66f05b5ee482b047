#include "esm/mapping_parts.h"

#include "util/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum {
    TICK_MS = 250,
    SWEEP_MS = 10000,    /* somebody watches */
    PATIENCE_MS = 10000, /* with a source that has never answered */
    QUIET_MS = 3000      /* with `once`: children of a closed shard may still appear */
};

int64_t mapping_now(const struct esm_mapping *mapping)
{
    const struct clock *clock = &mapping->config.world->clock;
    return clock->now_ms(clock->ctx);
}

void mapping_say(const struct esm_mapping *mapping, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mapping->config.say(mapping->config.arg, text);
}

/* Discovery's lines; it says each thing once. */
static void on_log(void *arg, int level, const char *component, const char *code, const char *text)
{
    const struct esm_mapping *mapping = arg;
    (void)component;
    (void)code;
    if (level <= WEIR_LOG_INFO)
        mapping->config.say(mapping->config.arg, text);
}

void mapping_heard(struct esm_mapping *mapping, enum streams_fault fault, const char *what,
                   const char *message)
{
    if (fault == STREAMS_THROTTLED && !mapping->throttle_said) {
        mapping->throttle_said = true;
        mapping_say(mapping, "%s is throttled: a shard serves two readers (%s)", what, message);
    }
    if (fault != STREAMS_DENIED && fault != STREAMS_UNAVAILABLE && fault != STREAMS_INVALID) {
        mapping->answered = mapping->answered || fault == STREAMS_OK;
        mapping->trouble_since_ms = 0;
        return;
    }
    if (!mapping->trouble_since_ms) {
        mapping->trouble_since_ms = mapping_now(mapping);
        mapping_say(mapping, "%s failed: %s", what, message);
    }
    if (fault == STREAMS_DENIED && !mapping->answered)
        mapping_end(mapping, ESM_DENIED);
    else if (!mapping->answered && mapping_now(mapping) - mapping->trouble_since_ms >= PATIENCE_MS)
        mapping_end(mapping, ESM_UNAVAILABLE);
}

/* ---- the end ---- */

static void on_discovery_stopped(void *arg)
{
    struct esm_mapping *mapping = arg;
    mapping->discovery_stopped = true;
    mapping_turn(mapping);
}

void mapping_end(struct esm_mapping *mapping, int exit_code)
{
    const struct clock *clock = &mapping->config.world->clock;
    if (mapping->phase >= MAPPING_STOPPING)
        return;
    mapping->phase = MAPPING_STOPPING;
    mapping->exit_code = exit_code;
    clock->disarm(clock->ctx, &mapping->tick);
    if (mapping->looking)
        stream_lookup_abort(&mapping->lookup);
    for (struct esm_reader *reader = mapping->readers; reader; reader = reader->next)
        esm_reader_stop(reader);
    if (mapping->discovery)
        discovery_stop(mapping->discovery, on_discovery_stopped, mapping);
    mapping_turn(mapping);
}

void esm_mapping_stop(struct esm_mapping *mapping)
{
    mapping_end(mapping, ESM_FINISHED);
}

static bool nothing_open(const struct esm_mapping *mapping)
{
    for (const struct esm_reader *reader = mapping->readers; reader; reader = reader->next)
        if (esm_reader_open(reader))
            return false;
    return !mapping->looking && (!mapping->discovery || mapping->discovery_stopped);
}

/* ---- shards ---- */

/* Shards that had ended before a mapping at LATEST began have nothing for it. */
static void pass_closed(struct esm_mapping *mapping)
{
    bool passed = true;
    while (passed) {
        passed = false;
        for (struct shard *shard = lineage_first(mapping->lineage); shard; shard = shard->next)
            if (shard->closed && shard->state != SHARD_READ && shard->state != SHARD_GONE) {
                lineage_read_to_end(mapping->lineage, shard);
                passed = true;
            }
    }
}

static void open_shards(struct esm_mapping *mapping)
{
    struct shard *shard;
    bool first = !mapping->swept;
    if (!discovery_swept(mapping->discovery))
        return;
    if (first && mapping->config.latest)
        pass_closed(mapping);
    if (first)
        mapping_say(mapping, "%s: %zu shard%s to read, from %s", mapping->arn,
                    lineage_count(mapping->lineage, SHARD_READY),
                    lineage_count(mapping->lineage, SHARD_READY) == 1 ? "" : "s",
                    mapping->config.latest ? "LATEST" : "TRIM_HORIZON");
    mapping->swept = true;
    while ((shard = lineage_next(mapping->lineage)))
        if (esm_reader_new(mapping, shard, first && mapping->config.latest) < 0) {
            mapping_say(mapping, "out of memory");
            mapping_end(mapping, ESM_UNAVAILABLE);
            return;
        }
}

/* Those read to their end, with every record done or given up: their children are next. */
static void close_shards(struct esm_mapping *mapping)
{
    struct esm_reader **link = &mapping->readers;
    while (*link) {
        struct esm_reader *reader = *link;
        if (reader->state != READER_ENDED || !esm_delivery_idle(reader->delivery)) {
            link = &reader->next;
            continue;
        }
        struct shard *shard = reader->shard;
        *link = reader->next;
        bool gone = reader->gone;
        esm_reader_free(reader);
        if (gone) {
            lineage_gone(mapping->lineage, shard);
        } else {
            lineage_read_to_end(mapping->lineage, shard);
            discovery_want_children(mapping->discovery, shard->id);
        }
        mapping->quiet_since_ms = mapping_now(mapping);
    }
}

static bool is_over(const struct esm_mapping *mapping)
{
    bool closing = discovery_state(mapping->discovery) == STREAM_CLOSING &&
                   discovery_settled(mapping->discovery);
    if (!mapping->swept || lineage_count(mapping->lineage, SHARD_READY))
        return false;
    if (closing && !mapping->readers)
        return true;
    if (!mapping->config.once)
        return false;
    for (const struct esm_reader *reader = mapping->readers; reader; reader = reader->next)
        if (!esm_reader_rests(reader))
            return false;
    return discovery_settled(mapping->discovery) ||
           mapping_now(mapping) - mapping->quiet_since_ms >= QUIET_MS;
}

static void on_turn(struct post *post)
{
    struct esm_mapping *mapping =
        (struct esm_mapping *)((char *)post - offsetof(struct esm_mapping, turn));
    mapping->turning = false;
    if (mapping->phase == MAPPING_RUNNING) {
        close_shards(mapping);
        open_shards(mapping);
        if (mapping->phase == MAPPING_RUNNING && is_over(mapping))
            mapping_end(mapping, ESM_FINISHED);
    }
    if (mapping->phase == MAPPING_STOPPING && nothing_open(mapping) && !mapping->turning) {
        mapping->phase = MAPPING_FINISHED;
        mapping->config.finished(mapping->config.arg, mapping->exit_code);
    }
}

void mapping_turn(struct esm_mapping *mapping)
{
    const struct clock *clock = &mapping->config.world->clock;
    if (mapping->turning || mapping->phase == MAPPING_FINISHED)
        return;
    mapping->turning = true;
    mapping->turn.run = on_turn;
    clock->post(clock->ctx, &mapping->turn);
}

/* ---- the stream ---- */

static void on_changed(void *arg)
{
    mapping_turn(arg);
}

/* It can't be described: said by discovery. */
static void check_trouble(struct esm_mapping *mapping)
{
    int64_t since_ms = 0;
    enum streams_fault trouble = discovery_trouble(mapping->discovery, &since_ms);
    if (mapping->swept || trouble == STREAMS_OK)
        return;
    if (trouble == STREAMS_NOT_FOUND || discovery_state(mapping->discovery) == STREAM_MISSING)
        mapping_end(mapping, ESM_WRONG);
    else if (trouble == STREAMS_DENIED)
        mapping_end(mapping, ESM_DENIED);
    else if (mapping_now(mapping) - since_ms >= PATIENCE_MS)
        mapping_end(mapping, ESM_UNAVAILABLE);
}

static void on_tick(struct timer *timer)
{
    struct esm_mapping *mapping =
        (struct esm_mapping *)((char *)timer - offsetof(struct esm_mapping, tick));
    const struct clock *clock = &mapping->config.world->clock;
    if (mapping->phase != MAPPING_RUNNING)
        return;
    check_trouble(mapping);
    mapping_turn(mapping);
    if (mapping->phase == MAPPING_RUNNING)
        clock->arm(clock->ctx, &mapping->tick, TICK_MS);
}

static int open_stream(struct esm_mapping *mapping)
{
    const struct clock *clock = &mapping->config.world->clock;
    struct discovery_config config = {.world = (struct world *)mapping->config.world,
                                      .aws = mapping->config.aws,
                                      .arn = str_of(mapping->arn),
                                      .sweep_ms = SWEEP_MS,
                                      .changed = on_changed,
                                      .arg = mapping,
                                      .log = on_log,
                                      .log_ctx = mapping};
    mapping->region = streams_region(str_of(mapping->arn));
    mapping->quiet_since_ms = mapping_now(mapping);
    int rc = lineage_new(&mapping->lineage);
    config.lineage = mapping->lineage;
    if (rc == 0)
        rc = discovery_new(&config, &mapping->discovery);
    if (rc == 0)
        rc = fetch_inline_new(mapping->config.aws, NULL, &mapping->fetch);
    if (rc < 0)
        return rc;
    fetch_inline_seam(mapping->fetch, &mapping->fetcher);
    mapping->phase = MAPPING_RUNNING;
    discovery_start(mapping->discovery);
    mapping->tick.fire = on_tick;
    return clock->arm(clock->ctx, &mapping->tick, TICK_MS);
}

static void begin(struct esm_mapping *mapping)
{
    if (open_stream(mapping) == 0)
        return;
    mapping_say(mapping, "out of memory");
    mapping_end(mapping, ESM_UNAVAILABLE);
}

static void on_looked(struct stream_lookup *lookup)
{
    struct esm_mapping *mapping = lookup->arg;
    mapping->looking = false;
    if (mapping->phase != MAPPING_LOOKING) {
        mapping_turn(mapping);
    } else if (lookup->fault == STREAMS_OK && lookup->arn[0]) {
        memcpy(mapping->arn, lookup->arn, sizeof mapping->arn);
        begin(mapping);
    } else {
        mapping_say(mapping, "%s", lookup->message);
        mapping_end(mapping, lookup->fault == STREAMS_DENIED        ? ESM_DENIED
                             : lookup->fault == STREAMS_UNAVAILABLE ? ESM_UNAVAILABLE
                             : lookup->fault == STREAMS_THROTTLED   ? ESM_UNAVAILABLE
                                                                    : ESM_WRONG);
    }
}

void esm_mapping_start(struct esm_mapping *mapping)
{
    weir_str source = str_of(mapping->source), region, table, label;
    if (streams_arn_parts(source, &region, &table, &label) && source.len < sizeof mapping->arn) {
        memcpy(mapping->arn, source.ptr, source.len + 1);
        begin(mapping);
        return;
    }
    if (str_starts(source, STR("arn:"))) {
        mapping_say(mapping, "%s is no stream's ARN", mapping->source);
        mapping_end(mapping, ESM_WRONG);
        return;
    }
    mapping->lookup = (struct stream_lookup){.table = source, .done = on_looked, .arg = mapping};
    mapping->looking = true;
    if (stream_lookup_start(mapping->config.aws, &mapping->lookup) == 0)
        return;
    mapping->looking = false;
    mapping_say(mapping, "table %s can't be looked up", mapping->source);
    mapping_end(mapping, ESM_UNAVAILABLE);
}

/* ---- life ---- */

int esm_mapping_new(const struct esm_config *config, struct esm_mapping **out)
{
    struct esm_mapping *mapping = mem_zalloc(1, sizeof *mapping);
    if (!mapping)
        return -ENOMEM;
    mapping->config = *config;
    mapping->source = mem_dup0(config->source.ptr, config->source.len);
    if (!mapping->source) {
        mem_free(mapping);
        return -ENOMEM;
    }
    *out = mapping;
    return 0;
}

void esm_mapping_free(struct esm_mapping *mapping)
{
    if (!mapping)
        return;
    while (mapping->readers) {
        struct esm_reader *reader = mapping->readers;
        mapping->readers = reader->next;
        esm_reader_free(reader);
    }
    discovery_free(mapping->discovery);
    fetch_inline_free(mapping->fetch);
    lineage_free(mapping->lineage);
    mem_free(mapping->source);
    mem_free(mapping);
}

struct esm_counts esm_mapping_counts(const struct esm_mapping *mapping)
{
    return mapping->counts;
}

weir_str esm_mapping_stream(const struct esm_mapping *mapping)
{
    return str_of(mapping->arn);
}

void esm_mapping_checkpoints(const struct esm_mapping *mapping,
                             void (*each)(void *arg, weir_str shard, weir_str checkpoint),
                             void *arg)
{
    for (const struct esm_reader *reader = mapping->readers; reader; reader = reader->next)
        each(arg, reader->shard->id, esm_delivery_checkpoint(reader->delivery));
}
