/* The sink of a script: answers what its options say, and writes down what it was given.
 *
 *   script    JSON {"EVENT_ID": ["retry", "ok"], "*": ["ok"]}: the outcomes of a record, delivery
 * by delivery; after the last one it is ok. "*" serves the ids that are not named. Outcomes: ok,
 *             skip, retry, fail, down, never (is not completed), garbage (no outcome at all).
 *   async_ms  -1 (default) completes inside deliver(); n >= 0: by a timer, n ms later.
 *   log       a file to append "EVENT_ID SEQUENCE ATTEMPT OUTCOME" to, a line for each record
 * delivered, in order; "fd:N" is a descriptor. Nothing is opened before the first delivery. cancel
 * "complete" (default): cancel() completes what is left as retry; "ignore": it does nothing. keys
 * false (default); true: the lines carry the item's canonical key as a fifth word. */
#include "sink.h"
#include <weir/ext/json.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

enum { NEVER = -1, TRIES_ROOM = 64 };

struct tries { /* how often a record came */
    char *id;
    size_t id_bytes;
    uint64_t count;
};

struct scripted {
    struct sink base;
    const weir_timer *timer;
    const weir_json *json;
    weir_json_doc *script;
    int64_t async_ms;
    int64_t ignore_cancel, keys;
    int log_fd;
    struct tries *tries; /* open addressing; room is a power of two */
    size_t tries_count, tries_room;
    struct answer *open;
    weir_buf lines;
};

struct answer { /* the outcomes of one delivery, until they are given */
    struct scripted *sink;
    struct answer *next;
    uint64_t token, timer_id;
    size_t count;
    int32_t outcomes[];
};

/* ---- how often ---- */

static struct tries *slot_of(struct tries *tries, size_t room, weir_str id)
{
    size_t hash = 14695981039346656037u;
    for (size_t i = 0; i < id.len; i++)
        hash = (hash ^ (unsigned char)id.ptr[i]) * 1099511628211u;
    for (size_t at = hash & (room - 1);; at = (at + 1) & (room - 1))
        if (!tries[at].id || weir_equal(weir_view(tries[at].id, tries[at].id_bytes), id))
            return &tries[at];
}

static int grow_tries(struct scripted *sink)
{
    size_t room = sink->tries_room ? sink->tries_room * 2 : TRIES_ROOM;
    struct tries *grown = calloc(room, sizeof *grown);
    if (!grown)
        return 0;
    for (size_t i = 0; i < sink->tries_room; i++)
        if (sink->tries[i].id)
            *slot_of(grown, room, weir_view(sink->tries[i].id, sink->tries[i].id_bytes)) =
                sink->tries[i];
    free(sink->tries);
    sink->tries = grown;
    sink->tries_room = room;
    return 1;
}

static uint64_t count_try(struct scripted *sink, weir_str id)
{
    if (2 * sink->tries_count >= sink->tries_room && !grow_tries(sink))
        return 1;
    struct tries *slot = slot_of(sink->tries, sink->tries_room, id);
    if (!slot->id) {
        slot->id = malloc(id.len + 1);
        if (!slot->id)
            return 1;
        if (id.len > 0) /* a record need not have one */
            memcpy(slot->id, id.ptr, id.len);
        slot->id[id.len] = '\0';
        slot->id_bytes = id.len;
        sink->tries_count++;
    }
    return ++slot->count;
}

/* ---- the script ---- */

static const char *const words[] = {"garbage", "ok", "skip", "retry", "fail", "down"};

static int32_t outcome_of(weir_str word)
{
    for (int32_t i = 0; i <= WEIR_DOWN; i++)
        if (weir_equal(word, weir_cstr(words[i])))
            return i == 0 ? 77 : i;
    return weir_equal(word, WEIR_STR("never")) ? NEVER : 0;
}

static weir_str next_word(struct scripted *sink, weir_str id, uint64_t attempt)
{
    const weir_json *json = sink->json;
    const weir_json_node *root = json->root(sink->script), *list = NULL;
    weir_str name;
    for (size_t i = 0; i < json->size(root); i++) {
        const weir_json_node *entry = json->entry(root, i, &name);
        if (weir_equal(name, id))
            list = entry;
        else if (!list && weir_equal(name, WEIR_STR("*")))
            list = entry;
    }
    const weir_json_node *word = json->entry(list, (size_t)attempt - 1, NULL);
    return word ? json->text(word) : WEIR_STR("ok");
}

static int script_valid(const weir_json *json, const weir_json_node *root)
{
    if (json->kind(root) != WEIR_J_OBJECT)
        return 0;
    for (size_t i = 0; i < json->size(root); i++) {
        const weir_json_node *list = json->entry(root, i, NULL);
        if (json->kind(list) != WEIR_J_ARRAY)
            return 0;
        for (size_t k = 0; k < json->size(list); k++)
            if (outcome_of(json->text(json->entry(list, k, NULL))) == 0)
                return 0;
    }
    return 1;
}

/* ---- deliveries ---- */

static void write_lines(struct scripted *sink)
{
    weir_str path;
    if (sink->log_fd < 0 && sink->base.host->option_str(sink->base.instance, "log", &path))
        sink->log_fd = strncmp(path.ptr, "fd:", 3) == 0
                           ? (int)strtol(path.ptr + 3, NULL, 10)
                           : open(path.ptr, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (sink->log_fd >= 0 && write(sink->log_fd, sink->lines.ptr, sink->lines.len) < 0)
        weir_logf(sink->base.host, sink->base.instance, WEIR_LOG_ERROR, "the log can't be written");
    weir_buf_clear(&sink->lines);
}

static int32_t take(struct scripted *sink, const weir_record *record)
{
    char number[32];
    const weir_host *host = sink->base.host;
    weir_str id = host->field(record, WEIR_F_EVENT_ID);
    uint64_t attempt = count_try(sink, id);
    weir_str word = next_word(sink, id, attempt);
    snprintf(number, sizeof number, " %" PRIu64 " ", attempt);
    weir_buf_put(&sink->lines, id);
    weir_buf_puts(&sink->lines, " ");
    weir_buf_put(&sink->lines, host->field(record, WEIR_F_SEQUENCE));
    weir_buf_puts(&sink->lines, number);
    weir_buf_put(&sink->lines, word);
    if (sink->keys) {
        weir_buf_puts(&sink->lines, " ");
        weir_buf_json_string(&sink->lines, host->field(record, WEIR_F_ITEM_KEY));
    }
    weir_buf_puts(&sink->lines, "\n");
    return outcome_of(word);
}

static void give(struct answer *answer)
{
    struct scripted *sink = answer->sink;
    for (size_t i = 0; i < answer->count; i++)
        if (answer->outcomes[i] != NEVER)
            sink->base.host->complete(sink->base.instance, answer->token, i, answer->outcomes[i],
                                      WEIR_STR("scripted"));
}

static void answer_free(struct answer *answer)
{
    struct answer **link = &answer->sink->open;
    while (*link != answer)
        link = &(*link)->next;
    *link = answer->next;
    free(answer);
}

static void on_timer(void *arg)
{
    struct answer *answer = arg;
    answer->timer_id = 0;
    give(answer);
    answer_free(answer);
}

static void scripted_deliver(void *self, weir_delivery *delivery)
{
    struct scripted *sink = self;
    const weir_host *host = sink->base.host;
    size_t count = host->count(delivery);
    struct answer *answer = calloc(1, sizeof *answer + count * sizeof answer->outcomes[0]);
    if (!answer) {
        host->complete_rest(sink->base.instance, host->token(delivery), WEIR_RETRY, WEIR_NONE);
        return;
    }
    answer->sink = sink;
    answer->token = host->token(delivery);
    answer->count = count;
    answer->next = sink->open;
    sink->open = answer;
    for (size_t i = 0; i < count; i++)
        answer->outcomes[i] = take(sink, host->at(delivery, i));
    write_lines(sink);
    if (sink->async_ms >= 0)
        answer->timer_id =
            sink->timer->start(sink->base.instance, sink->async_ms, on_timer, answer);
    if (answer->timer_id == 0)
        on_timer(answer);
}

static void scripted_cancel(void *self, uint64_t token)
{
    struct scripted *sink = self;
    if (sink->ignore_cancel)
        return;
    for (struct answer *answer = sink->open; answer; answer = answer->next) {
        if (answer->token != token)
            continue;
        sink->timer->stop(sink->base.instance, answer->timer_id);
        answer_free(answer);
        break;
    }
    sink->base.host->complete_rest(sink->base.instance, token, WEIR_RETRY, WEIR_STR("cancelled"));
}

/* ---- open, close ---- */

static void scripted_close(void *self)
{
    struct scripted *sink = self;
    while (sink->open)
        answer_free(sink->open);
    for (size_t i = 0; i < sink->tries_room; i++)
        free(sink->tries[i].id);
    free(sink->tries);
    sink->json->free(sink->script);
    weir_buf_free(&sink->lines);
    if (sink->log_fd > 2)
        close(sink->log_fd);
    free(sink);
}

static int32_t scripted_open(const weir_host *host, weir_instance *instance, void **self)
{
    weir_str script = {"{}", 2};
    int32_t rc = sink_open(host, instance, sizeof(struct scripted), self);
    if (rc < 0)
        return rc;
    struct scripted *sink = *self;
    sink->log_fd = -1;
    sink->timer = host->extension(instance, WEIR_EXT_TIMER);
    sink->json = host->extension(instance, WEIR_EXT_JSON);
    if (!sink->timer || !sink->json) {
        free(sink);
        return -ENOTSUP;
    }
    sink->async_ms = sink_number(&sink->base, "async_ms");
    sink->ignore_cancel = sink_number(&sink->base, "cancel");
    sink->keys = sink_number(&sink->base, "keys");
    host->option_str(instance, "script", &script);
    sink->script = sink->json->parse(script);
    if (script_valid(sink->json, sink->json->root(sink->script)))
        return 0;
    host->option_error(instance, "script", WEIR_STR("wants {\"EVENT_ID\": [\"retry\", \"ok\"]}"));
    scripted_close(sink);
    return -EINVAL;
}

static const weir_option options[] = {
    {"script", "{}", WEIR_O_JSON, 0, NULL, "Outcomes by event id and delivery."},
    {"async_ms", "-1", WEIR_O_INT, 0, NULL, "-1: at once; n: after n ms."},
    {"log", NULL, WEIR_O_STRING, 0, NULL, "A file, or fd:N, to log deliveries to."},
    {"cancel", "\"complete\"", WEIR_O_ENUM, 0, "complete|ignore", "What cancel() does."},
    {"keys", "false", WEIR_O_BOOL, 0, NULL, "Log the item's key too."},
    {NULL, NULL, 0, 0, NULL, NULL}};
static const weir_plugin plugin = {.abi = WEIR_ABI_CURRENT,
                                   .abi_min = WEIR_ABI(1, 0),
                                   .struct_size = sizeof plugin,
                                   .name = "scripted",
                                   .version = "1.0.0",
                                   .summary = "Answers as scripted.",
                                   .options = options,
                                   .open = scripted_open,
                                   .close = scripted_close,
                                   .deliver = scripted_deliver,
                                   .cancel = scripted_cancel};
const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
