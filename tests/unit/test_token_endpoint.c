/* SPDX-License-Identifier: Apache-2.0
 * identity/token_endpoint: the three ways to prove who we are, byte for byte, and what is taken for
 * a token (fault rows FK04 and FK05). */
#include "unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/base64.h"
#include "base/json.h"
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

static char *pem_of(EVP_PKEY *key, size_t *ret_len)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    ck_assert_int_eq(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    const long len = BIO_get_mem_data(bio, &bytes);
    char *pem = calloc(1, (size_t)len + 1);
    ck_assert_ptr_nonnull(pem);
    memcpy(pem, bytes, (size_t)len);
    *ret_len = (size_t)len;
    BIO_free(bio);
    return pem;
}

static struct json *part_of(struct str text)
{
    static const struct json_limits LIMITS = {.bytes_max = 4096, .depth_max = 4, .values_max = 64};
    uint8_t bytes[4096];
    size_t len = 0;
    struct json *root = NULL;
    struct json_error what;
    ck_assert_uint_lt(text.len, 4096);
    ck_assert(base64url_decode(text, bytes, &len));
    ck_assert_int_eq(json_parse((struct str){(char *)bytes, len}, &LIMITS, &root, &what), ERR_OK);
    return root;
}

static bool signature_is_good(EVP_PKEY *key, struct str input, struct str signature)
{
    uint8_t bytes[1024];
    size_t len = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    ck_assert_uint_lt(signature.len, sizeof(bytes));
    ck_assert(base64url_decode(signature, bytes, &len));
    ck_assert_int_eq(EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key), 1);
    const int good = EVP_DigestVerify(md, bytes, len, (const uint8_t *)input.ptr, input.len);
    EVP_MD_CTX_free(md);
    return good == 1;
}

static double number_of(const struct json *object, const char *name)
{
    double value = -1;
    ck_assert(json_number(json_member(object, name), &value));
    return value;
}

/* Returns the jti. */
static char *check_assertion(const char *assertion, EVP_PKEY *key)
{
    const char *dot = strchr(assertion, '.');
    const char *dot2 = strrchr(assertion, '.');
    const struct str head = {assertion, (size_t)(dot - assertion)};
    const struct str claims = {dot + 1, (size_t)(dot2 - dot - 1)};
    AUTO_JSON struct json *h = part_of(head);
    AUTO_JSON struct json *c = part_of(claims);

    ck_assert_str_is(json_string(json_member(h, "alg")), "RS256");
    ck_assert_str_is(json_string(json_member(h, "typ")), "JWT");
    ck_assert_str_is(json_string(json_member(h, "kid")), "key-1");
    ck_assert_str_is(json_string(json_member(c, "iss")), "id");
    ck_assert_str_is(json_string(json_member(c, "sub")), "id");
    ck_assert_str_is(json_string(json_member(c, "aud")), "https://vendor.example/oidc/token");
    ck_assert(number_of(c, "iat") == NOW_S);
    ck_assert(number_of(c, "exp") == NOW_S + 60);
    ck_assert(signature_is_good(key, (struct str){assertion, (size_t)(dot2 - assertion)},
                                str_of(dot2 + 1)));
    const struct str jti = json_string(json_member(c, "jti"));
    ck_assert_uint_ge(jti.len, 22);
    return strndup(jti.ptr, jti.len);
}

START_TEST(assertion_is_signed_and_never_the_same)
{
    static const char PREFIX[] =
        "grant_type=client_credentials&client_id=id&client_assertion_type="
        "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=";
    EVP_PKEY *key = EVP_RSA_gen(2048);
    struct client_credentials c = {.client_id = "id",
                                   .method = CLIENT_AUTH_PRIVATE_KEY_JWT,
                                   .key_id = "key-1",
                                   .audience = "https://vendor.example/oidc/token"};
    AUTO_FREE char *pem = pem_of(key, &c.key_pem_len);
    c.key_pem = pem;
    char *jti[2];
    for (size_t i = 0; i < 2; i++) {
        AUTO_BUF struct buf body = {0};
        AUTO_BUF struct buf auth = {0};
        ck_assert_int_eq(build(&c, &body, &auth), ERR_OK);
        ck_assert(str_starts_with(buf_str(&body), str_of(PREFIX)));
        jti[i] = check_assertion(body.ptr + sizeof(PREFIX) - 1, key);
        ck_assert_uint_eq(auth.len, 0);
    }
    ck_assert_str_ne(jti[0], jti[1]);
    free(jti[0]);
    free(jti[1]);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(key_of_another_type_does_not_sign)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct client_credentials c = {
        .client_id = "id", .method = CLIENT_AUTH_PRIVATE_KEY_JWT, .key_id = "k", .audience = "a"};
    AUTO_FREE char *pem = pem_of(key, &c.key_pem_len);
    AUTO_BUF struct buf body = {0};
    AUTO_BUF struct buf auth = {0};
    c.key_pem = pem;
    ck_assert_int_eq(build(&c, &body, &auth), ERR_INTERNAL);
    EVP_PKEY_free(key);
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
    tcase_add_test(tests, assertion_is_signed_and_never_the_same);
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
