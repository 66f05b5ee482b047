/* An error with its reason, filled by the layer that knows it and logged once by the layer that
 * decides. */
#ifndef WEIR_UTIL_ERR_H
#define WEIR_UTIL_ERR_H

struct err {
    int code; /* -errno */
    char msg[512];
};

/* Fills `err` (may be NULL) and returns `code`. Control characters of the result are shown as '?'.
 */
int err_set(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#endif
