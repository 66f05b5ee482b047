#include "util/err.h"

#include <stdarg.h>
#include <stdio.h>

int err_set(struct err *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, format);
    vsnprintf(err->msg, sizeof err->msg, format, args);
    va_end(args);
    err->code = code;
    for (char *c = err->msg; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    return code;
}
