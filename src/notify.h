/* SPDX-License-Identifier: Apache-2.0
 * Tells the service manager how the process is (sd_notify(3)'s protocol): a datagram to the socket
 * that NOTIFY_SOCKET names; without it nothing. docs/decisions/0019 */
#pragma once

#include <stdint.h>

#include "base/auto.h"

/* Remembers where to send and how often to be alive, and removes the variables; once, before there
 * are threads. */
void notify_init(void);
/* WATCHDOG_USEC: the manager ends the process when it has not heard notify("WATCHDOG=1") for so
 * long. 0: it does not watch. */
int64_t notify_watchdog_ms(void);
/* State lines, e.g. "READY=1\nSTATUS=...". Any thread. */
void notify(const char *state);
/* RELOADING=1 with the time that the manager wants with it; followed by notify("READY=1"). */
void notify_reloading(void);
