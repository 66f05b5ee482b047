#include "aws/xml.h"

#include "util/text.h"

#include <errno.h>

enum { DEPTH_MAX = 32 };

struct reader {
    const char *at, *end;
    weir_str open[DEPTH_MAX]; /* names */
    size_t depth;
    const char *behind; /* the last tag */
    bool ended;         /* the root was closed */
};

enum tag_kind { TAG_NONE, TAG_OPEN, TAG_CLOSE, TAG_EMPTY };

struct tag {
    enum tag_kind kind;
    weir_str text; /* between the last tag and this one */
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_blank(weir_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_space(text.ptr[i]))
            return false;
    return true;
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

static int open_element(struct reader *reader, weir_str tag, bool empty)
{
    size_t len = 0;
    while (len < tag.len - empty && !is_space(tag.ptr[len]))
        len++;
    if (len == 0 || reader->depth == DEPTH_MAX || reader->ended)
        return -EINVAL;
    reader->open[reader->depth++] = (weir_str){tag.ptr, len};
    return 0;
}

static int close_element(struct reader *reader, weir_str name)
{
    while (name.len && is_space(name.ptr[name.len - 1]))
        name.len--;
    if (reader->depth == 0 || !str_eq(reader->open[reader->depth - 1], name))
        return -EINVAL;
    return 0;
}

/* Takes what begins at reader->at with a '<'. Of a tag that closes, or of an empty element, the
 * name stays open until leave(). */
static int take_tag(struct reader *reader, struct tag *out)
{
    weir_str rest = {reader->at + 1, (size_t)(reader->end - reader->at - 1)};
    bool comment = str_starts(rest, STR("!--")), instruction = str_starts(rest, STR("?"));
    const char *close = comment       ? find(rest.ptr + 3, reader->end, "-->")
                        : instruction ? find(rest.ptr, reader->end, "?>")
                                      : find(rest.ptr, reader->end, ">");
    if (!close || close == rest.ptr || (*rest.ptr == '!' && !comment))
        return -EINVAL;
    weir_str tag = {rest.ptr, (size_t)(close - rest.ptr)};
    *out = (struct tag){.text = {reader->behind, (size_t)(reader->at - reader->behind)}};
    reader->at = close + (comment ? 3 : instruction ? 2 : 1);
    if (comment || instruction) {
        if (is_blank(out->text))
            reader->behind = reader->at;
        return 0;
    }
    bool empty = tag.ptr[tag.len - 1] == '/';
    reader->behind = reader->at;
    out->kind = *tag.ptr == '/' ? TAG_CLOSE : empty ? TAG_EMPTY : TAG_OPEN;
    return out->kind == TAG_CLOSE ? close_element(reader, (weir_str){tag.ptr + 1, tag.len - 1})
                                  : open_element(reader, tag, empty);
}

static void leave(struct reader *reader)
{
    reader->ended = --reader->depth == 0;
}

/* The next tag. TAG_NONE: the document has ended, as it should. */
static int next_tag(struct reader *reader, struct tag *out)
{
    out->kind = TAG_NONE;
    while (out->kind == TAG_NONE && reader->at < reader->end) {
        if (*reader->at != '<') {
            if (reader->depth == 0 && !is_space(*reader->at))
                return -EINVAL;
            reader->at++;
        } else if (take_tag(reader, out) < 0) {
            return -EINVAL;
        }
    }
    return out->kind == TAG_NONE && !reader->ended ? -EINVAL : 0;
}

static struct reader reader_of(weir_str xml)
{
    return (struct reader){.at = xml.ptr, .end = xml.ptr + xml.len, .behind = xml.ptr};
}

/* ---- one text ---- */

int xml_text(weir_str xml, const char *path, weir_str *out)
{
    struct reader reader = reader_of(xml);
    weir_str found = STR_NONE;
    struct tag tag;
    bool leaf = false; /* an element with a child has no text that anybody asks for */
    int rc;
    while ((rc = next_tag(&reader, &tag)) == 0 && tag.kind != TAG_NONE) {
        if (tag.kind == TAG_CLOSE && leaf && !found.ptr && is_at(&reader, path))
            found = tag.text;
        leaf = tag.kind == TAG_OPEN;
        if (tag.kind != TAG_OPEN)
            leave(&reader);
    }
    if (rc < 0)
        return rc;
    if (!found.ptr)
        return -ENOENT;
    *out = found;
    return 0;
}

/* ---- all of it, as JSON ---- */

enum content { CONTENT_NONE, CONTENT_OBJECT, CONTENT_ARRAY };

static void put_utf8(struct buf *out, uint32_t point)
{
    if (point < 0x80) {
        buf_putc(out, (char)point);
        return;
    }
    int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    buf_putc(out, (char)(lead[more] | point >> (6 * more)));
    while (more-- > 0)
        buf_putc(out, (char)(0x80 | (point >> (6 * more) & 0x3f)));
}

/* "#38" or "#x26". 0: no character of XML. */
static uint32_t character(weir_str name)
{
    uint32_t point = 0;
    bool hex = name.len > 2 && name.ptr[1] == 'x';
    for (size_t i = hex ? 2 : 1; i < name.len; i++) {
        char c = name.ptr[i];
        int digit = c >= '0' && c <= '9'          ? c - '0'
                    : hex && c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : hex && c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                  : -1;
        if (digit < 0 || point > 0x10ffff)
            return 0;
        point = point * (hex ? 16 : 10) + (uint32_t)digit;
    }
    bool allowed = point >= 0x20 || point == '\t' || point == '\n' || point == '\r';
    return allowed && (point < 0xd800 || point > 0xdfff) && point <= 0x10ffff ? point : 0;
}

/* The five entities that XML has, and characters by number; no other ones. */
static uint32_t entity(weir_str name)
{
    static const struct {
        const char *name;
        char character;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    if (name.len > 1 && name.ptr[0] == '#')
        return character(name);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_is(name, known[i].name))
            return (unsigned char)known[i].character;
    return 0;
}

static int put_text(struct buf *out, weir_str text)
{
    struct buf plain;
    int rc = 0;
    if (!memchr(text.ptr, '&', text.len) && !memchr(text.ptr, '<', text.len))
        return buf_put_json_string(out, text);
    buf_init(&plain, text.len);
    for (size_t i = 0; i < text.len && rc == 0; i++) {
        const char *at = text.ptr + i;
        const char *end = *at == '&' ? memchr(at, ';', text.len - i) : NULL;
        uint32_t point = end ? entity((weir_str){at + 1, (size_t)(end - at - 1)}) : 0;
        if (*at == '<' || (*at == '&' && point == 0)) {
            rc = -EINVAL; /* a comment inside of text, or an entity that is none */
        } else if (point) {
            put_utf8(&plain, point);
            i += (size_t)(end - at);
        } else {
            buf_putc(&plain, *at);
        }
    }
    if (rc == 0)
        rc = plain.failed ? -ENOMEM : buf_put_json_string(out, buf_str(&plain));
    buf_done(&plain);
    return rc;
}

/* What stands before the value of an element: in its parent, which `in` is about. */
static int put_opening(struct buf *out, const struct reader *reader, const struct tag *tag,
                       enum content *in)
{
    weir_str name = reader->open[reader->depth - 1];
    bool member = reader->depth > 1 && str_is(name, "member"), first = *in == CONTENT_NONE;
    if (!is_blank(tag->text) || (*in == CONTENT_ARRAY && !member))
        return -EINVAL;
    if (first)
        *in = member ? CONTENT_ARRAY : CONTENT_OBJECT;
    buf_putc(out, !first ? ',' : *in == CONTENT_ARRAY ? '[' : '{');
    if (*in == CONTENT_ARRAY)
        return 0;
    buf_put_json_string(out, name);
    return buf_putc(out, ':');
}

static int put_closing(struct buf *out, const struct tag *tag, enum content in)
{
    if (tag->kind == TAG_EMPTY)
        return buf_puts(out, "\"\"");
    if (in == CONTENT_NONE)
        return put_text(out, tag->text);
    return is_blank(tag->text) ? buf_putc(out, in == CONTENT_ARRAY ? ']' : '}') : -EINVAL;
}

int xml_to_json(weir_str xml, struct buf *out)
{
    struct reader reader = reader_of(xml);
    enum content in[DEPTH_MAX + 1] = {CONTENT_NONE}; /* in[0]: around the root */
    struct tag tag;
    int rc;
    while ((rc = next_tag(&reader, &tag)) == 0 && tag.kind != TAG_NONE) {
        size_t depth = reader.depth;
        if (tag.kind != TAG_CLOSE) {
            rc = put_opening(out, &reader, &tag, &in[depth - 1]);
            in[depth] = CONTENT_NONE;
        }
        if (tag.kind != TAG_OPEN && rc == 0) {
            rc = put_closing(out, &tag, in[depth]);
            leave(&reader);
        }
        if (rc < 0)
            break;
    }
    if (rc == 0)
        rc = buf_putc(out, '}');
    return rc;
}
