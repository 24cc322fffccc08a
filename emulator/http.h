/* SPDX-License-Identifier: Apache-2.0
 * HTTP/1.1 as the emulator speaks it: one request at a time, Content-Length bodies, keep-alive.
 * Written by hand because a scripted fault needs the bytes of an answer in its own hands: cut
 * anywhere, dripped, reset. */
#pragma once

#include "base/buf.h"
#include "emulator/connection.h"

enum {
    HTTP_HEAD_BYTES_MAX = 32 * 1024,
    HTTP_BODY_BYTES_MAX = 1024 * 1024,
    HTTP_REPLY_BYTES_MAX = 32 * 1024 * 1024,
    HTTP_HEADERS_MAX = 64,
};

struct http_header {
    struct str name, value;
};

/* What has arrived on one connection. Texts borrow from `head` and `body` until the next read. */
struct http_request {
    char *head; /* owned, HTTP_HEAD_BYTES_MAX; bytes of the next request may follow the head */
    size_t head_used, head_len;
    struct buf body;
    struct str method, path, query;
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    bool keep_alive;
};

enum http_read { HTTP_READ_OK, HTTP_READ_CLOSED, HTTP_READ_BAD };

NODISCARD bool http_request_init(struct http_request *r);
void http_request_finish(struct http_request *r);
/* Reads the next request. HTTP_READ_BAD: not HTTP, over a ceiling, or chunked. */
NODISCARD enum http_read http_request_read(struct http_request *r, struct connection *c);
/* First field of that name (any case); {NULL, 0} when absent. */
struct str http_request_header(const struct http_request *r, const char *name);
/* Value of a query parameter, not decoded; {NULL, 0} when absent. */
struct str http_request_query(const struct http_request *r, struct str name);

enum wire_break {
    WIRE_INTACT,
    WIRE_RESET_BEFORE_ANSWER,
    WIRE_RESET_AFTER_HEADERS,
    WIRE_RESET_MID_BODY,
    WIRE_CLOSE_BEFORE_ANSWER,
};

/* What happens to the bytes of an answer. Zeroed: nothing. */
struct wire_fault {
    enum wire_break at;
    bool cut_head, cut_body; /* an early end after so many bytes of the head, of the body */
    size_t cut_bytes;
    size_t drip_bytes; /* 0: all at once */
    int64_t drip_interval_ms;
};

struct http_reply {
    int status;
    int64_t date_s;           /* Unix seconds of the Date field; 0: none */
    const char *content_type; /* NULL: none. Borrowed until sent */
    struct buf headers;       /* further lines, each ended by CRLF */
    struct buf body;
    struct wire_fault wire;
};

void http_reply_init(struct http_reply *r);
void http_reply_finish(struct http_reply *r);

/* Sleeps; false when the emulator stops meanwhile. */
typedef bool (*http_pause_fn)(void *context, int64_t ms);

/* Sends the answer as its wire fault says. Returns whether the connection can take another request;
 * after a fault it is closed already. */
NODISCARD bool http_reply_send(const struct http_reply *r, struct connection *c, bool keep_alive,
                               http_pause_fn pause, void *pause_context);
