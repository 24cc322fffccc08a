/* SPDX-License-Identifier: Apache-2.0
 * Preloaded into the service by a test: a system that tells nothing of files that change. */
#include <errno.h>

int inotify_init1(int flags);

__attribute__((visibility("default"))) int inotify_init1(int flags)
{
    (void)flags;
    errno = ENOSYS;
    return -1;
}
