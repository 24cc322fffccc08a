/* SPDX-License-Identifier: Apache-2.0
 * Numbers of JSON documents as doubles, and back. */
#include <math.h>
#include <stdio.h>

#include "base/auto.h"
#include "base/json_internal.h"

/* Integers of so many digits are exact in a double. */
enum { NUMBER_COPY_BYTES = 64, EXACT_DIGITS = 15 };

/* Digits alone, few enough: most numbers are. */
static bool small_integer(struct str digits, double *ret)
{
    int64_t value = 0;

    if (digits.len > EXACT_DIGITS)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
        value = value * 10 + (digits.ptr[i] - '0');
    }
    *ret = (double)value;
    return true;
}

/* strtod() wants a terminator, which the text does not have. */
static bool any_number(struct str number, double *ret)
{
    char small[NUMBER_COPY_BYTES];
    AUTO_FREE char *large = NULL;
    char *copy = small;
    if (number.len >= sizeof(small)) {
        large = malloc(number.len + 1);
        copy = large;
    }
    if (!copy)
        return false;
    memcpy(copy, number.ptr, number.len);
    copy[number.len] = '\0';
    *ret = strtod(copy, NULL);
    return true;
}

bool json_number_value(struct str number, double *ret)
{
    const bool negative = number.ptr[0] == '-';
    double size = 0;
    if (!small_integer((struct str){number.ptr + negative, number.len - negative}, &size))
        return any_number(number, ret);
    *ret = negative ? -size : size;
    return true;
}

/* The shortest of three forms that reads back as the same double. */
struct str json_number_text(double value, char out[JSON_NUMBER_TEXT_BYTES])
{
    static const int precisions[] = {15, 16, 17};
    int n = 0;
    for (size_t i = 0; i < ARRAY_LEN(precisions); i++) {
        n = snprintf(out, JSON_NUMBER_TEXT_BYTES, "%.*g", precisions[i], value);
        const double back = strtod(out, NULL);
        if (!(back < value) && !(back > value))
            break;
    }
    return (struct str){out, (size_t)n};
}
