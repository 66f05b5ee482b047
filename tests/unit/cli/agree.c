/* What `weir check` accepts, `weir run --dry-run` starts: random configurations, made of the
 * goldens, the examples and one that has every section. The first argument is how many (3000), the
 * second the seed. */
#include "unit.h"

#include "cli/pipeline.h"
#include "config/load.h"
#include "config/tree.h"
#include "plugin/options.h"
#include "util/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { BASES_MAX = 128, NODES_MAX = 4096, TEXT_MAX = 1 << 20 };

static const char whole[] =
    "{\"name\":\"p\",\"source\":{\"kind\":\"poll\",\"tables\":[\"T\"],\"batch_size\":10,"
    "\"starting_position\":\"LATEST\",\"idle_poll\":\"2s\",\"loops\":2,\"on_gap\":\"continue\","
    "\"maximum_retry_attempts\":3,\"maximum_record_age\":\"1h\"},"
    "\"on_poison\":{\"to\":\"dlq\"},\"lambda\":{\"deadline_margin\":\"1s\"},"
    "\"aws\":{\"region\":\"eu-west-1\",\"endpoints\":{\"sqs\":\"http://127.0.0.1:9324\"}},"
    "\"state\":{\"kind\":\"sqlite\",\"path\":\"s.db\",\"every\":\"1s\"},"
    "\"limits\":{\"in_flight\":\"16MiB\",\"queued_records\":100},"
    "\"log\":{\"level\":\"warn\",\"format\":\"json\"},\"shutdown\":{\"grace\":\"5s\"},"
    "\"sinks\":{\"price\":{\"plugin\":\"pricehistory\",\"match\":{\"events\":[\"MODIFY\"],"
    "\"changed\":[\"price\",\"a.b[0]\"],\"filter\":{\"eventName\":[\"MODIFY\"]}},"
    "\"retry\":{\"max_attempts\":3,\"base\":\"1s\",\"cap\":\"10s\",\"max_record_age\":\"1h\"},"
    "\"on_exhausted\":{\"to\":\"dlq\",\"on_oversize\":\"pointer\"},\"max_hold\":\"1h\","
    "\"config\":{\"store\":\"sqlite\",\"path\":\"h.db\",\"batch\":5}},"
    "\"out\":{\"plugin\":\"stdout\",\"required\":false,\"order\":\"shard\",\"concurrency\":2,"
    "\"match\":{\"ttl\":\"none\",\"present\":[\"x\"]},\"config\":{\"format\":\"json\"}},"
    "\"dlq\":{\"plugin\":\"sqs\",\"only_from\":[\"price\"],\"on_exhausted\":\"dead\","
    "\"config\":{\"queue_url\":\"https://sqs.us-east-1.amazonaws.com/1/q\"}},"
    "\"stream\":{\"plugin\":\"kinesis\",\"config\":{\"stream\":\"s\",\"concurrency\":2}},"
    "\"bus\":{\"plugin\":\"eventbridge\",\"config\":{\"bus\":\"b\",\"body\":\"plain\"}},"
    "\"replica\":{\"plugin\":\"dynamodb\",\"config\":{\"table\":\"Replica\",\"removes\":"
    "\"tombstone\"}},"
    "\"hook\":{\"plugin\":\"http\",\"config\":{\"url\":\"https://h.example/p\",\"batch\":3}},"
    "\"lines\":{\"plugin\":\"file\",\"config\":{\"path\":\"l.jsonl\",\"fsync\":\"second\"}},"
    "\"program\":{\"plugin\":\"exec\",\"config\":{\"program\":\"/bin/cat\"}}},"
    "\"tests\":[{\"name\":\"t\",\"input\":{\"old\":{\"price\":1},\"new\":{\"price\":2}},"
    "\"expect\":{\"sinks\":{\"price\":1}}}]}";

/* What 100,000 random ones found, mended since. */
static const char *const refused_once[] = {
    "{\"source\":{\"kind\":\"lambda\",\"starting_position\":\"AT_TIMESTAMP\"},"
    "\"sinks\":{\"console\":{\"plugin\":\"stdout\"}}}",
};

static const char *const scalars[] = {"0",
                                      "1",
                                      "-1",
                                      "1e3",
                                      "true",
                                      "false",
                                      "null",
                                      "\"\"",
                                      "\"5s\"",
                                      "\"1ms\"",
                                      "\"25h\"",
                                      "\"8MiB\"",
                                      "\"${N}\"",
                                      "\"${NONE}\"",
                                      "\"${NONE:-7}\"",
                                      "\"poll\"",
                                      "\"file\"",
                                      "\"kcl\"",
                                      "\"lambda\"",
                                      "\"memory\"",
                                      "\"dynamodb\"",
                                      "\"dead\"",
                                      "\"block\"",
                                      "\"drop\"",
                                      "\"price\"",
                                      "\"dlq\"",
                                      "\"-\"",
                                      "[]",
                                      "{}",
                                      "\"stdout\"",
                                      "\"sqs\"",
                                      "\"none\"",
                                      "\"item\"",
                                      "\"only\"",
                                      "\"LATEST\"",
                                      "\"T\"",
                                      "\"arn:aws:dynamodb:us-east-1:1:table/T/stream/x\"",
                                      "\"INSERT\"",
                                      "\"REMOVE\"",
                                      "10000000",
                                      "99999999999999999999",
                                      "\"http://127.0.0.1:1\"",
                                      "\"https://h\"",
                                      "\"a..b\""};

struct bases {
    struct arena arena;
    const char *texts[BASES_MAX];
    size_t count;
};

static uint64_t state;
static long runs = 3000;

static uint64_t pick(uint64_t below)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return below ? z % below : z;
}

/* ---- what they are made of ---- */

/* A tree of its own each time: what is grafted into another is changed there. */
static struct json_value *parse(struct arena *arena, const char *text)
{
    struct json_error error;
    return json_parse(arena, str_of(text), JSON_COMMENTS | JSON_LAST_WINS, 0, &error);
}

static void add_base(struct bases *bases, const char *text)
{
    struct arena arena;
    arena_init(&arena, 64 << 10);
    const struct json_value *tree = parse(&arena, text);
    if (tree && tree->kind == JSON_OBJECT && bases->count < BASES_MAX)
        bases->texts[bases->count++] = arena_text(&bases->arena, str_of(text));
    arena_done(&arena);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_folder(struct bases *bases, const char *folder)
{
    char *names[BASES_MAX], path[4096];
    size_t count = 0;
    DIR *dir = opendir(folder);
    CHECK_FATAL(dir != NULL);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL && count < BASES_MAX;)
        if (str_ends(str_of(entry->d_name), STR(".json")))
            names[count++] = mem_dup0(entry->d_name, strlen(entry->d_name));
    closedir(dir);
    qsort(names, count, sizeof names[0], by_text); /* one seed, one run */
    for (size_t i = 0; i < count; i++) {
        unsigned long len;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        char *text = unit_file(path, &len);
        add_base(bases, text);
        mem_free(text);
        mem_free(names[i]);
    }
}

/* ---- changing one ---- */

struct spot {
    struct json_value *parent, *value;
};

static size_t spots_of(struct json_value *root, struct spot *out)
{
    struct tree_walk walk;
    size_t count = 0;
    for (struct json_value *v = tree_first(&walk, root); v; v = tree_next(&walk, false))
        if (walk.depth > 0 && count < NODES_MAX)
            out[count++] = (struct spot){walk.parents[walk.depth - 1], v};
    return count;
}

static void replace_value(struct json_value *at, const struct json_value *by)
{
    at->kind = by->kind;
    at->escaped = by->escaped;
    at->size = by->size;
    at->raw = by->raw;
    at->text = by->text;
    at->first = by->first;
}

static void take_out(struct spot spot)
{
    struct json_value **link = &spot.parent->first;
    while (*link && *link != spot.value)
        link = &(*link)->next;
    if (*link)
        *link = spot.value->next;
    spot.parent->size--;
}

static struct json_value *scalar(struct arena *arena)
{
    return parse(arena, scalars[pick(sizeof scalars / sizeof *scalars)]);
}

/* A piece of another configuration, as a new member or in the place of a value. */
static void graft(const struct bases *bases, struct arena *arena, struct spot spot)
{
    static struct spot others[NODES_MAX];
    size_t count = spots_of(parse(arena, bases->texts[pick(bases->count)]), others);
    const struct json_value *piece = count ? others[pick(count)].value : NULL;
    if (piece && spot.parent->kind == JSON_OBJECT && piece->name.ptr && pick(2)) {
        struct json_value *fresh =
            tree_add(arena, spot.parent, piece->name, piece->name_at, piece->kind);
        CHECK_FATAL(fresh != NULL);
        replace_value(fresh, piece);
    } else if (piece) {
        replace_value(spot.value, piece);
    }
}

static void mutate(const struct bases *bases, struct arena *arena, struct json_value *root)
{
    static struct spot spots[NODES_MAX];
    size_t count = spots_of(root, spots);
    if (count == 0)
        return;
    struct spot spot = spots[pick(count)];
    switch (pick(4)) {
    case 0:
        take_out(spot);
        break;
    case 1:
        graft(bases, arena, spot);
        break;
    default:
        replace_value(spot.value, scalar(arena));
        break;
    }
}

/* ---- both ways ---- */

static char *block[] = {(char *)"N=5",
                        (char *)"BATCH=many",
                        (char *)"ORDERS_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/1/o",
                        (char *)"DLQ_URL=https://sqs.us-east-1.amazonaws.com/1/d",
                        (char *)"AWS_REGION=us-east-1",
                        NULL};
static const char *const sets[] = {"plugin_dirs=[\"" TEST_BUILD "/plugins\"]"};

static void no_log(void *ctx, const char *sink, int32_t level, weir_str msg)
{
    (void)ctx;
    (void)sink;
    (void)level;
    (void)msg;
}

static struct config_request request_for(const char *text)
{
    return (struct config_request){
        .text = text, .sets = sets, .set_count = 1, .environ_block = block, .cwd = "/nonexistent"};
}

static bool check_accepts(const char *text)
{
    struct config_request request = request_for(text);
    struct instance_services services = {.log = no_log};
    struct config *config = NULL;
    struct sink_set *set = NULL;
    struct diags diags;
    diags_init(&diags);
    int rc = config_load(&request, &config, &diags);
    if (rc == 0)
        rc = sink_set_open(config, &services, &diags, &set);
    CHECK((rc == 0) == (diags.errors == 0));
    sink_set_close(set);
    config_free(config);
    diags_done(&diags);
    return rc == 0;
}

/* "" when it started; else what it said. */
static void dry_run(const char *text, const char *from, struct buf *out)
{
    struct config_request request = request_for(text);
    struct pipeline pipeline;
    struct config *config = NULL;
    struct diags diags;
    struct err err = {0};
    struct log_config quiet = {.level = 0, .format = LOG_TEXT, .fd = 2};
    struct log *log = log_new(&quiet, NULL);
    request.from = from;
    request.dry_run = true;
    diags_init(&diags);
    CHECK_FATAL(log && pipeline_begin(&pipeline, false, &err) == 0);
    int rc = config_load(&request, &config, &diags);
    if (rc == 0)
        rc = config_runnable(config, &diags);
    if (rc == 0)
        rc = pipeline_open(&pipeline, config, log, true, block, &diags, &err);
    if (rc < 0) {
        buf_puts(out, err.msg);
        diags_print(&diags, "nothing was started", out);
    }
    CHECK_INT(pipeline_close(&pipeline), 0);
    config_free(config);
    diags_done(&diags);
    log_free(log);
}

static bool try_one(const char *text)
{
    struct buf said;
    if (!check_accepts(text))
        return false;
    buf_init(&said, TEXT_MAX);
    dry_run(text, NULL, &said);
    dry_run(text, "-", &said);
    if (said.len) {
        printf("\n    check accepts, run --dry-run refuses:\n%s\n%s\n", text, buf_cstr(&said));
        CHECK(said.len == 0);
    }
    buf_done(&said);
    return true;
}

static void what_check_accepts_run_starts(void)
{
    struct bases bases = {.count = 0};
    long accepted = 0;
    arena_init(&bases.arena, 64 << 10);
    add_base(&bases, whole);
    add_folder(&bases, TEST_DATA "/config");
    add_folder(&bases, TEST_DATA "/../../examples");
    CHECK(bases.count > 30);
    CHECK(try_one(whole));
    for (size_t i = 0; i < sizeof refused_once / sizeof *refused_once; i++)
        CHECK(try_one(refused_once[i]));

    for (long i = 0; i < runs; i++) {
        struct arena_mark mark = arena_mark(&bases.arena);
        struct buf text;
        /* half of them from what is right */
        struct json_value *tree = parse(&bases.arena, bases.texts[pick(4) ? 0 : pick(bases.count)]);
        buf_init(&text, TEXT_MAX);
        CHECK_FATAL(tree != NULL);
        for (uint64_t n = 1 + pick(3); n > 0; n--)
            mutate(&bases, &bases.arena, tree);
        option_json_write(tree, &text);
        accepted += try_one(buf_cstr(&text));
        buf_done(&text);
        arena_rollback(&bases.arena, mark);
    }

    printf("%ld of %ld accepted ", accepted, runs);
    CHECK(accepted * 20 > runs);
    arena_done(&bases.arena);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"what_check_accepts_run_starts", what_check_accepts_run_starts},
        {0},
    };
    runs = argc > 1 ? strtol(argv[1], NULL, 10) : runs;
    state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    return unit_main(1, argv, "agreement", tests);
}
