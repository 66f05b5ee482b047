#include "plugin/delivery.h"

#include "util/alloc.h"

#include <errno.h>

enum { REASON_BYTES_MAX = 400 };

/* A token is generation and slot, so that a token kept beyond its delivery's end never hits the
 * slot's next tenant. */
static uint64_t token_of(const struct delivery_board *board, uint32_t slot)
{
    return (uint64_t)board->generations[slot] << 32 | (slot + 1);
}

/* A live delivery of this instance: a token that belongs to another sink acknowledges nothing, nor
 * does a guess at the token of a delivery that is still being filled. */
static weir_delivery *find(struct delivery_board *board, const weir_instance *instance,
                           uint64_t token)
{
    uint32_t slot = (uint32_t)token - 1;
    if (slot >= board->slot_count || !board->slots[slot] || token != token_of(board, slot))
        return NULL;
    weir_delivery *delivery = board->slots[slot];
    return delivery->instance == instance && delivery->open > 0 ? delivery : NULL;
}

static void on_post(struct post *post)
{
    struct delivery_board *board =
        (struct delivery_board *)((char *)post - offsetof(struct delivery_board, post));
    pthread_mutex_lock(&board->lock);
    board->posted = false; /* only here: until then the clock's queue still holds `post` */
    pthread_mutex_unlock(&board->lock);
    board_drain(board);
}

int board_init(struct delivery_board *board, struct clock *clock)
{
    *board = (struct delivery_board){.clock = clock, .post = {.run = on_post}};
    return -pthread_mutex_init(&board->lock, NULL);
}

static void spare_free(weir_delivery *delivery)
{
    mem_free(delivery->entries);
    mem_free(delivery);
}

void board_done(struct delivery_board *board)
{
    while (board->spare) {
        weir_delivery *next = board->spare->next;
        spare_free(board->spare);
        board->spare = next;
    }
    mem_free(board->slots);
    mem_free(board->generations);
    pthread_mutex_destroy(&board->lock);
}

static int more_slots(struct delivery_board *board)
{
    uint32_t count = board->slot_count ? board->slot_count * 2 : 16;
    weir_delivery **slots = mem_realloc(board->slots, count * sizeof *slots);
    if (!slots)
        return -ENOMEM;
    board->slots = slots;
    uint32_t *generations = mem_realloc(board->generations, count * sizeof *generations);
    if (!generations)
        return -ENOMEM;
    board->generations = generations;
    for (uint32_t slot = board->slot_count; slot < count; slot++) {
        slots[slot] = NULL;
        generations[slot] = 1;
    }
    board->free_hint = board->slot_count;
    board->slot_count = count;
    return 0;
}

/* Under the lock: puts `delivery` into a free slot. */
static int take_slot(struct delivery_board *board, weir_delivery *delivery)
{
    for (uint32_t tried = 0; tried < board->slot_count; tried++) {
        uint32_t slot = (board->free_hint + tried) % board->slot_count;
        if (board->slots[slot])
            continue;
        board->slots[slot] = delivery;
        board->free_hint = slot + 1;
        delivery->slot = slot;
        delivery->token = token_of(board, slot);
        return 0;
    }
    int rc = more_slots(board);
    return rc < 0 ? rc : take_slot(board, delivery);
}

static void give_back_slot(struct delivery_board *board, weir_delivery *delivery)
{
    board->slots[delivery->slot] = NULL;
    board->generations[delivery->slot]++;
    board->free_hint = delivery->slot;
}

static weir_delivery *spare_or_new(struct delivery_board *board, size_t capacity)
{
    weir_delivery *delivery = board->spare;
    if (delivery)
        board->spare = delivery->next;
    else
        delivery = mem_zalloc(1, sizeof *delivery);
    if (!delivery || delivery->capacity >= capacity)
        return delivery;
    struct weir_record *entries = mem_zalloc(capacity, sizeof *entries);
    if (!entries) {
        spare_free(delivery);
        return NULL;
    }
    mem_free(delivery->entries);
    delivery->entries = entries;
    delivery->capacity = capacity;
    return delivery;
}

weir_delivery *delivery_new(struct delivery_board *board, weir_instance *instance, size_t capacity)
{
    weir_delivery *delivery = spare_or_new(board, capacity);
    if (!delivery)
        return NULL;
    *delivery = (weir_delivery){.instance = instance,
                                .board = board,
                                .entries = delivery->entries,
                                .capacity = delivery->capacity};
    pthread_mutex_lock(&board->lock);
    int rc = take_slot(board, delivery);
    pthread_mutex_unlock(&board->lock);
    if (rc == 0)
        return delivery;
    spare_free(delivery);
    return NULL;
}

void delivery_open(weir_delivery *delivery)
{
    pthread_mutex_lock(&delivery->board->lock);
    for (size_t i = 0; i < delivery->count; i++) {
        struct weir_record *entry = &delivery->entries[i];
        entry->delivery = delivery;
        entry->next_completed = NULL;
        entry->reason = NULL;
        entry->done = entry->last = false;
    }
    delivery->open = delivery->count;
    pthread_mutex_unlock(&delivery->board->lock);
}

void delivery_free(weir_delivery *delivery)
{
    struct delivery_board *board = delivery->board;
    pthread_mutex_lock(&board->lock);
    if (board->slots[delivery->slot] == delivery &&
        delivery->token == token_of(board, delivery->slot))
        give_back_slot(board, delivery);
    pthread_mutex_unlock(&board->lock);
    delivery->next = board->spare;
    board->spare = delivery;
}

static char *reason_copy(weir_str reason)
{
    if (!reason.ptr || reason.len == 0)
        return NULL;
    char *copy =
        mem_dup0(reason.ptr, reason.len < REASON_BYTES_MAX ? reason.len : REASON_BYTES_MAX);
    for (char *c = copy; c && *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    return copy;
}

/* Under the lock. Returns whether the board has to be posted. */
static bool complete_entry(struct delivery_board *board, weir_delivery *delivery, size_t index,
                           int32_t outcome, char *reason)
{
    struct weir_record *entry = &delivery->entries[index];
    if (outcome < WEIR_OK || outcome > WEIR_DOWN) {
        board->bad_outcomes++;
        outcome = WEIR_RETRY;
    }
    entry->done = true;
    entry->outcome = outcome;
    entry->reason = reason;
    entry->last = --delivery->open == 0;
    if (entry->last)
        give_back_slot(board, delivery);
    if (board->tail)
        board->tail->next_completed = entry;
    else
        board->head = entry;
    board->tail = entry;
    bool post = !board->posted;
    board->posted = true;
    return post;
}

void delivery_complete(struct delivery_board *board, const weir_instance *instance, uint64_t token,
                       size_t index, int32_t outcome, weir_str reason)
{
    char *copy = reason_copy(reason);
    bool post = false;
    pthread_mutex_lock(&board->lock);
    weir_delivery *delivery = find(board, instance, token);
    if (delivery && index < delivery->count && !delivery->entries[index].done) {
        post = complete_entry(board, delivery, index, outcome, copy);
        copy = NULL;
    } else {
        board->ignored++;
    }
    pthread_mutex_unlock(&board->lock);
    mem_free(copy);
    if (post)
        board->clock->post(board->clock->ctx, &board->post);
}

void delivery_complete_rest(struct delivery_board *board, const weir_instance *instance,
                            uint64_t token, int32_t outcome, weir_str reason)
{
    bool post = false;
    pthread_mutex_lock(&board->lock);
    weir_delivery *delivery = find(board, instance, token);
    if (!delivery)
        board->ignored++;
    size_t count = delivery ? delivery->count : 0;
    for (size_t i = 0; i < count; i++)
        if (!delivery->entries[i].done)
            post |= complete_entry(board, delivery, i, outcome, reason_copy(reason));
    pthread_mutex_unlock(&board->lock);
    if (post)
        board->clock->post(board->clock->ctx, &board->post);
}

void board_drain(struct delivery_board *board)
{
    pthread_mutex_lock(&board->lock);
    struct weir_record *entry = board->head;
    board->head = board->tail = NULL;
    pthread_mutex_unlock(&board->lock);
    while (entry) {
        struct weir_record *next = entry->next_completed;
        char *reason = entry->reason;
        entry->reason = NULL;
        board->on_completion(board->ctx, entry, entry->outcome, reason, entry->last);
        mem_free(reason);
        entry = next;
    }
}

uint64_t board_ignored(struct delivery_board *board)
{
    pthread_mutex_lock(&board->lock);
    uint64_t ignored = board->ignored;
    pthread_mutex_unlock(&board->lock);
    return ignored;
}
