/* SPDX-License-Identifier: Apache-2.0
 * IMF-fixdate, written with the C library and read back against what would be written. */
#include "net/http_date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char DAYS[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char MONTHS[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const int64_t UNIX_S_MAX = INT64_C(253402300799); /* the end of year 9999 */

void http_date_format(int64_t unix_s, char out[HTTP_DATE_BYTES])
{
    const time_t when = unix_s < 0 ? 0 : (time_t)(unix_s > UNIX_S_MAX ? UNIX_S_MAX : unix_s);
    struct tm t = {0};
    (void)gmtime_r(&when, &t);
    (void)snprintf(out, HTTP_DATE_BYTES, "%s, %02u %s %04u %02u:%02u:%02u GMT", DAYS[t.tm_wday % 7],
                   (unsigned)t.tm_mday % 32, MONTHS[t.tm_mon % 12],
                   (unsigned)(t.tm_year + 1900) % 10000, (unsigned)t.tm_hour % 24,
                   (unsigned)t.tm_min % 60, (unsigned)t.tm_sec % 61);
}

/* count digits at p; -1 when one is none. */
static int number_at(const char *p, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (p[i] < '0' || p[i] > '9')
            return -1;
        value = value * 10 + (p[i] - '0');
    }
    return value;
}

static int month_at(const char *p)
{
    int month = 0;
    while (month < 12 && memcmp(p, MONTHS[month], 3) != 0)
        month++;
    return month;
}

int64_t http_date_parse(struct str text)
{
    char written[HTTP_DATE_BYTES];
    if (text.len != sizeof(written) - 1)
        return 0;
    const char *p = text.ptr;
    struct tm t = {
        .tm_mday = number_at(p + 5, 2),
        .tm_mon = month_at(p + 8),
        .tm_year = number_at(p + 12, 4) - 1900,
        .tm_hour = number_at(p + 17, 2),
        .tm_min = number_at(p + 20, 2),
        .tm_sec = number_at(p + 23, 2),
    };
    /* Whatever is no date, or has another shape, is written differently. Behind the name of the
     * day, which says nothing new. */
    const int64_t unix_s = timegm(&t);
    http_date_format(unix_s, written);
    return memcmp(written + 3, p + 3, text.len - 3) == 0 ? unix_s : 0;
}
