/* SPDX-License-Identifier: Apache-2.0
 * Accepts connections, one thread each, and ends them all in an orderly way. */
#pragma once

#include <pthread.h>

#include "emulator/http.h"

enum { SERVER_CONNECTIONS_MAX = 1024 };

struct server;

/* Answers one request. Runs on the connection's thread. */
typedef void (*server_handle_fn)(void *context, struct connection *c,
                                 const struct http_request *request, struct http_reply *reply);

/* Listens on address ("host:port"; "[::1]:0"); nothing is accepted yet. tls: borrowed, NULL for
 * plain HTTP. NULL on failure, with a line on stderr. */
NODISCARD struct server *server_open(const char *address, SSL_CTX *tls, server_handle_fn handle,
                                     void *context);
/* Begins to accept; what handle() reads of context must be complete by now. */
NODISCARD bool server_start(struct server *s);
uint16_t server_port(const struct server *s);
/* Stops listening, interrupts every connection and waits for their threads. Accepts NULL. */
void server_stop(struct server *s);
/* Sleeps; false when the server is stopping. */
bool server_pause(struct server *s, int64_t ms);
/* Splits "host:port" or "[host]:port"; host is written without brackets. */
NODISCARD bool server_split_address(const char *address, char *host, size_t host_bytes,
                                    const char **ret_port);
