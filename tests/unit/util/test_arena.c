#include "unit.h"

#include "util/alloc.h"
#include "util/arena.h"
#include "util/err.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static void pieces_are_aligned_and_apart(void)
{
    static const size_t aligns[] = {1, 2, 4, 8, 16, 32, 64};
    struct arena arena;
    arena_init(&arena, 1024);
    CHECK_INT(arena.total_bytes, 0);
    unsigned char *pieces[700];
    for (size_t i = 0; i < 700; i++) {
        size_t align = aligns[i % 7];
        pieces[i] = arena_alloc(&arena, i % 40 + 1, align);
        CHECK_FATAL(pieces[i] != NULL);
        CHECK_INT((uintptr_t)pieces[i] % align, 0);
        memset(pieces[i], (int)(i & 0xff), i % 40 + 1);
    }
    for (size_t i = 0; i < 700; i++)
        for (size_t k = 0; k < i % 40 + 1; k++)
            CHECK(pieces[i][k] == (i & 0xff));
    arena_done(&arena);
    CHECK_INT(arena.total_bytes, 0);
    CHECK(arena.chunk == NULL);
}

static void a_piece_may_be_larger_than_a_chunk(void)
{
    struct arena arena;
    arena_init(&arena, 1024);
    char *large = arena_alloc(&arena, 1 << 20, 64);
    CHECK_FATAL(large != NULL);
    memset(large, 1, 1 << 20);
    CHECK(arena.total_bytes >= 1 << 20);
    CHECK(arena_alloc(&arena, SIZE_MAX, 8) == NULL);
    CHECK(arena_alloc(&arena, SIZE_MAX - 100, 64) == NULL);
    CHECK(arena_alloc(&arena, 1, 1) != NULL);
    arena_done(&arena);
}

static void rollback_forgets_what_came_after_the_mark(void)
{
    struct arena arena;
    arena_init(&arena, 1024);
    struct arena_mark empty = arena_mark(&arena);
    char *kept = arena_alloc(&arena, 16, 1);
    CHECK_FATAL(kept != NULL);
    memcpy(kept, "kept kept kept k", 16);
    struct arena_mark mark = arena_mark(&arena);
    size_t before = arena.total_bytes;
    char *first = arena_alloc(&arena, 8, 1);
    for (int i = 0; i < 100; i++)
        CHECK(arena_alloc(&arena, 500, 8) != NULL);
    CHECK(arena.total_bytes > before);

    arena_rollback(&arena, mark);

    CHECK_INT(arena.total_bytes, before);
    CHECK(arena_alloc(&arena, 8, 1) == first);
    CHECK(memcmp(kept, "kept kept kept k", 16) == 0);
    arena_rollback(&arena, empty);
    CHECK_INT(arena.total_bytes, 0);
    CHECK(arena_alloc(&arena, 8, 8) != NULL);
    arena_done(&arena);
}

static void reset_keeps_one_chunk(void)
{
    struct arena arena;
    arena_init(&arena, 1024);
    CHECK(arena_alloc(&arena, 100, 1) != NULL);
    CHECK(arena_alloc(&arena, 50000, 1) != NULL);
    CHECK(arena_alloc(&arena, 5000, 1) != NULL);
    int64_t live = mem_live();

    arena_reset(&arena);

    CHECK_INT(mem_live(), live - 2);
    uint64_t calls = mem_calls();
    CHECK(arena_alloc(&arena, 50000, 1) != NULL);
    CHECK_INT(mem_calls(), calls);
    arena_reset(&arena);
    arena_done(&arena);
    arena_reset(&arena);
    arena_done(&arena);
}

static void out_of_memory_leaves_the_arena_usable(void)
{
    struct arena arena;
    arena_init(&arena, 1024);
    mem_fail_at(1);
    CHECK(arena_alloc(&arena, 10, 1) == NULL);
    CHECK(arena_alloc(&arena, 10, 1) != NULL);
    mem_fail_at(1);
    CHECK(arena_alloc(&arena, 5000, 1) == NULL);
    CHECK(arena_alloc(&arena, 10, 1) != NULL);
    arena_done(&arena);
}

static void texts_are_kept(void)
{
    struct arena arena;
    char bytes[] = "shard";
    weir_str one = {bytes, 5}, none = STR_NONE;
    weir_str *const texts[] = {&one, &none};
    arena_init(&arena, 64);
    CHECK_INT(arena_keep(&arena, texts, 2), 0);
    bytes[0] = 'X';
    CHECK(one.len == 5 && none.len == 0);
    CHECK_STR(one.ptr, "shard");
    CHECK_STR(none.ptr, "");
    arena_done(&arena);
}

static void alloc_counts_and_fails_on_request(void)
{
    int64_t live = mem_live();
    void *block = mem_alloc(0);
    CHECK(block != NULL);
    void *zeroed = mem_zalloc(4, 4);
    CHECK_FATAL(zeroed != NULL);
    CHECK(memcmp(zeroed, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0);
    CHECK_INT(mem_live(), live + 2);
    CHECK(mem_zalloc(SIZE_MAX / 2, 4) == NULL);
    mem_fail_at(2);
    void *grown = mem_realloc(NULL, 10);
    CHECK(grown != NULL);
    CHECK(mem_realloc(grown, 20) == NULL);
    CHECK_INT(mem_live(), live + 3);
    grown = mem_realloc(grown, 20);
    CHECK_INT(mem_live(), live + 3);
    char *copy = mem_dup0("a\0b", 3);
    CHECK_FATAL(copy != NULL);
    CHECK(memcmp(copy, "a\0b", 4) == 0);
    char *empty = mem_dup0(NULL, 0);
    CHECK_STR(empty, "");
    CHECK(mem_dup0("", SIZE_MAX) == NULL);
    mem_free(NULL);
    mem_free(block);
    mem_free(zeroed);
    mem_free(grown);
    mem_free(copy);
    mem_free(empty);
    CHECK_INT(mem_live(), live);
}

static void F83_an_error_message_is_one_plain_line(void)
{
    struct err err = {0};
    CHECK_INT(err_set(&err, -EINVAL, "bad value \"%s\"", "a\x1b[2J\n\x7f"), -EINVAL);
    CHECK_INT(err.code, -EINVAL);
    CHECK_STR(err.msg, "bad value \"a?[2J??\"");
    char text[600];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(&err, -EIO, "%s", text);
    CHECK_INT(strlen(err.msg), sizeof err.msg - 1);
    CHECK_INT(err_set(NULL, -ENOMEM, "unheard"), -ENOMEM);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"pieces_are_aligned_and_apart", pieces_are_aligned_and_apart},
        {"a_piece_may_be_larger_than_a_chunk", a_piece_may_be_larger_than_a_chunk},
        {"rollback_forgets_what_came_after_the_mark", rollback_forgets_what_came_after_the_mark},
        {"reset_keeps_one_chunk", reset_keeps_one_chunk},
        {"out_of_memory_leaves_the_arena_usable", out_of_memory_leaves_the_arena_usable},
        {"texts_are_kept", texts_are_kept},
        {"alloc_counts_and_fails_on_request", alloc_counts_and_fails_on_request},
        {"F83_an_error_message_is_one_plain_line", F83_an_error_message_is_one_plain_line},
        {NULL, NULL}};
    return unit_main(argc, argv, "arena", tests);
}
