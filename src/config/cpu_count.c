/* SPDX-License-Identifier: Apache-2.0
 * CPUs by affinity and cgroup quota; see cpu_count.h. */
#include "config/cpu_count.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>

#include "config/cgroup.h"

static int64_t ceil_div(int64_t quota, int64_t period)
{
    return quota > INT64_MAX - period ? quota / period : (quota + period - 1) / period;
}

/* "max 100000" or "150000 100000" */
static int64_t quota_v2(const char *directory)
{
    char text[128];
    int64_t quota, period;

    if (!cgroup_read(directory, "cpu.max", text, sizeof(text)) ||
        sscanf(text, "%" SCNd64 " %" SCNd64, &quota, &period) != 2 || quota <= 0 || period <= 0)
        return INT64_MAX;
    return ceil_div(quota, period);
}

static int64_t quota_v1(const char *directory)
{
    int64_t quota, period;

    if (!cgroup_read_number(directory, "cpu.cfs_quota_us", &quota) ||
        !cgroup_read_number(directory, "cpu.cfs_period_us", &period) || quota <= 0 || period <= 0)
        return INT64_MAX;
    return ceil_div(quota, period);
}

int cpu_count_of(const char *root, int affinity)
{
    const int64_t quota = cgroup_least(root, "cpu", quota_v2, quota_v1);
    const int count = quota < affinity ? (int)quota : affinity;

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
