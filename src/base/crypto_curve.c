/* SPDX-License-Identifier: Apache-2.0
 * Points of the NIST curves. The groups are made once, because making one costs many times what a
 * look at a point does; afterwards they are only read, by any thread. */
#include "base/crypto.h"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include "base/auto.h"
#include "base/crypto_internal.h"

static const int NIDS[CRYPTO_CURVE_COUNT] = {
    [CRYPTO_P256] = NID_X9_62_prime256v1,
    [CRYPTO_P384] = NID_secp384r1,
    [CRYPTO_P521] = NID_secp521r1,
};

/* Written by crypto_init() before any thread exists, read only afterwards. */
static EC_GROUP *groups[CRYPTO_CURVE_COUNT];

static void point_freep(EC_POINT **point)
{
    EC_POINT_free(*point);
}

bool crypto_curves_init(void)
{
    for (size_t i = 0; i < CRYPTO_CURVE_COUNT; i++) {
        groups[i] = EC_GROUP_new_by_curve_name(NIDS[i]);
        if (!groups[i]) {
            crypto_curves_finish();
            return false;
        }
    }
    return true;
}

void crypto_curves_finish(void)
{
    for (size_t i = 0; i < CRYPTO_CURVE_COUNT; i++) {
        EC_GROUP_free(groups[i]);
        groups[i] = NULL;
    }
}

bool crypto_point_is_good(enum crypto_curve curve, struct str point)
{
    const EC_GROUP *group = groups[curve];
    AUTO(point_freep) EC_POINT *decoded = group ? EC_POINT_new(group) : NULL;

    /* EC_POINT_oct2point() refuses what is not on the curve. */
    return (decoded &&
            EC_POINT_oct2point(group, decoded, (const uint8_t *)point.ptr, point.len, NULL) == 1 &&
            EC_POINT_is_at_infinity(group, decoded) == 0) ||
           crypto_refuse(!decoded);
}
