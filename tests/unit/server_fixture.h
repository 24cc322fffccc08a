/* SPDX-License-Identifier: Apache-2.0
 * A real HTTP server on a loop thread, with a few routes to try it, and a raw client. Everything
 * blocks with a time limit, so a test that waits in vain fails instead of hanging. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "net/http_server.h"

/*  GET  /sync            200 "hello" at once                       (not counted in flight)
 *  POST /v1/echo         the JSON body back
 *  GET  /v1/later/{ms}   200 "later" after that time; the client's leaving is ignored
 *  GET  /v1/patient/{ms} the same, but it ends when the client leaves
 *  GET  /v1/wait         never answers; ends when the client leaves
 *  GET  /v1/fail         401 invalid_token
 *  GET  /ip              the client's address
 *  GET  /big             8 MiB */

struct fixture {
    struct http_server_options options;
    struct loop *loop;
    struct http_server *server;
    pthread_t thread;
    uint16_t port;
    struct cidr_list trusted;
    _Atomic unsigned connections;
    _Atomic unsigned in_flight;
    _Atomic bool draining;
    _Atomic bool refusing;
    int events[2]; /* pipe: 'S' started, 'G' client left, 'E' ended */
};

/* Fills f->options; change them before fixture_run(). */
void fixture_init(struct fixture *f);
void fixture_create_server(struct fixture *f);
void fixture_run(struct fixture *f);
/* Destroys the server on its loop's thread and waits for that thread. */
void fixture_stop(struct fixture *f);
/* The next event that a route reported; fails the test after 5 s. */
char fixture_event(struct fixture *f);
/* The loop stands still until fixture_go_on(). */
void fixture_hold(struct fixture *f);
void fixture_go_on(struct fixture *f);
/* The most requests of /sync that were started in one turn of the loop. */
unsigned fixture_starts_most(void);
/* Drops the events that were reported so far. */
void fixture_forget_events(struct fixture *f);
/* Runs http_server_quiesce() on the loop's thread. */
void fixture_quiesce(struct fixture *f);
/* http_server_busy(), asked on the loop's thread. */
unsigned fixture_busy(struct fixture *f);

enum { REPLY_BYTES = 16384 };
struct reply {
    int status; /* 0: the connection ended before a whole answer */
    char head[REPLY_BYTES];
    char body[REPLY_BYTES];
    size_t body_len;
};

int client_connect(const struct fixture *f);
void client_send(int fd, const char *text);
/* One answer; a body follows unless head_only. */
void client_read(int fd, bool head_only, struct reply *ret);
/* connect, send, read, close */
void client_ask(const struct fixture *f, const char *text, struct reply *ret);
/* True when the server ends the connection, without further bytes, within 5 s. */
bool client_sees_end(int fd);
bool reply_has(const struct reply *r, const char *header_line);
