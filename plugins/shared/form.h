/* Forms (application/x-www-form-urlencoded) and the parts of paths: percent-encoding. Header only.
 */
#ifndef WEIR_PLUGINS_SHARED_FORM_H
#define WEIR_PLUGINS_SHARED_FORM_H
#include "shared/text.h"

/* All but RFC 3986's unreserved characters as %XX. */
static inline void put_encoded(weir_buf *out, weir_str text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t clean = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '_' || c == '.' || c == '~')
            continue;
        char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
        put(out, weir_view(text.ptr + clean, i - clean));
        put(out, weir_view(escaped, sizeof escaped));
        clean = i + 1;
    }
    put(out, weir_view(text.ptr + clean, text.len - clean));
}

/* One more parameter: "&NAME=value". `name` needs no encoding. */
static inline void put_parameter(weir_buf *out, const char *name, weir_str value)
{
    put_char(out, '&');
    put_text(out, name);
    put_char(out, '=');
    put_encoded(out, value);
}
#endif
