/* Any bytes as the answer of a query service: what is taken becomes valid JSON, an object, and is
 * no more than six times as long. */
#include "aws/xml.h"
#include "json/json.h"
#include "util/arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_str xml = {(const char *)data, size}, text;
    struct buf out;
    buf_init(&out, 6 * size + 16);
    int rc = xml_to_json(xml, &out);
    check(rc == 0 || rc == -EINVAL);
    if (rc == 0) {
        struct arena arena;
        struct json_error error;
        arena_init(&arena, 4096);
        const struct json_value *root =
            json_parse(&arena, buf_str(&out), JSON_KEEP_DUPLICATES, 0, &error);
        check(root && root->kind == JSON_OBJECT);
        arena_done(&arena);
    }
    /* the two readers agree on what a document is, but for what only one of them decodes */
    int found = xml_text(xml, "A/B", &text);
    check(found != -EINVAL || rc == -EINVAL);
    buf_done(&out);
    return 0;
}
