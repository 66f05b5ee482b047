/* Tokens and completions: nothing is acknowledged that was not, by whom it was given to. */
#include "plugin/delivery.h"
#include "plugin/instance.h"
#include "unit.h"
#include "util/alloc.h"
#include "vworld.h"

#include <errno.h>
#include <stdio.h>

enum { HEARD_MOST = 64 };

struct brig { /* a board, and what it handed over */
    struct vworld world;
    struct delivery_board board;
    weir_instance a, b;
    struct {
        struct weir_record *entry;
        int32_t outcome;
        char reason[512];
        bool last;
    } heard[HEARD_MOST];
    size_t count;
};

static void on_completion(void *ctx, struct weir_record *entry, int32_t outcome, const char *reason,
                          bool last)
{
    struct brig *rig = ctx;
    CHECK_FATAL(rig->count < HEARD_MOST);
    rig->heard[rig->count].entry = entry;
    rig->heard[rig->count].outcome = outcome;
    rig->heard[rig->count].last = last;
    snprintf(rig->heard[rig->count].reason, 512, "%s", reason ? reason : "-");
    rig->count++;
    if (last)
        delivery_free(entry->delivery);
}

static void begin(struct brig *rig)
{
    *rig = (struct brig){0};
    vworld_init(&rig->world, 1);
    CHECK_FATAL(board_init(&rig->board, &rig->world.world.clock) == 0);
    rig->board.on_completion = on_completion;
    rig->board.ctx = rig;
}

static void end(struct brig *rig)
{
    vworld_settle(&rig->world);
    board_done(&rig->board);
    vworld_done(&rig->world);
}

static weir_delivery *open_one(struct brig *rig, weir_instance *instance, size_t count)
{
    weir_delivery *delivery = delivery_new(&rig->board, instance, count);
    CHECK_FATAL(delivery != NULL);
    for (size_t i = 0; i < count; i++)
        delivery->entries[i] = (struct weir_record){0};
    delivery->count = count;
    delivery_open(delivery);
    return delivery;
}

static void complete(struct brig *rig, const weir_instance *instance, uint64_t token, size_t i,
                     int32_t outcome)
{
    delivery_complete(&rig->board, instance, token, i, outcome, STR_NONE);
}

static void completions_come_in_their_order_and_later(void)
{
    struct brig rig;
    begin(&rig);
    weir_delivery *one = open_one(&rig, &rig.a, 3);
    uint64_t token = one->token;
    complete(&rig, &rig.a, token, 2, WEIR_RETRY);
    delivery_complete(&rig.board, &rig.a, token, 0, WEIR_FAIL, STR("no\x1b good"));
    CHECK_INT(rig.count, 0); /* never from inside */
    delivery_complete_rest(&rig.board, &rig.a, token, WEIR_OK, STR("rest"));
    vworld_settle(&rig.world);
    CHECK_INT(rig.count, 3);
    CHECK(rig.heard[0].entry == &one->entries[2] && rig.heard[0].outcome == WEIR_RETRY);
    CHECK(rig.heard[1].outcome == WEIR_FAIL && rig.heard[2].outcome == WEIR_OK);
    CHECK_STR(rig.heard[0].reason, "-");
    CHECK_STR(rig.heard[1].reason, "no? good");
    CHECK_STR(rig.heard[2].reason, "rest");
    CHECK(!rig.heard[0].last && !rig.heard[1].last && rig.heard[2].last);
    CHECK_INT(board_ignored(&rig.board), 0);
    end(&rig);
}

static void F64_what_is_said_twice_late_or_by_others_is_ignored_and_counted(void)
{
    struct brig rig;
    begin(&rig);
    weir_delivery *one = open_one(&rig, &rig.a, 2);
    uint64_t token = one->token, ignored = 0;
    const struct {
        const weir_instance *instance;
        uint64_t token;
        size_t index;
    } rows[] = {{&rig.b, token, 0},
                {NULL, token, 0},
                {&rig.a, token, 2},
                {&rig.a, token, SIZE_MAX},
                {&rig.a, 0, 0},
                {&rig.a, ~0ull, 0},
                {&rig.a, token + 1, 0},
                {&rig.a, token + (1ull << 32), 0},
                {&rig.a, token ^ 1ull << 63, 0},
                {&rig.a, (uint32_t)token, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        delivery_complete(&rig.board, rows[i].instance, rows[i].token, rows[i].index, WEIR_OK,
                          STR("why"));
        CHECK_INT(board_ignored(&rig.board), ++ignored);
    }
    delivery_complete_rest(&rig.board, &rig.b, token, WEIR_OK, STR("why"));
    CHECK_INT(board_ignored(&rig.board), ++ignored);
    complete(&rig, &rig.a, token, 0, WEIR_RETRY);
    complete(&rig, &rig.a, token, 0, WEIR_OK); /* second */
    CHECK_INT(board_ignored(&rig.board), ++ignored);
    complete(&rig, &rig.a, token, 1, WEIR_OK);
    complete(&rig, &rig.a, token, 1, WEIR_OK); /* after the end, not yet handed over */
    vworld_settle(&rig.world);
    delivery_complete_rest(&rig.board, &rig.a, token, WEIR_OK, STR_NONE); /* and after that */
    CHECK_INT(board_ignored(&rig.board), ignored + 2);
    CHECK_INT(rig.count, 2);
    CHECK_INT(rig.heard[0].outcome, WEIR_RETRY);
    end(&rig);
}

static void F64_an_old_token_never_hits_the_next_tenant_of_its_slot(void)
{
    struct brig rig;
    uint64_t tokens[200];
    begin(&rig);
    for (int i = 0; i < 200; i++) {
        weir_delivery *one = open_one(&rig, &rig.a, 1);
        tokens[i] = one->token;
        for (int k = 0; k < i; k++) {
            CHECK(tokens[k] != tokens[i]);
            complete(&rig, &rig.a, tokens[k], 0, WEIR_OK);
        }
        CHECK_INT(one->open, 1);
        complete(&rig, &rig.a, tokens[i], 0, WEIR_RETRY);
        vworld_settle(&rig.world);
        CHECK_INT(rig.heard[0].outcome, WEIR_RETRY);
        CHECK_INT(rig.count, 1);
        rig.count = 0;
    }
    end(&rig);
}

/* The next token of a slot can be guessed; a delivery that is still being filled is not open. */
static void F64_a_guessed_token_of_a_delivery_not_yet_shown_is_ignored(void)
{
    struct brig rig;
    begin(&rig);
    weir_delivery *one = delivery_new(&rig.board, &rig.a, 2);
    CHECK_FATAL(one != NULL);
    one->entries[0] = one->entries[1] = (struct weir_record){0};
    one->count = 2;
    complete(&rig, &rig.a, one->token, 0, WEIR_OK);
    delivery_complete_rest(&rig.board, &rig.a, one->token, WEIR_OK, STR_NONE);
    CHECK_INT(board_ignored(&rig.board), 2);
    delivery_open(one);
    CHECK_INT(one->open, 2);
    delivery_complete_rest(&rig.board, &rig.a, one->token, WEIR_SKIP, STR_NONE);
    vworld_settle(&rig.world);
    CHECK_INT(rig.count, 2);
    CHECK_INT(rig.heard[0].outcome, WEIR_SKIP);
    end(&rig);
}

static void unknown_outcomes_are_retry(void)
{
    static const int32_t rows[] = {0, -1, 6, 100, INT32_MAX, INT32_MIN};
    struct brig rig;
    begin(&rig);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weir_delivery *one = open_one(&rig, &rig.a, 1);
        complete(&rig, &rig.a, one->token, 0, rows[i]);
        vworld_settle(&rig.world);
        CHECK_INT(rig.heard[i].outcome, WEIR_RETRY);
    }
    CHECK_INT(rig.board.bad_outcomes, sizeof rows / sizeof *rows);
    end(&rig);
}

static void reasons_are_bounded(void)
{
    struct brig rig;
    char reason[1000];
    begin(&rig);
    memset(reason, 'r', sizeof reason);
    weir_delivery *one = open_one(&rig, &rig.a, 1);
    delivery_complete(&rig.board, &rig.a, one->token, 0, WEIR_FAIL,
                      (weir_str){reason, sizeof reason});
    vworld_settle(&rig.world);
    CHECK_INT(strlen(rig.heard[0].reason), 400);
    end(&rig);
}

static void many_deliveries_are_open_at_once(void)
{
    struct brig rig;
    weir_delivery *all[50];
    begin(&rig);
    for (size_t i = 0; i < 50; i++)
        all[i] = open_one(&rig, &rig.a, 1 + i % 3);
    for (size_t i = 0; i < 50; i++)
        for (size_t k = 0; k < i; k++)
            CHECK(all[i]->token != all[k]->token);
    for (size_t i = 0; i < 50; i++) {
        rig.count = 0;
        delivery_complete_rest(&rig.board, &rig.a, all[49 - i]->token, WEIR_OK, STR_NONE);
        vworld_settle(&rig.world);
        CHECK_INT(rig.count, 1 + (49 - i) % 3);
    }
    end(&rig);
}

static void F72_any_allocation_may_fail(void)
{
    for (uint64_t k = 1; k < 12; k++) {
        struct brig rig;
        begin(&rig);
        mem_fail_at(k);
        weir_delivery *some[20] = {NULL};
        for (size_t i = 0; i < 20; i++) {
            some[i] = delivery_new(&rig.board, &rig.a, 1 + i);
            if (!some[i])
                continue;
            some[i]->count = 1;
            some[i]->entries[0] = (struct weir_record){0};
            delivery_open(some[i]);
        }
        for (size_t i = 0; i < 20; i++)
            if (some[i])
                delivery_complete(&rig.board, &rig.a, some[i]->token, 0, WEIR_FAIL, STR("x"));
        mem_fail_at(0);
        vworld_settle(&rig.world);
        CHECK(rig.count >= 19);
        end(&rig);
    }
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"completions_come_in_their_order_and_later", completions_come_in_their_order_and_later},
        {"F64_what_is_said_twice_late_or_by_others_is_ignored_and_counted",
         F64_what_is_said_twice_late_or_by_others_is_ignored_and_counted},
        {"F64_an_old_token_never_hits_the_next_tenant_of_its_slot",
         F64_an_old_token_never_hits_the_next_tenant_of_its_slot},
        {"F64_a_guessed_token_of_a_delivery_not_yet_shown_is_ignored",
         F64_a_guessed_token_of_a_delivery_not_yet_shown_is_ignored},
        {"unknown_outcomes_are_retry", unknown_outcomes_are_retry},
        {"reasons_are_bounded", reasons_are_bounded},
        {"many_deliveries_are_open_at_once", many_deliveries_are_open_at_once},
        {"F72_any_allocation_may_fail", F72_any_allocation_may_fail},
        {NULL, NULL}};
    return unit_main(argc, argv, "plugin, delivery", tests);
}
