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

enum { NUMBER_BYTES = 24 };
/* Nobody measures less than a nanosecond. */
static const uint64_t NANOSECONDS = 1000000000;
/* A double tells 15 digits apart: nine decimals up to here, fewer up to there. */
static const uint64_t WHOLE_MAX_IN_FULL = 1000000;
static const double WHOLE_MAX = 1e15;

/* The digits of value end before `end`; where they begin. */
static char *digits_before(char *end, uint64_t value)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return end;
}

/* Positive, below WHOLE_MAX: printf() would take ten times as long. */
static void write_decimal(struct buf *out, double value)
{
    uint64_t whole = (uint64_t)value;
    uint64_t scale = NANOSECONDS;
    for (uint64_t most = WHOLE_MAX_IN_FULL; whole >= most; most *= 10)
        scale /= 10;
    uint64_t part = (uint64_t)((value - (double)whole) * (double)scale + 0.5);
    if (part >= scale) {
        part -= scale;
        whole++;
    }
    buf_append_u64(out, whole);
    if (part == 0)
        return;
    while (part % 10 == 0) {
        part /= 10;
        scale /= 10;
    }
    char text[NUMBER_BYTES];
    char *end = text + sizeof(text);
    char *begin = digits_before(end, part + scale); /* so that zeros in front are written */
    *begin = '.';
    buf_append(out, (struct str){begin, (size_t)(end - begin)});
}

static void write_number(struct buf *out, double value)
{
    if (isnan(value))
        buf_append_z(out, "NaN");
    else if (isinf(value))
        buf_append_z(out, value > 0 ? "+Inf" : "-Inf");
    else if (value == 0)
        buf_append_byte(out, '0');
    else if (value >= 0.000001 && value < WHOLE_MAX)
        write_decimal(out, value);
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

/* {label="value",...: without the brace that ends them; nothing where there is no label. */
static void write_labels(struct buf *out, uint64_t key)
{
    const struct metric_desc *desc = &metrics_registry.descs[series_metric(key)];
    for (size_t i = 0; i < desc->label_count; i++) {
        const struct metric_label *label = &desc->labels[i];
        const size_t index = series_label_index(key, i);
        const bool known = label->values && index < label->count;
        buf_append_byte(out, i == 0 ? '{' : ',');
        buf_append(out, label->name);
        buf_append(out, STR("=\""));
        write_escaped(out, known ? str_of(label->values[index]) : STR("_OTHER"), true);
        buf_append_byte(out, '"');
    }
}

struct printer {
    struct buf *out;
    struct buf labels; /* of the series at hand */
    struct buf bucket; /* what the lines of its buckets begin with */
};

enum { SERIES_START_MAX = 8192, HEADS_BYTES_MAX = 64 * 1024, COUNT_DIGITS_MAX = 20 };

/* name_suffix{labels} and the space before the value. */
static void write_series_name(struct printer *p, struct str name, struct str suffix)
{
    buf_append(p->out, name);
    buf_append(p->out, suffix);
    buf_append(p->out, buf_str(&p->labels));
    buf_append(p->out, p->labels.len > 0 ? STR("} ") : STR(" "));
}

/* Most of a scrape is such lines: one look at the room, and plain copies. */
static void write_bucket(struct printer *p, const struct bound_text *bound, struct str count)
{
    const struct str start = buf_str(&p->bucket);
    const size_t bytes = start.len + bound->len + count.len + 1;
    char *to = buf_room(p->out, bytes);
    if (!to || start.len == 0)
        return;
    memcpy(to, start.ptr, start.len);
    to += start.len;
    memcpy(to, bound->text, bound->len);
    to += bound->len;
    memcpy(to, count.ptr, count.len);
    to[count.len] = '\n';
    buf_added(p->out, bytes);
}

static void write_histogram(struct printer *p, const struct sample *s,
                            const struct metric_desc *desc)
{
    const struct bound_text *bounds =
        metrics_registry.texts.bounds[desc->kind == METRIC_HISTOGRAM_FINE ? 1 : 0];
    const struct str name = str_of(desc->name);
    char digits[COUNT_DIGITS_MAX];
    struct str text = {0};
    uint64_t count = 0;
    buf_reset(&p->bucket);
    buf_append(&p->bucket, name);
    buf_append(&p->bucket, STR("_bucket"));
    buf_append(&p->bucket, buf_str(&p->labels));
    buf_append(&p->bucket, p->labels.len > 0 ? STR(",le=\"") : STR("{le=\""));
    for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
        if (i == 0 || s->counts[i] > 0) {
            count += s->counts[i];
            text.ptr = digits_before(digits + sizeof(digits), count);
            text.len = (size_t)(digits + sizeof(digits) - text.ptr);
        }
        write_bucket(p, &bounds[i], text);
    }
    write_series_name(p, name, STR("_sum"));
    write_number(p->out, s->value);
    buf_append_byte(p->out, '\n');
    write_series_name(p, name, STR("_count"));
    buf_append(p->out, text);
    buf_append_byte(p->out, '\n');
}

static void write_sample(struct printer *p, const struct sample *s, const struct metric_desc *desc)
{
    struct buf *out = p->out;
    buf_reset(&p->labels);
    write_labels(&p->labels, s->key);
    if (desc->kind == METRIC_HISTOGRAM || desc->kind == METRIC_HISTOGRAM_FINE) {
        write_histogram(p, s, desc);
        return;
    }
    write_series_name(p, str_of(desc->name), STR(""));
    if (s->is_scraped || desc->kind == METRIC_MAX)
        write_number(out, s->value);
    else if (desc->kind == METRIC_GAUGE)
        buf_append_i64(out, (int64_t)s->counts[0]);
    else
        buf_append_u64(out, s->counts[0]);
    buf_append_byte(out, '\n');
}

/* Writes the family of m from the samples at *at on and moves *at behind it. */
static void write_family(struct printer *p, enum metric m, const struct samples *s, size_t *at)
{
    const struct metric_texts *texts = &metrics_registry.texts;
    const struct metric_desc *desc = &metrics_registry.descs[m];
    const bool touched = *at < s->count && series_metric(s->items[*at].key) == m;
    const bool always = desc->kind == METRIC_COUNTER && desc->label_count == 0;
    if (!touched && !always)
        return;
    buf_append(p->out, (struct str){texts->heads.ptr + texts->head_at[m],
                                    texts->head_at[m + 1] - texts->head_at[m]});
    if (!touched) {
        buf_append_z(p->out, desc->name);
        buf_append(p->out, STR(" 0\n"));
    }
    for (; *at < s->count && series_metric(s->items[*at].key) == m; (*at)++)
        write_sample(p, &s->items[*at], desc);
}

/* A buffer that grows is copied and wiped at each step: it is made as large as the last one was. */
static void make_room(struct buf *out)
{
    const size_t bytes = atomic_load_explicit(&metrics_registry.last_bytes, memory_order_relaxed);
    const size_t wanted = bytes + bytes / 16; /* counts gain digits */
    if (bytes > 0 && wanted <= out->max - out->len)
        (void)!buf_room(out, wanted);
}

static void write_families(struct buf *out, const struct samples *samples)
{
    struct printer p = {.out = out};
    size_t at = 0;
    buf_init(&p.labels, SERIES_START_MAX);
    buf_init(&p.bucket, SERIES_START_MAX);
    make_room(out);
    const size_t before = out->len;
    for (unsigned m = 0; m < METRIC_COUNT; m++)
        write_family(&p, (enum metric)m, samples, &at);
    atomic_store_explicit(&metrics_registry.last_bytes, out->len - before, memory_order_relaxed);
    if (!buf_ok(&p.labels) || !buf_ok(&p.bucket))
        out->state = buf_ok(&p.labels) ? p.bucket.state : p.labels.state;
    buf_finish(&p.labels);
    buf_finish(&p.bucket);
}

/* ---- texts */

static void write_head(struct buf *out, const struct metric_desc *desc)
{
    buf_printf(out, "# HELP %s ", desc->name);
    write_escaped(out, str_of(desc->help), false);
    buf_printf(out, "\n# TYPE %s %s\n", desc->name, kind_names[desc->kind]);
}

static void make_bound(struct bound_text *to, double bound)
{
    const int len =
        snprintf(to->text, sizeof(to->text), isinf(bound) ? "+Inf\"} " : "%g\"} ", bound);
    to->len = len > 0 ? (size_t)len : 0;
}

static void make_bounds(struct bound_text to[METRIC_BUCKETS + 1], const double *bounds)
{
    for (size_t i = 0; i < METRIC_BUCKETS; i++)
        make_bound(&to[i], bounds[i]);
    make_bound(&to[METRIC_BUCKETS], (double)INFINITY);
}

bool metrics_make_texts(void)
{
    struct registry *r = &metrics_registry;
    struct metric_texts *texts = &r->texts;
    if (texts->heads.ptr)
        return true;
    buf_init(&texts->heads, HEADS_BYTES_MAX);
    for (size_t m = 0; m < METRIC_COUNT; m++) {
        write_head(&texts->heads, &r->descs[m]);
        texts->head_at[m + 1] = texts->heads.len;
    }
    make_bounds(texts->bounds[0], r->descs[M_HTTP_SERVER_DURATION].bounds);
    make_bounds(texts->bounds[1], r->descs[M_LOOP_LAG].bounds);
    if (buf_ok(&texts->heads))
        return true;
    buf_finish(&texts->heads);
    return false;
}

/* ---- a scrape */

void metrics_write(struct buf *out)
{
    struct registry *r = &metrics_registry;
    AUTO(samples_finish) struct samples samples = {0};
    (void)pthread_mutex_lock(&r->lock);
    metrics_describe();
    const bool described = metrics_make_texts();
    const size_t most = slots_max(r);
    samples.items = most > 0 ? malloc(most * sizeof(samples.items[0])) : NULL;
    if (samples.items)
        collect(r, most, &samples);
    (void)pthread_mutex_unlock(&r->lock);
    if (!described || (most > 0 && !samples.items)) {
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
