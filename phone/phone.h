/* SPDX-License-Identifier: Apache-2.0
 * The phone: its directory, its key, what its app remembers, and how it talks to the service. */
#pragma once

#include <openssl/evp.h>

#include "phone/exchange.h"
#include "phone/options.h"
#include "phone/state.h"

enum phone_outcome { OUTCOME_DONE = 0, OUTCOME_REFUSED = 1, OUTCOME_NO_ANSWER = 2 };

enum { PHONE_PATH_BYTES = 512 };

struct phone {
    const struct phone_options *options;
    enum exchange_view view;
    struct phone_state state;
    EVP_PKEY *key; /* owned; NULL before enrollment */
    char key_path[PHONE_PATH_BYTES], state_path[PHONE_PATH_BYTES];
};

/* Opens the directory, making it when it is not there. False: with a line on stderr, and
 * nothing to close. */
NODISCARD bool phone_open(struct phone *p, const struct phone_options *options);
/* Writes the state back and frees everything. False: the state could not be written. */
bool phone_close(struct phone *p);
/* The first user token, from --token-file or from the emulator's "another method"; kept in the
 * state. */
enum phone_outcome phone_get_first_token(struct phone *p);
/* Sends a request to the service and shows it. OUTCOME_DONE: the service agreed (2xx). The caller
 * finishes e in every case. */
enum phone_outcome phone_ask(struct phone *p, struct exchange *e);
