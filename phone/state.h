/* SPDX-License-Identifier: Apache-2.0
 * What the app on the phone remembers between commands: DIR/state.json (0600). */
#pragma once

#include "base/json.h"

/* All owned; NULL: not known. */
struct phone_state {
    char *user_id, *key_id, *key_type, *device_id;
    char *access_token, *id_token, *refresh_token, *session;
    char *challenge, *challenge_id; /* of the last start */
};

/* A missing file is an empty state. False: the file cannot be read; a line is on stderr. */
NODISCARD bool phone_state_load(struct phone_state *s, const char *path);
NODISCARD bool phone_state_save(const struct phone_state *s, const char *path);
void phone_state_finish(struct phone_state *s);
/* Replaces one member; value.ptr NULL forgets it. False: out of memory. */
bool phone_state_set(char **member, struct str value);
