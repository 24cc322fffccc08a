/* SPDX-License-Identifier: Apache-2.0
 * identity/jwt_parse: what is no compact JWS, what a header may say, and that each damaged
 * character is noticed; with the exact reason. */
#include "jwt_support.h"

START_TEST(structure)
{
    static const struct {
        const char *token;
        enum jwt_reason reason;
    } cases[] = {
        {"", JWT_STRUCTURE},
        {".", JWT_STRUCTURE},
        {"..", JWT_STRUCTURE},
        {"a.b", JWT_STRUCTURE},
        {"e30.e30.", JWT_STRUCTURE},
        {".e30.e30", JWT_STRUCTURE},
        {"e30..e30", JWT_STRUCTURE},
        {"e30.e30.e30.e30", JWT_STRUCTURE},
        {"a.b.c.d.e", JWT_ENCRYPTED},
        {"....", JWT_ENCRYPTED},
        {"a.b.c.d.e.f", JWT_STRUCTURE},
        {"e30.e30.e30=", JWT_BASE64},
        {"e30 .e30.e30", JWT_BASE64},
        {"e30.e31.e30", JWT_BASE64},
        {"e30.e30.e", JWT_BASE64},
        {"e30.e30.e30", JWT_ALG},
        {"W10.e30.e30", JWT_HEADER_JSON},
        {"e3.e30.e30", JWT_BASE64},
        {"AAAA.e30.e30", JWT_HEADER_JSON},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_reason(verdict(TOKEN_KIND_ACCESS, str_of(cases[i].token)), cases[i].reason,
                         cases[i].token);
}
END_TEST

START_TEST(sizes_have_ceilings)
{
    AUTO_BUF struct buf payload, header;
    char filler[5000];

    memset(filler, 'x', sizeof(filler));
    buf_init(&payload, 1 << 16);
    buf_init(&header, 1 << 16);
    buf_printf(&payload, "{\"a\":\"%.*s\",%s", 4900, filler, ACCESS + 1);
    ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS, HEADER, payload.ptr), JWT_OK, "5 kB");
    buf_reset(&payload);
    buf_printf(&payload, "{\"a\":\"%.*s\",\"b\":\"%.*s\",%s", 4900, filler, 1100, filler,
               ACCESS + 1);
    ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS, HEADER, payload.ptr), JWT_TOO_LARGE, "6 kB");
    policy.max_bytes = 16384;
    ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS, HEADER, payload.ptr), JWT_OK, "raised");
    policy.max_bytes = 1000;
    ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS, HEADER, ACCESS), JWT_OK, "small");
    policy.max_bytes = 500;
    ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS, HEADER, ACCESS), JWT_TOO_LARGE, "limit");
    policy.max_bytes = 8192;
    buf_printf(&header, "{\"a\":\"%.*s\",%s", 1100, filler, HEADER + 1);
    ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS, header.ptr, ACCESS), JWT_TOO_LARGE,
                     "header");
}
END_TEST

START_TEST(headers)
{
    static const struct {
        const char *header;
        enum jwt_reason reason;
    } cases[] = {
        {"{\"alg\":\"RS256\",\"kid\":\"k\"}", JWT_OK},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"unknown\":[1]}", JWT_OK},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"jwt\"}", JWT_OK},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"at+jwt\"}", JWT_OK},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"application/AT+JWT\"}", JWT_OK},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"Application/jwt\"}", JWT_OK},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"logout+jwt\"}", JWT_TYP},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"\"}", JWT_TYP},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"application/\"}", JWT_TYP},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":null}", JWT_TYP},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":{}}", JWT_TYP},
        {"{\"alg\":\"none\",\"kid\":\"k\"}", JWT_ALG},
        {"{\"alg\":\"rs256\",\"kid\":\"k\"}", JWT_ALG},
        {"{\"alg\":\"RS256 \",\"kid\":\"k\"}", JWT_ALG},
        {"{\"alg\":\"HS256\",\"kid\":\"k\"}", JWT_ALG},
        {"{\"alg\":[\"RS256\"],\"kid\":\"k\"}", JWT_ALG},
        {"{\"alg\":null,\"kid\":\"k\"}", JWT_ALG},
        {"{\"kid\":\"k\"}", JWT_ALG},
        {"{\"alg\":\"PS256\",\"kid\":\"k\"}", JWT_ALG},
        {"{\"alg\":\"ES256\",\"kid\":\"ec\"}", JWT_ALG},
        {"{\"alg\":\"RS256\",\"alg\":\"RS256\",\"kid\":\"k\"}", JWT_HEADER_JSON},
        {"{\"alg\":\"RS256\",\"kid\":\"k\"} ", JWT_OK},
        {"{\"alg\":\"RS256\",\"kid\":\"k\"}x", JWT_HEADER_JSON},
        {"{\"alg\":\"RS256\"}", JWT_KID},
        {"{\"alg\":\"RS256\",\"kid\":\"\"}", JWT_KID},
        {"{\"alg\":\"RS256\",\"kid\":1}", JWT_KID},
        {"{\"alg\":\"RS256\",\"kid\":\"k\\u00e9\"}", JWT_KID},
        {"{\"alg\":\"RS256\",\"kid\":\"k\x7f\"}", JWT_KID},
        {"{\"alg\":\"RS256\",\"kid\":\"K\"}", JWT_UNKNOWN_KID},
        {"{\"alg\":\"RS256\",\"kid\":\"k \"}", JWT_UNKNOWN_KID},
        {"{\"alg\":\"RS256\",\"kid\":\"ec\"}", JWT_KEY_ALG},
        {"{\"alg\":\"RS256\",\"kid\":\"any\"}", JWT_OK},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"crit\":[\"b64\"]}", JWT_HEADER_MEMBER},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"b64\":true}", JWT_HEADER_MEMBER},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"jwk\":{}}", JWT_HEADER_MEMBER},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"jku\":\"https://x\"}", JWT_HEADER_MEMBER},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"x5u\":\"https://x\"}", JWT_HEADER_MEMBER},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"x5c\":[]}", JWT_HEADER_MEMBER},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"zip\":\"DEF\"}", JWT_HEADER_MEMBER},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"enc\":\"A256GCM\"}", JWT_HEADER_MEMBER},
        {"{\"alg\":\"RS256\",\"kid\":\"k\",\"cty\":\"JWT\"}", JWT_HEADER_MEMBER},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS, cases[i].header, ACCESS),
                         cases[i].reason, cases[i].header);
    ck_assert_reason(verdict_signed(TOKEN_KIND_ID, cases[3].header, ID), JWT_TYP,
                     "at+jwt ID token");
    ck_assert_reason(verdict_signed(TOKEN_KIND_ID, cases[2].header, ID), JWT_OK, "jwt ID token");
}
END_TEST

START_TEST(payloads)
{
    static const char *const BAD[] = {"",
                                      "[]",
                                      "null",
                                      "\"x\"",
                                      "1",
                                      "{",
                                      "{}x",
                                      "{\"a\":1,\"a\":1}",
                                      "\xef\xbb\xbf{}",
                                      "{\"a\":\"\\u0000\"}",
                                      "{\"a\":01}"};

    for (size_t i = 1; i < ARRAY_LEN(BAD); i++)
        ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS, HEADER, BAD[i]), JWT_PAYLOAD_JSON,
                         BAD[i]);
    ck_assert_reason(verdict_signed(TOKEN_KIND_ACCESS, HEADER, "{}"), JWT_ISS, "{}");
    ck_assert_reason(verdict_edited(TOKEN_KIND_ACCESS, "deep", "\"deep\":[[[[[[[1]]]]]]]"), JWT_OK,
                     "depth 8");
    ck_assert_reason(verdict_edited(TOKEN_KIND_ACCESS, "deep", "\"deep\":[[[[[[[[1]]]]]]]]"),
                     JWT_PAYLOAD_JSON, "depth 9");
}
END_TEST

START_TEST(every_damaged_character_is_noticed)
{
    AUTO_BUF struct buf token;

    buf_init(&token, 8192);
    jose_sign(&token, rsa, JWS_RS256, str_of(HEADER), str_of(ACCESS));
    for (size_t i = 0; i < token.len; i++) {
        const char was = token.ptr[i];
        token.ptr[i] = was == 'A' ? 'B' : 'A';
        ck_assert_msg(verdict(TOKEN_KIND_ACCESS, buf_str(&token)) != JWT_OK, "at %zu", i);
        token.ptr[i] = was;
        ck_assert_msg(verdict(TOKEN_KIND_ACCESS, (struct str){token.ptr, i}) != JWT_OK, "cut %zu",
                      i);
    }
    ck_assert_reason(verdict(TOKEN_KIND_ACCESS, buf_str(&token)), JWT_OK, "control");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("jwt_parse");

    jwt_fixtures(t);
    tcase_add_test(t, structure);
    tcase_add_test(t, sizes_have_ceilings);
    tcase_add_test(t, headers);
    tcase_add_test(t, payloads);
    tcase_add_test(t, every_damaged_character_is_noticed);
    return unit_run(t, "jwt_parse");
}
