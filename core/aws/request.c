#include "aws/request.h"

#include <errno.h>
#include <stdio.h>

enum { AUTHORIZATION_BYTES = 8 * 1024, URL_BYTES = 4096 };

void request_init(struct request *request)
{
    *request = (struct request){.url = NULL};
    buf_init(&request->authorization, AUTHORIZATION_BYTES);
    buf_init(&request->address, URL_BYTES);
}

void request_done(struct request *request)
{
    buf_done(&request->authorization);
    buf_done(&request->address);
}

static void put_content_type(struct request *request, const struct aws_call *call)
{
    char *out = request->content_type;
    size_t bytes = sizeof request->content_type;
    if (call->protocol == AWS_QUERY)
        snprintf(out, bytes, "application/x-www-form-urlencoded");
    else if (call->protocol == AWS_REST)
        snprintf(out, bytes, "application/json");
    else
        snprintf(out, bytes, "application/x-amz-json-%.8s", call->json ? call->json : "1.0");
}

/* The endpoint's URL and, for REST, the call's path behind it; where they begin that is signed. */
static int put_address(struct request *request, const struct aws_call *call,
                       const struct endpoint *endpoint, weir_str *path, weir_str *query)
{
    request->url = endpoint->url;
    *path = endpoint->path;
    *query = STR_NONE;
    if (call->protocol != AWS_REST)
        return 0;
    size_t before = (size_t)(endpoint->path.ptr - endpoint->url), base = endpoint->path.len;
    while (base > 0 && endpoint->path.ptr[base - 1] == '/')
        base--;
    buf_reset(&request->address);
    buf_put(&request->address, endpoint->url, before + base);
    buf_puts(&request->address, call->path);
    request->url = buf_cstr(&request->address);
    if (request->address.failed)
        return -EMSGSIZE;
    *path = (weir_str){request->url + before, request->address.len - before};
    const char *mark = memchr(path->ptr, '?', path->len);
    if (!mark)
        return 0;
    *query = (weir_str){mark + 1, (size_t)(path->ptr + path->len - mark - 1)};
    path->len = (size_t)(mark - path->ptr);
    return 0;
}

static void put_header(struct request *request, weir_str name, weir_str value)
{
    request->headers[request->header_count++] = (struct http_header){name, value};
}

int request_make(struct request *request, const struct aws_call *call,
                 const struct endpoint *endpoint, const struct request_signer *signer,
                 weir_str trace)
{
    weir_str path, query;
    int rc = put_address(request, call, endpoint, &path, &query);
    if (rc < 0)
        return rc;
    put_content_type(request, call);
    sigv4_time(signer->unix_s, request->time);
    request->header_count = 0;
    put_header(request, STR("Host"), endpoint->host);
    put_header(request, STR("Content-Type"), str_of(request->content_type));
    put_header(request, STR("X-Amz-Date"), str_of(request->time));
    if (call->target && call->protocol == AWS_JSON)
        put_header(request, STR("X-Amz-Target"), str_of(call->target));
    if (signer->credentials->session_token)
        put_header(request, STR("X-Amz-Security-Token"),
                   str_of(signer->credentials->session_token));
    for (size_t i = 0; i < call->header_count; i++)
        put_header(request, call->headers[i].name, call->headers[i].value);
    struct sigv4_scope scope = {signer->unix_s, endpoint->region, endpoint->signing_service};
    request->method = call->get ? "GET" : "POST";
    struct sigv4_request to_sign = {.method = str_of(request->method),
                                    .path = path,
                                    .query = query,
                                    .headers = request->headers,
                                    .header_count = request->header_count,
                                    .body = call->body,
                                    .normalize = true};
    buf_reset(&request->authorization);
    rc = sigv4_sign(signer->sigv4, signer->credentials, &scope, &to_sign, &request->authorization);
    put_header(request, STR("Authorization"), buf_str(&request->authorization));
    /* Not signed: it may be changed on the way. */
    if (trace.len)
        put_header(request, STR("X-Amzn-Trace-Id"), trace);
    return rc;
}
