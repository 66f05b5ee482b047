#include "config/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 255 };

/* The host between "scheme://" and the port or path, without brackets; len 0 = none or too long. */
static weir_str host_of(weir_str authority)
{
    weir_str host = authority;
    if (host.len > 0 && host.ptr[0] == '[') {
        const char *end = memchr(host.ptr, ']', host.len);
        return end ? (weir_str){host.ptr + 1, (size_t)(end - host.ptr - 1)} : STR_NONE;
    }
    const char *port = memchr(host.ptr, ':', host.len);
    if (port)
        host.len = (size_t)(port - host.ptr);
    return host;
}

static bool port_valid(weir_str authority)
{
    const char *from = authority.ptr, *end = authority.ptr + authority.len;
    const char *bracket = memchr(from, ']', authority.len);
    const char *colon =
        memchr(bracket ? bracket : from, ':', (size_t)(end - (bracket ? bracket : from)));
    if (!colon)
        return !bracket || bracket + 1 == end;
    long port = 0;
    for (const char *c = colon + 1; c < end; c++) {
        if (*c < '0' || *c > '9')
            return false;
        port = port > 65535 ? port : port * 10 + (*c - '0');
    }
    return colon + 1 < end && port > 0 && port <= 65535;
}

static bool v4_loopback(uint32_t address)
{
    return address >> 24 == 127;
}

static bool v4_link_local(uint32_t address)
{
    return address >> 16 == 0xa9fe; /* 169.254/16: IMDS, ECS, EKS Pod Identity */
}

struct host_kind {
    bool loopback, metadata;
};

static struct host_kind kind_of(const char *host)
{
    static const unsigned char imds6[16] = {0xfd, 0x00, 0x0e, 0xc2, [15] = 0x54};
    struct in_addr v4;
    struct in6_addr v6;
    struct host_kind kind = {0};
    /* inet_aton, as curl's resolver does, also reads 0xa9fea9fe and 2852039166. */
    if (inet_aton(host, &v4)) {
        kind.loopback = v4_loopback(ntohl(v4.s_addr));
        kind.metadata = v4_link_local(ntohl(v4.s_addr));
    } else if (inet_pton(AF_INET6, host, &v6) == 1) {
        uint32_t mapped = 0;
        memcpy(&mapped, v6.s6_addr + 12, 4);
        bool is_v4 = IN6_IS_ADDR_V4MAPPED(&v6);
        kind.loopback = IN6_IS_ADDR_LOOPBACK(&v6) || (is_v4 && v4_loopback(ntohl(mapped)));
        kind.metadata = IN6_IS_ADDR_LINKLOCAL(&v6) || (is_v4 && v4_link_local(ntohl(mapped))) ||
                        (memcmp(v6.s6_addr, imds6, 8) == 0); /* fd00:ec2::/64, IMDS over IPv6 */
    } else {
        kind.loopback = strcasecmp(host, "localhost") == 0;
        kind.metadata = strcasecmp(host, "metadata.google.internal") == 0 ||
                        strcasecmp(host, "instance-data") == 0;
    }
    return kind;
}

static bool plain_ascii(weir_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || (unsigned char)text.ptr[i] >= 127)
            return false;
    return true;
}

const char *endpoint_problem(weir_str url, bool allow_http)
{
    bool http = str_starts(url, STR("http://")), https = str_starts(url, STR("https://"));
    if (!plain_ascii(url))
        return "holds a blank, a control character or one that is not ASCII";
    if (!http && !https)
        return "does not begin with http:// or https://";
    weir_str authority = {url.ptr + (http ? 7 : 8), url.len - (http ? 7 : 8)};
    for (size_t i = 0; i < authority.len; i++)
        if (strchr("/?#", authority.ptr[i])) {
            authority.len = i;
            break;
        }
    if (memchr(authority.ptr, '@', authority.len))
        return "holds user information";
    weir_str host = host_of(authority);
    if (host.len == 0 || host.len > HOST_MAX)
        return "names no host";
    if (!port_valid(authority))
        return "has a bad port";
    char name[HOST_MAX + 1];
    memcpy(name, host.ptr, host.len);
    name[host.len] = '\0';
    struct host_kind kind = kind_of(name);
    if (kind.metadata)
        return "is a link-local or metadata address";
    if (http && !kind.loopback && !allow_http)
        return "is plain http to another machine";
    return NULL;
}
