/* The page at "/": core/admin/page.html, embedded by core/admin/embed.py. */
#ifndef WEIR_ADMIN_PAGE_H
#define WEIR_ADMIN_PAGE_H
#include <stddef.h>

extern const char admin_page[];
extern const size_t admin_page_len;
/* The header that lets the browser run this page's own style and script, and nothing else. */
extern const char admin_page_headers[];
#endif
