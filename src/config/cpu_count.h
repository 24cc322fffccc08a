/* SPDX-License-Identifier: Apache-2.0
 * How many CPUs the process may use: its affinity mask, cut by the quota of its cgroup (v2 or v1),
 * rounded up. Asking sysconf() alone starts 64 threads in a container that owns one CPU. */
#pragma once

/* root: "" on a real system, a directory with proc/ and sys/ in tests; affinity: CPUs of the mask.
 * At least 1. */
int cpu_count_of(const char *root, int affinity);
/* The same for this process. */
int cpu_count(void);
