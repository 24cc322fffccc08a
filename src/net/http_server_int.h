/* SPDX-License-Identifier: Apache-2.0
 * The rooms of the HTTP server know each other through this header; nobody else includes it.
 *   http_server.c         libmicrohttpd: the daemon and its connections
 *   http_server_request.c libmicrohttpd: the life of a request
 *   http_server_accept.c  accepting, connections over the limit, out of descriptors
 *   http_server_conn.c    the clock of a connection, and noticing that the client left
 *   http_server_log.c     access line and metrics
 *   http_request.c        what a route reads and answers
 *   http_answer.c         fields and problem documents of answers, raw answers outside the parser
 */
#pragma once

#include "net/conn_share.h"
#include "net/http_gate.h"
#include "net/http_route.h"
#include "net/http_server.h"
#include "net/http_trace.h"
#include "net/linger.h"

struct MHD_Connection;
struct MHD_Daemon;

enum {
    ANSWER_HEADERS_MAX = 8,
    NOTES_MAX = 8,
    REQUEST_ARENA_MAX_BYTES = 256 * 1024,
    ANSWER_BODY_MAX_BYTES = 1024 * 1024,
    /* Requests that come all at once are started so many a turn, so that a turn does not last: the
     * others' timers and answers are due, too. */
    SERVER_STARTS_PER_TURN = 32,
    STATUS_CLIENT_LEFT = 499, /* for log and metrics only, as in nginx */
};

/* ---- a connection */

enum conn_phase {
    CONN_FRESH,     /* accepted, no request line yet */
    CONN_HEADER,    /* a later request has begun to arrive, or the request line is there */
    CONN_BODY,      /* header complete, body under way */
    CONN_HANDLING,  /* the route's course; its deadline is the route's */
    CONN_ANSWERING, /* the answer is being sent */
    CONN_IDLE,      /* between requests */
    CONN_CUT,       /* answered outside the parser or timed out; nothing more is served */
};

struct http_conn {
    struct http_server *server; /* borrowed */
    struct http_conn *next;     /* list of the server */
    struct http_conn *prev;
    struct MHD_Connection *mhd; /* borrowed from the daemon until it says "closed" */
    int fd;                     /* the daemon's: shut down here, never closed */
    enum conn_phase phase;
    int64_t phase_since_ms;
    bool input_ended; /* the client sends nothing more: it left, or waits for its answer */
    bool client_left; /* for sure: reset, or what was sent to it came back as one */
    bool linger;      /* closes with bytes unread on purpose */
    struct watch watch;
    struct timer timer;
    struct ip peer;
    struct request *req; /* the one under way, or NULL */
};

/* ---- a request */

enum request_phase {
    REQUEST_ARRIVING,  /* header or body under way */
    REQUEST_STARTING,  /* inside route->start() */
    REQUEST_SUSPENDED, /* the route answers later */
    REQUEST_ANSWERED,  /* the answer is stored; the parser takes it at its next call */
    REQUEST_QUEUED,    /* the parser has the answer */
    REQUEST_ABANDONED, /* the client left, nobody wants an answer */
};

struct header_field {
    struct str name;
    struct str value;
};

struct answer {
    int status; /* 0: none yet */
    const char *content_type;
    struct buf body;        /* owned */
    struct str static_body; /* used when ptr is not NULL */
    enum err code;          /* of a failure; ERR_OK: none */
    const char *reason;     /* literal or arena: for the log */
    bool close;             /* Connection: close */
    size_t header_count;
    struct {
        const char *name;
        const char *value; /* arena */
    } headers[ANSWER_HEADERS_MAX];
};

struct request_note {
    const char *name;
    struct str text; /* arena */
};

struct request {
    struct http_server *server; /* borrowed */
    struct http_conn *conn;     /* borrowed; outlives the request */
    struct request *next_free;  /* while pooled */
    enum request_phase phase;
    struct arena arena;

    struct str target; /* arena; only as much of it as the limit allows */
    size_t target_bytes;
    struct str path;
    struct str query;
    enum http_method method;
    struct header_field *fields; /* arena; texts borrowed from the parser until the request ends */
    size_t field_count;
    struct gate_facts facts;
    struct route_match match;
    struct buf body;
    bool header_seen;
    bool in_flight;    /* counted in *server->options.in_flight */
    struct hold *hold; /* taken when it began; NULL: none */

    char id[REQUEST_ID_BYTES];
    char traceparent[TRACEPARENT_BYTES];
    struct ip client;
    int64_t started_us;
    int64_t started_wall_ms;
    int64_t deadline_ms;

    struct answer answer;
    void (*on_gone)(void *arg);
    void *on_gone_arg;
    bool asked_whether_gone;
    struct deferred gone_later;
    struct deferred start_later; /* the turn had started enough of them */
    void (*on_stop)(void *arg);
    void *on_stop_arg;
    void (*on_end)(void *arg);
    void *on_end_arg;
    struct request_note notes[NOTES_MAX];
    size_t note_count;
};

/* ---- the server */

struct http_server {
    struct http_server_options options;
    struct gate_limits limits;
    struct loop *loop;
    struct MHD_Daemon *daemon;
    struct watch daemon_watch;
    bool run_daemon; /* its descriptors are ready, or it has work of its own */
    struct linger_set *lingering;

    struct watch listen_watch;
    struct conn_member *member; /* of options.share; NULL without */
    struct timer accept_pause;
    int reserve_fd; /* given up for a moment when descriptors run out */
    bool stopping;  /* inside http_server_destroy(): nothing is handed to a route any more */

    struct http_conn *conns;
    unsigned conn_count;
    struct http_conn *adding; /* being handed to the daemon */

    unsigned starts; /* of requests, in the turn */
    uint64_t starts_turn;

    struct request *free_requests;
    unsigned free_request_count;

    unsigned listener_label;
    unsigned route_labels[HTTP_ROUTES_MAX];
};

/* ---- http_server.c */

/* Adds an accepted socket; takes fd, and its slot, in every case. */
void server_add_connection(struct http_server *s, int fd, const struct sockaddr_storage *sa,
                           socklen_t sa_len);

/* ---- http_server_request.c */

/* The first bytes of a request: its raw target. NULL when memory is out. */
struct request *request_begin(struct http_conn *conn, struct str target);
/* The parser's access callback: header, body, end of body, and again after a resume. False: close
 * the connection. */
bool request_step(struct request *req, const char *method, const char *version, const char *data,
                  size_t *data_bytes);
/* The parser is done with it, however it ended. */
void request_end(struct request *req, bool client_left);
/* The stored answer (or the abandonment) of a suspended request is ready for the parser. */
void server_resume(struct request *req);
void request_pool_finish(struct http_server *s);

/* ---- http_request.c */

/* Ends a suspended request because the server ends. */
void request_stop(struct request *req);

/* ---- http_server_accept.c */
NODISCARD bool accept_start(struct http_server *s);
/* Takes everybody who waits in the backlog. */
void accept_rest(struct http_server *s);
void accept_stop(struct http_server *s);
/* A connection that was counted in *options.connections is gone. */
void server_release_connection_slot(struct http_server *s);

/* ---- http_server_conn.c */
NODISCARD bool conn_watch_start(struct http_conn *conn);
void conn_watch_stop(struct http_conn *conn);
/* Enters a phase and sets the clock that belongs to it. */
void conn_enter(struct http_conn *conn, enum conn_phase phase);
/* The parser has read something and the client sends nothing more. */
void conn_wake_parser(struct http_conn *conn);
/* Sends f outside the parser, which is in the middle of a request, and ends the connection. */
void conn_cut(struct http_conn *conn, const struct failure *f);
/* The client of a suspended request has left, or has ended its side of the connection: calls
 * on_gone once, or finds out whether it still reads. */
void request_look_after_client(struct request *req);

/* ---- http_answer.c */
/* The stored problem document of f. */
void answer_problem(struct request *req, const struct failure *f);
/* Sends f as a whole HTTP/1.1 message with Connection: close, outside the parser, as much as the
 * socket takes at once. request_id NULL: a new one. */
void answer_send_raw(int fd, const struct failure *f, const char *request_id);

/* ---- http_server_log.c */
unsigned listener_label(const char *name);
unsigned route_label(const char *path);
enum shed_reason {
    SHED_CONNECTIONS,
    SHED_IN_FLIGHT,
    SHED_DRAINING,
    SHED_DESCRIPTORS,
    SHED_HEADER_TIMEOUT,
    SHED_BODY_TIMEOUT,
    SHED_SLOW_READER,
};
void count_shed(enum shed_reason reason);
/* How a request ended: what was, or would have been, sent. */
struct outcome {
    int status;
    enum err code;      /* ERR_OK: none; ERR_PENDING: the client left before the answer */
    const char *reason; /* NULL: none */
};
/* The access line and the duration; once, when the request ends. */
void log_request(const struct request *req, const struct outcome *outcome);
/* The same for what was cut off before its header was complete: method and route are unknown. */
void log_cut(const struct http_conn *conn, const char *request_id, const struct failure *f);
