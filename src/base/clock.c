/* SPDX-License-Identifier: Apache-2.0
 * Reads the clocks, and prints wall time for people and logs. */
#include "base/clock.h"

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

int64_t clock_thread_cpu_us(void)
{
    return read_us(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

static const int64_t DAY_MS = 86400000;
static const int64_t EPOCH_DAY = 719468; /* 1970-01-01, counted from 0000-03-01 */

/* Years 1 to 9999: RFC 3339 has four digits. Times outside are clamped, so that the text has always
 * the same shape. */
static const int64_t WALL_MS_MIN = INT64_C(-62135596800000);
static const int64_t WALL_MS_MAX = INT64_C(253402300799999);

static char *put_digits(char *to, int64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        to[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return to + count;
}

/* Year, month and day of a day counted from 0000-03-01, the first day of a 400-year era in which
 * the leap day is the last of its year. gmtime_r() would take the time zone's lock. */
static char *put_date(char *to, int64_t day)
{
    const int64_t era = day / 146097;
    const int64_t day_of_era = day % 146097;
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t march_month = (5 * day_of_year + 2) / 153;
    const int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    to = put_digits(to, era * 400 + year_of_era + (month <= 2), 4);
    *to++ = '-';
    to = put_digits(to, month, 2);
    *to++ = '-';
    return put_digits(to, day_of_year - (153 * march_month + 2) / 5 + 1, 2);
}

static char *put_time(char *to, int64_t second_of_day)
{
    to = put_digits(to, second_of_day / 3600, 2);
    *to++ = ':';
    to = put_digits(to, second_of_day / 60 % 60, 2);
    *to++ = ':';
    return put_digits(to, second_of_day % 60, 2);
}

void clock_rfc3339(int64_t wall_ms, int with_ms, char out[RFC3339_BYTES])
{
    if (wall_ms < WALL_MS_MIN)
        wall_ms = WALL_MS_MIN;
    if (wall_ms > WALL_MS_MAX)
        wall_ms = WALL_MS_MAX;
    const int64_t since_era_ms = wall_ms + EPOCH_DAY * DAY_MS;
    char *to = put_date(out, since_era_ms / DAY_MS);
    *to++ = 'T';
    to = put_time(to, since_era_ms / 1000 % (DAY_MS / 1000));
    if (with_ms) {
        *to++ = '.';
        to = put_digits(to, since_era_ms % 1000, 3);
    }
    *to++ = 'Z';
    *to = '\0';
}
