/* SPDX-License-Identifier: Apache-2.0
 * identity/jwks: any document gives a refusal, or a set whose report adds up. */
#include "fuzz.h"

#include "identity/jwk.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const uint8_t SIGNATURE[512] = {1};
    struct keyset *set = NULL;
    struct keyset_report report;
    struct err_text text = {""};

    const enum err e =
        keyset_parse((struct str){(const char *)bytes, len}, STR("iss"), &set, &report, &text);
    FUZZ_CHECK((e == ERR_OK) == (set != NULL));
    if (!set)
        return 0;
    FUZZ_CHECK(keyset_size(set) == report.kept && report.kept > 0);
    FUZZ_CHECK(report.kept <= JWKS_KEYS_MAX);

    /* "k" is the kid of the corpus. */
    const struct jwk *key = keyset_find(set, STR("k"));
    for (enum jws_alg alg = 0; key && alg < JWS_ALG_COUNT; alg++) {
        for (size_t sig_len = 0; sig_len <= sizeof(SIGNATURE); sig_len += 32)
            FUZZ_CHECK(!jwk_verify(key, alg, STR("input"), SIGNATURE, sig_len));
    }
    keyset_unref(set);
    return 0;
}
