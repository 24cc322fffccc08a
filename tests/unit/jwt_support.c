/* SPDX-License-Identifier: Apache-2.0
 * Fixtures of the verifier's tests; see jwt_support.h. */
#include "jwt_support.h"

const char ACCESS[] = "{\"iss\":\"" ISS "\",\"sub\":\"u-1\",\"aud\":\"userid-api\","
                      "\"client_id\":\"client\",\"tid\":\"tenant\",\"iat\":1789999000,"
                      "\"exp\":1790002600,\"scope\":\"openid\",\"jti\":\"1\"}";
const char ID[] = "{\"iss\":\"" ISS "\",\"sub\":\"u-1\",\"aud\":\"client\","
                  "\"tid\":\"tenant\",\"iat\":1789999000,\"exp\":1790002600}";
const char HEADER[] = "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k\"}";

EVP_PKEY *rsa, *rsa_other, *ec;
struct keyset *set, *set_other;
struct arena arena;

static char default_audience[] = "userid-api";
static char other_audience[] = "https://resource";
static char *audience_items[] = {default_audience, other_audience};
static const struct str_list audiences = {audience_items, 2};
static char iss[] = ISS;
static char other_iss[] = OTHER_ISS;
static const struct issuer issuers[] = {{iss, NULL}, {other_iss, NULL}};
bool algorithms[JWS_ALG_COUNT];
struct jwt_policy policy;

static struct keyset *set_of(const char *issuer, EVP_PKEY *key)
{
    AUTO_BUF struct buf body;
    struct keyset_report report;
    struct err_text text;
    struct keyset *made = NULL;

    buf_init(&body, 1 << 16);
    buf_append_z(&body, "{\"keys\":[");
    jose_jwk(&body, key, "k", ",\"alg\":\"RS256\"");
    buf_append_byte(&body, ',');
    jose_jwk(&body, key, "any", "");
    buf_append_byte(&body, ',');
    jose_jwk(&body, ec, "ec", "");
    buf_append_z(&body, "]}");
    ck_assert_int_eq(keyset_parse(buf_str(&body), str_of(issuer), &made, &report, &text), ERR_OK);
    return made;
}

static void setup_keys(void)
{
    rsa = jose_rsa_key(2048);
    rsa_other = jose_rsa_key(2048);
    ec = jose_ec_key("P-256");
    set = set_of(ISS, rsa);
    set_other = set_of(OTHER_ISS, rsa_other);
}

static void teardown_keys(void)
{
    keyset_unref(set);
    keyset_unref(set_other);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(rsa_other);
    EVP_PKEY_free(ec);
}

static void setup(void)
{
    memset(algorithms, 0, sizeof(algorithms));
    algorithms[JWS_RS256] = true;
    policy = (struct jwt_policy){
        .algorithms = algorithms,
        .leeway_s = 60,
        .max_lifetime_s = 86400,
        .max_bytes = 8192,
        .tenant_id = "tenant",
        .tenant_claim_required = true,
        .client_id = "client",
        .audiences = &audiences,
    };
    arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
    arena_finish(&arena);
}

enum jwt_reason verify_in(const struct jwt_input *in, struct jwt_claims *ret)
{
    struct keyset *const sets[] = {set, set_other};
    const struct keyring keys = {issuers, sets, ARRAY_LEN(sets)};
    struct str kid = {NULL, 0};
    size_t issuer = 99;

    const enum jwt_reason reason = jwt_verify(&policy, &keys, in, &arena, ret, &issuer, &kid);
    if (reason == JWT_UNKNOWN_KID || reason == JWT_KEYS_MISSING) {
        ck_assert_uint_lt(issuer, keys.count);
        ck_assert_ptr_nonnull(kid.ptr);
    }
    if (reason != JWT_OK)
        ck_assert_msg(!ret->payload && !ret->sub.ptr, "a refusal left claims behind");
    return reason;
}

enum jwt_reason verdict(enum token_kind kind, struct str token)
{
    const struct jwt_input in = {.token = token, .kind = kind, .now_s = NOW_S};
    struct jwt_claims claims;

    arena_reset(&arena);
    const enum jwt_reason reason = verify_in(&in, &claims);
    jwt_claims_finish(&claims);
    return reason;
}

enum jwt_reason verdict_signed(enum token_kind kind, const char *header, const char *payload)
{
    AUTO_BUF struct buf token;

    buf_init(&token, 1 << 20);
    jose_sign(&token, rsa, JWS_RS256, str_of(header), str_of(payload));
    return verdict(kind, buf_str(&token));
}

void edit(struct buf *out, const char *payload, const char *name, const char *member)
{
    char start[64];

    (void)snprintf(start, sizeof(start), "\"%s\":", name);
    const char *at = strstr(payload, start);
    if (!at && *member == '\0') {
        buf_append_z(out, payload);
        return;
    }
    if (!at) {
        buf_printf(out, "{%s,%s", member, payload + 1);
        return;
    }
    const char *end = at + strcspn(at, ",}");
    const char *before_end = at;
    if (*member == '\0' && *end == ',')
        end++;
    else if (*member == '\0')
        before_end--; /* the comma before the last member */
    buf_append(out, (struct str){payload, (size_t)(before_end - payload)});
    buf_append_z(out, member);
    buf_append_z(out, end);
}

enum jwt_reason verdict_edited(enum token_kind kind, const char *name, const char *member)
{
    AUTO_BUF struct buf payload;

    buf_init(&payload, 1 << 20);
    edit(&payload, kind == TOKEN_KIND_ID ? ID : ACCESS, name, member);
    return verdict_signed(kind, HEADER, payload.ptr);
}

void jwt_fixtures(TCase *t)
{
    tcase_set_timeout(t, 60);
    tcase_add_unchecked_fixture(t, setup_keys, teardown_keys);
    tcase_add_checked_fixture(t, setup, teardown);
}
