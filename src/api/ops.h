/* SPDX-License-Identifier: Apache-2.0
 * The routes for operators and load balancers: GET /healthz and /openapi.yaml on the public
 * listener; /livez, /readyz, /startupz, /metrics and /version on the management listener (whose
 * request_user() is the struct health). */
#pragma once

#include <stdatomic.h>

#include "identity/keeper.h"
#include "net/http_server.h"

struct health {
    struct keeper *keeper; /* borrowed */
    _Atomic bool draining; /* phase 1: not ready, still serving, Connection: close */
    _Atomic bool refusing; /* phase 2: new counted requests get 503 draining */
    _Atomic bool listening;
    _Atomic bool
        ever_ready; /* ready once: an outage of the vendor afterwards does not make it unready */
    int64_t started_wall_ms;
};

/* Listening, and token and keys were there once; not draining. Any thread. */
bool health_is_ready(struct health *h);

void healthz_start(struct request *req); /* public; user is struct app */
void openapi_start(struct request *req); /* public; the embedded openapi/biometrics-bff.yaml */
extern const struct route MANAGEMENT_ROUTES[];
extern const size_t MANAGEMENT_ROUTE_COUNT;
