/* SPDX-License-Identifier: Apache-2.0
 * Keeps a sample for each request, so that percentiles are those of the values and not of buckets.
 */
#include "load_tally.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CODES_MAX = 64, STATUS_MAX = 600 };

struct sample {
    int64_t arrival_us;
    uint32_t latency_us;
    int16_t status; /* below 0: -1 - a failure */
    int16_t code;   /* index into codes; 0: none */
};

static struct sample *samples;
static size_t sample_count, sample_room;
static char codes[CODES_MAX][40];
static int code_count = 1;

static const char *const failure_names[] = {
#define X(id, name) name,
    FAILURES(X)
#undef X
};

static void add(const struct sample *s)
{
    if (sample_count == sample_room) {
        sample_room = sample_room ? 2 * sample_room : 65536;
        samples = realloc(samples, sample_room * sizeof(samples[0]));
        if (!samples)
            abort();
    }
    samples[sample_count++] = *s;
}

static int16_t code_index(const char *code)
{
    if (*code == '\0')
        return 0;
    for (int i = 1; i < code_count; i++) {
        if (strcmp(codes[i], code) == 0)
            return (int16_t)i;
    }
    if (code_count == CODES_MAX)
        return 0;
    (void)snprintf(codes[code_count], sizeof(codes[0]), "%s", code);
    return (int16_t)code_count++;
}

void tally_answer(int64_t arrival_us, int64_t latency_us, int status, const char *code)
{
    add(&(struct sample){.arrival_us = arrival_us,
                         .latency_us = (uint32_t)(latency_us > 0 ? latency_us : 0),
                         .status = (int16_t)status,
                         .code = code_index(code)});
}

void tally_failure(int64_t arrival_us, enum failure failure)
{
    add(&(struct sample){.arrival_us = arrival_us, .status = (int16_t)(-1 - (int)failure)});
}

uint64_t tally_count(void)
{
    return sample_count;
}

static int compare_u32(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* The smallest value that so many per mille of the values do not exceed. */
static double per_mille_ms(const uint32_t *sorted, size_t count, unsigned per_mille)
{
    const size_t rank = (count * per_mille + 999) / 1000;
    return sorted[rank > 0 ? rank - 1 : 0] / 1000.0;
}

static void report_status(FILE *out, int status, uint32_t *scratch, bool *first)
{
    size_t count = 0;
    for (size_t i = 0; i < sample_count; i++) {
        if (samples[i].status == status)
            scratch[count++] = samples[i].latency_us;
    }
    if (count == 0)
        return;
    qsort(scratch, count, sizeof(scratch[0]), compare_u32);
    (void)fprintf(out,
                  "%s\"%d\":{\"count\":%zu,\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,"
                  "\"p999_ms\":%.3f,\"max_ms\":%.3f}",
                  *first ? "" : ",", status, count, per_mille_ms(scratch, count, 500),
                  per_mille_ms(scratch, count, 900), per_mille_ms(scratch, count, 990),
                  per_mille_ms(scratch, count, 999), scratch[count - 1] / 1000.0);
    *first = false;
}

static void report_codes(FILE *out)
{
    bool first = true;
    for (int code = 1; code < code_count; code++) {
        size_t count = 0;
        for (size_t i = 0; i < sample_count; i++)
            count += samples[i].code == code;
        (void)fprintf(out, "%s\"%s\":%zu", first ? "" : ",", codes[code], count);
        first = false;
    }
}

static void report_failures(FILE *out)
{
    bool first = true;
    for (int failure = 0; failure < FAILURE_COUNT; failure++) {
        size_t count = 0;
        for (size_t i = 0; i < sample_count; i++)
            count += samples[i].status == -1 - failure;
        if (count == 0)
            continue;
        (void)fprintf(out, "%s\"%s\":%zu", first ? "" : ",", failure_names[failure], count);
        first = false;
    }
}

void tally_report(FILE *out, double seconds, uint64_t connections_opened)
{
    uint32_t *scratch = malloc((sample_count + 1) * sizeof(scratch[0]));
    bool first = true;
    if (!scratch)
        abort();
    (void)fprintf(out, "{\"requests\":%zu,\"seconds\":%.3f,\"connections_opened\":%" PRIu64,
                  sample_count, seconds, connections_opened);
    (void)fputs(",\"status\":{", out);
    for (int status = 100; status < STATUS_MAX; status++)
        report_status(out, status, scratch, &first);
    (void)fputs("},\"codes\":{", out);
    report_codes(out);
    (void)fputs("},\"failed\":{", out);
    report_failures(out);
    (void)fputs("}}\n", out);
    free(scratch);
}

bool tally_write_samples(const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out)
        return false;
    for (size_t i = 0; i < sample_count; i++) {
        const struct sample *s = &samples[i];
        (void)fprintf(out, "%" PRId64 ",%" PRIu32 ",", s->arrival_us, s->latency_us);
        if (s->status < 0)
            (void)fprintf(out, "%s,\n", failure_names[-1 - s->status]);
        else
            (void)fprintf(out, "%d,%s\n", s->status, codes[s->code]);
    }
    return fclose(out) == 0;
}
