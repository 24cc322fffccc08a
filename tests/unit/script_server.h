/* SPDX-License-Identifier: Apache-2.0
 * A plain HTTP/1.1 server for tests: one thread, 127.0.0.1, any port. Each complete request is
 * given to a script that says what goes back and what becomes of the connection. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum script_end {
    SCRIPT_KEEP,  /* the connection stays open */
    SCRIPT_CLOSE, /* FIN after the answer */
    SCRIPT_RESET, /* RST after the answer */
};

struct script_request {
    struct str text;        /* head and body as received */
    struct str body;        /* of it */
    unsigned number;        /* 0: the server's first request */
    unsigned connection;    /* 0: the server's first connection */
    unsigned on_connection; /* 0: the first request on this connection */
};

/* Runs on the server's thread. Appends the raw answer; nothing appended: no answer. */
typedef enum script_end script_fn(void *arg, const struct script_request *request,
                                  struct buf *answer);

struct script_server;

struct script_server *script_server_start(script_fn *script, void *arg);
void script_server_stop(struct script_server *s);
uint16_t script_server_port(const struct script_server *s);
/* "http://127.0.0.1:PORT" + path; free() it. */
char *script_server_url(const struct script_server *s, const char *path);
/* Any thread. */
unsigned script_server_requests(struct script_server *s);
unsigned script_server_connections(struct script_server *s);
/* Closes every open connection, as a server does that was idle for long. Returns when done. */
void script_server_close_idle(struct script_server *s);
/* Sends bytes that nobody asked for on every open connection. Returns when done. */
void script_server_blurt(struct script_server *s, const char *bytes);

/* A whole answer with Content-Length. fields: further lines, each with CRLF, or "". */
void script_answer(struct buf *answer, int status, const char *type, const char *fields,
                   const char *body);
