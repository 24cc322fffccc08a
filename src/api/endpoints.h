/* SPDX-License-Identifier: Apache-2.0
 * The start functions that routes.c names, one an endpoint; each lives in the file of its name. */
#pragma once

struct request;

void start_start(struct request *req);
void authenticate_start(struct request *req);
void register_start(struct request *req);
void delete_key_start(struct request *req);
void face_revoke_start(struct request *req);
void session_get_start(struct request *req);
void refresh_start(struct request *req);
void logout_start(struct request *req);
void operator_face_revoke_start(struct request *req);
