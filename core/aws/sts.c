#include "aws/sts.h"

#include "aws/time.h"
#include "aws/xml.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>

void role_done(struct role *role)
{
    mem_free(role->arn);
    mem_free(role->session);
    mem_free(role->external_id);
    *role = (struct role){0};
}

/* ---- the request ---- */

static void put_parameter(struct buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    buf_putc(out, '&');
    buf_puts(out, name);
    buf_putc(out, '=');
    buf_put_percent(out, str_of(value));
}

void sts_put_request(struct buf *out, const struct role *role, const char *token)
{
    char duration[16];
    snprintf(duration, sizeof duration, "%d", role->duration_s);
    /* At once, so that growing leaves no copy of the token behind. */
    buf_reserve(out, 8192 + (token ? 3 * strlen(token) : 0));
    buf_puts(out, token ? "Action=AssumeRoleWithWebIdentity" : "Action=AssumeRole");
    put_parameter(out, "Version", "2011-06-15");
    put_parameter(out, "RoleArn", role->arn);
    put_parameter(out, "RoleSessionName", role->session);
    put_parameter(out, "ExternalId", role->external_id);
    put_parameter(out, "DurationSeconds", role->duration_s ? duration : NULL);
    put_parameter(out, "WebIdentityToken", token);
}

/* ---- the answer ---- */

static weir_str text_at(weir_str xml, const char *root, const char *name)
{
    char path[160];
    weir_str text = STR_NONE;
    snprintf(path, sizeof path, "%sResponse/%sResult/Credentials/%s", root, root, name);
    return xml_text(xml, path, &text) == 0 ? text : STR_NONE;
}

int sts_read_answer(weir_str xml, struct credentials *out, struct err *err)
{
    weir_str key = STR_NONE;
    const char *root = "AssumeRole";
    int64_t expires_s;
    struct credentials made = {0};
    int rc = xml_text(xml, "AssumeRoleResponse/AssumeRoleResult/Credentials/AccessKeyId", &key);
    if (rc == -ENOENT)
        root = "AssumeRoleWithWebIdentity";
    if (rc == -EINVAL)
        return err_set(err, -EINVAL, "STS did not answer with one XML document");
    if (parse_iso_time(text_at(xml, root, "Expiration"), &expires_s) < 0)
        return err_set(err, -EINVAL, "STS: \"Expiration\" is missing or not a time");
    rc = credentials_set(&made, text_at(xml, root, "AccessKeyId"),
                         text_at(xml, root, "SecretAccessKey"), text_at(xml, root, "SessionToken"));
    /* None of the values has a character that XML escapes. */
    bool whole = rc == 0 && made.session_token && !strchr(made.secret_key, '&') &&
                 !strchr(made.session_token, '&');
    if (rc == -EINVAL || (rc == 0 && !whole)) {
        credentials_done(&made);
        return err_set(err, -EINVAL, "STS: a key or the session token is missing or malformed");
    }
    if (rc < 0)
        return err_set(err, rc, "out of memory");
    made.expires_us = expires_s * 1000000;
    *out = made;
    return 0;
}

void sts_read_error(weir_str xml, weir_str *code, weir_str *message)
{
    /* Others quote what was sent: a wrong signature the session token, a wrong parameter its value.
     */
    static const char *const harmless[] = {"AccessDenied", "ExpiredTokenException",
                                           "RegionDisabledException"};
    *code = *message = STR_NONE;
    if (xml_text(xml, "ErrorResponse/Error/Code", code) < 0)
        return;
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (str_is(*code, harmless[i]))
            xml_text(xml, "ErrorResponse/Error/Message", message);
}
