#include "krig.h"

static int on_write(void *ctx, const char *line, size_t len)
{
    struct session *s = ctx;
    CHECK(!s->finished);
    if (s->write_error)
        return s->write_error;
    CHECK_FATAL(s->wrote < LINES && len < LINE_BYTES && len > 0 && line[len - 1] == '\n');
    CHECK(memchr(line, '\n', len) == line + len - 1);
    memcpy(s->lines[s->wrote], line, len - 1);
    s->lines[s->wrote++][len - 1] = '\0';
    return 0;
}

static void on_finished(void *arg, enum kcl_end end)
{
    struct session *s = arg;
    CHECK(!s->finished);
    s->finished = true;
    s->end = end;
}

static void on_began(void *ctx, weir_str shard)
{
    struct session *s = ctx;
    snprintf(s->shard, sizeof s->shard, "%.*s", (int)shard.len, shard.ptr);
}

static void on_log(void *ctx, int level, const char *component, const char *code, const char *msg)
{
    struct session *s = ctx;
    if (level > WEIR_LOG_WARN)
        return;
    CHECK(code != NULL);
    *(level == WEIR_LOG_ERROR ? &s->errors : &s->warnings) += 1;
    snprintf(s->last, sizeof s->last, "%s %s %s", component, code ? code : "", msg);
}

static bool admit(void *ctx, const struct batch *batch, struct err *err)
{
    const struct session *s = ctx;
    CHECK(str_is(batch->source_arn, RIG_ARN));
    CHECK(str_is(batch->shard, s->shard));
    if (s->refuse)
        err_set(err, -EPERM, "an endless loop");
    return !s->refuse;
}

/* The key of a record tells what is said of it, lane and all. */
static int32_t say(struct vsink *sink, const struct vseen *seen)
{
    const struct session *s = sink->arg;
    return strlen(seen->sequence) > 1 && seen->sequence[0] == '9' ? s->said : WEIR_OK;
}

void session_begin(struct session *s, size_t sinks)
{
    *s = (struct session){.said = VSINK_HOLD};
    rig_init(&s->rig, sinks, false);
    s->rig.config.blocks_for_ever = true;
    for (size_t i = 0; i < sinks; i++) {
        s->rig.sinks[i].script = say;
        s->rig.sinks[i].arg = s;
        s->rig.sinks[i].on_cancel = WEIR_RETRY;
    }
}

void session_start(struct session *s)
{
    rig_start(&s->rig);
    s->config = (struct kcl_config){.world = &s->rig.world.world,
                                    .router = s->rig.router,
                                    .plan = s->rig.plan,
                                    .stream_arn = STR(RIG_ARN),
                                    .admit = admit,
                                    .admit_ctx = s,
                                    .write = on_write,
                                    .write_ctx = s,
                                    .began = on_began,
                                    .began_ctx = s,
                                    .log = on_log,
                                    .log_ctx = s,
                                    .finished = on_finished,
                                    .arg = s};
    CHECK_FATAL(kcl_new(&s->config, &s->kcl) == 0);
}

void session_done(struct session *s)
{
    kcl_eof(s->kcl, 0);
    router_stop(s->rig.router);
    vworld_run(&s->rig.world, 60000);
    CHECK(s->finished);
    CHECK_INT(s->read, s->wrote); /* nothing was said that the test does not know of */
    kcl_free(s->kcl);
    rig_done(&s->rig);
}

void session_feed(struct session *s, const char *text, size_t len)
{
    char *copy = mem_alloc(len + 1); /* so that a read behind the end is seen */
    CHECK_FATAL(copy != NULL);
    memcpy(copy, text, len);
    kcl_feed(s->kcl, copy, len);
    mem_free(copy);
    vworld_settle(&s->rig.world);
}

void daemon_says(struct session *s, const char *line)
{
    struct buf text;
    buf_init(&text, 64 << 20);
    buf_puts(&text, line);
    buf_putc(&text, '\n');
    session_feed(s, text.ptr, text.len);
    buf_done(&text);
}

/* One record of rig_body as the daemon gives it. */
static void put_record(struct buf *out, const char *word)
{
    char number[64];
    const char *digits = word + (*word == '!') + (*word == '?');
    snprintf(number, sizeof number, "%.*s", (int)strcspn(digits, ":"), digits);
    char *body = rig_body(*word == '?' ? word + 1 : word);
    size_t open = strcspn(body, "[") + 1;
    buf_puts(out, "{\"data\":\"");
    if (*word == '?')
        buf_puts(out, "no base64!");
    else
        buf_put_base64(out, (weir_str){body + open, strlen(body) - open - 2});
    buf_printf(out,
               "\",\"partitionKey\":null,\"sequenceNumber\":\"%s\","
               "\"approximateArrivalTimestamp\":1795386720000,\"subSequenceNumber\":null,"
               "\"action\":\"record\"}",
               number);
    mem_free(body);
}

/* "1:a 2:b" as rig_body; "?3" is no base64. */
void put_batch(struct buf *out, const char *records)
{
    char word[64];
    buf_puts(out, "{\"action\":\"processRecords\",\"records\":[");
    for (const char *at = records; *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        snprintf(word, sizeof word, "%.*s", (int)len, at);
        if (at != records)
            buf_putc(out, ',');
        put_record(out, word);
        at += len;
    }
    buf_puts(out, "],\"millisBehindLatest\":null}\n");
    CHECK_FATAL(!out->failed);
}

void daemon_gives(struct session *s, const char *records)
{
    struct buf line;
    buf_init(&line, 16 << 20);
    put_batch(&line, records);
    session_feed(s, line.ptr, line.len);
    buf_done(&line);
}

/* The next line that was written to the daemon, shortened: "status initialize", "checkpoint 2",
 * "checkpoint end"; "-" when there is none. */
const char *said(struct session *s)
{
    static char text[LINE_BYTES];
    char word[LINE_BYTES];
    if (s->read == s->wrote)
        return "-";
    const char *line = s->lines[s->read++];
    if (sscanf(line, "{\"action\":\"status\",\"responseFor\":\"%[a-zA-Z]\"}", word) == 1)
        snprintf(text, sizeof text, "status %s", word);
    else if (sscanf(line, "{\"action\":\"checkpoint\",\"sequenceNumber\":\"%[0-9]\"}", word) == 1)
        snprintf(text, sizeof text, "checkpoint %s", word);
    else if (strcmp(line, "{\"action\":\"checkpoint\"}") == 0)
        snprintf(text, sizeof text, "checkpoint end");
    else
        snprintf(text, sizeof text, "%s", line);
    return text;
}

void daemon_answers(struct session *s, const char *number, const char *error)
{
    char line[400];
    snprintf(line, sizeof line,
             "{\"action\":\"checkpoint\",\"sequenceNumber\":%s%s%s,\"subSequenceNumber\":null,"
             "\"error\":%s%s%s}",
             number ? "\"" : "", number ? number : "null", number ? "\"" : "", error ? "\"" : "",
             error ? error : "null", error ? "\"" : "");
    daemon_says(s, line);
}

void session_initialized(struct session *s, size_t sinks)
{
    session_begin(s, sinks);
    session_start(s);
    daemon_says(s, INITIALIZE);
    CHECK_STR(said(s), "status initialize");
    CHECK_STR(s->shard, "shardId-1");
}

void session_ended(struct session *s, enum kcl_end end, const char *code)
{
    vworld_settle(&s->rig.world);
    CHECK(s->finished);
    CHECK_INT(s->end, end);
    if (code)
        CHECK(strstr(s->last, code) != NULL);
    CHECK_STR(said(s), "-");
}
