/* SPDX-License-Identifier: Apache-2.0
 * Label values of the keeper's counters. */
#pragma once

#include "base/error.h"
#include "observe/metrics.h"

/* Index of the "result" label for the outcome of a fetch. */
unsigned fetch_result(enum err e);
