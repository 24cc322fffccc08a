/* SPDX-License-Identifier: Apache-2.0
 * Inside the torture library: whether this one fails, and what is remembered of it. Nothing here
 * takes memory or blocks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "control.h"

/* NULL until the library has been told where the file is, and for ever when it is not told. */
struct torture_control *torture_control(void);

/* Counts one, and says whether it has to fail, then *error says how. */
bool torture_strikes(struct torture_arm *arm, int *error);

/* A block was taken, given back; or was not given back after all. */
void torture_record(struct torture_control *c, const void *block, size_t bytes);
void torture_forget(struct torture_control *c, const void *block);
void torture_recount(size_t bytes);
