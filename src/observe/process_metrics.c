/* SPDX-License-Identifier: Apache-2.0
 * Each value is one or two system calls at scrape time. */
#include "observe/process_metrics.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "observe/metrics.h"

static const char FD_DIRECTORY[] = "/proc/self/fd";

static double read_cpu(void *arg)
{
    struct timespec t;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
        return (double)NAN;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* field 0: address space, 1: resident */
static double read_memory(unsigned field)
{
    unsigned long pages[2] = {0};
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return (double)NAN;
    const bool good = fscanf(f, "%lu %lu", &pages[0], &pages[1]) == 2;
    (void)fclose(f);
    return good ? (double)pages[field] * (double)sysconf(_SC_PAGESIZE) : (double)NAN;
}

static double read_virtual(void *arg)
{
    return read_memory(0);
}

static double read_resident(void *arg)
{
    return read_memory(1);
}

static double count_entries(void)
{
    DIR *directory = opendir(FD_DIRECTORY);
    if (!directory)
        return (double)NAN;
    unsigned count = 0;
    while (readdir(directory)) /* NOLINT(concurrency-mt-unsafe): this thread's own */
        count++;
    (void)closedir(directory);
    return count < 3 ? (double)NAN : (double)(count - 3); /* ".", "..", and the directory's own */
}

/* Linux since 6.2 says it as the directory's size, without a look at each. */
static double read_open_fds(void *arg)
{
    struct stat st;
    if (stat(FD_DIRECTORY, &st) == 0 && st.st_size > 0)
        return (double)st.st_size;
    return count_entries();
}

static double read_max_fds(void *arg)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return (double)NAN;
    return limit.rlim_cur == RLIM_INFINITY ? (double)INFINITY : (double)limit.rlim_cur;
}

static double read_start_time(void *arg)
{
    return *(const double *)arg;
}

void process_metrics_watch(void)
{
    static double started_s;

    started_s = (double)clock_wall_ms() / 1e3;
    metric_on_scrape(M_PROCESS_CPU, 0, read_cpu, NULL);
    metric_on_scrape(M_PROCESS_RESIDENT, 0, read_resident, NULL);
    metric_on_scrape(M_PROCESS_VIRTUAL, 0, read_virtual, NULL);
    metric_on_scrape(M_PROCESS_OPEN_FDS, 0, read_open_fds, NULL);
    metric_on_scrape(M_PROCESS_MAX_FDS, 0, read_max_fds, NULL);
    metric_on_scrape(M_PROCESS_START_TIME, 0, read_start_time, &started_s);
}
