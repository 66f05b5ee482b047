/* Any bytes as answers of the Streams API, as a list of shards and as an ARN: refused or taken
 * whole, never a crash or a leak; and whatever a list says of parents, every shard is handed out
 * once and none waits for ever. */
#include "source/lineage.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
    if (!condition)
        abort();
}

static void read_all(const struct stream_page *page)
{
    struct lineage *lineage;
    struct shard *shard;
    size_t handed = 0, known = 0;
    check(lineage_new(&lineage) == 0);
    for (int sweep = 0; sweep < 2; sweep++) {
        lineage_sweep_begin(lineage);
        check(lineage_sweep_page(lineage, page->shards, page->shard_count) == 0);
        lineage_sweep_end(lineage, sweep + 1);
    }
    while ((shard = lineage_next(lineage))) {
        lineage_read_to_end(lineage, shard);
        handed++;
    }
    for (shard = lineage_first(lineage); shard; shard = shard->next)
        known++;
    check(handed == known && known == lineage_count(lineage, SHARD_READ));
    lineage_free(lineage);
}

static void parse(weir_str text, struct arena *arena)
{
    struct stream_page page;
    struct stream_name *names;
    size_t count;
    weir_str a, b, c;
    bool enabled;
    struct err err = {0};
    int rc = streams_parse_describe(text, arena, &page, &err);
    check(rc == 0 || (rc == -EBADMSG && err.msg[0]));
    if (rc == 0) {
        check(page.arn.len && page.status.len);
        read_all(&page);
    }
    rc = streams_parse_list(text, arena, &names, &count, &a, &err);
    check(rc == 0 || rc == -EBADMSG);
    for (size_t i = 0; rc == 0 && i < count; i++)
        check(names[i].arn.len > 0);
    rc = streams_parse_iterator(text, arena, &a, &err);
    check(rc == 0 ? a.len > 0 : rc == -EBADMSG);
    rc = streams_parse_table(text, arena, &a, &enabled, &b, &err);
    check(rc == 0 || rc == -EBADMSG);
    if (streams_arn_parts(text, &a, &b, &c))
        check(a.len && b.len && c.len);
    check(streams_shard_ms(text) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    char *exact = malloc(size ? size : 1); /* so that a read past its end is seen */
    check(exact != NULL);
    if (size)
        memcpy(exact, data, size);
    arena_init(&arena, 1024);
    parse((weir_str){exact, size}, &arena);
    arena_done(&arena);
    free(exact);
    check(mem_live() == 0);
    return 0;
}
