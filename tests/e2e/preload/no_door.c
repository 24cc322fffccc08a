/* SPDX-License-Identifier: Apache-2.0
 * Preloaded into the service by a test: a kernel before 5.7, where binding a socket to an interface
 * needs rights. */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

__attribute__((visibility("default"))) int setsockopt(int fd, int level, int option,
                                                      const void *value, socklen_t len)
{
    int (*real)(int, int, int, const void *, socklen_t) = NULL;

    if (level == SOL_SOCKET && option == SO_BINDTOIFINDEX) {
        errno = EPERM;
        return -1;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "setsockopt");
    return real ? real(fd, level, option, value, len) : -1;
}
