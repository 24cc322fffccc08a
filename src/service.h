/* SPDX-License-Identifier: Apache-2.0
 * The running service: shared parts, listeners, workers, the management thread, and how it ends. */
#pragma once

#include "listeners.h"
#include "settings.h"

struct service;

/* Builds everything and serves. Takes references of the settings, and the listeners' sockets; each
 * loop shows every pulse_every_ms that it turns (0: none does); errors is borrowed until this
 * returns. Problems that the configuration can cure (a port in use, too few descriptors) are
 * printed as config_load() prints them. NULL: it could not start, all is undone. */
NODISCARD struct service *service_start(struct settings *settings,
                                        const struct listeners *listeners, int64_t pulse_every_ms,
                                        FILE *errors);
/* Has started and is ready, or was so once. */
bool service_is_ready(struct service *s);
/* Every loop has turned within the last so many ms; only with pulses. */
bool service_turns(const struct service *s, int64_t now_ms, int64_t within_ms);
/* One line of the log: how things are. */
void service_log_state(struct service *s);
/* Those of now; borrowed until the next service_reload(). */
struct settings *service_settings(const struct service *s);
/* Goes on with other settings, of which settings_load() said that they may follow. All of the
 * service takes them or, on failure, none of it; the log's level is the caller's. */
NODISCARD enum err service_reload(struct service *s, struct settings *settings,
                                  struct err_text *reterr);
/* Frees settings that nothing uses any more. True: call it again in a while. */
bool service_sweep(struct service *s);

/* Not ready any more, but every request is still served; answers close their connection. */
void service_begin_drain(struct service *s);
/* No connection begins any more; what is connecting, and every request that comes, is served. */
void service_shut_door(struct service *s);
/* No further connections; new requests are refused. */
void service_refuse(struct service *s);
/* After service_refuse(): does anything still run? */
bool service_is_busy(const struct service *s);
/* Fails what is open, ends all threads, frees. Accepts NULL and half-built services. */
void service_destroy(struct service *s);
