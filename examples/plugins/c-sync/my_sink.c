/* my_sink: logs every change of one attribute. record() is called for one record at a time and says
 * what became of it; nothing here may block. */
#include <weir/util.h>

#include <errno.h>

struct sink {
    const weir_host *host;
    weir_instance *instance;
    weir_str attribute; /* text of options lives until close() */
    weir_buf line;
};

/* Also runs for `weir check`, so it touches no network and no file. */
static int32_t sink_open(const weir_host *host, weir_instance *instance, void **self)
{
    weir_str attribute = WEIR_NONE;
    host->option_str(instance, "attribute", &attribute);
    if (attribute.len == 0) {
        host->option_error(instance, "attribute", WEIR_STR("it is empty"));
        return -EINVAL;
    }

    /* Only records whose attribute differs between the two images come to record(). */
    const char *const watched[] = {attribute.ptr, NULL};
    const weir_subscription wants = {
        .struct_size = sizeof wants,
        .events = WEIR_INSERT | WEIR_MODIFY | WEIR_REMOVE,
        .images = WEIR_OLD | WEIR_NEW,
        .changed_only = 1,
        .attributes = watched,
    };
    int32_t rc = host->subscribe(instance, &wants);
    if (rc < 0)
        return rc;

    struct sink *sink = (struct sink *)calloc(1, sizeof *sink);
    if (!sink)
        return -ENOMEM;
    sink->host = host;
    sink->instance = instance;
    sink->attribute = attribute;
    *self = sink;
    return 0;
}

/* The value as it came, or "nothing"; numbers keep all their digits. */
static weir_str shown(const struct sink *sink, const weir_record *record, int32_t image)
{
    const weir_value *value = sink->host->attr(record, image, sink->attribute.ptr);
    return value ? sink->host->json(value) : WEIR_STR("nothing");
}

static int32_t sink_record(void *self, const weir_record *record)
{
    struct sink *sink = (struct sink *)self;
    weir_buf *line = &sink->line;
    weir_buf_clear(line);
    weir_buf_put(line, sink->attribute);
    weir_buf_puts(line, ": ");
    weir_buf_put(line, shown(sink, record, WEIR_OLD));
    weir_buf_puts(line, " -> ");
    weir_buf_put(line, shown(sink, record, WEIR_NEW));
    if (line->failed)
        return WEIR_RETRY; /* out of memory */
    sink->host->log(sink->instance, WEIR_LOG_INFO, weir_buf_view(line));
    return WEIR_OK;
}

static void sink_close(void *self)
{
    struct sink *sink = (struct sink *)self;
    weir_buf_free(&sink->line);
    free(sink);
}

static const weir_option options[] = {
    {.name = "attribute",
     .fallback = "\"price\"",
     .type = WEIR_O_STRING,
     .help = "The attribute whose changes are logged."},
    {.name = NULL},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 0),
    .struct_size = sizeof plugin,
    .name = "my_sink",
    .version = "0.1.0",
    .summary = "Logs every change of one attribute.",
    .options = options,
    .repeats = WEIR_R_NONE,
    .open = sink_open,
    .close = sink_close,
    .record = sink_record,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
