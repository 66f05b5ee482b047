#include "sqs.h"

/* Region of an AWS host: sqs.eu-west-1.amazonaws.com, sqs-fips.us-east-1.amazonaws.com,
 * eu-west-1.queue.amazonaws.com, vpce-1-2.sqs.eu-west-1.vpce.amazonaws.com, and .cn behind each. */
static weir_str host_region(weir_str host)
{
    weir_str labels[12];
    size_t count = 0, start = 0;
    if (!str_ends_with(host, WEIR_STR(".amazonaws.com")) &&
        !str_ends_with(host, WEIR_STR(".amazonaws.com.cn")))
        return WEIR_NONE;
    for (size_t i = 0; i <= host.len && count < 12; i++) {
        if (i < host.len && host.ptr[i] != '.')
            continue;
        labels[count++] = weir_view(host.ptr + start, i - start);
        start = i + 1;
    }
    for (size_t i = 0; i + 1 < count; i++)
        if (weir_equal(labels[i], WEIR_STR("sqs")) || weir_equal(labels[i], WEIR_STR("sqs-fips")))
            return labels[i + 1];
    return count > 1 && weir_equal(labels[1], WEIR_STR("queue")) ? labels[0] : WEIR_NONE;
}

static size_t find(weir_str text, size_t from, char c)
{
    while (from < text.len && text.ptr[from] != c)
        from++;
    return from;
}

const char *queue_url_parse(weir_str url, struct queue_url *out)
{
    size_t scheme = 0;
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] <= ' ' || url.ptr[i] > '~' || url.ptr[i] == '"' || url.ptr[i] == '\\')
            return "must not hold blanks, quotes or characters beyond ASCII";
    if (url.len > 8 && memcmp(url.ptr, "https://", 8) == 0)
        scheme = 8;
    else if (url.len > 7 && memcmp(url.ptr, "http://", 7) == 0)
        scheme = 7;
    else
        return "must begin with https:// (or http://)";
    size_t path = find(url, scheme, '/');
    weir_str host = weir_view(url.ptr + scheme, path - scheme);
    if (host.len == 0 || find(host, 0, '@') < host.len)
        return "must name a host, and no user";
    if (path + 1 >= url.len || url.ptr[url.len - 1] == '/' || find(url, 0, '?') < url.len ||
        find(url, 0, '#') < url.len)
        return "must end with the queue's name: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME";
    size_t name = url.len;
    while (url.ptr[name - 1] != '/')
        name--;
    size_t account = name - 1;
    while (account > path && url.ptr[account - 1] != '/')
        account--;
    out->endpoint = weir_view(url.ptr, path);
    out->region = host_region(host);
    out->name = weir_view(url.ptr + name, url.len - name);
    out->account = account > path ? weir_view(url.ptr + account, name - 1 - account) : WEIR_NONE;
    return NULL;
}
