/* SPDX-License-Identifier: Apache-2.0
 * identity/jwt_verify: any token, for each kind of token; then its payload alone under the rules
 * about claims, which a fuzzer would never reach behind a signature. */
#include "fuzz.h"

#include "identity/jwt_internal.h"

/* Public keys of the corpus; the private ones were thrown away. */
static const char KEYS[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"0kv1tJJ51m9kk4pcS5AQsD-gXpiFh00tLbimoeqTPAqB"
    "6JFQqloTYWQ7Taa4QDzPb927FTmoEwjCyf6EoqKKCYLGTY00hdgqzvKrO9HcFW26aGT6PZR9ySSv5pVm"
    "6UP7aPGxoLVGhDLeU6dwbcCtQdENlnLFHapFkZ8xkpDjDQpyZo8-bLtMYfgeI281i1J1TevRjydYS7AD"
    "6zYa49B2kke3Wlu662HDVmP7I4Ns_4J0WrX_Isir1PK57hnhHQMmXlh2CwsJws9qFBBeotKkoy-enEUI"
    "e5qsVM38XrHFBQQgUvlbuVvVyHHDsvQWyRwdSWQKZbngx2x9ous4i3zkJw\",\"e\":\"AQAB\",\"ki"
    "d\":\"k\",\"use\":\"sig\",\"alg\":\"RS256\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\""
    "x\":\"tkZtjG_NmlI0PTAsK2aYzi_eCJDb3OdupnzVFZ70dYU\",\"y\":\"CKpRLbkUmeWyKkn2I-O0"
    "NlTPPuFptxp7SzA_HThG5Fk\",\"kid\":\"e\",\"use\":\"sig\",\"alg\":\"ES256\"}]}";

static char issuer[] = "https://issuer.example";
static char audience[] = "userid-api";
static const int64_t NOW_S = 1790000000;

static struct keyset *keys_get(void)
{
    static struct keyset *set;
    struct keyset_report report;
    struct err_text text;

    if (!set)
        FUZZ_CHECK(keyset_parse(str_of(KEYS), str_of(issuer), &set, &report, &text) == ERR_OK);
    return set;
}

static void check_claims(const struct jwt_policy *policy, const struct jwt_input *in,
                         struct arena *arena)
{
    static const struct json_limits LIMITS = {
        .bytes_max = 6144, .depth_max = 8, .values_max = 1024};
    AUTO_JSON struct json *payload = NULL;
    struct json_error error;
    struct jwt_claims claims;
    const struct jwk *key = keyset_find(keys_get(), STR("k"));

    if (json_parse(in->token, &LIMITS, &payload, &error) != ERR_OK ||
        json_type(payload) != JSON_OBJECT)
        return;
    if (jwt_claims_check(policy, in, JWS_RS256, key, payload, arena, &claims) != JWT_OK)
        return;
    FUZZ_CHECK(claims.sub.len >= 1 && claims.sub.len <= 255);
    FUZZ_CHECK(claims.iat_s <= NOW_S + policy->leeway_s);
    FUZZ_CHECK(claims.exp_s - claims.iat_s <= policy->max_lifetime_s);
}

static void check_token(const struct jwt_policy *policy, const struct jwt_input *in,
                        struct arena *arena)
{
    static const struct issuer ISSUERS[] = {{issuer, NULL}};
    struct keyset *const sets[] = {keys_get()};
    const struct keyring ring = {ISSUERS, sets, 1};
    struct jwt_claims claims;
    struct str kid = {NULL, 0};
    size_t at = 0;

    const enum jwt_reason reason = jwt_verify(policy, &ring, in, arena, &claims, &at, &kid);
    FUZZ_CHECK(reason < JWT_REASON_COUNT);
    FUZZ_CHECK((reason == JWT_OK) == (claims.payload != NULL));
    FUZZ_CHECK(reason != JWT_UNKNOWN_KID || kid.ptr);
    jwt_claims_finish(&claims);
    (void)!jws_verify_signature(policy->algorithms, keys_get(), in->token, policy->max_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const bool ALGORITHMS[JWS_ALG_COUNT] = {[JWS_RS256] = true, [JWS_ES256] = true};
    static char *audience_items[] = {audience};
    static const struct str_list AUDIENCES = {audience_items, 1};
    static const struct jwt_policy POLICY = {
        .algorithms = ALGORITHMS,
        .leeway_s = 60,
        .max_lifetime_s = 86400,
        .max_bytes = 8192,
        .tenant_id = "tenant",
        .client_id = "client",
        .audiences = &AUDIENCES,
    };
    AUTO(arena_finish) struct arena arena;
    struct str token = {(const char *)bytes, len};

    arena_init(&arena, 1 << 20);
    for (enum token_kind kind = TOKEN_KIND_ACCESS; kind <= TOKEN_KIND_ID; kind++) {
        struct jwt_input in = {
            .token = token, .kind = kind, .now_s = NOW_S, .access_token = STR("access")};
        check_token(&POLICY, &in, &arena);
        check_claims(&POLICY, &in, &arena);
    }
    return 0;
}
