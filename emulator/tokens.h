/* SPDX-License-Identifier: Apache-2.0
 * The claims of every kind of token (contract section 6), and reading the Bearer of a call. */
#pragma once

#include "emulator/emulator.h"

/* Fills call->caller from the Authorization header. */
void tokens_read_bearer(struct call *call);

/* The access token of a client; admin: of the management application. resource.ptr NULL: none. */
NODISCARD bool tokens_make_client(struct call *call, bool admin, struct str resource,
                                  struct buf *out);

/* One authentication of a user. Texts are in the call's arena; ptr NULL: absent. */
struct authentication {
    struct str user_id, email, phone_number;
    struct str resource;
    struct str approval_data; /* JSON object for the ID token */
    struct str session_id;    /* ptr NULL: the answer carries none */
    struct str refresh_token;
    int64_t auth_time_s;
    bool by_biometrics, by_other, multi_factor;
};

/* Answers 200 with the tokens of a user. */
void tokens_reply(struct call *call, const struct authentication *a);
