/* Standard Webhooks 1.0: base64(HMAC-SHA256(key, "ID.TIMESTAMP.BODY")). */
#include "http.h"

#include <stdio.h>

enum { BLOCK = 64 /* of SHA-256 */ };

static int sextet(char c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

static bool put_decoded(weir_buf *out, weir_str base64)
{
    uint32_t bits = 0;
    unsigned have = 0;
    while (base64.len > 0 && base64.ptr[base64.len - 1] == '=')
        base64.len--;
    for (size_t i = 0; i < base64.len; i++) {
        int six = sextet(base64.ptr[i]);
        if (six < 0)
            return false;
        bits = bits << 6 | (uint32_t)six;
        have += 6;
        if (have >= 8)
            put_char(out, (char)(bits >> (have -= 8) & 0xff));
    }
    return base64.len % 4 != 1;
}

bool key_of_secret(weir_str secret, weir_buf *key)
{
    weir_str prefix = WEIR_STR("whsec_");
    if (!str_starts_with(secret, prefix)) {
        put(key, secret);
        return true;
    }
    return put_decoded(key, weir_view(secret.ptr + prefix.len, secret.len - prefix.len)) &&
           key->len > 0;
}

/* RFC 2104. `text` begins with BLOCK bytes of room. */
static void hmac(weir_str key, weir_buf *text, unsigned char out[SHA256_BYTES])
{
    unsigned char pad[BLOCK] = {0}, inner[BLOCK + SHA256_BYTES];
    if (key.len > BLOCK)
        sha256(key, pad);
    else if (key.len > 0)
        memcpy(pad, key.ptr, key.len);
    for (size_t i = 0; i < BLOCK; i++) {
        text->ptr[i] = (char)(pad[i] ^ 0x36);
        inner[i] = pad[i] ^ 0x5c;
    }
    sha256(weir_buf_view(text), inner + BLOCK);
    sha256(weir_view((const char *)inner, sizeof inner), out);
}

/* A hash of what tells the records apart: hostile text stays out of the headers. */
static void put_id(const struct webhook *hook, const struct call *call, weir_buf *scratch,
                   char *out, size_t out_bytes)
{
    const weir_host *host = hook->sender.host;
    char text[SHA256_HEX_BYTES];
    weir_buf_clear(scratch);
    for (size_t i = 0; i < call->count; i++) {
        const weir_record *record = call->entries[i].message->record;
        put(scratch, host->field(record, WEIR_F_IDENTITY));
        put(scratch, host->field(record, WEIR_F_EVENT_ID));
        put(scratch, host->field(record, WEIR_F_DEAD_SINK));
        put_char(scratch, '\n');
    }
    sha256_hex(weir_buf_view(scratch), text);
    snprintf(out, out_bytes, "msg_%.32s", text);
}

bool sign(struct webhook *hook, const struct call *call, struct signature *out)
{
    weir_buf *text = &hook->sender.scratch;
    weir_buf value = {0};
    unsigned char digest[SHA256_BYTES];
    static const char room[BLOCK] = {0};
    int64_t now_us = hook->pace.timer->wall_us(hook->sender.instance);
    put_id(hook, call, text, out->id, sizeof out->id);
    snprintf(out->timestamp, sizeof out->timestamp, "%lld", (long long)floor_seconds(now_us));
    weir_buf_clear(text);
    put(text, weir_view(room, sizeof room));
    put_text(text, out->id);
    put_char(text, '.');
    put_text(text, out->timestamp);
    put_char(text, '.');
    put(text, weir_buf_view(&call->body));
    if (text->failed)
        return false;
    hmac(weir_buf_view(&hook->key), text, digest);
    put_base64(&value, weir_view((const char *)digest, sizeof digest));
    bool made = !value.failed;
    snprintf(out->value, sizeof out->value, "v1,%.*s", made ? (int)value.len - 2 : 0,
             made ? value.ptr + 1 : ""); /* without the quotes */
    weir_buf_free(&value);
    return made;
}
