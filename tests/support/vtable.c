#include "vtable.h"

#include "json/json.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct vcall {
    struct vcall *next;
    struct vtable *table;
    struct vhost *host;
    struct http_call *call;
    struct timer timer;
    enum vnet net;
    bool carried_out, aborted;
    int status;
    struct buf answer, body;
    char target[64];
};

enum { LATE_MS = 60000 };

/* The server's own memory never fails, though it is taken from where a test lets it fail. */
static void make_room(struct buf *buf)
{
    buf_init(buf, 8 << 20);
    while (buf_reserve(buf, 64 << 10) < 0)
        buf_reset(buf);
}

/* ---- items ---- */

static struct vitem *find(const struct vtable *table, weir_str pk, weir_str sk)
{
    for (size_t i = 0; i < table->count; i++)
        if (str_is(pk, table->items[i].pk) && str_is(sk, table->items[i].sk))
            return &table->items[i];
    return NULL;
}

static char *copy_of(weir_str text)
{
    char *copy = malloc(text.len + 1);
    CHECK_FATAL(copy != NULL);
    memcpy(copy, text.ptr ? text.ptr : "", text.len);
    copy[text.len] = '\0';
    return copy;
}

static void free_item(struct vitem *item)
{
    free(item->pk);
    free(item->sk);
    free(item->json);
}

static void erase(struct vtable *table, struct vitem *item)
{
    if (!item)
        return;
    free_item(item);
    memmove(item, item + 1, (table->count - (size_t)(item - table->items) - 1) * sizeof *item);
    table->count--;
}

static int by_key(const void *a, const void *b)
{
    const struct vitem *x = a, *y = b;
    int order = strcmp(x->pk, y->pk);
    return order ? order : strcmp(x->sk, y->sk);
}

static void store(struct vtable *table, weir_str pk, weir_str sk, weir_str json)
{
    erase(table, find(table, pk, sk));
    if (table->count == table->room) {
        table->room = table->room * 2 + 16;
        table->items = realloc(table->items, table->room * sizeof *table->items);
        CHECK_FATAL(table->items != NULL);
    }
    table->items[table->count++] = (struct vitem){copy_of(pk), copy_of(sk), copy_of(json)};
    qsort(table->items, table->count, sizeof *table->items, by_key);
}

const char *vtable_item(const struct vtable *table, const char *pk, const char *sk)
{
    const struct vitem *item = find(table, str_of(pk), str_of(sk));
    return item ? item->json : NULL;
}

void vtable_put(struct vtable *table, const char *pk, const char *sk, const char *json)
{
    store(table, str_of(pk), str_of(sk), str_of(json));
}

/* ---- expressions ---- */

struct scope {
    const struct json_value *request, *item; /* item: NULL = there is none */
};

static const struct json_value *value_of(const struct scope *scope, weir_str token)
{
    const struct json_value *values = json_member0(scope->request, "ExpressionAttributeValues");
    const struct json_value *names = json_member0(scope->request, "ExpressionAttributeNames");
    if (token.ptr[0] == ':') {
        const struct json_value *value = json_member(values, token);
        CHECK_FATAL(value != NULL);
        return value;
    }
    if (token.ptr[0] == '#') {
        const struct json_value *name = json_member(names, token);
        CHECK_FATAL(name != NULL);
        token = name->text;
    }
    return json_member(scope->item, token);
}

static bool compare(const struct scope *scope, weir_str left, weir_str op, weir_str right)
{
    const struct json_value *a = value_of(scope, left), *b = value_of(scope, right);
    if (!a || !b)
        return false;
    if (str_is(op, "<>"))
        return !compare(scope, left, STR("="), right);
    if (str_is(op, "="))
        return str_eq(json_text(a, "S"), json_text(b, "S")) &&
               str_eq(json_text(a, "N"), json_text(b, "N"));
    CHECK_FATAL(str_is(op, "<="));
    return strtoll(json_text(a, "N").ptr, NULL, 10) <= strtoll(json_text(b, "N").ptr, NULL, 10);
}

static weir_str token_of(weir_str *left, const char *ends)
{
    while (left->len && left->ptr[0] == ' ')
        *left = (weir_str){left->ptr + 1, left->len - 1};
    weir_str token = {left->ptr, 0};
    while (token.len < left->len && !strchr(ends, token.ptr[token.len]))
        token.len++;
    *left = (weir_str){left->ptr + token.len, left->len - token.len};
    return token;
}

static bool holds(const struct scope *scope)
{
    weir_str left = json_text(scope->request, "ConditionExpression");
    bool all = true, any = false;
    while (left.len) {
        weir_str word = token_of(&left, " (");
        if (str_is(word, "attribute_not_exists") || str_is(word, "attribute_exists")) {
            token_of(&left, "(");
            left = (weir_str){left.ptr + 1, left.len - 1};
            bool there = value_of(scope, token_of(&left, ")")) != NULL;
            left = (weir_str){left.ptr + 1, left.len - 1};
            all = all && there == str_is(word, "attribute_exists");
        } else {
            weir_str op = token_of(&left, " "), right = token_of(&left, " ");
            all = all && compare(scope, word, op, right);
        }
        weir_str joint = left.len ? token_of(&left, " ") : STR("AND");
        CHECK_FATAL(str_is(joint, "AND") || str_is(joint, "OR"));
        if (str_is(joint, "OR")) { /* binds less */
            any = any || all;
            all = true;
        }
    }
    return any || all;
}

/* The item with what SET names. */
static void update(struct vtable *table, const struct scope *scope, weir_str pk, weir_str sk)
{
    struct buf out;
    weir_str set = json_text(scope->request, "UpdateExpression");
    const struct json_value *names = json_member0(scope->request, "ExpressionAttributeNames");
    const struct json_value *key = json_member0(scope->request, "Key");
    const struct json_value *base = scope->item ? scope->item : key;
    CHECK_FATAL(str_is(token_of(&set, " "), "SET"));
    make_room(&out);
    buf_putc(&out, '{');
    weir_str left = set;
    while (left.len) {
        const struct json_value *name = json_member(names, token_of(&left, " "));
        CHECK_FATAL(name != NULL && str_is(token_of(&left, " "), "="));
        const struct json_value *value = value_of(scope, token_of(&left, ","));
        buf_printf(&out, "\"%.*s\":%.*s,", STR_ARG(name->text), STR_ARG(value->raw));
        if (left.len)
            left = (weir_str){left.ptr + 1, left.len - 1};
    }
    for (const struct json_value *old = base->first; old; old = old->next) {
        char member[80];
        snprintf(member, sizeof member, "\"%.*s\":", STR_ARG(old->name));
        if (!strstr(buf_cstr(&out), member))
            buf_printf(&out, "%s%.*s,", member, STR_ARG(old->raw));
    }
    out.len--;
    buf_putc(&out, '}');
    store(table, pk, sk, buf_str(&out));
    buf_done(&out);
}

/* ---- operations ---- */

static const struct json_value *parse(struct arena *arena, weir_str text)
{
    struct json_error error;
    const struct json_value *root = json_parse(arena, text, 0, 0, &error);
    if (!root) /* a test fails an allocation: not one of the server's */
        root = json_parse(arena, text, 0, 0, &error);
    CHECK_FATAL(root != NULL);
    return root;
}

static void key_of(const struct json_value *key, weir_str *pk, weir_str *sk)
{
    *pk = json_text(json_member0(key, "pk"), "S");
    *sk = json_text(json_member0(key, "sk"), "S");
    CHECK_FATAL(pk->len > 0 && sk->len > 0);
}

static struct scope scope_of(const struct vtable *table, struct arena *arena,
                             const struct json_value *request, const struct json_value *key)
{
    weir_str pk, sk;
    key_of(key, &pk, &sk);
    const struct vitem *item = find(table, pk, sk);
    return (struct scope){request, item ? parse(arena, str_of(item->json)) : NULL};
}

static void answer_error(struct vcall *call, int status, const char *type, const char *more)
{
    call->status = status;
    buf_printf(&call->answer,
               "{\"__type\":\"com.amazonaws.dynamodb.v20120810#%s\",\"message\":"
               "\"scripted\"%s}",
               type, more);
}

static void get_item(struct vcall *call, struct arena *arena, const struct json_value *request)
{
    const struct json_value *strong = json_member0(request, "ConsistentRead");
    struct scope scope = scope_of(call->table, arena, request, json_member0(request, "Key"));
    CHECK(strong && strong->kind == JSON_TRUE);
    if (scope.item)
        buf_printf(&call->answer, "{\"Item\":%.*s}", STR_ARG(scope.item->raw));
    else
        buf_puts(&call->answer, "{}");
}

static void update_item(struct vcall *call, struct arena *arena, const struct json_value *request)
{
    weir_str pk, sk;
    const struct json_value *key = json_member0(request, "Key");
    struct scope scope = scope_of(call->table, arena, request, key);
    key_of(key, &pk, &sk);
    if (!holds(&scope)) {
        answer_error(call, 400, "ConditionalCheckFailedException", "");
        return;
    }
    update(call->table, &scope, pk, sk);
    buf_puts(&call->answer, "{}");
}

static void query(struct vcall *call, const struct json_value *request)
{
    const struct vtable *table = call->table;
    weir_str pk =
        json_text(json_member0(json_member0(request, "ExpressionAttributeValues"), ":p"), "S");
    const struct json_value *after = json_member0(request, "ExclusiveStartKey");
    weir_str after_sk = json_text(json_member0(after, "sk"), "S");
    size_t found = 0, last = 0;
    bool more = false;
    CHECK(str_is(json_text(request, "KeyConditionExpression"), "pk = :p"));
    buf_puts(&call->answer, "{\"Items\":[");
    for (size_t i = 0; i < table->count; i++) {
        const struct vitem *item = &table->items[i];
        bool behind =
            !after_sk.len || strncmp(item->sk, after_sk.ptr, after_sk.len) > 0 ||
            (strncmp(item->sk, after_sk.ptr, after_sk.len) == 0 && strlen(item->sk) > after_sk.len);
        if (!str_is(pk, item->pk) || !behind)
            continue;
        more = table->page_items && found == table->page_items;
        if (more)
            break;
        buf_printf(&call->answer, "%s%s", found++ ? "," : "", item->json);
        last = i;
    }
    buf_puts(&call->answer, "]");
    if (more)
        buf_printf(&call->answer,
                   ",\"LastEvaluatedKey\":{\"pk\":{\"S\":\"%s\"},\"sk\":{\"S\":"
                   "\"%s\"}}",
                   table->items[last].pk, table->items[last].sk);
    buf_putc(&call->answer, '}');
}

static const struct json_value *key_in(const struct json_value *action)
{
    const struct json_value *item = json_member0(action, "Item");
    return item ? item : json_member0(action, "Key");
}

static void transact(struct vcall *call, struct arena *arena, const struct json_value *request)
{
    const struct json_value *actions = json_member0(request, "TransactItems");
    struct buf reasons;
    bool all = true;
    weir_str pk, sk;
    CHECK(actions->size >= 1 && actions->size <= 100);
    make_room(&reasons);
    for (const struct json_value *one = actions->first; one; one = one->next) {
        const struct json_value *action = one->first;
        struct scope scope = scope_of(call->table, arena, action, key_in(action));
        CHECK(str_is(json_text(action, "TableName"), call->table->name));
        bool good = holds(&scope);
        all = all && good;
        buf_printf(&reasons, "%s{\"Code\":\"%s\"}", one == actions->first ? "" : ",",
                   good ? "None" : "ConditionalCheckFailed");
    }
    for (const struct json_value *one = actions->first; all && one; one = one->next) {
        const struct json_value *action = one->first;
        struct scope scope = scope_of(call->table, arena, action, key_in(action));
        key_of(key_in(action), &pk, &sk);
        if (str_is(action->name, "Put"))
            store(call->table, pk, sk, json_member0(action, "Item")->raw);
        else if (str_is(action->name, "Delete"))
            erase(call->table, find(call->table, pk, sk));
        else
            update(call->table, &scope, pk, sk);
    }
    if (all) {
        buf_puts(&call->answer, "{}");
    } else {
        struct buf more;
        make_room(&more);
        buf_printf(&more, ",\"CancellationReasons\":[%s]", buf_cstr(&reasons));
        answer_error(call, 400, "TransactionCanceledException", buf_cstr(&more));
        buf_done(&more);
    }
    buf_done(&reasons);
}

static const char *target_of(const struct http_call *call)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (str_is(call->headers[i].name, "x-amz-target") ||
            str_is(call->headers[i].name, "X-Amz-Target"))
            return call->headers[i].value.ptr;
    return "";
}

static bool calls_for(const struct vcall *call, const char *operation)
{
    const char *dot = strchr(call->target, '.');
    return dot && strcmp(dot + 1, operation) == 0;
}

static void carry_out(struct vcall *call)
{
    struct arena arena;
    arena_init(&arena, 16 << 10);
    const struct json_value *request = parse(&arena, buf_str(&call->body));
    weir_str name = json_text(request, "TableName");
    call->carried_out = true;
    call->status = 200;
    call->table->carried_out++;
    if (name.len && !str_is(name, call->table->name))
        answer_error(call, 400, "ResourceNotFoundException", "");
    else if (calls_for(call, "GetItem"))
        get_item(call, &arena, request);
    else if (calls_for(call, "UpdateItem"))
        update_item(call, &arena, request);
    else if (calls_for(call, "TransactWriteItems"))
        transact(call, &arena, request);
    else if (calls_for(call, "Query"))
        query(call, request);
    else
        CHECK_FATAL(false);
    arena_done(&arena);
}

/* ---- the transport ---- */

static void arm(struct vcall *call, int64_t delay_ms)
{
    const struct clock *clock = &call->table->world->world.clock;
    CHECK_FATAL(clock->arm(clock->ctx, &call->timer, delay_ms) == 0);
}

static void forget_call(struct vcall *call)
{
    struct vcall **link = &call->table->calls;
    while (*link != call)
        link = &(*link)->next;
    *link = call->next;
    buf_done(&call->answer);
    buf_done(&call->body);
    free(call);
}

static const enum http_result results[] = {
    [VNET_FINE] = HTTP_DONE,          [VNET_CUT] = HTTP_UNREACHABLE,
    [VNET_BLACK_HOLE] = HTTP_TIMEOUT, [VNET_NO_ANSWER] = HTTP_AMBIGUOUS,
    [VNET_LATE] = HTTP_TIMEOUT,       [VNET_THROTTLED] = HTTP_DONE,
    [VNET_DENIED] = HTTP_DONE};

static void answer(struct vcall *call)
{
    static const char padding[64];
    struct http_call *http = call->call;
    http->result = call->aborted ? HTTP_ABORTED : results[call->net];
    if (http->result == HTTP_DONE && !call->answer.failed &&
        buf_put(&http->answer, call->answer.ptr, call->answer.len) == 0 &&
        buf_put(&http->answer, padding, sizeof padding) == 0) {
        http->status = call->status;
        http->answer.len -= sizeof padding;
    } else {
        http->result = http->result == HTTP_DONE ? HTTP_AMBIGUOUS : http->result; /* no memory */
        snprintf(http->reason, sizeof http->reason, "scripted failure");
    }
    call->call = NULL;
    if (call->net == VNET_LATE && !call->carried_out && !call->aborted)
        arm(call, LATE_MS);
    else
        forget_call(call);
    http->done(http);
}

static void on_timer(struct timer *timer)
{
    struct vcall *call = (struct vcall *)((char *)timer - offsetof(struct vcall, timer));
    int64_t now_ms = call->table->world->now_ms;
    if (!call->call) {
        carry_out(call);
        forget_call(call);
    } else if (!call->carried_out && !call->aborted &&
               (call->net == VNET_FINE || call->net == VNET_NO_ANSWER)) {
        carry_out(call);
        arm(call, call->table->delay_ms / 2);
    } else if (call->host->stopped_until_ms > now_ms) {
        arm(call, call->host->stopped_until_ms - now_ms);
    } else {
        answer(call);
    }
}

static int start(void *ctx, struct http_call *http)
{
    struct vhost *host = ctx;
    struct vtable *table = host->table;
    struct vcall *call = malloc(sizeof *call);
    CHECK_FATAL(call != NULL);
    *call = (struct vcall){.next = table->calls,
                           .table = table,
                           .host = host,
                           .call = http,
                           .timer.fire = on_timer,
                           .net = host->net};
    make_room(&call->answer);
    make_room(&call->body);
    buf_put_str(&call->body, http->body);
    snprintf(call->target, sizeof call->target, "%s", target_of(http));
    host->calls++;
    if (host->only && --host->only == 0)
        host->net = VNET_FINE;
    if (call->net == VNET_THROTTLED)
        answer_error(call, 400, "ThrottlingException", "");
    if (call->net == VNET_DENIED)
        answer_error(call, 400, "AccessDeniedException", "");
    table->calls = call;
    buf_reset(&http->answer);
    buf_reset(&http->answer_headers);
    http->answer.max_bytes = (http->max_answer_bytes ? http->max_answer_bytes : 1 << 20) + 64;
    http->reason[0] = '\0';
    bool silent = call->net == VNET_BLACK_HOLE || call->net == VNET_LATE;
    arm(call, silent ? http->timeout_ms : table->delay_ms / 2);
    return 0;
}

static void abort_call(void *ctx, struct http_call *http)
{
    struct vhost *host = ctx;
    for (struct vcall *call = host->table->calls; call; call = call->next)
        if (call->call == http && !call->aborted) {
            call->aborted = true;
            arm(call, 0);
        }
}

static void forget(void *ctx)
{
    (void)ctx;
}

void vhost_transport(struct vhost *host, struct transport *out)
{
    *out = (struct transport){host, start, abort_call, forget};
}

void vtable_init(struct vtable *table, struct vworld *world, const char *name)
{
    *table = (struct vtable){.world = world, .name = name, .delay_ms = 10};
}

void vtable_done(struct vtable *table)
{
    CHECK(table->calls == NULL);
    for (size_t i = 0; i < table->count; i++)
        free_item(&table->items[i]);
    free(table->items);
}
