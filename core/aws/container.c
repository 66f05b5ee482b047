#include "aws/chain.h"

#include "aws/document.h"
#include "util/alloc.h"

#include <errno.h>

/* The endpoint that an ECS task or an EKS pod (Pod Identity) is told of by its environment. */

enum { ATTEMPTS = 3, TIMEOUT_MS = 2000, CONNECT_MS = 1000 };

static const char *const hosts[] = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23", NULL};

static const char *variable(const struct credential_fetch *fetch, const char *name)
{
    return env_text(fetch->chain->settings.config->environ_block, name);
}

static weir_str error_code(const struct credential_fetch *fetch, struct arena *arena)
{
    struct json_error where;
    const struct json_value *root =
        json_parse(arena, buf_str(&fetch->http.answer), JSON_LAST_WINS, 100, &where);
    return root && root->kind == JSON_OBJECT ? json_text(root, "code") : STR_NONE;
}

static void answered(struct credential_fetch *fetch)
{
    static const struct document_shape shape = {"the container's endpoint", "Token", false, NULL};
    int rc;
    if (fetch_answered(fetch)) {
        rc = document_read(buf_str(&fetch->http.answer), &shape, &fetch->got, &fetch->err);
        fetch_correct_expiry(fetch);
    } else {
        struct arena arena;
        arena_init(&arena, 1024);
        rc = fetch_refused(fetch, shape.who, error_code(fetch, &arena));
        arena_done(&arena);
    }
    fetch_done(fetch, rc);
}

static int put_url(struct credential_fetch *fetch)
{
    const char *relative = variable(fetch, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = variable(fetch, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!relative && !full)
        return err_set(&fetch->err, -ENOENT,
                       "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor _FULL_URI is set");
    if (relative && relative[0] != '/') /* it could change the host */
        return err_set(&fetch->err, -EINVAL,
                       "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with /");
    if (relative)
        buf_puts(&fetch->url, "http://169.254.170.2");
    buf_puts(&fetch->url, relative ? relative : full);
    return endpoint_check_credentials(buf_str(&fetch->url), hosts, false, &fetch->err);
}

static void send_request(struct credential_fetch *fetch)
{
    if (fetch->secret.len)
        fetch_header(fetch, "Authorization", buf_str(&fetch->secret));
    fetch_header(fetch, "Accept", STR("application/json"));
    fetch->http.method = "GET";
    fetch->http.timeout_ms = TIMEOUT_MS;
    fetch->http.connect_timeout_ms = CONNECT_MS;
    fetch->attempts_max = ATTEMPTS;
    fetch->patient = true;
    fetch_send(fetch, answered);
}

/* On a pool thread. Read each time: the file is replaced long before its token expires. */
static int read_token(struct credential_fetch *fetch)
{
    char *token;
    int rc = token_file_read(variable(fetch, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), &token,
                             &fetch->err);
    if (rc < 0)
        return rc;
    buf_puts(&fetch->secret, token);
    wipe_free(token);
    return 0;
}

static bool fits_header(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            return false;
    return true;
}

static void container_start(struct credential_fetch *fetch)
{
    const char *token = variable(fetch, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    fetch_reset(fetch);
    int rc = put_url(fetch);
    if (rc < 0) {
        fetch_done(fetch, rc);
    } else if (variable(fetch, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
        fetch_work(fetch, read_token, send_request);
    } else if (token && !fits_header(token)) {
        fetch_done(fetch, err_set(&fetch->err, -EINVAL,
                                  "AWS_CONTAINER_AUTHORIZATION_TOKEN holds a control character"));
    } else {
        if (token)
            buf_puts(&fetch->secret, token);
        send_request(fetch);
    }
}

const struct credential_provider provider_container = {"container", container_start};
