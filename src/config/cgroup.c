/* SPDX-License-Identifier: Apache-2.0
 * Finds the cgroup of the process and walks up from it; see cgroup.h. */
#include "config/cgroup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"

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

bool cgroup_read(const char *directory, const char *file, char *out, unsigned size)
{
    char path[PATH_MAX];

    return snprintf(path, sizeof(path), "%s/%s", directory, file) < (int)sizeof(path) &&
           read_small(path, out, size);
}

bool cgroup_read_number(const char *directory, const char *file, int64_t *ret)
{
    char text[128];

    return cgroup_read(directory, file, text, sizeof(text)) && sscanf(text, "%" SCNd64, ret) == 1;
}

/* From the group up to the mount. path: "/a/b". Inside a container the path may be the host's and
 * absent here; the mount itself is then the group. */
static int64_t least_of_path(const char *mount, const char *path, cgroup_limit_fn *limit_of)
{
    char directory[PATH_MAX];
    const size_t mount_len = strlen(mount);
    int64_t least = INT64_MAX;

    if (snprintf(directory, sizeof(directory), "%s%s", mount, path) >= (int)sizeof(directory))
        return INT64_MAX;
    for (;;) {
        const int64_t limit = limit_of(directory);
        if (limit < least)
            least = limit;
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
static int64_t least_of_line(const char *root, const char *line, const char *controller,
                             cgroup_limit_fn *v2, cgroup_limit_fn *v1)
{
    const char *first = strchr(line, ':');
    const char *second = first ? strchr(first + 1, ':') : NULL;
    char mount[PATH_MAX];

    if (!second)
        return INT64_MAX;
    const size_t controllers_len = (size_t)(second - first - 1);
    if (controllers_len == 0) {
        (void)snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup", root);
        return least_of_path(mount, second + 1, v2);
    }
    if (!has_controller(first + 1, controllers_len, controller))
        return INT64_MAX;
    (void)snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup/%s", root, controller);
    return least_of_path(mount, second + 1, v1);
}

int64_t cgroup_least(const char *root, const char *controller, cgroup_limit_fn *v2,
                     cgroup_limit_fn *v1)
{
    char path[PATH_MAX], text[CGROUP_TEXT_BYTES];
    int64_t least = INT64_MAX;

    (void)snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    if (!read_small(path, text, sizeof(text)))
        return INT64_MAX;
    for (char *line = text; line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        const int64_t limit = least_of_line(root, line, controller, v2, v1);
        if (limit < least)
            least = limit;
        line = end;
    }
    return least;
}
