/* SPDX-License-Identifier: Apache-2.0
 * The clock of a connection. The parser's own timeout counts idle time only, stops while a request
 * is suspended, and does not notice then that the client left; so each phase has its deadline here,
 * and one edge-triggered watch a connection sees the client go. Sockets are shut down, never
 * closed: they belong to the parser. */
#include <assert.h>
#include <linux/tcp.h> /* struct tcp_info as the kernel knows it */
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/http_server_int.h"

/* How long a client may take to read the answer that ends its connection. */
enum { CUT_GRACE_MS = 1000 };

void request_notice_gone(struct request *req)
{
    void (*fn)(void *arg) = req->on_gone;
    if (!fn || req->phase != REQUEST_SUSPENDED)
        return;
    req->on_gone = NULL;
    fn(req->on_gone_arg);
}

static void on_socket(struct watch *w, uint32_t events)
{
    struct http_conn *conn = w->arg;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        conn->client_left = true;
        if (conn->req)
            request_notice_gone(conn->req);
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
    const struct http_server_options *o = &conn->server->options;
    const int64_t limit_ms[] = {
        [CONN_FRESH] = o->header_timeout_ms,
        [CONN_HEADER] = o->header_timeout_ms,
        [CONN_BODY] = o->body_timeout_ms,
        [CONN_HANDLING] = -1,
        [CONN_ANSWERING] = o->body_timeout_ms,
        [CONN_IDLE] = o->idle_timeout_ms,
        [CONN_CUT] = CUT_GRACE_MS,
    };
    /* The header clock of a first request runs from the accept. */
    const bool goes_on = conn->phase == CONN_FRESH && phase == CONN_HEADER;
    conn->phase = phase;
    if (goes_on)
        return;
    /* An end of stream that came together with the request is lost on the parser, whose reads are
     * edge-triggered: this wakes it once more. What is queued can still be read. */
    if (phase == CONN_IDLE && conn->client_left)
        (void)shutdown(conn->fd, SHUT_RD);
    if (limit_ms[phase] < 0)
        timer_stop(conn->server->loop, &conn->timer);
    else
        timer_start(conn->server->loop, &conn->timer,
                    loop_now_ms(conn->server->loop) + limit_ms[phase], on_deadline, conn);
}

void conn_cut(struct http_conn *conn, const struct failure *f)
{
    struct request *req = conn->req;
    answer_send_raw(conn->fd, f, req && req->header_seen ? req->id : NULL);
    if (req) {
        req->answer.status = error_row(f->code)->status;
        req->answer.code = f->code;
        req->answer.reason = f->reason;
    }
    (void)shutdown(conn->fd, SHUT_WR);
    conn->linger = true;
    conn_enter(conn, CONN_CUT);
}
