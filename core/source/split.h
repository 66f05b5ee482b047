/* Cuts a byte stream of JSON documents where whole documents end, so that each piece can be decoded
 * on its own. Looks at quotes and brackets only; the decoder is the judge of everything else. */
#ifndef WEIR_SOURCE_SPLIT_H
#define WEIR_SOURCE_SPLIT_H
#include <stdbool.h>
#include <stddef.h>

enum split_mode {
    SPLIT_UNDECIDED,
    SPLIT_LINES,    /* one document a line: a broken line harms no other */
    SPLIT_DOCUMENTS /* documents over several lines */
};

struct splitter { /* zeroed = at the start of the input */
    enum split_mode mode;
    bool in_string, escaped, started;
    size_t depth;
    size_t at;                   /* scanned so far, from the start of the text not yet cut */
    size_t line_at;              /* start of the line being scanned */
    char line_first, last_solid; /* first byte of that line; last byte that was no white space */
};

/* How many bytes of `text` (all that has not been cut yet) are whole documents, at most about
 * `most`, 0 when none is whole yet; at the end of input (`ends`) everything is. The caller cuts
 * them off before the next call. */
size_t split_whole(struct splitter *splitter, const char *text, size_t len, size_t most, bool ends);
#endif
