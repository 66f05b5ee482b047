#include "observe/log.h"

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

enum { LINE_MAX_BYTES = 64 * 1024, MESSAGE_SHOWN_MAX = 4096, CONTEXT_MAX = 12 };

struct context_entry {
    char *key, *value;
};

struct log {
    pthread_mutex_t lock;
    struct clock *clock;
    _Atomic int level, raised;       /* raised: until raised_until_ms */
    _Atomic int64_t raised_until_ms; /* monotonic */
    int fd;
    bool json, color, journal;
    struct context_entry context[CONTEXT_MAX];
    struct buf line; /* under the lock; kept between lines */
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
    log->raised = -1;
    log->fd = config->fd;
    log->journal = config->format != LOG_JSON && is_journal(config->fd);
    log->json = config->format == LOG_JSON ||
                (config->format == LOG_AUTO && !log->journal && !isatty(config->fd));
    log->color = !log->json && !log->journal &&
                 (config->color < 0 ? wants_color(config->fd) : config->color > 0);
    buf_init(&log->line, LINE_MAX_BYTES);
    return log;
}

void log_free(struct log *log)
{
    if (!log)
        return;
    for (size_t i = 0; i < CONTEXT_MAX; i++) {
        mem_free(log->context[i].key);
        mem_free(log->context[i].value);
    }
    buf_done(&log->line);
    pthread_mutex_destroy(&log->lock);
    mem_free(log);
}

static int64_t steady_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_raised(const struct log *log, int level)
{
    return level <= log->raised && steady_ms() < log->raised_until_ms;
}

bool log_enabled(const struct log *log, int level)
{
    return level >= WEIR_LOG_ERROR && level <= WEIR_LOG_DEBUG &&
           (level <= log->level || is_raised(log, level));
}

void log_set_level(struct log *log, int level)
{
    log->level = level;
}

void log_raise(struct log *log, int level, int64_t for_ms)
{
    log->raised_until_ms = steady_ms() + for_ms;
    log->raised = level;
}

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

static int64_t wall_us(const struct log *log)
{
    struct timespec now;
    if (log->clock)
        return log->clock->wall_us(log->clock->ctx);
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

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
static void write_line(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, text, len);
        if (put < 0 && errno != EINTR)
            return;
        if (put > 0) {
            text += put;
            len -= (size_t)put;
        }
    }
}

void log_text(struct log *log, int level, const char *component, const char *code, weir_str msg)
{
    if (!log_enabled(log, level))
        return;
    pthread_mutex_lock(&log->lock);
    buf_reset(&log->line);
    if (log->json)
        put_json(log, level, component, code, msg);
    else
        put_text(log, level, component, code, msg);
    buf_putc(&log->line, '\n');
    if (!log->line.failed)
        write_line(log->fd, log->line.ptr, log->line.len);
    pthread_mutex_unlock(&log->lock);
}

void log_raw(struct log *log, weir_str lines)
{
    pthread_mutex_lock(&log->lock);
    write_line(log->fd, lines.ptr, lines.len);
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
