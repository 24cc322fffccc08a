/* SPDX-License-Identifier: Apache-2.0
 * libmicrohttpd inside the loop: one daemon a server, without threads, listening socket or locks of
 * its own. Its epoll descriptor is watched by the loop; it runs at the end of a turn, after all
 * events, answers and timers of that turn. */
#include <assert.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "net/http_server_int.h"
#include "observe/metrics.h"

enum {
    /* Room beside the header for the parser's own book-keeping and the answer's header. Above 32
     * KiB the parser takes its memory from mmap: the pages that a connection never needed stay with
     * the kernel, whatever the heap was used for before. */
    PARSER_MEMORY_MIN_BYTES = 36 * 1024,
    STRICT_FOR_CLIENTS = 1, /* "suitable for highly loaded public servers" */
    RUNS_PER_TURN = 3,
    RUNS_AT_STOP = 4,
    NEW_MS = 1000,
};

const char *http_server_library_version(void)
{
    return MHD_get_version();
}

/* ---- connections */

static struct http_conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void count_connections(const struct http_server *s, int64_t more)
{
    metric_gauge_add(M_HTTP_CONNECTIONS, s->listener_label, 0, more);
    if (s->member)
        metric_gauge_add(M_WORKER_CONNECTIONS, conn_member_number(s->member), 0, more);
}

static void unlink_conn(struct http_conn *conn)
{
    struct http_server *s = conn->server;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        s->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    s->conn_count--;
    server_release_connection_slot(s);
    count_connections(s, -1);
}

static void link_conn(struct http_conn *conn)
{
    struct http_server *s = conn->server;
    conn->next = s->conns;
    if (s->conns)
        s->conns->prev = conn;
    s->conns = conn;
    s->conn_count++;
    count_connections(s, 1);
}

static void conn_closed(struct http_conn *conn)
{
    struct http_server *s = conn->server;
    assert(!conn->req);
    conn_watch_stop(conn);
    /* The parser closes its descriptor next; a second one keeps the socket open to be read. */
    const int fd = conn->linger && !s->stopping ? fcntl(conn->fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (fd >= 0)
        linger_start(s->lingering, fd);
    unlink_conn(conn);
    free(conn);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = cls;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        conn_closed(*socket_context);
        return;
    }
    struct http_conn *conn = s->adding;
    s->adding = NULL;
    conn->mhd = mhd;
    *socket_context = conn;
    link_conn(conn);
}

void server_add_connection(struct http_server *s, int fd, const struct sockaddr_storage *sa,
                           socklen_t sa_len)
{
    struct http_conn *conn = calloc(1, sizeof(*conn));
    if (!conn) {
        (void)close(fd);
        server_release_connection_slot(s);
        return;
    }
    conn->server = s;
    conn->fd = fd;
    conn->peer = ip_of_sockaddr((const struct sockaddr *)sa);
    s->adding = conn;
    if (MHD_add_connection(s->daemon, fd, (const struct sockaddr *)sa, sa_len) != MHD_YES) {
        /* Unless the daemon knew it already, and then told of its end. */
        if (s->adding)
            server_release_connection_slot(s);
        free(s->adding);
        s->adding = NULL;
        return;
    }
    conn_enter(conn, CONN_FRESH);
    /* A connection whose client could not be seen leaving is not served. */
    if (!conn_watch_start(conn))
        (void)shutdown(fd, SHUT_RDWR);
}

/* ---- the parser's callbacks */

static void *on_target(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct http_conn *conn = conn_of(mhd);
    (void)cls;
    if (conn->phase == CONN_CUT)
        return NULL;
    return request_begin(conn, str_of(uri));
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *data_bytes, void **context)
{
    struct request *req = *context;
    (void)cls;
    (void)url; /* the raw target was taken by on_target() */
    if (!req) {
        struct http_conn *conn = conn_of(mhd);
        const struct failure f = failure_of(ERR_NO_MEMORY);
        if (conn->phase != CONN_CUT)
            conn_cut(conn, &f);
        return MHD_NO;
    }
    return request_step(req, method, version, data, data_bytes) ? MHD_YES : MHD_NO;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode how)
{
    struct request *req = *context;
    (void)cls;
    (void)mhd;
    *context = NULL;
    if (!req)
        return;
    const bool left = how == MHD_REQUEST_TERMINATED_CLIENT_ABORT ||
                      how == MHD_REQUEST_TERMINATED_READ_ERROR ||
                      (how != MHD_REQUEST_TERMINATED_COMPLETED_OK && req->conn->client_left);
    request_end(req, left);
}

/* Targets are matched raw; nothing is decoded behind our back. */
static size_t no_unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

/* Without the arguments, which may quote the client. */
static void on_message(void *cls, const char *format, va_list args)
{
    (void)cls;
    (void)args;
    LOG(LOG_DEBUG, "http.parser", "the HTTP parser had something to say",
        LOG_S("error.message", format));
}

/* ---- running */

static void on_daemon_ready(struct watch *w, uint32_t events)
{
    struct http_server *s = w->arg;
    (void)events;
    s->run_daemon = true;
}

static int64_t on_idle(void *arg)
{
    struct http_server *s = arg;
    int64_t wait_ms = MHD_get_timeout64s(s->daemon);
    /* Behind an answer the daemon takes two more steps; a turn of the loop for each would cost a
     * system call more. */
    for (int i = 0; i < RUNS_PER_TURN && (s->run_daemon || wait_ms == 0); i++) {
        s->run_daemon = false;
        (void)MHD_run(s->daemon);
        wait_ms = MHD_get_timeout64s(s->daemon);
    }
    return wait_ms;
}

/* ---- life */

static struct MHD_Daemon *start_daemon(struct http_server *s)
{
    const size_t memory = 2 * s->options.header_max_bytes;
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
            MHD_USE_NO_THREAD_SAFETY | MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_access, s,                               /* */
        MHD_OPTION_EXTERNAL_LOGGER, on_message, s,                 /* */
        MHD_OPTION_CLIENT_DISCIPLINE_LVL, (int)STRICT_FOR_CLIENTS, /* */
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,            /* */
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,              /* */
        MHD_OPTION_URI_LOG_CALLBACK, on_target, s,                 /* */
        MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL,           /* */
        MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        memory > PARSER_MEMORY_MIN_BYTES ? memory : (size_t)PARSER_MEMORY_MIN_BYTES, /* */
        /* Closed connections count until the daemon has cleaned up; ours is the limit. */
        MHD_OPTION_CONNECTION_LIMIT, s->options.connections_max + 64U, /* */
        MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_END);
}

static bool watch_daemon(struct http_server *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return info && info->epoll_fd >= 0 &&
           watch_start(s->loop, &s->daemon_watch, info->epoll_fd, EPOLLIN, on_daemon_ready, s) &&
           loop_on_idle(s->loop, on_idle, s);
}

enum err http_server_create(struct loop *l, const struct http_server_options *options,
                            struct http_server **ret, struct err_text *reterr)
{
    assert(options->route_count <= HTTP_ROUTES_MAX);
    struct http_server *s = calloc(1, sizeof(*s));
    if (!s)
        return ERR_NO_MEMORY;
    s->options = *options;
    s->limits = (struct gate_limits){options->uri_max_bytes, options->header_max_bytes,
                                     options->body_max_bytes};
    s->loop = l;
    s->reserve_fd = -1;
    s->listener_label = listener_label(options->name);
    for (size_t i = 0; i < options->route_count; i++)
        s->route_labels[i] = route_label(options->routes[i].path);

    s->lingering = linger_create(l);
    s->daemon = start_daemon(s);
    if (!s->lingering || !s->daemon || !watch_daemon(s) || !accept_start(s)) {
        http_server_destroy(s);
        return err_set(reterr, ERR_INTERNAL, "the %s listener cannot start", options->name);
    }
    *ret = s;
    return ERR_OK;
}

void http_server_configure(struct http_server *s, const struct http_server_options *options)
{
    struct http_server_options *o = &s->options;

    o->trusted_proxies = options->trusted_proxies;
    o->header_timeout_ms = options->header_timeout_ms;
    o->body_timeout_ms = options->body_timeout_ms;
    o->idle_timeout_ms = options->idle_timeout_ms;
    o->request_timeout_ms = options->request_timeout_ms;
    o->body_max_bytes = options->body_max_bytes;
    o->uri_max_bytes = options->uri_max_bytes;
    o->in_flight_max = options->in_flight_max;
    o->hold = options->hold;
    s->limits = (struct gate_limits){o->uri_max_bytes, o->header_max_bytes, o->body_max_bytes};
}

void http_server_quiesce(struct http_server *s, bool take_rest)
{
    if (take_rest)
        accept_rest(s);
    accept_stop(s);
}

/* Its request is on the way, as far as anybody can tell. */
static bool is_new(const struct http_conn *conn)
{
    const int64_t now_ms = loop_now_ms(conn->server->loop);

    return conn->phase == CONN_FRESH &&
           now_ms < conn->timer.at_ms - conn->server->options.header_timeout_ms + NEW_MS;
}

unsigned http_server_busy(const struct http_server *s)
{
    unsigned busy = 0;
    for (const struct http_conn *conn = s->conns; conn; conn = conn->next)
        busy += is_new(conn) || conn->phase == CONN_HEADER || conn->phase == CONN_BODY ||
                conn->phase == CONN_HANDLING || conn->phase == CONN_ANSWERING;
    return busy;
}

/* The parser forbids to be stopped with suspended connections, so all are answered and resumed
 * first; then it gets a few runs to send. */
static void end_requests(struct http_server *s)
{
    for (struct http_conn *conn = s->conns; conn; conn = conn->next) {
        if (conn->req && conn->req->phase == REQUEST_SUSPENDED)
            request_stop(conn->req);
    }
    for (int i = 0; i < RUNS_AT_STOP; i++)
        (void)MHD_run(s->daemon);
}

void http_server_destroy(struct http_server *s)
{
    if (!s)
        return;
    s->stopping = true;
    accept_stop(s);
    if (s->daemon) {
        end_requests(s);
        loop_remove_idle(s->loop, on_idle, s);
        watch_stop(s->loop, &s->daemon_watch);
        MHD_stop_daemon(s->daemon);
    }
    assert(s->conn_count == 0);
    linger_destroy(s->lingering);
    request_pool_finish(s);
    free(s);
}
