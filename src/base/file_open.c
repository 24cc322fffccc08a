/* SPDX-License-Identifier: Apache-2.0
 * Files that an operator named; see file_open.h. */
#include "base/file_open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int file_open(const char *path, const char **ret_why)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat s;

    if (fd < 0) {
        *ret_why = strerror(errno);
        return -1;
    }
    if (fstat(fd, &s) == 0 && !S_ISFIFO(s.st_mode) && !S_ISSOCK(s.st_mode))
        return fd;
    *ret_why = "it is a pipe or a socket: give a file";
    (void)close(fd);
    return -1;
}
