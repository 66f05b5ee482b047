/* In steady state a sink allocates nothing per record. Every malloc of the process is counted here;
 * those of the fake host go through util/alloc, which counts too. */
#include "fakehost.h"
#include "unit.h"

#include "util/alloc.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

static uint64_t calls, host_calls_seen,
    fail_in; /* fail_in: the plugin's n-th call from now; 0: none */

/* Counts, and says whether this one is to fail. util/alloc counts its own before they come here. */
static bool fails(void)
{
    bool host = mem_calls() != host_calls_seen;
    host_calls_seen = mem_calls();
    calls++;
    return !host && fail_in > 0 && --fail_in == 0;
}

__attribute__((visibility("default"))) void *malloc(size_t bytes)
{
    return fails() ? NULL : __libc_malloc(bytes);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __libc_calloc(count, bytes);
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t bytes)
{
    return fails() ? NULL : __libc_realloc(old, bytes);
}

static uint64_t plugin_calls(void)
{
    return calls - mem_calls();
}

enum { RECORDS = 50 };

static char *records(void)
{
    char *out = mem_alloc(RECORDS * 512);
    size_t len = (size_t)snprintf(out, 8, "[");
    for (int i = 0; i < RECORDS; i++)
        len += (size_t)snprintf(
            out + len, 512,
            "%s{\"eventID\":\"e\",\"eventName\":\"MODIFY\",\"dynamodb\":{\"Keys\":{\"product_id\":{"
            "\"S\":\"p%d\"}},"
            "\"ApproximateCreationDateTime\":1763850074,\"SequenceNumber\":\"%d\","
            "\"OldImage\":{\"price\":{\"N\":\"1\"}},\"NewImage\":{\"price\":{\"N\":\"2\"}}}}",
            i ? "," : "", i, i);
    snprintf(out + len, 8, "]");
    return out;
}

/* Answers what is open with success, as far as this plugin looks. */
static void answer_all(struct fake *fake, const char *body)
{
    while (fake->in_flight > 0)
        fake_answer_all(fake, body);
}

/* Allocations of the plugin for the third of three equal deliveries. */
static uint64_t steady_state(const char *name, const char *options, const char *body, bool works)
{
    static struct fake fake;
    char *json = records();
    uint64_t used = 0;
    CHECK_INT(fake_open(&fake, fake_load(name), options), 0);
    for (int i = 0; i < 3; i++) {
        uint64_t before = plugin_calls();
        fake_deliver(&fake, json);
        answer_all(&fake, body);
        used = plugin_calls() - before;
        if (works)
            fake_work_all(&fake); /* its thread is the fake host's and not counted */
    }
    fake_close(&fake);
    mem_free(json);
    return used;
}

static void allocations_are_counted(void)
{
    uint64_t before = plugin_calls();
    void *volatile piece = malloc(1);
    CHECK_INT(plugin_calls() - before, 1);
    free(piece);

    static struct fake fake;
    const weir_plugin *plugin = fake_load("stdout");
    before = plugin_calls();
    CHECK_INT(fake_open(&fake, plugin, "{}"), 0);
    CHECK_INT(plugin_calls() - before, 1); /* the instance: a plugin's calls are seen */
    fake_close(&fake);
}

static void pricehistory_allocates_nothing_per_record(void)
{
    CHECK_INT(steady_state("pricehistory", "{}", "{\"UnprocessedItems\":{}}", false), 0);
    CHECK_INT(steady_state("pricehistory", "{\"batch\":1,\"concurrency\":64}", "{}", false), 0);
    CHECK_INT(steady_state("pricehistory", "{\"timestamp\":\"seconds\"}", "{}", false), 0);
    CHECK_INT(steady_state("pricehistory", "{\"timestamp\":\"text\"}", "{\"UnprocessedItems\":{}}",
                           false),
              0);
}

static void sqs_allocates_nothing_per_record(void)
{
    /* every message comes back unnamed: rendering, sending and the queue are the same */
    CHECK_INT(steady_state("sqs", "{\"queue_url\":\"http://h/0/q\"}", "{}", false), 0);
    CHECK_INT(steady_state("sqs", "{\"queue_url\":\"http://h/0/q.fifo\",\"body\":\"plain\"}", "{}",
                           false),
              0);
}

static void stdout_allocates_nothing_per_record(void)
{
    static const char *const options[] = {"{}", "{\"format\":\"json\"}", "{\"format\":\"plain\"}"};
    for (size_t i = 0; i < 3; i++) {
        int saved = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        uint64_t used = steady_state("stdout", options[i], "", true);
        dup2(saved, STDOUT_FILENO);
        close(saved);
        close(null);
        CHECK_INT(used, 0);
    }
}

/* Whichever allocation fails: every record gets an outcome, and the instance goes on or says
 * -ENOMEM. Returns false when the n-th was never made. */
static bool survives(const char *name, const char *options, const char *body, uint64_t n)
{
    static struct fake fake;
    const weir_plugin *plugin = fake_load(name);
    char *json = records();
    fail_in = n;
    int rc = fake_open(&fake, plugin, options);
    if (rc == 0) {
        for (int i = 0; i < 2; i++) {
            struct fake_delivery *delivery = fake_deliver(&fake, json);
            answer_all(&fake, body);
            size_t told = 0;
            for (size_t k = 0; k < fake_count(delivery); k++)
                told += fake_outcome(delivery, k) != 0;
            CHECK_INT(told, RECORDS);
        }
    } else {
        CHECK_INT(rc, -12); /* ENOMEM */
    }
    bool made = fail_in == 0;
    fail_in = 0;
    fake_close(&fake);
    mem_free(json);
    return made;
}

static void F72_any_allocation_may_fail(void)
{
    static const struct {
        const char *name, *options, *body;
    } rows[] = {{"pricehistory", "{}", "{\"UnprocessedItems\":{}}"},
                {"pricehistory", "{\"batch\":1}", "{}"},
                {"pricehistory", "{\"timestamp\":\"seconds\"}", "{}"},
                {"sqs", "{\"queue_url\":\"http://h/0/q\"}", "{}"},
                {"sqs", "{\"queue_url\":\"http://h/0/q.fifo\",\"body\":\"plain\"}", "{}"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t n = 1;
        while (survives(rows[i].name, rows[i].options, rows[i].body, n))
            n++;
        CHECK(n > 5);
    }
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"allocations_are_counted", allocations_are_counted},
        {"pricehistory_allocates_nothing_per_record", pricehistory_allocates_nothing_per_record},
        {"sqs_allocates_nothing_per_record", sqs_allocates_nothing_per_record},
        {"stdout_allocates_nothing_per_record", stdout_allocates_nothing_per_record},
        {"F72_any_allocation_may_fail", F72_any_allocation_may_fail},
        {NULL, NULL},
    };
    return unit_main(argc, argv, "sinks_allocations", tests);
}
