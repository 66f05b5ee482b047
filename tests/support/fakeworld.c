#include "fakehost.h"
#include "unit.h"

#include "util/alloc.h"

#include <stdio.h>

/* ---- weir.work/1 ---- */

static int32_t work_submit(weir_instance *instance, void (*run)(void *), void (*done)(void *),
                           void *arg)
{
    struct fake *fake = fake_of(instance);
    CHECK_FATAL(fake->work_count < FAKE_WORKS_MAX);
    fake->works[fake->work_count].run = run;
    fake->works[fake->work_count].done = done;
    fake->works[fake->work_count++].arg = arg;
    return 0;
}

const weir_work fake_work_table = {1, sizeof fake_work_table, work_submit};

static void *work_thread(void *arg)
{
    struct fake *fake = arg;
    fake->works[0].run(fake->works[0].arg);
    return NULL;
}

void fake_work_begin(struct fake *fake)
{
    CHECK_FATAL(fake->work_count > 0 && !fake->thread_runs);
    fake->thread_runs = true;
    CHECK_INT(pthread_create(&fake->thread, NULL, work_thread, fake), 0);
}

void fake_work_end(struct fake *fake)
{
    pthread_join(fake->thread, NULL);
    fake->thread_runs = false;
    void (*done)(void *) = fake->works[0].done;
    void *arg = fake->works[0].arg;
    fake->work_count--;
    memmove(&fake->works[0], &fake->works[1], fake->work_count * sizeof fake->works[0]);
    done(arg);
}

bool fake_work(struct fake *fake)
{
    if (fake->work_count == 0)
        return false;
    fake_work_begin(fake);
    fake_work_end(fake);
    return true;
}

void fake_work_all(struct fake *fake)
{
    while (fake_work(fake))
        ;
}

/* ---- weir.aws/1 ---- */

static void copy(char *to, size_t bytes, weir_str from)
{
    snprintf(to, bytes, "%.*s", (int)from.len, from.ptr ? from.ptr : "");
}

static int32_t aws_call(weir_instance *instance, const weir_aws_request *request,
                        weir_aws_done done, void *arg, uint64_t *call_id)
{
    struct fake *fake = fake_of(instance);
    if (fake->refuse_calls > 0) {
        fake->refuse_calls--;
        return fake->refuse_with;
    }
    CHECK_FATAL(fake->call_count < FAKE_CALLS_MAX);
    struct fake_call *call = &fake->calls[fake->call_count++];
    *call = (struct fake_call){.live_body = request->body,
                               .id = 1000 + fake->call_count,
                               .token = request->token,
                               .concurrency = request->concurrency,
                               .done = done,
                               .arg = arg};
    CHECK_INT(request->struct_size, sizeof *request);
    copy(call->service, sizeof call->service, str_of(request->service));
    copy(call->target, sizeof call->target, str_of(request->target));
    copy(call->json, sizeof call->json, str_of(request->json));
    copy(call->endpoint, sizeof call->endpoint, request->endpoint);
    copy(call->region, sizeof call->region, request->region);
    copy(call->path, sizeof call->path, str_of(request->path));
    call->protocol = request->protocol;
    for (size_t i = 0, len = 0; i < request->header_count; i++)
        len +=
            (size_t)snprintf(call->headers + len, sizeof call->headers - len, "%.*s: %.*s\n",
                             STR_ARG(request->headers[i].name), STR_ARG(request->headers[i].value));
    call->body = mem_dup0(request->body.ptr, request->body.len);
    if (call_id)
        *call_id = call->id;
    if (++fake->in_flight > fake->in_flight_most)
        fake->in_flight_most = fake->in_flight;
    return 0;
}

static void aws_abort(weir_instance *instance, uint64_t call_id)
{
    struct fake *fake = fake_of(instance);
    for (size_t i = 0; i < fake->call_count; i++)
        if (fake->calls[i].id == call_id)
            fake->calls[i].aborted = true;
}

const weir_aws fake_aws_table_1 = {1, sizeof fake_aws_table_1, aws_call, aws_abort};
const weir_aws fake_aws_table = {2, sizeof fake_aws_table, aws_call, aws_abort};

static void answer(struct fake *fake, size_t index, const weir_aws_response *response)
{
    CHECK_FATAL(index < fake->call_count && !fake->calls[index].answered);
    struct fake_call *call = &fake->calls[index];
    CHECK(str_is(call->live_body, call->body));
    call->answered = true;
    fake->in_flight--;
    call->done(call->arg, response);
}

void fake_answer_error(struct fake *fake, size_t call, int outcome, int status, const char *type,
                       const char *message, const char *body)
{
    weir_aws_response response = {.struct_size = sizeof response,
                                  .outcome = outcome,
                                  .status = status,
                                  .sent = status > 0,
                                  .body = str_of(body),
                                  .error_type = str_of(type),
                                  .error_message = str_of(message)};
    answer(fake, call, &response);
}

void fake_answer_headers(struct fake *fake, size_t call, int outcome, int status,
                         const char *headers, const char *body)
{
    const weir_aws_response response = {.struct_size = sizeof response,
                                        .outcome = outcome,
                                        .status = status,
                                        .sent = status > 0,
                                        .body = str_of(body),
                                        .headers = str_of(headers)};
    answer(fake, call, &response);
}

void fake_answer(struct fake *fake, size_t call, int outcome, int status, const char *body)
{
    fake_answer_error(fake, call, outcome, status, NULL, NULL, body);
}

void fake_answer_all(struct fake *fake, const char *body)
{
    for (size_t i = 0; i < fake->call_count; i++) {
        if (fake->calls[i].answered)
            continue;
        if (fake->calls[i].aborted)
            fake_answer_error(fake, i, WEIR_RETRY, 0, "Aborted", "aborted", "");
        else
            fake_answer(fake, i, WEIR_OK, 200, body);
    }
}
