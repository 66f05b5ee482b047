/* One stream: from the first look at its shards to its end. */
#include "source/poll_parts.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

enum { PRUNE_MS = 600000, PARENT_MS = 10000, PARENT_LOOKS = 3 };

/* ---- the images that the sinks need (F17) ---- */

static bool lacks_images(const struct stream *stream, uint32_t images, const char *sink, char *why,
                         size_t bytes)
{
    weir_str view_type = discovery_view_type(stream->discovery);
    uint32_t missing = images & ~streams_view_images(view_type);
    if (view_type.len == 0 || !missing)
        return false;
    snprintf(why, bytes,
             "%s%s needs %s, but the view type of %s is %.*s; enable the stream with "
             "NEW_AND_OLD_IMAGES",
             sink ? "sink " : "a sink", sink ? sink : "",
             missing == WEIR_OLD   ? "OldImage"
             : missing == WEIR_NEW ? "NewImage"
                                   : "both images",
             stream->arn, STR_ARG(view_type));
    return true;
}

static bool has_images(struct stream *stream)
{
    char why[512];
    struct poll *poll = stream->poll;
    if (!lacks_images(stream, poll->config.images_needed, poll->config.images_sink, why,
                      sizeof why))
        return true;
    poll_log(poll, WEIR_LOG_ERROR, "W0301", "%s", why);
    return false;
}

bool poll_lacks_images(const struct poll *poll, uint32_t images, const char *sink, char *why,
                       size_t bytes)
{
    for (const struct stream *stream = poll->streams; images && stream; stream = stream->next)
        if (stream->phase != STREAM_ENDED && lacks_images(stream, images, sink, why, bytes))
            return true;
    return false;
}

/* ---- beginning ---- */

bool stream_replaced(const struct stream *stream)
{
    for (const struct stream *other = stream->poll->streams; other; other = other->next)
        if (other->predecessor == stream)
            return true;
    return false;
}

static bool gone_for_good(const struct stream *stream)
{
    return discovery_state(stream->discovery) == STREAM_MISSING && stream_replaced(stream);
}

static size_t open_shards(const struct stream *stream)
{
    size_t count = 0;
    for (const struct shard *shard = lineage_first(stream->lineage); shard; shard = shard->next)
        count += shard->listed && !shard->closed;
    return count;
}

/* Rows of a table's streams are stored in the order in which they were made: after a restart only
 * those newer than the newest stored one are looked for. */
static bool comes_too_soon(const struct stream *stream)
{
    const struct stream *before = stream->predecessor;
    return before && before->phase < STREAM_RUNNING &&
           discovery_state(before->discovery) != STREAM_MISSING;
}

static void begin(struct stream *stream)
{
    struct poll *poll = stream->poll;
    if ((!discovery_swept(stream->discovery) && !gone_for_good(stream)) || comes_too_soon(stream))
        return;
    /* One that came while running is read all the same: a record without its image is given up on
     * for the sink that needs it, and kept where its on_exhausted says. */
    if (!has_images(stream) && !stream->predecessor) {
        stream->phase = STREAM_REFUSED;
        poll_end(poll, POLL_CONFIG);
        return;
    }
    if (stream_begin(stream) < 0) {
        poll_log(poll, WEIR_LOG_ERROR, "W0828", "%s: out of memory", stream->arn);
        poll_end(poll, POLL_GAVE_UP);
        return;
    }
    size_t shards = open_shards(stream);
    poll_log(poll, WEIR_LOG_INFO, "W0827", "%s: %zu open shard%s, %s",
             *stream->table ? stream->table : stream->arn, shards, shards == 1 ? "" : "s",
             stream->known                         ? "going on from the stored positions"
             : stream->latest                      ? "starting at LATEST"
             : stream->start == START_AT_TIMESTAMP ? "starting at AT_TIMESTAMP"
                                                   : "starting at TRIM_HORIZON");
    if (*stream->table)
        poll_log(poll, WEIR_LOG_DEBUG, NULL, "%s: its stream is %s", stream->table, stream->arn);
    stream->phase = STREAM_STORING;
    stream->read_ms = poll_now(poll);
    saver_want(poll);
}

static bool all_stored(const struct stream *stream)
{
    const struct poll *poll = stream->poll;
    if (stream->mark.now != stream->mark.saved)
        return false;
    for (const struct track *track = stream->tracks; track; track = track->next)
        for (size_t i = 0; i < poll->sink_count; i++)
            if (track->sinks[i].mark.now != track->sinks[i].mark.saved)
                return false;
    return true;
}

static void turn_successor(const struct stream *stream)
{
    for (struct stream *other = stream->poll->streams; other; other = other->next)
        if (other->predecessor == stream)
            stream_turn(other);
}

void stream_stored(struct stream *stream)
{
    if (stream->phase == STREAM_STORING && all_stored(stream)) {
        stream->phase = STREAM_RUNNING;
        turn_successor(stream);
    }
    if (stream->phase == STREAM_RUNNING)
        stream_turn(stream);
}

/* ---- reading ---- */

static bool all_read(const struct stream *stream)
{
    enum stream_state state = discovery_state(stream->discovery);
    if (stream->phase == STREAM_ENDED)
        return true;
    return stream->phase == STREAM_RUNNING &&
           ((state == STREAM_CLOSING && discovery_settled(stream->discovery)) ||
            gone_for_good(stream)) &&
           lineage_count(stream->lineage, SHARD_WAITING) == 0 &&
           lineage_count(stream->lineage, SHARD_READY) == 0 &&
           lineage_count(stream->lineage, SHARD_READING) == 0;
}

static void parent_told(void *arg, enum shard_verdict verdict)
{
    struct track *track = arg;
    bool late = track->asked_ms - track->opened_ms >= PARENT_MS;
    track->asking = false;
    if (verdict == VERDICT_NOT_LISTED && (late || track->looks + 1 < PARENT_LOOKS))
        track->looks++;
}

/* A list may tell of a child before its parent. A parent that was made within the retention can't
 * have been trimmed: it is given a moment to appear, and some whole lists to appear in, of which
 * the last began after that moment. */
static bool parent_may_come(const struct stream *stream, struct track *track)
{
    const struct poll *poll = stream->poll;
    const struct shard *shard = track->shard;
    const struct shard *parent = lineage_parent(stream->lineage, shard);
    if (parent) /* it came behind its child */
        return parent->state == SHARD_WAITING || parent->state == SHARD_READY ||
               parent->state == SHARD_READING;
    int64_t made_ms = shard->parent.len ? streams_shard_ms(shard->parent) : 0;
    int64_t now_ms = poll->clock->wall_us(poll->clock->ctx) / 1000;
    if (made_ms == 0 || now_ms - made_ms >= RETENTION_MS || track->looks >= PARENT_LOOKS)
        return false;
    if (!track->asking) {
        track->asking = discovery_ask(stream->discovery, shard->parent, parent_told, track) == 0;
        track->asked_ms = poll_now(poll);
    }
    return true;
}

/* A shard that may be read now; what can't be opened yet is tried again: there may be no memory for
 * it, its parent may come, or all who want it still read its parent alone. */
static void open_shard(struct stream *stream, struct shard *shard)
{
    struct track *track = shard->reader;
    if (!track) {
        track = track_new(stream, shard);
        if (!track) {
            stream->left_over = true;
            return;
        }
        progress_begin_later(track);
    }
    track_together(track);
    if (track_is_over(track)) {
        track->read_to_end = true;
        lineage_read_to_end(stream->lineage, shard);
    } else if (track_is_for_nobody(track) || parent_may_come(stream, track) ||
               (!track->reader && reader_open(track) < 0)) {
        stream->left_over = true;
    }
}

static void hand_out(struct stream *stream)
{
    struct shard *shard;
    if (stream->predecessor && !all_read(stream->predecessor))
        return;
    while ((shard = lineage_next(stream->lineage)))
        open_shard(stream, shard);
}

/* Those that could not be opened when they were handed out. */
static void open_left_over(struct stream *stream)
{
    if (!stream->left_over)
        return;
    stream->left_over = false;
    for (struct shard *shard = lineage_first(stream->lineage); shard; shard = shard->next) {
        const struct track *track = shard->reader;
        if (shard->state == SHARD_READING && !(track && track->reader))
            open_shard(stream, shard);
    }
}

static bool track_stored(const struct track *track)
{
    for (size_t i = 0; i < track->poll->sink_count; i++)
        if (track->sinks[i].mark.now != track->sinks[i].mark.saved)
            return false;
    return true;
}

/* A sink that was removed has finished some of it out of turn, which only memory knows: while it
 * can be read it may come back for the rest. */
static bool is_remembered(const struct track *track)
{
    for (uint64_t left = track->shard->listed ? track->poll->removed : 0; left; left &= left - 1)
        if (track->sinks[__builtin_ctzll(left)].finished)
            return true;
    return false;
}

/* What is not over for the lineage is handed out by it: only the track knows who has finished it,
 * when whoever had not was removed. */
static bool is_past(const struct track *track)
{
    return track->read_to_end && track_stored(track) && !is_remembered(track);
}

static void tidy(struct stream *stream)
{
    const struct poll *poll = stream->poll;
    for (struct track *track = stream->tracks, *next; track; track = next) {
        next = track->next;
        struct reader *reader = track->reader;
        if (reader && reader->state == READER_ENDED && !reader->first)
            reader_free(reader);
        if (!track->reader && !track->catch_up && (track->done & poll->sinks) == poll->sinks &&
            !poll->saver.busy && is_past(track))
            track_free(track);
    }
}

/* ---- forgetting ---- */

static void on_erased(void *arg, const struct shard *shard)
{
    struct stream *stream = arg;
    struct erased *erased = mem_alloc(sizeof *erased + shard->id.len);
    if (!erased)
        return; /* its rows stay behind; they hold nothing */
    *erased = (struct erased){.next = stream->erased, .len = shard->id.len};
    memcpy(erased->shard, shard->id.ptr, shard->id.len);
    stream->erased = erased;
}

static void prune(struct stream *stream)
{
    struct poll *poll = stream->poll;
    if (poll->saver.busy || poll_now(poll) - stream->pruned_ms < PRUNE_MS)
        return;
    stream->pruned_ms = poll_now(poll);
    lineage_prune(stream->lineage, poll->clock->wall_us(poll->clock->ctx) / 1000, on_erased,
                  stream);
}

/* ---- the end ---- */

uint64_t stream_done(const struct stream *stream)
{
    uint64_t done = UINT64_MAX;
    if (stream->phase == STREAM_ENDED)
        return UINT64_MAX;
    if (!all_read(stream))
        return 0;
    for (const struct track *track = stream->tracks; track; track = track->next)
        done &= track->done;
    return done;
}

bool stream_over(const struct stream *stream)
{
    return stream->phase == STREAM_ENDED;
}

/* A sink that went may come back for what it lacks, as long as that can be read: a day. */
static bool may_be_wanted(const struct stream *stream)
{
    const struct poll *poll = stream->poll;
    return *stream->table && !poll->config.once && !gone_for_good(stream) &&
           (poll->removed || stream->missed);
}

static void end_when_drained(struct stream *stream)
{
    struct poll *poll = stream->poll;
    if (stream->phase != STREAM_RUNNING || !all_read(stream) ||
        (stream_done(stream) & poll->required) != poll->required || may_be_wanted(stream))
        return;
    stream->phase = STREAM_ENDED;
    stream->mark.now++;
    poll_log(poll, WEIR_LOG_INFO, "W0908", "%s: stream ended: it is disabled, and read to its end",
             stream->arn);
    for (struct stream *other = poll->streams; other; other = other->next)
        stream_turn(other);
    saver_want(poll);
    poll_settle(poll);
}

/* ---- its turn ---- */

static void on_turn(struct post *post)
{
    struct stream *stream = (struct stream *)((char *)post - offsetof(struct stream, turn));
    struct poll *poll = stream->poll;
    stream->turning = false;
    if (!poll_reading(poll)) {
        poll_settle(poll);
        return;
    }
    if (stream->phase == STREAM_SWEEPING)
        begin(stream);
    if (stream->phase != STREAM_RUNNING)
        return;
    open_left_over(stream);
    hand_out(stream);
    catch_up_look(poll);
    tidy(stream);
    prune(stream);
    end_when_drained(stream);
    poll_settle(poll);
}

void stream_turn(struct stream *stream)
{
    struct clock *clock = stream->poll->clock;
    if (stream->turning)
        return;
    stream->turning = true;
    stream->turn.run = on_turn;
    clock->post(clock->ctx, &stream->turn);
}

/* ---- life ---- */

static void on_changed(void *arg)
{
    struct stream *stream = arg;
    stream_turn(stream);
    turn_successor(stream); /* which may have waited for it */
}

static int make(struct stream *stream)
{
    struct poll *poll = stream->poll;
    int rc = lineage_new(&stream->lineage);
    if (rc < 0)
        return rc;
    const struct discovery_config config = {.world = poll->config.world,
                                            .aws = poll->config.aws,
                                            .arn = str_of(stream->arn),
                                            .lineage = stream->lineage,
                                            .changed = on_changed,
                                            .arg = stream,
                                            .log = poll->config.log,
                                            .log_ctx = poll->config.log_ctx};
    return discovery_new(&config, &stream->discovery);
}

static bool is_open(const struct poll *poll, weir_str arn)
{
    for (const struct stream *stream = poll->streams; stream; stream = stream->next)
        if (str_is(arn, stream->arn))
            return true;
    return false;
}

int stream_open(struct poll *poll, weir_str arn, weir_str table, struct stream **out)
{
    if (is_open(poll, arn)) {
        poll_log(poll, WEIR_LOG_ERROR, "W0405",
                 "stream %.*s is named twice in the source, by itself and by its table or by two "
                 "names of the table: name it once",
                 STR_ARG(arn));
        return -EEXIST;
    }
    struct stream *stream = mem_zalloc(1, sizeof *stream);
    if (!stream)
        return -ENOMEM;
    stream->poll = poll;
    stream->arn = mem_dup0(arn.ptr, arn.len);
    stream->table = mem_dup0(table.len ? table.ptr : "", table.len);
    int rc = stream->arn && stream->table ? make(stream) : -ENOMEM;
    if (rc < 0) {
        stream_free(stream);
        return rc;
    }
    stream->region = streams_region(str_of(stream->arn));
    struct stream **end = &poll->streams;
    while (*end)
        end = &(*end)->next;
    *end = stream;
    discovery_start(stream->discovery);
    *out = stream;
    return 0;
}

static void on_stopped(void *arg)
{
    struct stream *stream = arg;
    stream->stopped = true;
    poll_settle(stream->poll);
}

void stream_stop(struct stream *stream)
{
    for (struct track *track = stream->tracks; track; track = track->next) {
        if (track->reader)
            reader_stop(track->reader);
        if (track->catch_up)
            reader_stop(track->catch_up);
    }
    discovery_stop(stream->discovery, on_stopped, stream);
}

void stream_free(struct stream *stream)
{
    while (stream->tracks)
        track_free(stream->tracks);
    while (stream->erased) {
        struct erased *erased = stream->erased;
        stream->erased = erased->next;
        mem_free(erased);
    }
    discovery_free(stream->discovery);
    lineage_free(stream->lineage);
    mem_free(stream->arn);
    mem_free(stream->table);
    mem_free(stream);
}
