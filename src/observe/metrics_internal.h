/* SPDX-License-Identifier: Apache-2.0
 * What counting and printing share: the descriptions of the metrics and the tables of the threads.
 * Only src/observe/metrics*.c see it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "observe/metrics.h"

enum {
    SERIES_MAX = 2048,                 /* slots of one thread's table; a power of two */
    SERIES_WORDS = METRIC_BUCKETS + 2, /* a histogram: its buckets, +Inf, the sum */
    SECONDS_WORD = SERIES_WORDS - 1,   /* the sum; also the value of a maximum */
    SCRAPED_MAX = 32,
    BOUND_BYTES = 24,
};

struct metric_label {
    struct str name;
    const char *const *values; /* borrowed for ever; NULL until registered */
    size_t count;
};

struct metric_desc {
    const char *name;
    enum metric_kind kind;
    const char *help;
    const double *bounds; /* METRIC_BUCKETS; histograms */
    size_t label_count;
    struct metric_label labels[METRIC_LABELS_MAX];
};

/* One series of one thread. Counters (uint64) and gauges (int64) use words[0]; a histogram counts
 * in one word a bucket and keeps the bits of its sum in the last, as a maximum does its value. */
struct series {
    atomic_uint_fast64_t key; /* 0: free */
    atomic_uint_fast64_t words[SERIES_WORDS];
};

struct thread_table {
    struct thread_table *next;  /* owned */
    _Atomic(size_t) used;       /* written by its own thread alone; published after the slot */
    uint16_t order[SERIES_MAX]; /* [used]: the slots in use, as they were taken */
    struct series series[SERIES_MAX];
};

struct scraped {
    uint64_t key;
    double (*read)(void *arg);
    void *arg; /* borrowed for ever */
};

/* What every scrape says alike, made once. */
struct metric_texts {
    struct buf heads; /* "# HELP ..." and "# TYPE ..." of all metrics */
    size_t head_at[METRIC_COUNT + 1];
    struct bound_text {
        char text[BOUND_BYTES]; /* what follows `le="` on a bucket's line, up to its count */
        size_t len;
    } bounds[2][METRIC_BUCKETS + 1]; /* of METRIC_HISTOGRAM and METRIC_HISTOGRAM_FINE */
};

struct registry {
    pthread_mutex_t lock; /* guards the list of tables and the scraped ones, never the counting */
    bool started;
    struct thread_table *tables; /* owned; they outlive their threads, so counters never fall */
    size_t scraped_count;
    struct scraped scraped[SCRAPED_MAX];
    struct metric_desc descs[METRIC_COUNT];
    struct metric_texts texts;
    atomic_size_t last_bytes; /* of the last exposition */
};

extern struct registry metrics_registry;

/* A series' identity: the metric and its label indexes, in the order of the exposition. */
static inline uint64_t series_key(enum metric m, const unsigned index[METRIC_LABELS_MAX])
{
    /* Callers fill all of it; version 14 of the analyzer loses sight of that behind registered
     * values. */
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    return ((uint64_t)m + 1) << 48 | (uint64_t)index[0] << 40 | (uint64_t)index[1] << 32 |
           (uint64_t)index[2] << 24 | (uint64_t)index[3] << 16 | (uint64_t)index[4] << 8 |
           (uint64_t)index[5];
}

static inline enum metric series_metric(uint64_t key)
{
    return (enum metric)((key >> 48) - 1);
}

static inline size_t series_label_index(uint64_t key, size_t label)
{
    return (size_t)(key >> (40 - 8 * label)) & 0xFF;
}

/* Fills the descriptions from METRIC_TABLE at first use; the lock is held. */
void metrics_describe(void);
/* Makes the texts from the descriptions at first use; the lock is held. False: out of memory. */
NODISCARD bool metrics_make_texts(void);
