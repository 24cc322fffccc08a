/* SPDX-License-Identifier: Apache-2.0
 * The verifier's story: structure and header, issuer, key, signature, claims. The parts are in
 * jwt_parse.c, jwk_verify.c and jwt_claims.c. */
#include "identity/jwt_internal.h"

#include "base/crypto.h"
#include "base/json.h"

enum { SIGNATURE_ONLY_ARENA_BYTES = 256 * 1024 };

const char *const JWT_REASON_LABELS[JWT_REASON_COUNT] = {
#define X(id, label) [id] = label,
    JWT_REASON_TABLE(X)
#undef X
};

struct jwt_policy jwt_policy_of(const struct config *c)
{
    return (struct jwt_policy){
        .algorithms = c->jwt_algorithms,
        .leeway_s = c->jwt_leeway_s,
        .max_lifetime_s = c->jwt_max_lifetime_s,
        .max_bytes = (size_t)c->jwt_max_bytes,
        .tenant_id = c->tenant_id,
        .tenant_claim_required = c->tenant_claim_required,
        .client_id = c->client_id,
        .audiences = &c->access_token_audiences,
    };
}

void jwt_claims_finish(struct jwt_claims *c)
{
    json_free(c->payload);
    *c = (struct jwt_claims){.payload = NULL};
}

/* RFC 9068 §4: a token that calls itself an access token is no ID token. */
static bool typ_fits(enum token_kind kind, enum jws_typ typ)
{
    switch (typ) {
    case JWS_TYP_ABSENT:
    case JWS_TYP_JWT:
        return true;
    case JWS_TYP_AT_JWT:
        return kind != TOKEN_KIND_ID;
    case JWS_TYP_OTHER:
        return false;
    }
    return false;
}

/* Its length was bounded with the token's. */
static enum jwt_reason payload_read(struct str text, struct json **ret)
{
    const struct json_limits limits = {.bytes_max = text.len, .depth_max = 8, .values_max = 1024};
    struct json_error json_error;

    const enum err e = json_parse(text, &limits, ret, &json_error);
    if (e != ERR_OK)
        return e == ERR_NO_MEMORY ? JWT_NO_MEMORY : JWT_PAYLOAD_JSON;
    return json_type(*ret) == JSON_OBJECT ? JWT_OK : JWT_PAYLOAD_JSON;
}

/* The issuer is read before the signature is checked: it only chooses among sets that are all
 * trusted, each for its own issuer. */
static enum jwt_reason issuer_find(const struct keyring *keys, const struct json *payload,
                                   size_t *ret_issuer)
{
    const struct str iss = json_string(json_member(payload, "iss"));

    if (!iss.ptr)
        return JWT_ISS;
    for (size_t i = 0; i < keys->count; i++) {
        if (str_is(iss, keys->issuers[i].issuer)) {
            *ret_issuer = i;
            return JWT_OK;
        }
    }
    return JWT_ISS;
}

static enum jwt_reason key_find(const struct keyring *keys, size_t issuer, const struct jws *jws,
                                const struct jwk **ret)
{
    const struct keyset *set = keys->sets[issuer];

    if (!set || !str_is(keyset_issuer(set), keys->issuers[issuer].issuer))
        return JWT_KEYS_MISSING;
    *ret = keyset_find(set, jws->kid);
    if (!*ret)
        return JWT_UNKNOWN_KID;
    return jwk_allows(*ret, jws->alg) ? JWT_OK : JWT_KEY_ALG;
}

static enum jwt_reason signature_check(const struct jwk *key, const struct jws *jws)
{
    if (jwk_verify(key, jws->alg, jws->signing_input, jws->signature, jws->signature_len))
        return JWT_OK;
    return crypto_lacked_memory() ? JWT_NO_MEMORY : JWT_SIGNATURE;
}

enum jwt_reason jwt_verify(const struct jwt_policy *policy, const struct keyring *keys,
                           const struct jwt_input *in, struct arena *arena, struct jwt_claims *ret,
                           size_t *ret_issuer, struct str *ret_kid)
{
    AUTO_JSON struct json *payload = NULL;
    const struct jwk *key = NULL;
    struct jws jws;
    size_t issuer = 0;

    *ret = (struct jwt_claims){.payload = NULL};

    enum jwt_reason reason =
        jws_parse(policy->algorithms, policy->max_bytes, in->token, arena, &jws);
    if (reason != JWT_OK)
        return reason;
    if (!jws.kid.ptr)
        return JWT_KID;
    if (!typ_fits(in->kind, jws.typ))
        return JWT_TYP;

    reason = payload_read(jws.payload, &payload);
    if (reason != JWT_OK)
        return reason;
    reason = issuer_find(keys, payload, &issuer);
    if (reason != JWT_OK)
        return reason;

    *ret_issuer = issuer;
    *ret_kid = jws.kid;
    reason = key_find(keys, issuer, &jws, &key);
    if (reason != JWT_OK)
        return reason;
    reason = signature_check(key, &jws);
    if (reason != JWT_OK)
        return reason;

    reason = jwt_claims_check(policy, in, jws.alg, key, payload, arena, ret);
    if (reason != JWT_OK)
        return reason;
    ret->payload = payload;
    payload = NULL;
    return JWT_OK;
}

enum jwt_reason jws_verify_signature(const bool *algorithms, const struct keyset *keys,
                                     struct str token, size_t max_bytes)
{
    AUTO(arena_finish) struct arena arena;
    struct jws jws;

    arena_init(&arena, SIGNATURE_ONLY_ARENA_BYTES);
    const enum jwt_reason reason = jws_parse(algorithms, max_bytes, token, &arena, &jws);
    if (reason != JWT_OK)
        return reason;

    const struct jwk *key = jws.kid.ptr ? keyset_find(keys, jws.kid) : keyset_only(keys);
    if (!key)
        return jws.kid.ptr ? JWT_UNKNOWN_KID : JWT_KID;
    if (!jwk_allows(key, jws.alg))
        return JWT_KEY_ALG;
    return signature_check(key, &jws);
}
