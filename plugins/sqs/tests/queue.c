#include "queue.h"
#include "shared/digest.h"
#include "unit.h"

#include "util/alloc.h"

#include <stdio.h>
#include <stdlib.h>

static char *copy_member(const struct json_value *entry, const char *name)
{
    weir_str text = json_text(entry, name);
    return mem_dup0(text.ptr ? text.ptr : "", text.len);
}

static void take(struct queue *queue, const struct json_value *entry)
{
    CHECK_FATAL(queue->count < QUEUE_MAX);
    struct queued *message = &queue->messages[queue->count];
    *message =
        (struct queued){copy_member(entry, "MessageBody"), copy_member(entry, "MessageGroupId"),
                        copy_member(entry, "MessageDeduplicationId")};
    for (size_t i = 0; queue->fifo && i < queue->count; i++) {
        if (strcmp(queue->messages[i].once, message->once) != 0)
            continue;
        queue->duplicates++;
        mem_free(message->body);
        mem_free(message->group);
        mem_free(message->once);
        return;
    }
    queue->count++;
}

struct answer {
    char stored[4096], failed[4096];
    size_t stored_len, failed_len;
};

static void judge_entry(struct queue *queue, const struct json_value *entry, struct answer *answer)
{
    unsigned char digest[MD5_BYTES];
    char sum[2 * MD5_BYTES + 1];
    weir_str id = json_text(entry, "Id"), body = json_text(entry, "MessageBody");
    char *text = mem_dup0(body.ptr, body.len);
    int verdict = queue->judge ? queue->judge(queue, text, queue->arg) : 0;
    mem_free(text);
    md5(body, digest);
    hex(digest, MD5_BYTES, sum);
    sum[0] = (char)(verdict == 4 ? 'x' : sum[0]);
    if (verdict == 0 || verdict == 4) {
        take(queue, entry);
        answer->stored_len += (size_t)snprintf(
            answer->stored + answer->stored_len, sizeof answer->stored - answer->stored_len,
            "%s{\"Id\":\"%.*s\",\"MessageId\":\"m\",\"MD5OfMessageBody\":\"%s\"}",
            answer->stored_len ? "," : "", (int)id.len, id.ptr, sum);
    } else if (verdict != 3) {
        answer->failed_len += (size_t)snprintf(
            answer->failed + answer->failed_len, sizeof answer->failed - answer->failed_len,
            "%s{\"Id\":\"%.*s\",\"SenderFault\":%s,\"Code\":\"InternalError\",\"Message\":\"no\"}",
            answer->failed_len ? "," : "", (int)id.len, id.ptr, verdict == 2 ? "true" : "false");
    }
}

size_t queue_answer(struct queue *queue, struct fake *fake, size_t index)
{
    static char body[16384];
    struct answer answer = {.stored_len = 0};
    struct arena arena;
    struct json_error error;
    arena_init(&arena, 4096);
    const struct json_value *root =
        json_parse(&arena, str_of(fake->calls[index].body), 0, 0, &error);
    CHECK_FATAL(root != NULL);
    const struct json_value *entries = json_member0(root, "Entries");
    size_t count = entries->size;
    CHECK(count >= 1 && count <= 10);
    for (size_t i = 0; i < count; i++)
        judge_entry(queue, json_at(entries, i), &answer);
    arena_done(&arena);
    snprintf(body, sizeof body, "{\"Successful\":[%s],\"Failed\":[%s]}", answer.stored,
             answer.failed);
    fake_answer(fake, index, WEIR_OK, 200, body);
    return count;
}

void queue_answer_all(struct queue *queue, struct fake *fake)
{
    for (size_t i = 0; i < fake->call_count; i++) {
        if (fake->calls[i].answered)
            continue;
        if (fake->calls[i].aborted)
            fake_answer_error(fake, i, WEIR_RETRY, 0, "Aborted", "aborted", "");
        else
            queue_answer(queue, fake, i);
    }
}

void queue_free(struct queue *queue)
{
    for (size_t i = 0; i < queue->count; i++) {
        mem_free(queue->messages[i].body);
        mem_free(queue->messages[i].group);
        mem_free(queue->messages[i].once);
    }
    *queue = (struct queue){.count = 0};
}

char *queue_records(size_t first, size_t count, size_t items)
{
    char *out = mem_alloc(count * 256 + 64);
    size_t len = (size_t)snprintf(out, 16, "{\"Records\":[");
    for (size_t i = first; i < first + count; i++)
        len += (size_t)snprintf(
            out + len, 256,
            "%s{\"eventID\":\"n%zu;\",\"eventName\":\"MODIFY\",\"dynamodb\":{\"Keys\":"
            "{\"id\":{\"S\":\"k%zu\"}},\"SequenceNumber\":\"%zu\"}}",
            i > first ? "," : "", i, i % items, 1000 + i);
    snprintf(out + len, 16, "]}");
    return out;
}
