/* SPDX-License-Identifier: Apache-2.0
 * The management listener's own thread and loop, so that scrapes never disturb a worker. It also
 * notices the moment when the service becomes ready, and logs it. */
#pragma once

#include "api/ops.h"

struct ops_thread;

NODISCARD enum err ops_thread_start(struct health *health, int management_fd,
                                    int64_t pulse_every_ms, struct ops_thread **ret,
                                    struct err_text *reterr);
/* Its loop has turned within the last so many ms. Any thread. */
bool ops_thread_turns(const struct ops_thread *o, int64_t now_ms, int64_t within_ms);
/* Accepts NULL. */
void ops_thread_stop(struct ops_thread *o);
