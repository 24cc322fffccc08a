/* SPDX-License-Identifier: Apache-2.0
 * The clock of a connection. The parser's own timeout counts idle time only, stops while a request
 * is suspended, and does not notice then that the client left; so each phase has its deadline here,
 * and one edge-triggered watch a connection sees the client go. Sockets are shut down, never
 * closed: they belong to the parser. */
#include <assert.h>
#include <errno.h>
#include <linux/tcp.h> /* struct tcp_info as the kernel knows it */
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/http_server_int.h"

enum {
    CUT_GRACE_MS = 1000, /* for reading the answer that ends the connection */
    WAKE_PARSER_MS = 1,  /* the parser runs at the end of the turn */
};

static void on_deadline(struct timer *t);

/* Whether a client that ended its side has gone altogether or waits for its answer shows only when
 * something is sent: who has gone resets the connection. Any HTTP/1.1 client takes an interim
 * answer (RFC 9110 §15.2). A full socket says nothing: the answer itself will find out. False: it
 * has gone. */
static bool may_still_read(struct request *req)
{
    static const char INTERIM[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (req->facts.http_1_0)
        return false;
    if (req->asked_whether_gone)
        return true;
    req->asked_whether_gone = true;
    /* Writable means room for more than this, so that no part of it is sent. */
    struct pollfd room = {.fd = req->conn->fd, .events = POLLOUT};
    if (poll(&room, 1, 0) == 0)
        return true;
    const ssize_t sent =
        send(req->conn->fd, INTERIM, sizeof(INTERIM) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return errno == EAGAIN;
    if (sent == sizeof(INTERIM) - 1)
        return true;
    /* The answer would be read as the rest of this one. */
    (void)shutdown(req->conn->fd, SHUT_RDWR);
    return false;
}

void request_look_after_client(struct request *req)
{
    void (*fn)(void *arg) = req->on_gone;
    if (!fn || req->phase != REQUEST_SUSPENDED)
        return;
    if (!req->conn->client_left && may_still_read(req))
        return;
    req->conn->client_left = true;
    req->on_gone = NULL;
    fn(req->on_gone_arg);
}

/* An end of stream that came together with bytes is lost on the parser, whose reads are
 * edge-triggered: this wakes it once more. What is queued can still be read. */
void conn_wake_parser(struct http_conn *conn)
{
    (void)shutdown(conn->fd, SHUT_RD);
}

static int64_t limit_ms(const struct http_conn *conn)
{
    const struct http_server_options *o = &conn->server->options;
    switch (conn->phase) {
    case CONN_FRESH:
    case CONN_HEADER:
        return o->header_timeout_ms;
    case CONN_BODY:
    case CONN_ANSWERING:
        return o->body_timeout_ms;
    case CONN_IDLE:
        return o->idle_timeout_ms;
    case CONN_CUT:
        return CUT_GRACE_MS;
    case CONN_HANDLING:
        break;
    }
    return -1;
}

static void set_clock(struct http_conn *conn)
{
    const int64_t ms = limit_ms(conn);
    if (ms < 0)
        timer_stop(conn->server->loop, &conn->timer);
    else
        timer_start(conn->server->loop, &conn->timer, conn->phase_since_ms + ms, on_deadline, conn);
}

static void on_wake(struct timer *t)
{
    struct http_conn *conn = t->arg;
    conn_wake_parser(conn);
    set_clock(conn);
}

/* What has not come by now never will. */
static void hurry(struct http_conn *conn)
{
    if (conn->phase == CONN_FRESH || conn->phase == CONN_HEADER || conn->phase == CONN_BODY ||
        conn->phase == CONN_IDLE) /* the parser has not seen what came with the end */
        timer_start(conn->server->loop, &conn->timer,
                    loop_now_ms(conn->server->loop) + WAKE_PARSER_MS, on_wake, conn);
}

static void on_socket(struct watch *w, uint32_t events)
{
    struct http_conn *conn = w->arg;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        conn->input_ended = true;
        hurry(conn);
        if (events & (EPOLLHUP | EPOLLERR))
            conn->client_left = true;
        if (conn->req)
            request_look_after_client(conn->req);
    } else if (conn->phase == CONN_IDLE) {
        /* The first byte of the next request: from here on its header must come in time. The parser
         * runs at the end of the turn, so it has not seen these bytes yet. */
        conn_enter(conn, CONN_HEADER);
    }
}

bool conn_watch_start(struct http_conn *conn)
{
    return watch_start(conn->server->loop, &conn->watch, conn->fd, EPOLLIN | EPOLLRDHUP | EPOLLET,
                       on_socket, conn);
}

void conn_watch_stop(struct http_conn *conn)
{
    watch_stop(conn->server->loop, &conn->watch);
    timer_stop(conn->server->loop, &conn->timer);
}

static void hang_up(struct http_conn *conn)
{
    (void)shutdown(conn->fd, SHUT_RDWR);
}

/* Opened and left alone (a preconnect, a probe): gets no answer to a question it did not ask. */
static bool received_anything(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_bytes_received > 0;
}

static void cut_for_timeout(struct http_conn *conn, enum shed_reason reason, const char *why)
{
    struct failure f = failure_of(ERR_REQUEST_TIMEOUT);
    f.reason = why;
    count_shed(reason);
    conn_cut(conn, &f);
}

/* With unread answers in its queue the socket would live on in the kernel long after close. */
static void abort_slow_reader(struct http_conn *conn)
{
    const struct linger abort = {.l_onoff = 1, .l_linger = 0};
    count_shed(SHED_SLOW_READER);
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    conn->phase = CONN_CUT;
    hang_up(conn);
}

static void on_deadline(struct timer *t)
{
    struct http_conn *conn = t->arg;
    switch (conn->phase) {
    case CONN_FRESH:
        if (received_anything(conn->fd)) {
            cut_for_timeout(conn, SHED_HEADER_TIMEOUT, "header did not arrive in time");
            return;
        }
        conn->phase = CONN_CUT;
        hang_up(conn);
        return;
    case CONN_HEADER:
        cut_for_timeout(conn, SHED_HEADER_TIMEOUT, "header did not arrive in time");
        return;
    case CONN_BODY:
        cut_for_timeout(conn, SHED_BODY_TIMEOUT, "body did not arrive in time");
        return;
    case CONN_ANSWERING:
        abort_slow_reader(conn);
        return;
    case CONN_IDLE:
        conn->phase = CONN_CUT;
        hang_up(conn);
        return;
    case CONN_CUT:
        hang_up(conn);
        return;
    case CONN_HANDLING:
        assert(false && "a request under way has no connection clock");
    }
}

void conn_enter(struct http_conn *conn, enum conn_phase phase)
{
    /* The header clock of a first request runs from the accept. */
    const bool goes_on = conn->phase == CONN_FRESH && phase == CONN_HEADER;
    conn->phase = phase;
    if (conn->input_ended && (phase == CONN_HEADER || phase == CONN_BODY || phase == CONN_IDLE))
        conn_wake_parser(conn);
    if (goes_on)
        return;
    conn->phase_since_ms = loop_now_ms(conn->server->loop);
    set_clock(conn);
}

void conn_cut(struct http_conn *conn, const struct failure *f)
{
    struct request *req = conn->req;
    char made[REQUEST_ID_MADE_BYTES];
    const char *id = made;
    if (req && req->header_seen)
        id = req->id;
    else
        request_id_make(made);
    answer_send_raw(conn->fd, f, id);
    if (id == made)
        log_cut(conn, id, f);
    if (req) {
        req->answer.status = error_row(f->code)->status;
        req->answer.code = f->code;
        req->answer.reason = f->reason;
    }
    (void)shutdown(conn->fd, SHUT_WR);
    conn->linger = true;
    conn_enter(conn, CONN_CUT);
}
