/* SPDX-License-Identifier: Apache-2.0
 * What outlives one call: challenges, sessions and refresh token families. Not thread-safe: the
 * caller holds the emulator's state lock. */
#pragma once

#include <stdint.h>

#include "emulator/table.h"

enum {
    CHALLENGE_BYTES = 65, /* 64 hex digits and NUL */
    SESSION_ID_BYTES = 33,
    REFRESH_TOKEN_BYTES = 98, /* "family.secret" */
    CHALLENGES_MAX = 100000,
    SESSIONS_MAX = 100000,
    SESSION_LIFE_S = 14 * 24 * 3600,
};

struct challenge {
    char *user_id, *device_id, *approval_data; /* owned; the last two may be NULL */
    int64_t expires_at_s;
};

struct session {
    char id[SESSION_ID_BYTES];
    char *user_id; /* owned */
    int64_t auth_time_s, expires_at_s;
    bool by_biometrics, by_other, multi_factor;
};

/* The chain of refresh tokens that began with one authentication. */
struct refresh_family {
    char session_id[SESSION_ID_BYTES];
    char current[REFRESH_TOKEN_BYTES]; /* the one token that is good */
    char *resource;                    /* owned; NULL: the default audience */
    int64_t expires_at_s;
};

struct ceremonies {
    struct table challenges, sessions, families;
};

NODISCARD bool ceremonies_init(struct ceremonies *c);
void ceremonies_finish(struct ceremonies *c);

/* Makes a challenge. With approval_data (JSON text, else ptr NULL) it is derived from it. */
NODISCARD bool challenge_create(struct ceremonies *c, const struct challenge *from,
                                char ret[CHALLENGE_BYTES]);
/* Takes it out: a challenge is good for one attempt. NULL: unknown, used or expired. The caller
 * destroys it. */
struct challenge *challenge_take(struct ceremonies *c, struct str text, int64_t now_s);
void challenge_destroy(struct challenge *challenge);

/* NULL: out of memory. Borrowed. */
struct session *session_create(struct ceremonies *c, struct str user_id, int64_t now_s);
/* NULL: unknown, ended or expired. */
struct session *session_find(struct ceremonies *c, struct str id, int64_t now_s);
NODISCARD bool session_end(struct ceremonies *c, struct str id);

NODISCARD bool refresh_create(struct ceremonies *c, const struct session *session,
                              struct str resource, int64_t now_s, char ret[REFRESH_TOKEN_BYTES]);
enum refresh_result { REFRESH_OK, REFRESH_UNKNOWN, REFRESH_REUSED, REFRESH_FAILED };
/* Replaces the token. A token that was replaced before ends its family. On success *ret_family is
 * borrowed and its `current` is the new token. */
NODISCARD enum refresh_result refresh_rotate(struct ceremonies *c, struct str token, int64_t now_s,
                                             const struct refresh_family **ret_family);
