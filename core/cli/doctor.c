/* weir doctor: is everything there that the configuration needs, and may it be used? */
#include "cli/opened.h"
#include "cli/probe.h"
#include "cli/verbs.h"
#include "util/text.h"

#include <sys/resource.h>

enum {
    OWN_FILES = 100,
    SOURCE_FILES = 128,
    SINK_FILES = 64
}; /* connections, as pipeline.c and run_poll.c bound them */

struct doctor {
    struct opened opened;
    size_t count;
    bool color;
};

static const char *const states[] = {
    [FINDING_OK] = "ok", [FINDING_WARN] = "warn", [FINDING_FAIL] = "fail"};

static void put_json(struct doctor *doctor, const struct finding *finding)
{
    struct buf *out = &doctor->opened.out;
    buf_printf(out, "%s{\"state\":\"%s\",\"what\":\"%s\",\"sink\":",
               doctor->count ? "," : "{\"findings\":[", states[finding->state], finding->what);
    if (finding->about)
        buf_put_json_string(out, str_of(finding->about->name));
    else
        buf_puts(out, "null");
    buf_puts(out, ",\"text\":");
    buf_put_json_string(out, str_of(finding->text));
    buf_puts(out, ",\"help\":");
    if (finding->help)
        buf_put_json_string(out, str_of(finding->help));
    else
        buf_puts(out, "null");
    buf_putc(out, '}');
}

static void put_text(struct doctor *doctor, const struct finding *finding)
{
    static const char *const colors[] = {
        [FINDING_OK] = "\033[32m", [FINDING_WARN] = "\033[33m", [FINDING_FAIL] = "\033[31m"};
    struct buf *out = &doctor->opened.out;
    buf_printf(out, "%s%-4s%s  %-11s  %s\n", doctor->color ? colors[finding->state] : "",
               states[finding->state], doctor->color ? "\033[0m" : "", finding->what,
               finding->text);
    if (finding->help)
        buf_printf(out, "                   help: %s\n", finding->help);
}

/* Each as it is found: some questions take seconds to fail. */
static void say(void *arg, const struct finding *finding)
{
    struct doctor *doctor = arg;
    if (doctor->opened.cli->json) {
        put_json(doctor, finding);
    } else {
        put_text(doctor, finding);
        cli_write(doctor->opened.cli->out, &doctor->opened.out);
        buf_reset(&doctor->opened.out);
    }
    doctor->count++;
}

static void check_region(struct probe *probe)
{
    const char *region = aws_region(probe->aws);
    if (*region)
        probe_say(probe, FINDING_OK, "region", NULL, "%s", region);
    else if (probe->config->poll.streams && !probe->config->poll.tables)
        probe_say(probe, FINDING_OK, "region", NULL, "that of the stream's ARN");
    else
        probe_say(probe, FINDING_FAIL, "region", "Set aws.region, or AWS_REGION.", "none is known");
}

/* What the daemon may have open: its own files, and connections to the source and to each sink. */
static void check_limits(struct probe *probe, const struct sink_set *set)
{
    struct rlimit files;
    size_t wanted = OWN_FILES + SOURCE_FILES + SINK_FILES * set->count;
    if (probe_for_lambda(probe) || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    if (files.rlim_cur == RLIM_INFINITY || files.rlim_cur >= wanted)
        probe_say(probe, FINDING_OK, "limits", NULL,
                  "open files: %zu at most, and more are allowed", wanted);
    else
        probe_say(probe, FINDING_WARN, "limits", "Raise ulimit -n, or the unit's LimitNOFILE=.",
                  "open files: %zu at most, but only %llu are allowed", wanted,
                  (unsigned long long)files.rlim_cur);
}

static int examine(struct doctor *doctor)
{
    const struct opened *opened = &doctor->opened;
    struct probe probe;
    int code = probe_open(&probe, opened->cli, opened->config, say, doctor);
    probe.function = opened->cli->function;
    if (code == 0) {
        probe_say(&probe, FINDING_OK, "config", NULL, "%s, %zu sink%s", opened->config->path,
                  opened->set->count, opened->set->count == 1 ? "" : "s");
        if (probe_wants_aws(&probe, opened->set) && probe.aws)
            check_region(&probe);
        probe_source(&probe, opened->set);
        probe_sinks(&probe, opened->set);
        probe_state(&probe);
        check_limits(&probe, opened->set);
        if (opened->cli->json)
            buf_printf(&doctor->opened.out, "],\"ok\":%s}\n", probe.fails ? "false" : "true");
        code = probe.fails ? EXIT_NO : EXIT_DONE;
    }
    probe_close(&probe);
    return code;
}

int verb_doctor(struct cli *cli)
{
    struct doctor doctor = {.color = cli_colors(cli)};
    int code = opened_begin(&doctor.opened, cli, true);
    if (code == 0)
        code = examine(&doctor);
    return opened_end(&doctor.opened, code);
}
