#include "kit/kit.h"

#include <dirent.h>
#include <malloc.h>

static unsigned entries(const char *path)
{
    unsigned count = 0;
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

struct kit_footprint kit_footprint(void)
{
    struct kit_footprint footprint = {0};
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
    struct mallinfo2 heap = mallinfo2();
    footprint.heap_bytes = heap.uordblks + heap.hblkhd;
#endif
    footprint.files = entries("/proc/self/fd");
    footprint.threads = entries("/proc/self/task");
    return footprint;
}
