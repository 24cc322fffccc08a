/* SPDX-License-Identifier: Apache-2.0
 * Preloaded into a program under test: a wall clock that is off, and steps while the program runs.
 * The monotonic clock stays as it is. */
#include <dlfcn.h>
#include <time.h>

#include "torture.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int clock_gettime(clockid_t clock, struct timespec *ret)
{
    static int (*_Atomic real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const int result = real(clock, ret);
    const struct torture_control *c = torture_control();
    if (result == 0 && c && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret->tv_sec += (time_t)atomic_load_explicit(&c->wall_offset_s, memory_order_relaxed);
    return result;
}

EXPORT time_t time(time_t *ret)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}
