/* SPDX-License-Identifier: Apache-2.0
 * libcurl's multi-socket interface on our loop, with as few system calls as it allows: its timer is
 * a software timer; a connection stays registered with epoll between transfers; and a wish to
 * write is tried at once, epoll being asked only when the socket was really full. */
#include "net/http_client_internal.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* ---- the table of sockets */

static struct client_socket *find_socket(const struct http_client *c, int fd)
{
    return (size_t)fd < c->by_fd_len ? c->by_fd[fd] : NULL;
}

static bool grow_table(struct http_client *c, int fd)
{
    size_t len = c->by_fd_len ? c->by_fd_len : 64;

    while (len <= (size_t)fd)
        len *= 2;
    if (len == c->by_fd_len)
        return true;
    struct client_socket **table = realloc(c->by_fd, len * sizeof(struct client_socket *));
    if (!table)
        return false;
    memset(table + c->by_fd_len, 0, (len - c->by_fd_len) * sizeof(struct client_socket *));
    c->by_fd = table;
    c->by_fd_len = len;
    return true;
}

static struct client_socket *add_socket(struct http_client *c, int fd, bool connection)
{
    struct client_socket *s = calloc(1, sizeof(*s));

    if (!s || !grow_table(c, fd)) {
        free(s);
        return NULL;
    }
    s->client = c;
    s->fd = fd;
    s->connection = connection;
    s->next = c->sockets;
    if (c->sockets)
        c->sockets->prev = s;
    c->sockets = s;
    c->by_fd[fd] = s;
    return s;
}

static struct client_socket **port_bucket(struct http_client *c, uint16_t port)
{
    return &c->by_port[port % PORT_BUCKETS];
}

static void forget_port(struct client_socket *s)
{
    struct client_socket **at = port_bucket(s->client, s->local_port);

    while (*at && *at != s)
        at = &(*at)->next_of_port;
    if (*at)
        *at = s->next_of_port;
}

static void remove_socket(struct client_socket *s)
{
    struct http_client *c = s->client;

    watch_stop(c->loop, &s->watch);
    for (struct client_socket **at = &c->eager; *at; at = &(*at)->next_eager) {
        if (*at == s) {
            *at = s->next_eager;
            break;
        }
    }
    if (s->local_port != 0)
        forget_port(s);
    c->idle -= s->idle;
    c->by_fd[s->fd] = NULL;
    if (s->prev)
        s->prev->next = s->next;
    else
        c->sockets = s->next;
    if (s->next)
        s->next->prev = s->prev;
    free(s);
}

static void on_attempt_ended(struct deferred *d);
static void on_event(struct watch *w, uint32_t events);

/* The connection is closed, or about to be, and has never carried a request. */
static void end_attempt(struct client_socket *s)
{
    struct http_client *c = s->client;

    client_attempt_ended(c, s);
    if (!c->ending_call)
        loop_defer(c->loop, &c->attempt_ended, on_attempt_ended, c);
    remove_socket(s);
}

int client_open_socket(struct http_client *c, const struct sockaddr *peer, int type, int protocol)
{
    const int fd = socket(peer->sa_family, type | SOCK_CLOEXEC, protocol);

    if (fd < 0)
        return -1;
    struct client_socket *gone = find_socket(c, fd);
    const uint32_t wanted = gone ? gone->wanted : 0;
    if (gone) /* closed without a word, and libcurl will not say again what it wants of the number
               */
        end_attempt(gone);
    struct client_socket *s = add_socket(c, fd, true);
    if (!s || (wanted && !watch_start(c->loop, &s->watch, fd, wanted, on_event, s))) {
        if (s)
            remove_socket(s);
        (void)close(fd);
        return -1;
    }
    s->wanted = wanted;
    s->peer = ip_of_sockaddr(peer);
    s->opened_ms = loop_now_ms(c->loop);
    return fd;
}

void client_close_socket(struct http_client *c, int fd)
{
    struct client_socket *s = find_socket(c, fd);

    if (s && !s->used)
        end_attempt(s);
    else if (s)
        remove_socket(s);
    (void)close(fd);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

/* Once a connection, when it is idle for the first time. */
static void learn_port(struct client_socket *s)
{
    s->local_port = port_of(s->fd);
    if (s->local_port == 0)
        return;
    struct client_socket **bucket = port_bucket(s->client, s->local_port);
    s->next_of_port = *bucket;
    *bucket = s;
}

/* easy: a transfer that the connection carried. */
static void became_idle(struct client_socket *s, CURL *easy)
{
    if (s->local_port == 0)
        learn_port(s);
    if (s->client->http2 && !s->multiplexed)
        s->multiplexed = client_was_http2(easy);
    client_count_idle(s);
}

bool client_connection_is_quiet(struct http_client *c, uint16_t local_port)
{
    for (struct client_socket *s = *port_bucket(c, local_port); s; s = s->next_of_port) {
        /* At this moment the connection is still one of the idle. Two of them may have the same
         * port, towards two addresses: then both have to be quiet. */
        if (s->local_port != local_port || s->wanted != 0 || s->multiplexed)
            continue;
        struct pollfd poll_fd = {.fd = s->fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 0) != 0)
            return false;
    }
    return true;
}

/* Connections are few that never carried a request, and so are new ones. */
void client_connection_is_used(struct http_client *c, uint16_t local_port)
{
    for (struct client_socket *s = c->sockets; s; s = s->next) {
        if (s->connection && !s->used && port_of(s->fd) == local_port)
            s->used = true;
    }
}

/* ---- driving libcurl */

static void act(struct http_client *c, int fd, int bits)
{
    int running = 0;

    if (curl_multi_socket_action(c->multi, fd, bits, &running) != CURLM_OK)
        client_reset(c);
}

/* Where epoll refuses, the call ends at its deadline. */
static void set_events(struct client_socket *s, uint32_t events)
{
    if (!watch_change(s->client->loop, &s->watch, events))
        watch_stop(s->client->loop, &s->watch);
}

static void arm_for_writing(struct http_client *c, int fd)
{
    struct client_socket *s = find_socket(c, fd);

    if (s && s->watch.active && (s->wanted & EPOLLOUT) && !(s->watch.events & EPOLLOUT))
        set_events(s, s->watch.events | EPOLLOUT);
}

/* Tries those sockets that libcurl wants to write to, then reads results. */
static void follow_up(struct http_client *c)
{
    while (c->eager) {
        struct client_socket *s = c->eager;
        const int eager_fd = s->fd;
        c->eager = s->next_eager;
        s->eager = false;
        if (!(s->wanted & EPOLLOUT))
            continue;
        act(c, eager_fd, CURL_CSELECT_OUT);
        arm_for_writing(c, eager_fd);
    }
    client_collect(c);
}

static void drive(struct http_client *c, int fd, int bits)
{
    act(c, fd, bits);
    follow_up(c);
}

/* libcurl up to 8.1 forgets to go on: having given up one address it opens the next one's socket
 * only when it is called again, and asks for that at the end of that address's time. Only "all"
 * makes it look at a transfer that has neither a socket nor a timer that is due. */
static void on_attempt_ended(struct deferred *d)
{
    struct http_client *c = d->arg;
    int running = 0;

    if (!c->multi)
        return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    if (curl_multi_socket_all(c->multi, &running) != CURLM_OK)
        client_reset(c);
#pragma GCC diagnostic pop
    follow_up(c);
}

static void on_event(struct watch *w, uint32_t events)
{
    struct client_socket *s = w->arg;
    struct http_client *c = s->client;
    int bits = 0;

    if (s->wanted == 0) {
        /* An idle connection that speaks or ends: libcurl notices when it wants to reuse it. */
        watch_stop(c->loop, w);
        client_count_idle(s);
        return;
    }
    if (client_event_waits(c, s))
        return;
    if (!s->used)
        client_step(c);
    /* Errors show when libcurl reads or writes. */
    if (events & (EPOLLERR | EPOLLHUP))
        events |= s->wanted;
    if ((events & EPOLLIN) && !(s->wanted & EPOLLIN))
        set_events(s, s->wanted);
    if (events & s->wanted & EPOLLIN)
        bits |= CURL_CSELECT_IN;
    if (events & s->wanted & EPOLLOUT)
        bits |= CURL_CSELECT_OUT;
    if (!bits)
        return;
    c->in_event = true;
    drive(c, s->fd, bits);
    c->in_event = false;
}

void client_drive(struct http_client *c)
{
    drive(c, CURL_SOCKET_TIMEOUT, 0);
}

static void on_expired(struct deferred *d)
{
    client_drive(d->arg);
}

static void on_timer(struct timer *t)
{
    client_drive(t->arg);
}

/* ---- libcurl's callbacks; they may not call libcurl */

static int on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct http_client *c = arg;
    struct client_socket *s = find_socket(c, fd);
    (void)socket_arg;

    if (what == CURL_POLL_REMOVE) {
        if (!s)
            return 0;
        s->wanted = 0;
        if (!s->connection)
            remove_socket(s);
        else if (!s->used)
            /* libcurl up to 8.0 closes the sockets of failed attempts without a word. */
            end_attempt(s);
        else
            became_idle(s, easy);
        return 0;
    }
    if (!s)
        s = add_socket(c, fd, false);
    if (!s)
        return -1;
    s->wanted = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
                (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
    client_count_idle(s);
    if (!s->watch.active && !watch_start(c->loop, &s->watch, fd, EPOLLIN, on_event, s))
        return -1;
    if (!(s->wanted & EPOLLOUT) && (s->watch.events & EPOLLOUT))
        set_events(s, EPOLLIN);
    if ((s->wanted & EPOLLIN) && !(s->watch.events & EPOLLIN))
        set_events(s, s->watch.events | EPOLLIN);
    if (!(s->wanted & EPOLLOUT) || (s->watch.events & EPOLLOUT) || s->eager)
        return 0;
    if (s->connection && !s->used) { /* what it costs to make it go on is not for this turn */
        set_events(s, s->watch.events | EPOLLOUT);
        return 0;
    }
    s->eager = true;
    s->next_eager = c->eager;
    c->eager = s;
    return 0;
}

static int on_timer_wish(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_client *c = arg;
    (void)multi;

    timer_stop(c->loop, &c->timer);
    if (timeout_ms != 0)
        deferred_cancel(c->loop, &c->expired);
    if (timeout_ms == 0)
        loop_defer(c->loop, &c->expired, on_expired, c);
    else if (timeout_ms > 0)
        timer_start(c->loop, &c->timer, loop_now_ms(c->loop) + timeout_ms, on_timer, c);
    return 0;
}

/* ---- life */

bool client_multi_create(struct http_client *c)
{
    CURLM *multi = curl_multi_init();

    if (!multi)
        return false;
    c->multi = multi;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)c->connections_max);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)c->connections_max);
    curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS_MAX);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, c->http2 ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING);
    return true;
}

void client_multi_destroy(struct http_client *c)
{
    c->ending_call = true;
    if (c->multi)
        (void)curl_multi_cleanup(c->multi);
    c->ending_call = false;
    c->multi = NULL;
    while (c->sockets)
        remove_socket(c->sockets);
    timer_stop(c->loop, &c->timer);
    deferred_cancel(c->loop, &c->expired);
    deferred_cancel(c->loop, &c->attempt_ended);
}
