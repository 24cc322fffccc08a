/* SPDX-License-Identifier: Apache-2.0
 * See script_server.h. poll() over at most CONNECTIONS_MAX connections; commands come through a
 * pipe and are acknowledged through another, so no test ever sleeps for them. */
#include "script_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { CONNECTIONS_MAX = 64, REQUEST_BYTES_MAX = 256 * 1024, ANSWER_BYTES_MAX = 16 * 1024 * 1024 };

struct connection {
    int fd; /* -1: free */
    unsigned number, requests;
    struct buf in;
};

struct script_server {
    script_fn *script;
    void *arg;
    int listen_fd;
    int command[2], done[2]; /* pipes */
    uint16_t port;
    pthread_t thread;
    atomic_uint requests, connections;
    const char *blurt;
    struct connection open[CONNECTIONS_MAX];
};

static void drop(struct connection *c, bool reset)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    if (reset)
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    (void)close(c->fd);
    c->fd = -1;
    buf_finish(&c->in);
}

static void send_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        const ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes.ptr += n;
        bytes.len -= (size_t)n;
    }
}

/* Bytes of the first complete request, 0 while it is incomplete. */
static size_t request_length(const struct buf *in, size_t *ret_head)
{
    const char *end = in->len ? memmem(in->ptr, in->len, "\r\n\r\n", 4) : NULL;

    if (!end)
        return 0;
    *ret_head = (size_t)(end - in->ptr) + 4;
    const char *field = strcasestr(in->ptr, "\r\nContent-Length:");
    const size_t body = field && field < end ? strtoul(field + 17, NULL, 10) : 0;
    return in->len >= *ret_head + body ? *ret_head + body : 0;
}

static void serve_request(struct script_server *s, struct connection *c, size_t head, size_t len)
{
    const struct script_request request = {
        .text = {c->in.ptr, len},
        .body = {c->in.ptr + head, len - head},
        .number = atomic_fetch_add(&s->requests, 1),
        .connection = c->number,
        .on_connection = c->requests++,
    };
    AUTO_BUF struct buf answer;
    buf_init(&answer, ANSWER_BYTES_MAX);

    const enum script_end end = s->script(s->arg, &request, &answer);
    assert(buf_ok(&answer));
    send_all(c->fd, buf_str(&answer));
    buf_reset(&c->in);
    if (end != SCRIPT_KEEP)
        drop(c, end == SCRIPT_RESET);
}

static void receive(struct script_server *s, struct connection *c)
{
    char part[16384];
    size_t head = 0;
    const ssize_t n = recv(c->fd, part, sizeof(part), 0);

    if (n <= 0) {
        drop(c, false);
        return;
    }
    buf_append(&c->in, (struct str){part, (size_t)n});
    const size_t len = request_length(&c->in, &head);
    if (len > 0)
        serve_request(s, c, head, len);
}

static void accept_one(struct script_server *s)
{
    const int fd = accept(s->listen_fd, NULL, NULL);

    for (size_t i = 0; fd >= 0 && i < CONNECTIONS_MAX; i++) {
        if (s->open[i].fd >= 0)
            continue;
        s->open[i].fd = fd;
        s->open[i].number = atomic_fetch_add(&s->connections, 1);
        s->open[i].requests = 0;
        buf_init(&s->open[i].in, REQUEST_BYTES_MAX);
        return;
    }
    assert(false && "too many connections");
}

/* False: stop. */
static bool obey(struct script_server *s)
{
    char what = 0;

    (void)!read(s->command[0], &what, 1);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (s->open[i].fd < 0)
            continue;
        if (what == 'b')
            send_all(s->open[i].fd, str_of(s->blurt));
        else
            drop(&s->open[i], false);
    }
    (void)!write(s->done[1], &what, 1);
    return what != 's';
}

static void *run(void *arg)
{
    struct script_server *s = arg;
    struct pollfd fds[CONNECTIONS_MAX + 2];

    for (;;) {
        fds[0] = (struct pollfd){.fd = s->command[0], .events = POLLIN};
        fds[1] = (struct pollfd){.fd = s->listen_fd, .events = POLLIN};
        for (size_t i = 0; i < CONNECTIONS_MAX; i++)
            fds[i + 2] = (struct pollfd){.fd = s->open[i].fd, .events = POLLIN};
        if (poll(fds, CONNECTIONS_MAX + 2, -1) < 0)
            continue;
        if (fds[0].revents && !obey(s))
            return NULL;
        for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
            if (fds[i + 2].revents && s->open[i].fd == fds[i + 2].fd)
                receive(s, &s->open[i]);
        }
        if (fds[1].revents)
            accept_one(s);
    }
}

static void command(struct script_server *s, char what)
{
    char answer;

    (void)!write(s->command[1], &what, 1);
    (void)!read(s->done[0], &answer, 1);
}

struct script_server *script_server_start(script_fn *script, void *arg)
{
    struct script_server *s = calloc(1, sizeof(*s));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    assert(s);
    s->script = script;
    s->arg = arg;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        s->open[i].fd = -1;
    s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(s->listen_fd >= 0);
    const bool up = bind(s->listen_fd, (struct sockaddr *)&address, len) == 0 &&
                    listen(s->listen_fd, 128) == 0 &&
                    getsockname(s->listen_fd, (struct sockaddr *)&address, &len) == 0 &&
                    pipe(s->command) == 0 && pipe(s->done) == 0 &&
                    pthread_create(&s->thread, NULL, run, s) == 0;
    assert(up);
    s->port = ntohs(address.sin_port);
    return s;
}

void script_server_stop(struct script_server *s)
{
    command(s, 's');
    (void)pthread_join(s->thread, NULL);
    (void)close(s->listen_fd);
    for (size_t i = 0; i < 2; i++) {
        (void)close(s->command[i]);
        (void)close(s->done[i]);
    }
    free(s);
}

uint16_t script_server_port(const struct script_server *s)
{
    return s->port;
}

char *script_server_url(const struct script_server *s, const char *path)
{
    char *url = NULL;

    const int n = asprintf(&url, "http://127.0.0.1:%u%s", s->port, path);
    assert(n > 0);
    return url;
}

unsigned script_server_requests(struct script_server *s)
{
    return atomic_load(&s->requests);
}

unsigned script_server_connections(struct script_server *s)
{
    return atomic_load(&s->connections);
}

void script_server_close_idle(struct script_server *s)
{
    command(s, 'c');
}

void script_server_blurt(struct script_server *s, const char *bytes)
{
    s->blurt = bytes;
    command(s, 'b');
}

void script_answer(struct buf *answer, int status, const char *type, const char *fields,
                   const char *body)
{
    buf_printf(answer, "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n%s",
               status, type, strlen(body), fields, body);
}
