/* Signs what a JSON document on standard input describes; prints the Authorization header's value
 * and, behind it, the canonical request. For sigv4_suite.py. */
#include "aws/sigv4.h"

#include "util/alloc.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

static weir_str text_of(const cJSON *object, const char *name)
{
    return str_of(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name)));
}

static char *read_all(void)
{
    enum { LIMIT = 1 << 20 };
    char *text = mem_alloc(LIMIT);
    size_t len = text ? fread(text, 1, LIMIT - 1, stdin) : 0;
    if (text)
        text[len] = '\0';
    return text;
}

static size_t read_headers(const cJSON *list, struct http_header *headers)
{
    size_t count = 0;
    const cJSON *pair;
    cJSON_ArrayForEach(pair, list)
    {
        if (count == SIGV4_HEADERS_MAX)
            exit(2);
        headers[count].name = str_of(cJSON_GetStringValue(cJSON_GetArrayItem(pair, 0)));
        headers[count++].value = str_of(cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1)));
    }
    return count;
}

static int sign(const cJSON *input)
{
    struct http_header headers[SIGV4_HEADERS_MAX];
    struct sigv4 sigv4;
    struct credentials credentials = {0};
    struct buf authorization;
    weir_str canonical;
    struct sigv4_scope scope = {
        (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(input, "unix_s")),
        text_of(input, "region").ptr, text_of(input, "service").ptr};
    struct sigv4_request request = {
        .method = text_of(input, "method"),
        .path = text_of(input, "path"),
        .query = text_of(input, "query"),
        .headers = headers,
        .header_count = read_headers(cJSON_GetObjectItemCaseSensitive(input, "headers"), headers),
        .body = text_of(input, "body"),
        .normalize = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(input, "normalize")),
    };
    buf_init(&authorization, 4096);
    int rc = sigv4_init(&sigv4);
    if (rc == 0)
        rc = credentials_set(&credentials, text_of(input, "access_key"),
                             text_of(input, "secret_key"), STR_NONE);
    if (rc == 0)
        rc = sigv4_sign(&sigv4, &credentials, &scope, &request, &authorization);
    if (rc == 0)
        rc = sigv4_canonical(&sigv4, &request, &canonical);
    if (rc == 0)
        printf("%s\n%.*s", buf_cstr(&authorization), STR_ARG(canonical));
    credentials_done(&credentials);
    sigv4_done(&sigv4);
    buf_done(&authorization);
    return rc;
}

int main(void)
{
    char *text = read_all();
    cJSON *input = cJSON_Parse(text);
    int rc = input ? sign(input) : -1;
    cJSON_Delete(input);
    mem_free(text);
    return rc != 0;
}
