/* weir config graph: where records go, as a graph for Graphviz, or as JSON. */
#include "cli/opened.h"
#include "cli/verbs.h"
#include "util/text.h"

/* Text in a quoted string of DOT, which escapes the same two characters as JSON. */
static void put(struct buf *out, const char *text)
{
    buf_put_json_string(out, str_of(text));
}

static const char *source_name(const struct config *config)
{
    static const char *const names[] = {"(no source)", "poll", "lambda", "kcl", "file"};
    return names[config->source];
}

/* "MODIFY; price changes": what the sink asks for, both by its plugin and by the configuration. */
static void put_asked(struct buf *out, const struct match_rule *rule, const char *sep)
{
    static const char *const names[] = {"INSERT", "MODIFY", "REMOVE"};
    for (int i = 0; i < 3; i++)
        if (rule->events & 1u << i) {
            buf_printf(out, "%s%s", sep, names[i]);
            sep = " ";
        }
    for (const char *const *path = rule->changed; path && *path; path++)
        buf_printf(out, "%s%s changes", path == rule->changed ? "; " : " or ", *path);
    for (const char *const *path = rule->present; path && *path; path++)
        buf_printf(out, "%shas %s", path == rule->present ? "; " : " or ", *path);
    buf_puts(out, rule->filter ? "; filter" : "");
    buf_puts(out, rule->ttl > 0 ? "; only TTL" : rule->ttl < 0 ? "; no TTL" : "");
}

static void label_of(const struct built_sink *sink, struct buf *out)
{
    struct match_rule both = {0};
    buf_reset(out);
    if (sink->rule_count == 0) {
        buf_puts(out, "dead letters only");
        return;
    }
    both = sink->rules[1];
    both.events = sink->rules[0].events && both.events ? sink->rules[0].events & both.events
                                                       : sink->rules[0].events | both.events;
    if (!both.changed)
        both.changed = sink->rules[0].changed;
    if (!both.present)
        both.present = sink->rules[0].present;
    put_asked(out, &both, "");
    if (out->len == 0)
        buf_puts(out, "everything");
}

struct graph {
    struct opened *opened;
    struct buf label;
    bool json;
};

static void put_node(struct graph *graph, const char *id, const char *kind, const char *text)
{
    struct buf *out = &graph->opened->out;
    if (graph->json) {
        buf_put_comma(out);
        buf_putc(out, '{');
        buf_put_text_member(out, "id", id);
        buf_put_text_member(out, "kind", kind);
        buf_put_text_member(out, "text", text);
        buf_putc(out, '}');
    } else {
        buf_puts(out, "  ");
        put(out, id);
        buf_printf(out, " [shape=%s, label=", strcmp(kind, "sink") == 0 ? "box" : "ellipse");
        put(out, text);
        buf_puts(out, "];\n");
    }
}

static void put_edge(struct graph *graph, const char *from, const char *to, const char *kind,
                     const char *text)
{
    struct buf *out = &graph->opened->out;
    if (graph->json) {
        buf_put_comma(out);
        buf_putc(out, '{');
        buf_put_text_member(out, "from", from);
        buf_put_text_member(out, "to", to);
        buf_put_text_member(out, "kind", kind);
        buf_put_text_member(out, "text", text);
        buf_putc(out, '}');
    } else {
        buf_puts(out, "  ");
        put(out, from);
        buf_puts(out, " -> ");
        put(out, to);
        buf_puts(out, " [label=");
        put(out, text);
        buf_printf(out, "%s];\n", strcmp(kind, "dead") == 0 ? ", style=dashed" : "");
    }
}

/* Ids of sinks have a prefix, so that one may be named "source". */
static const char *sink_id(char out[80], const char *name)
{
    snprintf(out, 80, "sink.%s", name);
    return out;
}

static const char *rest_of(const struct sink_config *sink)
{
    return sink->on_exhausted == EXHAUSTED_DEAD   ? "dead"
           : sink->on_exhausted == EXHAUSTED_DROP ? "drop"
                                                  : NULL; /* block: it stays where it was */
}

static void put_nodes(struct graph *graph)
{
    const struct sink_set *set = graph->opened->set;
    char id[80], text[256];
    bool dead = false, drop = false;
    put_node(graph, "source", "source", source_name(graph->opened->config));
    for (size_t i = 0; i < set->count; i++) {
        const struct sink_config *sink = set->sinks[i].config;
        const char *rest = rest_of(sink), *target = set->sinks[i].instance->target;
        snprintf(text, sizeof text, "%s: %s%s%s", sink->name, set->sinks[i].plugin->desc.name,
                 target ? " to " : "", target ? target : "");
        put_node(graph, sink_id(id, sink->name), "sink", text);
        dead = dead || (rest && strcmp(rest, "dead") == 0);
        drop = drop || (rest && strcmp(rest, "drop") == 0);
    }
    if (dead)
        put_node(graph, "dead", "store", "the local dead letters");
    if (drop)
        put_node(graph, "drop", "store", "dropped, counted");
}

static void put_edges(struct graph *graph)
{
    const struct sink_set *set = graph->opened->set;
    char from[80], to[80];
    for (size_t i = 0; i < set->count; i++) {
        const struct sink_config *sink = set->sinks[i].config;
        label_of(&set->sinks[i], &graph->label);
        sink_id(from, sink->name);
        if (set->sinks[i].rule_count)
            put_edge(graph, "source", from, "match", buf_cstr(&graph->label));
        if (sink->on_exhausted == EXHAUSTED_SINK)
            put_edge(graph, from, sink_id(to, sink->exhausted_sink), "dead", "given up");
        else if (rest_of(sink))
            put_edge(graph, from, rest_of(sink), "dead", "given up");
    }
}

int verb_config_graph(struct cli *cli)
{
    struct opened opened;
    struct graph graph = {.opened = &opened, .json = cli->json};
    int code = opened_begin(&opened, cli, true);
    if (code != 0)
        return opened_end(&opened, code);
    buf_init(&graph.label, 64 << 10);
    buf_puts(&opened.out, graph.json ? "{\"nodes\":[" : "digraph weir {\n  rankdir=LR;\n");
    put_nodes(&graph);
    buf_puts(&opened.out, graph.json ? "],\"edges\":[" : "");
    put_edges(&graph);
    buf_puts(&opened.out, graph.json ? "]}\n" : "}\n");
    buf_done(&graph.label);
    return opened_end(&opened, code);
}
