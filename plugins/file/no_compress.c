/* Built where there is no zstd: open() refuses the option, so nobody comes here. */
#include "file.h"

int compress_file(const char *path, char *reason, size_t reason_bytes)
{
    snprintf(reason, reason_bytes, "%s: this build has no zstd", path);
    return -1;
}
