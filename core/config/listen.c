/* admin.listen: an address and a port; who may reach it is said twice, or it is loopback. */
#include "admin/token.h"
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

static void check_listen(struct apply *apply, const struct json_value *at)
{
    struct config *config = apply->config;
    struct listen listen;
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
    if (config->source == SOURCE_KCL && listen.port != 0) {
        struct diag *diag =
            diag_error(apply->diags, "W0105", diag_value_of(at),
                       "the processes of all shards of a machine would want port %d", listen.port);
        diag_help(apply->diags, diag,
                  "with port 0 each takes a free one and says which in its log; without \"listen\" "
                  "each still has its unix socket.");
    }
    config->admin.host = apply_format(apply, "%s", listen.host);
    config->admin.port = listen.port;
    config->admin.loopback = listen.loopback;
}

/* Nothing listens in Lambda, and the file need not be there. */
static void check_token(struct apply *apply, const struct json_value *admin)
{
    const struct config *config = apply->config;
    const struct json_value *writable = json_member0(admin, "writable");
    struct admin_token token;
    struct err err = {0};
    if (!config->admin.writable || !writable || config->in_lambda ||
        config->source == SOURCE_LAMBDA)
        return;
    if (!config->admin.token_file) {
        struct diag *diag = diag_error(apply->diags, "W0102", diag_name_of(writable),
                                       "\"writable\" needs a \"token_file\" beside it");
        diag_help(apply->diags, diag,
                  "changes over TCP need a token; on the unix socket they need none.");
        return;
    }
    if (admin_token_read(config->admin.token_file, &token, &err) < 0)
        diag_error(apply->diags, "W0115", diag_value_of(json_member0(admin, "token_file")), "%s",
                   err.msg);
    admin_token_forget(&token);
}

void rules_listen(struct apply *apply)
{
    const struct config *config = apply->config;
    const struct json_value *admin = json_member0(config->root, "admin");
    const struct json_value *at = json_member0(admin, "listen");
    if (config->admin.listen && at)
        check_listen(apply, at);
    check_token(apply, admin);
}
