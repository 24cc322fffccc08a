/* SPDX-License-Identifier: Apache-2.0
 * The Bearer tokens that a worker has verified, by their SHA-256, with the claims that the verifier
 * gave: a token that comes again costs a hash instead of a signature. It only ever says "verified"
 * or nothing; refusals are the verifier's. Bounded, one a worker, no lock. Whoever must verify anew
 * (authenticate, refresh, logout) does not look here. (docs/decisions/0013-token-memory.md) */
#pragma once

#include "identity/jwt_verify.h"

struct token_memory;

enum { TOKEN_ID_BYTES = 32 };
struct token_id { /* SHA-256 of the whole token */
    uint8_t bytes[TOKEN_ID_BYTES];
};

/* Label values of the memory's metrics; before metrics_start(). */
void token_memory_register_metrics(void);

/* tokens_max > 0: exact ceiling. issuer_count: of every keyring that is shown to it. NULL: no
 * memory. */
NODISCARD struct token_memory *token_memory_create(size_t tokens_max, size_t issuer_count);
/* Cleanses; accepts NULL. */
void token_memory_destroy(struct token_memory *m);

/* The policy has changed: all tokens are verified anew. */
void token_memory_forget(struct token_memory *m);

/* False: it could not be hashed. */
NODISCARD bool token_id_of(struct str token, struct token_id *ret);

/* True: this access token was verified before under the very key sets of `keys`, and its times are
 * such that the verifier would pass it at now_s; *ret is what it said, without `payload`, texts
 * from the arena. False: verify it. Any change of a key set forgets everything. policy is the one
 * of all calls since token_memory_forget(). */
NODISCARD bool token_memory_find(struct token_memory *m, const struct jwt_policy *policy,
                                 const struct keyring *keys, const struct token_id *id,
                                 int64_t now_s, struct arena *arena, struct jwt_claims *ret);
/* After JWT_OK for TOKEN_KIND_ACCESS under these keys. Without memory nothing is remembered. */
void token_memory_keep(struct token_memory *m, const struct keyring *keys,
                       const struct token_id *id, const struct jwt_claims *claims);
