/* SPDX-License-Identifier: Apache-2.0
 * Reads the clocks, and prints wall time for people and logs. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec now = {0};
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

/* RFC 3339 has four digits for the year: times outside it are clamped, so that the text has always
 * the same shape. */
static const int64_t WALL_MS_MIN = INT64_C(-62167219200000);
static const int64_t WALL_MS_MAX = INT64_C(253402300799999);

void clock_rfc3339(int64_t wall_ms, int with_ms, char out[RFC3339_BYTES])
{
    if (wall_ms < WALL_MS_MIN)
        wall_ms = WALL_MS_MIN;
    if (wall_ms > WALL_MS_MAX)
        wall_ms = WALL_MS_MAX;
    int64_t ms = wall_ms % 1000;
    if (ms < 0)
        ms += 1000;
    const time_t seconds = (time_t)((wall_ms - ms) / 1000);

    struct tm utc = {0};
    (void)gmtime_r(&seconds, &utc);
    const size_t n = strftime(out, RFC3339_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    const size_t room = RFC3339_BYTES - n;
    if (with_ms)
        (void)snprintf(out + n, room, ".%03dZ", (int)ms);
    else
        (void)snprintf(out + n, room, "Z");
}
