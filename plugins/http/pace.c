#include "http.h"

enum { SECOND_US = 1000000 };

static int64_t now_us(const struct pace *pace)
{
    return pace->timer->now_ms(pace->sender->instance) * 1000;
}

void pace_open(struct pace *pace, struct sender *sender, int64_t rate, weir_str url)
{
    pace->timer = sender->host->extension(sender->instance, WEIR_EXT_TIMER);
    pace->sender = sender;
    pace->rate = rate;
    pace->metrics = sender->host->extension(sender->instance, WEIR_EXT_METRICS);
    for (size_t i = 0; pace->metrics && i < 2; i++)
        pace->waits[i] = pace->metrics->make(sender->instance, WEIR_M_COUNTER, "waits_total", "why",
                                             i == 0 ? "rate" : "retry_after",
                                             "How often a request had to wait before it went.");
    int64_t left_ms = kept_open(&pace->kept, sender, pace->timer, url);
    if (left_ms > 0)
        pace->next_us = pace->told_us = now_us(pace) + left_ms * 1000;
}

static void wake(void *arg)
{
    struct pace *pace = arg;
    pace->alarm = 0;
    sender_pump(pace->sender);
}

/* Without memory for a timer the request goes now: a rate is worth less than a record. */
static bool sleep_until(struct pace *pace, int64_t then_us)
{
    int64_t delay_ms = (then_us - now_us(pace) + 999) / 1000;
    if (pace->alarm == 0) {
        pace->alarm = pace->timer->start(pace->sender->instance, delay_ms, wake, pace);
        if (pace->metrics && pace->alarm)
            pace->metrics->add(pace->sender->instance, pace->waits[then_us <= pace->told_us], 1);
    }
    return pace->alarm != 0;
}

/* A quarter of a second's requests may go at once after a pause. */
bool pace_may_send(struct pace *pace)
{
    int64_t now = now_us(pace);
    if (now < pace->next_us && sleep_until(pace, pace->next_us))
        return false;
    if (pace->rate > 0) {
        int64_t step_us = SECOND_US / pace->rate, earliest_us = now - SECOND_US / 4;
        pace->next_us = (pace->next_us > earliest_us ? pace->next_us : earliest_us) + step_us;
    }
    return true;
}

void pace_wait(struct pace *pace, int64_t delay_ms)
{
    int64_t then_us = now_us(pace) + delay_ms * 1000;
    if (then_us > pace->next_us)
        pace->next_us = pace->told_us = then_us;
    kept_wait(&pace->kept, delay_ms);
}

bool pace_waits(const struct pace *pace)
{
    return pace->timer && now_us(pace) < pace->told_us;
}
