/* SPDX-License-Identifier: Apache-2.0
 * Closes connections gently after an answer that the client did not wait for. Closing a socket with
 * unread bytes makes the kernel send a reset, which destroys the answer on its way; so the sending
 * side is shut, what the client still sends is read and dropped, within bounds, and then it is
 * closed. */
#pragma once

#include "net/loop.h"

struct linger_set;

/* NULL: out of memory. */
NODISCARD struct linger_set *linger_create(struct loop *l);
/* Takes fd (non-blocking). Over its bounds (sockets at once) fd is closed at once. */
void linger_start(struct linger_set *set, int fd);
/* Closes what is left; accepts NULL. */
void linger_destroy(struct linger_set *set);
