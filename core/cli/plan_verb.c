/* weir plan: what a configuration needs and costs, without asking anybody. */
#include "cli/opened.h"
#include "cli/verbs.h"
#include "util/text.h"

#include <inttypes.h>

enum { CALLS_MAX = 2 * MATCH_SINKS_MAX + 2, DAY_S = 86400 };

/* Calls of one kind in a day, and what they cost. */
struct call_plan {
    const char *service, *operation;
    double per_day, usd;
};

/* List prices in dollars, as known when this release was made. */
static const char prices_of[] = "us-east-1, November 2026, on demand";
static const double usd_stream_read = 0.02 / 100000, usd_row = 0.625 / 1e6;

/* By what a sink declares that it calls: records in a full call, and what AWS counts: the call, or
 * each record of at most 1 KiB (DynamoDB), 25 KiB (Kinesis) or 64 KiB. Kinesis' shards and Lambda's
 * time come on top. */
static const struct price {
    const char *action, *service;
    double records, usd_call, usd_record;
} prices[] = {
    {"dynamodb:BatchWriteItem", "dynamodb", 25, 0, 0.625 / 1e6},
    {"dynamodb:PutItem", "dynamodb", 1, 0, 0.625 / 1e6},
    {"sqs:SendMessage", "sqs", 10, 0.4 / 1e6, 0},
    {"kinesis:PutRecords", "kinesis", 500, 0, 0.014 / 1e6},
    {"events:PutEvents", "events", 10, 0, 1 / 1e6},
    {"sns:Publish", "sns", 10, 0.5 / 1e6, 0},
    {"lambda:InvokeFunction", "lambda", 100, 0.2 / 1e6, 0},
};

struct plan {
    struct opened opened;
    struct call_plan calls[CALLS_MAX];
    size_t call_count;
    double usd;
};

static void add_call(struct plan *plan, const char *service, const char *operation, double per_day,
                     double usd)
{
    if (plan->call_count < CALLS_MAX && per_day > 0)
        plan->calls[plan->call_count++] = (struct call_plan){service, operation, per_day, usd};
    plan->usd += usd;
}

static const struct price *price_of(const weir_instance *instance)
{
    for (char **iam = instance->iam; iam && *iam; iam++)
        for (size_t i = 0; i < sizeof prices / sizeof *prices; i++) {
            size_t len = strlen(prices[i].action);
            if (strncmp(*iam, prices[i].action, len) == 0 && ((*iam)[len] == ' ' || !(*iam)[len]))
                return &prices[i];
        }
    return NULL;
}

/* Of calls that are as full as the sink makes them. */
static void count_sink(struct plan *plan, const struct built_sink *sink, double records)
{
    const struct price *price = price_of(sink->instance);
    const char *target = sink->instance->target;
    double batch = sink->config->batch_records        ? (double)sink->config->batch_records
                   : sink->plugin->desc.batch_records ? (double)sink->plugin->desc.batch_records
                                                      : 100;
    if (price) {
        double calls = records / (batch < price->records ? batch : price->records);
        add_call(plan, price->service, sink->config->name, calls,
                 calls * price->usd_call + records * price->usd_record);
    } else if (target && strncmp(target, "server ", 7) == 0) {
        add_call(plan, "http", sink->config->name, records, 0);
    }
}

/* At most: every record reaches every sink, every shard is read as often as it may be. */
static void count_calls(struct plan *plan)
{
    const struct config *config = plan->opened.config;
    const struct sink_set *set = plan->opened.set;
    double records = (double)plan->opened.cli->per_day, shards = (double)plan->opened.cli->shards;
    if (config->source == SOURCE_POLL) {
        double reads = shards * DAY_S * 1000 / (double)config->poll.idle_poll_ms;
        add_call(plan, "dynamodb streams", "GetRecords", reads, reads * usd_stream_read);
    }
    if (config->source == SOURCE_POLL && str_is(str_of(config->state.kind), "dynamodb")) {
        double every = (double)(config->state.every_ms < config->state.lease_ms * 3 / 10
                                    ? config->state.every_ms
                                    : config->state.lease_ms * 3 / 10);
        double writes = (double)set->count * shards * DAY_S * 1000 / every;
        add_call(plan, "dynamodb", "positions", writes, writes * usd_row);
    }
    for (size_t i = 0; i < set->count; i++)
        if (set->sinks[i].rule_count)
            count_sink(plan, &set->sinks[i], records);
}

/* ---- the policy ---- */

static void put_grant(struct buf *out, bool first, const char *actions, weir_str resource)
{
    buf_printf(out, "%s{\"Effect\":\"Allow\",\"Action\":[%s],\"Resource\":", first ? "" : ",",
               actions);
    buf_put_json_string(out, resource);
    buf_putc(out, '}');
}

static void put_table_grant(struct buf *out, const char *actions, const char *table,
                            const char *below)
{
    struct buf arn;
    buf_init(&arn, 4096);
    if (str_starts(str_of(table), STR("arn:")))
        buf_printf(&arn, "%s", table);
    else
        buf_printf(&arn, "arn:aws:dynamodb:*:*:table/%s%s", table, below);
    put_grant(out, false, actions, buf_str(&arn));
    buf_done(&arn);
}

static void put_policy(const struct plan *plan, struct buf *out)
{
    const struct config *config = plan->opened.config;
    static const char read[] =
        "\"dynamodb:DescribeStream\",\"dynamodb:GetRecords\",\"dynamodb:GetShardIterator\"";
    bool state = str_is(str_of(config->state.kind), "dynamodb") && config->state.table;
    buf_puts(out, "{\"Version\":\"2012-10-17\",\"Statement\":[");
    put_grant(out, true, "\"dynamodb:ListStreams\"", STR("*")); /* it knows no resource */
    for (const char *const *t = config->poll.tables; t && *t; t++) {
        put_table_grant(out, "\"dynamodb:DescribeTable\"", *t, "");
        put_table_grant(out, read, *t, "/stream/*");
    }
    for (const char *const *s = config->poll.streams; s && *s; s++)
        put_table_grant(out, read, *s, "");
    if (config->source == SOURCE_POLL && state)
        put_table_grant(out,
                        "\"dynamodb:GetItem\",\"dynamodb:PutItem\",\"dynamodb:UpdateItem\","
                        "\"dynamodb:DeleteItem\",\"dynamodb:Query\",\"dynamodb:BatchWriteItem\","
                        "\"dynamodb:TransactWriteItems\",\"dynamodb:ConditionCheckItem\"",
                        config->state.table, "");
    for (size_t i = 0; i < plan->opened.set->count; i++)
        for (char **iam = plan->opened.set->sinks[i].instance->iam; iam && *iam; iam++) {
            char action[128];
            size_t len = strcspn(*iam, " ");
            snprintf(action, sizeof action, "\"%.*s\"", (int)(len < 120 ? len : 120), *iam);
            put_grant(out, false, action, (*iam)[len] ? str_of(*iam + len + 1) : STR("*"));
        }
    buf_puts(out, "]}");
}

/* ---- sinks ---- */

static const char *repeats_of(const struct built_sink *sink)
{
    return sink->plugin->desc.repeats == WEIR_R_NATIVE  ? "once"
           : sink->plugin->desc.repeats == WEIR_R_KEYED ? "keyed"
                                                        : "twice";
}

static const char *given_up(const struct sink_config *sink)
{
    return sink->on_exhausted == EXHAUSTED_SINK    ? sink->exhausted_sink
           : sink->on_exhausted == EXHAUSTED_DROP  ? "drop"
           : sink->on_exhausted == EXHAUSTED_BLOCK ? "block"
                                                   : "dead";
}

/* It was refused where the configuration does not allow it. */
static bool loops(const struct plan *plan, const struct built_sink *sink)
{
    const struct config *config = plan->opened.config;
    const char *const *from[] = {config->poll.tables, config->poll.streams};
    for (size_t i = 0; i < 2; i++)
        for (const char *const *table = from[i]; table && *table; table++)
            if (sink_writes_table(sink, str_of(*table)))
                return true;
    return false;
}

static void put_json(const struct plan *plan, struct buf *out)
{
    const struct sink_set *set = plan->opened.set;
    buf_puts(out, "{\"policy\":");
    put_policy(plan, out);
    buf_puts(out, ",\"sinks\":[");
    for (size_t i = 0; i < set->count; i++) {
        const struct built_sink *sink = &set->sinks[i];
        const char *target = sink->instance->target;
        buf_put_comma(out);
        buf_putc(out, '{');
        buf_put_text_member(out, "sink", sink->config->name);
        buf_put_text_member(out, "plugin", sink->plugin->desc.name);
        buf_put_text_member(out, "target", target ? target : "");
        buf_put_text_member(out, "repeats", repeats_of(sink));
        buf_put_flag_member(out, "required", sink->config->required);
        buf_put_text_member(out, "given_up", given_up(sink->config));
        buf_putc(out, '}');
    }
    buf_puts(out, "],\"loops\":[");
    for (size_t i = 0; i < set->count; i++)
        if (loops(plan, &set->sinks[i])) {
            buf_put_comma(out);
            buf_put_json_string(out, str_of(set->sinks[i].config->name));
        }
    buf_puts(out, "],\"calls\":[");
    for (size_t i = 0; i < plan->call_count; i++)
        buf_printf(out,
                   "%s{\"service\":\"%s\",\"operation\":\"%s\",\"per_day\":%.0f,"
                   "\"usd_per_day\":%.4f}",
                   i ? "," : "", plan->calls[i].service, plan->calls[i].operation,
                   plan->calls[i].per_day, plan->calls[i].usd);
    buf_printf(out, "],\"records_per_day\":%" PRId64 ",\"usd_per_day\":%.4f,\"prices\":\"%s\"}\n",
               plan->opened.cli->per_day, plan->usd, prices_of);
}

static void put_text(const struct plan *plan, struct buf *out)
{
    const struct sink_set *set = plan->opened.set;
    buf_puts(out, "sinks:\n");
    for (size_t i = 0; i < set->count; i++) {
        const struct built_sink *sink = &set->sinks[i];
        buf_printf(out, "  %s: %s; given up: %s%s\n", sink->config->name, sink_guarantee(sink),
                   given_up(sink->config),
                   loops(plan, sink) ? "; writes to the table it reads (allow_loop)" : "");
    }
    buf_printf(out,
               "calls a day, at most, for %" PRId64 " records and %" PRId64
               " shards (list prices of %s):\n",
               plan->opened.cli->per_day, plan->opened.cli->shards, prices_of);
    for (size_t i = 0; i < plan->call_count; i++)
        buf_printf(out, "  %-16s  %-12s  %12.0f  %10.4f USD\n", plan->calls[i].service,
                   plan->calls[i].operation, plan->calls[i].per_day, plan->calls[i].usd);
    buf_printf(out, "  %-16s  %-12s  %12s  %10.4f USD\npolicy:\n", "together", "", "", plan->usd);
    put_policy(plan, out);
    buf_putc(out, '\n');
}

int verb_plan(struct cli *cli)
{
    struct plan plan = {.call_count = 0};
    int code = opened_begin(&plan.opened, cli, true);
    if (code == 0) {
        count_calls(&plan);
        if (cli->json)
            put_json(&plan, &plan.opened.out);
        else
            put_text(&plan, &plan.opened.out);
    }
    return opened_end(&plan.opened, code);
}
