/* What the operating system says of this process. */
#include "observe/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static int64_t count_fds(void)
{
    int64_t count = -3; /* ".", ".." and the folder itself */
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return -1;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* "4242 311 ...": pages, of which so many are resident. */
static void read_memory(struct process_figures *figures)
{
    char text[128] = "", *end = text;
    int64_t page_bytes = sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return;
    bool read = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    if (!read)
        return;
    figures->virtual_bytes = strtoll(text, &end, 10) * page_bytes;
    figures->resident_bytes = strtoll(end, NULL, 10) * page_bytes;
}

struct process_figures process_figures(void)
{
    struct process_figures figures = {
        .resident_bytes = -1, .virtual_bytes = -1, .open_fds = count_fds(), .max_fds = -1};
    struct rusage usage;
    struct rlimit limit;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        figures.cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        figures.max_fds = limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur;
    read_memory(&figures);
    return figures;
}
