/* SPDX-License-Identifier: Apache-2.0
 * The two clocks. Timers and durations use the monotonic one, token claims the wall clock. Code
 * that reasons about time takes it as an argument; only loops and mains read it here. */
#pragma once

#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void);
/* Processor time of the calling thread; a system call, unlike the others. */
int64_t clock_thread_cpu_us(void);
static inline int64_t clock_wall_s(void)
{
    return clock_wall_ms() / 1000;
}

enum { RFC3339_BYTES = 32 };
/* "2026-11-22T10:00:00Z", with milliseconds when with_ms. */
void clock_rfc3339(int64_t wall_ms, int with_ms, char out[RFC3339_BYTES]);
