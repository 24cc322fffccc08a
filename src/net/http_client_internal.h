/* SPDX-License-Identifier: Apache-2.0
 * What the files of the HTTP client share; nobody else includes it. libcurl's handles are void
 * pointers here so that this header does not need libcurl's. */
#pragma once

#include "base/buf.h"
#include "net/http_client.h"
#include "net/http_client_answer.h"
#include "net/resolver.h"

enum {
    ANSWER_BYTES_DEFAULT = 256 * 1024,
    WAITING_CALLS_DEFAULT = 4096,
    /* Calls on one HTTP/2 connection; fewer where the vendor allows fewer. */
    STREAMS_MAX = 128,
    IDLE_HANDLES_MAX = 512, /* some KB each: what a busy worker has in use at once */
    CURL_TEXT_BYTES = 256,  /* CURL_ERROR_SIZE */
    SPARE_CALLS_MAX = 512,
    CONNECTION_LIFE_MAX_S = 300,
    PORT_BUCKETS = 256,
    /* Of new connections, in a turn of the loop; see http_client_pace.c. */
    STEPS_MAX = 4,
    /* Calls beyond that for which an idle connection seems to be there. */
    REUSES_MAX = 16,
    /* Of answers, as costly as a step. */
    STEP_ANSWER_BYTES = 32 * 1024,
    /* Of events, in a turn: with thousands of connections libcurl takes 0.3 ms for a call that
       ends. */
    EVENTS_US = 5000,
};

enum call_place { PLACE_NONE, PLACE_UNRESOLVED, PLACE_WAITING, PLACE_ACTIVE, PLACE_REFUSED };

struct call_headers;

struct call_list {
    struct call *first, *last;
    unsigned count;
};

struct call {
    struct http_client *client;
    struct call *next, *prev;
    enum call_place place;
    call_done_fn *done;
    void *arg;
    struct call_request request;  /* of its texts only url, body and label are kept: borrowed */
    struct call_headers *headers; /* owned; cleansed when freed */
    void *easy;                   /* CURL, owned while active */
    char *certificate;            /* owned; see call_answer */
    struct timer deadline;
    int64_t started_us;
    unsigned origin; /* index of the metrics' server_address */

    /* of the present attempt */
    struct answer_head head;
    int64_t head_wall_s; /* when its first line came */
    struct buf answer;
    unsigned sends;        /* times that libcurl was about to send the request */
    bool completed;        /* libcurl finished it without an error */
    const char *aborted;   /* why a callback of ours ended the transfer */
    bool connection_stale; /* the reused connection had something to say before the request */
    bool fresh;            /* asks for a new connection, for this is a second attempt */
    bool undecided;        /* libcurl has not chosen or opened a connection for it yet */
    char text[CURL_TEXT_BYTES];
};

/* One descriptor that libcurl wants to hear of. */
struct client_socket {
    struct http_client *client;
    struct client_socket *next, *prev; /* all of the client */
    struct client_socket *next_eager;
    struct client_socket *next_of_port; /* in a bucket of by_port */
    struct watch watch;
    int fd;
    uint32_t wanted;  /* EPOLLIN, EPOLLOUT; 0: an idle pooled connection */
    bool connection;  /* a connection's, closed through on_close_socket(); else the resolver's */
    bool multiplexed; /* has carried an HTTP/2 answer */
    bool eager;       /* in the list of those to try for writing at once */
    bool used;        /* has carried a request */
    bool idle;        /* counts as one that can carry the next call */
    struct ip peer;
    int64_t opened_ms;
    uint16_t local_port; /* 0: not asked yet */
};

struct http_client {
    struct loop *loop;
    void *multi;
    const struct trust *trust;
    const struct client_identity *identity; /* NULL: none */
    char *user_agent;                       /* owned */
    bool allow_http, http2, keeps_no_request, wants_certificate;
    int64_t connect_timeout_ms;
    unsigned connections_max; /* of libcurl, to one host */
    unsigned active_max;      /* calls that libcurl has at a time */
    unsigned waiting_max;
    int connection_life_max_s;

    struct resolver *resolver; /* NULL: hosts are given as addresses */
    struct resolver_watch *names_watch;
    struct names *names;     /* owned reference; NULL without a resolver */
    bool names_loaded;       /* libcurl has been given what names says */
    bool families_race;      /* some name has both IPv4 and IPv6 addresses */
    bool list_taken;         /* of the list that is being given */
    struct timer names_turn; /* what names says changes with time */
    bool ending_call;        /* a transfer is taken back from libcurl */

    /* unresolved: their host's first lookup has not ended */
    struct call_list unresolved, waiting, active, refused;
    struct deferred deliver_refused;

    void *idle_handles[IDLE_HANDLES_MAX]; /* set up, pointing at nothing of their last call */
    size_t idle_handle_count;

    struct call *spare_calls; /* linked by next; cleared when taken */
    size_t spare_call_count;

    struct timer timer; /* libcurl's one timer */
    struct deferred expired;
    struct deferred attempt_ended; /* a connection was given up before it was made */

    /* http_client_pace.c */
    unsigned undecided;    /* calls */
    unsigned idle;         /* connections */
    bool multiplexes;      /* the last answer came by HTTP/2 */
    unsigned steps;        /* in the turn */
    uint64_t steps_turn;   /* of the loop */
    int64_t turn_began_us; /* with the first event that it has for us; clock_mono_us() */
    unsigned answer_steps; /* in the turn */
    size_t answer_bytes;   /* taken, that do not make a step yet */
    bool in_event;         /* of a socket: more of them may follow in the turn */
    struct deferred admission;

    struct client_socket *sockets;
    struct client_socket **by_fd; /* [by_fd_len] */
    size_t by_fd_len;
    struct client_socket *by_port[PORT_BUCKETS]; /* connections that were idle once */
    struct client_socket *eager;                 /* singly linked */
};

/* ---- http_client_socket.c: libcurl's sockets and timer on the loop */
NODISCARD bool client_multi_create(struct http_client *c);
/* Closes all connections. */
void client_multi_destroy(struct http_client *c);
int client_open_socket(struct http_client *c, const struct sockaddr *peer, int type, int protocol);
void client_close_socket(struct http_client *c, int fd);
/* May the idle connection with this local port carry a request? False when it was closed or has
 * sent something unasked; HTTP/2 has frames to send at any time, and names the stream of each. */
bool client_connection_is_quiet(struct http_client *c, uint16_t local_port);
/* The new connection with this local port is about to carry its first request. */
void client_connection_is_used(struct http_client *c, uint16_t local_port);
/* Lets libcurl do what is due; not from its callbacks. */
void client_drive(struct http_client *c);

/* ---- http_client_pace.c: how much of making connections a turn of the loop does */
/* Whether calls are admitted later in this turn. */
bool client_admits_later(struct http_client *c);
/* Whether the call may be given to libcurl now. False: admission is tried again later. */
bool client_may_begin(struct http_client *c, const struct call *call);
/* The call was given to libcurl. */
void client_begun(struct call *call);
/* libcurl has opened or chosen a connection for it, or has it no more. Idempotent. */
void client_decided(struct call *call);
/* A part of making a connection that costs processor time begins. */
void client_step(struct http_client *c);
/* Bytes of an answer were taken. */
void client_count_answer(struct http_client *c, size_t bytes);
/* Whether the turn has done so much that this socket's event is left for the next one. */
bool client_event_waits(struct http_client *c, const struct client_socket *s);
/* After any change of what is said of the socket. */
void client_count_idle(struct client_socket *s);
/* easy: the CURL of a transfer that has had an answer. */
bool client_was_http2(void *easy);

/* ---- http_client_transfer.c: one call as a libcurl transfer */
/* NULL: out of memory, or longer than HEADER_BYTES_MAX. */
NODISCARD struct call_headers *call_headers_build(const char *user_agent,
                                                  const struct call_request *request);
/* Accepts NULL. */
void call_headers_free(struct call_headers *h);
/* Gives the call to libcurl. False: out of memory. */
NODISCARD bool call_transfer_begin(struct call *call);
/* Takes it back. */
void call_transfer_end(struct call *call);
/* True once libcurl began to send: header and body leave together. */
bool call_transfer_sent(const struct call *call);

/* ---- http_client_outcome.c: what a transfer's end means */
/* Once for each call. curl_code: CURLcode of the finished transfer. The answer borrows from the
 * call, not from its handle. */
struct call_answer call_outcome(struct call *call, int curl_code);
/* The failure came from a pooled connection that had died, and repeating is safe. */
bool call_may_repeat(const struct call *call, int curl_code);

/* ---- http_client_names.c: whom libcurl may call where */
NODISCARD bool client_names_start(struct http_client *c);
void client_names_stop(struct http_client *c);
/* The multi handle was destroyed: its successor is filled on the loop's next turn. */
void client_names_lost(struct http_client *c);
/* The transfer that gave libcurl the list has ended. curl_code: CURLcode. */
void client_list_ended(struct http_client *c, int curl_code);
/* False: libcurl would look up for itself what it has not been told. */
bool client_names_ready(const struct http_client *c);
/* The last guard: were libcurl ever to resolve a name itself, addresses that no name may have are
 * not connected to. */
bool client_may_connect(const struct call *call, const struct ip *ip);
enum call_name { CALL_NAME_KNOWN, CALL_NAME_PENDING, CALL_NAME_FAILED };
/* CALL_NAME_FAILED: call->text says why. */
enum call_name client_name_of(const struct http_client *c, struct call *call);
/* Of a connection that is closed and never carried a request. */
void client_attempt_ended(struct http_client *c, const struct client_socket *s);
/* While the call still has its handle. */
void client_call_ended(struct call *call, enum call_result result);

/* ---- http_client_metrics.c */
void client_count_begin(struct call *call);
/* answer NULL: cancelled. */
void client_count_end(const struct call *call, const struct call_answer *answer);

/* ---- http_client.c */
/* Names became known, or failed. */
void client_sort_unresolved(struct http_client *c);
/* Gives libcurl as many of the waiting calls as it may have. */
void client_admit_waiting(struct http_client *c);
/* Reads libcurl's messages: each finished call is answered. */
void client_collect(struct http_client *c);
/* libcurl lost its state: all active calls break; the next call gets a new multi handle. */
void client_reset(struct http_client *c);
