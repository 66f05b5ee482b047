#define _GNU_SOURCE /* madvise, MAP_NORESERVE */
#include "kit/guard.h"

#include "kit/kit.h"
#include "record/lazy.h"
#include "record/scan.h"
#include "util/alloc.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ROOM_BYTES = 256 << 20, PAGE_BYTES_MIN = 4096, ROOM_PAGES = ROOM_BYTES / PAGE_BYTES_MIN };
enum page_state { PAGE_NEVER, PAGE_LENT, PAGE_GONE };

struct line {
    char text[1024];
    size_t len;
};

/* A signal handler can only be told through static memory. All but the pages is written before a
 * plugin runs. The room is given out in a circle: what is gone stays so until the rest of it was
 * used. */
static struct {
    char *room;
    size_t page_bytes, next_page;
    _Atomic uint8_t pages[ROOM_PAGES]; /* enum page_state */
    int out;
    struct line writes, keeps;
    struct sigaction segv, bus; /* as they were */
    pthread_mutex_t lock;       /* of the list */
    struct guard *first;
} the = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct guard {
    char *at;
    size_t pages, count; /* without the page behind, which is never accessible; records */
    struct delivery_board *board;
    uint64_t token;
    struct guard *next;
};

/* ---- faults ---- */

static void on_fault(int signum, siginfo_t *info, void *context)
{
    size_t offset = (size_t)((uintptr_t)info->si_addr - (uintptr_t)the.room);
    const struct line *line = NULL;
    (void)context;
    if (info->si_code > 0 && offset < ROOM_BYTES) {
        uint8_t state = atomic_load(&the.pages[offset / the.page_bytes]);
        /* One that is lent can be read, so this was a write. */
        line = state == PAGE_LENT ? &the.writes : state == PAGE_GONE ? &the.keeps : NULL;
    }
    if (line) {
        ssize_t ignored = write(the.out, line->text, line->len);
        (void)ignored;
        _exit(1);
    }
    sigaction(signum, signum == SIGBUS ? &the.bus : &the.segv, NULL);
    if (info->si_code <= 0) /* sent; else it comes again by itself */
        raise(signum);
}

void guard_doing(const char *scenario, uint64_t seed)
{
    int len = snprintf(the.writes.text, sizeof the.writes.text,
                       "FAIL\trecords\tit writes into a record: what a delivery shows is const "
                       "(%s, seed %llu)\tCopy what you change. gdb stops at the very line: `set "
                       "follow-fork-mode child`.\nend\n",
                       scenario, (unsigned long long)seed);
    the.writes.len = (size_t)len < sizeof the.writes.text ? (size_t)len : 0;
    len =
        snprintf(the.keeps.text, sizeof the.keeps.text,
                 "FAIL\trecords\tit reads a record's text after it completed it: that lives until "
                 "the last record of its delivery is completed (%s, seed %llu)\tCopy what you "
                 "need for longer, or complete later. gdb stops at the very line: `set "
                 "follow-fork-mode child`.\nend\n",
                 scenario, (unsigned long long)seed);
    the.keeps.len = (size_t)len < sizeof the.keeps.text ? (size_t)len : 0;
}

void guard_start(int out)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | (int)SA_ONSTACK};
    the.out = out;
    the.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *room =
        mmap(NULL, ROOM_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return;
    the.room = room;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &the.segv);
    sigaction(SIGBUS, &action, &the.bus);
}

/* ---- memory ---- */

static void mark(const struct guard *guard, enum page_state state)
{
    size_t first = (size_t)(guard->at - the.room) / the.page_bytes;
    for (size_t i = 0; i < guard->pages; i++)
        atomic_store(&the.pages[first + i], (uint8_t)state);
    atomic_store(&the.pages[first + guard->pages], PAGE_NEVER);
}

static bool is_lent(size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        if (atomic_load(&the.pages[i]) == PAGE_LENT)
            return true;
    return false;
}

/* Writable; false when there is no room for so much. */
static bool take_room(size_t bytes, struct guard *out)
{
    size_t count = bytes / the.page_bytes + 1, all = ROOM_BYTES / the.page_bytes;
    if (count >= all)
        return false;
    size_t first = the.next_page + count < all ? the.next_page : 0;
    char *at = the.room + first * the.page_bytes;
    if (is_lent(first, count + 1) ||
        mprotect(at, count * the.page_bytes, PROT_READ | PROT_WRITE) < 0)
        return false;
    out->at = at;
    out->pages = count;
    the.next_page = first + count + 1;
    return true;
}

/* ---- records ---- */

static size_t block_bytes(const struct record *record)
{
    return sizeof *record + record->node_count * sizeof(struct node);
}

static size_t text_bytes(const struct record *record)
{
    const struct origin *origin = record->origin;
    size_t bytes = record->raw.len + SCAN_PADDING + record->event_id.len + record->position.len +
                   origin->stream_arn.len + origin->table.len + origin->region.len +
                   sizeof *origin + sizeof *record->rare;
    if (record->rare)
        bytes += record->rare->event_name.len + record->rare->envelope_id.len;
    return (bytes + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
}

/* The move of one record: its text goes from `old` to `new`; what lies elsewhere, to `rest`. */
struct move {
    weir_str old;
    char *new, *rest;
};

static const char *moved(const struct move *move, const char *at)
{
    return at ? move->new + (at - move->old.ptr) : NULL;
}

static weir_str moved_text(struct move *move, weir_str text)
{
    uintptr_t from = (uintptr_t)text.ptr, raw = (uintptr_t)move->old.ptr;
    if (!text.ptr)
        return text;
    if (from >= raw && from - raw <= move->old.len && text.len <= move->old.len - (from - raw))
        return (weir_str){moved(move, text.ptr), text.len};
    char *copy = move->rest;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    move->rest += text.len;
    return (weir_str){copy, text.len};
}

/* `texts` has text_bytes(). */
static void move_record(const struct record *old, struct record *copy, char *texts)
{
    struct origin *origin = (struct origin *)(void *)texts;
    struct rare *rare = (struct rare *)(void *)(texts + sizeof *origin);
    struct move move = {.old = old->raw, .new = texts + sizeof *origin + sizeof *rare};
    move.rest = move.new + old->raw.len + SCAN_PADDING;
    memcpy((void *)copy, old, block_bytes(old));
    memcpy(move.new, old->raw.ptr, old->raw.len);
    copy->raw.ptr = move.new;
    copy->event_id = moved_text(&move, old->event_id);
    copy->position = moved_text(&move, old->position);
    *origin = (struct origin){moved_text(&move, old->origin->stream_arn),
                              moved_text(&move, old->origin->table),
                              moved_text(&move, old->origin->region)};
    copy->origin = origin;
    if (old->rare) {
        *rare = (struct rare){moved_text(&move, old->rare->event_name),
                              moved_text(&move, old->rare->envelope_id)};
        copy->rare = rare;
    }
    struct node *nodes = record_nodes(copy);
    for (uint32_t i = 0; i < old->node_count; i++) {
        nodes[i].key = moved(&move, nodes[i].key);
        nodes[i].val = moved(&move, nodes[i].val);
    }
    /* Results made on demand are hung on here, so that nothing in the record changes later. */
    atomic_init(&copy->lazy, NULL);
    if (!lazy_field(copy, LAZY_EVENT_JSON))
        kit_out_of_memory();
}

static void fill(struct guard *guard, weir_delivery *delivery)
{
    char *block = guard->at, *texts = guard->at;
    for (size_t i = 0; i < delivery->count; i++)
        texts += block_bytes(delivery->entries[i].rec);
    for (size_t i = 0; i < delivery->count; i++) {
        const struct record *old = delivery->entries[i].rec;
        struct record *copy = (struct record *)(void *)block;
        move_record(old, copy, texts);
        delivery->entries[i].rec = copy;
        block += block_bytes(old);
        texts += text_bytes(old);
    }
    guard->count = delivery->count;
}

struct guard *guard_take(weir_delivery *delivery)
{
    struct guard room;
    size_t bytes = 0;
    for (size_t i = 0; i < delivery->count; i++)
        bytes += block_bytes(delivery->entries[i].rec) + text_bytes(delivery->entries[i].rec);
    if (!the.room || !take_room(bytes, &room))
        return NULL;
    struct guard *guard = mem_alloc(sizeof *guard);
    if (!guard)
        kit_out_of_memory();
    *guard = room;
    guard->board = delivery->board;
    guard->token = delivery->token;
    fill(guard, delivery);
    mark(guard, PAGE_LENT);
    mprotect(guard->at, guard->pages * the.page_bytes, PROT_READ);
    pthread_mutex_lock(&the.lock);
    guard->next = the.first;
    the.first = guard;
    pthread_mutex_unlock(&the.lock);
    return guard;
}

static void shut(const struct guard *guard)
{
    mark(guard, PAGE_GONE);
    mprotect(guard->at, guard->pages * the.page_bytes, PROT_NONE);
}

static void unlist(struct guard *guard)
{
    pthread_mutex_lock(&the.lock);
    struct guard **at = &the.first;
    while (*at != guard)
        at = &(*at)->next;
    *at = guard->next;
    pthread_mutex_unlock(&the.lock);
}

void guard_end(struct guard *guard)
{
    if (!guard)
        return;
    size_t bytes = guard->pages * the.page_bytes;
    unlist(guard);
    mprotect(guard->at, bytes, PROT_READ | PROT_WRITE);
    char *block = guard->at;
    for (size_t i = 0; i < guard->count; i++) {
        struct record *record = (struct record *)(void *)block;
        block += block_bytes(record);
        lazy_free(record);
    }
    shut(guard);
    madvise(guard->at, bytes, MADV_DONTNEED);
    mem_free(guard);
}

/* ---- completions, at the moment they are made ---- */

/* Its slot went on to the next generation with the last completion. */
static bool has_ended(struct delivery_board *board, uint64_t token)
{
    uint32_t slot = (uint32_t)token - 1;
    pthread_mutex_lock(&board->lock);
    bool ended = slot < board->slot_count && board->generations[slot] != token >> 32;
    pthread_mutex_unlock(&board->lock);
    return ended;
}

static void after_completion(const weir_instance *instance, uint64_t token)
{
    struct delivery_board *board = instance->services.board;
    if (!has_ended(board, token))
        return;
    pthread_mutex_lock(&the.lock);
    for (const struct guard *guard = the.first; guard; guard = guard->next)
        if (guard->board == board && guard->token == token)
            shut(guard);
    pthread_mutex_unlock(&the.lock);
}

static void guarded_complete(weir_instance *instance, uint64_t token, size_t i, int32_t outcome,
                             weir_str reason)
{
    if (!instance)
        return;
    delivery_complete(instance->services.board, instance, token, i, outcome, reason);
    after_completion(instance, token);
}

static void guarded_complete_rest(weir_instance *instance, uint64_t token, int32_t outcome,
                                  weir_str reason)
{
    if (!instance)
        return;
    delivery_complete_rest(instance->services.board, instance, token, outcome, reason);
    after_completion(instance, token);
}

void guard_watch(weir_instance *instance)
{
    instance->host.complete = guarded_complete;
    instance->host.complete_rest = guarded_complete_rest;
}
