/* SPDX-License-Identifier: Apache-2.0
 * One datagram a message; see notify.h. */
#include "notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"

/* Written once, before any thread exists. */
static struct sockaddr_un manager;
static socklen_t manager_len;

void notify_init(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    const size_t len = path ? strlen(path) : 0;

    manager_len = 0;
    /* A path, or a name in the abstract namespace, written with '@' in front. */
    if (len > 1 && len < sizeof(manager.sun_path) && (path[0] == '/' || path[0] == '@')) {
        manager = (struct sockaddr_un){.sun_family = AF_UNIX};
        memcpy(manager.sun_path, path, len);
        if (path[0] == '@')
            manager.sun_path[0] = '\0';
        manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    }
    (void)unsetenv("NOTIFY_SOCKET");
}

void notify(const char *state)
{
    if (manager_len == 0)
        return;
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&manager,
                      manager_len);
}

void notify_reloading(void)
{
    char state[96];

    (void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Reloading",
                   (long long)clock_mono_us());
    notify(state);
}
