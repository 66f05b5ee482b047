/* The head of one HTTP/1.1 request, read strictly: what is not plainly right is refused. Pure. */
#ifndef WEIR_ADMIN_REQUEST_H
#define WEIR_ADMIN_REQUEST_H
#include "util/str.h"

enum { ADMIN_REQUEST_BYTES = 8192, ADMIN_HEADERS_MAX = 64 }; /* of head and body together */

enum admin_method { ADMIN_GET, ADMIN_HEAD, ADMIN_POST };

struct admin_request { /* views into the bytes that were read */
    enum admin_method method;
    weir_str path, query;        /* query: without '?' */
    weir_str host, origin, site; /* Host, Origin, Sec-Fetch-Site; len 0 = not given */
    weir_str authorization;
    size_t body_bytes; /* Content-Length */
    bool has_host;
};

/* The bytes of the head with its empty line; 0 = it has not all come yet; below 0 the status to
 * answer, negated: -400, -405, -413, -431, -501, -505. */
int admin_request_parse(const char *bytes, size_t len, struct admin_request *out);
/* The value of a parameter of the query as it stands there; len 0 = none. */
weir_str admin_query(const struct admin_request *request, const char *name);

/* Where a browser would name us by another's name (DNS rebinding), or asks on behalf of another
 * page, nothing is told. `loopback`: the server listens there only; else any address will do as a
 * Host, but no name. */
bool admin_host_ok(const struct admin_request *request, bool loopback);
bool admin_origin_ok(const struct admin_request *request);
#endif
