/* SPDX-License-Identifier: Apache-2.0
 * identity/device_key: a text is a key of one type at most, and a refusal says why. */
#include "fuzz.h"

#include "identity/jwk.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const struct str text = {(const char *)bytes, len};
    const char *what_rsa = NULL;
    const char *what_ec = NULL;
    const bool rsa = device_key_check(text, DEVICE_KEY_RSA, &what_rsa);
    const bool ec = device_key_check(text, DEVICE_KEY_EC, &what_ec);

    FUZZ_CHECK(!rsa || !ec);
    FUZZ_CHECK(rsa || what_rsa);
    FUZZ_CHECK(ec || what_ec);
    return 0;
}
