#include "aws/sts.h"

#include <errno.h>

/* A reader of the XML that AWS query services answer with: elements and text. Comments and
 * instructions are passed over, declarations (<!DOCTYPE) and CDATA refused. */

enum { DEPTH_MAX = 32 };

struct reader {
    const char *at, *end;
    weir_str open[DEPTH_MAX]; /* names */
    size_t depth;
    const char *text; /* behind the last tag */
    bool leaf;        /* the last tag was an opening one */
    bool ended;       /* the root was closed */
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *find(const char *from, const char *end, const char *what)
{
    size_t len = strlen(what);
    for (; (size_t)(end - from) >= len; from++)
        if (memcmp(from, what, len) == 0)
            return from;
    return NULL;
}

/* The path of the open elements is `path`? */
static bool is_at(const struct reader *reader, const char *path)
{
    for (size_t i = 0; i < reader->depth; i++) {
        size_t len = strcspn(path, "/");
        if (!str_eq(reader->open[i], (weir_str){path, len}))
            return false;
        path += len;
        if (*path == '/' && i + 1 < reader->depth)
            path++;
    }
    return *path == '\0' && reader->depth > 0;
}

static int open_element(struct reader *reader, weir_str tag)
{
    bool empty = tag.ptr[tag.len - 1] == '/';
    size_t len = 0;
    while (len < tag.len - empty && !is_space(tag.ptr[len]))
        len++;
    if (len == 0 || reader->depth == DEPTH_MAX || reader->ended)
        return -EINVAL;
    if (empty) {
        reader->ended = reader->depth == 0;
        return 0;
    }
    reader->open[reader->depth++] = (weir_str){tag.ptr, len};
    return 0;
}

static int close_element(struct reader *reader, weir_str name)
{
    while (name.len && is_space(name.ptr[name.len - 1]))
        name.len--;
    if (reader->depth == 0 || !str_eq(reader->open[reader->depth - 1], name))
        return -EINVAL;
    reader->ended = --reader->depth == 0;
    return 0;
}

/* Takes one tag, which begins at reader->at. */
static int take_tag(struct reader *reader, const char *path, weir_str *out)
{
    weir_str rest = {reader->at + 1, (size_t)(reader->end - reader->at - 1)};
    bool comment = str_starts(rest, STR("!--")), instruction = str_starts(rest, STR("?"));
    const char *close = comment       ? find(rest.ptr + 3, reader->end, "-->")
                        : instruction ? find(rest.ptr, reader->end, "?>")
                                      : find(rest.ptr, reader->end, ">");
    if (!close || close == rest.ptr || (*rest.ptr == '!' && !comment))
        return -EINVAL;
    weir_str tag = {rest.ptr, (size_t)(close - rest.ptr)}, text = {reader->text, 0};
    text.len = (size_t)(reader->at - reader->text);
    reader->at = close + (comment ? 3 : instruction ? 2 : 1);
    if (comment || instruction)
        return 0;
    bool closing = *tag.ptr == '/';
    /* An element with a child has no text that anybody asks for. */
    if (closing && reader->leaf && !out->ptr && is_at(reader, path))
        *out = text;
    reader->leaf = !closing && tag.ptr[tag.len - 1] != '/';
    reader->text = reader->at;
    return closing ? close_element(reader, (weir_str){tag.ptr + 1, tag.len - 1})
                   : open_element(reader, tag);
}

int xml_text(weir_str xml, const char *path, weir_str *out)
{
    struct reader reader = {.at = xml.ptr, .end = xml.ptr + xml.len, .text = xml.ptr};
    weir_str found = STR_NONE;
    int rc = 0;
    while (rc == 0 && reader.at < reader.end) {
        if (*reader.at == '<')
            rc = take_tag(&reader, path, &found);
        else if (reader.depth == 0 && !is_space(*reader.at))
            rc = -EINVAL;
        else
            reader.at++;
    }
    if (rc < 0 || !reader.ended)
        return -EINVAL;
    if (!found.ptr)
        return -ENOENT;
    *out = found;
    return 0;
}
