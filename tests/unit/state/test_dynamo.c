/* Who owns a pipeline in a DynamoDB table: two processes, a network that fails. */
#include "drig.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

/* ---- owning ---- */

static void an_owner_keeps_it_and_a_clean_stop_gives_it_up_at_once(void)
{
    struct rig rig;
    begin_pair(&rig);
    CHECK_STR(rig.b.logged,
              "W0830 standing by: pipeline prices belongs to process 1 on a; taking over "
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

static int64_t slept_ms; /* the machine slept: the monotonic clock stood still meanwhile */

static int64_t boot_ms(void *ctx)
{
    return ((struct vworld *)ctx)->now_ms + slept_ms;
}

static void F78_a_machine_that_slept_is_no_owner_before_it_asks(void)
{
    struct rig rig;
    begin_pair(&rig);
    rig.a.world.boot_ms = boot_ms;
    slept_ms = 0;
    vworld_run(&rig.world, 10000); /* a beat by this clock */
    CHECK(owned(&rig.a));
    slept_ms = 3600000;
    CHECK(!owned(&rig.a));
    vworld_run(&rig.world, 5000); /* nobody took over: it goes on */
    CHECK(owned(&rig.a));
    CHECK_INT(rig.a.lost, 0);
    end(&rig);
}

static void F72_memory_that_fails_anywhere_moves_no_position_and_leaks_nothing(void)
{
    bool failed = true;
    uint64_t n = 1;
    for (; failed && n < 3000; n++) {
        struct rig rig;
        begin(&rig);
        uint64_t before = mem_calls();
        mem_fail_at(n);
        acquire(&rig.a);
        vworld_run(&rig.world, 10000);
        struct state_row row = row_of("s1", "1");
        if (rig.a.owned) {
            start_save(&rig.a, &row, 1);
            vworld_run(&rig.world, 10000);
            CHECK_INT(rig.a.saved, 1);
            CHECK(rig.a.status != 0 || vtable_item(&rig.table, "prices", "position#arn#s1#s"));
            rig.a.load = (struct store_load){.done = on_loaded, .arg = &rig.a};
            if (rig.a.store.load(rig.a.store.ctx, &rig.a.load) == 0)
                vworld_run(&rig.world, 10000);
        }
        failed = mem_calls() - before >= n;
        mem_fail_at(0);
        vworld_run(&rig.world, 10000);
        CHECK(rig.a.owned + rig.a.lost >= 1);
        end(&rig);
    }
    CHECK(n > 20 && n < 3000);
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
    CHECK_STR(rig.a.logged, "W0826 the state table State answers again");
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

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"an_owner_keeps_it_and_a_clean_stop_gives_it_up_at_once",
         an_owner_keeps_it_and_a_clean_stop_gives_it_up_at_once},
        {"a_standby_takes_over_a_lease_after_a_crash", a_standby_takes_over_a_lease_after_a_crash},
        {"F18_never_two_owners", F18_never_two_owners},
        {"F18_a_process_that_wakes_up_is_no_owner_before_it_asks",
         F18_a_process_that_wakes_up_is_no_owner_before_it_asks},
        {"F78_a_machine_that_slept_is_no_owner_before_it_asks",
         F78_a_machine_that_slept_is_no_owner_before_it_asks},
        {"F72_memory_that_fails_anywhere_moves_no_position_and_leaks_nothing",
         F72_memory_that_fails_anywhere_moves_no_position_and_leaks_nothing},
        {"B16_a_short_fault_of_the_network_loses_nothing",
         B16_a_short_fault_of_the_network_loses_nothing},
        {"B16_after_a_long_fault_it_goes_on_where_nobody_took_over",
         B16_after_a_long_fault_it_goes_on_where_nobody_took_over},
        {"a_lost_answer_to_taking_over_is_found_out", a_lost_answer_to_taking_over_is_found_out},
        {"a_table_that_can_not_be_used_is_said_with_what_to_do",
         a_table_that_can_not_be_used_is_said_with_what_to_do},
        {"F79_a_table_of_a_newer_weir_is_refused", F79_a_table_of_a_newer_weir_is_refused},
        {NULL, NULL}};
    return unit_main(argc, argv, "state, DynamoDB lease", tests);
}
