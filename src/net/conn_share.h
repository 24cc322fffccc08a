/* SPDX-License-Identifier: Apache-2.0
 * Connections shared out among the servers on one listening socket. The kernel wakes whichever
 * worker slept last, so few, long-lived connections would end up on one; here each accepted socket
 * goes to the member with the fewest connections. */
#pragma once

#include <sys/socket.h>

#include "base/auto.h"
#include "net/loop.h"

struct conn_share;
struct conn_member;

/* One for each listening socket; outlives the loops of its members. NULL: out of memory. */
NODISCARD struct conn_share *conn_share_create(unsigned members_max);
void conn_share_destroy(struct conn_share *s); /* accepts NULL */

/* Takes fd in every case; is told of each connection on the member's own loop. */
typedef void conn_take_fn(void *arg, int fd, const struct sockaddr_storage *sa, socklen_t sa_len);

/* ---- on the member's thread */

/* Members join before members_max is reached; the n-th to join has the number n, from 0. */
struct conn_member *conn_share_join(struct conn_share *s, struct loop *l, conn_take_fn *take,
                                    void *arg);
unsigned conn_member_number(const struct conn_member *m);
/* Takes what is still on its way to it; after that nothing comes any more. */
void conn_share_leave(struct conn_member *m);
/* Hands an accepted socket to the member with the fewest connections: to m at once, to another from
 * its loop. */
void conn_share_place(struct conn_member *m, int fd, const struct sockaddr_storage *sa,
                      socklen_t sa_len);
/* A connection that m took has ended. */
void conn_share_ended(struct conn_member *m);
