/* A server's Retry-After outlives the process, so that one that is started again (by a service
 * manager, a crash, a deployment) does not ask sooner. Needs weir.kv/1; without, only this process
 * knows. */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SECOND_MS = 1000, SECOND_US = 1000000, WORTH_MS = 2000, MOST_S = 86400 };

static const char KEY[] = "retry_after";

/* "UNTIL_US SERVER": unix time, and the URL's digest, since it may hold a secret. */
static weir_str put_value(const struct kept *kept, int64_t until_us, char out[KEPT_BYTES])
{
    int len = snprintf(out, KEPT_BYTES, "%lld %s", (long long)until_us, kept->server);
    return weir_view(out, (size_t)len);
}

int64_t kept_open(struct kept *kept, struct sender *sender, const weir_timer *timer, weir_str url)
{
    char text[KEPT_BYTES];
    weir_str value = WEIR_NONE;
    if (!timer)
        return 0;
    kept->kv = sender->host->extension(sender->instance, WEIR_EXT_KV);
    kept->timer = timer;
    kept->sender = sender;
    sha256_hex(url, kept->server);
    if (!kept->kv || kept->kv->get(sender->instance, weir_cstr(KEY), &value) != 1 ||
        value.len >= sizeof text)
        return 0;
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    char *end;
    int64_t until_us = strtoll(text, &end, 10);
    until_us = until_us > 0 ? until_us : 0;
    int64_t left_us = until_us - timer->wall_us(sender->instance);
    bool ours = *end == ' ' && strcmp(end + 1, kept->server) == 0;
    /* further away than any server's wish: the clock was set meanwhile */
    return ours && left_us > 0 && left_us <= MOST_S * (int64_t)SECOND_US ? left_us / 1000 : 0;
}

static void on_kept(void *arg, int32_t status)
{
    struct kept *kept = arg;
    char why[96];
    bool again = kept->complained;
    kept->complained = status != 0;
    if (status == 0 || again)
        return;
    if (strerror_r(-status, why, sizeof why) != 0)
        snprintf(why, sizeof why, "error %d", -status);
    weir_logf(kept->sender->host, kept->sender->instance, WEIR_LOG_WARN,
              "Retry-After would not outlive a restart: it can't be stored: %s", why);
}

void kept_wait(struct kept *kept, int64_t delay_ms)
{
    char text[KEPT_BYTES];
    if (!kept->kv || delay_ms < WORTH_MS)
        return;
    int64_t until_ms = kept->timer->now_ms(kept->sender->instance) + delay_ms;
    if (until_ms < kept->until_ms + SECOND_MS) /* of several requests at once, the first */
        return;
    kept->until_ms = until_ms;
    int64_t until_us = kept->timer->wall_us(kept->sender->instance) + delay_ms * 1000;
    int32_t rc = kept->kv->put(kept->sender->instance, weir_cstr(KEY),
                               put_value(kept, until_us, text), on_kept, kept);
    if (rc < 0 && rc != -ENOTSUP) /* that is weir dead retry, which no restart follows */
        on_kept(kept, rc);
}
