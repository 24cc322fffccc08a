/* SPDX-License-Identifier: Apache-2.0
 * What the claims of a signed token must say (RFC 7519 §4.1, api.md section 5): one function a
 * rule, in the order of JWT_REASON_TABLE. A claim of the wrong type is an error, never "absent". */
#include "identity/jwt_internal.h"

#include "base/buf.h"

enum { SUB_BYTES_MAX = 255, AUD_COUNT_MAX = 16, LOGOUT_GRACE_S = 14 * 24 * 60 * 60 };

/* Numbers up to here are exact in a double. */
static const int64_t TIME_MAX_S = INT64_C(1) << 53;

struct claims_case {
    const struct jwt_policy *policy;
    const struct jwt_input *in;
    const struct json *payload;
    const struct jwk *key;
    enum jws_alg alg;
    int64_t now_s, leeway_s; /* both within 0 and TIME_MAX_S: sums cannot overflow */
    int64_t exp_s, iat_s, nbf_s;
    struct str sub;
};
typedef enum jwt_reason claim_rule(struct claims_case *c);

static int64_t clamp_time(int64_t value_s)
{
    if (value_s < 0)
        return 0;
    return value_s > TIME_MAX_S ? TIME_MAX_S : value_s;
}

static const struct json *claim(const struct claims_case *c, const char *name)
{
    return json_member(c->payload, name);
}

static bool claim_equals(const struct json *value, const char *wanted)
{
    const struct str text = json_string(value);

    return text.ptr && str_is(text, wanted);
}

/* A NumericDate; fractions are cut off. Compared as a double first: a cast of 1e300 is undefined.
 */
static bool time_read(const struct json *value, int64_t *ret_s)
{
    double number;

    if (!json_number(value, &number) || !(number >= 0 && number < (double)TIME_MAX_S))
        return false;
    *ret_s = (int64_t)number;
    return true;
}

static enum jwt_reason times_have_types(struct claims_case *c)
{
    const struct json *nbf = claim(c, "nbf");

    if (!time_read(claim(c, "exp"), &c->exp_s) || !time_read(claim(c, "iat"), &c->iat_s))
        return JWT_CLAIM_TYPE;
    if (nbf && !time_read(nbf, &c->nbf_s))
        return JWT_CLAIM_TYPE;
    return JWT_OK;
}

static enum jwt_reason iat_is_past(struct claims_case *c)
{
    return c->iat_s <= c->now_s + c->leeway_s ? JWT_OK : JWT_IAT;
}

static enum jwt_reason nbf_is_past(struct claims_case *c)
{
    return c->nbf_s <= c->now_s + c->leeway_s ? JWT_OK : JWT_NBF;
}

static enum jwt_reason lifetime_is_bounded(struct claims_case *c)
{
    return c->exp_s - c->iat_s <= c->policy->max_lifetime_s ? JWT_OK : JWT_LIFETIME;
}

static enum jwt_reason sub_is_good(struct claims_case *c)
{
    c->sub = json_string(claim(c, "sub"));
    if (c->sub.len < 1 || c->sub.len > SUB_BYTES_MAX || str_has_control(c->sub))
        return JWT_SUB;
    return JWT_OK;
}

static enum jwt_reason tid_is_ours(struct claims_case *c)
{
    const struct json *tid = claim(c, "tid");

    if (tid && !json_string(tid).ptr)
        return JWT_TID;
    if (!c->policy->tenant_id)
        return JWT_OK;
    if (!tid)
        return c->policy->tenant_claim_required ? JWT_TID : JWT_OK;
    return claim_equals(tid, c->policy->tenant_id) ? JWT_OK : JWT_TID;
}

static enum jwt_reason azp_is_ours(struct claims_case *c)
{
    const struct json *azp = claim(c, "azp");

    return !azp || claim_equals(azp, c->policy->client_id) ? JWT_OK : JWT_AZP;
}

/* Access tokens must name the client; ID tokens do not, but one that names another is not ours. */
static enum jwt_reason client_is_ours(struct claims_case *c)
{
    const struct json *client_id = claim(c, "client_id");

    if (!client_id && c->in->kind == TOKEN_KIND_ID)
        return JWT_OK;
    return claim_equals(client_id, c->policy->client_id) ? JWT_OK : JWT_CLIENT_ID;
}

static bool audience_is_ours(const struct claims_case *c, const struct json *entry)
{
    const struct str_list *audiences = c->policy->audiences;

    if (c->in->kind == TOKEN_KIND_ID)
        return claim_equals(entry, c->policy->client_id);
    for (size_t i = 0; i < audiences->count; i++) {
        if (claim_equals(entry, audiences->items[i]))
            return true;
    }
    return false;
}

/* RFC 7519 §4.1.3: a string, or an array of strings. An ID token is for us alone (one entry). */
static enum jwt_reason aud_is_ours(struct claims_case *c)
{
    const struct json *aud = claim(c, "aud");
    const size_t count_max = c->in->kind == TOKEN_KIND_ID ? 1 : AUD_COUNT_MAX;
    bool found = false;

    if (!aud || json_type(aud) != JSON_ARRAY)
        return audience_is_ours(c, aud) ? JWT_OK : JWT_AUD;
    if (json_count(aud) > count_max)
        return JWT_AUD;
    for (const struct json *entry = json_first(aud); entry; entry = json_next(entry)) {
        if (json_type(entry) != JSON_STRING)
            return JWT_AUD;
        found = found || audience_is_ours(c, entry);
    }
    return found ? JWT_OK : JWT_AUD;
}

/* RFC 8725 §3.12: the kinds are not interchangeable. A client token's subject is the client; a
 * nonce or at_hash marks an ID token, events a logout token. */
static enum jwt_reason kind_is_right(struct claims_case *c)
{
    if (str_is(c->sub, c->policy->client_id) || claim(c, "events"))
        return JWT_KIND;
    if (c->in->kind == TOKEN_KIND_ID)
        return JWT_OK;
    return claim(c, "nonce") || claim(c, "at_hash") ? JWT_KIND : JWT_OK;
}

/* A sender-constrained token that comes as a plain Bearer has left its owner's hands. */
static enum jwt_reason token_is_unbound(struct claims_case *c)
{
    return c->in->kind != TOKEN_KIND_ID && claim(c, "cnf") ? JWT_BOUND : JWT_OK;
}

static enum jwt_reason at_hash_fits(struct claims_case *c)
{
    const struct json *at_hash = claim(c, "at_hash");
    AUTO_BUF struct buf wanted;

    buf_init(&wanted, 64);
    if (c->in->kind != TOKEN_KIND_ID || !at_hash)
        return JWT_OK;
    if (!c->in->access_token.ptr || !jwk_half_hash(c->key, c->alg, c->in->access_token, &wanted) ||
        !buf_ok(&wanted))
        return JWT_AT_HASH;
    return str_eq(json_string(at_hash), buf_str(&wanted)) ? JWT_OK : JWT_AT_HASH;
}

/* The last rule, so that "expired" means that all else is good. */
static enum jwt_reason token_is_alive(struct claims_case *c)
{
    int64_t grace_s = c->leeway_s;

    if (c->in->kind == TOKEN_KIND_ACCESS_LOGOUT && grace_s < LOGOUT_GRACE_S)
        grace_s = LOGOUT_GRACE_S;
    return c->exp_s > c->now_s - grace_s ? JWT_OK : JWT_EXPIRED;
}

static claim_rule *const RULES[] = {
    times_have_types, iat_is_past,  nbf_is_past,    lifetime_is_bounded, sub_is_good,
    tid_is_ours,      azp_is_ours,  client_is_ours, aud_is_ours,         kind_is_right,
    token_is_unbound, at_hash_fits, token_is_alive,
};

/* ptr NULL when the claim is absent or no string. False: no memory. */
static bool claim_copy(const struct claims_case *c, const char *name, struct arena *arena,
                       struct str *ret)
{
    const struct str text = json_string(claim(c, name));

    *ret = text.ptr ? arena_copy(arena, text) : (struct str){NULL, 0};
    return !text.ptr || ret->ptr;
}

enum jwt_reason jwt_claims_check(const struct jwt_policy *policy, const struct jwt_input *in,
                                 enum jws_alg alg, const struct jwk *key,
                                 const struct json *payload, struct arena *arena,
                                 struct jwt_claims *ret)
{
    struct claims_case c = {
        .policy = policy,
        .in = in,
        .payload = payload,
        .key = key,
        .alg = alg,
        .now_s = clamp_time(in->now_s),
        .leeway_s = clamp_time(policy->leeway_s),
    };

    for (size_t i = 0; i < ARRAY_LEN(RULES); i++) {
        const enum jwt_reason reason = RULES[i](&c);
        if (reason != JWT_OK)
            return reason;
    }

    struct jwt_claims claims = {.iat_s = c.iat_s, .exp_s = c.exp_s, .nbf_s = c.nbf_s, .alg = alg};
    if (!claim_copy(&c, "sub", arena, &claims.sub) ||
        !claim_copy(&c, "client_id", arena, &claims.client_id) ||
        !claim_copy(&c, "tid", arena, &claims.tid) ||
        !claim_copy(&c, "scope", arena, &claims.scope))
        return JWT_NO_MEMORY;
    *ret = claims;
    return JWT_OK;
}

bool jwt_claims_in_time(const struct jwt_policy *policy, const struct jwt_claims *claims,
                        int64_t now_s)
{
    const struct jwt_input in = {.kind = TOKEN_KIND_ACCESS};
    struct claims_case c = {
        .policy = policy,
        .in = &in,
        .now_s = clamp_time(now_s),
        .leeway_s = clamp_time(policy->leeway_s),
        .exp_s = claims->exp_s,
        .iat_s = claims->iat_s,
        .nbf_s = claims->nbf_s,
    };

    return iat_is_past(&c) == JWT_OK && nbf_is_past(&c) == JWT_OK && token_is_alive(&c) == JWT_OK;
}
