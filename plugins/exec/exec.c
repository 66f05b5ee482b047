/* The exec sink: records go as lines of JSON to a program of any kind, which answers each one. */
#include "exec/exec.h"

#include <errno.h>

static void exec_free(struct exec *exec)
{
    settings_free(&exec->settings);
    weir_buf_free(&exec->talk.line);
    weir_buf_free(&exec->talk.out);
    weir_buf_free(&exec->talk.in);
    free(exec);
}

static void exec_close(void *self)
{
    struct exec *exec = self;
    inbox_close(&exec->inbox);
    exec_free(exec);
}

static void exec_deliver(void *self, weir_delivery *delivery)
{
    struct exec *exec = self;
    inbox_deliver(&exec->inbox, delivery, talk_run, exec);
}

static void exec_cancel(void *self, uint64_t token)
{
    struct exec *exec = self;
    inbox_cancel(&exec->inbox, token);
}

static void declare(const struct exec *exec)
{
    weir_buf text = {0};
    put_text(&text, "program ");
    put_visible(&text, weir_cstr(exec->settings.program), 160);
    exec->inbox.host->declare(exec->inbox.instance, WEIR_D_TARGET, weir_buf_view(&text));
    weir_buf_free(&text);
}

static int32_t exec_open(const weir_host *host, weir_instance *instance, void **self)
{
    struct exec *exec = calloc(1, sizeof *exec);
    if (!exec)
        return -ENOMEM;
    exec->talk.child = (struct child)CHILD_NONE;
    exec->json = host->extension(instance, WEIR_EXT_JSON);
    int rc = inbox_open(&exec->inbox, host, instance);
    if (rc < 0) {
        free(exec);
        return rc;
    }
    if (!exec->json) {
        host->log(instance, WEIR_LOG_ERROR, WEIR_STR("this host has no weir.json/1"));
        rc = -ENOTSUP;
    }
    if (rc == 0)
        rc = settings_read(exec, host, instance);
    if (rc == 0)
        rc = body_open(&exec->body, host, instance);
    if (rc < 0) {
        exec_close(exec);
        return rc;
    }
    declare(exec);
    *self = exec;
    return 0;
}

static const weir_option options[] = {
    {"program", NULL, WEIR_O_PATH, WEIR_O_REQUIRED, NULL,
     "The program; no shell is between. It answers each line that it reads."},
    {"args", "[]", WEIR_O_JSON, 0, NULL, "A list of its arguments."},
    {"cwd", "\".\"", WEIR_O_PATH, 0, NULL, "The folder that it runs in."},
    {"pass_env", "[\"PATH\",\"HOME\",\"LANG\",\"LC_ALL\",\"TZ\",\"TMPDIR\"]", WEIR_O_JSON, 0, NULL,
     "Names of weir's own environment variables that it gets; no others."},
    {"env", "{}", WEIR_O_JSON, WEIR_O_SECRET, NULL,
     "An object of further variables and their values."},
    BODY_OPTIONS,
    {"window", "64", WEIR_O_INT, 0, NULL, "Records that it has at once, 1 to 1000."},
    {"answer_timeout", "\"30s\"", WEIR_O_DURATION_MS, 0, NULL,
     "For each record from its line to its answer; then the program is killed and started anew."},
    {"grace", "\"2s\"", WEIR_O_DURATION_MS, 0, NULL,
     "At the end, from the end of its input until TERM; 0s to 5s."},
    {"restart_max", "\"10s\"", WEIR_O_DURATION_MS, 0, NULL,
     "The longest wait before it is started again."},
    {"insecure", "false", WEIR_O_BOOL, 0, NULL,
     "Skips the checks of owner and mode of the program's file."},
    {0},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 1),
    .struct_size = sizeof plugin,
    .name = "exec",
    .version = "1.0.0",
    .summary = "Hands records to a program of your own, in any language, by lines of JSON.",
    .options = options,
    .repeats = WEIR_R_KEYED,
    .batch_records = 64,
    .open = exec_open,
    .close = exec_close,
    .deliver = exec_deliver,
    .cancel = exec_cancel,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
