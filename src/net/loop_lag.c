/* SPDX-License-Identifier: Apache-2.0
 * A turn that was long on the clock was either long in work, which is ours to mend, or the thread
 * did not run, which is the machine's. The thread's processor time tells, but reading it is a
 * system call. So it is read behind a long turn, and otherwise so rarely that the turns in between,
 * whose work a long turn is charged with, matter little. */
#include "net/loop_lag.h"

#include "base/clock.h"
#include "net/loop.h"
#include "observe/metrics.h"

enum {
    LONG_TURN_US = 5000,
    /* The most that a long turn is charged with beyond its own work. */
    CPU_UNREAD_MAX_US = 2000,
};

static const char *const clock_names[] = {"wall", "cpu"};
enum { CLOCK_WALL, CLOCK_CPU };

static const char *const loop_names[] = {
#define X(id, label) label,
    LOOP_LABELS(X)
#undef X
};

void loop_register_metrics(void)
{
    metric_label_values(M_LOOP_LAG, "loop", loop_names, ARRAY_LEN(loop_names));
    metric_label_values(M_LOOP_LONG_TURN_CPU, "loop", loop_names, ARRAY_LEN(loop_names));
    metric_label_values(M_LOOP_LAG_MAX, "loop", loop_names, ARRAY_LEN(loop_names));
    metric_label_values(M_LOOP_LAG_MAX, "clock", clock_names, ARRAY_LEN(clock_names));
}

static void read_cpu(struct loop_lag *lag)
{
    lag->cpu_us = clock_thread_cpu_us();
    lag->busy_us = 0;
}

void loop_lag_init(struct loop_lag *lag, unsigned label)
{
    /* Read at the first turn, on the thread that runs it. */
    *lag = (struct loop_lag){.measured = true, .label = label, .busy_us = CPU_UNREAD_MAX_US};
}

void loop_lag_turn_begins(struct loop_lag *lag, int64_t now_us)
{
    if (!lag->measured)
        return;
    lag->began_us = now_us;
    if (lag->busy_us >= CPU_UNREAD_MAX_US)
        read_cpu(lag);
}

static double seconds_of(int64_t us)
{
    return (double)us / 1e6;
}

static void count_long_turn(struct loop_lag *lag, int64_t turn_us)
{
    const int64_t cpu_before_us = lag->cpu_us;

    read_cpu(lag);
    const int64_t charged_us = lag->cpu_us - cpu_before_us;
    const double cpu_s = seconds_of(charged_us < turn_us ? charged_us : turn_us);
    metric_observe(M_LOOP_LONG_TURN_CPU, METRIC_AT(lag->label), cpu_s);
    metric_raise(M_LOOP_LAG_MAX, lag->label, CLOCK_CPU, cpu_s);
}

void loop_lag_turn_ends(struct loop_lag *lag, int64_t now_us)
{
    if (!lag->measured)
        return;
    const int64_t turn_us = now_us - lag->began_us;
    lag->busy_us += turn_us;
    metric_observe(M_LOOP_LAG, METRIC_AT(lag->label), seconds_of(turn_us));
    if (turn_us > lag->longest_us) {
        lag->longest_us = turn_us;
        metric_raise(M_LOOP_LAG_MAX, lag->label, CLOCK_WALL, seconds_of(turn_us));
    }
    if (turn_us > LONG_TURN_US)
        count_long_turn(lag, turn_us);
}
