/* The program's standard error, line by line in weir's log. */
#include "exec/exec.h"

#include <errno.h>
#include <unistd.h>

enum { LINES_A_SECOND = 50, SECOND_MS = 1000 };

static void say_dropped(struct exec *exec)
{
    struct complaints *said = &exec->talk.complaints;
    if (said->dropped > 0)
        weir_logf(exec->inbox.host, exec->inbox.instance, WEIR_LOG_WARN,
                  "%u lines of the program's stderr were left out", said->dropped);
    said->dropped = said->count = 0;
}

static void say(struct exec *exec)
{
    struct complaints *said = &exec->talk.complaints;
    int64_t now = now_ms();
    weir_buf text = {0};
    weir_str line = weir_view(said->line, said->len);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    said->len = 0;
    if (now - said->since_ms >= SECOND_MS) {
        say_dropped(exec);
        said->since_ms = now;
    }
    if (line.len == 0)
        return;
    error_text(WEIR_NONE, line, said->last, sizeof said->last);
    if (said->count++ >= LINES_A_SECOND) {
        said->dropped++;
        return;
    }
    put_text(&text, "stderr: ");
    put_visible(&text, line, sizeof said->line);
    exec->inbox.host->log(exec->inbox.instance, WEIR_LOG_INFO, weir_buf_view(&text));
    weir_buf_free(&text);
}

static void take(struct exec *exec, weir_str bytes)
{
    struct complaints *said = &exec->talk.complaints;
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.ptr[i] == '\n') {
            if (!said->cut)
                say(exec);
            said->cut = false;
        } else if (!said->cut) {
            said->line[said->len++] = bytes.ptr[i];
            if (said->len == sizeof said->line) {
                say(exec);
                said->cut = true;
            }
        }
    }
}

bool complaints_read(struct exec *exec)
{
    char bytes[4096];
    ssize_t got = read(exec->talk.child.err_fd, bytes, sizeof bytes);
    if (got > 0)
        take(exec, weir_view(bytes, (size_t)got));
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void complaints_flush(struct exec *exec)
{
    struct complaints *said = &exec->talk.complaints;
    if (!said->cut)
        say(exec);
    say_dropped(exec);
    said->len = 0;
    said->cut = false;
}
