/* SPDX-License-Identifier: Apache-2.0
 * identity/jwt_claims: each rule about claims from both sides: a token that passes and its
 * neighbour that fails, for both kinds, with the exact reason. */
#include "jwt_support.h"

static const struct claim_case {
    const char *name;
    const char *member;
    enum jwt_reason access, id;
} claim_cases[] = {
    {"iss", "", JWT_ISS, JWT_ISS},
    {"iss", "\"iss\":\"" ISS "/\"", JWT_ISS, JWT_ISS},
    {"iss", "\"iss\":[\"" ISS "\"]", JWT_ISS, JWT_ISS},
    {"exp", "", JWT_CLAIM_TYPE, JWT_CLAIM_TYPE},
    {"exp", "\"exp\":\"1790002600\"", JWT_CLAIM_TYPE, JWT_CLAIM_TYPE},
    {"exp", "\"exp\":null", JWT_CLAIM_TYPE, JWT_CLAIM_TYPE},
    {"exp", "\"exp\":true", JWT_CLAIM_TYPE, JWT_CLAIM_TYPE},
    {"exp", "\"exp\":-1", JWT_CLAIM_TYPE, JWT_CLAIM_TYPE},
    {"exp", "\"exp\":1e308", JWT_CLAIM_TYPE, JWT_CLAIM_TYPE},
    {"exp", "\"exp\":9007199254740992", JWT_CLAIM_TYPE, JWT_CLAIM_TYPE},
    {"exp", "\"exp\":1790002600.5", JWT_OK, JWT_OK},
    {"exp", "\"exp\":1.7900026e9", JWT_OK, JWT_OK},
    {"exp", "\"exp\":1e400", JWT_PAYLOAD_JSON, JWT_PAYLOAD_JSON},
    {"exp", "\"exp\":9007199254740991", JWT_LIFETIME, JWT_LIFETIME},
    {"exp", "\"exp\":1790085400", JWT_OK, JWT_OK},
    {"exp", "\"exp\":1790085401", JWT_LIFETIME, JWT_LIFETIME},
    {"exp", "\"exp\":1789999941", JWT_OK, JWT_OK},
    {"exp", "\"exp\":1789999940", JWT_EXPIRED, JWT_EXPIRED},
    {"exp", "\"exp\":0", JWT_EXPIRED, JWT_EXPIRED},
    {"iat", "", JWT_CLAIM_TYPE, JWT_CLAIM_TYPE},
    {"iat", "\"iat\":\"1\"", JWT_CLAIM_TYPE, JWT_CLAIM_TYPE},
    {"iat", "\"iat\":1790000060", JWT_OK, JWT_OK},
    {"iat", "\"iat\":1790000061", JWT_IAT, JWT_IAT},
    {"nbf", "\"nbf\":1790000060", JWT_OK, JWT_OK},
    {"nbf", "\"nbf\":1790000061", JWT_NBF, JWT_NBF},
    {"nbf", "\"nbf\":0", JWT_OK, JWT_OK},
    {"nbf", "\"nbf\":\"0\"", JWT_CLAIM_TYPE, JWT_CLAIM_TYPE},
    {"nbf", "\"nbf\":null", JWT_CLAIM_TYPE, JWT_CLAIM_TYPE},
    {"sub", "", JWT_SUB, JWT_SUB},
    {"sub", "\"sub\":\"\"", JWT_SUB, JWT_SUB},
    {"sub", "\"sub\":7", JWT_SUB, JWT_SUB},
    {"sub", "\"sub\":\"a\\nb\"", JWT_SUB, JWT_SUB},
    {"sub", "\"sub\":\"a\\u0085b\"", JWT_SUB, JWT_SUB},
    {"sub", "\"sub\":\"\xc3\xa9\"", JWT_OK, JWT_OK},
    {"jti", "\"jti\":{\"a\":[1]}", JWT_OK, JWT_OK},
    {"SUB", "\"SUB\":\"other\"", JWT_OK, JWT_OK},
    {"tid", "", JWT_TID, JWT_TID},
    {"tid", "\"tid\":\"other\"", JWT_TID, JWT_TID},
    {"tid", "\"tid\":\"\"", JWT_TID, JWT_TID},
    {"tid", "\"tid\":[\"tenant\"]", JWT_TID, JWT_TID},
    {"azp", "\"azp\":\"client\"", JWT_OK, JWT_OK},
    {"azp", "\"azp\":\"other\"", JWT_AZP, JWT_AZP},
    {"azp", "\"azp\":null", JWT_AZP, JWT_AZP},
    {"client_id", "", JWT_CLIENT_ID, JWT_OK},
    {"client_id", "\"client_id\":\"client\"", JWT_OK, JWT_OK},
    {"client_id", "\"client_id\":\"other\"", JWT_CLIENT_ID, JWT_CLIENT_ID},
    {"client_id", "\"client_id\":[\"client\"]", JWT_CLIENT_ID, JWT_CLIENT_ID},
    {"aud", "", JWT_AUD, JWT_AUD},
    {"aud", "\"aud\":\"userid-api\"", JWT_OK, JWT_AUD},
    {"aud", "\"aud\":\"https://resource\"", JWT_OK, JWT_AUD},
    {"aud", "\"aud\":\"client\"", JWT_AUD, JWT_OK},
    {"aud", "\"aud\":\"userid-ap\"", JWT_AUD, JWT_AUD},
    {"aud", "\"aud\":\"\"", JWT_AUD, JWT_AUD},
    {"aud", "\"aud\":7", JWT_AUD, JWT_AUD},
    {"sub", "\"sub\":\"client\"", JWT_KIND, JWT_KIND},
    {"nonce", "\"nonce\":\"n\"", JWT_KIND, JWT_OK},
    {"events", "\"events\":{}", JWT_KIND, JWT_KIND},
    {"at_hash", "\"at_hash\":\"AAAA\"", JWT_KIND, JWT_AT_HASH},
    {"cnf", "\"cnf\":{\"jkt\":\"x\"}", JWT_BOUND, JWT_OK},
    {"roles", "\"roles\":[\"Admin\"]", JWT_OK, JWT_OK},
};

START_TEST(each_claim_has_its_rule)
{
    const struct claim_case *c = &claim_cases[_i];

    ck_assert_reason(verdict_edited(TOKEN_KIND_ACCESS, c->name, c->member), c->access, c->member);
    ck_assert_reason(verdict_edited(TOKEN_KIND_ID, c->name, c->member), c->id, c->member);
}
END_TEST

START_TEST(a_subject_has_255_bytes_at_most)
{
    char member[300];

    for (int len = 255; len <= 256; len++) {
        (void)snprintf(member, sizeof(member), "\"sub\":\"%0*d\"", len, 7);
        ck_assert_reason(verdict_edited(TOKEN_KIND_ACCESS, "sub", member),
                         len == 255 ? JWT_OK : JWT_SUB, member);
    }
}
END_TEST

/* A payload of the kind with this aud in place of its own, for values that hold commas. */
static enum jwt_reason verdict_aud(enum token_kind kind, const char *aud)
{
    AUTO_BUF struct buf without, payload;

    buf_init(&without, 1 << 16);
    buf_init(&payload, 1 << 20);
    edit(&without, kind == TOKEN_KIND_ID ? ID : ACCESS, "aud", "");
    buf_printf(&payload, "{\"aud\":%s,%s", aud, without.ptr + 1);
    return verdict_signed(kind, HEADER, payload.ptr);
}

START_TEST(audience_arrays)
{
    static const struct {
        const char *aud;
        enum jwt_reason access, id;
    } cases[] = {
        {"[\"userid-api\"]", JWT_OK, JWT_AUD},
        {"[\"x\",\"userid-api\"]", JWT_OK, JWT_AUD},
        {"[\"client\"]", JWT_AUD, JWT_OK},
        {"[\"client\",\"client\"]", JWT_AUD, JWT_AUD},
        {"[\"client\",\"userid-api\"]", JWT_OK, JWT_AUD},
        {"[]", JWT_AUD, JWT_AUD},
        {"[\"x\"]", JWT_AUD, JWT_AUD},
        {"[\"userid-api\",1]", JWT_AUD, JWT_AUD},
        {"[[\"userid-api\"]]", JWT_AUD, JWT_AUD},
        {"{\"userid-api\":true}", JWT_AUD, JWT_AUD},
        {"\"userid-api,x\"", JWT_AUD, JWT_AUD},
        {"[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\","
         "\"14\",\"15\",\"userid-api\"]",
         JWT_OK, JWT_AUD},
        {"[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\","
         "\"14\",\"15\",\"16\",\"userid-api\"]",
         JWT_AUD, JWT_AUD},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_reason(verdict_aud(TOKEN_KIND_ACCESS, cases[i].aud), cases[i].access,
                         cases[i].aud);
        ck_assert_reason(verdict_aud(TOKEN_KIND_ID, cases[i].aud), cases[i].id, cases[i].aud);
    }
}
END_TEST

START_TEST(the_tenant_claim_can_be_optional_or_unchecked)
{
    policy.tenant_claim_required = false;
    ck_assert_reason(verdict_edited(TOKEN_KIND_ACCESS, "tid", ""), JWT_OK, "optional, absent");
    ck_assert_reason(verdict_edited(TOKEN_KIND_ACCESS, "tid", "\"tid\":\"other\""), JWT_TID,
                     "optional, other");
    policy.tenant_id = NULL;
    ck_assert_reason(verdict_edited(TOKEN_KIND_ACCESS, "tid", "\"tid\":\"other\""), JWT_OK,
                     "unchecked");
    ck_assert_reason(verdict_edited(TOKEN_KIND_ACCESS, "tid", "\"tid\":1"), JWT_TID, "no string");
}
END_TEST

START_TEST(logout_takes_tokens_that_expired_within_14_days)
{
    /* 14 days = 1209600 s before NOW_S. */
    AUTO_BUF struct buf fresh, stale;

    buf_init(&fresh, 8192);
    buf_init(&stale, 8192);
    AUTO_BUF struct buf older;
    buf_init(&older, 8192);
    edit(&older, ACCESS, "iat", "\"iat\":1788789000");
    edit(&fresh, older.ptr, "exp", "\"exp\":1788790401");
    edit(&stale, older.ptr, "exp", "\"exp\":1788790400");
    ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS_LOGOUT, HEADER, fresh.ptr), JWT_OK, "14 d");
    ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS_LOGOUT, HEADER, stale.ptr), JWT_EXPIRED,
                     "14 d 1 s");
    ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS, HEADER, fresh.ptr), JWT_EXPIRED, "access");
}
END_TEST

START_TEST(expired_means_that_all_else_is_good)
{
    AUTO_BUF struct buf expired, wrong;

    buf_init(&expired, 8192);
    buf_init(&wrong, 8192);
    edit(&expired, ACCESS, "exp", "\"exp\":1789999500");
    ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS, HEADER, expired.ptr), JWT_EXPIRED, "alone");
    edit(&wrong, expired.ptr, "aud", "\"aud\":\"x\"");
    ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS, HEADER, wrong.ptr), JWT_AUD, "and aud");

    AUTO_BUF struct buf token;
    buf_init(&token, 8192);
    jose_sign(&token, rsa_other, JWS_RS256, str_of(HEADER), buf_str(&expired));
    ck_assert_reason(verdict(TOKEN_KIND_ACCESS, buf_str(&token)), JWT_SIGNATURE, "and signature");
}
END_TEST

START_TEST(at_hash_ties_the_id_token_to_the_access_token)
{
    /* base64url of the left half of SHA-256("access") */
    static const char GOOD[] = "\"at_hash\":\"oFYf1knNtrqnhAVfBRuteQ\"";
    static const char OF_NOTHING[] = "\"at_hash\":\"47DEQpj8HBSa-_TImW-5JA\"";
    const struct {
        const char *at_hash;
        struct str access_token;
        enum jwt_reason reason;
    } cases[] = {
        {GOOD, STR("access"), JWT_OK},
        {GOOD, STR("accesS"), JWT_AT_HASH},
        {GOOD, {NULL, 0}, JWT_AT_HASH},
        {OF_NOTHING, {NULL, 0}, JWT_AT_HASH},
        {"\"at_hash\":\"\"", STR("access"), JWT_AT_HASH},
        {"\"at_hash\":null", STR("access"), JWT_AT_HASH},
        {"\"at_hash\":[]", STR("access"), JWT_AT_HASH},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf payload, token;
        struct jwt_claims claims;
        buf_init(&payload, 8192);
        buf_init(&token, 8192);
        edit(&payload, ID, "at_hash", cases[i].at_hash);
        jose_sign(&token, rsa, JWS_RS256, str_of(HEADER), buf_str(&payload));
        const struct jwt_input in = {.token = buf_str(&token),
                                     .kind = TOKEN_KIND_ID,
                                     .now_s = NOW_S,
                                     .access_token = cases[i].access_token};
        ck_assert_reason(verify_in(&in, &claims), cases[i].reason, cases[i].at_hash);
        jwt_claims_finish(&claims);
    }
}
END_TEST

START_TEST(no_clock_overflows)
{
    static const int64_t CLOCKS[] = {INT64_MIN, -1, 0, INT64_MAX};
    AUTO_BUF struct buf token;

    buf_init(&token, 8192);
    jose_sign(&token, rsa, JWS_RS256, str_of(HEADER), str_of(ACCESS));
    policy.leeway_s = INT64_MAX;
    ck_assert_reason(verdict(TOKEN_KIND_ACCESS, buf_str(&token)), JWT_OK, "leeway");
    policy.leeway_s = 60;
    for (size_t i = 0; i < ARRAY_LEN(CLOCKS); i++) {
        const struct jwt_input in = {
            .token = buf_str(&token), .kind = TOKEN_KIND_ACCESS, .now_s = CLOCKS[i]};
        struct jwt_claims claims;
        ck_assert_reason(verify_in(&in, &claims), CLOCKS[i] > 0 ? JWT_EXPIRED : JWT_IAT, "clock");
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("jwt_claims");

    jwt_fixtures(t);
    tcase_add_loop_test(t, each_claim_has_its_rule, 0, ARRAY_LEN(claim_cases));
    tcase_add_test(t, a_subject_has_255_bytes_at_most);
    tcase_add_test(t, audience_arrays);
    tcase_add_test(t, the_tenant_claim_can_be_optional_or_unchecked);
    tcase_add_test(t, logout_takes_tokens_that_expired_within_14_days);
    tcase_add_test(t, expired_means_that_all_else_is_good);
    tcase_add_test(t, at_hash_ties_the_id_token_to_the_access_token);
    tcase_add_test(t, no_clock_overflows);
    return unit_run(t, "jwt_claims");
}
