/* SPDX-License-Identifier: Apache-2.0
 * Tells the service manager how the process is (sd_notify(3)'s protocol): a datagram to the socket
 * that NOTIFY_SOCKET names; without it nothing. docs/decisions/0019 */
#pragma once

#include "base/auto.h"

/* Remembers where to send and removes the variable; once, before there are threads. */
void notify_init(void);
/* State lines, e.g. "READY=1\nSTATUS=...". Any thread. */
void notify(const char *state);
/* RELOADING=1 with the time that the manager wants with it; followed by notify("READY=1"). */
void notify_reloading(void);
