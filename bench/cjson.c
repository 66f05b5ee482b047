/* The same hits through cJSON, as a plain C program would find them: bench_cjson FILE */
#include "harness.h"

#include <cjson/cJSON.h>
#include <string.h>

static char *body;
static size_t body_bytes;

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *text(const cJSON *image, const char *name, const char *type)
{
    const char *found = cJSON_GetStringValue(member(member(image, name), type));
    return found ? found : "";
}

static void on_hit(struct tally *tally, const cJSON *record, const char *before, const char *after)
{
    const cJSON *change = member(record, "dynamodb");
    const char *product = text(member(change, "Keys"), "product_id", "S");
    const char *id = cJSON_GetStringValue(member(record, "eventID"));
    tally->hits++;
    if (!tally->want_checksum)
        return;
    tally_text(tally, product, strlen(product));
    tally_seconds(tally,
                  (long long)cJSON_GetNumberValue(member(change, "ApproximateCreationDateTime")));
    tally_text(tally, before, strlen(before));
    tally_text(tally, after, strlen(after));
    tally_text(tally, id, strlen(id));
}

static void pass(struct tally *tally)
{
    const cJSON *record;
    cJSON *root = cJSON_ParseWithLength(body, body_bytes);
    tally->records = tally->hits = 0;
    cJSON_ArrayForEach(record, member(root, "Records"))
    {
        const char *event = cJSON_GetStringValue(member(record, "eventName"));
        const cJSON *change = member(record, "dynamodb");
        tally->records++;
        if (!event || strcmp(event, "MODIFY") != 0)
            continue;
        const char *before = text(member(change, "OldImage"), "price", "N");
        const char *after = text(member(change, "NewImage"), "price", "N");
        if (strcmp(before, after) != 0)
            on_hit(tally, record, before, after);
    }
    cJSON_Delete(root);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    body = load_body(argv[1], malloc, &body_bytes);
    run_bench("cjson", body_bytes, pass);
    free(body);
    return 0;
}
