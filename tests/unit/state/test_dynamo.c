/* The DynamoDB store against a model of its table: two processes, a network that fails. */
#include "state/dynamo.h"
#include "unit.h"
#include "vtable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static char *environment[] = {(char *)"AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
                              (char *)"AWS_SECRET_ACCESS_KEY=secret",
                              (char *)"AWS_REGION=eu-west-1", (char *)"HOME=/nonexistent", NULL};

struct process {
    struct world world;
    struct vhost host;
    struct aws_config aws_config;
    struct aws_client *aws;
    struct dynamo_store *dynamo;
    struct store store;
    struct store_owner owner;
    int owned, lost, released, saved, loaded; /* times told */
    int64_t owned_ms;                         /* when */
    int status;
    char reason[512], logged[800];
    size_t lines;
    char rows[4096];
    struct store_save save;
    struct store_load load;
};

struct rig {
    struct vworld world;
    struct vtable table;
    struct process a, b;
};

static void on_owner(struct store_owner *owner, bool owned, const char *reason)
{
    struct process *process = owner->arg;
    *(owned ? &process->owned : &process->lost) += 1;
    if (owned)
        process->owned_ms = process->world.clock.now_ms(process->world.clock.ctx);
    snprintf(process->reason, sizeof process->reason, "%s", reason);
}

static void on_saved(struct store_save *save, int status)
{
    struct process *process = save->arg;
    process->saved++;
    process->status = status;
    snprintf(process->reason, sizeof process->reason, "%s", save->reason);
}

static void on_loaded(struct store_load *load, int status)
{
    struct process *process = load->arg;
    size_t len = 0;
    process->loaded++;
    process->status = status;
    process->rows[0] = '\0';
    snprintf(process->reason, sizeof process->reason, "%s", load->reason);
    for (size_t i = 0; i < load->count && len < sizeof process->rows; i++)
        len += (size_t)snprintf(process->rows + len, sizeof process->rows - len, "%d %.*s %.*s|",
                                load->rows[i].kind, STR_ARG(load->rows[i].shard),
                                STR_ARG(load->rows[i].position));
}

static void on_released(void *arg)
{
    ((struct process *)arg)->released++;
}

static void on_log(void *ctx, int level, const char *component, const char *code, const char *msg)
{
    struct process *process = ctx;
    (void)level;
    (void)component;
    process->lines++;
    snprintf(process->logged, sizeof process->logged, "%s %s", code ? code : "-", msg);
}

static void boot(struct rig *rig, struct process *process, const char *who)
{
    *process = (struct process){.world = rig->world.world,
                                .host = {.table = &rig->table},
                                .aws_config = {.environ_block = environment},
                                .owner = {on_owner, process}};
    vhost_transport(&process->host, &process->world.transport);
    CHECK_FATAL(aws_client_new(&process->world, &process->aws_config, &process->aws, NULL) == 0);
    struct dynamo_config config = {.world = &process->world,
                                   .aws = process->aws,
                                   .table = "State",
                                   .pipeline = "prices",
                                   .who = who,
                                   .log = on_log,
                                   .log_ctx = process};
    CHECK_FATAL(dynamo_store_new(&config, &process->dynamo) == 0);
    dynamo_store_seam(process->dynamo, &process->store);
}

static void acquire(struct process *process)
{
    CHECK_INT(process->store.acquire(process->store.ctx, &process->owner), 0);
    CHECK_INT(process->owned + process->lost, 0);
}

static bool owned(const struct process *process)
{
    return process->store.owned(process->store.ctx);
}

static void release(struct rig *rig, struct process *process)
{
    process->store.release(process->store.ctx, on_released, process);
    CHECK_INT(process->released, 0);
    vworld_run(&rig->world, 5000);
    CHECK_INT(process->released, 1);
    CHECK(!owned(process));
}

static void halt(struct process *process)
{
    dynamo_store_free(process->dynamo);
    aws_client_free(process->aws);
}

static void begin(struct rig *rig)
{
    *rig = (struct rig){0};
    vworld_init(&rig->world, 7);
    vtable_init(&rig->table, &rig->world, "State");
    boot(rig, &rig->a, "process 1 on a");
    boot(rig, &rig->b, "process 2 on b");
}

/* The first owns it, the second waits. */
static void begin_pair(struct rig *rig)
{
    begin(rig);
    acquire(&rig->a);
    vworld_run(&rig->world, 1000);
    CHECK_FATAL(rig->a.owned == 1);
    acquire(&rig->b);
    vworld_run(&rig->world, 20000);
    CHECK_FATAL(rig->b.owned == 0 && owned(&rig->a));
}

static void end(struct rig *rig)
{
    if (!rig->a.released)
        release(rig, &rig->a);
    if (!rig->b.released)
        release(rig, &rig->b);
    halt(&rig->a);
    halt(&rig->b);
    vtable_done(&rig->table);
    vworld_done(&rig->world);
}

static struct state_row row_of(const char *shard, const char *position)
{
    return (struct state_row){.kind = STATE_POSITION,
                              .sink = STR("s"),
                              .stream = STR("arn"),
                              .shard = str_of(shard),
                              .position = str_of(position)};
}

static void start_save(struct process *process, const struct state_row *rows, size_t count)
{
    process->save =
        (struct store_save){.rows = rows, .count = count, .done = on_saved, .arg = process};
    process->saved = 0;
    CHECK_INT(process->store.save(process->store.ctx, &process->save), 0);
    CHECK_INT(process->saved, 0);
}

static int save(struct rig *rig, struct process *process, const struct state_row *rows,
                size_t count)
{
    start_save(process, rows, count);
    vworld_run(&rig->world, 200);
    CHECK_INT(process->saved, 1);
    return process->status;
}

static const char *load(struct rig *rig, struct process *process)
{
    process->load = (struct store_load){.done = on_loaded, .arg = process};
    process->loaded = 0;
    CHECK_INT(process->store.load(process->store.ctx, &process->load), 0);
    vworld_run(&rig->world, 500);
    CHECK_INT(process->loaded, 1);
    CHECK_INT(process->status, 0);
    return process->rows;
}

/* ---- owning ---- */

static void an_owner_keeps_it_and_a_clean_stop_gives_it_up_at_once(void)
{
    struct rig rig;
    begin_pair(&rig);
    CHECK_STR(rig.b.logged, "- standing by: pipeline prices belongs to process 1 on a; taking over "
                            "when it has been silent for 10000 ms");
    for (int i = 0; i < 1000; i++) {
        vworld_run(&rig.world, 100);
        CHECK(owned(&rig.a));
    }
    CHECK_INT(rig.b.owned, 0);
    CHECK_INT(rig.b.lines, 1);
    release(&rig, &rig.a);
    CHECK_INT(rig.b.owned, 1);
    CHECK(strstr(vtable_item(&rig.table, "prices", "owner"), "\"fence\":{\"N\":\"2\"}") != NULL);
    CHECK_INT(rig.a.lost, 0);
    end(&rig);
}

static void a_standby_takes_over_a_lease_after_a_crash(void)
{
    struct rig rig;
    begin_pair(&rig);
    int64_t crash_ms = rig.world.now_ms;
    rig.a.host.net = VNET_CUT; /* it never says anything again */
    vworld_run(&rig.world, 8000);
    CHECK_INT(rig.b.owned, 0);
    vworld_run(&rig.world, 20000);
    CHECK_INT(rig.b.owned, 1);
    CHECK(rig.b.owned_ms - crash_ms >= 7000); /* the last beat was up to 3 s old */
    CHECK(rig.b.owned_ms - crash_ms <= 10000 + 3000 + 500);
    rig.a.host.net = VNET_FINE;
    end(&rig);
}

/* At no moment do two trust themselves, whatever happens to the network of each. */
static void F18_never_two_owners(void)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig rig;
        uint64_t random = seed;
        begin(&rig);
        rig.world.random = seed;
        acquire(&rig.a);
        acquire(&rig.b);
        for (int i = 0; i < 1200; i++) {
            struct process *process = i & 1 ? &rig.a : &rig.b;
            random = random * 6364136223846793005u + 1442695040888963407u;
            unsigned roll = (unsigned)(random >> 33) % 100;
            if (roll < 5)
                process->host.net = (enum vnet)((random >> 40) % (VNET_THROTTLED + 1));
            else if (roll < 15)
                process->host.net = VNET_FINE;
            else if (roll < 16)
                process->host.stopped_until_ms = rig.world.now_ms + 30000;
            rig.table.delay_ms = (int64_t)((random >> 50) % 2000);
            vworld_run(&rig.world, 500);
            CHECK(!(owned(&rig.a) && owned(&rig.b)));
        }
        CHECK(rig.a.owned + rig.b.owned >= 1);
        rig.a.host.net = rig.b.host.net = VNET_FINE;
        rig.table.delay_ms = 10;
        vworld_run(&rig.world, 100000);
        end(&rig);
    }
}

/* Its beat was carried out; then the process was stopped for a minute. */
static void F18_a_process_that_wakes_up_is_no_owner_before_it_asks(void)
{
    struct rig rig;
    begin_pair(&rig);
    rig.a.host.stopped_until_ms = rig.world.now_ms + 60000;
    vworld_run(&rig.world, 13000);
    CHECK(!owned(&rig.a));
    vworld_run(&rig.world, 47000);
    CHECK_INT(rig.b.owned, 1);
    CHECK_INT(rig.a.lost, 0); /* it has not heard yet */
    struct state_row row = row_of("s1", "66");
    start_save(&rig.a, &row, 1);
    vworld_run(&rig.world, 1000);
    CHECK_INT(rig.a.saved, 1);
    CHECK_INT(rig.a.status, -EOWNERDEAD);
    CHECK_INT(rig.a.lost, 1);
    CHECK(strstr(rig.a.reason, "another process took pipeline prices over") != NULL);
    CHECK(vtable_item(&rig.table, "prices", "position#arn#s1#s") == NULL);
    CHECK(owned(&rig.b));
    start_save(&rig.a, &row, 1); /* and never again */
    vworld_run(&rig.world, 1000);
    CHECK_INT(rig.a.status, -EOWNERDEAD);
    end(&rig);
}

static void B16_a_short_fault_of_the_network_loses_nothing(void)
{
    static const enum vnet nets[] = {VNET_CUT, VNET_BLACK_HOLE, VNET_NO_ANSWER, VNET_THROTTLED};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        struct rig rig;
        begin_pair(&rig);
        rig.a.host.net = nets[i];
        for (int ms = 0; ms < 4500; ms += 100) {
            vworld_run(&rig.world, 100);
            CHECK(owned(&rig.a));
        }
        rig.a.host.net = VNET_FINE;
        vworld_run(&rig.world, 60000);
        CHECK(owned(&rig.a));
        CHECK_INT(rig.a.lost, 0);
        CHECK_INT(rig.b.owned, 0);
        end(&rig);
    }
}

static void B16_after_a_long_fault_it_goes_on_where_nobody_took_over(void)
{
    struct rig rig;
    begin(&rig);
    acquire(&rig.a);
    vworld_run(&rig.world, 1000);
    rig.a.host.net = VNET_BLACK_HOLE;
    vworld_run(&rig.world, 30000);
    CHECK(!owned(&rig.a));
    CHECK_INT(rig.a.lost, 0);
    CHECK(strstr(rig.a.logged, "W0821 the state table State can't be used: Timeout") != NULL);
    CHECK(strstr(rig.a.logged, "nothing is given to sinks once the lease has run out") != NULL);
    CHECK_INT(rig.a.lines, 1);
    rig.a.host.net = VNET_FINE;
    vworld_run(&rig.world, 5000);
    CHECK(owned(&rig.a));
    CHECK_STR(rig.a.logged, "- the state table State answers again");
    CHECK_INT(rig.a.owned, 1); /* told once */
    struct state_row row = row_of("s1", "5");
    CHECK_INT(save(&rig, &rig.a, &row, 1), 0);
    end(&rig);
}

static void a_lost_answer_to_taking_over_is_found_out(void)
{
    struct rig rig;
    begin(&rig);
    rig.a.host.net = VNET_NO_ANSWER;
    acquire(&rig.a);
    vworld_run(&rig.world, 20);
    rig.a.host.net = VNET_FINE;
    vworld_run(&rig.world, 1100);
    rig.a.host.net = VNET_NO_ANSWER; /* of the take */
    rig.a.host.only = 1;
    vworld_run(&rig.world, 10000);
    CHECK_INT(rig.a.owned, 1);
    CHECK(owned(&rig.a));
    CHECK(strstr(vtable_item(&rig.table, "prices", "owner"), "\"fence\":{\"N\":\"1\"}") != NULL);
    end(&rig);
}

static void a_table_that_can_not_be_used_is_said_with_what_to_do(void)
{
    struct rig rig;
    begin(&rig);
    rig.table.name = "Other";
    acquire(&rig.a);
    vworld_run(&rig.world, 1000);
    CHECK_INT(rig.a.lost, 1);
    CHECK(strstr(rig.a.reason, "aws dynamodb create-table --table-name State --billing-mode "
                               "PAY_PER_REQUEST --attribute-definitions") != NULL);
    CHECK(strstr(rig.a.reason, "AttributeName=pk,KeyType=HASH AttributeName=sk,KeyType=RANGE") !=
          NULL);
    rig.b.host.net = VNET_DENIED;
    acquire(&rig.b);
    vworld_run(&rig.world, 110000);
    CHECK_INT(rig.b.lost, 0); /* credentials may come late */
    vworld_run(&rig.world, 20000);
    CHECK_INT(rig.b.lost, 1);
    CHECK(strstr(rig.b.reason, "AccessDeniedException") != NULL);
    end(&rig);
}

static void F79_a_table_of_a_newer_weir_is_refused(void)
{
    struct rig rig;
    begin(&rig);
    vtable_put(&rig.table, "prices", "owner",
               "{\"pk\":{\"S\":\"prices\"},\"sk\":{\"S\":\"owner\"},\"holder\":{\"S\":\"free\"},"
               "\"fence\":{\"N\":\"3\"},\"beat\":{\"N\":\"3\"},\"format\":{\"N\":\"2\"}}");
    acquire(&rig.a);
    vworld_run(&rig.world, 1000);
    CHECK_INT(rig.a.lost, 1);
    CHECK(strstr(rig.a.reason, "was written by a newer weir (its format is 2, this one reads 1)") !=
          NULL);
    CHECK(strstr(vtable_item(&rig.table, "prices", "owner"), "free") != NULL);
    end(&rig);
}

/* ---- rows ---- */

static void rows_are_written_under_the_fence_and_read_in_pages(void)
{
    struct rig rig;
    begin(&rig);
    acquire(&rig.a);
    vworld_run(&rig.world, 1000);
    CHECK_STR(load(&rig, &rig.a), "");
    struct state_row rows[] = {row_of("s1", "100"),
                               row_of("s2", ""),
                               row_of("s3", "7"),
                               {.kind = STATE_STREAM, .stream = STR("arn"), .start_us = -5},
                               {.kind = STATE_GAP,
                                .sink = STR("s#1%"),
                                .stream = STR("arn"),
                                .shard = STR("s\"1\n"),
                                .position = STR("9")}};
    CHECK_INT(save(&rig, &rig.a, rows, 5), 0);
    rig.table.page_items = 2;
    CHECK_STR(load(&rig, &rig.a), "2 s\"1\n 9|1 s1 100|1 s2 |1 s3 7|0  |");
    CHECK(vtable_item(&rig.table, "prices", "gap#arn#s\"1\n#s%231%25") != NULL);
    rows[0].position = STR("200");
    rows[1].erase = rows[3].erase = rows[4].erase = true;
    CHECK_INT(save(&rig, &rig.a, rows, 5), 0);
    CHECK_STR(load(&rig, &rig.a), "1 s1 200|1 s3 7|");
    vtable_put(&rig.table, "prices", "zone#x",
               "{\"pk\":{\"S\":\"prices\"},\"sk\":{\"S\":\"zone#x\"},\"kind\":{\"S\":\"zone\"}}");
    vtable_put(&rig.table, "other", "position#arn#s9#s",
               "{\"pk\":{\"S\":\"other\"},\"sk\":{\"S\":\"position#arn#s9#s\"},\"kind\":{\"S\":"
               "\"position\"},\"stream\":{\"S\":\"arn\"}}");
    CHECK_STR(load(&rig, &rig.a), "1 s1 200|1 s3 7|"); /* F79: what a newer weir added is passed */
    end(&rig);
}

static void a_large_save_goes_in_parts_that_keep_the_lease(void)
{
    struct rig rig;
    enum { ROWS = 1000 };
    static struct state_row rows[ROWS];
    static char names[ROWS][16];
    begin(&rig);
    acquire(&rig.a);
    vworld_run(&rig.world, 1000);
    for (size_t i = 0; i < ROWS; i++) {
        snprintf(names[i], sizeof names[i], "shard-%04zu", i);
        rows[i] = row_of(names[i], "1");
    }
    rig.table.delay_ms = 2000; /* eleven parts: 22 s */
    start_save(&rig.a, rows, ROWS);
    for (int i = 0; i < 300; i++) {
        vworld_run(&rig.world, 100);
        CHECK(owned(&rig.a));
    }
    CHECK_INT(rig.a.saved, 1);
    CHECK_INT(rig.a.status, 0);
    CHECK_INT(rig.table.count, ROWS + 1);
    rig.table.delay_ms = 10;
    end(&rig);
}

static void F73_a_save_that_fails_says_so_and_leaves_what_was_stored(void)
{
    static const struct {
        enum vnet net;
        const char *position, *says;
    } table[] = {{VNET_CUT, "1", "NoConnection"},
                 {VNET_BLACK_HOLE, "1", "Timeout"},
                 {VNET_NO_ANSWER, "2", "AnswerLost"},
                 {VNET_THROTTLED, "1", "ThrottlingException"},
                 {VNET_DENIED, "1", "AccessDeniedException"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rig rig;
        begin(&rig);
        acquire(&rig.a);
        vworld_run(&rig.world, 1000);
        struct state_row row = row_of("s1", "1");
        CHECK_INT(save(&rig, &rig.a, &row, 1), 0);
        row.position = STR("2");
        rig.a.host.net = table[i].net;
        rig.a.host.only = 1;
        start_save(&rig.a, &row, 1);
        vworld_run(&rig.world, 3000);
        CHECK_INT(rig.a.saved, 1);
        CHECK_INT(rig.a.status, -EIO);
        CHECK(strstr(rig.a.reason, table[i].says) != NULL);
        char expected[32];
        snprintf(expected, sizeof expected, "1 s1 %s|", table[i].position);
        CHECK_STR(load(&rig, &rig.a), expected);
        row.position = STR("3");
        CHECK_INT(save(&rig, &rig.a, &row, 1), 0);
        CHECK_STR(load(&rig, &rig.a), "1 s1 3|");
        CHECK(owned(&rig.a));
        end(&rig);
    }
}

/* A request that the network kept back for a minute must undo nothing. */
static void a_late_write_of_the_same_owner_is_refused(void)
{
    struct rig rig;
    begin(&rig);
    acquire(&rig.a);
    vworld_run(&rig.world, 1000);
    struct state_row row = row_of("s1", "1");
    rig.a.host.net = VNET_LATE;
    rig.a.host.only = 1;
    start_save(&rig.a, &row, 1);
    vworld_run(&rig.world, 3000);
    CHECK_INT(rig.a.status, -EIO);
    row.erase = true;
    CHECK_INT(save(&rig, &rig.a, &row, 1), 0);
    vworld_run(&rig.world, 120000);
    CHECK_STR(load(&rig, &rig.a), "");
    CHECK(owned(&rig.a));
    end(&rig);
}

static void on_accepted(void *arg, int status, const char *reason)
{
    struct process *process = arg;
    process->saved++;
    process->status = status;
    snprintf(process->reason, sizeof process->reason, "%s", reason);
}

static void a_gap_is_accepted_beside_the_owner(void)
{
    struct rig rig;
    begin(&rig);
    acquire(&rig.a);
    vworld_run(&rig.world, 1000);
    struct state_row gap = row_of("s1", "1");
    gap.kind = STATE_GAP;
    CHECK_INT(dynamo_store_accept(rig.b.dynamo, &gap, on_accepted, &rig.b), 0);
    vworld_run(&rig.world, 1000);
    CHECK_INT(rig.b.status, -ENOENT);
    CHECK_INT(save(&rig, &rig.a, &gap, 1), 0);
    CHECK_INT(dynamo_store_accept(rig.b.dynamo, &gap, on_accepted, &rig.b), 0);
    vworld_run(&rig.world, 1000);
    CHECK_INT(rig.b.saved, 2);
    CHECK_INT(rig.b.status, 0);
    CHECK(strstr(vtable_item(&rig.table, "prices", "gap#arn#s1#s"), "\"done\":{\"BOOL\":true}") !=
          NULL);
    CHECK_STR(load(&rig, &rig.b), "2 s1 1|"); /* without owning it */
    end(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"an_owner_keeps_it_and_a_clean_stop_gives_it_up_at_once",
         an_owner_keeps_it_and_a_clean_stop_gives_it_up_at_once},
        {"a_standby_takes_over_a_lease_after_a_crash", a_standby_takes_over_a_lease_after_a_crash},
        {"F18_never_two_owners", F18_never_two_owners},
        {"F18_a_process_that_wakes_up_is_no_owner_before_it_asks",
         F18_a_process_that_wakes_up_is_no_owner_before_it_asks},
        {"B16_a_short_fault_of_the_network_loses_nothing",
         B16_a_short_fault_of_the_network_loses_nothing},
        {"B16_after_a_long_fault_it_goes_on_where_nobody_took_over",
         B16_after_a_long_fault_it_goes_on_where_nobody_took_over},
        {"a_lost_answer_to_taking_over_is_found_out", a_lost_answer_to_taking_over_is_found_out},
        {"a_table_that_can_not_be_used_is_said_with_what_to_do",
         a_table_that_can_not_be_used_is_said_with_what_to_do},
        {"F79_a_table_of_a_newer_weir_is_refused", F79_a_table_of_a_newer_weir_is_refused},
        {"rows_are_written_under_the_fence_and_read_in_pages",
         rows_are_written_under_the_fence_and_read_in_pages},
        {"a_large_save_goes_in_parts_that_keep_the_lease",
         a_large_save_goes_in_parts_that_keep_the_lease},
        {"F73_a_save_that_fails_says_so_and_leaves_what_was_stored",
         F73_a_save_that_fails_says_so_and_leaves_what_was_stored},
        {"a_late_write_of_the_same_owner_is_refused", a_late_write_of_the_same_owner_is_refused},
        {"a_gap_is_accepted_beside_the_owner", a_gap_is_accepted_beside_the_owner},
        {NULL, NULL}};
    return unit_main(argc, argv, "state, DynamoDB", tests);
}
