/* SPDX-License-Identifier: Apache-2.0
 * What a SIGHUP, or a file that has changed, does: reads the configuration again, checks it as at
 * start, and has the service go on with it; or tells why not and leaves everything as it was. */
#pragma once

#include "service.h"

/* Label values of the reload's metrics; before metrics_start(). */
void reload_register_metrics(void);

/* The configuration of the start is in use: for the metric. */
void reload_note_start(void);
enum reload_trigger { RELOAD_BY_SIGNAL, RELOAD_BY_FILES };
/* Log and metrics tell how it went. inputs: those of the start. False: it was refused. */
NODISCARD bool reload(struct service *s, const struct config_inputs *inputs,
                      enum reload_trigger trigger);
/* A SIGHUP that comes too late. */
void reload_ignore(void);
