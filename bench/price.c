/* The sink of the pipeline benchmark: reads what it is told to through the host's table, keeps
 * nothing. Its last words, at close, are what it read: `RECORDS HITS CHECKSUM`, the checksum as in
 * harness.h. */
#include "harness.h"

#include <weir/util.h>
#include <errno.h>
#include <inttypes.h>

enum { READ_PRICE, READ_ONE, READ_ALL }; /* places in the choices of `read` */
enum { WALK_MAX = 32 };                  /* values at a time */

struct reader {
    const weir_host *host;
    weir_instance *instance;
    struct tally tally;
    int64_t read;
    size_t bytes;
};

static const weir_option options[] = {
    {"read", "\"price\"", WEIR_O_ENUM, 0, "price|one|all",
     "price: changes of it; one: an attribute of every record; all: every attribute of every "
     "record."},
    {"checksum", "false", WEIR_O_BOOL, 0, NULL, "Hash what was read."},
    {0}};

static int32_t reader_open(const weir_host *host, weir_instance *instance, void **self)
{
    static const char *const price[] = {"price", NULL};
    static const weir_subscription changes = {sizeof changes, WEIR_MODIFY, WEIR_OLD | WEIR_NEW, 1,
                                              price};
    struct reader *reader = calloc(1, sizeof *reader);
    int64_t checksum = 0;
    if (!reader)
        return -ENOMEM;
    reader->host = host;
    reader->instance = instance;
    reader->tally.checksum = FNV_START;
    host->option_i64(instance, "read", &reader->read);
    host->option_i64(instance, "checksum", &checksum);
    reader->tally.want_checksum = checksum != 0;
    *self = reader;
    return reader->read == READ_PRICE ? host->subscribe(instance, &changes) : 0;
}

static void read_change(struct reader *reader, const weir_record *record)
{
    const weir_host *host = reader->host;
    weir_str product = host->text(host->attr(record, WEIR_KEYS, "product_id"));
    weir_str before = host->text(host->attr(record, WEIR_OLD, "price"));
    weir_str after = host->text(host->attr(record, WEIR_NEW, "price"));
    weir_str id = host->field(record, WEIR_F_EVENT_ID);
    int64_t created_us = host->created_us(record, NULL);
    reader->tally.hits++;
    reader->bytes += product.len + before.len + after.len + id.len + (size_t)(created_us & 1);
    if (!reader->tally.want_checksum)
        return;
    tally_text(&reader->tally, product.ptr, product.len);
    tally_seconds(&reader->tally, created_us / 1000000);
    tally_text(&reader->tally, before.ptr, before.len);
    tally_text(&reader->tally, after.ptr, after.len);
    tally_text(&reader->tally, id.ptr, id.len);
}

static void read_all(struct reader *reader, const weir_value *image)
{
    weir_entry some[WALK_MAX];
    size_t count, bytes = 0;
    for (size_t i = 0; (count = reader->host->walk(image, i, some, WALK_MAX)) > 0; i += count)
        for (size_t k = 0; k < count; k++)
            bytes += some[k].name.len + some[k].text.len + (size_t)some[k].type;
    reader->bytes += bytes;
}

static int32_t reader_record(void *self, const weir_record *record)
{
    struct reader *reader = self;
    const weir_host *host = reader->host;
    reader->tally.records++;
    if (reader->read == READ_PRICE) {
        read_change(reader, record);
    } else if (reader->read == READ_ONE) {
        const weir_value *price = host->attr(record, WEIR_NEW, "price");
        reader->bytes += host->text(price ? price : host->attr(record, WEIR_OLD, "price")).len;
    } else {
        read_all(reader, host->image(record, WEIR_KEYS));
        read_all(reader, host->image(record, WEIR_OLD));
        read_all(reader, host->image(record, WEIR_NEW));
    }
    return WEIR_OK;
}

static void reader_close(void *self)
{
    struct reader *reader = self;
    weir_logf(reader->host, reader->instance, WEIR_LOG_INFO, "%zu %zu %016" PRIx64 " %zu",
              reader->tally.records, reader->tally.hits, reader->tally.checksum, reader->bytes);
    free(reader);
}

static const weir_plugin plugin = {.abi = WEIR_ABI_CURRENT,
                                   .abi_min = WEIR_ABI(1, 1),
                                   .struct_size = sizeof plugin,
                                   .flags = WEIR_P_ORDER_NONE,
                                   .name = "bench_price",
                                   .version = "1.0.0",
                                   .summary = "Reads records and keeps nothing.",
                                   .options = options,
                                   .repeats = WEIR_R_NATIVE,
                                   .open = reader_open,
                                   .close = reader_close,
                                   .record = reader_record};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
