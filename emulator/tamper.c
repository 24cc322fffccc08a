/* SPDX-License-Identifier: Apache-2.0
 * The table of wrong tokens. */
#include "emulator/tamper.h"

enum { LONG_AGO_S = 6 * 3600 };

static const struct tamper TAMPERS[] = {
    {.name = "wrong_key", .signer = SIGNER_OTHER},
    {.name = "alg_none", .signer = SIGNER_NONE},
    {.name = "hmac", .signer = SIGNER_HMAC},
    {.name = "unknown_kid", .kid = "emu-unknown"},
    {.name = "no_kid", .kid = ""},
    {.name = "expired", .shift_s = -LONG_AGO_S},
    {.name = "future", .shift_s = LONG_AGO_S},
    {.name = "wrong_issuer", .iss = "https://issuer.invalid"},
    {.name = "foreign_user", .sub = "somebody-else"},
    {.name = "wrong_tenant", .tid = "another-tenant"},
    {.name = "no_tenant", .tid = ""},
    {.name = "wrong_audience", .aud = "another-audience"},
    {.name = "wrong_client", .client_id = "another-client"},
    {.name = "foreign_email", .email = "somebody-else@example.com"},
    {.name = "wrong_at_hash", .wrong_at_hash = true},
    {.name = "no_id_token", .no_id_token = true},
    {.name = "encrypted", .five_parts = true},
    {.name = "missing_approval", .approval = APPROVAL_MISSING},
    {.name = "changed_approval", .approval = APPROVAL_CHANGED},
};

const struct tamper *tamper_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(TAMPERS); i++) {
        if (str_is(name, TAMPERS[i].name))
            return &TAMPERS[i];
    }
    return NULL;
}

bool tamper_scope_parse(struct str name, enum tamper_scope *ret)
{
    static const char *const NAMES[] = {[TAMPER_BOTH] = "both",
                                        [TAMPER_ACCESS_TOKEN] = "access_token",
                                        [TAMPER_ID_TOKEN] = "id_token"};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        if (str_is(name, NAMES[i])) {
            *ret = (enum tamper_scope)i;
            return true;
        }
    }
    return false;
}
