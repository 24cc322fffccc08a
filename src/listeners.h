/* SPDX-License-Identifier: Apache-2.0
 * The listening sockets: those that the starter of the process hands over (LISTEN_FDS, as systemd's
 * socket units do), and for the rest our own. A socket that was handed over lives on in its owner:
 * whoever connects while no process serves it waits in its backlog for the next one. */
#pragma once

#include "settings.h"

enum listener { LISTENER_PUBLIC, LISTENER_MANAGEMENT, LISTENER_OPERATOR, LISTENER_COUNT };

struct listeners {
    int fds[LISTENER_COUNT]; /* -1: not open */
    bool inherited[LISTENER_COUNT];
};

/* Takes the sockets that were handed over, by their names (LISTEN_FDNAMES: public, management,
 * operator) or, when none of the names is one of these, in that order; removes the variables.
 * Called once, before there are threads. False: what was handed over cannot be used; the reason is
 * printed. */
NODISCARD bool listeners_inherit(struct listeners *l, FILE *errors);
/* Opens what is missing. Of a socket that was handed over the configured address is not looked at.
 * Problems are printed as config_load() prints them. */
NODISCARD bool listeners_open(struct listeners *l, const struct settings *settings, FILE *errors);
/* A log line for each. */
void listeners_announce(const struct listeners *l);
/* Those of the app and the operators were all handed over. */
bool listeners_are_anothers(const struct listeners *l);
/* No further connection begins on our own sockets of the app and the operators; those that are
 * being made are completed and can be accepted. Where the system will not, the log says so. */
void listeners_shut_door(const struct listeners *l);
/* All but that of the management: probes are answered to the end. */
void listeners_close_for_apps(struct listeners *l);
void listeners_close(struct listeners *l);
