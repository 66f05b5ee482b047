/* The transport that weir.http/1 stands on: the calls that weir.aws/1 shares, answered by the same
 * script. */
#include "kit/kit.h"

#include <stdio.h>

static weir_test *test_of(void *ctx)
{
    return ctx;
}

static int http_start(void *ctx, struct http_call *http)
{
    weir_test *test = test_of(ctx);
    if (test->refuse_call) {
        int error = test->refuse_call;
        test->refuse_call = 0;
        return error;
    }
    struct kit_call *call = kit_call_new(test, http->body);
    struct buf headers;
    buf_init(&headers, KIT_TEXT_BYTES_MAX);
    for (size_t i = 0; i < http->header_count; i++) {
        buf_put_str(&headers, http->headers[i].name);
        buf_puts(&headers, ": ");
        buf_put_str(&headers, http->headers[i].value);
        buf_putc(&headers, '\n');
    }
    call->http = http;
    call->shown.service = "http";
    call->shown.target = kit_text(test, str_of(http->method));
    call->shown.endpoint = kit_text(test, str_of(http->url));
    call->shown.headers = kit_text(test, buf_str(&headers));
    buf_done(&headers);
    return 0;
}

static void http_abort(void *ctx, struct http_call *http)
{
    for (struct kit_call *call = test_of(ctx)->calls; call; call = call->next)
        if (call->http == http && call->shown.state == WEIR_TEST_CALL_OPEN)
            call->aborted = true;
}

static void http_forget(void *ctx)
{
    (void)ctx; /* it keeps no connections */
}

void kit_http_init(weir_test *test)
{
    test->world.world.transport = (struct transport){
        .ctx = test, .start = http_start, .abort = http_abort, .forget_connections = http_forget};
}

void kit_http_report(struct kit_call *call, const struct kit_answer *answer)
{
    struct http_call *http = call->http;
    http->status = 0;
    if (!answer) {
        http->result = HTTP_ABORTED;
    } else if (answer->status == WEIR_TEST_NO_CONNECTION) {
        http->result = HTTP_UNREACHABLE;
    } else if (answer->status == WEIR_TEST_LOST) {
        http->result = HTTP_AMBIGUOUS;
    } else {
        http->result = HTTP_DONE;
        http->status = answer->status;
        buf_puts(&http->answer, answer->body);
        if (*answer->headers)
            buf_printf(&http->answer_headers, "%s\r\n", answer->headers);
        buf_printf(&http->answer_headers, "Content-Length: %zu\r\n", strlen(answer->body));
    }
    if (http->result != HTTP_DONE)
        snprintf(http->reason, sizeof http->reason, "as the test has it");
    http->done(http);
}
