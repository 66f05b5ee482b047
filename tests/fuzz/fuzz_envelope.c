/* A template, a zero byte, records: every form of every record is one line of printable ASCII that
 * is valid JSON, or an error. */
#include "json/json.h"
#include "plugin/envelope.h"
#include "plugin/host.h"
#include "plugin/instance.h"
#include "util/alloc.h"
#include <weir/ext/aws.h>

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No plugin is opened here, so nobody asks for it. */
extern const weir_aws aws_extension;
const weir_aws aws_extension = {.revision = 1};

static void check(int condition)
{
    if (!condition)
        abort();
}

static void check_text(weir_str text)
{
    struct arena arena;
    struct json_error error;
    for (size_t i = 0; i < text.len; i++)
        check(text.ptr[i] >= ' ' && text.ptr[i] <= '~');
    arena_init(&arena, 4096);
    check(json_parse(&arena, text, JSON_KEEP_DUPLICATES, 0, &error) != NULL);
    arena_done(&arena);
}

static void render(struct envelope *envelope, const struct batch *batch)
{
    for (size_t i = 0; i < batch->record_count; i++) {
        const struct weir_record record = {.rec = batch->records[i]};
        weir_str text = STR_NONE;
        if (batch->records[i]->poison)
            continue;
        int rc = envelope_record(envelope, &host_table, &record, &text);
        check(rc == 0 || rc == -EBADMSG || rc == -EMSGSIZE);
        if (rc == 0)
            check_text(text);
    }
}

static void each_form(const struct json_value *template, const struct batch *batch)
{
    for (int32_t form = WEIR_B_AWS; form <= WEIR_B_TEMPLATE; form++) {
        struct envelope envelope = {0};
        struct option_problem problem;
        const char *option = NULL;
        int rc = envelope_open(&envelope, &host_table, NULL, form,
                               form == WEIR_B_TEMPLATE ? template : NULL, &option, &problem);
        check(rc == 0 || (rc == -EINVAL && option));
        if (rc == 0)
            render(&envelope, batch);
        envelope_close(&envelope);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t head = zero ? (size_t)(zero - data) : 0, rest = zero ? size - head - 1 : size;
    struct arena arena;
    struct json_error error;
    struct batch *batch = NULL;
    struct err err;
    char *bytes = mem_alloc(rest + 64);
    int64_t live = mem_live() - 1;
    check(bytes != NULL);
    if (rest > 0)
        memcpy(bytes, data + size - rest, rest);
    arena_init(&arena, 4096);
    const struct json_value *template =
        json_parse(&arena, (weir_str){(const char *)data, head}, JSON_COMMENTS, 0, &error);
    if (batch_decode(bytes, rest, NULL, &(struct decode_options){.lines = true}, &batch, &err) == 0)
        each_form(template, batch);
    batch_unref(batch);
    arena_done(&arena);
    check(mem_live() == live);
    return 0;
}
