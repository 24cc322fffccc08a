/* SPDX-License-Identifier: Apache-2.0
 * Printing. A scrape collects the series of all threads, sorts them, adds up those with one
 * identity and writes them family by family. The threads go on counting meanwhile; the count of a
 * histogram is the sum of the buckets read, so the two always agree. */
#include <math.h>
#include <stdio.h>

#include "observe/metrics_internal.h"

static const char *const kind_names[] = {
    [METRIC_COUNTER] = "counter",
    [METRIC_GAUGE] = "gauge",
    [METRIC_MAX] = "gauge",
    [METRIC_HISTOGRAM] = "histogram",
    [METRIC_HISTOGRAM_FINE] = "histogram",
};

/* A series added up over the threads. */
struct sample {
    uint64_t key;
    uint64_t counts[METRIC_BUCKETS + 1]; /* counters and gauges: the first */
    double value;                        /* of a scraped one or a maximum, or a histogram's sum */
    bool is_scraped;
};

struct samples {
    struct sample *items; /* owned */
    size_t count;
};

static void samples_finish(struct samples *s)
{
    free(s->items);
}

static void read_series(const struct series *from, uint64_t key, struct sample *to)
{
    *to = (struct sample){.key = key};
    for (size_t i = 0; i < ARRAY_LEN(to->counts); i++)
        to->counts[i] = atomic_load_explicit(&from->words[i], memory_order_relaxed);
    const uint64_t bits = atomic_load_explicit(&from->words[SECONDS_WORD], memory_order_relaxed);
    memcpy(&to->value, &bits, sizeof(to->value));
}

enum { SERIES_SLACK = 16 }; /* series that a thread may begin meanwhile */

static size_t slots_max(const struct registry *r)
{
    size_t slots = r->scraped_count;
    for (const struct thread_table *t = r->tables; t; t = t->next)
        slots += atomic_load_explicit(&t->used, memory_order_relaxed) + SERIES_SLACK;
    return slots;
}

/* The values that are read have room for sure; series that came since most was counted may wait for
 * the next scrape. */
static void collect(const struct registry *r, size_t most, struct samples *out)
{
    most -= r->scraped_count;
    for (const struct thread_table *t = r->tables; t; t = t->next) {
        const size_t used = atomic_load_explicit(&t->used, memory_order_acquire);
        for (size_t i = 0; i < used && out->count < most; i++) {
            const struct series *s = &t->series[t->order[i]];
            read_series(s, atomic_load_explicit(&s->key, memory_order_relaxed),
                        &out->items[out->count++]);
        }
    }
    for (size_t i = 0; i < r->scraped_count; i++) {
        const struct scraped *s = &r->scraped[i];
        const double value = s->read(s->arg);
        if (!isnan(value))
            out->items[out->count++] =
                (struct sample){.key = s->key, .value = value, .is_scraped = true};
    }
}

static int compare_samples(const void *a, const void *b)
{
    const uint64_t left = ((const struct sample *)a)->key;
    const uint64_t right = ((const struct sample *)b)->key;
    return (left > right) - (left < right);
}

static void add_sample(struct sample *to, const struct sample *from)
{
    for (size_t i = 0; i < ARRAY_LEN(to->counts); i++)
        to->counts[i] += from->counts[i];
    const bool is_max = metrics_registry.descs[series_metric(to->key)].kind == METRIC_MAX;
    if (!is_max)
        to->value += from->value;
    else if (from->value > to->value)
        to->value = from->value;
    to->is_scraped = to->is_scraped || from->is_scraped;
}

static void merge(struct samples *s)
{
    qsort(s->items, s->count, sizeof(s->items[0]), compare_samples);
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (kept > 0 && s->items[kept - 1].key == s->items[i].key)
            add_sample(&s->items[kept - 1], &s->items[i]);
        else
            s->items[kept++] = s->items[i];
    }
    s->count = kept;
}

static void write_number(struct buf *out, double value)
{
    if (isnan(value))
        buf_append_z(out, "NaN");
    else if (isinf(value))
        buf_append_z(out, value > 0 ? "+Inf" : "-Inf");
    else
        buf_printf(out, "%.15g", value);
}

/* Escapes as the text format wants: backslash and line feed, and in label values the quote. */
static void write_escaped(struct buf *out, struct str text, bool quoted)
{
    while (text.len > 0) {
        size_t plain = 0;
        while (plain < text.len && text.ptr[plain] != '\n' && text.ptr[plain] != '\\' &&
               (text.ptr[plain] != '"' || !quoted))
            plain++;
        buf_append(out, (struct str){text.ptr, plain});
        if (plain == text.len)
            return;
        buf_append_byte(out, '\\');
        buf_append_byte(out, text.ptr[plain] == '\n' ? 'n' : text.ptr[plain]);
        text = (struct str){text.ptr + plain + 1, text.len - plain - 1};
    }
}

static void write_label(struct buf *out, bool *first, struct str name, struct str value)
{
    buf_append_byte(out, *first ? '{' : ',');
    *first = false;
    buf_append(out, name);
    buf_append_z(out, "=\"");
    write_escaped(out, value, true);
    buf_append_byte(out, '"');
}

/* name_suffix{labels, without the brace that ends them. True: there is no label and no brace. */
static bool write_series_start(struct buf *out, uint64_t key, const char *suffix)
{
    const struct metric_desc *desc = &metrics_registry.descs[series_metric(key)];
    bool first = true;
    buf_append_z(out, desc->name);
    buf_append_z(out, suffix);
    for (size_t i = 0; i < desc->label_count; i++) {
        const struct metric_label *label = &desc->labels[i];
        const size_t index = series_label_index(key, i);
        const bool known = label->values && index < label->count;
        write_label(out, &first, label->name, known ? str_of(label->values[index]) : STR("_OTHER"));
    }
    return first;
}

static void write_series_name(struct buf *out, uint64_t key, const char *suffix)
{
    const bool bare = write_series_start(out, key, suffix);
    buf_append_z(out, bare ? " " : "} ");
}

/* The bounds of both kinds as text, made once for a scrape. */
enum { BOUND_BYTES = 16, SERIES_START_MAX = 8192 };
struct bounds {
    const double *values;
    char texts[METRIC_BUCKETS + 1][BOUND_BYTES];
};
struct printer {
    struct buf *out;
    struct buf scratch; /* what the lines of one series begin with */
    struct bounds bounds[2];
};

static void fill_bounds(struct bounds *b, const double *values)
{
    b->values = values;
    for (size_t i = 0; i < METRIC_BUCKETS; i++)
        (void)snprintf(b->texts[i], sizeof(b->texts[i]), "%g", values[i]);
    memcpy(b->texts[METRIC_BUCKETS], "+Inf", sizeof("+Inf"));
}

static void write_buckets(struct printer *p, const struct sample *s)
{
    const double *values = metrics_registry.descs[series_metric(s->key)].bounds;
    const struct bounds *bounds = &p->bounds[p->bounds[0].values == values ? 0 : 1];
    uint64_t count = 0;
    buf_reset(&p->scratch);
    buf_append_z(&p->scratch,
                 write_series_start(&p->scratch, s->key, "_bucket") ? "{le=\"" : ",le=\"");
    for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
        count += s->counts[i];
        buf_append(p->out, buf_str(&p->scratch));
        buf_append_z(p->out, bounds->texts[i]);
        buf_append(p->out, STR("\"} "));
        buf_append_u64(p->out, count);
        buf_append_byte(p->out, '\n');
    }
    write_series_name(p->out, s->key, "_sum");
    write_number(p->out, s->value);
    buf_append_byte(p->out, '\n');
    write_series_name(p->out, s->key, "_count");
    buf_append_u64(p->out, count);
    buf_append_byte(p->out, '\n');
}

static void write_sample(struct printer *p, const struct sample *s, enum metric_kind kind)
{
    struct buf *out = p->out;
    if (kind == METRIC_HISTOGRAM || kind == METRIC_HISTOGRAM_FINE) {
        write_buckets(p, s);
        return;
    }
    write_series_name(out, s->key, "");
    if (s->is_scraped || kind == METRIC_MAX)
        write_number(out, s->value);
    else if (kind == METRIC_GAUGE)
        buf_append_i64(out, (int64_t)s->counts[0]);
    else
        buf_append_u64(out, s->counts[0]);
    buf_append_byte(out, '\n');
}

static void write_head(struct buf *out, const struct metric_desc *desc)
{
    buf_printf(out, "# HELP %s ", desc->name);
    write_escaped(out, str_of(desc->help), false);
    buf_printf(out, "\n# TYPE %s %s\n", desc->name, kind_names[desc->kind]);
}

/* Writes the family of m from the samples at *at on and moves *at behind it. */
static void write_family(struct printer *p, enum metric m, const struct samples *s, size_t *at)
{
    struct buf *out = p->out;
    const struct metric_desc *desc = &metrics_registry.descs[m];
    const bool touched = *at < s->count && series_metric(s->items[*at].key) == m;
    const bool always = desc->kind == METRIC_COUNTER && desc->label_count == 0;
    if (!touched && !always)
        return;
    write_head(out, desc);
    if (!touched)
        buf_printf(out, "%s 0\n", desc->name);
    for (; *at < s->count && series_metric(s->items[*at].key) == m; (*at)++)
        write_sample(p, &s->items[*at], desc->kind);
}

static void write_families(struct buf *out, const struct samples *samples)
{
    struct printer p = {.out = out};
    size_t at = 0;
    buf_init(&p.scratch, SERIES_START_MAX);
    fill_bounds(&p.bounds[0], metrics_registry.descs[M_HTTP_SERVER_DURATION].bounds);
    fill_bounds(&p.bounds[1], metrics_registry.descs[M_LOOP_LAG].bounds);
    for (unsigned m = 0; m < METRIC_COUNT; m++)
        write_family(&p, (enum metric)m, samples, &at);
    if (!buf_ok(&p.scratch))
        out->state = p.scratch.state;
    buf_finish(&p.scratch);
}

void metrics_write(struct buf *out)
{
    struct registry *r = &metrics_registry;
    AUTO(samples_finish) struct samples samples = {0};
    (void)pthread_mutex_lock(&r->lock);
    metrics_describe();
    const size_t most = slots_max(r);
    samples.items = most > 0 ? malloc(most * sizeof(samples.items[0])) : NULL;
    if (samples.items)
        collect(r, most, &samples);
    (void)pthread_mutex_unlock(&r->lock);
    if (most > 0 && !samples.items) {
        out->state = BUF_NO_MEMORY;
        return;
    }
    if (samples.count > 0)
        merge(&samples);
    write_families(out, &samples);
}

void metrics_write_docs(struct buf *out)
{
    struct registry *r = &metrics_registry;
    (void)pthread_mutex_lock(&r->lock);
    metrics_describe();
    (void)pthread_mutex_unlock(&r->lock);
    buf_append_z(out, "| metric | kind | labels | meaning |\n|---|---|---|---|\n");
    for (size_t m = 0; m < METRIC_COUNT; m++) {
        const struct metric_desc *desc = &r->descs[m];
        buf_printf(out, "| `%s` | %s | ", desc->name, kind_names[desc->kind]);
        for (size_t i = 0; i < desc->label_count; i++)
            buf_printf(out, "%s`%.*s`", i > 0 ? ", " : "", (int)desc->labels[i].name.len,
                       desc->labels[i].name.ptr);
        buf_printf(out, " | %s |\n", desc->help);
    }
}
