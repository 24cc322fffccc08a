/* SPDX-License-Identifier: Apache-2.0
 * Answers the service manager's watchdog while all loops turn: each of them shows it by a timer of
 * its own, the main thread looks and sends. A loop that hangs, or a main thread that does, is
 * silence, and the manager ends the process and starts another. docs/decisions/0019 */
#pragma once

#include "service.h"

struct watchdog {
    int64_t period_ms; /* of the manager; 0: it does not watch, and nothing here does anything */
    int64_t next_ms;   /* when to look again, monotonic */
    bool silent;
};

/* After notify_init(). */
void watchdog_init(struct watchdog *w);
/* How often a loop shows that it turns; 0: never. */
int64_t watchdog_pulse_ms(const struct watchdog *w);
/* How long the main thread may sleep; -1: for ever. */
int64_t watchdog_wait_ms(const struct watchdog *w);
/* Looks, when it is time to, and tells the manager. */
void watchdog_look(struct watchdog *w, const struct service *s);
