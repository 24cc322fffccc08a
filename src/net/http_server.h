/* SPDX-License-Identifier: Apache-2.0
 * The HTTP edge: libmicrohttpd inside the loop (that header stays in http_server*.c). A server
 * belongs to one loop. A request is gated (framing, target, method, Host, sizes), its body read,
 * and then handed to its route once. From then on the route owns its course: it answers now or
 * later, exactly once, with request_reply() or request_fail(); the request stays valid until it
 * did. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/hold.h"
#include "net/address.h"
#include "net/loop.h"

struct request;
struct http_server;

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_METHOD_OTHER
};
const char *http_method_name(enum http_method m); /* "_OTHER" for the last */

enum body_rule {
    BODY_NONE, /* a body is refused: 400 invalid_request */
    BODY_JSON, /* Content-Type application/json required (415), body required */
};

struct route {
    enum http_method method; /* HTTP_GET also serves HEAD */
    const char *path;        /* template; "{name}" matches one raw non-empty segment */
    enum body_rule body;
    void (*start)(struct request *req);
    bool counted_in_flight; /* subject to admission: max_in_flight, draining */
};

enum { REQUEST_PARAMS_MAX = 2, REQUEST_ID_BYTES = 129, HTTP_ROUTES_MAX = 24 };

struct http_server_options {
    const char *name; /* "public", "management", "operator": log and metric label */
    const struct route *routes;
    size_t route_count;
    int listen_fd; /* borrowed; shared by the workers' servers */
    void *user;    /* request_user() */
    const struct cidr_list *trusted_proxies;
    int64_t header_timeout_ms;
    int64_t body_timeout_ms;
    int64_t idle_timeout_ms;
    int64_t request_timeout_ms; /* becomes request_deadline_ms() */
    size_t body_max_bytes;
    size_t header_max_bytes;
    size_t uri_max_bytes;
    unsigned connections_max;      /* of all servers that share connections; beyond it: 503
                                    * overloaded and close */
    _Atomic unsigned *connections; /* shared counter, borrowed */
    struct conn_share *share;      /* of the servers on listen_fd, borrowed; NULL: it is alone */
    unsigned in_flight_max;        /* of all servers that share in_flight */
    _Atomic unsigned *in_flight;   /* shared counter, borrowed */
    const _Atomic bool *draining;  /* borrowed: new requests are answered, with Connection: close */
    const _Atomic bool *refusing;  /* borrowed: new counted requests get 503 draining */
    struct hold *hold;             /* taken by each request for its life; NULL: none */
};

NODISCARD enum err http_server_create(struct loop *l, const struct http_server_options *options,
                                      struct http_server **ret, struct err_text *reterr);
/* Takes what may change under way: trusted_proxies, the timeouts, body_max_bytes, uri_max_bytes,
 * in_flight_max and hold; the rest stays. A request under way keeps its deadline, its body's
 * ceiling and its hold; the new one is for those that begin from here on. */
void http_server_configure(struct http_server *s, const struct http_server_options *options);
/* Stops taking connections; those that are open go on. take_rest: those who wait in the backlog are
 * taken before, for closing would reset them; false: another process will take them. The caller may
 * close listen_fd once all servers that share it are quiet. */
void http_server_quiesce(struct http_server *s, bool take_rest);
/* Connections in the middle of a request: from its first byte to the last of its answer; and those
 * that are so new that their first byte is under way. */
unsigned http_server_busy(const struct http_server *s);
/* Every request still open fails with `draining`; then stops and frees. Accepts NULL. */
void http_server_destroy(struct http_server *s);

/* Version of the HTTP library, for /version. */
const char *http_server_library_version(void);

/* The label values of the server's metrics, from all route tables of the process. Once, before
 * metrics_start() and the first http_server_create(). */
struct route_table {
    const struct route *routes;
    size_t count;
};
void http_server_register_metrics(const struct route_table *tables, size_t count);

/* ---- reading a request (all borrowed until it ends) */
void *request_user(const struct request *req);
struct loop *request_loop(const struct request *req);
struct arena *request_arena(struct request *req);
struct str request_body(const struct request *req);
/* n-th "{...}" of the path, raw (not percent-decoded). */
struct str request_param(const struct request *req, size_t n);
struct str
request_query(const struct request *req); /* behind '?', raw; ptr NULL when there is none */
/* First field of that name; ptr NULL when absent. */
struct str request_header(const struct request *req, const char *name);
size_t request_header_count(const struct request *req, const char *name);
const char *request_id(const struct request *req);
/* A child of the incoming traceparent (W3C Trace Context) when that is valid, else the root of a
 * new trace; 55 characters. */
const char *request_traceparent(const struct request *req);
struct ip request_client_ip(const struct request *req);
int64_t request_deadline_ms(const struct request *req); /* monotonic, on the loop's clock */
int64_t request_started_wall_ms(const struct request *req);
int64_t request_duration_ns(const struct request *req); /* so far */

/* ---- ending a request */
/* Adds a field to the answer; value is copied. */
void request_add_header(struct request *req, const char *name, const char *value);
/* body may be NULL or empty (204); its contents are taken. content_type NULL with no body. */
void request_reply(struct request *req, int status, const char *content_type, struct buf *body);
/* static bytes that outlive the server */
void request_reply_static(struct request *req, int status, const char *content_type,
                          struct str body);
/* problem+json; also writes the failure's reason and code into the access line. */
void request_fail(struct request *req, const struct failure *f);

/* fn(arg) runs once when the client has left before the answer (one that has only ended its side of
 * the connection is still there). It may end the request
 * (request_abandon()) after cancelling what is safe to cancel, or do nothing and let the work
 * finish. NULL clears. */
void request_on_gone(struct request *req, void (*fn)(void *arg), void *arg);
/* Ends a gone request without an answer. */
void request_abandon(struct request *req);
/* fn(arg) runs when the server ends while the request is suspended, and ends it. Without one it
 * fails with ERR_DRAINING, which says that nothing has happened. */
void request_on_stop(struct request *req, void (*fn)(void *arg), void *arg);
/* fn(arg) runs exactly once when the request ends, before its arena is freed. */
void request_on_end(struct request *req, void (*fn)(void *arg), void *arg);

/* Extra fields for the access line; name is a literal, text is copied. At most 8; a name that was
 * noted before gets the new text. */
void request_note(struct request *req, const char *name, struct str text);
