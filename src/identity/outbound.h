/* SPDX-License-Identifier: Apache-2.0
 * What stands between the wish to call the vendor and the call, once a process: the governor of our
 * share of the vendor's limit (by class, learning from 429), the circuit breaker, and the budget
 * for repeats. Every function may be called from any thread; none waits, none locks. The token and
 * key set calls of the keeper have their own back-off and do not come here. (docs/decisions/0015)
 */
#pragma once

#include "config/config.h"
#include "identity/resilience.h"

enum {
    OUTBOUND_BREAKER_WINDOW_S = 10,    /* in which failures are counted */
    OUTBOUND_BREAKER_PROBE_MS = 2000,  /* while open, one call is let through so often */
    OUTBOUND_REPEATS_FIRST = 10,       /* repeats in the budget at the start ... */
    OUTBOUND_REPEATS_SAVED_MAX = 100,  /* ... and, earned by calls, at most */
    OUTBOUND_REPEAT_FREE_MS = 10000,   /* one repeat is free so often, for a quiet service */
    OUTBOUND_LEARN_FLOOR_PERCENT = 10, /* of the configured limit; at least one call a second */
    OUTBOUND_LEARN_STEP_PERCENT = 5,   /* of the configured limit, added back each second */
    OUTBOUND_LEARN_EVERY_MS = 1000,    /* the limit is halved, and raised, no more often */
    OUTBOUND_HOLD_MAX_MS = 60000,      /* of the vendor's Retry-After */
};

struct outbound;

/* Label values of its metrics; once, before metrics_start(). */
void outbound_register_metrics(void);
/* Shows o at each scrape: once; o must outlive the scrapes. */
void outbound_metrics_watch(struct outbound *o);

/* NULL: no memory. */
NODISCARD struct outbound *outbound_create(const struct config *config);
void outbound_destroy(struct outbound *o); /* accepts NULL */
/* Takes the limits over while calls go on: BFF_UPSTREAM_MAX_PER_SECOND (0: no governor, and nothing
 * is learned), BFF_UPSTREAM_BREAKER_FAILURES (0: no breaker), BFF_UPSTREAM_REPEATS_PERCENT (0: no
 * repeats). A limit that changes is not a learned one any more. config is not kept. One thread at a
 * time. */
void outbound_configure(struct outbound *o, const struct config *config);

struct outbound_permit {
    bool probe;        /* the breaker is open and waits for this one */
    uint32_t epoch;    /* the breaker has closed so often */
    int64_t taken_ns;  /* of the governor's time */
    int retry_after_s; /* of a refusal: when a call of this class may pass */
};
/* May a call of this class go out? FAILURE_NONE, FAILURE_LIMITED or FAILURE_BREAKER_OPEN. A permit
 * is used for a call, which is reported, or given back. One that is lost costs its share of the
 * limit, and a probe its two seconds. */
NODISCARD enum failure_kind outbound_permit(struct outbound *o, enum vendor_class class,
                                            int64_t now_ms, struct outbound_permit *ret);
/* Nothing was sent under this permit: what was refused on the way must cost nobody else his call.
 */
void outbound_give_back(struct outbound *o, const struct outbound_permit *permit, int64_t now_ms);
/* How a permitted call ended. A call that was cancelled is not reported. retry_after_s: the
 * vendor's, -1: none. */
void outbound_report(struct outbound *o, const struct outbound_permit *permit,
                     enum failure_kind kind, int retry_after_s, int64_t now_ms);
/* Takes one repeat from the budget. False: there is none left. */
NODISCARD bool outbound_take_repeat(struct outbound *o, int64_t now_ms);

/* ---- what the metrics show */
double outbound_limit_per_second(const struct outbound *o); /* 0: none */
bool outbound_is_open(const struct outbound *o);
