/* SPDX-License-Identifier: Apache-2.0
 * What the configuration points at: addresses, networks and files. Read and checked at start, on a
 * reload, and by the check command. */
#pragma once

#include "api/operator_auth.h"
#include "base/crypto.h"
#include "base/crypto_client.h"
#include "config/config.h"
#include "identity/seal.h"
#include "net/address.h"

struct resources {
    struct listen_address public_at, management_at;
    struct listen_address operator_at; /* only with config->operator_listen */
    struct cidr_list trusted_proxies;
    struct trust *trust; /* for calls to the identity API; NULL: none of them is HTTPS */
    uint8_t trust_digest[SHA256_BYTES]; /* of the PEM that trust was made of */
    struct client_identity *identity;   /* NULL: a secret text proves who we are */
    struct seal_ring *seal;
    bool seal_is_random;                 /* of this process: no file was named */
    struct operator_keys *operator_keys; /* NULL without the operator listener */
};

/* before: what the process runs with; NULL: it starts. Certificates that are still the same are
 * shared with it: trust or identity is then the same pointer, and a client certificate in use is
 * not refused for having expired since. Problems are printed as config_load() prints
 * them, all of them. False: there were some; *ret is then empty. */
NODISCARD bool resources_load(const struct config_loaded *loaded, const struct resources *before,
                              FILE *errors, struct resources *ret);
void resources_finish(struct resources *r); /* accepts a zeroed struct */

/* Trust and identity alone, into an empty *ret. */
NODISCARD bool resources_load_for_calls(const struct config_loaded *loaded, FILE *errors,
                                        struct resources *ret);
