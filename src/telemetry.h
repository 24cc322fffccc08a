/* SPDX-License-Identifier: Apache-2.0
 * Log and metrics of the process: started before anything that logs or counts. */
#pragma once

#include "config/config.h"
#include "identity/seal.h"

/* Registers every label value, starts the log thread and the metrics. */
NODISCARD bool telemetry_start(const struct config *config, const struct seal_ring *seal);
/* To debug, or from there back to the configured level. */
void telemetry_toggle_level(enum log_level configured);
/* Writes what is queued. */
void telemetry_stop(void);
