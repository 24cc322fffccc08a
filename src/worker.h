/* SPDX-License-Identifier: Apache-2.0
 * One worker: a thread with a loop, the HTTP server on the shared public socket, the HTTP client
 * and the keeper's view. A request lives and dies on one worker. Worker 0 also serves the
 * operators. */
#pragma once

#include <stdatomic.h>

#include "api/app.h"
#include "api/ops.h"
#include "net/conn_share.h"
#include "settings.h"

struct worker;

/* All pointers are borrowed and outlive the worker, but for settings, which are counted. */
struct worker_options {
    unsigned number; /* from 0 */
    struct settings *settings;
    struct resolver *resolver;
    struct keeper *keeper;
    struct store *store;
    struct outbound *outbound;
    struct decoy_shape *decoy;
    struct health *health;
    int public_fd;
    int operator_fd;                           /* -1: this worker serves no operators */
    bool public_inherited, operator_inherited; /* another process will take who waits there */
    _Atomic unsigned *connections;             /* shared */
    struct conn_share *share;                  /* of the public listener's connections; shared */
    _Atomic unsigned *in_flight;               /* shared */
    unsigned connections_max;                  /* of all workers */
    unsigned upstream_connections_max;         /* this worker's share */
    unsigned token_memory_max;                 /* likewise */
    int64_t pulse_every_ms;                    /* loop_thread.h */
};

/* The functions from here on belong to the main thread. */

/* Starts the thread and waits until everything in it is built and serving. */
NODISCARD enum err worker_start(const struct worker_options *options, struct worker **ret,
                                struct err_text *reterr);

/* Its loop has turned within the last so many ms. Any thread. */
bool worker_turns(const struct worker *w, int64_t now_ms, int64_t within_ms);

/* ---- other settings, in two steps, for all workers take them or none does */

/* Makes all that can fail. Followed by one of the next two. */
NODISCARD enum err worker_prepare(struct worker *w, struct settings *settings,
                                  struct err_text *reterr);
/* The worker goes on with them; what began under the old ones keeps those until it has ended. */
void worker_commit(struct worker *w);
void worker_discard(struct worker *w);
/* Gives back the settings that nothing uses any more. True: some are still in use. */
bool worker_sweep(struct worker *w);

/* ---- the end */

/* The worker takes no further connections: it does not look at the listening sockets again. Once.
 */
void worker_quiesce(struct worker *w);
/* Requests and calls that are still under way; exact once worker_quiesce() took hold, until then
 * "many". */
unsigned worker_busy(const struct worker *w);
/* Ends the thread; what is still open fails with `draining`. The loop stays until
 * worker_destroy(), for other workers may still post to it. */
void worker_stop(struct worker *w);
/* After all workers were stopped. Accepts NULL. */
void worker_destroy(struct worker *w);
