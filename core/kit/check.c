#include "kit/check.h"
#include "kit/check_parts.h"
#include "kit/guard.h"

#include "util/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum {
    ROUNDS_WARM = 2,
    ROUNDS_LEAK = 6,
    LEAK_BYTES = 128, /* of a round, which opens 18 sinks; less is the allocator's rounding */
    OPENS = 3,
    LINE_BYTES = 2048
};

/* ---- the report ---- */

static void send_line(const struct check *check, const char *line, size_t len)
{
    while (len > 0) {
        ssize_t wrote = write(check->request->out, line, len);
        if (wrote < 0 && errno != EINTR)
            return; /* the parent is gone */
        if (wrote > 0) {
            line += wrote;
            len -= (size_t)wrote;
        }
    }
}

__attribute__((format(printf, 5, 0))) static void report(const struct check *check,
                                                         const char *what, const char *name,
                                                         const char *help, const char *format,
                                                         va_list args)
{
    char text[LINE_BYTES / 2], line[LINE_BYTES];
    vsnprintf(text, sizeof text, format, args);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = ' ';
    int len = snprintf(line, sizeof line, "%s\t%s\t%s\t%s\n", what, name, text, help);
    send_line(check, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}

void check_begin(struct check *check, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(check, "@", "", "", format, args);
    va_end(args);
}

void check_ok(struct check *check, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(check, "ok", name, "", format, args);
    va_end(args);
}

void check_note(struct check *check, const char *name, const char *help, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(check, "note", name, help, format, args);
    va_end(args);
}

void check_fail(struct check *check, const char *name, const char *help, const char *format, ...)
{
    va_list args;
    check->failures++;
    va_start(args, format);
    report(check, "FAIL", name, help, format, args);
    va_end(args);
}

/* ---- options ---- */

static void put_example(struct buf *out, const weir_option *option)
{
    switch (option->type) {
    case WEIR_O_INT:
        buf_puts(out, "1");
        break;
    case WEIR_O_BOOL:
        buf_puts(out, "false");
        break;
    case WEIR_O_DURATION_MS:
        buf_puts(out, "\"1s\"");
        break;
    case WEIR_O_SIZE_BYTES:
        buf_puts(out, "\"1MiB\"");
        break;
    case WEIR_O_JSON:
        buf_puts(out, "{}");
        break;
    case WEIR_O_ENUM:
        buf_put_json_string(out, (weir_str){option->choices, strcspn(option->choices, "|")});
        break;
    default:
        buf_puts(out, "\"example\"");
    }
}

/* What was given, or something of the right type for each option that must be set. */
static void choose_options(struct check *check)
{
    struct buf text;
    unsigned count = 0;
    buf_init(&text, sizeof check->options);
    buf_putc(&text, '{');
    for (const weir_option *option = check->desc->options; option && option->name; option++) {
        if (!(option->flags & WEIR_O_REQUIRED))
            continue;
        if (count++ > 0)
            buf_putc(&text, ',');
        buf_put_json_string(&text, str_of(option->name));
        buf_putc(&text, ':');
        put_example(&text, option);
    }
    buf_putc(&text, '}');
    const char *options = check->request->options;
    snprintf(check->options, sizeof check->options, "%s", options ? options : buf_cstr(&text));
    buf_done(&text);
}

/* ---- steps ---- */

static unsigned option_count(const weir_plugin *desc)
{
    unsigned count = 0;
    for (const weir_option *option = desc->options; option && option->name; option++)
        count++;
    return count;
}

static bool load(struct check *check)
{
    struct err err = {0};
    check_begin(check, "loading it");
    if (kit_load(check->request->path, &check->desc_copy, &err) < 0) {
        char *help = strstr(err.msg, "; help: ");
        if (help)
            *help = '\0';
        check_fail(check, "descriptor",
                   help ? help + 8 : "`ldd FILE` shows libraries that are missing.", "%s", err.msg);
        return false;
    }
    check->desc = &check->desc_copy;
    choose_options(check);
    const char *file = strrchr(check->request->path, '/') + 1;
    size_t bytes = strlen(check->desc->name);
    if (strncmp(file, check->desc->name, bytes) != 0 || strcmp(file + bytes, ".so") != 0)
        check_note(check, "name", "A configuration finds a plugin by the name of its file.",
                   "it calls itself %s: rename it to %s.so", check->desc->name, check->desc->name);
    check_ok(check, "descriptor", "%s %s, plugin ABI %u.%u, %u options", check->desc->name,
             check->desc->version, (unsigned)(check->desc->abi >> 16),
             (unsigned)(check->desc->abi & 0xffff), option_count(check->desc));
    return true;
}

static bool open_once(struct check *check)
{
    struct kit_footprint was = kit_footprint();
    weir_test *test = weir_test_open(check->request->path, check->options);
    struct kit_footprint is = kit_footprint();
    const char *refused = weir_test_refused(test);
    if (refused) {
        size_t len = strcspn(refused, "\n");
        check_fail(
            check, "open",
            "Say with --options what its config holds, '{\"NAME\":VALUE}'; `weir plugin info` "
            "shows the options.",
            "with the options %s: %.*s", check->options, (int)len, refused);
    } else if (is.files > was.files) {
        check_fail(check, "open",
                   "open() runs for `weir check`, too: connect and create at the first delivery.",
                   "open() leaves %u files or connections open", is.files - was.files);
    }
    kit_close(test);
    return check->failures == 0;
}

static bool open_and_close(struct check *check)
{
    for (int i = 0; i < OPENS; i++) {
        check_begin(check, "open() and close()");
        if (!open_once(check))
            return false;
    }
    check_ok(check, "open", "open() touches no file and no network");
    return true;
}

/* An extension may be absent: open() refuses then, or the sink does without. */
static void lack_extensions(struct check *check)
{
    static const char *const lacking[] = {"weir.aws/1",    "weir.work/1", "weir.timer/1",
                                          "weir.http/1",   "weir.json/1", "weir.kv/1",
                                          "weir.metrics/1"};
    for (size_t i = 0; i < sizeof lacking / sizeof *lacking; i++) {
        const weir_test_setup setup = {.struct_size = sizeof setup,
                                       .plugin = check->request->path,
                                       .options = check->options,
                                       .without = lacking[i]};
        check_begin(check, "open() in a host without %s", lacking[i]);
        weir_test *test = weir_test_open_with(&setup);
        if (!weir_test_refused(test)) {
            weir_test_batch *batch =
                weir_test_change(test, "{\"id\":\"p1\"}", "{\"price\":1}", "{\"price\":2}");
            weir_test_wait(batch, 50);
            weir_test_cancel(batch);
        }
        kit_close(test);
    }
    check_ok(check, "extensions", "hosts that lack one are refused or survived");
}

static void *scenarios_thread(void *arg)
{
    check_scenarios(arg);
    return NULL;
}

/* The same round, to the byte, each time; on a thread of its own, because the heap counts what a
 * live thread has cached as in use. */
static struct kit_footprint round_again(struct check *check)
{
    pthread_t thread;
    check->round++;
    check->hostile.state = check->request->seed;
    check->hostile.sequence = 0;
    check->threads++;
    if (pthread_create(&thread, NULL, scenarios_thread, check) != 0)
        kit_out_of_memory();
    pthread_join(thread, NULL);
    check->threads--;
    return kit_footprint();
}

static void look_at_leaks(struct check *check)
{
    static const char HELP[] = "close() frees what open() and the deliveries made; valgrind or "
                               "AddressSanitizer show where.";
    unsigned heap = 0, files = 0, threads = 0;
    size_t least = SIZE_MAX;
    struct kit_footprint was, is = round_again(check);
    for (unsigned round = 0; round < ROUNDS_LEAK && check->failures == 0; round++) {
        was = is;
        is = round_again(check);
        size_t more = is.heap_bytes > was.heap_bytes ? is.heap_bytes - was.heap_bytes : 0;
        least = more < least ? more : least;
        heap += more >= LEAK_BYTES;
        files += is.files > was.files;
        threads += is.threads > was.threads;
        if (heap <= round && files <= round && threads <= round)
            break; /* a round without growth */
    }
    if (check->failures > 0)
        return;
    if (heap == ROUNDS_LEAK)
        check_fail(check, "leaks", HELP, "every round leaves memory behind, %zu bytes or more",
                   least);
    if (files == ROUNDS_LEAK)
        check_fail(check, "leaks", HELP, "every round leaves files or connections open");
    if (threads == ROUNDS_LEAK)
        check_fail(check, "leaks", "close() ends and joins the plugin's threads.",
                   "every round leaves threads behind");
    if (check->failures == 0)
        check_ok(check, "leaks", "no memory, file or thread is left behind");
}

void check_run(const struct check_request *request)
{
    struct check check = {.request = request,
                          .hostile = {.state = request->seed},
                          .threads = kit_footprint().threads};
    struct check_state state;
    guard_start(request->out);
    check_state_read(&state);
    buf_init(&check.text, KIT_TEXT_BYTES_MAX);
    if (load(&check) && open_and_close(&check)) {
        for (; check.round < ROUNDS_WARM && check.failures == 0; check.round++)
            check_scenarios(&check);
        if (check.failures == 0)
            look_at_leaks(&check);
        if (check.failures == 0)
            check_ok(&check, "records",
                     "%llu given to pairs of sinks, hostile ones among them, each completed once; "
                     "%llu calls answered",
                     (unsigned long long)check.records, (unsigned long long)check.calls);
        if (check.failures == 0)
            lack_extensions(&check);
        check_begin(&check, "looking at the process");
        check_state_compare(&check, &state);
    }
    buf_done(&check.text);
    send_line(&check, "end\n", 4);
}
