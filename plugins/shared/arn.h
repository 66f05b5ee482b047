/* Names and ARNs of what a sink writes to. Header only. */
#ifndef WEIR_PLUGINS_SHARED_ARN_H
#define WEIR_PLUGINS_SHARED_ARN_H
#include "shared/text.h"

/* Part 1 to 5 of arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE; len 0 where `text` is no ARN. The
 * last part is all of the rest. */
static inline weir_str arn_part(weir_str text, int part)
{
    weir_str at = text;
    if (text.len < 4 || memcmp(text.ptr, "arn:", 4) != 0)
        return WEIR_NONE;
    for (int i = 0; i < part; i++) {
        const char *colon = memchr(at.ptr, ':', at.len);
        if (!colon)
            return WEIR_NONE;
        at = weir_view(colon + 1, at.len - (size_t)(colon + 1 - at.ptr));
    }
    const char *end = part < 5 ? memchr(at.ptr, ':', at.len) : at.ptr + at.len;
    return end ? weir_view(at.ptr, (size_t)(end - at.ptr)) : WEIR_NONE;
}

/* The ARN for a policy: `target` itself where it is one, else one of any account and of any region
 * where none is known. */
static inline void put_resource(weir_buf *out, weir_str service, weir_str region, weir_str account,
                                const char *kind, weir_str target)
{
    if (arn_part(target, 2).len > 0) {
        put_visible(out, target, 512);
        return;
    }
    put_text(out, "arn:aws:");
    put(out, service);
    put_char(out, ':');
    put(out, region.len > 0 ? region : WEIR_STR("*"));
    put_char(out, ':');
    put(out, account.len > 0 ? account : WEIR_STR("*"));
    put_char(out, ':');
    put_text(out, kind);
    put_visible(out, target, 256);
}
#endif
