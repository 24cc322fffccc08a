/* SPDX-License-Identifier: Apache-2.0
 * CPUs by affinity and cgroup quota; see cpu_count.h. */
#include "config/cpu_count.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/str.h"

enum { CGROUP_TEXT_BYTES = 8192 };

static bool read_small(const char *path, char *out, size_t size)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const ssize_t n = read(fd, out, size - 1);
    if (n < 0)
        return false;
    out[n] = '\0';
    return true;
}

static int ceil_div(int64_t quota, int64_t period)
{
    const int64_t n = (quota + period - 1) / period;
    return n < INT_MAX ? (int)n : INT_MAX;
}

/* "max 100000" or "150000 100000"; INT_MAX: no quota here */
static int quota_v2(const char *directory)
{
    char path[PATH_MAX], text[128];
    int64_t quota, period;

    if (snprintf(path, sizeof(path), "%s/cpu.max", directory) >= (int)sizeof(path) ||
        !read_small(path, text, sizeof(text)))
        return INT_MAX;
    if (sscanf(text, "%" SCNd64 " %" SCNd64, &quota, &period) != 2 || quota <= 0 || period <= 0)
        return INT_MAX;
    return ceil_div(quota, period);
}

static bool read_number(const char *directory, const char *file, int64_t *ret)
{
    char path[PATH_MAX], text[128];

    return snprintf(path, sizeof(path), "%s/%s", directory, file) < (int)sizeof(path) &&
           read_small(path, text, sizeof(text)) && sscanf(text, "%" SCNd64, ret) == 1;
}

static int quota_v1(const char *directory)
{
    int64_t quota, period;

    if (!read_number(directory, "cpu.cfs_quota_us", &quota) ||
        !read_number(directory, "cpu.cfs_period_us", &period) || quota <= 0 || period <= 0)
        return INT_MAX;
    return ceil_div(quota, period);
}

/* The smallest quota from the group up to the mount, for each level can cut. path: "/a/b". Inside a
 * container the path may be the host's and absent here; the mount itself is then the group. */
static int least_quota(const char *mount, const char *path, int (*quota_of)(const char *directory))
{
    char directory[PATH_MAX];
    const size_t mount_len = strlen(mount);
    int least = INT_MAX;

    if (snprintf(directory, sizeof(directory), "%s%s", mount, path) >= (int)sizeof(directory))
        return INT_MAX;
    for (;;) {
        const int quota = quota_of(directory);
        if (quota < least)
            least = quota;
        if (strlen(directory) <= mount_len)
            return least;
        char *slash = strrchr(directory, '/');
        *(slash > directory + mount_len ? slash : directory + mount_len) = '\0';
    }
}

static bool has_controller(const char *list, size_t len, const char *name)
{
    const size_t n = strlen(name);

    for (size_t at = 0; at + n <= len; at++) {
        const bool starts = at == 0 || list[at - 1] == ',';
        const bool ends = at + n == len || list[at + n] == ',';
        if (starts && ends && memcmp(list + at, name, n) == 0)
            return true;
    }
    return false;
}

/* One line of /proc/self/cgroup: "0::/path" (v2) or "4:cpu,cpuacct:/path" (v1). */
static int quota_of_line(const char *root, const char *line)
{
    const char *first = strchr(line, ':');
    const char *second = first ? strchr(first + 1, ':') : NULL;
    char mount[PATH_MAX];

    if (!second)
        return INT_MAX;
    const size_t controllers_len = (size_t)(second - first - 1);
    if (controllers_len == 0) {
        (void)snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup", root);
        return least_quota(mount, second + 1, quota_v2);
    }
    if (!has_controller(first + 1, controllers_len, "cpu"))
        return INT_MAX;
    (void)snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup/cpu", root);
    return least_quota(mount, second + 1, quota_v1);
}

int cpu_count_of(const char *root, int affinity)
{
    char path[PATH_MAX], text[CGROUP_TEXT_BYTES];
    int count = affinity;

    (void)snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    if (read_small(path, text, sizeof(text))) {
        for (char *line = text; line;) {
            char *end = strchr(line, '\n');
            if (end)
                *end++ = '\0';
            const int quota = quota_of_line(root, line);
            if (quota < count)
                count = quota;
            line = end;
        }
    }
    return count < 1 ? 1 : count;
}

int cpu_count(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    /* More than 1,024 CPUs make the call fail; one worker is then a safe start. */
    const int affinity = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return cpu_count_of("", affinity);
}
