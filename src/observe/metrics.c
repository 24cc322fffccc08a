/* SPDX-License-Identifier: Apache-2.0
 * Counting. Each thread has an open-addressing table of the series that it has touched: counting is
 * one look-up and one relaxed store by the only writer, without a lock or a read-modify-write. */
#include "observe/metrics.h"

#include <assert.h>

#include "observe/metrics_internal.h"

/* Beyond this many series of one thread new ones count under the last value of each label; the
 * rest of the table has room for those. */
enum { SERIES_SPILL = SERIES_MAX * 3 / 4 };
static_assert(SERIES_MAX - SERIES_SPILL > METRIC_COUNT * 2, "catch-all series always find a slot");
static_assert(METRIC_LABEL_VALUES_MAX <= 256, "a label index has 8 bits in the key");

struct registry metrics_registry = {.lock = PTHREAD_MUTEX_INITIALIZER};
/* Of one counter that shows from the start. */
enum { SHOWN_SERIES_MAX = 40 };
static const double seconds_bounds[METRIC_BUCKETS] = METRIC_SECONDS_BUCKETS;
static const double fine_bounds[METRIC_BUCKETS] = METRIC_FINE_BUCKETS;

static _Thread_local struct thread_table *own_table;

static void describe_labels(struct metric_desc *desc, const char *names)
{
    while (*names != '\0') {
        assert(desc->label_count < METRIC_LABELS_MAX);
        const size_t len = strcspn(names, ",");
        desc->labels[desc->label_count++].name = (struct str){names, len};
        names += len + (names[len] == ',');
    }
}

void metrics_describe(void)
{
    static const struct {
        const char *name;
        enum metric_kind kind;
        const char *help;
        const char *labels;
    } rows[] = {
#define X(id, name, kind, help, labels) {name, kind, help, labels},
        METRIC_TABLE(X)
#undef X
    };
    if (metrics_registry.descs[0].name)
        return;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct metric_desc *desc = &metrics_registry.descs[i];
        *desc = (struct metric_desc){
            .name = rows[i].name,
            .kind = rows[i].kind,
            .help = rows[i].help,
            .bounds = rows[i].kind == METRIC_HISTOGRAM_FINE ? fine_bounds : seconds_bounds,
        };
        describe_labels(desc, rows[i].labels);
    }
}

void metric_label_values(enum metric m, const char *label, const char *const *values, size_t count)
{
    assert(count > 0 && count <= METRIC_LABEL_VALUES_MAX);
    struct registry *r = &metrics_registry;
    (void)pthread_mutex_lock(&r->lock);
    assert(!r->started);
    metrics_describe();
    struct metric_label *found = NULL;
    for (size_t i = 0; i < r->descs[m].label_count; i++) {
        if (str_is(r->descs[m].labels[i].name, label))
            found = &r->descs[m].labels[i];
    }
    assert(found);
    found->values = values;
    found->count = count;
    (void)pthread_mutex_unlock(&r->lock);
}

/* A rate needs two samples of a series: one that begins with its first event hides that event. So
 * counters show from the start, but for those of very many series (and those without labels, which
 * metrics_write() shows); "_OTHER" shows when touched. */
static void show_counter(enum metric m)
{
    const struct metric_desc *desc = &metrics_registry.descs[m];
    unsigned counts[2] = {1, 1};

    if (desc->kind != METRIC_COUNTER || desc->label_count == 0 ||
        desc->label_count > ARRAY_LEN(counts))
        return;
    for (size_t i = 0; i < desc->label_count; i++) {
        const struct metric_label *label = &desc->labels[i];
        counts[i] = (unsigned)label->count;
        if (counts[i] > 0 && strcmp(label->values[counts[i] - 1], "_OTHER") == 0)
            counts[i]--;
    }
    if (counts[0] * counts[1] > SHOWN_SERIES_MAX)
        return;
    for (unsigned a = 0; a < counts[0]; a++) {
        for (unsigned b = 0; b < counts[1]; b++)
            metric_add(m, a, b, 0);
    }
}

bool metrics_start(void)
{
    struct registry *r = &metrics_registry;
    (void)pthread_mutex_lock(&r->lock);
    metrics_describe();
    r->started = metrics_make_texts();
    (void)pthread_mutex_unlock(&r->lock);
    if (!r->started || !metrics_thread_join())
        return false;
    for (unsigned m = 0; m < METRIC_COUNT; m++)
        show_counter((enum metric)m);
    return true;
}

void metrics_stop(void)
{
    struct registry *r = &metrics_registry;
    (void)pthread_mutex_lock(&r->lock);
    while (r->tables) {
        struct thread_table *next = r->tables->next;
        free(r->tables);
        r->tables = next;
    }
    r->started = false;
    r->scraped_count = 0;
    memset(r->descs, 0, sizeof(r->descs));
    buf_finish(&r->texts.heads);
    (void)pthread_mutex_unlock(&r->lock);
    own_table = NULL;
}

bool metrics_thread_join(void)
{
    struct registry *r = &metrics_registry;
    if (own_table)
        return true;
    struct thread_table *table = calloc(1, sizeof(*table));
    if (!table)
        return false;
    (void)pthread_mutex_lock(&r->lock);
    const bool started = r->started;
    if (started) {
        table->next = r->tables;
        r->tables = table;
    }
    (void)pthread_mutex_unlock(&r->lock);
    if (!started) {
        free(table);
        return false;
    }
    own_table = table;
    return true;
}

/* The slot that holds the key, or the free one where it belongs. */
static struct series *find_slot(struct thread_table *table, uint64_t key)
{
    size_t at = (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) % SERIES_MAX;
    for (;;) {
        struct series *s = &table->series[at];
        const uint64_t held = atomic_load_explicit(&s->key, memory_order_relaxed);
        if (held == key || held == 0)
            return s;
        at = (at + 1) % SERIES_MAX;
    }
}

static uint64_t catch_all_key(enum metric m)
{
    const struct metric_desc *desc = &metrics_registry.descs[m];
    unsigned index[METRIC_LABELS_MAX] = {0};
    for (size_t i = 0; i < desc->label_count; i++)
        index[i] = desc->labels[i].count > 0 ? (unsigned)desc->labels[i].count - 1 : 0;
    return series_key(m, index);
}

/* Indexes beyond the registered values count as the last one; surplus ones are ignored. */
static uint64_t key_of(enum metric m, const unsigned wanted[METRIC_LABELS_MAX])
{
    const struct metric_desc *desc = &metrics_registry.descs[m];
    unsigned index[METRIC_LABELS_MAX] = {0};
    for (size_t i = 0; i < desc->label_count; i++) {
        const unsigned last = desc->labels[i].count > 0 ? (unsigned)desc->labels[i].count - 1 : 0;
        index[i] = wanted[i] < last ? wanted[i] : last;
    }
    return series_key(m, index);
}

/* The calling thread's series; NULL when the thread has not joined. */
static struct series *series_get(enum metric m, const unsigned labels[METRIC_LABELS_MAX])
{
    struct thread_table *table = own_table;
    if (!table)
        return NULL;
    uint64_t key = key_of(m, labels);
    struct series *s = find_slot(table, key);
    if (atomic_load_explicit(&s->key, memory_order_relaxed) == key)
        return s;
    const size_t used = atomic_load_explicit(&table->used, memory_order_relaxed);
    if (used >= SERIES_SPILL) {
        key = catch_all_key(m);
        s = find_slot(table, key);
        if (atomic_load_explicit(&s->key, memory_order_relaxed) == key)
            return s;
    }
    atomic_store_explicit(&s->key, key, memory_order_relaxed);
    table->order[used] = (uint16_t)(s - table->series);
    atomic_store_explicit(&table->used, used + 1, memory_order_release);
    return s;
}

static void add_to(atomic_uint_fast64_t *word, uint64_t n)
{
    const uint64_t value = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, value + n, memory_order_relaxed);
}

void metric_add(enum metric m, unsigned a, unsigned b, uint64_t n)
{
    struct series *s = series_get(m, METRIC_AT(a, b));
    if (s)
        add_to(&s->words[0], n);
}

void metric_gauge_add(enum metric m, unsigned a, unsigned b, int64_t n)
{
    metric_add(m, a, b, (uint64_t)n);
}

void metric_set(enum metric m, unsigned a, int64_t value)
{
    struct series *s = series_get(m, METRIC_AT(a));
    if (s)
        atomic_store_explicit(&s->words[0], (uint64_t)value, memory_order_relaxed);
}

static double load_seconds(const atomic_uint_fast64_t *word)
{
    const uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);
    double seconds = 0;
    memcpy(&seconds, &bits, sizeof(seconds));
    return seconds;
}

static void store_seconds(atomic_uint_fast64_t *word, double seconds)
{
    uint64_t bits = 0;
    memcpy(&bits, &seconds, sizeof(bits));
    atomic_store_explicit(word, bits, memory_order_relaxed);
}

void metric_observe(enum metric m, const unsigned labels[METRIC_LABELS_MAX], double seconds)
{
    struct series *s = series_get(m, labels);
    if (!s)
        return;
    const double *bounds = metrics_registry.descs[m].bounds;
    size_t bucket = 0;
    while (bucket < METRIC_BUCKETS && seconds > bounds[bucket])
        bucket++;
    add_to(&s->words[bucket], 1);
    store_seconds(&s->words[SECONDS_WORD], load_seconds(&s->words[SECONDS_WORD]) + seconds);
}

void metric_raise(enum metric m, unsigned a, unsigned b, double seconds)
{
    struct series *s = series_get(m, METRIC_AT(a, b));
    if (s && seconds > load_seconds(&s->words[SECONDS_WORD]))
        store_seconds(&s->words[SECONDS_WORD], seconds);
}

void metric_on_scrape(enum metric m, unsigned a, double (*read)(void *arg), void *arg)
{
    struct registry *r = &metrics_registry;
    (void)pthread_mutex_lock(&r->lock);
    metrics_describe();
    assert(r->scraped_count < SCRAPED_MAX);
    r->scraped[r->scraped_count++] =
        (struct scraped){.key = key_of(m, METRIC_AT(a)), .read = read, .arg = arg};
    (void)pthread_mutex_unlock(&r->lock);
}
