/* weir.aws/1 with scripted answers: calls and answers meet in the order in which they come. */
#include "kit/kit.h"

#include "aws/answer.h"
#include "util/alloc.h"

#include <errno.h>

static weir_test *test_of(weir_instance *instance)
{
    return instance->services.ctx;
}

struct kit_call *kit_call_new(weir_test *test, weir_str body)
{
    struct kit_call *call = mem_zalloc(1, sizeof *call);
    if (!call)
        kit_out_of_memory();
    call->body = mem_dup0(body.ptr, body.len);
    call->shown = (weir_test_call){.service = "",
                                   .target = "",
                                   .json = "",
                                   .endpoint = "",
                                   .region = "",
                                   .headers = "",
                                   .body = call->body,
                                   .body_bytes = body.len};
    call->live_body = body;
    call->id = ++test->last_call_id;
    test->call_count++;
    if (test->last_call)
        test->last_call->next = call;
    else
        test->calls = call;
    test->last_call = call;
    return call;
}

static int32_t aws_call(weir_instance *instance, const weir_aws_request *request,
                        weir_aws_done done, void *arg, uint64_t *call_id)
{
    weir_test *test = test_of(instance);
    if (test->refuse_call) {
        int32_t error = test->refuse_call;
        test->refuse_call = 0;
        return error;
    }
    if (!request || !done || request->struct_size < sizeof *request || !request->service ||
        !request->target || !request->json)
        return -EINVAL;
    struct kit_call *call = kit_call_new(test, request->body);
    call->shown.service = kit_text(test, str_of(request->service));
    call->shown.target = kit_text(test, str_of(request->target));
    call->shown.json = kit_text(test, str_of(request->json));
    call->shown.endpoint = kit_text(test, request->endpoint);
    call->shown.region = kit_text(test, request->region);
    call->token = request->token;
    call->done = done;
    call->arg = arg;
    if (call_id)
        *call_id = call->id;
    return 0;
}

static void aws_abort(weir_instance *instance, uint64_t call_id)
{
    for (struct kit_call *call = test_of(instance)->calls; call; call = call->next)
        if (call->id == call_id)
            call->aborted = true;
}

const weir_aws kit_aws_table = {1, sizeof kit_aws_table, aws_call, aws_abort};

void kit_abort_calls(weir_test *test, uint64_t token)
{
    for (struct kit_call *call = test->calls; call; call = call->next)
        if (call->token == token && token != 0)
            call->aborted = true;
}

static int32_t record_outcome(int32_t status, weir_str type)
{
    switch (error_outcome(status, type)) {
    case AWS_INVALID:
    case AWS_CONDITION:
        return WEIR_FAIL;
    case AWS_THROTTLED:
    case AWS_UNAVAILABLE:
    case AWS_DENIED:
    case AWS_MISSING:
        return WEIR_DOWN;
    default:
        return WEIR_RETRY;
    }
}

/* "com.amazonaws.dynamodb.v20120810#ValidationException" and "X:http://..." say
 * ValidationException. */
static weir_str short_type(weir_str type)
{
    for (size_t i = 0; i < type.len; i++) {
        if (type.ptr[i] == ':')
            type.len = i;
        else if (type.ptr[i] == '#')
            return short_type((weir_str){type.ptr + i + 1, type.len - i - 1});
    }
    return type;
}

static void read_answer(struct arena *arena, const struct kit_answer *answer,
                        weir_aws_response *response)
{
    struct json_error error;
    weir_str body = str_of(answer->body);
    const struct json_value *root = json_parse(arena, body, 0, 0, &error);
    bool whole = root && root->kind == JSON_OBJECT;
    response->status = answer->status > 0 ? answer->status : 0;
    response->sent = answer->status != WEIR_TEST_NO_CONNECTION;
    if (answer->status > 0)
        response->body = body;
    if (answer->status == 200 && whole) {
        response->outcome = WEIR_OK;
    } else if (answer->status == 200 || answer->status == WEIR_TEST_LOST) {
        response->outcome = WEIR_RETRY; /* it may have been carried out */
        response->error_type = STR("AnswerLost");
    } else if (answer->status == WEIR_TEST_NO_CONNECTION) {
        response->outcome = WEIR_DOWN;
        response->error_type = STR("Unreachable");
    } else {
        weir_str message = whole ? json_text(root, "message") : STR_NONE;
        response->error_type = whole ? short_type(json_text(root, "__type")) : STR_NONE;
        response->error_message = message.len || !whole ? message : json_text(root, "Message");
        response->outcome = record_outcome(answer->status, response->error_type);
    }
}

static void report(struct kit_call *call, const struct kit_answer *answer)
{
    struct arena arena;
    weir_aws_response response = {.struct_size = sizeof response, .request_id = STR("test")};
    arena_init(&arena, 1024);
    if (answer) {
        read_answer(&arena, answer, &response);
    } else {
        response.outcome = WEIR_RETRY;
        response.sent = 1;
        response.error_type = STR("Aborted");
    }
    if (!str_eq(call->live_body, (weir_str){call->body, call->shown.body_bytes}))
        weir_test_failed(call->shown.target, 0, "the body of a call changed before its done()");
    call->shown.state = answer ? WEIR_TEST_CALL_ANSWERED : WEIR_TEST_CALL_ABORTED;
    if (call->http)
        kit_http_report(call, answer);
    else
        call->done(call->arg, &response);
    arena_done(&arena);
}

bool kit_answer_call(weir_test *test)
{
    struct kit_call *first = NULL;
    for (struct kit_call *call = test->calls; call; call = call->next) {
        if (call->shown.state != WEIR_TEST_CALL_OPEN)
            continue;
        if (call->aborted) {
            report(call, NULL);
            return true;
        }
        if (!first)
            first = call;
    }
    struct kit_answer *answer = first ? test->answers : NULL;
    if (!answer)
        return false;
    test->answers = answer->next;
    if (!test->answers)
        test->last_answer = NULL;
    report(first, answer);
    mem_free(answer->body);
    mem_free(answer);
    return true;
}

void weir_test_answer(weir_test *test, int32_t status, const char *body)
{
    struct kit_answer *answer = mem_zalloc(1, sizeof *answer);
    if (!answer)
        kit_out_of_memory();
    answer->status = status;
    answer->body = mem_dup0(body ? body : "", body ? strlen(body) : 0);
    if (test->last_answer)
        test->last_answer->next = answer;
    else
        test->answers = answer;
    test->last_answer = answer;
    weir_test_settle(test);
}

void weir_test_refuse_call(weir_test *test, int32_t error)
{
    test->refuse_call = error;
}

size_t weir_test_calls(const weir_test *test)
{
    return test->call_count;
}

const weir_test_call *weir_test_call_at(const weir_test *test, size_t i)
{
    const struct kit_call *call = test->calls;
    while (call && i-- > 0)
        call = call->next;
    return call ? &call->shown : NULL;
}

size_t kit_open_calls(const weir_test *test)
{
    size_t open = 0;
    for (const struct kit_call *call = test->calls; call; call = call->next)
        open += call->shown.state == WEIR_TEST_CALL_OPEN;
    return open;
}

void kit_calls_free(weir_test *test)
{
    while (test->calls) {
        struct kit_call *call = test->calls;
        test->calls = call->next;
        mem_free(call->body);
        mem_free(call);
    }
    test->last_call = NULL;
    test->call_count = 0;
    while (test->answers) {
        struct kit_answer *answer = test->answers;
        test->answers = answer->next;
        mem_free(answer->body);
        mem_free(answer);
    }
    test->last_answer = NULL;
}
