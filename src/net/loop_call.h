/* SPDX-License-Identifier: Apache-2.0
 * Has another thread's loop do something and waits for it. For threads that have the time: not from
 * a loop, and only while the other loop runs. */
#pragma once

#include "net/loop.h"

/* fn(arg) runs on l's thread. Returns what it returned; *reterr as fn left it. */
typedef enum err loop_call_fn(void *arg, struct err_text *reterr);
NODISCARD enum err loop_call(struct loop *l, loop_call_fn *fn, void *arg, struct err_text *reterr);
