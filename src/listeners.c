/* SPDX-License-Identifier: Apache-2.0
 * Sockets handed over and opened; see listeners.h. The protocol is sd_listen_fds(3)'s. */
#include "listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/address.h"

enum { FIRST_FD = 3, NAMES_BYTES = 256 };

static const struct {
    const char *name;
    const char *key;
} LISTENERS[LISTENER_COUNT] = {
    [LISTENER_PUBLIC] = {"public", "BFF_LISTEN"},
    [LISTENER_MANAGEMENT] = {"management", "BFF_MANAGEMENT_LISTEN"},
    [LISTENER_OPERATOR] = {"operator", "BFF_OPERATOR_LISTEN"},
};

/* ---- handed over */

static bool number_of(const char *text, long *ret)
{
    char *end = NULL;

    *ret = text ? strtol(text, &end, 10) : 0;
    return text && *text != '\0' && *end == '\0' && *ret > 0;
}

static int option_of(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

/* NULL, or why it cannot be used. */
static const char *take_socket(int fd)
{
    const int domain = option_of(fd, SO_DOMAIN);
    const int flags = fcntl(fd, F_GETFL);

    if (domain != AF_INET && domain != AF_INET6)
        return "it is not a TCP socket";
    if (option_of(fd, SO_TYPE) != SOCK_STREAM || option_of(fd, SO_ACCEPTCONN) != 1)
        return "it is not a listening TCP socket";
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return "its flags cannot be set";
    listen_tune(fd);
    return NULL;
}

static bool find_listener(struct str name, enum listener *ret)
{
    for (size_t i = 0; i < LISTENER_COUNT; i++) {
        if (str_is(name, LISTENERS[i].name)) {
            *ret = (enum listener)i;
            return true;
        }
    }
    return false;
}

/* Which listener the n-th socket is. False: some names are ours and this one is not. */
static bool listener_of(const char *names, long n, enum listener *ret)
{
    bool known = false;
    struct str mine = {NULL, 0};
    long at = 0;

    for (const char *name = names; name && *name != '\0'; at++) {
        const struct str one = {name, strcspn(name, ":")};
        enum listener any;
        known = find_listener(one, &any) || known;
        if (at == n)
            mine = one;
        name += one.len + (name[one.len] == ':' ? 1 : 0);
    }
    *ret = (enum listener)n;
    return !known || (mine.ptr && find_listener(mine, ret));
}

static bool take_all(struct listeners *l, long count, const char *names, FILE *errors)
{
    for (long i = 0; i < count; i++) {
        const int fd = FIRST_FD + (int)i;
        enum listener which = LISTENER_COUNT;
        const char *wrong = NULL;

        if (!listener_of(names, i, &which) || which >= LISTENER_COUNT)
            wrong = "its name is none of public, management and operator";
        else if (l->fds[which] >= 0)
            wrong = "its name was there before";
        else
            wrong = take_socket(fd);
        if (wrong) {
            (void)fprintf(errors, "LISTEN_FDS: descriptor %d: %s\n", fd, wrong);
            return false;
        }
        l->fds[which] = fd;
        l->inherited[which] = true;
    }
    return true;
}

bool listeners_inherit(struct listeners *l, FILE *errors)
{
    const char *given_names = getenv("LISTEN_FDNAMES");
    char names[NAMES_BYTES];
    long pid = 0, count = 0;

    for (size_t i = 0; i < LISTENER_COUNT; i++) {
        l->fds[i] = -1;
        l->inherited[i] = false;
    }
    (void)snprintf(names, sizeof(names), "%s", given_names ? given_names : "");
    const bool ours = number_of(getenv("LISTEN_PID"), &pid) && pid == (long)getpid() &&
                      number_of(getenv("LISTEN_FDS"), &count);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    if (!ours)
        return true;
    if (count > LISTENER_COUNT) {
        (void)fprintf(
            errors, "LISTEN_FDS: %ld sockets, but there are only public, management and operator\n",
            count);
        return false;
    }
    return take_all(l, count, names, errors);
}

/* ---- our own */

static bool open_one(struct listeners *l, enum listener which, const struct settings *settings,
                     const struct listen_address *at, FILE *errors)
{
    struct err_text problem = {0};
    uint16_t port;

    if (l->fds[which] >= 0 || listen_open(at, &l->fds[which], &port, &problem) == ERR_OK)
        return true;
    config_complain(settings->loaded, LISTENERS[which].key, errors, problem.text);
    return false;
}

bool listeners_open(struct listeners *l, const struct settings *settings, FILE *errors)
{
    const struct resources *r = &settings->resources;
    const bool operators = settings->config->operator_listen != NULL;

    if (l->inherited[LISTENER_OPERATOR] && !operators) {
        config_complain(settings->loaded, "BFF_OPERATOR_LISTEN", errors,
                        "a socket for operators was handed over: set it, and "
                        "BFF_OPERATOR_KEYS_FILE");
        return false;
    }
    return open_one(l, LISTENER_PUBLIC, settings, &r->public_at, errors) &&
           open_one(l, LISTENER_MANAGEMENT, settings, &r->management_at, errors) &&
           (!operators || open_one(l, LISTENER_OPERATOR, settings, &r->operator_at, errors));
}

/* In the same place in both families. */
_Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port),
               "the port's place");
static uint16_t port_of(const struct sockaddr_storage *sa)
{
    in_port_t port;

    memcpy(&port, (const char *)sa + offsetof(struct sockaddr_in, sin_port), sizeof(port));
    return ntohs(port);
}

void listeners_announce(const struct listeners *l)
{
    for (size_t i = 0; i < LISTENER_COUNT; i++) {
        struct sockaddr_storage sa = {0};
        socklen_t len = sizeof(sa);
        char address[IP_TEXT_BYTES];
        if (l->fds[i] < 0 || getsockname(l->fds[i], (struct sockaddr *)&sa, &len) != 0)
            continue;
        const struct ip ip = ip_of_sockaddr((const struct sockaddr *)&sa);
        ip_format(&ip, address);
        const uint16_t port = port_of(&sa);
        LOG_ANYWAY(LOG_INFO, "listener.ready", "A listener is open",
                   LOG_S("listener", LISTENERS[i].name), LOG_S("server.address", address),
                   LOG_I("server.port", port), LOG_B("bff.inherited", l->inherited[i]));
    }
}

/* ---- the end */

/* That of the management is not shut: probes are answered to the end. */
static bool is_door_of_ours(const struct listeners *l, size_t i)
{
    return i != LISTENER_MANAGEMENT && l->fds[i] >= 0 && !l->inherited[i];
}

bool listeners_are_anothers(const struct listeners *l)
{
    for (size_t i = 0; i < LISTENER_COUNT; i++) {
        if (is_door_of_ours(l, i))
            return false;
    }
    return true;
}

/* Closing would reset who has just connected. */
void listeners_shut_door(const struct listeners *l)
{
    for (size_t i = 0; i < LISTENER_COUNT; i++) {
        if (is_door_of_ours(l, i) && !listen_shut_door(l->fds[i]))
            LOG(LOG_WARN, "listener.stays_open",
                "A listener takes connections until it is closed, for the system will not refuse "
                "them",
                LOG_S("listener", LISTENERS[i].name), LOG_S("error.message", strerror(errno)));
    }
}

static void close_one(struct listeners *l, enum listener which)
{
    if (l->fds[which] >= 0)
        (void)close(l->fds[which]);
    l->fds[which] = -1;
}

void listeners_close_for_apps(struct listeners *l)
{
    close_one(l, LISTENER_PUBLIC);
    close_one(l, LISTENER_OPERATOR);
}

void listeners_close(struct listeners *l)
{
    for (size_t i = 0; i < LISTENER_COUNT; i++)
        close_one(l, (enum listener)i);
}
