#include "watch.h"

#include "unit.h"

void watch_read(struct watch *watch)
{
    struct shard *shard;
    while ((shard = lineage_next(watch->lineage))) {
        size_t len = strlen(watch->order);
        snprintf(watch->order + len, sizeof watch->order - len, "%s%.*s", len ? " " : "",
                 STR_ARG(shard->id));
        if (!rig_shard(watch->stream, shard->id.ptr)->closed)
            continue;
        lineage_read_to_end(watch->lineage, shard);
        discovery_want_children(watch->discovery, shard->id);
    }
}

static void on_changed(void *arg)
{
    struct watch *watch = arg;
    watch->changes++;
    if (watch->read_all)
        watch_read(watch);
}

void watch_stopped(void *arg)
{
    ((struct watch *)arg)->stopped = true;
}

void watch_start(struct rig *rig, struct watch *watch, struct rig_stream *stream)
{
    *watch = (struct watch){.stream = stream, .read_all = true};
    CHECK_FATAL(lineage_new(&watch->lineage) == 0);
    struct discovery_config config = {.world = &rig->v.world,
                                      .aws = rig->client,
                                      .arn = str_of(stream->arn),
                                      .lineage = watch->lineage,
                                      .changed = on_changed,
                                      .arg = watch,
                                      .log = rig_log,
                                      .log_ctx = rig};
    CHECK_FATAL(discovery_new(&config, &watch->discovery) == 0);
    discovery_start(watch->discovery);
    CHECK_INT(watch->changes, 0);
}

void watch_end(struct rig *rig, struct watch *watch)
{
    discovery_stop(watch->discovery, watch_stopped, watch);
    CHECK(!watch->stopped);
    vworld_until(&rig->v, &watch->stopped, 1000);
    CHECK(watch->stopped);
    discovery_free(watch->discovery);
    lineage_free(watch->lineage);
}

void watch_close(struct watch *watch, const char *id)
{
    struct shard *shard = lineage_find(watch->lineage, str_of(id));
    CHECK_FATAL(shard != NULL);
    rig_shard(watch->stream, id)->closed = true;
    lineage_read_to_end(watch->lineage, shard);
    discovery_want_children(watch->discovery, str_of(id));
}

bool watch_faults(struct rig *rig, const char *target, weir_str body, struct rig_answer *answer)
{
    (void)target;
    (void)body;
    switch (rig->hook_count) {
    case 1:
        return rig_error(answer, 400, "LimitExceededException");
    case 2:
        return rig_error(answer, 500, "InternalServerError");
    case 3:
        answer->result = HTTP_UNREACHABLE;
        return true;
    case 4:
        return rig_error(answer, 400, "AccessDeniedException");
    default:
        return false;
    }
}

void watch_told(void *arg, enum shard_verdict verdict)
{
    struct watch_verdict *out = arg;
    out->told++;
    out->verdict = verdict;
}
