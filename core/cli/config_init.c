/* weir config init: a configuration to begin with. */
#include "cli/opened.h"
#include "cli/verbs.h"
#include "config/keys.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>

enum { SINKS_MAX = 16 };

/* What the bundled plugins are mostly used for; others begin with the options that they need. */
struct known {
    const char *plugin, *sink, *body;
    bool both; /* gets also what does not change the price: for the tests */
};
static const struct known known[] = {
    {"pricehistory", "price",
     "      \"match\": { \"changed\": [\"price\"] },\n"
     "      \"retry\": { \"max_attempts\": 8, \"base\": \"100ms\", \"cap\": \"20s\" },\n"
     "      \"config\": {\n"
     "        \"store\": \"sqlite\",               // \"dynamodb\" writes to the table\n"
     "        \"path\": \"history.db\",\n"
     "        \"table\": \"PriceHistory\"\n"
     "      }\n",
     false},
    {"stdout", "console",
     "      \"required\": false,                 // never holds up the others\n"
     "      \"order\": \"shard\",                  // as they come\n"
     "      \"config\": { \"format\": \"pretty\" }\n",
     true},
    {"sqs", "orders", "      \"config\": { \"queue_url\": \"${ORDERS_QUEUE_URL}\" }\n", true},
};

struct starter {
    struct plugin_list list;
    const struct known *chosen[SINKS_MAX]; /* NULL: a plugin without a line above */
    const struct plugin *plugins[SINKS_MAX];
    size_t count;
    struct buf out;
};

static const struct known *known_of(const char *plugin)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].plugin, plugin) == 0)
            return &known[i];
    return NULL;
}

/* ---- choosing ---- */

static int unknown(struct cli *cli, const struct starter *starter, weir_str name)
{
    const char **names = mem_zalloc(starter->list.count + 1, sizeof *names);
    for (size_t i = 0; names && i < starter->list.count; i++)
        names[i] = starter->list.plugins[i]->desc.name;
    const char *near = names ? nearest_name(name, names) : NULL;
    mem_free(names);
    int len = name.len > 64 ? 64 : (int)name.len;
    if (near)
        return cli_fail(cli, EXIT_USAGE, NULL, "no plugin named \"%.*s\". Did you mean \"%s\"?",
                        len, name.ptr, near);
    return cli_fail(cli, EXIT_USAGE, "`weir plugin list` shows them all.",
                    "no plugin named \"%.*s\"", len, name.ptr);
}

static int choose(struct cli *cli, struct starter *starter, weir_str name)
{
    const struct plugin *plugin = NULL;
    for (size_t i = 0; i < starter->list.count && !plugin; i++)
        if (str_is(name, starter->list.plugins[i]->desc.name))
            plugin = starter->list.plugins[i];
    if (!plugin)
        return unknown(cli, starter, name);
    for (size_t i = 0; i < starter->count; i++)
        if (starter->plugins[i] == plugin)
            return cli_fail(cli, EXIT_USAGE, NULL, "\"%s\" is there twice", plugin->desc.name);
    if (starter->count == SINKS_MAX)
        return cli_fail(cli, EXIT_USAGE, NULL, "more than %d sinks", SINKS_MAX);
    starter->chosen[starter->count] = known_of(plugin->desc.name);
    starter->plugins[starter->count++] = plugin;
    return 0;
}

static int choose_all(struct cli *cli, struct starter *starter)
{
    const char *names = cli->sinks ? cli->sinks : "pricehistory,stdout";
    int rc = 0;
    while (rc == 0) {
        size_t len = strcspn(names, ",");
        rc = choose(cli, starter, (weir_str){names, len});
        if (names[len] == '\0')
            break;
        names += len + 1;
    }
    return rc;
}

/* ---- writing ---- */

static void put_example(struct buf *out, const char *sink, const weir_option *option)
{
    static const char *const values[] = {
        [WEIR_O_INT] = "1",   [WEIR_O_BOOL] = "false",          [WEIR_O_DURATION_MS] = "\"1s\"",
        [WEIR_O_JSON] = "{}", [WEIR_O_SIZE_BYTES] = "\"1MiB\"",
    };
    bool text = option->type == WEIR_O_STRING || option->type == WEIR_O_PATH ||
                (option->flags & WEIR_O_SECRET);
    if (text) {
        buf_puts(out, "\"${");
        for (const char *at = sink; *at; at++)
            buf_putc(out, *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A')
                          : *at == '-'             ? '_'
                                                   : *at);
        buf_putc(out, '_');
        for (const char *at = option->name; *at; at++)
            buf_putc(out, *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at);
        buf_puts(out, "}\"");
    } else if (option->type == WEIR_O_ENUM) {
        buf_printf(out, "\"%.*s\"", (int)strcspn(option->choices, "|"), option->choices);
    } else {
        buf_puts(out, values[option->type]);
    }
}

static void put_needs(struct buf *out, const struct plugin *plugin)
{
    bool any = false;
    buf_puts(out, "      \"config\": {");
    for (const weir_option *o = plugin->desc.options; o && o->name; o++)
        if (o->flags & WEIR_O_REQUIRED) {
            buf_printf(out, "%s\n        \"%s\": ", any ? "," : "", o->name);
            put_example(out, plugin->desc.name, o);
            any = true;
        }
    buf_printf(out, "%s}    // more: weir plugin info %s\n", any ? "\n      " : "",
               plugin->desc.name);
}

static void put_sinks(struct starter *starter)
{
    struct buf *out = &starter->out;
    buf_puts(out, "  // Who gets them. `weir plugin info NAME` shows a plugin's options.\n"
                  "  \"sinks\": {\n");
    for (size_t i = 0; i < starter->count; i++) {
        const struct known *sink = starter->chosen[i];
        const struct plugin *plugin = starter->plugins[i];
        buf_printf(out, "    \"%s\": {\n      \"plugin\": \"%s\",\n",
                   sink ? sink->sink : plugin->desc.name, plugin->desc.name);
        if (sink)
            buf_puts(out, sink->body);
        else
            put_needs(out, plugin);
        buf_puts(out, i + 1 < starter->count ? "    },\n" : "    }\n");
    }
    buf_puts(out, "  }");
}

static void put_counts(struct starter *starter, bool price_changes)
{
    struct buf *out = &starter->out;
    bool any = false;
    buf_puts(out, "      \"expect\": { \"sinks\": {");
    for (size_t i = 0; i < starter->count; i++)
        if (starter->chosen[i]) {
            buf_printf(out, "%s \"%s\": %d", any ? "," : "", starter->chosen[i]->sink,
                       price_changes || starter->chosen[i]->both);
            any = true;
        }
    buf_puts(out, " } }\n");
}

static void put_tests(struct starter *starter)
{
    struct buf *out = &starter->out;
    buf_puts(out,
             ",\n  // What it should do; `weir test` tries it.\n"
             "  \"tests\": [\n    {\n"
             "      \"name\": \"a changed price reaches the history once\",\n"
             "      \"input\": { \"event\": \"MODIFY\", \"keys\": { \"product_id\": \"p1\" },\n"
             "                 \"old\": { \"price\": 10 }, \"new\": { \"price\": 12.5 } },\n");
    put_counts(starter, true);
    buf_puts(out,
             "    },\n    {\n"
             "      \"name\": \"the same price written another way is no change\",\n"
             "      \"input\": { \"event\": \"MODIFY\", \"keys\": { \"product_id\": \"p1\" },\n"
             "                 \"old\": { \"price\": { \"N\": \"10\" } },"
             " \"new\": { \"price\": { \"N\": \"10.00\" } } },\n");
    put_counts(starter, false);
    buf_puts(out, "    }\n  ]");
}

static bool used_by_this_release(const char *name)
{
    for (const struct key *key = config_keys; key->name; key++)
        if (strcmp(key->name, name) == 0)
            return !key->later;
    return false;
}

static void put_all(struct starter *starter)
{
    struct buf *out = &starter->out;
    bool tests = false;
    for (size_t i = 0; i < starter->count; i++)
        tests = tests || starter->chosen[i];
    buf_puts(
        out,
        "// A configuration of weir. `weir check` says what is wrong with it, `weir config show`\n"
        "// every value that holds, `weir help config` more. Comments are fine.\n{\n"
        "  \"name\": \"prices\",\n"
        "  // Where records come from; `weir run --from FILE` reads a file instead.\n"
        "  \"source\": { \"kind\": \"poll\", \"tables\": [\"Products\"] },\n"
        "  \"aws\": { \"region\": \"${AWS_REGION:-us-east-1}\" },\n"
        "  // Positions and dead letters.\n"
        "  \"state\": { \"kind\": \"sqlite\", \"path\": \"state/weir.db\" },\n");
    if (used_by_this_release("admin"))
        buf_puts(out, "  // Health, metrics and a page, on this machine only.\n"
                      "  \"admin\": { \"listen\": \"127.0.0.1:9630\" },\n");
    put_sinks(starter);
    if (tests)
        put_tests(starter);
    buf_puts(out, "\n}\n");
}

int verb_config_init(struct cli *cli)
{
    struct starter starter = {.count = 0};
    struct arena arena;
    arena_init(&arena, 2048);
    buf_init(&starter.out, 1 << 20);
    struct plugin_search search = plugin_search_of(&arena, NULL, cli->environ_block, cli->lambda);
    int code = 0;
    if (!search.dirs || plugin_list_fill(&starter.list, &search, NULL) < 0)
        code = cli_fail(cli, EXIT_SOFTWARE, NULL, "out of memory");
    if (code == 0)
        code = choose_all(cli, &starter);
    if (code == 0) {
        put_all(&starter);
        code = cli_write(cli->out, &starter.out) ? EXIT_DONE : EXIT_NO;
    }
    plugin_list_done(&starter.list);
    buf_done(&starter.out);
    arena_done(&arena);
    return code;
}
