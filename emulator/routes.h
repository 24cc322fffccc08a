/* SPDX-License-Identifier: Apache-2.0
 * The whole API on one screen (routes.c), and the walk of one call through it. */
#pragma once

#include "emulator/emulator.h"

/* The server's handler; context is the struct emulator. */
void routes_handle(void *context, struct connection *c, const struct http_request *request,
                   struct http_reply *reply);
/* True for the label of a vendor operation, and for "*". */
bool routes_has_operation(struct str label);
