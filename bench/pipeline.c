/* The way of a body through the product, to a plugin that was loaded as any other:
 * bench_pipeline FILE PLUGIN_FOLDER [direct|router] [price|one|all] [PASSES]
 *   direct  decode, match, one call of the plugin's record() for each record it wants
 *   router  the same through the router, on the real event loop: lanes, queues, completion, counts
 * What the plugin reads is told in price.c. With PASSES it only runs so often and prints nothing,
 * for whoever counts something else. */
#include "harness.h"

#include "loop/loop.h"
#include "record/match.h"
#include "router/router.h"
#include "util/alloc.h"

#include <stdbool.h>
#include <string.h>

struct product { /* as the program builds it from a configuration */
    struct loop *loop;
    struct world world;
    struct delivery_board board;
    struct plugin *plugin;
    weir_instance *instance;
    struct match_plan *plan;
    struct router *router;
    char last_words[200]; /* of the plugin */
};

static char *body;
static size_t body_bytes;
static const char *plugin_folder, *what = "price";
static bool routed;
static struct product product;

static void must(bool fine, const char *step, const struct err *err)
{
    if (fine)
        return;
    fprintf(stderr, "%s: %s\n", step, err->msg);
    exit(1);
}

static void on_log(void *ctx, const char *sink, int32_t level, weir_str msg)
{
    struct product *p = ctx;
    (void)sink;
    (void)level;
    snprintf(p->last_words, sizeof p->last_words, "%.*s", (int)msg.len, msg.ptr);
}

static void open_plugin(struct product *p, bool checksum)
{
    struct err err = {0, ""};
    struct arena arena;
    struct json_error problem;
    char text[100];
    const char *const dirs[] = {plugin_folder, NULL};
    const struct plugin_search search = {.dirs = dirs, .insecure = true};
    const struct instance_services services = {
        .ctx = p, .log = on_log, .world = &p->world, .board = &p->board};
    arena_init(&arena, 4096);
    snprintf(text, sizeof text, "{\"read\":\"%s\",\"checksum\":%s}", what,
             checksum ? "true" : "false");
    must(plugin_load("bench_price", &search, &p->plugin, &err) == 0, "plugin", &err);
    must(instance_new(p->plugin, "price", json_parse(&arena, str_of(text), 0, 100, &problem),
                      &services, NULL, NULL, &p->instance, &err) == 0,
         "instance", &err);
    arena_done(&arena);
}

static void open_product(struct product *p, bool checksum)
{
    struct err err = {0, ""};
    *p = (struct product){0};
    must(loop_new(&(struct loop_config){0}, &p->loop, &err) == 0, "loop", &err);
    loop_world(p->loop, &p->world);
    must(board_init(&p->board, &p->world.clock) == 0, "board", &err);
    open_plugin(p, checksum);
    const weir_subscription *wants = &p->instance->subscription;
    const struct match_rule rule = {.events = wants->events,
                                    .images = wants->images,
                                    .changed = wants->changed_only ? wants->attributes : NULL,
                                    .optional_images =
                                        wants->struct_size ? 0 : WEIR_OLD | WEIR_NEW};
    const struct match_sink sink = {&rule, 1};
    must(match_plan_new(&sink, 1, &p->plan, &err) == 0, "plan", &err);
    const struct route route = {.name = "price",
                                .instance = p->instance,
                                .required = true,
                                .order = ROUTE_NONE,
                                .max_attempts = 1,
                                .base_ms = 1,
                                .cap_ms = 1,
                                .timeout_ms = 60000,
                                .concurrency = 4,
                                .batch_records = 100,
                                .queue_records = 10000};
    const struct router_config config = {
        .pipeline = "bench", .world = &p->world, .routes = &route, .route_count = 1};
    must(router_new(&config, &p->board, &p->router, &err) == 0, "router", &err);
}

static void close_product(struct product *p)
{
    instance_close(p->instance);
    router_free(p->router);
    board_drain(&p->board);
    match_plan_free(p->plan);
    plugin_free(p->plugin);
    loop_free(p->loop);
    board_done(&p->board);
}

static void on_done(void *arg, const struct batch_result *result)
{
    struct product *p = arg;
    must(result->complete, "router", &(struct err){0, "a record was not taken"});
    loop_stop(p->loop);
}

static void deliver_directly(struct product *p, const struct batch *batch)
{
    int32_t (*record)(void *, const weir_record *) = p->plugin->desc.record;
    for (size_t i = 0; i < batch->record_count; i++) {
        const struct weir_record seen = {.rec = batch->records[i],
                                         .lane = batch->records[i]->item_hash};
        must(record(p->instance->self, &seen) == WEIR_OK, "record", &(struct err){0, "refused"});
    }
}

static void pass(struct tally *tally)
{
    const struct decode_options options = {.max_bytes = 64 << 20, .max_records = 100000};
    struct batch *batch = NULL;
    struct err err = {0, ""};
    must(batch_decode(body, body_bytes, product.plan, &options, &batch, &err) == 0, "decode", &err);
    tally->records = batch->read_count;
    if (routed) {
        must(router_submit(product.router, batch, 0, on_done, &product) == 0, "router", &err);
        loop_run(product.loop);
    } else {
        deliver_directly(&product, batch);
    }
    batch->bytes = NULL; /* taken back for the next pass: receiving a body is not measured here */
    batch_unref(batch);
}

/* One more pass, to an instance that hashes what it reads. */
static void check(struct tally *tally)
{
    uint64_t checksum = 0;
    open_product(&product, true);
    pass(tally);
    close_product(&product);
    sscanf(product.last_words, "%*u %zu %16llx", &tally->hits, (unsigned long long *)&checksum);
    tally->checksum = checksum;
}

int main(int argc, char **argv)
{
    char name[64];
    if (argc < 3)
        return 2;
    plugin_folder = argv[2];
    routed = argc > 3 && strcmp(argv[3], "router") == 0;
    what = argc > 4 ? argv[4] : what;
    long passes = argc > 5 ? strtol(argv[5], NULL, 10) : 0;
    mem_free(mem_alloc(16 << 20)); /* as after one earlier body */
    body = load_body(argv[1], mem_alloc, &body_bytes);
    open_product(&product, false);
    snprintf(name, sizeof name, "weir-%s-%s", routed ? "router" : "plugin", what);
    struct tally tally = {0};
    for (long i = 0; i < passes; i++)
        pass(&tally);
    double seconds = passes ? 0 : measure(pass);
    close_product(&product);
    if (passes == 0) {
        check(&tally);
        print_line(name, body_bytes, &tally, seconds);
    }
    mem_free(body);
    return 0;
}
