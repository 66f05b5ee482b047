/* Cutting a stream of documents: whatever the chunks, every document comes whole. */
#include "source/split.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Cuts `text`, fed in chunks, and joins the pieces with '|'. Empty pieces of white space at the end
 * are left out, as the source does. */
static const char *cut(const char *text, size_t len, size_t chunk, size_t most)
{
    static char out[1 << 16];
    size_t out_len = 0, start = 0, seen = 0;
    struct splitter splitter = {0};
    for (;;) {
        seen = seen + chunk < len ? seen + chunk : len;
        size_t whole;
        while ((whole = split_whole(&splitter, text + start, seen - start, most, seen == len)) >
               0) {
            CHECK_FATAL(whole <= seen - start && out_len + whole + 2 < sizeof out);
            if (out_len)
                out[out_len++] = '|';
            memcpy(out + out_len, text + start, whole);
            out_len += whole;
            start += whole;
            if (start == seen)
                break;
        }
        if (seen == len)
            break;
    }
    CHECK(start == len);
    out[out_len] = '\0';
    return out;
}

/* Every piece must hold whole documents: brackets balance outside strings, except in lines that
 * were broken to begin with. */
static bool balanced(const char *from, const char *to)
{
    long depth = 0;
    bool in_string = false, escaped = false;
    for (; from < to; from++) {
        if (in_string) {
            if (escaped)
                escaped = false;
            else if (*from == '\\')
                escaped = true;
            else if (*from == '"')
                in_string = false;
        } else if (*from == '"') {
            in_string = true;
        } else {
            depth += (*from == '{' || *from == '[') - (*from == '}' || *from == ']');
        }
    }
    return depth == 0 && !in_string;
}

static const char *const sound[] = {
    "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n",
    "{\"a\":1}\n{\"a\":2}\n{\"a\":3}",
    "{\"a\":1}\r\n{\"a\":2}\r\n\r\n{\"a\":3}\r\n",
    "\n\n  {\"a\":\"}{\\\"\"}\n{\"b\":\"]\"}\n",
    "{\n  \"a\": 1\n}\n{\n  \"a\": [2,\n 3]\n}\n",
    "{\r\n  \"a\": \"}\\\\\"\r\n}\r\n{\r\n  \"b\": 2\r\n}",
    "[\n{\"a\":1},\n{\"a\":2}\n]\n",
    "[{\"a\":1},\n{\"a\":2}]\n[{\"a\":3}]\n",
    "{\"Records\":[\n{\"a\":1}\n,\n{\"a\":2}\n]}\n{\"Records\":[\n]}",
    "{\"Records\":[{\"a\":1},{\"a\":2}]}",
    "  ",
    "",
};

static void every_chunk_size_gives_whole_documents(void)
{
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++)
        for (size_t chunk = 1; chunk <= strlen(sound[i]) + 1; chunk++)
            for (size_t most = 1; most < 64; most += 9) {
                char *text = malloc(strlen(sound[i]) + 1); /* exact, so that ASan sees overruns */
                CHECK_FATAL(text != NULL);
                memcpy(text, sound[i], strlen(sound[i]));
                char *pieces = strdup(cut(text, strlen(sound[i]), chunk, most));
                free(text);
                for (char *at = pieces, *bar; *at; at = *bar ? bar + 1 : bar) {
                    bar = at + strcspn(at, "|");
                    if (!balanced(at, bar))
                        printf("\n    chunk %zu, most %zu: %s", chunk, most, pieces);
                    CHECK(balanced(at, bar));
                }
                free(pieces);
            }
}

/* With one record a line, each line is a piece of its own, broken or not. */
static void a_broken_line_harms_no_other(void)
{
    static const struct {
        const char *text, *pieces;
    } rows[] = {
        {"{\"a\":1}\n{\"a\":\n{\"a\":3}\n", "{\"a\":1}\n|{\"a\":\n|{\"a\":3}\n"},
        {"{\"a\":1\n{\"a\":2}\n{\"a\":3}\n", "{\"a\":1\n|{\"a\":2}\n|{\"a\":3}\n"},
        {"{\"a\":\"x\n{\"a\":2}\n", "{\"a\":\"x\n|{\"a\":2}\n"},
        {"{\"a\":1}}\n{\"a\":2}\n", "{\"a\":1}}\n|{\"a\":2}\n"},
        {"{\"a\":1}\nrubbish\n{\"a\":2}", "{\"a\":1}\n|rubbish\n|{\"a\":2}"},
        {"rubbish\n{\"a\":1}\n{\"a\":2}\n", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t chunk = 1; chunk <= strlen(rows[i].text); chunk++)
            if (rows[i].pieces)
                CHECK_STR(cut(rows[i].text, strlen(rows[i].text), chunk, 1), rows[i].pieces);
            else
                cut(rows[i].text, strlen(rows[i].text), chunk, 1); /* nothing is lost */
}

static void pieces_are_about_as_large_as_asked(void)
{
    char text[40 * 8 + 1];
    for (int i = 0; i < 40; i++)
        memcpy(text + 8 * i, "{\"a\":1}\n", 9);
    struct splitter splitter = {0};
    CHECK_INT(split_whole(&splitter, text, 320, 100, false), 96);
    CHECK_INT(split_whole(&splitter, text + 96, 224, 1, false), 8);
    CHECK_INT(split_whole(&splitter, text + 104, 216, 1000, false), 216);
    CHECK_INT(split_whole(&splitter, text + 320, 0, 1000, true), 0);
}

static void a_huge_document_is_scanned_once(void)
{
    size_t len = 12u << 20;
    char *text = malloc(len);
    CHECK_FATAL(text != NULL);
    memset(text, ' ', len);
    memcpy(text, "{\n\"a\":\"", 7);
    memcpy(text + len - 3, "\"}\n", 3);
    struct splitter splitter = {0};
    for (size_t seen = 4096; seen < len; seen += 4096) /* quadratic would take minutes */
        CHECK_FATAL(split_whole(&splitter, text, seen, 1 << 20, false) == 0);
    CHECK_INT(split_whole(&splitter, text, len, 1 << 20, false), len - 1);
    free(text);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"every_chunk_size_gives_whole_documents", every_chunk_size_gives_whole_documents},
        {"a_broken_line_harms_no_other", a_broken_line_harms_no_other},
        {"pieces_are_about_as_large_as_asked", pieces_are_about_as_large_as_asked},
        {"a_huge_document_is_scanned_once", a_huge_document_is_scanned_once},
        {NULL, NULL}};
    return unit_main(argc, argv, "source, split", tests);
}
