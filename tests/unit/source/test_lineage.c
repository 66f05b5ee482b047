#include "source/lineage.h"

#include "unit.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define HOUR_MS      (3600 * (int64_t)1000)

static struct lineage *fresh(void)
{
    struct lineage *lineage = NULL;
    CHECK_FATAL(lineage_new(&lineage) == 0);
    return lineage;
}

static struct shard_info info(const char *id, const char *parent, const char *last)
{
    return (struct shard_info){
        .id = str_of(id), .parent = str_of(parent), .last_sequence = str_of(last)};
}

/* "b<a c<b d" : shards with their parents; "a!" is closed. A sweep of one page. */
static void page(struct lineage *lineage, const char *text)
{
    struct shard_info shards[16];
    size_t count = 0;
    while (*text) {
        size_t len = strcspn(text, " ");
        const char *mark = memchr(text, '<', len);
        bool closed = text[len - 1] == '!';
        size_t end = closed ? len - 1 : len;
        size_t id_len = mark ? (size_t)(mark - text) : end;
        shards[count++] =
            (struct shard_info){.id = {text, id_len},
                                .parent = {mark ? mark + 1 : NULL, mark ? end - id_len - 1 : 0},
                                .last_sequence = closed ? STR("9") : STR_NONE};
        text += len;
        text += *text == ' ';
    }
    CHECK_INT(lineage_sweep_page(lineage, shards, count), 0);
}

static void sweep(struct lineage *lineage, const char *text, int64_t now_ms)
{
    lineage_sweep_begin(lineage);
    page(lineage, text);
    lineage_sweep_end(lineage, now_ms);
}

/* What lineage_next hands out, in order, as one text. */
static const char *handed(struct lineage *lineage)
{
    static char text[256];
    struct shard *shard;
    text[0] = '\0';
    while ((shard = lineage_next(lineage))) {
        CHECK_INT(shard->state, SHARD_READING);
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s%.*s", len ? " " : "", STR_ARG(shard->id));
    }
    return text;
}

static void read_to_end(struct lineage *lineage, const char *id)
{
    struct shard *shard = lineage_find(lineage, str_of(id));
    CHECK_FATAL(shard != NULL);
    lineage_read_to_end(lineage, shard);
}

/* ---- order ---- */

static void F7_a_child_waits_until_its_parent_is_read(void)
{
    struct lineage *lineage = fresh();
    sweep(lineage, "a! b<a! c<a d<b", 1);
    CHECK_STR(handed(lineage), "a");
    CHECK_INT(lineage_count(lineage, SHARD_WAITING), 3);
    read_to_end(lineage, "a");
    CHECK_STR(handed(lineage), "c b");
    read_to_end(lineage, "b");
    CHECK_STR(handed(lineage), "d");
    CHECK_STR(handed(lineage), "");
    CHECK(str_is(lineage_parent(lineage, lineage_find(lineage, STR("d")))->id, "b"));
    CHECK_INT(lineage_find(lineage, STR("a"))->children, 2);
    CHECK(lineage_parent(lineage, lineage_find(lineage, STR("a"))) == NULL);
    lineage_free(lineage);
}

static void B3_shards_made_later_are_found(void)
{
    struct lineage *lineage = fresh();
    sweep(lineage, "a", 1);
    CHECK_STR(handed(lineage), "a");
    read_to_end(lineage, "a");
    sweep(lineage, "a! b<a", 2);
    CHECK_STR(handed(lineage), "b");
    lineage_free(lineage);
}

static void B4_pages_add_up_and_one_may_be_empty(void)
{
    struct lineage *lineage = fresh();
    char id[32];
    lineage_sweep_begin(lineage);
    for (int i = 0; i < 250; i++) {
        snprintf(id, sizeof id, "s%d", i);
        struct shard_info one = info(id, "", "");
        CHECK_INT(lineage_sweep_page(lineage, &one, 1), 0);
        if (i % 100 == 99)
            CHECK_INT(lineage_sweep_page(lineage, NULL, 0), 0);
    }
    CHECK(!lineage_swept(lineage));
    lineage_sweep_end(lineage, 1);
    CHECK(lineage_swept(lineage));
    int count = 0;
    while (lineage_next(lineage))
        count++;
    CHECK_INT(count, 250);
    lineage_free(lineage);
}

static void B6_a_child_closed_before_its_parent_ended_is_read(void)
{
    struct lineage *lineage = fresh();
    sweep(lineage, "a! b<a! c<b", 1);
    CHECK_STR(handed(lineage), "a");
    CHECK(lineage_find(lineage, STR("b"))->closed);
    read_to_end(lineage, "a");
    CHECK_STR(handed(lineage), "b");
    lineage_free(lineage);
}

static void B8_F8_a_child_of_a_trimmed_parent_is_ready_after_a_complete_sweep(void)
{
    struct lineage *lineage = fresh();
    lineage_sweep_begin(lineage);
    page(lineage, "b<a c<b"); /* `a` may stand on the next page */
    CHECK_STR(handed(lineage), "");
    lineage_sweep_begin(lineage); /* the first one was given up */
    page(lineage, "b<a c<b");
    CHECK_STR(handed(lineage), "");
    lineage_sweep_end(lineage, 1);
    CHECK_STR(handed(lineage), "b");
    sweep(lineage, "b<a c<b e<trimmed", 2);
    CHECK_STR(handed(lineage), "e");
    lineage_free(lineage);
}

static void B8_a_parent_on_a_later_page_is_waited_for(void)
{
    struct lineage *lineage = fresh();
    lineage_sweep_begin(lineage);
    page(lineage, "b<a");
    page(lineage, "a");
    lineage_sweep_end(lineage, 1);
    CHECK_STR(handed(lineage), "a");
    CHECK_INT(lineage_find(lineage, STR("a"))->children, 1);
    read_to_end(lineage, "a");
    CHECK_STR(handed(lineage), "b");
    lineage_free(lineage);
}

static void B8_F8_a_gone_parent_lets_its_children_go(void)
{
    struct lineage *lineage = fresh();
    sweep(lineage, "a b<a", 1);
    CHECK_STR(handed(lineage), "a");
    lineage_gone(lineage, lineage_find(lineage, STR("a")));
    CHECK_STR(handed(lineage), "b");
    sweep(lineage, "a b<a", 2); /* back in the list, but given up */
    CHECK_STR(handed(lineage), "");
    CHECK_INT(lineage_count(lineage, SHARD_GONE), 1);
    lineage_free(lineage);
}

static void B13_an_open_parent_with_children_is_read_first(void)
{
    struct lineage *lineage = fresh();
    sweep(lineage, "a b<a", 1);
    CHECK(!lineage_find(lineage, STR("a"))->closed);
    CHECK_STR(handed(lineage), "a");
    sweep(lineage, "a! b<a", 2);
    CHECK(lineage_find(lineage, STR("a"))->closed);
    CHECK_STR(handed(lineage), "");
    read_to_end(lineage, "a");
    CHECK_STR(handed(lineage), "b");
    lineage_free(lineage);
}

static void B13_a_parent_listed_late_is_still_read_first(void)
{
    struct lineage *lineage = fresh();
    sweep(lineage, "b<a", 1);
    CHECK_INT(lineage_count(lineage, SHARD_READY), 1);
    sweep(lineage, "b<a a", 2); /* before anybody took b */
    CHECK_INT(lineage_find(lineage, STR("b"))->state, SHARD_WAITING);
    CHECK_STR(handed(lineage), "a");
    read_to_end(lineage, "a");
    CHECK_STR(handed(lineage), "b");
    sweep(lineage, "x y", 3); /* and so is one whose link is told late */
    sweep(lineage, "x y<x", 4);
    CHECK_STR(handed(lineage), "x");
    read_to_end(lineage, "x");
    CHECK_STR(handed(lineage), "y");
    lineage_free(lineage);
}

static void B13_a_childless_closed_shard_is_named_until_it_has_one(void)
{
    struct lineage *lineage = fresh();
    sweep(lineage, "a!", 1);
    CHECK_STR(handed(lineage), "a");
    CHECK(lineage_childless(lineage) == NULL);
    read_to_end(lineage, "a");
    CHECK(lineage_childless(lineage) == lineage_find(lineage, STR("a")));
    sweep(lineage, "a! b<a", 2);
    CHECK(lineage_childless(lineage) == NULL);
    CHECK_STR(handed(lineage), "b");
    read_to_end(lineage, "b");
    sweep(lineage, "x", 3); /* no longer listed: nothing can be expected of it */
    CHECK(lineage_childless(lineage) == NULL);
    lineage_free(lineage);
}

/* ---- half lists and odd lists ---- */

static void F9_a_half_list_unlearns_nothing(void)
{
    struct lineage *lineage = fresh();
    sweep(lineage, "a b<a", 1);
    lineage_sweep_begin(lineage);
    page(lineage, "c");
    lineage_sweep_begin(lineage);
    CHECK(lineage_find(lineage, STR("a"))->listed);
    CHECK(lineage_find(lineage, STR("c")) != NULL);
    page(lineage, "a");
    lineage_sweep_end(lineage, 7);
    CHECK(lineage_find(lineage, STR("a"))->listed);
    CHECK(!lineage_find(lineage, STR("b"))->listed);
    CHECK_INT(lineage_find(lineage, STR("b"))->unlisted_since_ms, 7);
    CHECK(!lineage_find(lineage, STR("c"))->listed);
    CHECK_STR(handed(lineage), "a c");
    lineage_free(lineage);
}

static void F9_repeated_entries_are_one_shard(void)
{
    struct lineage *lineage = fresh();
    sweep(lineage, "a a a! b<a b<a b b<z", 1);
    CHECK_STR(handed(lineage), "a");
    CHECK(lineage_find(lineage, STR("a"))->closed);
    CHECK_INT(lineage_find(lineage, STR("a"))->children, 1);
    CHECK(str_is(lineage_find(lineage, STR("b"))->parent, "a"));
    uint64_t version = lineage_version(lineage);
    sweep(lineage, "a! b<a", 2);
    CHECK_INT(lineage_version(lineage), version); /* nothing new */
    sweep(lineage, "a! b<a!", 3);
    CHECK(lineage_version(lineage) != version);
    lineage_free(lineage);
}

static void F9_circles_hold_nobody_for_ever(void)
{
    struct lineage *lineage = fresh();
    char seen[64] = "";
    sweep(lineage, "self<self a<b b<a c<e d<c e<d f<e", 1);
    for (int round = 0; round < 10; round++) {
        struct shard *shard;
        while ((shard = lineage_next(lineage))) {
            strncat(seen, shard->id.ptr, 1);
            lineage_read_to_end(lineage, shard);
        }
    }
    CHECK_INT(strlen(seen), 7);
    CHECK_INT(lineage_count(lineage, SHARD_READ), 7);
    lineage_free(lineage);
}

static void F9_a_long_circle_is_opened_at_one_place(void)
{
    enum { LENGTH = 50000 };
    struct lineage *lineage = fresh();
    struct shard *shard;
    char id[16], parent[16];
    int handed_out = 0;
    lineage_sweep_begin(lineage);
    for (int i = 0; i < LENGTH; i++) {
        snprintf(id, sizeof id, "s%d", i);
        snprintf(parent, sizeof parent, "s%d", (i + 1) % LENGTH);
        struct shard_info one = info(id, parent, "");
        CHECK_INT(lineage_sweep_page(lineage, &one, 1), 0);
    }
    CHECK(lineage_next(lineage) == NULL);
    lineage_sweep_end(lineage, 1);
    CHECK_INT(lineage_count(lineage, SHARD_READY), 1);
    for (; (shard = lineage_next(lineage)); handed_out++)
        lineage_read_to_end(lineage, shard);
    CHECK_INT(handed_out, LENGTH);
    lineage_free(lineage);
}

static void children_are_checked(void)
{
    struct lineage *lineage = fresh();
    sweep(lineage, "a! x", 1);
    struct shard_info local[] = {info("a", "", "9"),
                                 info("x", "", "")}; /* the filter was ignored */
    CHECK_INT(lineage_children(lineage, STR("a"), local, COUNT(local)), 0);
    struct shard_info mixed[] = {info("a", "a", ""), info("b", "a", ""), info("y", "x", ""),
                                 info("c", "a", "5")};
    CHECK_INT(lineage_children(lineage, STR("a"), mixed, COUNT(mixed)), 2);
    CHECK_INT(lineage_children(lineage, STR("a"), mixed, COUNT(mixed)), 0);
    CHECK(lineage_find(lineage, STR("y")) == NULL);
    CHECK_STR(handed(lineage), "a x");
    read_to_end(lineage, "a");
    CHECK_INT(lineage_count(lineage, SHARD_READY), 2);
    lineage_free(lineage);
}

static void a_child_told_during_a_sweep_counts_as_listed(void)
{
    struct lineage *lineage = fresh();
    sweep(lineage, "a!", 1);
    lineage_sweep_begin(lineage);
    page(lineage, "a!");
    struct shard_info child = info("b", "a", "");
    CHECK_INT(lineage_children(lineage, STR("a"), &child, 1), 1);
    lineage_sweep_end(lineage, 2);
    CHECK(lineage_find(lineage, STR("b"))->listed);
    lineage_free(lineage);
}

/* ---- stored progress ---- */

static void B14_restored_shards_are_not_read_again(void)
{
    struct lineage *lineage = fresh();
    CHECK_INT(lineage_restore(lineage, STR("b"), STR("a"), true), 0);
    CHECK_INT(lineage_restore(lineage, STR("c"), STR("b"), false), 0);
    CHECK_INT(lineage_restore(lineage, STR("a"), STR_NONE, true), 0);
    CHECK_STR(handed(lineage), "c"); /* at once: it needs no list */
    sweep(lineage, "a! b<a! c<b d<c", 1);
    CHECK_STR(handed(lineage), "");
    read_to_end(lineage, "c");
    CHECK_STR(handed(lineage), "d");
    lineage_free(lineage);
}

static void B14_a_restored_child_waits_for_its_restored_parent(void)
{
    struct lineage *lineage = fresh();
    CHECK_INT(lineage_restore(lineage, STR("b"), STR("a"), false), 0);
    CHECK_STR(handed(lineage), "");
    CHECK_INT(lineage_restore(lineage, STR("a"), STR_NONE, false), 0);
    CHECK_STR(handed(lineage), "a");
    sweep(lineage, "b<a", 1); /* a is trimmed: whoever reads it will learn so */
    CHECK_STR(handed(lineage), "");
    lineage_gone(lineage, lineage_find(lineage, STR("a")));
    CHECK_STR(handed(lineage), "b");
    lineage_free(lineage);
}

static void restoring_twice_upgrades(void)
{
    struct lineage *lineage = fresh();
    CHECK_INT(lineage_restore(lineage, STR("a"), STR_NONE, false), 0);
    CHECK_INT(lineage_restore(lineage, STR("a"), STR_NONE, true), 0);
    CHECK_STR(handed(lineage), "");
    CHECK_INT(lineage_count(lineage, SHARD_READ), 1);
    CHECK_INT(lineage_count(lineage, SHARD_READY), 0);
    lineage_free(lineage);
}

static void count_erased(void *arg, const struct shard *shard)
{
    char *text = arg;
    strncat(text, shard->id.ptr, 1);
}

static void B14_shards_are_forgotten_only_when_none_can_come_back(void)
{
    struct lineage *lineage = fresh();
    char erased[16] = "";
    sweep(lineage, "a! b<a! c<b u", 1);
    handed(lineage);
    read_to_end(lineage, "a");
    handed(lineage);
    read_to_end(lineage, "b");
    sweep(lineage, "c<b", HOUR_MS); /* a, b and u are no longer listed; u was never read */

    lineage_prune(lineage, 48 * HOUR_MS, count_erased, erased);
    CHECK_STR(erased, "");
    lineage_prune(lineage, 49 * HOUR_MS, count_erased, erased);
    CHECK_STR(erased, "a"); /* b is the parent of c, which is listed */

    int reader = 1;
    lineage_find(lineage, STR("b"))->reader = &reader;
    sweep(lineage, "d<c", 50 * HOUR_MS);
    lineage_prune(lineage, 60 * HOUR_MS, count_erased, erased);
    CHECK_STR(erased, "a"); /* somebody still reads b */
    lineage_find(lineage, STR("b"))->reader = NULL;
    lineage_prune(lineage, 60 * HOUR_MS, count_erased, erased);
    CHECK_STR(erased, "ab");
    CHECK(lineage_find(lineage, STR("a")) == NULL && lineage_find(lineage, STR("b")) == NULL);
    CHECK(lineage_find(lineage, STR("c")) != NULL && lineage_find(lineage, STR("u")) != NULL);

    sweep(lineage, "d<c e<d", 61 * HOUR_MS); /* the list of all is still whole */
    CHECK(lineage_find(lineage, STR("e")) != NULL);
    int count = 0;
    for (struct shard *shard = lineage_first(lineage); shard; shard = shard->next)
        count++;
    CHECK_INT(count, 4);
    lineage_free(lineage);
}

/* ---- size and memory ---- */

/* Processor time to take in and read so many shards, in lines of 10. */
static double cost_ns(int shards)
{
    struct lineage *lineage = fresh();
    char id[48], parent[48];
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    lineage_sweep_begin(lineage);
    for (int i = 0; i < shards; i++) {
        snprintf(id, sizeof id, "shardId-%020d-x", i);
        snprintf(parent, sizeof parent, "shardId-%020d-x", i - shards / 10);
        struct shard_info one = info(id, i < shards / 10 ? "" : parent, "9");
        CHECK_INT(lineage_sweep_page(lineage, &one, 1), 0);
    }
    lineage_sweep_end(lineage, 1);
    int count = 0;
    struct shard *shard;
    while ((shard = lineage_next(lineage))) {
        count++;
        lineage_read_to_end(lineage, shard);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    CHECK_INT(count, shards);
    lineage_free(lineage);
    return (double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec);
}

static void thousands_of_shards_cost_no_square(void)
{
    /* 16 times the shards: some 16 to 25 times the cost; a square would be 256. */
    double few = cost_ns(6250), many = cost_ns(100000);
    CHECK(many < 100 * few);
}

static void F81_a_list_without_end_is_bounded(void)
{
    struct lineage *lineage = fresh();
    char id[16];
    lineage_sweep_begin(lineage);
    int rc = 0, taken = 0;
    for (int i = 0; i < LINEAGE_SHARDS_MAX + 10; i++) {
        snprintf(id, sizeof id, "s%d", i);
        struct shard_info one = info(id, "", "");
        rc = lineage_sweep_page(lineage, &one, 1);
        taken += rc == 0;
    }
    CHECK_INT(rc, -ENOMEM);
    CHECK_INT(taken, LINEAGE_SHARDS_MAX);
    lineage_free(lineage);
}

static void F72_without_memory_a_shard_is_not_half_known(void)
{
    for (uint64_t n = 1; n < 20; n++) {
        struct lineage *lineage = NULL;
        struct shard_info one = info("b", "a", "");
        mem_fail_at(n);
        int rc = lineage_new(&lineage);
        if (rc == 0) {
            lineage_sweep_begin(lineage);
            rc = lineage_sweep_page(lineage, &one, 1);
            mem_fail_at(0);
            struct shard *shard = lineage_find(lineage, STR("b"));
            CHECK((rc == 0) == (shard != NULL));
            CHECK(!shard || str_is(shard->parent, "a"));
            CHECK(lineage_next(lineage) == NULL);
        }
        mem_fail_at(0);
        CHECK(rc == 0 || rc == -ENOMEM);
        lineage_free(lineage);
    }
}

/* Random trees told in random order, in random pieces: a shard is handed out once, never before
 * its parent was read, and all are in the end. */
static void F7_random_trees_are_read_parent_first(void)
{
    enum { SHARDS = 60 };
    srand(7);
    for (int round = 0; round < 300; round++) {
        struct lineage *lineage = fresh();
        int parent[SHARDS], order[SHARDS];
        bool read[SHARDS] = {false};
        char ids[SHARDS][8];
        for (int i = 0; i < SHARDS; i++) {
            parent[i] = i && rand() % 4 ? rand() % i : -1;
            snprintf(ids[i], sizeof ids[i], "%d", i);
            int at = rand() % (i + 1);
            order[i] = order[at];
            order[at] = i;
        }
        int told = 0, done = 0;
        while (done < SHARDS) {
            int more = told + rand() % 20;
            told = more > SHARDS ? SHARDS : more;
            lineage_sweep_begin(lineage);
            for (int i = 0; i < told; i++) {
                int s = order[i];
                struct shard_info one = info(ids[s], parent[s] < 0 ? "" : ids[parent[s]], "");
                CHECK_INT(lineage_sweep_page(lineage, &one, 1), 0);
            }
            if (told == SHARDS)
                lineage_sweep_end(lineage, round);
            struct shard *shard;
            while (rand() % 8 && (shard = lineage_next(lineage))) {
                int s = (int)strtol(shard->id.ptr, NULL, 10);
                CHECK(!read[s]);
                CHECK(parent[s] < 0 || read[parent[s]]);
                read[s] = true;
                done++;
                lineage_read_to_end(lineage, shard);
            }
        }
        lineage_free(lineage);
    }
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(F7_a_child_waits_until_its_parent_is_read),
        TEST(B3_shards_made_later_are_found),
        TEST(B4_pages_add_up_and_one_may_be_empty),
        TEST(B6_a_child_closed_before_its_parent_ended_is_read),
        TEST(B8_F8_a_child_of_a_trimmed_parent_is_ready_after_a_complete_sweep),
        TEST(B8_a_parent_on_a_later_page_is_waited_for),
        TEST(B8_F8_a_gone_parent_lets_its_children_go),
        TEST(B13_an_open_parent_with_children_is_read_first),
        TEST(B13_a_parent_listed_late_is_still_read_first),
        TEST(B13_a_childless_closed_shard_is_named_until_it_has_one),
        TEST(F9_a_half_list_unlearns_nothing),
        TEST(F9_repeated_entries_are_one_shard),
        TEST(F9_circles_hold_nobody_for_ever),
        TEST(F9_a_long_circle_is_opened_at_one_place),
        TEST(children_are_checked),
        TEST(a_child_told_during_a_sweep_counts_as_listed),
        TEST(B14_restored_shards_are_not_read_again),
        TEST(B14_a_restored_child_waits_for_its_restored_parent),
        TEST(restoring_twice_upgrades),
        TEST(B14_shards_are_forgotten_only_when_none_can_come_back),
        TEST(thousands_of_shards_cost_no_square),
        TEST(F81_a_list_without_end_is_bounded),
        TEST(F72_without_memory_a_shard_is_not_half_known),
        TEST(F7_random_trees_are_read_parent_first),
        {NULL, NULL},
    };
#undef TEST
    return unit_main(argc, argv, "source, lineage", tests);
}
