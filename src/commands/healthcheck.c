/* SPDX-License-Identifier: Apache-2.0
 * `healthcheck`: asks the management listener of the same configuration, for images without a
 * shell. A plain socket on purpose: nothing to initialise, nothing to fail but the service. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "commands/own_flags.h"
#include "config/config.h"
#include "net/address.h"

enum { HEALTHCHECK_TIMEOUT_MS = 2000, ANSWER_BYTES_MAX = 4096 };

static const char READY[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
static const char LIVE[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/* An address that means "all of this machine" is asked through the loopback. */
static void point_to_loopback(struct listen_address *at)
{
    if (at->sa.ss_family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&at->sa;
        if (v4->sin_addr.s_addr == htonl(INADDR_ANY))
            v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else if (at->sa.ss_family == AF_INET6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&at->sa;
        if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
            v6->sin6_addr = in6addr_loopback;
    }
}

static bool wait_for(int fd, short events, int64_t until_ms)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = events};
        const int64_t left_ms = until_ms - clock_mono_ms();
        const int n = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
        if (n >= 0 || errno != EINTR)
            return n > 0;
    }
}

static bool connect_to(int fd, const struct listen_address *at, int64_t until_ms)
{
    int problem = 0;
    socklen_t len = sizeof(problem);

    if (connect(fd, (const struct sockaddr *)&at->sa, at->sa_len) == 0)
        return true;
    return errno == EINPROGRESS && wait_for(fd, POLLOUT, until_ms) &&
           getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) == 0 && problem == 0;
}

/* Reads until the end or the ceiling; the status line alone matters. */
static size_t read_answer(int fd, char *to, size_t room, int64_t until_ms)
{
    size_t len = 0;

    while (len < room && wait_for(fd, POLLIN, until_ms)) {
        const ssize_t n = read(fd, to + len, room - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    return len;
}

static bool agrees(const struct listen_address *at, struct str question, const char **ret_problem)
{
    const int64_t until_ms = clock_mono_ms() + HEALTHCHECK_TIMEOUT_MS;
    char answer[ANSWER_BYTES_MAX];
    AUTO_CLOSE int fd = socket(at->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    *ret_problem = "no connection to the management listener";
    if (fd < 0 || !connect_to(fd, at, until_ms) ||
        send(fd, question.ptr, question.len, MSG_NOSIGNAL) != (ssize_t)question.len)
        return false;
    const struct str got = {answer, read_answer(fd, answer, sizeof(answer), until_ms)};
    *ret_problem = got.len == 0 ? "no answer from the management listener" : "not ready";
    return str_starts_with(got, STR("HTTP/1.1 200 "));
}

int command_healthcheck(const struct invocation *in)
{
    struct own_flag live = {"--live", false, NULL};
    AUTO_FREE char **rest = NULL;
    struct config_inputs inputs = {.purpose = CONFIG_FOR_HEALTHCHECK, .envp = in->envp};
    struct config_loaded *loaded = NULL;
    struct listen_address at;
    struct err_text wrong = {0};
    const char *problem = "not ready";

    int code = own_flags_take(&live, 1, in, &rest, &inputs.argc);
    if (code != EXIT_GOOD)
        return code;
    inputs.argv = rest;
    code = config_load(&inputs, stderr, &loaded);
    if (code != 0)
        return code;
    const char *text = config_of(loaded)->management_listen;
    if (listen_address_parse(str_of(text), &at, &wrong) != ERR_OK) {
        config_complain(loaded, "BFF_MANAGEMENT_LISTEN", stderr, wrong.text);
        config_free(loaded);
        return EXIT_CONFIG;
    }
    config_free(loaded);

    point_to_loopback(&at);
    if (agrees(&at, str_of(live.value ? LIVE : READY), &problem)) {
        (void)fputs(live.value ? "alive\n" : "ready\n", stdout);
        return EXIT_GOOD;
    }
    (void)fprintf(stderr, "%s\n", problem);
    return EXIT_FAILED;
}
