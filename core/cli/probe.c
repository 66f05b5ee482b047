#include "cli/probe.h"

#include "loop/loop.h"
#include "util/text.h"

#include <stdarg.h>

enum { TIMEOUT_MS = 5000, ATTEMPTS = 2, BODY_BYTES_MAX = 16 << 10, SKEW_WARN_US = 60 * 1000000 };

int probe_open(struct probe *probe, const struct cli *cli, const struct config *config,
               void (*say)(void *arg, const struct finding *finding), void *arg)
{
    struct loop_config loop_config = {0};
    struct err err = {0};
    *probe = (struct probe){.config = config, .say = say, .arg = arg};
    buf_init(&probe->body, BODY_BYTES_MAX);
    buf_init(&probe->answer, 2 << 20);
    if (loop_new(&loop_config, &probe->loop, &err) < 0)
        return cli_fail(cli, EXIT_SOFTWARE, NULL, "%s", err.msg);
    loop_world(probe->loop, &probe->world);
    struct aws_config aws = {.region = config->aws.region,
                             .endpoint_url = config->aws.endpoint_url,
                             .profile = config->aws.profile,
                             .endpoints = config->aws.endpoints,
                             .endpoint_count = config->aws.endpoint_count,
                             .allow_http = config->aws.allow_http,
                             .environ_block = cli->environ_block};
    if (aws_client_new(&probe->world, &aws, &probe->aws, &err) < 0) {
        probe->aws = NULL;
        probe->hopeless = true;
        probe_say(probe, FINDING_FAIL, "aws", "Look at \"aws\", AWS_PROFILE and ~/.aws/config.",
                  "%s", err.msg);
    }
    return 0;
}

void probe_close(struct probe *probe)
{
    aws_client_free(probe->aws);
    if (probe->loop)
        loop_free(probe->loop);
    buf_done(&probe->body);
    buf_done(&probe->answer);
}

/* ---- what was found ---- */

static void __attribute__((format(printf, 3, 0)))
say(struct probe *probe, struct finding *finding, const char *format, va_list args)
{
    char text[800];
    vsnprintf(text, sizeof text, format, args);
    finding->text = text;
    probe->fails += finding->state == FINDING_FAIL;
    probe->say(probe->arg, finding);
}

void probe_say(struct probe *probe, enum finding_state state, const char *what, const char *help,
               const char *format, ...)
{
    struct finding finding = {.state = state, .what = what, .help = help};
    va_list args;
    va_start(args, format);
    say(probe, &finding, format, args);
    va_end(args);
}

void probe_say_of(struct probe *probe, const struct sink_config *sink, enum finding_state state,
                  const char *help, const char *format, ...)
{
    struct finding finding = {.state = state, .what = "sink", .about = sink, .help = help};
    va_list args;
    va_start(args, format);
    say(probe, &finding, format, args);
    va_end(args);
}

static void tell_clock(struct probe *probe, int64_t skew_us)
{
    bool ahead = skew_us < 0;
    int64_t off_s = (ahead ? -skew_us : skew_us) / 1000000;
    if (off_s * 1000000 < SKEW_WARN_US)
        probe_say(probe, FINDING_OK, "clock", NULL, "agrees with AWS's");
    else
        probe_say(
            probe, FINDING_WARN, "clock",
            "Let NTP set it (chronyc tracking, timedatectl): ages and lags are measured by it.",
            "this machine is %lld s %s; requests are signed by AWS's time", (long long)off_s,
            ahead ? "ahead of AWS" : "behind AWS");
}

/* Once, by the first answer, or by there being none. */
static void tell_surroundings(struct probe *probe, const char *service)
{
    struct aws_view view = aws_client_view(probe->aws, service);
    bool answered = probe->outcome != AWS_UNAVAILABLE && probe->outcome != AWS_AMBIGUOUS;
    probe->surroundings_told = true;
    if (!view.credentials) {
        probe->hopeless = true;
        probe_say(probe, FINDING_FAIL, "credentials",
                  "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or give the machine "
                  "a role.",
                  "%s", probe->message);
        return;
    }
    probe_say(probe, FINDING_OK, "credentials", NULL, "by the provider \"%s\"", view.credentials);
    if (!answered) {
        probe->hopeless = true;
        probe_say(probe, FINDING_FAIL, "endpoint",
                  "Check aws.endpoint_url, the region, and the way there (DNS, proxy, firewall).",
                  "%s: %s", view.url ? view.url : service, probe->message);
        return;
    }
    probe_say(probe, FINDING_OK, "endpoint", NULL, "%s answers", view.url ? view.url : service);
    tell_clock(probe, view.skew_us);
}

/* ---- questions ---- */

static void copy(char *out, size_t size, weir_str text)
{
    snprintf(out, size, "%.*s", (int)(text.len < size ? text.len : size - 1), text.ptr);
}

static void on_answer(struct aws_call *call)
{
    struct probe *probe = call->arg;
    probe->open = false;
    probe->outcome = call->outcome;
    copy(probe->type, sizeof probe->type, call->error_type);
    struct buf shown;
    buf_init(&shown, sizeof probe->message * 4);
    buf_put_visible(&shown, call->error_message.len ? call->error_message : call->error_type,
                    sizeof probe->message - 1);
    copy(probe->message, sizeof probe->message, buf_str(&shown));
    buf_done(&shown);
    buf_put_str(&probe->answer, call->answer);
    loop_stop(probe->loop);
}

bool probe_ask(struct probe *probe, const struct question *question)
{
    buf_reset(&probe->answer);
    probe->outcome = AWS_ERROR;
    snprintf(probe->message, sizeof probe->message, "out of memory");
    if (probe->hopeless || probe->body.failed)
        return false;
    probe->call = (struct aws_call){.service = question->service,
                                    .target = question->target,
                                    .json = question->json,
                                    .protocol = question->get || question->post ? AWS_REST
                                                : question->form                ? AWS_QUERY
                                                                                : AWS_JSON,
                                    .path = question->get ? question->get : question->post,
                                    .headers = question->header,
                                    .header_count = question->header ? 1 : 0,
                                    .get = question->get != NULL,
                                    .body = buf_str(&probe->body),
                                    .region = question->region,
                                    .endpoint = question->endpoint,
                                    .timeout_ms = TIMEOUT_MS,
                                    .max_attempts = ATTEMPTS,
                                    .done = on_answer,
                                    .arg = probe};
    probe->open = aws_call_start(probe->aws, &probe->call) == 0;
    while (probe->open)
        loop_run(probe->loop);
    if (!probe->surroundings_told)
        tell_surroundings(probe, question->service);
    return probe->outcome == AWS_OK && !probe->answer.failed;
}
