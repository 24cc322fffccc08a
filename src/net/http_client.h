/* SPDX-License-Identifier: Apache-2.0
 * Calls to the vendor: libcurl's multi interface inside the loop (that header stays in
 * http_client.c). No redirects, no decoding, no proxies, no cookies; TLS >= 1.2 verified; byte
 * ceilings on what comes back. Answers are delivered from the loop, never before
 * http_client_start() has returned. */
#pragma once

#include <stdint.h>

#include "base/crypto_client.h"
#include "base/crypto_trust.h"
#include "base/error.h"
#include "base/str.h"
#include "net/http_server.h" /* enum http_method */
#include "net/loop.h"

struct http_client;
struct resolver;
struct call;

struct http_client_options {
    const struct trust *trust; /* borrowed; NULL: no certificate is trusted */
    /* Borrowed; its certificate is shown to every server that asks. NULL, or one without a
     * certificate: none is. */
    const struct client_identity *identity;
    /* Borrowed, outlives the client's loop. NULL: only URLs with an address for a host can be
     * called. */
    struct resolver *resolver;
    bool allow_http; /* http:// URLs */
    bool http2;
    /* What was sent is in no buffer of libcurl once the call has ended: a handle (which from
     * libcurl 8.10 on keeps the last request) is used for one call only. Memory is overwritten when
     * it is freed where wipe_on_this_thread() was called. */
    bool keeps_no_request;
    bool wants_certificate;     /* answers say what the server showed */
    int64_t connect_timeout_ms; /* TCP and TLS together; and what a name may take before */
    /* To one host. HTTP/1.1 carries one call on each, HTTP/2 many; further calls wait inside their
     * deadline. */
    unsigned connections_max;
    unsigned waiting_max; /* further calls end as CALL_NOT_SENT; 0: 4096 */
    /* Older connections carry no new call, so that all follow a change of the vendor's addresses;
     * 0: 300 s */
    int connection_life_max_s;
    const char *user_agent;
};

NODISCARD enum err http_client_create(struct loop *l, const struct http_client_options *options,
                                      struct http_client **ret, struct err_text *reterr);
/* Calls still open are cancelled without a callback. Accepts NULL. */
void http_client_destroy(struct http_client *c);

enum call_result {
    CALL_ANSWERED = 0, /* status and body are complete */
    CALL_NOT_SENT,     /* DNS, TCP or TLS failed, or the local queue is full: nothing went out */
    CALL_BROKEN,       /* the connection ended after bytes of the request may have been sent */
    CALL_TIMED_OUT,    /* the deadline passed; see may_have_been_sent */
    CALL_BAD_ANSWER,   /* too large, Content-Encoding, redirect, malformed HTTP */
};

struct call_request {
    enum http_method method;  /* not HTTP_HEAD */
    const char *url;          /* whole; borrowed until the call ended */
    struct str authorization; /* value of the field, e.g. "Bearer ..."; ptr NULL: none; copied and
                                 cleansed */
    const char *content_type; /* NULL: none; "application/json" */
    struct str body; /* ptr NULL: none (POST then sends Content-Length: 0); borrowed until the call
                        ended */
    const char *accept;      /* NULL: application/json */
    const char *traceparent; /* NULL: none */
    int64_t deadline_ms;     /* monotonic; the call never outlives it */
    size_t answer_max_bytes; /* 0: 256 KiB */
    /* The vendor must not execute it twice: libcurl, which repeats by itself what was lost on a
     * reused connection, is stopped before it sends a second time. */
    bool run_once;
    bool fresh_connection; /* not one of the pool, nor a stream beside others */
    const char
        *label; /* literal for the metric http_client_request_duration: the operation's name */
};

struct call_answer {
    enum call_result result;
    bool may_have_been_sent; /* false: surely no byte of the request body reached the wire */
    int status;              /* 0 unless CALL_ANSWERED (or a status was seen before it went bad) */
    struct str body;         /* borrowed until the callback returns */
    struct str content_type; /* lower-cased media type without parameters; ptr NULL when absent */
    bool charset_ok;         /* no charset parameter, or utf-8 */
    int retry_after_s;       /* -1: none; clamped to 0..60; dates are understood */
    /* PEM of the server's certificate, borrowed until the callback returns; NULL: not wanted, no
     * TLS, the connection is not new, no handshake ended well, the deadline passed, or out of
     * memory. */
    const char *certificate;
    const char *date;   /* the Date field, borrowed; NULL or "": none of 29 characters */
    const char *reason; /* for our log: literal or borrowed until the callback returns */
};

typedef void call_done_fn(void *arg, const struct call_answer *answer);

/* Never fails synchronously: a local failure is delivered as CALL_NOT_SENT. Returns NULL only when
 * memory is out (then done is not called). */
NODISCARD struct call *http_client_start(struct http_client *c, const struct call_request *request,
                                         call_done_fn *done, void *arg);
/* No callback afterwards. Accepts NULL; a call is gone once its callback was called. */
void call_cancel(struct call *call);
/* True once bytes of the request may have left. */
bool call_may_have_been_sent(const struct call *call);
/* Calls under way. */
unsigned http_client_open_calls(const struct http_client *c);

/* The closed list of values that call_request.label takes; the last is the catch-all. Registers the
 * labels of the client's metrics; called by main before metrics_start(). operations is borrowed for
 * ever. */
void http_client_register_metrics(const char *const *operations, size_t count);
/* Before that: the server of this URL (NULL: none) gets a value of its own for server_address and
 * server_port, if it is one of the first HTTP_CLIENT_ORIGINS_MAX. Copied. */
void http_client_register_origin(const char *url);
enum { HTTP_CLIENT_ORIGINS_MAX = 16 };
/* Version of libcurl, for /version. Static. */
const char *http_client_library_version(void);
/* The file with the certificates that this system trusts; NULL: none can be read. */
const char *http_client_system_store(void);
