#include "aws/document.h"

#include "aws/time.h"

#include <errno.h>

static int take(const struct json_value *root, const struct document_shape *shape,
                struct credentials *out, struct err *err)
{
    int64_t expires_s = 0;
    const struct json_value *expires = json_member0(root, "Expiration");
    struct credentials made = {0};
    int rc = shape->check ? shape->check(root, err) : 0;
    if (rc < 0)
        return rc;
    if ((expires || shape->expires) &&
        parse_iso_time(json_text(root, "Expiration"), &expires_s) < 0)
        return err_set(err, -EINVAL, "%s: \"Expiration\" is not a time", shape->who);
    rc = credentials_set(&made, json_text(root, "AccessKeyId"), json_text(root, "SecretAccessKey"),
                         json_text(root, shape->token));
    if (rc == -EINVAL)
        return err_set(err, rc, "%s: AccessKeyId or SecretAccessKey is missing or malformed",
                       shape->who);
    if (rc < 0)
        return err_set(err, rc, "out of memory");
    made.expires_us = expires_s * 1000000;
    *out = made;
    return 0;
}

/* Unescaped copies in the arena are wiped like the text itself. */
static void wipe_member(const struct json_value *root, const char *name)
{
    weir_str text = json_text(root, name);
    wipe((char *)text.ptr, text.len);
}

int document_read(weir_str json, const struct document_shape *shape, struct credentials *out,
                  struct err *err)
{
    struct arena arena;
    struct json_error where;
    arena_init(&arena, 4096);
    const struct json_value *root = json_parse(&arena, json, JSON_LAST_WINS, 1000, &where);
    int rc;
    if (!root || root->kind != JSON_OBJECT) {
        rc = err_set(err, -EINVAL, "%s did not give one JSON object", shape->who);
    } else {
        rc = take(root, shape, out, err);
        wipe_member(root, "SecretAccessKey");
        wipe_member(root, shape->token);
    }
    arena_done(&arena);
    return rc;
}
