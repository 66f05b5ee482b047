/* Any bytes as a request to the admin server: views stay inside of them, and what comes in pieces
 * means the same as what comes at once. */
#include "admin/request.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
    if (!condition)
        abort();
}

static void check_inside(weir_str view, const char *bytes, size_t len)
{
    check(view.len == 0 || (view.ptr >= bytes && view.ptr + view.len <= bytes + len));
}

static void check_views(const struct admin_request *request, const char *bytes, size_t len)
{
    check_inside(request->path, bytes, len);
    check_inside(request->query, bytes, len);
    check_inside(request->host, bytes, len);
    check_inside(request->origin, bytes, len);
    check_inside(request->authorization, bytes, len);
    check_inside(admin_query(request, "sink"), bytes, len);
    check(request->path.len > 0 && request->path.ptr[0] == '/');
    check(len + request->body_bytes <= ADMIN_REQUEST_BYTES);
    /* whoever is known on the loopback is known elsewhere, too */
    check(!admin_host_ok(request, true) || admin_host_ok(request, false));
    (void)admin_origin_ok(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct admin_request request;
    size_t len = size < ADMIN_REQUEST_BYTES ? size : ADMIN_REQUEST_BYTES;
    char *bytes = malloc(len + 1); /* exactly so many: a read behind them is found */
    check(bytes != NULL);
    memcpy(bytes, data, len);
    char *exact = realloc(bytes, len ? len : 1);
    check(exact != NULL);
    int whole = admin_request_parse(exact, len, &request);
    check(whole <= (int)len);
    if (whole > 0)
        check_views(&request, exact, (size_t)whole);
    for (size_t part = 0; whole > 0 && part < (size_t)whole; part++)
        check(admin_request_parse(exact, part, &request) == 0);
    free(exact);
    return 0;
}
