/* Progress in a DynamoDB table, written under the fence of its owner. */
#include "drig.h"

#include <errno.h>
#include <stdio.h>

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

static bool gap_is(struct rig *rig, const char *position, bool accepted)
{
    const char *item = vtable_item(&rig->table, "prices", "gap#arn#s1#s");
    char member[60];
    snprintf(member, sizeof member, "\"position\":{\"S\":\"%s\"}", position);
    return item && (*position ? strstr(item, member) != NULL : !strstr(item, "\"position\"")) &&
           (strstr(item, "\"done\":{\"BOOL\":true}") != NULL) == accepted;
}

/* Its owner, which has not looked since, writes it as open again; the other rows of that save
 * count.
 */
static void D10_an_accepted_gap_stays_accepted(void)
{
    static const char *const positions[] = {"1", ""};
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        begin(&rig);
        acquire(&rig.a);
        vworld_run(&rig.world, 1000);
        struct state_row rows[] = {row_of("s0", "7"), row_of("s1", positions[i]), row_of("s2", "8"),
                                   row_of("s3", "9")};
        rows[1].kind = rows[3].kind = STATE_GAP;
        CHECK_INT(save(&rig, &rig.a, rows, 4), 0);
        CHECK(gap_is(&rig, positions[i], false));
        CHECK_INT(dynamo_store_accept(rig.b.dynamo, &rows[1], on_accepted, &rig.b), 0);
        vworld_run(&rig.world, 1000);
        CHECK_INT(rig.b.status, 0);
        rows[0].position = STR("17");
        rows[2].position = STR("18");
        CHECK_INT(save(&rig, &rig.a, rows, 4), 0);
        CHECK(gap_is(&rig, positions[i], true));
        CHECK(strstr(load(&rig, &rig.a), "1 s0 17|") && strstr(load(&rig, &rig.a), "1 s2 18|"));
        rows[1].position = STR("5"); /* another gap: it is not what was accepted */
        rows[1].start_us++;
        CHECK_INT(save(&rig, &rig.a, rows, 4), 0);
        CHECK(gap_is(&rig, "5", false));
        rows[1].start_us--;
        CHECK_INT(dynamo_store_accept(rig.b.dynamo, &rows[1], on_accepted, &rig.b), 0);
        vworld_run(&rig.world, 1000);
        CHECK_INT(rig.b.status, -ENOENT); /* nor is what was seen before what is there now */
        CHECK(gap_is(&rig, "5", false));
        CHECK(owned(&rig.a));
        end(&rig);
    }
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"rows_are_written_under_the_fence_and_read_in_pages",
         rows_are_written_under_the_fence_and_read_in_pages},
        {"a_large_save_goes_in_parts_that_keep_the_lease",
         a_large_save_goes_in_parts_that_keep_the_lease},
        {"F73_a_save_that_fails_says_so_and_leaves_what_was_stored",
         F73_a_save_that_fails_says_so_and_leaves_what_was_stored},
        {"a_late_write_of_the_same_owner_is_refused", a_late_write_of_the_same_owner_is_refused},
        {"a_gap_is_accepted_beside_the_owner", a_gap_is_accepted_beside_the_owner},
        {"D10_an_accepted_gap_stays_accepted", D10_an_accepted_gap_stays_accepted},
        {NULL, NULL}};
    return unit_main(argc, argv, "state, DynamoDB rows", tests);
}
