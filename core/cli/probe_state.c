/* Whether positions and dead letters can be kept where the configuration says: `weir doctor`. */
#include "cli/probe.h"
#include "util/text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char allow_it[] = "Allow it to the role or user; `weir plan` prints the whole policy.";

/* ---- a file ---- */

/* The file, else the nearest folder above it: what is missing between is made. */
static void check_file(struct probe *probe, const char *path)
{
    char at[4096];
    size_t len = strlen(path);
    if (len >= sizeof at)
        return;
    memcpy(at, path, len + 1);
    while (access(at, F_OK) < 0 && errno == ENOENT && strrchr(at, '/') > at)
        *strrchr(at, '/') = '\0';
    if (access(at, W_OK) == 0)
        probe_say(probe, FINDING_OK, "state", NULL, "%s can be written", path);
    else
        probe_say(probe, FINDING_FAIL, "state",
                  "Give its folder to weir's user, or set state.path elsewhere.", "%s: %s: %s",
                  path, at, strerror(errno));
}

/* ---- a table ---- */

/* A write whose condition no item can meet: it is refused for the condition by whoever may write,
 * and changes nothing. */
static void try_write(struct probe *probe, const char *table)
{
    static const struct question question = {
        .service = "dynamodb", .target = "DynamoDB_20120810.PutItem", .json = "1.0"};
    buf_reset(&probe->body);
    buf_puts(&probe->body, "{\"TableName\":");
    buf_put_json_string(&probe->body, str_of(table));
    buf_puts(&probe->body,
             ",\"Item\":{\"pk\":{\"S\":\"weir doctor\"},\"sk\":{\"S\":\"never written\"}},"
             "\"ConditionExpression\":\"attribute_exists(pk) AND attribute_not_exists(pk)\"}");
    probe_ask(probe, &question);
    if (probe->hopeless)
        return;
    if (probe->outcome == AWS_CONDITION)
        probe_say(probe, FINDING_OK, "state", NULL, "table %s is there and can be written", table);
    else if (probe->outcome == AWS_MISSING)
        probe_say(probe, FINDING_FAIL, "state", "docs/state.md says how to make it.",
                  "there is no table %s", table);
    else if (probe->outcome == AWS_INVALID)
        probe_say(probe, FINDING_FAIL, "state", "docs/state.md says which keys it has.",
                  "table %s is no state table: %s", table, probe->message);
    else
        probe_say(probe, FINDING_FAIL, "state",
                  probe->outcome == AWS_DENIED ? allow_it
                                               : "Look at the message; it is the service's own.",
                  "table %s: dynamodb:PutItem: %s", table, probe->message);
}

void probe_state(struct probe *probe)
{
    const struct config *config = probe->config;
    weir_str kind = str_of(config->state.kind);
    bool polls = config->source == SOURCE_POLL;
    if (probe_for_lambda(probe) || config->source == SOURCE_KCL)
        return;
    if (polls && str_is(kind, "dynamodb") && config->state.table && !probe->hopeless)
        try_write(probe, config->state.table);
    if (polls && str_is(kind, "memory"))
        probe_say(probe, FINDING_WARN, "state", "Set state.kind to \"sqlite\" or \"dynamodb\".",
                  "positions are in memory: each start begins at starting_position");
    if (config->state.path && !str_is(kind, "memory"))
        check_file(probe, config->state.path); /* of kind dynamodb, too: the dead letters */
}
