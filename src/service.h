/* SPDX-License-Identifier: Apache-2.0
 * The running service: shared parts, listeners, workers, the management thread, and how it ends. */
#pragma once

#include "config/config.h"
#include "resources.h"

struct service;

/* Builds everything and serves. Both arguments are borrowed until service_destroy(). Problems that
 * the configuration can cure (a port in use, too few descriptors) are printed as config_load()
 * prints them. NULL: it could not start, all is undone. */
NODISCARD struct service *service_start(const struct config_loaded *loaded,
                                        const struct resources *resources, FILE *errors);

/* Not ready any more, but every request is still served; answers close their connection. */
void service_begin_drain(struct service *s);
/* No further connections; new requests are refused. */
void service_refuse(struct service *s);
/* After service_refuse(): does anything still run? */
bool service_is_busy(const struct service *s);
/* Fails what is open, ends all threads, frees. Accepts NULL and half-built services. */
void service_destroy(struct service *s);
