/* admin.listen: an address and a port; who may reach it is said twice, or it is loopback. */
#include "config/keys.h"

#include <arpa/inet.h>
#include <stdio.h>

struct listen {
    char host[64];
    int port;
    bool loopback;
};

static bool read_port(weir_str text, int *out)
{
    int port = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || port > 65535)
            return false;
        port = port * 10 + (text.ptr[i] - '0');
    }
    *out = port;
    return text.len > 0 && port <= 65535;
}

/* "127.0.0.1:9630", "[::1]:9630", "localhost:9630"; other names would have to be looked up. */
static bool read_listen(weir_str text, struct listen *out)
{
    static const unsigned char one[16] = {[15] = 1};
    unsigned char address[16];
    size_t colon = text.len;
    while (colon > 0 && text.ptr[colon - 1] != ':')
        colon--;
    if (colon == 0 || !read_port((weir_str){text.ptr + colon, text.len - colon}, &out->port))
        return false;
    weir_str host = {text.ptr, colon - 1};
    bool six = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (six)
        host = (weir_str){host.ptr + 1, host.len - 2};
    if (host.len == 0 || host.len >= sizeof out->host)
        return false;
    snprintf(out->host, sizeof out->host, "%.*s", (int)host.len, host.ptr);
    if (str_is(host, "localhost"))
        snprintf(out->host, sizeof out->host, "127.0.0.1");
    if (inet_pton(six ? AF_INET6 : AF_INET, out->host, address) != 1)
        return false;
    out->loopback = six ? memcmp(address, one, sizeof one) == 0 : address[0] == 127;
    return true;
}

void rules_listen(struct apply *apply)
{
    struct config *config = apply->config;
    const struct json_value *admin = json_member0(config->root, "admin");
    const struct json_value *at = json_member0(admin, "listen");
    struct listen listen;
    if (!config->admin.listen || !at)
        return;
    if (!read_listen(str_of(config->admin.listen), &listen)) {
        struct diag *diag = diag_error(apply->diags, "W0105", diag_value_of(at),
                                       "\"listen\" wants an address and a port");
        diag_help(apply->diags, diag, "write \"127.0.0.1:9630\", or \"[::1]:9630\".");
        return;
    }
    if (!listen.loopback && !config->admin.allow_remote) {
        struct diag *diag =
            diag_error(apply->diags, "W0105", diag_value_of(at),
                       "\"%s\" can be reached from other machines", config->admin.listen);
        diag_help(apply->diags, diag,
                  "listen on 127.0.0.1, or set \"allow_remote\": true beside it; there is no "
                  "password.");
    }
    config->admin.host = apply_format(apply, "%s", listen.host);
    config->admin.port = listen.port;
    config->admin.loopback = listen.loopback;
}
