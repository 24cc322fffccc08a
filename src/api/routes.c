/* SPDX-License-Identifier: Apache-2.0
 * The whole app API on one screen (api.md section 2). */
#include "api/app.h"
#include "api/endpoints.h"
#include "api/ops.h"

const struct route PUBLIC_ROUTES[] = {
    {HTTP_POST, "/v1/biometrics/start", BODY_JSON, start_start, true},
    {HTTP_POST, "/v1/biometrics/authenticate", BODY_JSON, authenticate_start, true},
    {HTTP_POST, "/v1/biometrics/register", BODY_JSON, register_start, true},
    {HTTP_DELETE, "/v1/biometrics/keys/{key_id}", BODY_NONE, delete_key_start, true},
    {HTTP_POST, "/v1/face/revoke", BODY_NONE, face_revoke_start, true},
    {HTTP_GET, "/v1/session", BODY_NONE, session_get_start, true},
    {HTTP_POST, "/v1/session/refresh", BODY_JSON, refresh_start, true},
    {HTTP_POST, "/v1/session/logout", BODY_JSON, logout_start, true},
    {HTTP_GET, "/healthz", BODY_NONE, healthz_start, false},
    {HTTP_GET, "/openapi.yaml", BODY_NONE, openapi_start, false},
};
const size_t PUBLIC_ROUTE_COUNT = ARRAY_LEN(PUBLIC_ROUTES);

const struct route OPERATOR_ROUTES[] = {
    {HTTP_POST, "/v1/users/{user_id}/face/revoke", BODY_NONE, operator_face_revoke_start, true},
};
const size_t OPERATOR_ROUTE_COUNT = ARRAY_LEN(OPERATOR_ROUTES);
