/* A whole mapping in a virtual world: the model of DynamoDB Streams on one side, a function that
 * fails in every way on the other, and after each step the question whether what is invoked is
 * right: no record before an earlier one of its item, none that is finished, none lost. */
#include "esm/mapping.h"

#include "prig.h"

#include <stddef.h>

enum { NUMBERS = 4096, CALLS = 64, ITEMS = 12 };

enum fate { FATE_NONE, FATE_DONE, FATE_GIVEN_UP };

struct mrig {
    struct prig prig;
    struct aws_client *aws;
    struct esm_config config;
    struct esm_mapping *mapping;
    struct mcall {
        struct timer timer; /* first: it is cast back */
        struct mrig *rig;
        struct esm_call *call; /* NULL = free */
        uint64_t numbers[NUMBERS];
        size_t count;
        char body[128];
    } calls[CALLS];
    enum fate fates[NUMBERS];
    uint64_t before[NUMBERS], last_of_item[ITEMS]; /* the item's record before it */
    uint64_t base;                                 /* numbers are counted from here */
    unsigned invoked[NUMBERS];
    size_t written, wrong, begun;
    unsigned failing; /* of 100 invocations */
    bool finished;
    int exit_code;
    char said[2000];
};

/* ---- the function ---- */

static unsigned roll(struct mrig *rig, unsigned below)
{
    return (unsigned)(vworld_random(&rig->prig.rig.world) % below);
}

/* 0: no record of ours. */
static uint64_t place(const struct mrig *rig, uint64_t number)
{
    return number > rig->base && number - rig->base < NUMBERS ? number - rig->base : 0;
}

static uint64_t number_at(const struct mcall *open, size_t i)
{
    return place(open->rig, open->numbers[i]);
}

static void finish_first(struct mcall *open, size_t count)
{
    for (size_t i = 0; i < count; i++)
        open->rig->fates[number_at(open, i)] = FATE_DONE;
}

static void report(struct mcall *open, size_t from)
{
    struct mrig *rig = open->rig;
    const struct model_stream *stream = &rig->prig.model.streams[0];
    char sequence[MODEL_SEQUENCE_ROOM] = "";
    for (size_t i = 0; i < stream->count; i++)
        for (size_t k = 0; k < stream->shards[i].count; k++)
            if (stream->shards[i].records[k].number == open->numbers[from])
                streams_model_sequence(&rig->prig.model, &stream->shards[i].records[k], sequence);
    snprintf(open->body, sizeof open->body, "{\"batchItemFailures\":[{\"itemIdentifier\":\"%s\"}]}",
             sequence);
    finish_first(open, rig->config.options.report_failures ? from : open->count);
}

static void on_function_done(struct timer *timer)
{
    struct mcall *open = (struct mcall *)timer;
    struct mrig *rig = open->rig;
    struct esm_call *call = open->call;
    call->end = ESM_ANSWERED;
    open->body[0] = '\0'; /* success; also when there is no memory to parse an answer in */
    if (roll(rig, 100) >= rig->failing)
        finish_first(open, open->count);
    else
        switch (roll(rig, 4)) {
        case 0:
            call->end = ESM_NOT_RUN;
            break;
        case 1:
            report(open, roll(rig, (unsigned)open->count));
            break;
        default:
            call->end = ESM_ERROR;
            break;
        }
    call->body = str_of(open->body);
    call->request_id = STR("id");
    open->call = NULL;
    call->done(call);
}

static void read_batch(struct mcall *open, weir_str event)
{
    static const char name[] = "\"SequenceNumber\":\"";
    char *text = malloc(event.len + 1); /* not one of those that fail */
    CHECK_FATAL(text != NULL);
    memcpy(text, event.ptr, event.len);
    text[event.len] = '\0';
    open->count = 0;
    for (char *at = strstr(text, name); at; at = strstr(at, name)) {
        at += sizeof name - 1;
        open->numbers[open->count++] = streams_model_number(at, strspn(at, "0123456789"));
    }
    free(text);
}

static bool earlier_in(const struct mcall *open, size_t end, uint64_t number)
{
    for (size_t i = 0; i < end; i++)
        if (number_at(open, i) == number)
            return true;
    return false;
}

static void judge_batch(struct mrig *rig, const struct mcall *open)
{
    for (size_t i = 0; i < open->count; i++) {
        uint64_t number = number_at(open, i), before = rig->before[number];
        bool early = before && rig->fates[before] == FATE_NONE && !earlier_in(open, i, before);
        rig->wrong += early || number == 0 || rig->fates[number] != FATE_NONE;
        rig->invoked[number]++;
    }
    rig->wrong += open->count == 0 || open->count > (size_t)rig->config.options.batch_size;
}

static int invoke(void *ctx, struct esm_call *call)
{
    struct mrig *rig = ctx;
    struct clock *clock = &rig->prig.rig.world.world.clock;
    for (size_t i = 0; i < CALLS; i++) {
        struct mcall *open = &rig->calls[i];
        if (open->call)
            continue;
        *open = (struct mcall){.rig = rig, .call = call, .timer.fire = on_function_done};
        rig->begun++;
        read_batch(open, call->event);
        if (open->count)
            judge_batch(rig, open);
        int rc = clock->arm(clock->ctx, &open->timer, roll(rig, 200));
        if (rc < 0)
            open->call = NULL;
        return rc;
    }
    return -EAGAIN;
}

static int gave_up(void *arg, const struct esm_failure *failure)
{
    struct mrig *rig = arg;
    const struct esm_record *record = failure->first;
    for (size_t i = 0; i < failure->count; i++, record = record->next) {
        uint64_t number =
            place(rig, streams_model_number(record->sequence.ptr, record->sequence.len));
        rig->wrong += number == 0 || rig->fates[number] != FATE_NONE;
        rig->fates[number] = FATE_GIVEN_UP;
    }
    return 0;
}

static void told(void *arg, const struct esm_report *one)
{
    struct mrig *rig = arg;
    rig->wrong += one->finished > one->count;
}

static void say(void *arg, const char *text)
{
    struct mrig *rig = arg;
    size_t len = strlen(rig->said);
    snprintf(rig->said + len, sizeof rig->said - len, "%s\n", text);
}

static void on_finished(void *arg, int exit_code)
{
    struct mrig *rig = arg;
    CHECK(!rig->finished);
    rig->finished = true;
    rig->exit_code = exit_code;
}

/* ---- the rig ---- */

static void write_some(struct mrig *rig, size_t count)
{
    struct prig *prig = &rig->prig;
    for (size_t i = 0; i < count; i++) {
        struct model_write write = {.item = roll(rig, ITEMS)};
        size_t index = streams_model_write(&prig->model, 0, &write, prig_unix_ms(prig));
        const struct model_shard *shard = &prig->model.streams[0].shards[index];
        uint64_t number = shard->records[shard->count - 1].number;
        if (!rig->base)
            rig->base = number - 1;
        number = place(rig, number);
        CHECK_FATAL(number != 0);
        rig->before[number] = rig->last_of_item[write.item];
        rig->last_of_item[write.item] = number;
        rig->written++;
    }
}

static void begin(struct mrig *rig, uint64_t seed)
{
    static char *environment[] = {(char *)"AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
                                  (char *)"AWS_SECRET_ACCESS_KEY=secret",
                                  (char *)"AWS_REGION=eu-west-1", NULL};
    memset(rig, 0, sizeof *rig);
    prig_init(&rig->prig, 1);
    rig->prig.rig.world.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    rig->prig.aws_config.environ_block = environment;
    streams_model_create(&rig->prig.model, "Products", 1 + (unsigned)(seed % 3),
                         prig_unix_ms(&rig->prig));
    rig->config = (struct esm_config){
        .world = &rig->prig.rig.world.world,
        .source = STR("Products"),
        .once = true,
        .options = {.batch_size = 10, .lanes = 1, .retries = -1, .report_failures = true},
        .function = {rig, invoke},
        .told = told,
        .gave_up = gave_up,
        .say = say,
        .finished = on_finished,
        .arg = rig};
}

static int open_mapping(struct mrig *rig)
{
    struct err err = {0};
    int rc = aws_client_new(rig->config.world, &rig->prig.aws_config, &rig->aws, &err);
    rig->config.aws = rig->aws;
    if (rc == 0)
        rc = esm_mapping_new(&rig->config, &rig->mapping);
    if (rc == 0)
        esm_mapping_start(rig->mapping);
    return rc;
}

static void end(struct mrig *rig)
{
    esm_mapping_free(rig->mapping);
    aws_client_free(rig->aws);
    prig_done(&rig->prig);
}

static size_t count_fates(const struct mrig *rig, enum fate fate)
{
    size_t count = 0;
    for (size_t i = 0; i < NUMBERS; i++)
        count += rig->fates[i] == fate;
    return count;
}

static void judge_end(struct mrig *rig)
{
    struct esm_counts counts = esm_mapping_counts(rig->mapping);
    CHECK_INT(rig->wrong, 0);
    CHECK_INT(count_fates(rig, FATE_DONE) + count_fates(rig, FATE_GIVEN_UP), rig->written);
    CHECK_INT(counts.records, rig->written);
    CHECK_INT(counts.delivered, count_fates(rig, FATE_DONE));
    CHECK_INT(counts.given_up, count_fates(rig, FATE_GIVEN_UP));
}

/* ---- tests ---- */

static const char *sometimes(void *ctx, const struct model_call *call)
{
    static const char *const errors[] = {"LimitExceededException", "ExpiredIteratorException",
                                         "InternalServerError"};
    struct mrig *rig = ctx;
    if (call->kind == MODEL_DESCRIBE_TABLE || roll(rig, 5))
        return NULL;
    unsigned which = roll(rig, 3);
    return which == 1 && call->kind != MODEL_RECORDS ? NULL : errors[which];
}

static void vary(struct mrig *rig)
{
    static const enum model_end ends[] = {MODEL_END_NULL, MODEL_END_ABSENT, MODEL_END_EMPTY};
    struct streams_model *model = &rig->prig.model;
    struct esm_options *options = &rig->config.options;
    options->batch_size = 1 + roll(rig, 30);
    options->lanes = 1 + roll(rig, ESM_LANES_MAX);
    options->window_ms = roll(rig, 3) ? 0 : 500;
    options->retries = (int64_t)roll(rig, 5) - 1;
    options->bisect = roll(rig, 2);
    options->report_failures = roll(rig, 2);
    rig->failing = roll(rig, 60);
    model->end = ends[roll(rig, 3)];
    model->end_late = roll(rig, 2);
    model->empty_pages = roll(rig, 3);
    model->page_records = 1 + roll(rig, 40);
    model->filter = (enum model_filter)roll(rig, 4);
    model->digits = (uint8_t)(21 + roll(rig, 5));
    model->fault = sometimes;
    model->ctx = rig;
}

/* Shards split before and while it reads. */
static void course(uint64_t seed)
{
    struct mrig *rig = mem_zalloc(1, sizeof *rig);
    CHECK_FATAL(rig != NULL);
    begin(rig, seed);
    vary(rig);
    write_some(rig, 20 + roll(rig, 100));
    streams_model_close(&rig->prig.model, 0, 0, 1 + roll(rig, 2), prig_unix_ms(&rig->prig));
    write_some(rig, roll(rig, 60));
    CHECK_INT(open_mapping(rig), 0);
    for (int i = 0; i < 3; i++) {
        prig_run(&rig->prig, roll(rig, 1000));
        size_t leaf = streams_model_leaf(&rig->prig.model, 0, roll(rig, ITEMS));
        write_some(rig, roll(rig, 30));
        if (!rig->finished && roll(rig, 2))
            streams_model_close(&rig->prig.model, 0, leaf, 1 + roll(rig, 2),
                                prig_unix_ms(&rig->prig));
        write_some(rig, roll(rig, 30));
    }
    CHECK(vworld_until(&rig->prig.rig.world, &rig->finished, 3 * 3600000));
    CHECK_INT(rig->exit_code, ESM_FINISHED);
    judge_end(rig);
    if (rig->wrong || !rig->finished)
        printf("    seed %llu: %s\n", (unsigned long long)seed, rig->said);
    end(rig);
    mem_free(rig);
}

static void any_course_keeps_order_and_loses_nothing(void)
{
    for (uint64_t seed = 1; seed <= 150; seed++)
        course(seed);
}

/* Wherever memory runs out: it ends or goes on; nothing is done that was not, and nothing leaks. */
static void memory_that_runs_out_loses_nothing(void)
{
    struct mrig *rig = mem_zalloc(1, sizeof *rig);
    CHECK_FATAL(rig != NULL);
    for (uint64_t k = 1; k < 1500; k += k < 300 ? 1 : 37) {
        begin(rig, 1);
        write_some(rig, 30);
        streams_model_close(&rig->prig.model, 0, 0, 2, prig_unix_ms(&rig->prig));
        write_some(rig, 10);
        mem_fail_at(k);
        int rc = open_mapping(rig);
        if (rc == 0)
            CHECK(vworld_until(&rig->prig.rig.world, &rig->finished, 600000));
        mem_fail_at(0);
        CHECK_INT(rig->wrong, 0);
        if (rc == 0 && rig->exit_code == ESM_FINISHED)
            judge_end(rig);
        end(rig);
    }
    mem_free(rig);
}

static void latest_reads_what_comes_and_no_more(void)
{
    struct mrig *rig = mem_zalloc(1, sizeof *rig);
    CHECK_FATAL(rig != NULL);
    begin(rig, 3);
    rig->config.latest = true;
    rig->config.once = false;
    write_some(rig, 20);
    streams_model_close(&rig->prig.model, 0, 0, 2, prig_unix_ms(&rig->prig));
    write_some(rig, 20);
    for (size_t i = 0; i < NUMBERS; i++) /* not to be read, nor waited for */
        rig->fates[i] = FATE_NONE;
    CHECK_INT(open_mapping(rig), 0);
    prig_run(&rig->prig, 5000);
    CHECK_INT(rig->begun, 0);
    memset(rig->last_of_item, 0, sizeof rig->last_of_item);
    write_some(rig, 15);
    prig_run(&rig->prig, 5000);
    CHECK_INT(count_fates(rig, FATE_DONE), 15);
    esm_mapping_stop(rig->mapping);
    CHECK(vworld_until(&rig->prig.rig.world, &rig->finished, 60000));
    CHECK_INT(rig->wrong, 0);
    end(rig);
    mem_free(rig);
}

/* What was trimmed is said, and the rest is read; a shard that is gone leaves its children. */
static void trimmed_records_are_passed_over(void)
{
    struct mrig *rig = mem_zalloc(1, sizeof *rig);
    CHECK_FATAL(rig != NULL);
    begin(rig, 3);
    rig->config.options.batch_size = 1;
    rig->config.once = false;
    write_some(rig, 8);
    CHECK_INT(open_mapping(rig), 0);
    prig_run(&rig->prig, 3000);
    CHECK_INT(count_fates(rig, FATE_DONE), 8);
    for (size_t i = 0; i < rig->prig.model.streams[0].count; i++) {
        struct model_shard *shard = &rig->prig.model.streams[0].shards[i];
        shard->hidden = shard->forgotten = true;
    }
    prig_run(&rig->prig, 60000);
    CHECK(strstr(rig->said, "was trimmed behind") != NULL);
    esm_mapping_stop(rig->mapping);
    CHECK(vworld_until(&rig->prig.rig.world, &rig->finished, 60000));
    end(rig);
    mem_free(rig);
}

/* Without --once, a stream that was switched off ends it when all was read. */
static void the_end_of_the_stream_is_the_end(void)
{
    struct mrig *rig = mem_zalloc(1, sizeof *rig);
    CHECK_FATAL(rig != NULL);
    begin(rig, 3);
    rig->config.once = false;
    write_some(rig, 12);
    streams_model_disable(&rig->prig.model, 0, prig_unix_ms(&rig->prig));
    CHECK_INT(open_mapping(rig), 0);
    CHECK(vworld_until(&rig->prig.rig.world, &rig->finished, 600000));
    CHECK_INT(rig->exit_code, ESM_FINISHED);
    judge_end(rig);
    end(rig);
    mem_free(rig);
}

static const char *no_records(void *ctx, const struct model_call *call)
{
    (void)ctx;
    return call->kind == MODEL_RECORDS ? "AccessDeniedException" : NULL;
}

static const char *no_description(void *ctx, const struct model_call *call)
{
    (void)ctx;
    return call->kind == MODEL_DESCRIBE ? "AccessDeniedException" : NULL;
}

static void a_refused_source_ends_it_and_says_why(void)
{
    static const struct {
        const char *(*fault)(void *ctx, const struct model_call *call);
        const char *said;
    } rows[] = {{no_records, "GetRecords failed: "},
                {no_description, "dynamodb:DescribeStream is not allowed"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mrig *rig = mem_zalloc(1, sizeof *rig);
        CHECK_FATAL(rig != NULL);
        begin(rig, 3);
        write_some(rig, 3);
        rig->prig.model.fault = rows[i].fault;
        CHECK_INT(open_mapping(rig), 0);
        CHECK(vworld_until(&rig->prig.rig.world, &rig->finished, 60000));
        CHECK_INT(rig->exit_code, ESM_DENIED);
        CHECK(strstr(rig->said, rows[i].said) != NULL);
        end(rig);
        mem_free(rig);
    }
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"any_course_keeps_order_and_loses_nothing", any_course_keeps_order_and_loses_nothing},
        {"memory_that_runs_out_loses_nothing", memory_that_runs_out_loses_nothing},
        {"latest_reads_what_comes_and_no_more", latest_reads_what_comes_and_no_more},
        {"trimmed_records_are_passed_over", trimmed_records_are_passed_over},
        {"the_end_of_the_stream_is_the_end", the_end_of_the_stream_is_the_end},
        {"a_refused_source_ends_it_and_says_why", a_refused_source_ends_it_and_says_why},
        {0}};
    return unit_main(argc, argv, "esm mapping", tests);
}
