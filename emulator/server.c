/* SPDX-License-Identifier: Apache-2.0
 * The accept thread makes the connection threads and joins those that have ended. Handlers may
 * block: a scripted delay costs a thread, nothing else. */
#include "emulator/server.h"

#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

struct worker {
    struct server *server;
    struct worker *next;
    pthread_t thread;
    int fd;     /* for shutdown() by server_stop(); -1 once the thread has closed it */
    bool ended; /* the thread needs only to be joined */
    uint64_t number;
};

struct server {
    int listen_fd;
    uint16_t port;
    SSL_CTX *tls; /* borrowed */
    server_handle_fn handle;
    void *context;
    bool accepting; /* accept_thread runs; written before any other thread sees the server */
    pthread_t accept_thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t stop_signal;
    bool stopping;
    struct worker *workers;
    size_t worker_count;
    uint64_t connection_count;
};

bool server_split_address(const char *address, char *host, size_t host_bytes, const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    if (!colon || colon == address || colon[1] == '\0')
        return false;
    struct str name = {address, (size_t)(colon - address)};
    if (*name.ptr == '[' && name.len > 2 && name.ptr[name.len - 1] == ']')
        name = (struct str){name.ptr + 1, name.len - 2};
    if (name.len >= host_bytes)
        return false;
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    *ret_port = colon + 1;
    return true;
}

/* ---- waiting ------------------------------------------------------------------------------- */

static struct timespec deadline_after(int64_t ms)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

bool server_pause(struct server *s, int64_t ms)
{
    const struct timespec until = deadline_after(ms);
    pthread_mutex_lock(&s->lock);
    int waited = 0;
    while (!s->stopping && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&s->stop_signal, &s->lock, &until);
    const bool go_on = !s->stopping;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

static bool pause_for_reply(void *context, int64_t ms)
{
    return server_pause(context, ms);
}

/* ---- one connection ------------------------------------------------------------------------ */

static void refuse_bad_request(struct connection *c)
{
    (void)connection_write(
        c, STR("HTTP/1.1 400 Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
}

static bool serve_one(struct server *s, struct connection *c, struct http_request *request)
{
    switch (http_request_read(request, c)) {
    case HTTP_READ_CLOSED:
        return false;
    case HTTP_READ_BAD:
        refuse_bad_request(c);
        return false;
    case HTTP_READ_OK:
        break;
    }
    struct http_reply reply;
    http_reply_init(&reply);
    s->handle(s->context, c, request, &reply);
    const bool again = http_reply_send(&reply, c, request->keep_alive, pause_for_reply, s);
    http_reply_finish(&reply);
    return again;
}

/* The descriptor leaves the worker before it is closed, so that server_stop() never shuts down a
 * number that is in use for something else. */
static void forget_fd(struct worker *w)
{
    pthread_mutex_lock(&w->server->lock);
    w->fd = -1;
    pthread_mutex_unlock(&w->server->lock);
}

static void *run_connection(void *argument)
{
    struct worker *w = argument;
    struct server *s = w->server;
    struct connection c = {.fd = -1, .number = w->number};
    struct http_request request;
    /* A second descriptor for the same socket: the connection may close its own at any time. */
    const int fd = dup(w->fd);
    if (fd >= 0 && connection_open(&c, fd, s->tls)) {
        if (http_request_init(&request)) {
            while (serve_one(s, &c, &request))
                ;
        }
        http_request_finish(&request);
        if (c.fd >= 0)
            connection_close(&c);
    }
    const int shared = w->fd;
    forget_fd(w);
    (void)close(shared);

    pthread_mutex_lock(&s->lock);
    w->ended = true;
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- accepting ----------------------------------------------------------------------------- */

/* Joins ended threads; all: waits for the others too. */
static void reap(struct server *s, bool all)
{
    pthread_mutex_lock(&s->lock);
    struct worker **link = &s->workers;
    while (*link) {
        struct worker *w = *link;
        if (!w->ended && !all) {
            link = &w->next;
            continue;
        }
        *link = w->next;
        s->worker_count--;
        pthread_mutex_unlock(&s->lock);
        pthread_join(w->thread, NULL);
        free(w);
        pthread_mutex_lock(&s->lock);
        link = &s->workers;
    }
    pthread_mutex_unlock(&s->lock);
}

static bool start_worker(struct server *s, int fd)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        return false;
    pthread_mutex_lock(&s->lock);
    w->server = s;
    w->fd = fd;
    w->number = ++s->connection_count;
    const bool started = !s->stopping && s->worker_count < SERVER_CONNECTIONS_MAX &&
                         pthread_create(&w->thread, NULL, run_connection, w) == 0;
    if (started) {
        w->next = s->workers;
        s->workers = w;
        s->worker_count++;
    }
    pthread_mutex_unlock(&s->lock);
    if (!started)
        free(w);
    return started;
}

static void *run_accept(void *argument)
{
    struct server *s = argument;
    for (;;) {
        const int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
            if (!server_pause(s, 10))
                break;
            continue;
        }
        if (fd < 0)
            break; /* server_stop() has shut the listening socket down */
        reap(s, false);
        if (!start_worker(s, fd))
            (void)close(fd);
    }
    return NULL;
}

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int listen_on(const char *address, uint16_t *ret_port)
{
    char host[256];
    const char *port = NULL;
    if (!server_split_address(address, host, sizeof(host), &port))
        return -1;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *info = NULL;
    if (getaddrinfo(host, port, &hints, &info) != 0)
        return -1;

    const int on = 1;
    union any_address bound = {0};
    socklen_t bound_len = sizeof(bound);
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
                    bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, 512) != 0 ||
                    getsockname(fd, &bound.any, &bound_len) != 0)) {
        (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(info);
    if (fd < 0)
        return -1;
    *ret_port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
    return fd;
}

struct server *server_open(const char *address, SSL_CTX *tls, server_handle_fn handle,
                           void *context)
{
    struct server *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->tls = tls;
    s->handle = handle;
    s->context = context;
    s->listen_fd = listen_on(address, &s->port);
    if (s->listen_fd < 0) {
        fprintf(stderr, "cannot listen on %s: %s\n", address, strerror(errno));
        free(s);
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->stop_signal, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

bool server_start(struct server *s)
{
    s->accepting = pthread_create(&s->accept_thread, NULL, run_accept, s) == 0;
    return s->accepting;
}

uint16_t server_port(const struct server *s)
{
    return s->port;
}

void server_stop(struct server *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->stop_signal);
    for (struct worker *w = s->workers; w; w = w->next) {
        if (w->fd >= 0)
            (void)shutdown(w->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&s->lock);
    (void)shutdown(s->listen_fd, SHUT_RDWR);
    if (s->accepting)
        pthread_join(s->accept_thread, NULL);
    reap(s, true);
    (void)close(s->listen_fd);
    pthread_cond_destroy(&s->stop_signal);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
