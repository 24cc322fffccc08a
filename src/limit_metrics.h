/* SPDX-License-Identifier: Apache-2.0
 * The numbers of the configuration as they are in force, as metrics. */
#pragma once

#include "config/config.h"

/* Once, before metrics_start(). */
void limit_metrics_register(void);
/* On the main thread, at start and after a reload. connections_max: in force, which the limit of
 * descriptors may have lowered. */
void limit_metrics_set(const struct config *config, unsigned connections_max);
