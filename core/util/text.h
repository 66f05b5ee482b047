/* Text: sequence numbers, UTF-8, base64, JSON strings, time. */
#ifndef WEIR_UTIL_TEXT_H
#define WEIR_UTIL_TEXT_H
#include "util/buf.h"

enum { SEQUENCE_DIGITS_MAX = 128 };
bool sequence_valid(weir_str digits);           /* 1..128 decimal digits */
int sequence_cmp(weir_str a, weir_str b);       /* as numbers, leading zeros ignored: <0, 0, >0 */
weir_str sequence_significant(weir_str digits); /* without leading zeros; "0" for zero */

bool utf8_valid(const char *bytes, size_t len); /* no overlongs, no surrogates, up to U+10FFFF */
/* The first character of the bytes into *code; the bytes it takes, 0 when they do not begin with
 * one. */
size_t utf8_decode(const char *bytes, size_t len, uint32_t *code);
size_t utf8_encode(uint32_t code, char out[4]); /* up to U+1FFFFF; returns the bytes written */

/* The letter's other case where that is one character of the BMP, else the code itself. */
uint32_t case_lower(uint32_t code);
uint32_t case_upper(uint32_t code);

/* Standard alphabet with padding, strict. Decoded length, or -1. `out` needs len / 4 * 3 bytes and
 * may be the same memory as `text`. */
long base64_decode(weir_str text, char *out);
int buf_put_base64(struct buf *buf, weir_str bytes);

/* The content of a JSON string (between the quotes, still escaped, already validated) unescaped
 * into out, which needs at most raw.len bytes; returns the length. U+0000 becomes a zero byte. */
size_t json_unescape(weir_str raw, char *out);

/* Appends a JSON string with quotes, of printable ASCII only: everything else as \uXXXX (surrogate
 * pairs above U+FFFF), so that hostile text can't move a cursor or break XML. `text` is UTF-8;
 * invalid bytes become \ufffd. */
int buf_put_json_string(struct buf *buf, weir_str text);
/* The same re-escaping over valid JSON text as a whole: strings rewritten to ASCII, white space
 * between tokens dropped, everything else kept. One value becomes one ASCII line. */
int buf_put_json_ascii(struct buf *buf, weir_str json);
/* Printable ASCII as it is, everything else as \xNN, \n, \t, \\; for terminals and logs. At most
 * max_bytes of the text, then "...". */
int buf_put_visible(struct buf *buf, weir_str text, size_t max_bytes);

/* For URLs and forms: all but letters, digits and "-_.~" (RFC 3986's unreserved) as %XX. */
int buf_put_percent(struct buf *buf, weir_str text);
/* The next byte of such a text, which is not empty; *left goes on behind it. What is no escape
 * stands for itself. */
unsigned char percent_next(weir_str *left);

/* "2026-11-22T22:21:14.031Z" with `fraction_digits` 0, 3 or 6. UTC, any year 0..9999 (clamped). */
int buf_put_iso_time(struct buf *buf, int64_t unix_us, int fraction_digits);

/* ---- JSON objects, member by member ---- a comma comes first unless the buffer is empty or ends
 * in '{' or '['. `name` needs no escapes. 0, or as the appends of a buffer. */
int buf_put_comma(struct buf *buf);                 /* before an element of an array */
int buf_put_key(struct buf *buf, const char *name); /* its value is the next append */
int buf_put_member(struct buf *buf, const char *name, weir_str text);
int buf_put_text_member(struct buf *buf, const char *name, const char *text); /* NULL: null */
int buf_put_number_member(struct buf *buf, const char *name, int64_t number);
int buf_put_flag_member(struct buf *buf, const char *name, bool flag);
int buf_put_time_member(struct buf *buf, const char *name, int64_t unix_us); /* ISO, with ms */

/* FNV-1a. */
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t len);
#define HASH_SEED 0xcbf29ce484222325ull

/* Optimal string alignment distance, at most `limit` + 1; for "did you mean". Different words of
 * which one is longer than EDIT_WORD_BYTES count as too far apart. */
enum { EDIT_WORD_BYTES = 128 };
size_t edit_distance(weir_str a, weir_str b, size_t limit);
/* The nearest of `names` (NULL-terminated) within max(1, len/3), or NULL. */
const char *nearest_name(weir_str word, const char *const *names);
#endif
