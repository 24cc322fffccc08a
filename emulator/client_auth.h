/* SPDX-License-Identifier: Apache-2.0
 * How a client proves itself at the token endpoint (contract 2.4). */
#pragma once

#include "emulator/emulator.h"
#include "emulator/form.h"

enum client_auth_result { CLIENT_REFUSED, CLIENT_IS_APP, CLIENT_IS_ADMIN };

/* Reads the verification keys of --client-key. False: with a line on stderr. */
NODISCARD bool client_auth_load_keys(struct emulator *e);
/* *ret_problem: of a refusal, for people; a literal. */
NODISCARD enum client_auth_result client_auth_check(struct call *call, const struct form *form,
                                                    const char **ret_problem);
