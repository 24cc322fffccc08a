/* SPDX-License-Identifier: Apache-2.0
 * The management listener's own thread and loop, so that scrapes never disturb a worker. It also
 * notices the moment when the service becomes ready, and logs it. */
#pragma once

#include "api/ops.h"

struct ops_thread;

NODISCARD enum err ops_thread_start(struct health *health, int management_fd,
                                    struct ops_thread **ret, struct err_text *reterr);
/* Accepts NULL. */
void ops_thread_stop(struct ops_thread *o);
