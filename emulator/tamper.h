/* SPDX-License-Identifier: Apache-2.0
 * The ways in which tokens can be made wrong on purpose: one table, one row a way. */
#pragma once

#include "emulator/signing.h"

enum approval_change { APPROVAL_KEPT, APPROVAL_MISSING, APPROVAL_CHANGED };
enum tamper_scope { TAMPER_BOTH, TAMPER_ACCESS_TOKEN, TAMPER_ID_TOKEN };

struct tamper {
    const char *name;
    /* Claims and header members that replace the right ones; NULL: kept; "": left out. */
    const char *iss, *sub, *aud, *client_id, *tid, *kid, *email;
    int64_t shift_s; /* moves iat and exp */
    enum signer signer;
    enum approval_change approval;
    bool wrong_at_hash;
    bool no_id_token;
    bool five_parts; /* the form of an encrypted token */
};

/* NULL: no such way. */
const struct tamper *tamper_find(struct str name);
NODISCARD bool tamper_scope_parse(struct str name, enum tamper_scope *ret);
