/* SPDX-License-Identifier: Apache-2.0
 * One datagram a message; see notify.h. */
#include "notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

/* Written once, before any thread exists. */
static struct sockaddr_un manager;
static socklen_t manager_len;
static int64_t watchdog_ms;

static bool positive_number(const char *text, int64_t *ret)
{
    char *end = NULL;

    errno = 0;
    *ret = text ? strtoll(text, &end, 10) : 0;
    return text && errno == 0 && end != text && *end == '\0' && *ret > 0;
}

/* A manager that watches another process of its unit names that one. */
static int64_t read_watchdog(void)
{
    const char *pid = getenv("WATCHDOG_PID");
    int64_t usec = 0, whom = 0;

    if (!positive_number(getenv("WATCHDOG_USEC"), &usec) ||
        (pid && (!positive_number(pid, &whom) || whom != (int64_t)getpid())))
        return 0;
    return usec < 1000 ? 1 : usec / 1000;
}

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
    watchdog_ms = manager_len > 0 ? read_watchdog() : 0;
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

int64_t notify_watchdog_ms(void)
{
    return watchdog_ms;
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
