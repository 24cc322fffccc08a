/* SPDX-License-Identifier: Apache-2.0
 * How long one turn of a loop held the others up: from the kernel's answer to the next question.
 * Metrics of the thread that runs the loop; see loop_lag.c for what it costs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct loop_lag {
    bool measured;
    unsigned label;   /* of the metrics */
    int64_t began_us; /* this turn, monotonic */
    int64_t cpu_us;   /* the thread's processor time when it was last read */
    int64_t busy_us;  /* that turns have taken since */
    int64_t longest_us;
};

void loop_lag_init(struct loop_lag *lag, unsigned label);
void loop_lag_turn_begins(struct loop_lag *lag, int64_t now_us);
void loop_lag_turn_ends(struct loop_lag *lag, int64_t now_us);
