/* SPDX-License-Identifier: Apache-2.0
 * The handlers of the vendor's operations. Each runs after its Bearer and its body were checked. */
#pragma once

#include "emulator/emulator.h"
#include "emulator/fields.h"
#include "emulator/tokens.h"

/* op_client.c */
void op_token(struct call *call);
void op_jwks(struct call *call);
void op_discovery(struct call *call);

/* op_biometrics.c */
extern const struct field START_FIELDS[];
extern const struct field REGISTER_FIELDS[];
extern const struct field AUTHENTICATE_FIELDS[];
extern const struct field DELETE_FIELDS[];
void op_start(struct call *call);
void op_register(struct call *call);
void op_authenticate(struct call *call);
void op_delete(struct call *call);

/* op_sessions.c */
extern const struct field FACE_REVOKE_FIELDS[];
extern const struct field REFRESH_FIELDS[];
extern const struct field SESSION_AUTHENTICATE_FIELDS[];
extern const struct field LOGOUT_FIELDS[];
extern const struct field CLAIMS_FIELDS[];
extern const struct field CLIENT_ATTRIBUTES_FIELDS[];
void op_face_revoke_me(struct call *call);
void op_face_revoke(struct call *call);
void op_refresh(struct call *call);
void op_session_authenticate(struct call *call);
void op_logout(struct call *call);
/* Fills *ret from a user that is in the table; the state lock is held. False: out of memory. */
NODISCARD bool authentication_of(struct call *call, const struct user *user,
                                 const struct session *session, struct authentication *ret);
/* A refresh token for the session, when the settings ask for one; the state lock is held. */
NODISCARD bool authentication_add_refresh(struct call *call, const struct session *session,
                                          struct authentication *a);
