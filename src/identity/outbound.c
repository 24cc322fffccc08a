/* SPDX-License-Identifier: Apache-2.0
 * Governor, circuit breaker and repeat budget. In integers and relaxed atomics: nothing here orders
 * other memory, and what is off by one call between two threads is off by one call. A lock keeps
 * those apart who change the limit, once a second at most. */
#include "identity/outbound.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "observe/metrics.h"

enum {
    MILLI = 1000, /* limits count in thousandths of a call a second */
    PERCENT = 100,
    CACHE_LINE = 64,
    REPEAT_COST = PERCENT, /* a call earns BFF_UPSTREAM_REPEATS_PERCENT of it */
    BUCKETS = 16,          /* seconds; a power of two >= the window */
};
static const int64_t NS_PER_S = 1000000000;
static const int64_t NS_PER_MS = 1000000;

/* The share of the burst that a class may use up: what is above is kept for those before it. */
static const int BURST_PERCENT[VENDOR_CLASS_COUNT] = {
    [VENDOR_CLASS_AUTHENTICATE] = 100,
    [VENDOR_CLASS_START] = 75,
    [VENDOR_CLASS_REGISTER] = 50,
    [VENDOR_CLASS_OTHER] = 25,
};

struct outbound {
    /* every call writes these */
    alignas(CACHE_LINE) _Atomic int64_t next_ns; /* when a steady caller would come next */
    alignas(CACHE_LINE) _Atomic uint64_t buckets[BUCKETS];

    /* every call reads these */
    alignas(CACHE_LINE) _Atomic int64_t
        interval_ns;             /* between calls at the present limit; 0: off */
    _Atomic int64_t limit_milli; /* the present limit */
    _Atomic int64_t configured_milli;
    _Atomic int64_t breaker_failures; /* 0: off */
    _Atomic bool open;
    _Atomic bool probing;   /* while open: a probe was let out since it failed last */
    _Atomic uint32_t epoch; /* counts how often the breaker closed */
    _Atomic int64_t repeats_percent;
    _Atomic int64_t repeats_saved; /* REPEAT_COST is one */

    /* read and written when things go wrong */
    alignas(CACHE_LINE) _Atomic int64_t probe_at_ms; /* the next call that is let through */
    _Atomic int64_t lowered_ms;                      /* of the last 429 that counted */
    _Atomic int64_t raise_at_ms;
    _Atomic int64_t free_repeat_ms; /* of the last one; INT64_MIN: none yet */
    pthread_mutex_t changing;       /* the present limit, seen from the configured one */
};

enum shed { SHED_LIMIT, SHED_BREAKER, SHED_OTHER };
static const char *const SHED_LABELS[] = {
    [SHED_LIMIT] = "limit",
    [SHED_BREAKER] = "breaker",
    [SHED_OTHER] = "_OTHER",
};

static int64_t get(const _Atomic int64_t *a)
{
    return atomic_load_explicit(a, memory_order_relaxed);
}

static void set(_Atomic int64_t *a, int64_t value)
{
    atomic_store_explicit(a, value, memory_order_relaxed);
}

/* True for one of those who saw the same value. */
static bool win(_Atomic int64_t *a, int64_t seen, int64_t value)
{
    return atomic_compare_exchange_strong_explicit(a, &seen, value, memory_order_relaxed,
                                                   memory_order_relaxed);
}

static int seconds_up(int64_t ms)
{
    return ms <= MILLI ? 1 : (int)((ms + MILLI - 1) / MILLI);
}

/* ---- the governor */

/* Rounded down: whole calls must fit into the burst of a second. The limit that results is too high
 * by less than a hundred-thousandth part. */
static int64_t interval_of(int64_t limit_milli)
{
    return limit_milli == 0 ? 0 : NS_PER_S * MILLI / limit_milli;
}

static void limit_is_now(struct outbound *o, int64_t limit_milli)
{
    set(&o->limit_milli, limit_milli);
    set(&o->interval_ns, interval_of(limit_milli));
}

/* The lock is held, in both: a reload may have exchanged the configured limit meanwhile. */
static void raise_limit(struct outbound *o, int64_t steps)
{
    const int64_t configured = get(&o->configured_milli);
    const int64_t step = configured * OUTBOUND_LEARN_STEP_PERCENT / PERCENT;
    const int64_t missing = configured - get(&o->limit_milli);

    if (missing > 0)
        limit_is_now(o, steps > missing / step ? configured : configured - missing + steps * step);
}

static void halve_limit(struct outbound *o)
{
    const int64_t configured = get(&o->configured_milli);
    const int64_t floor_share = configured * OUTBOUND_LEARN_FLOOR_PERCENT / PERCENT;
    const int64_t floor = floor_share < MILLI ? MILLI : floor_share;
    const int64_t half = get(&o->limit_milli) / 2;

    if (configured > 0)
        limit_is_now(o, half < floor ? floor : half);
}

/* A learned limit goes back up, a step a second, once the vendor's Retry-After is over. */
static void recover(struct outbound *o, int64_t now_ms)
{
    const int64_t at_ms = get(&o->raise_at_ms);

    if (now_ms < at_ms)
        return;
    if (!win(&o->raise_at_ms, at_ms, now_ms + OUTBOUND_LEARN_EVERY_MS))
        return;
    (void)pthread_mutex_lock(&o->changing);
    raise_limit(o, 1 + (now_ms - at_ms) / OUTBOUND_LEARN_EVERY_MS);
    (void)pthread_mutex_unlock(&o->changing);
}

static void learn(struct outbound *o, int retry_after_s, int64_t now_ms)
{
    const int64_t configured = get(&o->configured_milli);
    const int64_t lowered_ms = get(&o->lowered_ms);
    int64_t hold_ms = retry_after_s > 0 ? (int64_t)retry_after_s * MILLI : OUTBOUND_LEARN_EVERY_MS;

    if (configured == 0)
        return;
    if (hold_ms > OUTBOUND_HOLD_MAX_MS)
        hold_ms = OUTBOUND_HOLD_MAX_MS;
    if (get(&o->raise_at_ms) < now_ms + hold_ms)
        set(&o->raise_at_ms, now_ms + hold_ms);
    if (now_ms - lowered_ms < OUTBOUND_LEARN_EVERY_MS || !win(&o->lowered_ms, lowered_ms, now_ms))
        return;

    (void)pthread_mutex_lock(&o->changing);
    halve_limit(o);
    (void)pthread_mutex_unlock(&o->changing);
    LOG(LOG_WARN, "upstream.limit_lowered", "The vendor answered 429: fewer calls are sent",
        LOG_I("bff.upstream_limit.configured", configured / MILLI),
        LOG_I("bff.upstream_limit.now", get(&o->limit_milli) / MILLI),
        LOG_I("bff.upstream_limit.hold_ms", hold_ms));
}

/* GCRA. Nothing is taken when the class's part of the burst is used up. */
static bool governor_permits(struct outbound *o, enum vendor_class class, int64_t now_ms,
                             struct outbound_permit *ret)
{
    if (get(&o->limit_milli) != get(&o->configured_milli))
        recover(o, now_ms);
    const int64_t interval = get(&o->interval_ns);
    if (interval == 0)
        return true;

    const int64_t now = now_ms * NS_PER_MS;
    int64_t room = NS_PER_S * BURST_PERCENT[class] / PERCENT;
    if (room < interval) /* a low limit: each class may send its one call */
        room = interval;
    int64_t next = get(&o->next_ns);
    for (;;) {
        const int64_t wanted = (next > now ? next : now) + interval;
        if (wanted - now > room) {
            metric_add(M_UPSTREAM_SHED, SHED_LIMIT, class, 1);
            ret->retry_after_s = seconds_up((wanted - now - room) / NS_PER_MS);
            return false;
        }
        if (atomic_compare_exchange_weak_explicit(&o->next_ns, &next, wanted, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            ret->taken_ns = interval;
            return true;
        }
    }
}

/* ---- the circuit breaker. A bucket counts a second: its number (16 bits), calls and failures (24
 * bits each). */

enum { COUNT_BITS = 24, SECOND_BITS = 16 };
static const uint64_t COUNT_MAX = (UINT64_C(1) << COUNT_BITS) - 1;

struct bucket {
    uint64_t second, calls, failures;
};

static struct bucket unpack(uint64_t word)
{
    return (struct bucket){
        .second = word >> (2 * COUNT_BITS),
        .calls = word >> COUNT_BITS & COUNT_MAX,
        .failures = word & COUNT_MAX,
    };
}

static uint64_t second_of(int64_t now_ms)
{
    return (uint64_t)(now_ms / MILLI) & ((UINT64_C(1) << SECOND_BITS) - 1);
}

static void count(struct outbound *o, bool failed, int64_t now_ms)
{
    const uint64_t second = second_of(now_ms);
    _Atomic uint64_t *slot = &o->buckets[second % BUCKETS];
    uint64_t word = atomic_load_explicit(slot, memory_order_relaxed);
    uint64_t counted = 0;

    do {
        const struct bucket was = unpack(word);
        const bool same = was.second == second;
        const uint64_t calls = same ? was.calls : 0;
        const uint64_t failures = same ? was.failures : 0;
        if (calls == COUNT_MAX)
            return;
        counted = second << (2 * COUNT_BITS) | (calls + 1) << COUNT_BITS | (failures + failed);
    } while (!atomic_compare_exchange_weak_explicit(slot, &word, counted, memory_order_relaxed,
                                                    memory_order_relaxed));
}

static bool is_sick(const struct outbound *o, int64_t failures_max, int64_t now_ms)
{
    const uint64_t now = second_of(now_ms);
    uint64_t calls = 0;
    uint64_t failures = 0;

    for (size_t i = 0; i < BUCKETS; i++) {
        const struct bucket b = unpack(atomic_load_explicit(&o->buckets[i], memory_order_relaxed));
        const uint64_t age = (now - b.second) & ((UINT64_C(1) << SECOND_BITS) - 1);
        if (age >= OUTBOUND_BREAKER_WINDOW_S)
            continue;
        calls += b.calls;
        failures += b.failures;
    }
    return failures >= (uint64_t)failures_max && 2 * failures >= calls;
}

enum transition { TO_CLOSED, TO_OPEN, TO_HALF_OPEN, TRANSITION_OTHER };
static const char *const TRANSITION_LABELS[] = {
    [TO_CLOSED] = "closed",
    [TO_OPEN] = "open",
    [TO_HALF_OPEN] = "half_open",
    [TRANSITION_OTHER] = "_OTHER",
};

static void open_breaker(struct outbound *o, enum failure_kind kind, int64_t now_ms)
{
    set(&o->probe_at_ms, now_ms + OUTBOUND_BREAKER_PROBE_MS);
    atomic_store_explicit(&o->probing, false, memory_order_relaxed);
    if (atomic_exchange_explicit(&o->open, true, memory_order_release))
        return;
    metric_add(M_BREAKER_TRANSITIONS, TO_OPEN, 0, 1);
    LOG(LOG_ERROR, "upstream.breaker_opened",
        "Most calls to the vendor fail: calls are refused until one in a while succeeds",
        LOG_S("bff.failure", failure_label(kind)),
        LOG_I("bff.probe_ms", OUTBOUND_BREAKER_PROBE_MS));
}

/* What was counted before is over: it must not open the breaker again. */
static void close_breaker(struct outbound *o)
{
    for (size_t i = 0; i < BUCKETS; i++)
        atomic_store_explicit(&o->buckets[i], 0, memory_order_relaxed);
    /* Nor must the calls that began before and are still under way. */
    (void)atomic_fetch_add_explicit(&o->epoch, 1, memory_order_relaxed);
    if (!atomic_exchange_explicit(&o->open, false, memory_order_release))
        return;
    metric_add(M_BREAKER_TRANSITIONS, TO_CLOSED, 0, 1);
    LOG(LOG_INFO, "upstream.breaker_closed", "The vendor answers again: calls are sent");
}

/* Time alone lets the next probe out: one that never ends holds nobody up. */
static bool breaker_permits(struct outbound *o, int64_t now_ms, struct outbound_permit *ret)
{
    const int64_t at_ms = get(&o->probe_at_ms);

    ret->probe = now_ms >= at_ms && win(&o->probe_at_ms, at_ms, now_ms + OUTBOUND_BREAKER_PROBE_MS);
    if (!ret->probe) {
        ret->retry_after_s = seconds_up(get(&o->probe_at_ms) - now_ms);
        return false;
    }
    atomic_store_explicit(&o->probing, true, memory_order_relaxed);
    metric_add(M_BREAKER_TRANSITIONS, TO_HALF_OPEN, 0, 1);
    return true;
}

/* ---- calls */

enum failure_kind outbound_permit(struct outbound *o, enum vendor_class class, int64_t now_ms,
                                  struct outbound_permit *ret)
{
    *ret = (struct outbound_permit){
        .epoch = atomic_load_explicit(&o->epoch, memory_order_relaxed),
    };
    if (atomic_load_explicit(&o->open, memory_order_acquire)) {
        if (!breaker_permits(o, now_ms, ret)) {
            metric_add(M_UPSTREAM_SHED, SHED_BREAKER, class, 1);
            return FAILURE_BREAKER_OPEN;
        }
        return FAILURE_NONE; /* so few calls need no governor, and none may keep the probe back */
    }
    return governor_permits(o, class, now_ms, ret) ? FAILURE_NONE : FAILURE_LIMITED;
}

void outbound_give_back(struct outbound *o, const struct outbound_permit *permit, int64_t now_ms)
{
    if (permit->taken_ns > 0)
        (void)atomic_fetch_sub_explicit(&o->next_ns, permit->taken_ns, memory_order_relaxed);
    if (permit->probe)
        set(&o->probe_at_ms, now_ms);
}

/* What is saved is at its ceiling most of the time, and then nobody writes. */
static void earn_repeat(struct outbound *o)
{
    if (get(&o->repeats_saved) < OUTBOUND_REPEATS_SAVED_MAX * REPEAT_COST)
        (void)atomic_fetch_add_explicit(&o->repeats_saved, get(&o->repeats_percent),
                                        memory_order_relaxed);
}

void outbound_report(struct outbound *o, const struct outbound_permit *permit,
                     enum failure_kind kind, int retry_after_s, int64_t now_ms)
{
    const int64_t failures_max = get(&o->breaker_failures);
    const bool failed = failure_counts_for_breaker(kind);

    earn_repeat(o);
    if (kind == FAILURE_VENDOR_429)
        learn(o, retry_after_s, now_ms);
    /* Answers to calls from before say nothing about now. */
    if (permit->epoch != atomic_load_explicit(&o->epoch, memory_order_relaxed))
        return;
    if (outbound_is_open(o)) {
        if (permit->probe && !failed)
            close_breaker(o);
        return;
    }
    if (failures_max == 0)
        return;
    count(o, failed, now_ms);
    if (failed && is_sick(o, failures_max, now_ms))
        open_breaker(o, kind, now_ms);
}

/* ---- repeats */

static bool take_saved(struct outbound *o)
{
    int64_t saved = get(&o->repeats_saved);

    while (saved >= REPEAT_COST) {
        if (atomic_compare_exchange_weak_explicit(&o->repeats_saved, &saved, saved - REPEAT_COST,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    }
    return false;
}

static bool take_free(struct outbound *o, int64_t now_ms)
{
    const int64_t last_ms = get(&o->free_repeat_ms);

    if (last_ms != INT64_MIN && now_ms - last_ms < OUTBOUND_REPEAT_FREE_MS)
        return false;
    return win(&o->free_repeat_ms, last_ms, now_ms);
}

bool outbound_take_repeat(struct outbound *o, int64_t now_ms)
{
    const bool taken = get(&o->repeats_percent) > 0 && (take_saved(o) || take_free(o, now_ms));

    metric_add(M_UPSTREAM_REPEATS, taken ? 0 : 1, 0, 1);
    return taken;
}

/* ---- life, metrics */

struct outbound *outbound_create(const struct config *config)
{
    struct outbound *o = aligned_alloc(CACHE_LINE, sizeof(*o));

    if (!o)
        return NULL;
    memset(o, 0, sizeof(*o));
    (void)pthread_mutex_init(&o->changing, NULL);
    set(&o->lowered_ms, INT64_MIN / 2);
    set(&o->free_repeat_ms, INT64_MIN);
    set(&o->repeats_saved, OUTBOUND_REPEATS_FIRST * REPEAT_COST);
    outbound_configure(o, config);
    return o;
}

void outbound_destroy(struct outbound *o)
{
    if (o)
        (void)pthread_mutex_destroy(&o->changing);
    free(o);
}

void outbound_configure(struct outbound *o, const struct config *config)
{
    const int64_t limit_milli = config->upstream_max_per_second * MILLI;

    (void)pthread_mutex_lock(&o->changing);
    if (limit_milli != get(&o->configured_milli)) {
        set(&o->configured_milli, limit_milli);
        limit_is_now(o, limit_milli);
    }
    (void)pthread_mutex_unlock(&o->changing);
    set(&o->repeats_percent, config->upstream_repeats_percent);
    set(&o->breaker_failures, config->upstream_breaker_failures);
    if (config->upstream_breaker_failures == 0)
        close_breaker(o);
}

double outbound_limit_per_second(const struct outbound *o)
{
    return (double)get(&o->limit_milli) / MILLI;
}

bool outbound_is_open(const struct outbound *o)
{
    return atomic_load_explicit(&o->open, memory_order_relaxed);
}

static double read_limit(void *arg)
{
    return outbound_limit_per_second(arg);
}

/* One of the labels of the transitions: the state that the last one led to. */
static unsigned breaker_state(const struct outbound *o)
{
    if (!outbound_is_open(o))
        return TO_CLOSED;
    return atomic_load_explicit(&o->probing, memory_order_relaxed) ? TO_HALF_OPEN : TO_OPEN;
}

static double read_closed(void *arg)
{
    return breaker_state(arg) == TO_CLOSED;
}

static double read_open(void *arg)
{
    return breaker_state(arg) == TO_OPEN;
}

static double read_half_open(void *arg)
{
    return breaker_state(arg) == TO_HALF_OPEN;
}

void outbound_register_metrics(void)
{
    static const char *const CLASS_LABELS[] = {
#define X(id, label) label,
        VENDOR_CLASS_TABLE(X)
#undef X
            "_OTHER"};
    static const char *const REPEAT_LABELS[] = {"made", "refused", "_OTHER"};

    metric_label_values(M_UPSTREAM_SHED, "reason", SHED_LABELS, ARRAY_LEN(SHED_LABELS));
    metric_label_values(M_UPSTREAM_SHED, "class", CLASS_LABELS, ARRAY_LEN(CLASS_LABELS));
    metric_label_values(M_UPSTREAM_REPEATS, "result", REPEAT_LABELS, ARRAY_LEN(REPEAT_LABELS));
    metric_label_values(M_BREAKER_TRANSITIONS, "to", TRANSITION_LABELS,
                        ARRAY_LEN(TRANSITION_LABELS));
    metric_label_values(M_BREAKER_STATE, "state", TRANSITION_LABELS, ARRAY_LEN(TRANSITION_LABELS));
}

void outbound_metrics_watch(struct outbound *o)
{
    metric_on_scrape(M_UPSTREAM_LIMIT, 0, read_limit, o);
    metric_on_scrape(M_BREAKER_STATE, TO_CLOSED, read_closed, o);
    metric_on_scrape(M_BREAKER_STATE, TO_OPEN, read_open, o);
    metric_on_scrape(M_BREAKER_STATE, TO_HALF_OPEN, read_half_open, o);
}
