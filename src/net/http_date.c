/* SPDX-License-Identifier: Apache-2.0
 * IMF-fixdate, written and read by position. */
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

static int name_at(const char *p, const char (*names)[4], int count)
{
    for (int i = 0; i < count; i++) {
        if (memcmp(p, names[i], 3) == 0)
            return i;
    }
    return -1;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in(int month, int year)
{
    static const int DAYS_IN[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return DAYS_IN[month] + (month == 1 && is_leap(year));
}

/* Days from 1970-01-01 to the first of January. */
static int64_t days_before_year(int year)
{
    const int64_t y = year - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static int64_t days_before(int year, int month, int day)
{
    int64_t days = days_before_year(year) + day - 1;
    for (int m = 0; m < month; m++)
        days += days_in(m, year);
    return days;
}

int64_t http_date_parse(struct str text)
{
    /* Digits stand for themselves, letters for those of a name. */
    static const char SHAPE[] = "aaa, 00 aaa 0000 00:00:00 GMT";
    if (text.len != sizeof(SHAPE) - 1)
        return 0;
    const char *p = text.ptr;
    for (size_t i = 0; i < text.len; i++) {
        if (SHAPE[i] != 'a' && SHAPE[i] != '0' && p[i] != SHAPE[i])
            return 0;
    }
    const int day = number_at(p + 5, 2);
    const int month = name_at(p + 8, MONTHS, 12);
    const int year = number_at(p + 12, 4);
    const int hour = number_at(p + 17, 2);
    const int minute = number_at(p + 20, 2);
    const int second = number_at(p + 23, 2); /* 60: a leap second */
    if (name_at(p, DAYS, 7) < 0 || month < 0 || year < 1970 || day < 1 ||
        day > days_in(month, year) || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
        second < 0 || second > 60)
        return 0;
    return days_before(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}
