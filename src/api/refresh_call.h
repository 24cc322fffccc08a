/* SPDX-License-Identifier: Apache-2.0
 * The one upstream call for a refresh token (api.md refresh): it belongs to no request, so that the
 * client that happened to come first may leave. Its outcome is published to everyone who waits. */
#pragma once

#include "api/app.h"

struct refresh_call;
/* Runs from the loop, after the outcome was published to the other waiters. */
typedef void refresh_call_fn(void *arg, const struct refresh_outcome *outcome);

/* For the owner of the store's entry. ERR_OK: done will be called unless refresh_call_leave() came
 * first. Else the call could not begin; that too has been published. */
NODISCARD enum err refresh_call_start(struct app *app, const struct refresh_key *key,
                                      struct str refresh_token, int64_t deadline_ms,
                                      const char *traceparent, refresh_call_fn *done, void *arg,
                                      struct refresh_call **ret);
/* done is not called any more; the call goes on. Accepts NULL. */
void refresh_call_leave(struct refresh_call *c);
