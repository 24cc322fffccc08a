/* SPDX-License-Identifier: Apache-2.0
 * Limits that the cgroup of the process sets, v2 or v1. Each level up to the mount can cut, so the
 * least counts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The limit that the files of a directory set; INT64_MAX: none. */
typedef int64_t cgroup_limit_fn(const char *directory);

/* root: "" on a real system, a directory with proc/ and sys/ in tests; controller: its name under
 * v1. INT64_MAX: no limit. */
int64_t cgroup_least(const char *root, const char *controller, cgroup_limit_fn *v2,
                     cgroup_limit_fn *v1);
/* Reads a small file of a directory as text. */
bool cgroup_read(const char *directory, const char *file, char *out, unsigned size);
/* Likewise as a number; false: there is none. */
bool cgroup_read_number(const char *directory, const char *file, int64_t *ret);
