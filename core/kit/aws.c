/* weir.aws/1 with scripted answers: calls and answers meet in the order in which they come. */
#include "kit/kit.h"

#include "aws/answer.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

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
                                   .path = "",
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

/* What came with revision 2. */
static void show_more(weir_test *test, const weir_aws_request *request, weir_test_call *shown)
{
    struct buf headers;
    buf_init(&headers, KIT_TEXT_BYTES_MAX);
    for (uint32_t i = 0; i < request->header_count; i++) {
        buf_put_str(&headers, request->headers[i].name);
        buf_puts(&headers, ": ");
        buf_put_str(&headers, request->headers[i].value);
        buf_putc(&headers, '\n');
    }
    shown->protocol = request->protocol;
    shown->path = kit_text(test, str_of(request->path));
    shown->headers = kit_text(test, buf_str(&headers));
    buf_done(&headers);
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
    if (!request || !done || !WEIR_HAS(request, token) || !request->service)
        return -EINVAL;
    int32_t protocol = WEIR_HAS(request, headers) ? request->protocol : WEIR_AWS_JSON;
    if (protocol == WEIR_AWS_JSON ? !request->target || !request->json
                                  : protocol == WEIR_AWS_REST && !request->path)
        return -EINVAL;
    struct kit_call *call = kit_call_new(test, request->body);
    call->shown.service = kit_text(test, str_of(request->service));
    call->shown.target = kit_text(test, str_of(request->target));
    call->shown.json = kit_text(test, str_of(request->json));
    call->shown.endpoint = kit_text(test, request->endpoint);
    call->shown.region = kit_text(test, request->region);
    if (WEIR_HAS(request, headers))
        show_more(test, request, &call->shown);
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

const weir_aws kit_aws_table = {2, sizeof kit_aws_table, aws_call, aws_abort};

void kit_abort_calls(weir_test *test, uint64_t token)
{
    for (struct kit_call *call = test->calls; call; call = call->next)
        if (call->token == token && token != 0)
            call->aborted = true;
}

static void read_answer(struct answer_reader *reader, const struct kit_call *call,
                        const struct kit_answer *answer, struct http_call *http,
                        struct aws_call *aws)
{
    aws->protocol = (enum aws_protocol)call->shown.protocol;
    http->status = answer->status > 0 ? answer->status : 0;
    http->result = answer->status == WEIR_TEST_NO_CONNECTION ? HTTP_UNREACHABLE
                   : answer->status == WEIR_TEST_LOST        ? HTTP_AMBIGUOUS
                                                             : HTTP_DONE;
    snprintf(http->reason, sizeof http->reason, "as the test has it");
    buf_puts(&http->answer, answer->body);
    buf_puts(&http->answer_headers, answer->headers);
    answer_read(reader, http, aws);
}

static void report_aws(struct kit_call *call, const struct kit_answer *answer)
{
    struct answer_reader reader;
    struct http_call http = {0};
    struct aws_call aws = {.outcome = AWS_ABORTED, .sent = true, .error_type = STR("Aborted")};
    answer_reader_init(&reader);
    buf_init(&http.answer, SIZE_MAX);
    buf_init(&http.answer_headers, SIZE_MAX);
    if (answer)
        read_answer(&reader, call, answer, &http, &aws);
    const weir_aws_response response = {
        .struct_size = sizeof response,
        .outcome = aws_record_outcome(aws.outcome),
        .status = aws.status,
        .sent = aws.sent,
        .body = aws.answer,
        .error_type = aws.error_type,
        .error_message = aws.error_message,
        .request_id = STR("test"),
        .headers = aws.answer_headers,
    };
    call->done(call->arg, &response);
    buf_done(&http.answer);
    buf_done(&http.answer_headers);
    answer_reader_done(&reader);
}

static void report(struct kit_call *call, const struct kit_answer *answer)
{
    if (!str_eq(call->live_body, (weir_str){call->body, call->shown.body_bytes}))
        weir_test_failed(call->shown.target, 0, "the body of a call changed before its done()");
    call->shown.state = answer ? WEIR_TEST_CALL_ANSWERED : WEIR_TEST_CALL_ABORTED;
    if (call->http)
        kit_http_report(call, answer);
    else
        report_aws(call, answer);
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
    mem_free(answer->headers);
    mem_free(answer->body);
    mem_free(answer);
    return true;
}

void weir_test_answer(weir_test *test, int32_t status, const char *body)
{
    weir_test_answer_with(test, status, "", body);
}

void weir_test_answer_with(weir_test *test, int32_t status, const char *headers, const char *body)
{
    struct kit_answer *answer = mem_zalloc(1, sizeof *answer);
    if (!answer)
        kit_out_of_memory();
    answer->status = status;
    answer->body = mem_dup0(body ? body : "", body ? strlen(body) : 0);
    answer->headers = mem_dup0(headers, strlen(headers));
    if (!answer->body || !answer->headers)
        kit_out_of_memory();
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
        mem_free(answer->headers);
        mem_free(answer->body);
        mem_free(answer);
    }
    test->last_answer = NULL;
}
