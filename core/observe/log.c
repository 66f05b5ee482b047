#include "observe/log.h"

#include "observe/log_fold.h"
#include "observe/log_mask.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 64 * 1024, MESSAGE_SHOWN_MAX = 4096, CONTEXT_MAX = 12, LEVELS_MAX = 32 };

struct context_entry {
    char *key, *value;
};

struct level_rule {
    char component[FOLD_COMPONENT_MAX];
    int level;
};

struct log {
    pthread_mutex_t lock;
    struct clock *clock;
    _Atomic int most;                /* of `level` and the rules: what some component may write */
    _Atomic int raised;              /* until raised_until_ms */
    _Atomic int64_t raised_until_ms; /* monotonic */
    int fd;
    bool json, color, journal;
    /* under the lock: */
    int level;
    struct level_rule rules[LEVELS_MAX];
    size_t rule_count;
    struct context_entry context[CONTEXT_MAX];
    struct log_fold fold;
    struct log_mask mask;
    uint64_t unwritten;
    struct buf line, masked; /* kept between lines */
};

static const struct level {
    const char *name, *padded, *color;
    int priority; /* syslog's, for journald */
} levels[] = {
    [WEIR_LOG_ERROR] = {"ERROR", "ERROR", "\033[31m", 3},
    [WEIR_LOG_WARN] = {"WARN", "WARN ", "\033[33m", 4},
    [WEIR_LOG_INFO] = {"INFO", "INFO ", "\033[32m", 6},
    [WEIR_LOG_DEBUG] = {"DEBUG", "DEBUG", "\033[2m", 7},
};

/* JOURNAL_STREAM is "device:inode" of the socket that journald gave us. */
static bool is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat info;
    char own[64];
    if (!stream || fstat(fd, &info) < 0)
        return false;
    snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)info.st_dev, (uintmax_t)info.st_ino);
    return strcmp(own, stream) == 0;
}

static bool wants_color(int fd)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fd) && !(none && *none) && term && *term && strcmp(term, "dumb") != 0;
}

struct log *log_new(const struct log_config *config, struct clock *clock)
{
    struct log *log = mem_zalloc(1, sizeof *log);
    if (!log)
        return NULL;
    if (pthread_mutex_init(&log->lock, NULL) != 0) {
        mem_free(log);
        return NULL;
    }
    log->clock = clock;
    log->level = config->level;
    log->most = config->level;
    log->raised = -1;
    log->fd = config->fd;
    log->journal = config->format != LOG_JSON && is_journal(config->fd);
    log->json = config->format == LOG_JSON ||
                (config->format == LOG_AUTO && !log->journal && !isatty(config->fd));
    log->color = !log->json && !log->journal &&
                 (config->color < 0 ? wants_color(config->fd) : config->color > 0);
    buf_init(&log->line, LINE_MAX_BYTES);
    buf_init(&log->masked, LINE_MAX_BYTES);
    return log;
}

static int64_t steady_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t wall_us(const struct log *log)
{
    struct timespec now;
    if (log->clock)
        return log->clock->wall_us(log->clock->ctx);
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- levels ---- */

static bool is_raised(const struct log *log, int level)
{
    return level <= log->raised && steady_ms() < log->raised_until_ms;
}

bool log_enabled(const struct log *log, int level)
{
    return level >= WEIR_LOG_ERROR && level <= WEIR_LOG_DEBUG &&
           (level <= log->most || is_raised(log, level));
}

static int level_of(const struct log *log, const char *component)
{
    const struct level_rule *found = NULL;
    size_t longest = 0;
    for (size_t i = 0; i < log->rule_count; i++) {
        const struct level_rule *rule = &log->rules[i];
        size_t len = strlen(rule->component);
        bool covers = strncmp(component, rule->component, len) == 0 &&
                      (component[len] == '\0' || component[len] == '.');
        if (covers && len >= longest) {
            found = rule;
            longest = len;
        }
    }
    return found ? found->level : log->level;
}

static void set_most(struct log *log)
{
    int most = log->level;
    for (size_t i = 0; i < log->rule_count; i++)
        if (log->rules[i].level > most)
            most = log->rules[i].level;
    log->most = most;
}

void log_set_level(struct log *log, int level)
{
    pthread_mutex_lock(&log->lock);
    log->level = level;
    set_most(log);
    pthread_mutex_unlock(&log->lock);
}

void log_set_levels(struct log *log, const struct log_level *wanted, size_t count)
{
    pthread_mutex_lock(&log->lock);
    log->rule_count = count < LEVELS_MAX ? count : LEVELS_MAX;
    for (size_t i = 0; i < log->rule_count; i++) {
        struct level_rule *rule = &log->rules[i];
        snprintf(rule->component, sizeof rule->component, "%s", wanted[i].component);
        rule->level = wanted[i].level;
    }
    set_most(log);
    pthread_mutex_unlock(&log->lock);
}

void log_raise(struct log *log, int level, int64_t for_ms)
{
    log->raised_until_ms = steady_ms() + for_ms;
    log->raised = level;
}

/* ---- what is not shown ---- */

void log_hide(struct log *log, weir_str secret)
{
    pthread_mutex_lock(&log->lock);
    mask_add_secret(&log->mask, secret);
    pthread_mutex_unlock(&log->lock);
}

int log_redact(struct log *log, const char *const *patterns)
{
    pthread_mutex_lock(&log->lock);
    int rc = mask_set_redact(&log->mask, patterns);
    pthread_mutex_unlock(&log->lock);
    return rc;
}

/* ---- context ---- */

/* The slot of a key, or the first free one, or NULL. Entries are packed from the front. */
static struct context_entry *context_slot(struct log *log, const char *key)
{
    for (size_t i = 0; i < CONTEXT_MAX; i++)
        if (!log->context[i].key || strcmp(log->context[i].key, key) == 0)
            return &log->context[i];
    return NULL;
}

static void context_remove(struct log *log, struct context_entry *entry)
{
    struct context_entry *end = log->context + CONTEXT_MAX;
    mem_free(entry->key);
    mem_free(entry->value);
    for (; entry + 1 < end; entry++)
        entry[0] = entry[1];
    *entry = (struct context_entry){0};
}

void log_set_context(struct log *log, const char *key, weir_str value)
{
    char *copy = value.len ? mem_dup0(value.ptr, value.len) : NULL;
    char *name = copy ? mem_dup0(key, strlen(key)) : NULL;
    pthread_mutex_lock(&log->lock);
    struct context_entry *entry = context_slot(log, key);
    if (entry && entry->key && (value.len == 0 || name)) {
        context_remove(log, entry);
        entry = context_slot(log, key);
    }
    if (entry && name) {
        *entry = (struct context_entry){name, copy};
        name = copy = NULL;
    }
    pthread_mutex_unlock(&log->lock);
    mem_free(name);
    mem_free(copy);
}

/* ---- lines ---- */

static void put_text(struct log *log, int level, const char *component, const char *code,
                     weir_str msg)
{
    struct buf *line = &log->line;
    if (log->journal) {
        buf_printf(line, "<%d>%s: ", levels[level].priority, component);
    } else {
        buf_put_iso_time(line, wall_us(log), 3);
        buf_printf(line, " %s%s%s %-8s  ", log->color ? levels[level].color : "",
                   levels[level].padded, log->color ? "\033[0m" : "", component);
    }
    buf_put_visible(line, msg, MESSAGE_SHOWN_MAX);
    if (code)
        buf_printf(line, "  code=%s", code);
}

static void put_field(struct buf *line, const char *key, weir_str value)
{
    buf_printf(line, ",\"%s\":", key);
    buf_put_json_string(line, value);
}

static bool is_literal(const char *value)
{
    size_t digits = strspn(value, "0123456789");
    return strcmp(value, "true") == 0 || strcmp(value, "false") == 0 ||
           (digits > 0 && digits < 16 && value[digits] == '\0' && (value[0] != '0' || digits == 1));
}

/* Powertools' names first, so that its queries work on our lines; two of its values are not
 * strings. */
static void put_context(struct log *log, struct buf *line)
{
    for (size_t i = 0; i < CONTEXT_MAX && log->context[i].key; i++) {
        const char *key = log->context[i].key, *value = log->context[i].value;
        bool plain = strcmp(key, "function_memory_size") == 0 || strcmp(key, "cold_start") == 0;
        if (plain && is_literal(value))
            buf_printf(line, ",\"%s\":%s", key, value);
        else
            put_field(line, key, str_of(value));
    }
}

static void put_json(struct log *log, int level, const char *component, const char *code,
                     weir_str msg)
{
    struct buf *line = &log->line;
    weir_str shown = {msg.ptr, msg.len > MESSAGE_SHOWN_MAX ? MESSAGE_SHOWN_MAX : msg.len};
    buf_puts(line, "{\"timestamp\":\"");
    buf_put_iso_time(line, wall_us(log), 3);
    buf_putc(line, '"');
    put_field(line, "level", str_of(levels[level].name));
    put_field(line, "message", shown);
    put_field(line, "component", str_of(component));
    put_field(line, "service", STR("weir"));
    put_context(log, line);
    if (code)
        put_field(line, "code", str_of(code));
    buf_putc(line, '}');
}

/* A line that can't be written is lost: there is nobody left to tell. */
static bool write_line(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, text, len);
        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0) {
            text += put;
            len -= (size_t)put;
        }
    }
    return true;
}

static weir_str without_secrets(struct log *log, weir_str msg)
{
    if (!mask_needed(&log->mask, msg))
        return msg;
    buf_reset(&log->masked);
    mask_put(&log->mask, msg, &log->masked);
    return log->masked.failed ? STR("a line that could not be shown") : buf_str(&log->masked);
}

static void emit(struct log *log, int level, const char *component, const char *code, weir_str msg)
{
    msg = without_secrets(log, msg);
    buf_reset(&log->line);
    if (log->json)
        put_json(log, level, component, code, msg);
    else
        put_text(log, level, component, code, msg);
    buf_putc(&log->line, '\n');
    if (log->line.failed || !write_line(log->fd, log->line.ptr, log->line.len))
        log->unwritten++;
}

static void say_folded(struct log *log, int64_t now_ms, bool all)
{
    char text[80];
    uint32_t more;
    int64_t for_ms;
    const struct fold_kind *kind;
    while ((kind = fold_next_due(&log->fold, now_ms, all, &more, &for_ms)) != NULL) {
        snprintf(text, sizeof text, "... %u more like this in %d s", more,
                 (int)((for_ms + 999) / 1000));
        emit(log, kind->level, kind->component, kind->code[0] ? kind->code : NULL, str_of(text));
    }
    if (!all && now_ms - log->fold.second_ms < 1000)
        return;
    uint64_t dropped = fold_take_dropped(&log->fold);
    if (dropped == 0)
        return;
    snprintf(text, sizeof text, "%llu lines were dropped: more than %d in a second",
             (unsigned long long)dropped, FOLD_RATE_MAX);
    emit(log, WEIR_LOG_WARN, "log", "W1201", str_of(text));
}

void log_free(struct log *log)
{
    if (!log)
        return;
    say_folded(log, wall_us(log) / 1000, true);
    for (size_t i = 0; i < CONTEXT_MAX; i++) {
        mem_free(log->context[i].key);
        mem_free(log->context[i].value);
    }
    mask_done(&log->mask);
    buf_done(&log->line);
    buf_done(&log->masked);
    pthread_mutex_destroy(&log->lock);
    mem_free(log);
}

void log_flush(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    say_folded(log, wall_us(log) / 1000, false);
    pthread_mutex_unlock(&log->lock);
}

uint64_t log_dropped(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t dropped = log->fold.dropped + log->unwritten;
    pthread_mutex_unlock(&log->lock);
    return dropped;
}

void log_text(struct log *log, int level, const char *component, const char *code, weir_str msg)
{
    if (!log_enabled(log, level))
        return;
    pthread_mutex_lock(&log->lock);
    int64_t now_ms = wall_us(log) / 1000;
    say_folded(log, now_ms, false);
    if ((level <= level_of(log, component) || is_raised(log, level)) &&
        fold_admit(&log->fold, level, component, code, now_ms))
        emit(log, level, component, code, msg);
    pthread_mutex_unlock(&log->lock);
}

void log_raw(struct log *log, weir_str lines)
{
    pthread_mutex_lock(&log->lock);
    if (!write_line(log->fd, lines.ptr, lines.len))
        log->unwritten++;
    pthread_mutex_unlock(&log->lock);
}

void log_line(struct log *log, int level, const char *component, const char *code,
              const char *format, ...)
{
    char text[MESSAGE_SHOWN_MAX];
    va_list args;
    if (!log_enabled(log, level))
        return;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0)
        return;
    size_t shown = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    log_text(log, level, component, code, (weir_str){text, shown});
}
