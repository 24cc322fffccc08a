/* SPDX-License-Identifier: Apache-2.0
 * identity/token_endpoint: the ways to prove who we are, byte for byte, and what is taken for
 * a token (fault rows FK04 and FK05). */
#include "client_files.h"
#include "unit.h"

#include "base/base64.h"
#include "identity/token_endpoint.h"

enum { NOW_S = 1700000000 };

static enum err build(const struct client_credentials *c, struct buf *body, struct buf *auth)
{
    struct err_text text = {0};
    buf_init(body, 16384);
    buf_init(auth, 16384);
    const enum err e = token_request_build(c, NOW_S, body, auth, &text);
    if (e != ERR_OK)
        ck_assert_str_ne(text.text, "");
    return e;
}

START_TEST(secret_in_the_form)
{
    const struct client_credentials c = {.client_id = "id 1",
                                         .client_secret = "a+b&c=d%\xc3\xa4~*-._",
                                         .method = CLIENT_AUTH_SECRET_POST};
    AUTO_BUF struct buf body = {0};
    AUTO_BUF struct buf auth = {0};
    ck_assert_int_eq(build(&c, &body, &auth), ERR_OK);
    ck_assert_str_is(buf_str(&body), "grant_type=client_credentials&client_id=id+1"
                                     "&client_secret=a%2Bb%26c%3Dd%25%C3%A4%7E*-._");
    ck_assert_uint_eq(auth.len, 0);
}
END_TEST

START_TEST(secret_in_the_header)
{
    const struct client_credentials c = {
        .client_id = "id 1", .client_secret = "a:b/ c", .method = CLIENT_AUTH_SECRET_BASIC};
    AUTO_BUF struct buf body = {0};
    AUTO_BUF struct buf auth = {0};
    ck_assert_int_eq(build(&c, &body, &auth), ERR_OK);
    ck_assert_str_is(buf_str(&body), "grant_type=client_credentials");
    /* base64 of id+1:a%3Ab%2F+c */
    ck_assert_str_is(buf_str(&auth), "Basic aWQrMTphJTNBYiUyRitj");
}
END_TEST

START_TEST(missing_secret_is_an_error)
{
    const struct client_credentials c = {.client_id = "id", .method = CLIENT_AUTH_SECRET_POST};
    const struct client_credentials k = {.client_id = "id", .method = CLIENT_AUTH_PRIVATE_KEY_JWT};
    AUTO_BUF struct buf body = {0};
    AUTO_BUF struct buf auth = {0};
    ck_assert_int_eq(build(&c, &body, &auth), ERR_INTERNAL);
    ck_assert_int_eq(build(&k, &body, &auth), ERR_INTERNAL);
}
END_TEST

/* ---- private_key_jwt */

START_TEST(assertion_in_the_form)
{
    static const char PREFIX[] =
        "grant_type=client_credentials&client_id=id&client_assertion_type="
        "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=ey";
    AUTO(free_identity) struct client_identity *identity = files_identity("P-256");
    const struct client_credentials c = {.client_id = "id",
                                         .method = CLIENT_AUTH_PRIVATE_KEY_JWT,
                                         .identity = identity,
                                         .assertion_alg = JWS_ES256,
                                         .key_id = "key-1",
                                         .audience = "https://vendor.example/oidc/token"};
    AUTO_BUF struct buf body = {0};
    AUTO_BUF struct buf auth = {0};
    ck_assert_int_eq(build(&c, &body, &auth), ERR_OK);
    ck_assert(str_starts_with(buf_str(&body), str_of(PREFIX)));
    ck_assert_uint_eq(auth.len, 0);
}
END_TEST

START_TEST(key_of_another_type_does_not_sign)
{
    AUTO(free_identity) struct client_identity *identity = files_identity("P-256");
    const struct client_credentials c = {.client_id = "id",
                                         .method = CLIENT_AUTH_PRIVATE_KEY_JWT,
                                         .identity = identity,
                                         .assertion_alg = JWS_RS256,
                                         .key_id = "k",
                                         .audience = "a"};
    AUTO_BUF struct buf body = {0};
    AUTO_BUF struct buf auth = {0};
    ck_assert_int_eq(build(&c, &body, &auth), ERR_INTERNAL);
}
END_TEST

START_TEST(with_a_certificate_the_form_names_the_client_alone)
{
    const struct client_credentials c = {
        .client_id = "id 1", .client_secret = "unused", .method = CLIENT_AUTH_TLS};
    AUTO_BUF struct buf body = {0};
    AUTO_BUF struct buf auth = {0};
    ck_assert_int_eq(build(&c, &body, &auth), ERR_OK);
    ck_assert_str_is(buf_str(&body), "grant_type=client_credentials&client_id=id+1");
    ck_assert_uint_eq(auth.len, 0);
}
END_TEST

/* ---- form encoding: each byte comes back, and only a few stay as they are (RFC 6749 appendix B)
 */

static int hex_digit(char c)
{
    const char *at = strchr("0123456789ABCDEF", c);
    return at && c ? (int)(at - "0123456789ABCDEF") : -1;
}

/* The bytes that the field stands for. */
static size_t form_decode(const char *text, uint8_t *out)
{
    size_t n = 0;
    for (const char *p = text; *p && *p != '&'; p++) {
        if (*p == '%') {
            ck_assert_int_ge(hex_digit(p[1]), 0);
            ck_assert_int_ge(hex_digit(p[2]), 0);
            out[n++] = (uint8_t)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
            p += 2;
        } else {
            ck_assert(*p == '+' || strchr("*-._", *p) || (*p >= '0' && *p <= '9') ||
                      (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z'));
            out[n++] = (uint8_t)(*p == '+' ? ' ' : *p);
        }
    }
    return n;
}

START_TEST(every_byte_of_a_secret_comes_back)
{
    char secret[256];
    uint8_t decoded[256];
    for (size_t i = 0; i < 255; i++)
        secret[i] = (char)(i + 1);
    secret[255] = '\0';
    const struct client_credentials c = {
        .client_id = "id", .client_secret = secret, .method = CLIENT_AUTH_SECRET_POST};
    AUTO_BUF struct buf body = {0};
    AUTO_BUF struct buf auth = {0};
    ck_assert_int_eq(build(&c, &body, &auth), ERR_OK);
    const char *field = strstr(body.ptr, "&client_secret=");
    ck_assert_ptr_nonnull(field);
    ck_assert_uint_eq(form_decode(field + sizeof("&client_secret=") - 1, decoded), 255);
    ck_assert_mem_eq(decoded, secret, 255);
}
END_TEST

static const struct {
    const char *id, *secret, *pair; /* pair: what base64 wraps */
} BASIC[] = {
    {"a", "b", "a:b"},
    {"a:b", "c:d", "a%3Ab:c%3Ad"},
    {"a b", "c+d", "a+b:c%2Bd"},
    {"%", "%25", "%25:%2525"},
    {"~!'()", "*-._", "%7E%21%27%28%29:*-._"},
    {"\xc3\xa4", "\xf0\x9f\x94\x91", "%C3%A4:%F0%9F%94%91"},
};

START_TEST(basic_encodes_both_parts_before_base64)
{
    const struct client_credentials c = {.client_id = BASIC[_i].id,
                                         .client_secret = BASIC[_i].secret,
                                         .method = CLIENT_AUTH_SECRET_BASIC};
    uint8_t pair[64] = {0};
    size_t len = 0;
    AUTO_BUF struct buf body = {0};
    AUTO_BUF struct buf auth = {0};
    ck_assert_int_eq(build(&c, &body, &auth), ERR_OK);
    ck_assert(str_starts_with(buf_str(&auth), STR("Basic ")));
    ck_assert(base64_decode((struct str){auth.ptr + 6, auth.len - 6}, false, pair, &len));
    ck_assert_str_is(((struct str){(const char *)pair, len}), BASIC[_i].pair);
}
END_TEST

/* ---- answers */

static struct call_answer answer_of(int status, const char *body)
{
    return (struct call_answer){.result = CALL_ANSWERED,
                                .status = status,
                                .body = str_of(body),
                                .content_type = STR("application/json"),
                                .charset_ok = true,
                                .retry_after_s = -1};
}

#define GRANT(token, type, expires)                                                                \
    "{\"access_token\":" token ",\"token_type\":" type ",\"expires_in\":" expires "}"

static const struct {
    const char *body;
    int64_t expires_in_s;
} GOOD[] = {
    {GRANT("\"abc\"", "\"Bearer\"", "3600"), 3600},
    {GRANT("\"abc\"", "\"bearer\"", "1000000000"), 3600},
    {GRANT("\"abc\"", "\"BEARER\"", "1e300"), 3600},
    {GRANT("\"abc\"", "\"Bearer\"", "59.9"), 59},
    {GRANT("\"abc\"", "\"Bearer\"", "1"), 1},
};

START_TEST(good_answer_gives_a_token)
{
    AUTO(token_grant_finish) struct token_grant grant = {0};
    struct err_text text = {0};
    const struct call_answer answer = answer_of(200, GOOD[_i].body);
    ck_assert_int_eq(token_answer_read(&answer, &grant, &text), ERR_OK);
    ck_assert_str_eq(grant.authorization, "Bearer abc");
    ck_assert_int_eq(grant.expires_in_s, GOOD[_i].expires_in_s);
}
END_TEST

static const char *const BAD[] = {
    GRANT("\"\"", "\"Bearer\"", "3600"),
    GRANT("\"=\"", "\"Bearer\"", "3600"),
    GRANT("\"a b\"", "\"Bearer\"", "3600"),
    GRANT("\"a=b\"", "\"Bearer\"", "3600"),
    GRANT("\"abc\\r\\nX: y\"", "\"Bearer\"", "3600"),
    GRANT("\"abc\\u0007\"", "\"Bearer\"", "3600"),
    GRANT("\"\xc3\xa4\"", "\"Bearer\"", "3600"),
    GRANT("7", "\"Bearer\"", "3600"),
    GRANT("null", "\"Bearer\"", "3600"),
    GRANT("\"abc\"", "\"MAC\"", "3600"),
    GRANT("\"abc\"", "null", "3600"),
    GRANT("\"abc\"", "\"Bearer\"", "0"),
    GRANT("\"abc\"", "\"Bearer\"", "0.5"),
    GRANT("\"abc\"", "\"Bearer\"", "-1"),
    GRANT("\"abc\"", "\"Bearer\"", "\"3600\""),
    GRANT("\"abc\"", "\"Bearer\"", "null"),
    "{\"access_token\":\"abc\",\"token_type\":\"Bearer\"}",
    "{\"access_token\":\"abc\",\"access_token\":\"d\",\"token_type\":\"Bearer\",\"expires_in\":9}",
    "[]",
    "",
    "<html>",
};

START_TEST(bad_answer_gives_none)
{
    struct token_grant grant = {0};
    struct err_text text = {0};
    const struct call_answer answer = answer_of(200, BAD[_i]);
    ck_assert_int_eq(token_answer_read(&answer, &grant, &text), ERR_UPSTREAM_INVALID_RESPONSE);
    ck_assert_ptr_null(grant.authorization);
    ck_assert_str_ne(text.text, "");
}
END_TEST

START_TEST(long_token_is_refused)
{
    static char body[TOKEN_BYTES_MAX + 200];
    for (size_t len = TOKEN_BYTES_MAX; len <= TOKEN_BYTES_MAX + 1; len++) {
        struct token_grant grant = {0};
        struct err_text text = {0};
        char *end =
            stpcpy(body, "{\"token_type\":\"Bearer\",\"expires_in\":60,\"access_token\":\"");
        memset(end, 'x', len);
        memcpy(end + len, "\"}", 3);
        const struct call_answer answer = answer_of(200, body);
        const enum err e = token_answer_read(&answer, &grant, &text);
        ck_assert_int_eq(e, len == TOKEN_BYTES_MAX ? ERR_OK : ERR_UPSTREAM_INVALID_RESPONSE);
        token_grant_finish(&grant);
    }
}
END_TEST

START_TEST(wrong_type_is_refused)
{
    struct token_grant grant = {0};
    struct err_text text = {0};
    struct call_answer answer = answer_of(200, GOOD[0].body);
    answer.content_type = STR("text/html");
    ck_assert_int_eq(token_answer_read(&answer, &grant, &text), ERR_UPSTREAM_INVALID_RESPONSE);
    answer.content_type = (struct str){0};
    ck_assert_int_eq(token_answer_read(&answer, &grant, &text), ERR_UPSTREAM_INVALID_RESPONSE);
    answer.content_type = STR("application/json");
    answer.charset_ok = false;
    ck_assert_int_eq(token_answer_read(&answer, &grant, &text), ERR_UPSTREAM_INVALID_RESPONSE);
}
END_TEST

START_TEST(status_says_whose_fault)
{
    static const struct {
        int status;
        enum err e;
    } CASES[] = {
        {400, ERR_UPSTREAM_REFUSED_CREDENTIALS}, {401, ERR_UPSTREAM_REFUSED_CREDENTIALS},
        {403, ERR_UPSTREAM_REFUSED_CREDENTIALS}, {404, ERR_UPSTREAM_INVALID_RESPONSE},
        {201, ERR_UPSTREAM_INVALID_RESPONSE},    {429, ERR_UPSTREAM_RATE_LIMITED},
        {500, ERR_UPSTREAM_UNAVAILABLE},         {503, ERR_UPSTREAM_UNAVAILABLE},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct token_grant grant = {0};
        struct err_text text = {0};
        const struct call_answer answer = answer_of(CASES[i].status, GOOD[0].body);
        ck_assert_int_eq(token_answer_read(&answer, &grant, &text), CASES[i].e);
        ck_assert_ptr_null(grant.authorization);
    }
}
END_TEST

START_TEST(refusal_names_only_a_plain_code)
{
    struct token_grant grant = {0};
    struct err_text plain = {0};
    struct err_text odd = {0};
    struct call_answer answer = answer_of(401, "{\"error\":\"invalid_client\"}");
    ck_assert_int_ne(token_answer_read(&answer, &grant, &plain), ERR_OK);
    ck_assert_ptr_nonnull(strstr(plain.text, "invalid_client"));
    answer = answer_of(401, "{\"error\":\"secret=S3\"}");
    ck_assert_int_ne(token_answer_read(&answer, &grant, &odd), ERR_OK);
    ck_assert_ptr_null(strstr(odd.text, "S3"));
}
END_TEST

START_TEST(failed_call_keeps_its_cause)
{
    static const struct {
        enum call_result result;
        enum err e;
    } CASES[] = {
        {CALL_NOT_SENT, ERR_UPSTREAM_UNAVAILABLE},
        {CALL_BROKEN, ERR_UPSTREAM_UNAVAILABLE},
        {CALL_TIMED_OUT, ERR_UPSTREAM_TIMEOUT},
        {CALL_BAD_ANSWER, ERR_UPSTREAM_INVALID_RESPONSE},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct token_grant grant = {0};
        struct err_text text = {0};
        const struct call_answer answer = {.result = CASES[i].result, .reason = "the cause"};
        ck_assert_int_eq(token_answer_read(&answer, &grant, &text), CASES[i].e);
        ck_assert_ptr_nonnull(strstr(text.text, "the cause"));
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("token_endpoint");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, secret_in_the_form);
    tcase_add_test(tests, secret_in_the_header);
    tcase_add_test(tests, missing_secret_is_an_error);
    tcase_add_test(tests, assertion_in_the_form);
    tcase_add_test(tests, with_a_certificate_the_form_names_the_client_alone);
    tcase_add_test(tests, every_byte_of_a_secret_comes_back);
    tcase_add_loop_test(tests, basic_encodes_both_parts_before_base64, 0, ARRAY_LEN(BASIC));
    tcase_add_test(tests, key_of_another_type_does_not_sign);
    tcase_add_loop_test(tests, good_answer_gives_a_token, 0, (int)ARRAY_LEN(GOOD));
    tcase_add_loop_test(tests, bad_answer_gives_none, 0, (int)ARRAY_LEN(BAD));
    tcase_add_test(tests, long_token_is_refused);
    tcase_add_test(tests, wrong_type_is_refused);
    tcase_add_test(tests, status_says_whose_fault);
    tcase_add_test(tests, refusal_names_only_a_plain_code);
    tcase_add_test(tests, failed_call_keeps_its_cause);
    return unit_run(tests, "token_endpoint");
}
