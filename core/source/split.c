#include "source/split.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Moves over one byte; returns true when a document ends with it. */
static bool step(struct splitter *s, char c)
{
    if (s->in_string) {
        if (s->escaped)
            s->escaped = false;
        else if (c == '\\')
            s->escaped = true;
        else if (c == '"')
            s->in_string = false;
        return false;
    }
    if (c == '"')
        s->in_string = true;
    else if (c == '{' || c == '[')
        s->depth++;
    else if ((c == '}' || c == ']') && s->depth > 0)
        return --s->depth == 0;
    return false;
}

/* A line ended inside a document. Is the document laid out over several lines, or is this the
 * broken first line of a file with one record a line? The latter goes on with another `{` in the
 * first column, where a laid out document would need a comma or an opening bracket before. */
static enum split_mode mode_at_line_end(const struct splitter *s, const char *text, size_t len)
{
    if (s->at + 1 >= len)
        return SPLIT_UNDECIDED;
    bool continues = s->last_solid == ',' || s->last_solid == '{' || s->last_solid == '[' ||
                     s->last_solid == ':';
    if (s->line_first == '{' && text[s->at + 1] == '{' && !continues)
        return SPLIT_LINES;
    return SPLIT_DOCUMENTS;
}

static void decide(struct splitter *s, const char *text, size_t len)
{
    for (; s->at < len && s->mode == SPLIT_UNDECIDED; s->at++) {
        char c = text[s->at];
        if (!s->started && is_space(c))
            continue;
        if (!s->started) {
            s->started = true;
            s->line_first = c;
        }
        if (c == '\n' && s->depth > 0 &&
            (s->mode = mode_at_line_end(s, text, len)) == SPLIT_UNDECIDED)
            return; /* one more byte is needed */
        if (step(s, c))
            s->mode = SPLIT_LINES;
        if (!is_space(c))
            s->last_solid = c;
    }
    if (s->mode != SPLIT_UNDECIDED)
        *s = (struct splitter){.mode = s->mode}; /* cut from the start, now that it is known how */
}

static size_t whole_lines(const char *text, size_t len, size_t most)
{
    size_t look = len < most ? len : most;
    for (size_t end = look; end > 0; end--)
        if (text[end - 1] == '\n')
            return end;
    const char *newline = look < len ? memchr(text + look, '\n', len - look) : NULL;
    return newline ? (size_t)(newline - text) + 1 : 0;
}

static size_t whole_documents(struct splitter *s, const char *text, size_t len, size_t most)
{
    size_t whole = 0;
    for (; s->at < len && (whole == 0 || s->at < most); s->at++)
        if (step(s, text[s->at]))
            whole = s->at + 1;
    if (whole)
        *s = (struct splitter){.mode =
                                   SPLIT_DOCUMENTS}; /* what follows is scanned again from there */
    return whole;
}

size_t split_whole(struct splitter *splitter, const char *text, size_t len, size_t most, bool ends)
{
    if (splitter->mode == SPLIT_UNDECIDED)
        decide(splitter, text, len);
    size_t whole = 0;
    if (splitter->mode == SPLIT_LINES)
        whole = whole_lines(text, len, most);
    else if (splitter->mode == SPLIT_DOCUMENTS)
        whole = whole_documents(splitter, text, len, most);
    return whole == 0 && ends ? len : whole;
}
