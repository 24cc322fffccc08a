/* SPDX-License-Identifier: Apache-2.0
 * What things weigh at their worst, and the fitting; see memory_fit.h. The weights were measured
 * (docs/performance.md, "Memory under a limit") and rounded up. */
#include "config/memory_fit.h"

#include <inttypes.h>
#include <stdarg.h>

#include "config/cgroup.h"
#include "config/option.h"

static const int64_t KIB = 1024;
static const int64_t MIB = INT64_C(1024) * 1024;

/* cgroup v1 writes "none" as a number near the largest. */
static const int64_t NO_LIMIT_BYTES = INT64_C(1) << 60;

enum {
    PROCESS_MIB = 12, /* libraries, certificates, log, what no limit bounds */
    WORKER_KIB = 1536,
    /* And its header, and its body, which may arrive slowly: parser, what the request holds. */
    CONNECTION_KIB = 16,
    /* Both directions; the kernel takes twice what it is told. cgroup v2 counts them as ours. */
    SOCKET_BYTES = 2 * 2 * CLIENT_SOCKET_BUFFER_BYTES,
    IN_FLIGHT_KIB = 48,           /* and its body, twice: a call, an answer */
    UPSTREAM_CONNECTION_KIB = 48, /* with TLS */
    ENTRY_BYTES = 64,             /* of a table, with its share of the index */
    RATE_TABLES = 3,              /* users, addresses, lockouts */
    TOKEN_BYTES = 1024,
    /* Of the limit: the heap has holes, and the kernel counts its own pages for our sockets. */
    USED_SIXTEENTHS = 14,
};

/* A number that is lowered, and what one of it weighs. */
struct weight {
    enum option_id id;
    int64_t bytes;
    int64_t least;
};

enum { WEIGHT_COUNT = 6 };

static void weigh(const struct config *c, struct weight ret[WEIGHT_COUNT])
{
    const struct weight weights[WEIGHT_COUNT] = {
        {OPT_MAX_CONNECTIONS,
         CONNECTION_KIB * KIB + SOCKET_BYTES + c->max_header_bytes + c->max_body_bytes, 16},
        {OPT_MAX_IN_FLIGHT, IN_FLIGHT_KIB * KIB + 2 * c->max_body_bytes, 4},
        {OPT_UPSTREAM_MAX_CONNECTIONS, UPSTREAM_CONNECTION_KIB * KIB, 4},
        {OPT_USED_CHALLENGES_MAX, ENTRY_BYTES, 1000},
        {OPT_LIMIT_ENTRIES_MAX, RATE_TABLES * ENTRY_BYTES, 1000},
        {OPT_TOKEN_MEMORY_MAX, TOKEN_BYTES, 0},
    };
    memcpy(ret, weights, sizeof(weights));
}

static int64_t *number_of(struct config *c, enum option_id id)
{
    return (int64_t *)(void *)((char *)c + OPTIONS[id].offset);
}

static int64_t least_of(struct config *c, const struct weight *w)
{
    const int64_t number = *number_of(c, w->id);
    return number < w->least ? number : w->least;
}

static void append(char text[MEMORY_TEXT_BYTES], const char *format, ...) PRINTF_LIKE(2, 3);
static void append(char text[MEMORY_TEXT_BYTES], const char *format, ...)
{
    const size_t len = strlen(text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text + len, MEMORY_TEXT_BYTES - len, format, args);
    va_end(args);
}

static void lower(struct config *c, enum option_id id, int64_t to, char text[MEMORY_TEXT_BYTES])
{
    int64_t *number = number_of(c, id);

    if (to >= *number)
        return;
    append(text, ", %s from %" PRId64 " to %" PRId64, OPTIONS[id].key, *number, to);
    *number = to;
}

/* All by the same part of what they have above their least. */
static void lower_all(struct config *c, const struct weight weights[WEIGHT_COUNT], int64_t room,
                      int64_t wanted, char text[MEMORY_TEXT_BYTES])
{
    const double part = (double)room / (double)wanted;

    for (size_t i = 0; i < WEIGHT_COUNT; i++) {
        const int64_t least = least_of(c, &weights[i]);
        const int64_t above = *number_of(c, weights[i].id) - least;
        lower(c, weights[i].id, least + (int64_t)((double)above * part), text);
    }
}

static int64_t process_bytes(const struct config *c)
{
    return PROCESS_MIB * MIB + c->workers * WORKER_KIB * KIB;
}

/* What runs has its connections and tables, whatever the limit was then and is now. */
static void keep_running(struct config *c, const struct config *before,
                         const struct weight weights[WEIGHT_COUNT])
{
    struct config running = *before;

    for (size_t i = 0; i < WEIGHT_COUNT; i++)
        if (!OPTIONS[weights[i].id].live)
            *number_of(c, weights[i].id) = *number_of(&running, weights[i].id);
}

/* Only requests can still be fitted. */
static void fit_reload(struct config *c, const struct weight weights[WEIGHT_COUNT],
                       int64_t usable_bytes, char text[MEMORY_TEXT_BYTES])
{
    int64_t room = usable_bytes - process_bytes(c);
    int64_t each_bytes = 1, least = 0;

    for (size_t i = 0; i < WEIGHT_COUNT; i++) {
        if (OPTIONS[weights[i].id].live) {
            each_bytes = weights[i].bytes;
            least = weights[i].least;
            continue;
        }
        room -= *number_of(c, weights[i].id) * weights[i].bytes;
    }
    const int64_t fits = room / each_bytes;
    lower(c, OPT_MAX_IN_FLIGHT, fits > least ? fits : least, text);
}

enum memory_fit memory_fit(struct config *c, const struct config *before, int64_t limit_bytes,
                           char text[MEMORY_TEXT_BYTES])
{
    struct weight weights[WEIGHT_COUNT];
    int64_t least_bytes = process_bytes(c), wanted = 0;

    text[0] = '\0';
    weigh(c, weights);
    if (before)
        keep_running(c, before, weights);
    if (limit_bytes >= NO_LIMIT_BYTES)
        return MEMORY_FITS;
    const int64_t usable_bytes = limit_bytes / 16 * USED_SIXTEENTHS;
    if (before) {
        fit_reload(c, weights, usable_bytes, text);
        return text[0] ? MEMORY_LOWERED : MEMORY_FITS;
    }
    for (size_t i = 0; i < WEIGHT_COUNT; i++) {
        const int64_t least = least_of(c, &weights[i]);
        least_bytes += least * weights[i].bytes;
        wanted += (*number_of(c, weights[i].id) - least) * weights[i].bytes;
    }
    if (least_bytes > usable_bytes) {
        append(text, "%" PRId64 " bytes are too few: give at least %" PRId64, limit_bytes,
               least_bytes / USED_SIXTEENTHS * 16 + 16);
        return MEMORY_TOO_SMALL;
    }
    if (wanted <= usable_bytes - least_bytes)
        return MEMORY_FITS;
    lower_all(c, weights, usable_bytes - least_bytes, wanted, text);
    return MEMORY_LOWERED;
}

/* ---- the cgroup */

static int64_t limit_of_file(const char *directory, const char *file)
{
    int64_t bytes;

    return cgroup_read_number(directory, file, &bytes) && bytes > 0 ? bytes : INT64_MAX;
}

/* "max" is no number. */
static int64_t limit_v2(const char *directory)
{
    return limit_of_file(directory, "memory.max");
}

static int64_t limit_v1(const char *directory)
{
    return limit_of_file(directory, "memory.limit_in_bytes");
}

int64_t memory_limit_of(const char *root)
{
    const int64_t bytes = cgroup_least(root, "memory", limit_v2, limit_v1);

    return bytes < NO_LIMIT_BYTES ? bytes : INT64_MAX;
}
