/* weir test: the tests that a configuration holds. */
#include "cli/opened.h"
#include "cli/records.h"
#include "cli/verbs.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>

enum { INPUT_MAX_BYTES = 64 << 20, WHY_BYTES = 16 << 10 };

/* What ran so far, over all files. */
struct suite {
    struct cli *cli;
    struct buf report; /* as --tap, --json or text */
    struct buf junit;  /* the cases of --junit */
    size_t passed, failed;
};

/* One test at work. */
struct trial {
    struct opened *opened;
    const struct test_config *test;
    struct batch *batch;
    struct buf why; /* lines, what is wrong; empty = passed */
};

/* ---- its records ---- */

static const char *event_of(const struct json_value *input)
{
    weir_str event = json_text(input, "event");
    const struct json_value *old = json_member0(input, "old"), *new = json_member0(input, "new");
    if (event.len)
        return str_is(event, "INSERT") ? "INSERT" : str_is(event, "REMOVE") ? "REMOVE" : "MODIFY";
    return old && new ? "MODIFY" : old ? "REMOVE" : "INSERT";
}

/* A table of the source, so that a test sees what its sinks will see. */
static const char *table_of(const struct config *config)
{
    return config->poll.tables && config->poll.tables[0] ? config->poll.tables[0] : "Test";
}

static void put_image(const struct json_value *input, const char *member, const char *name,
                      struct buf *out)
{
    const struct json_value *image = json_member0(input, member);
    if (!image)
        return;
    buf_printf(out, ",\"%s\":", name);
    records_put_item(image, json_member0(input, "keys"), out);
}

static void put_record(const struct config *config, const struct json_value *input, size_t number,
                       struct buf *out)
{
    static const struct json_value nothing = {.kind = JSON_OBJECT};
    const struct json_value *keys = json_member0(input, "keys");
    const struct json_value *ttl = json_member0(input, "ttl");
    buf_printf(out,
               "{\"eventID\":\"test-%zu\",\"eventName\":\"%s\",\"eventVersion\":\"1.1\","
               "\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"us-east-1\",",
               number, event_of(input));
    if (ttl && ttl->kind == JSON_TRUE)
        buf_puts(out, "\"userIdentity\":{\"type\":\"Service\","
                      "\"principalId\":\"dynamodb.amazonaws.com\"},");
    buf_puts(out, "\"dynamodb\":{\"ApproximateCreationDateTime\":1768471200,\"Keys\":");
    records_put_item(keys ? keys : &nothing, NULL, out);
    put_image(input, "new", "NewImage", out);
    put_image(input, "old", "OldImage", out);
    buf_printf(out,
               ",\"SequenceNumber\":\"%zu\",\"SizeBytes\":1},\"eventSourceARN\":"
               "\"arn:aws:dynamodb:us-east-1:000000000000:table/",
               number);
    buf_puts(out, table_of(config));
    buf_puts(out, "/stream/2026-01-15T10:00:00.000\"}");
}

static int decode(struct trial *trial)
{
    const struct json_value *input = trial->test->input;
    const struct json_value *one = input->kind == JSON_ARRAY ? input->first : input;
    struct buf bytes;
    struct err err = {0};
    size_t number = 0;
    buf_init(&bytes, INPUT_MAX_BYTES);
    buf_puts(&bytes, "{\"Records\":[");
    for (; one; one = input->kind == JSON_ARRAY ? one->next : NULL) {
        const struct json_value *whole = json_member0(one, "record");
        buf_puts(&bytes, number++ ? "," : "");
        if (whole)
            buf_put_str(&bytes, whole->raw);
        else
            put_record(trial->opened->config, one, number, &bytes);
    }
    buf_puts(&bytes, "]}");
    if (bytes.failed) {
        buf_done(&bytes);
        return -ENOMEM;
    }
    int rc = records_decode(&bytes, &trial->batch, &err);
    if (rc < 0 && rc != -ENOMEM) {
        buf_printf(&trial->why, "its input is no record: %s\n", err.msg);
        return 0;
    }
    return rc;
}

/* ---- what they do ---- */

static void put_reasons(struct trial *trial, size_t sink)
{
    for (size_t i = 0; i < trial->batch->record_count; i++) {
        struct buf *why = &trial->why;
        buf_puts(why, trial->batch->record_count > 1 ? "  record " : "  ");
        if (trial->batch->record_count > 1)
            buf_printf(why, "%zu: ", i + 1);
        if (trial->opened->set->sinks[sink].rule_count == 0)
            buf_puts(why, "no match: gets dead letters only");
        else
            match_explain(trial->opened->set->plan, sink, trial->batch->records[i], why);
        buf_putc(why, '\n');
    }
}

static void compare(struct trial *trial, size_t sink, int64_t wanted)
{
    const struct built_sink *built = &trial->opened->set->sinks[sink];
    struct buf line;
    int64_t got = 0;
    buf_init(&line, WHY_BYTES);
    for (size_t i = 0; i < trial->batch->record_count && built->rule_count; i++) {
        buf_reset(&line);
        got += match_explain(trial->opened->set->plan, sink, trial->batch->records[i], &line);
    }
    buf_done(&line);
    if (got == wanted)
        return;
    buf_printf(&trial->why, "%s: wants %" PRId64 " record%s, gets %" PRId64 "\n",
               built->config->name, wanted, wanted == 1 ? "" : "s", got);
    put_reasons(trial, sink);
}

static void judge(struct trial *trial)
{
    const struct sink_set *set = trial->opened->set;
    for (size_t i = 0; i < trial->batch->record_count; i++)
        if (trial->batch->records[i]->poison)
            buf_printf(&trial->why, "record %zu can't be decoded: %s\n", i + 1,
                       trial->batch->records[i]->poison);
    const struct json_value *count = trial->test->counts->first;
    for (; count; count = count->next) {
        int64_t wanted = 0;
        size_t sink = 0;
        json_i64(count, &wanted);
        while (sink < set->count && !str_is(count->name, set->sinks[sink].config->name))
            sink++;
        if (str_starts(count->name, STR("x-")))
            continue;
        if (sink < set->count)
            compare(trial, sink, wanted);
        else if (wanted != 0) /* a sink that is not enabled gets nothing */
            buf_printf(&trial->why, "%.*s: wants %" PRId64 " records, but is not enabled\n",
                       STR_ARG(count->name), wanted);
    }
}

/* ---- reports ---- */

static void put_visible(struct buf *out, const char *text)
{
    buf_put_visible(out, str_of(text), 400);
}

/* Each line of `text` with `before` in front. */
static void put_lines(struct buf *out, const char *before, weir_str text)
{
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        buf_printf(out, "%s%.*s\n", before, (int)len, text.ptr);
        len += end != NULL;
        text = (weir_str){text.ptr + len, text.len - len};
    }
}

static void put_xml(struct buf *out, weir_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        const char *entity = c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : NULL;
        if (c == '"')
            entity = "&quot;";
        if (entity)
            buf_puts(out, entity);
        else
            buf_putc(out, (c < ' ' && c != '\n') || c >= 127 ? '?' : (char)c);
    }
}

static void report_junit(struct suite *suite, const char *file, const char *name, weir_str why)
{
    struct buf *out = &suite->junit;
    buf_puts(out, "  <testcase classname=\"");
    put_xml(out, str_of(file));
    buf_puts(out, "\" name=\"");
    put_xml(out, str_of(name));
    if (why.len == 0) {
        buf_puts(out, "\"/>\n");
        return;
    }
    const char *end = memchr(why.ptr, '\n', why.len);
    buf_puts(out, "\">\n    <failure message=\"");
    put_xml(out, (weir_str){why.ptr, end ? (size_t)(end - why.ptr) : why.len});
    buf_puts(out, "\">");
    put_xml(out, why);
    buf_puts(out, "</failure>\n  </testcase>\n");
}

static void report_json(struct suite *suite, const char *file, const char *name, weir_str why)
{
    struct buf *out = &suite->report;
    buf_put_comma(out);
    buf_putc(out, '{');
    buf_put_text_member(out, "name", name);
    buf_put_text_member(out, "file", file);
    buf_put_flag_member(out, "ok", why.len == 0);
    buf_put_key(out, "problem");
    if (why.len)
        buf_put_json_string(out, why);
    else
        buf_puts(out, "null");
    buf_putc(out, '}');
}

static void report(struct suite *suite, const char *file, const char *name, weir_str why)
{
    struct buf *out = &suite->report;
    size_t number = suite->passed + suite->failed + 1;
    if (why.len)
        suite->failed++;
    else
        suite->passed++;
    report_junit(suite, file, name, why);
    if (suite->cli->json) {
        report_json(suite, file, name, why);
    } else if (suite->cli->tap) {
        buf_printf(out, "%sok %zu - ", why.len ? "not " : "", number);
        put_visible(out, name);
        buf_putc(out, '\n');
        put_lines(out, "# ", why);
    } else if (why.len || !suite->cli->quiet) {
        buf_puts(out, why.len ? "FAIL  " : "ok    ");
        put_visible(out, name);
        buf_putc(out, '\n');
        put_lines(out, "      ", why);
    }
}

/* ---- running ---- */

static int run_test(struct suite *suite, struct opened *opened, const struct test_config *test)
{
    struct trial trial = {.opened = opened, .test = test};
    const char *path = opened->config->path;
    buf_init(&trial.why, 1 << 20);
    int rc = decode(&trial);
    if (rc == 0 && trial.batch)
        judge(&trial);
    if (rc == 0)
        report(suite, path ? path : "weir", test->name, buf_str(&trial.why));
    batch_unref(trial.batch);
    buf_done(&trial.why);
    return rc < 0 ? cli_fail(suite->cli, EXIT_SOFTWARE, NULL, "out of memory") : 0;
}

static int run_file(struct suite *suite, const char *path)
{
    struct opened opened;
    struct cli cli = *suite->cli;
    if (path)
        cli.config_path = path;
    int code = opened_begin(&opened, &cli, true);
    for (size_t i = 0; code == 0 && i < opened.config->test_count; i++) {
        const struct test_config *test = &opened.config->tests[i];
        if (!cli.filter || strstr(test->name, cli.filter))
            code = run_test(suite, &opened, test);
    }
    return opened_end(&opened, code);
}

static int write_junit(struct suite *suite)
{
    struct buf out;
    const char *path = suite->cli->junit;
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!path)
        return 0;
    if (!file)
        return cli_fail(suite->cli, EXIT_NO, NULL, "can't write %s: %s", path, strerror(errno));
    buf_init(&out, INPUT_MAX_BYTES);
    buf_printf(&out,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<testsuite name=\"weir\" tests=\"%zu\" failures=\"%zu\">\n",
               suite->passed + suite->failed, suite->failed);
    buf_put_str(&out, buf_str(&suite->junit));
    buf_puts(&out, "</testsuite>\n");
    bool written = cli_write(file, &out);
    buf_done(&out);
    return fclose(file) == 0 && written
               ? 0
               : cli_fail(suite->cli, EXIT_NO, NULL, "can't write %s", path);
}

static int conclude(struct suite *suite)
{
    struct cli *cli = suite->cli;
    struct buf *out = &suite->report;
    if (cli->json)
        buf_printf(out, "],\"passed\":%zu,\"failed\":%zu}\n", suite->passed, suite->failed);
    else if (cli->tap)
        buf_printf(out, "1..%zu\n", suite->passed + suite->failed);
    else
        buf_printf(out, "%zu passed, %zu failed\n", suite->passed, suite->failed);
    int code = write_junit(suite);
    if (!cli_write(cli->out, out) && code == 0)
        code = EXIT_NO;
    if (code == 0 && suite->passed + suite->failed == 0)
        return cli_fail(cli, EXIT_NO, NULL, "there is no test%s%s%s", cli->filter ? " of \"" : "",
                        cli->filter ? cli->filter : "", cli->filter ? "\" in its name" : "");
    return code == 0 && suite->failed ? EXIT_NO : code;
}

int verb_test(struct cli *cli)
{
    struct suite suite = {.cli = cli};
    int code = 0;
    buf_init(&suite.report, INPUT_MAX_BYTES);
    buf_init(&suite.junit, INPUT_MAX_BYTES);
    if (cli->json)
        buf_puts(&suite.report, "{\"tests\":[");
    else if (cli->tap)
        buf_puts(&suite.report, "TAP version 13\n");
    if (cli->arg_count == 0)
        code = run_file(&suite, NULL);
    for (size_t i = 0; i < cli->arg_count && code == 0; i++)
        code = run_file(&suite, cli->args[i]);
    if (code == 0)
        code = conclude(&suite);
    buf_done(&suite.report);
    buf_done(&suite.junit);
    return code;
}
