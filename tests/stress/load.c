/* SPDX-License-Identifier: Apache-2.0
 * A generator of load. Requests are due at fixed times whether or not earlier ones were answered,
 * and latency counts from when a request was due, not from when a connection was free for it: a
 * server that stands still for a second is charged with every request of that second. Without
 * --rate each connection sends its next request when it has its answer.
 *
 *   load --port PORT --connections N --requests FILE [--requests FILE...]
 *        [--rate PER_S] [--seconds S] [--count N] [--timeout-ms MS] [--first N] [--samples FILE]
 *
 * Prints one JSON object: counts and latencies by status, counts by problem code and by kind of
 * failure. Connections are to the loopback, opened when needed, kept alive, used by one request at
 * a time; load_requests.h says what a file of requests is. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load_answer.h"
#include "load_requests.h"
#include "load_tally.h"

enum { EVENTS_PER_TURN = 256, ANSWER_BYTES_MAX = 256 * 1024, CONNECTIONS_MAX = 60000 };

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_BUSY, CONN_IDLE };

struct conn {
    int fd;
    enum conn_state state;
    int64_t arrival_us;  /* of its request */
    int64_t deadline_us; /* likewise */
    struct conn *prev;   /* in the list of those under way, oldest deadline first */
    struct conn *next;
    struct conn *next_free; /* idle or closed ones */
    char *out;
    size_t out_len, out_room, sent;
    char *in;
    size_t in_len, in_room;
};

static struct {
    uint16_t port;
    unsigned connections;
    double rate;
    double seconds;
    uint64_t count;
    int64_t timeout_us;
    uint64_t first;
    const char *samples;
} options = {.connections = 1, .seconds = 10, .count = UINT64_MAX, .timeout_us = 30000000};

static int epoll_fd;
static int64_t began_us;
static uint64_t sent_count, opened_count;
static struct conn *conns;
static struct conn *idle_conns, *closed_conns;
static struct conn under_way = {.prev = &under_way, .next = &under_way};
static volatile sig_atomic_t stopping;

static int64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - began_us;
}

/* ---- connections */

static void list_remove(struct conn *c)
{
    c->prev->next = c->next;
    c->next->prev = c->prev;
    c->prev = c->next = NULL;
}

static void list_append(struct conn *c)
{
    c->next = &under_way;
    c->prev = under_way.prev;
    c->prev->next = c->next->prev = c;
}

static void close_conn(struct conn *c)
{
    (void)close(c->fd);
    c->fd = -1;
    c->state = CONN_CLOSED;
    c->next_free = closed_conns;
    closed_conns = c;
}

static void remove_idle(const struct conn *c)
{
    for (struct conn **at = &idle_conns; *at; at = &(*at)->next_free) {
        if (*at == c) {
            *at = c->next_free;
            return;
        }
    }
}

static void fail(struct conn *c, enum failure failure)
{
    tally_failure(c->arrival_us, failure);
    list_remove(c);
    close_conn(c);
}

static enum failure failure_of_errno(int error, bool connecting)
{
    if (error == ECONNREFUSED)
        return FAILED_REFUSED;
    if (connecting)
        return FAILED_CONNECT;
    return error == ECONNRESET || error == EPIPE ? FAILED_RESET : FAILED_CLOSED;
}

static bool open_conn(struct conn *c)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(options.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return false;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if ((connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS) ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) != 0)
        return false;
    opened_count++;
    c->state = CONN_CONNECTING;
    return true;
}

/* ---- requests */

static void send_rest(struct conn *c)
{
    while (c->sent < c->out_len) {
        const ssize_t sent = send(c->fd, c->out + c->sent, c->out_len - c->sent, MSG_NOSIGNAL);
        if (sent < 0) {
            /* An answer may have come before the end of the request; reading it tells. */
            return;
        }
        c->sent += (size_t)sent;
    }
}

static void send_request(int64_t arrival_us)
{
    struct conn *c = idle_conns;
    const bool is_open = c != NULL;
    if (is_open) {
        idle_conns = c->next_free;
    } else {
        c = closed_conns;
        closed_conns = c->next_free;
    }
    c->arrival_us = arrival_us;
    c->deadline_us = now_us() + options.timeout_us;
    c->out_len = requests_write(options.first + sent_count++, &c->out, &c->out_room);
    c->sent = c->in_len = 0;
    list_append(c);
    if (is_open) {
        c->state = CONN_BUSY;
        send_rest(c);
    } else if (!open_conn(c)) {
        fail(c, failure_of_errno(errno, true));
    }
}

static bool can_send(void)
{
    return idle_conns || closed_conns;
}

/* The last arrival is before the end of the run; those that are late are sent all the same. */
static bool is_arrival_left(void)
{
    if (stopping || sent_count >= options.count)
        return false;
    return options.rate > 0 ? (double)sent_count / options.rate < options.seconds
                            : (double)now_us() / 1e6 < options.seconds;
}

static int64_t next_arrival_us(void)
{
    return options.rate > 0 ? (int64_t)((double)sent_count * 1e6 / options.rate) : now_us();
}

static void send_due(void)
{
    while (is_arrival_left() && can_send() && next_arrival_us() <= now_us())
        send_request(next_arrival_us());
}

/* ---- answers */

static void finish_answer(struct conn *c, const struct answer *answer)
{
    tally_answer(c->arrival_us, now_us() - c->arrival_us, answer->status, answer->code);
    list_remove(c);
    if (answer->closes || c->sent < c->out_len || c->in_len > answer->bytes) {
        close_conn(c);
        return;
    }
    c->state = CONN_IDLE;
    c->next_free = idle_conns;
    idle_conns = c;
}

static void read_answer(struct conn *c)
{
    for (;;) {
        if (c->in_room < c->in_len + 4096) {
            c->in_room = c->in_len + 8192;
            c->in = realloc(c->in, c->in_room);
            if (!c->in)
                abort();
        }
        const ssize_t got = recv(c->fd, c->in + c->in_len, c->in_room - c->in_len, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got < 0) {
            fail(c, failure_of_errno(errno, false));
            return;
        }
        c->in_len += (size_t)got;
        struct answer answer;
        const enum answer_state state =
            c->in_len > 0 ? answer_read(c->in, c->in_len, got == 0, &answer) : ANSWER_PARTIAL;
        if (state == ANSWER_WHOLE) {
            answer.closes = answer.closes || got == 0;
            finish_answer(c, &answer);
            return;
        }
        if (state == ANSWER_MALFORMED && got > 0) {
            fail(c, FAILED_MALFORMED);
            return;
        }
        if (got == 0 || c->in_len > ANSWER_BYTES_MAX) {
            fail(c, got == 0 ? FAILED_CLOSED : FAILED_MALFORMED);
            return;
        }
    }
}

static void on_connected(struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof(error);
    (void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        fail(c, failure_of_errno(error, true));
        return;
    }
    c->state = CONN_BUSY;
    send_rest(c);
    read_answer(c);
}

static void on_event(struct conn *c, uint32_t events)
{
    if (c->state == CONN_CONNECTING && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
        on_connected(c);
    } else if (c->state == CONN_BUSY) {
        if (events & EPOLLOUT)
            send_rest(c);
        read_answer(c);
    } else if (c->state == CONN_IDLE && (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))) {
        remove_idle(c); /* the server wants it no more */
        close_conn(c);
    }
}

/* ---- the run */

static void expire(void)
{
    while (under_way.next != &under_way && under_way.next->deadline_us <= now_us())
        fail(under_way.next, FAILED_TIMEOUT);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void wait_for_events(int64_t until_us)
{
    struct epoll_event events[EVENTS_PER_TURN];
    const int64_t left_us = until_us - now_us();
    const struct timespec wait = {.tv_sec = left_us > 0 ? left_us / 1000000 : 0,
                                  .tv_nsec = left_us > 0 ? left_us % 1000000 * 1000 : 0};
    const int count = epoll_pwait2(epoll_fd, events, EVENTS_PER_TURN, &wait, NULL);
    for (int i = 0; i < count; i++)
        on_event(events[i].data.ptr, events[i].events);
}

static void run(void)
{
    const int64_t give_up_us = (int64_t)(options.seconds * 1e6) + options.timeout_us;
    while (now_us() < give_up_us && (is_arrival_left() || under_way.next != &under_way)) {
        send_due();
        int64_t until_us = give_up_us;
        if (is_arrival_left() && can_send())
            until_us = earlier(until_us, next_arrival_us());
        if (under_way.next != &under_way)
            until_us = earlier(until_us, under_way.next->deadline_us);
        wait_for_events(until_us);
        expire();
    }
    while (under_way.next != &under_way)
        fail(under_way.next, FAILED_TIMEOUT);
    for (; options.rate > 0 && is_arrival_left(); sent_count++)
        tally_failure(next_arrival_us(), FAILED_UNSENT);
}

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static bool read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},       {"connections", required_argument, NULL, 'c'},
        {"rate", required_argument, NULL, 'r'},       {"seconds", required_argument, NULL, 's'},
        {"count", required_argument, NULL, 'n'},      {"requests", required_argument, NULL, 'f'},
        {"timeout-ms", required_argument, NULL, 't'}, {"first", required_argument, NULL, 'i'},
        {"samples", required_argument, NULL, 'o'},    {NULL, 0, NULL, 0}};
    bool has_requests = false;
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'p':
            options.port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            options.connections = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            options.rate = strtod(optarg, NULL);
            break;
        case 's':
            options.seconds = strtod(optarg, NULL);
            break;
        case 'n':
            options.count = strtoull(optarg, NULL, 10);
            break;
        case 't':
            options.timeout_us = strtoll(optarg, NULL, 10) * 1000;
            break;
        case 'i':
            options.first = strtoull(optarg, NULL, 10);
            break;
        case 'o':
            options.samples = optarg;
            break;
        case 'f':
            if (!requests_load(optarg))
                return false;
            has_requests = true;
            break;
        default:
            return false;
        }
    }
    return has_requests && options.port > 0 && optind == argc && options.connections > 0 &&
           options.connections <= CONNECTIONS_MAX;
}

int main(int argc, char **argv)
{
    if (!read_options(argc, argv)) {
        (void)fprintf(stderr, "usage: load --port P --connections N --requests FILE "
                              "[--rate R] [--seconds S] [--count N] [--timeout-ms MS] "
                              "[--first N] [--samples FILE]\n");
        return 64;
    }
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGINT, on_signal);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc(options.connections, sizeof(conns[0]));
    if (epoll_fd < 0 || !conns)
        return 1;
    for (unsigned i = options.connections; i > 0; i--) {
        conns[i - 1].fd = -1;
        conns[i - 1].next_free = closed_conns;
        closed_conns = &conns[i - 1];
    }
    began_us = now_us();
    run();
    tally_report(stdout, (double)now_us() / 1e6, opened_count);
    return !options.samples || tally_write_samples(options.samples) ? 0 : 1;
}
