/* SPDX-License-Identifier: Apache-2.0
 * The process as every Prometheus client library shows it: process_cpu_seconds_total and so on.
 * What the system does not tell (no /proc) is left out. */
#pragma once

/* After metrics_start(). */
void process_metrics_watch(void);
