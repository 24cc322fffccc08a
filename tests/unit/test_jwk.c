/* SPDX-License-Identifier: Apache-2.0
 * identity/jwk, jwks: what a key set may bring in, each refusal beside a key that is kept. */
#include "jose_support.h"
#include "unit.h"

#include "base/base64.h"
#include "identity/jwk.h"

static EVP_PKEY *rsa;
static EVP_PKEY *ec256, *ec384, *ec521;

static void setup(void)
{
    rsa = jose_rsa_key(2048);
    ec256 = jose_ec_key("P-256");
    ec384 = jose_ec_key("P-384");
    ec521 = jose_ec_key("P-521");
}

static void teardown(void)
{
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec256);
    EVP_PKEY_free(ec384);
    EVP_PKEY_free(ec521);
}

/* NULL when the set is refused. */
static struct keyset *parse(const char *body, struct keyset_report *report)
{
    struct keyset *set = NULL;
    struct err_text text = {""};
    const enum err e = keyset_parse(str_of(body), STR("https://iss"), &set, report, &text);

    ck_assert((e == ERR_OK) == (set != NULL));
    if (e != ERR_OK) {
        ck_assert_int_eq(e, ERR_UPSTREAM_INVALID_RESPONSE);
        ck_assert_str_ne(text.text, "");
    }
    return set;
}

/* A set of the entry and, so that the set is usable, of a good key "control". */
static struct keyset *parse_entry(const char *entry, struct keyset_report *report)
{
    AUTO_BUF struct buf body;

    buf_init(&body, 1 << 18);
    buf_printf(&body, "{\"keys\":[%s,", entry);
    jose_jwk(&body, ec256, "control", "");
    buf_append_z(&body, "]}");
    struct keyset *set = parse(body.ptr, report);
    ck_assert_ptr_nonnull(set);
    ck_assert_ptr_nonnull(keyset_find(set, STR("control")));
    return set;
}

static void assert_refused(const char *entry, enum jwk_refusal why)
{
    struct keyset_report report;
    struct keyset *set = parse_entry(entry, &report);

    ck_assert_msg(keyset_size(set) == 1 && report.kept == 1, "kept: %s", entry);
    for (size_t i = 0; i < JWK_REFUSAL_COUNT; i++)
        ck_assert_msg(report.refused[i] == (i == (size_t)why), "%s counted as %s", entry,
                      JWK_REFUSAL_LABELS[i]);
    keyset_unref(set);
}

static void assert_kept(const char *entry)
{
    struct keyset_report report;
    struct keyset *set = parse_entry(entry, &report);

    ck_assert_msg(keyset_size(set) == 2 && report.kept == 2, "refused: %s", entry);
    ck_assert_ptr_nonnull(keyset_find(set, STR("k")));
    keyset_unref(set);
}

/* The RSA key as kid "k" with more members. */
static struct buf rsa_entry(const char *more)
{
    struct buf entry;

    buf_init(&entry, 1 << 16);
    jose_jwk(&entry, rsa, "k", more);
    return entry;
}

/* The good RSA entry with the first `from` replaced. */
static struct buf rsa_entry_with(const char *from, const char *to)
{
    AUTO_BUF struct buf good = rsa_entry("");
    struct buf entry;
    const char *at = strstr(good.ptr, from);

    ck_assert_ptr_nonnull(at);
    buf_init(&entry, 1 << 16);
    buf_append(&entry, (struct str){good.ptr, (size_t)(at - good.ptr)});
    buf_append_z(&entry, to);
    buf_append_z(&entry, at + strlen(from));
    return entry;
}

START_TEST(members_that_a_key_may_have)
{
    static const char *const MORE[] = {
        "",
        ",\"use\":\"sig\"",
        ",\"key_ops\":[\"verify\"]",
        ",\"key_ops\":[\"sign\",\"verify\"]",
        ",\"alg\":\"RS256\"",
        ",\"alg\":\"PS512\"",
        ",\"x5c\":[\"MII=\"],\"x5t\":\"abc\",\"unknown\":{\"a\":[1]}",
    };

    for (size_t i = 0; i < ARRAY_LEN(MORE); i++) {
        AUTO_BUF struct buf entry = rsa_entry(MORE[i]);
        assert_kept(entry.ptr);
    }
}
END_TEST

START_TEST(members_that_refuse_a_key)
{
    static const struct {
        const char *more;
        enum jwk_refusal why;
    } cases[] = {
        {",\"use\":\"enc\"", JWK_REFUSED_USE},
        {",\"use\":\"SIG\"", JWK_REFUSED_USE},
        {",\"use\":1", JWK_REFUSED_USE},
        {",\"key_ops\":[]", JWK_REFUSED_USE},
        {",\"key_ops\":[\"sign\"]", JWK_REFUSED_USE},
        {",\"key_ops\":[\"encrypt\",\"wrapKey\"]", JWK_REFUSED_USE},
        {",\"key_ops\":\"verify\"", JWK_REFUSED_USE},
        {",\"key_ops\":{\"a\":\"verify\"}", JWK_REFUSED_USE},
        {",\"alg\":\"ES256\"", JWK_REFUSED_ALG},
        {",\"alg\":\"HS256\"", JWK_REFUSED_ALG},
        {",\"alg\":\"none\"", JWK_REFUSED_ALG},
        {",\"alg\":\"rs256\"", JWK_REFUSED_ALG},
        {",\"alg\":\"RSA-OAEP\"", JWK_REFUSED_ALG},
        {",\"alg\":null", JWK_REFUSED_ALG},
        {",\"alg\":256", JWK_REFUSED_ALG},
        {",\"d\":\"AQAB\"", JWK_REFUSED_PRIVATE},
        {",\"p\":\"AQAB\"", JWK_REFUSED_PRIVATE},
        {",\"qi\":null", JWK_REFUSED_PRIVATE},
        {",\"oth\":[]", JWK_REFUSED_PRIVATE},
        {",\"k\":\"AQAB\"", JWK_REFUSED_PRIVATE},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf entry = rsa_entry(cases[i].more);
        assert_refused(entry.ptr, cases[i].why);
    }
}
END_TEST

START_TEST(entries_that_are_no_key)
{
    static const struct {
        const char *entry;
        enum jwk_refusal why;
    } cases[] = {
        {"null", JWK_REFUSED_MALFORMED},
        {"[]", JWK_REFUSED_MALFORMED},
        {"\"key\"", JWK_REFUSED_MALFORMED},
        {"{}", JWK_REFUSED_KID},
        {"{\"kid\":\"k\"}", JWK_REFUSED_TYPE},
        {"{\"kid\":\"k\",\"kty\":\"oct\",\"k\":\"AAAA\"}", JWK_REFUSED_PRIVATE},
        {"{\"kid\":\"k\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", JWK_REFUSED_TYPE},
        {"{\"kid\":\"k\",\"kty\":\"rsa\"}", JWK_REFUSED_TYPE},
        {"{\"kid\":\"k\",\"kty\":[\"RSA\"]}", JWK_REFUSED_TYPE},
        {"{\"kid\":\"k\",\"kty\":\"RSA\"}", JWK_REFUSED_MALFORMED},
        {"{\"kid\":\"k\",\"kty\":\"RSA\",\"n\":5,\"e\":\"AQAB\"}", JWK_REFUSED_MALFORMED},
        {"{\"kid\":\"k\",\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}", JWK_REFUSED_SIZE},
        {"{\"kid\":\"k\",\"kty\":\"EC\"}", JWK_REFUSED_TYPE},
        {"{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"secp256k1\"}", JWK_REFUSED_TYPE},
        {"{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\"}", JWK_REFUSED_MALFORMED},
        {"{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}",
         JWK_REFUSED_MALFORMED},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_refused(cases[i].entry, cases[i].why);
}
END_TEST

START_TEST(kids_that_refuse_a_key)
{
    static const char *const KIDS[] = {"\"\"", "1", "null", "[\"k\"]", "\"k\\u00e9\"", "\"k\\n\""};

    for (size_t i = 0; i < ARRAY_LEN(KIDS); i++) {
        AUTO_BUF struct buf entry = rsa_entry_with("\"k\"", KIDS[i]);
        assert_refused(entry.ptr, JWK_REFUSED_KID);
    }

    char kid[KID_BYTES_MAX + 4];
    for (size_t len = KID_BYTES_MAX; len <= KID_BYTES_MAX + 1; len++) {
        struct keyset_report report;
        memset(kid, 'x', sizeof(kid));
        kid[0] = kid[len + 1] = '"';
        kid[len + 2] = '\0';
        AUTO_BUF struct buf entry = rsa_entry_with("\"k\"", kid);
        struct keyset *set = parse_entry(entry.ptr, &report);
        ck_assert_uint_eq(report.kept, len == KID_BYTES_MAX ? 2 : 1);
        keyset_unref(set);
    }
}
END_TEST

START_TEST(exponents_but_65537_are_refused)
{
    static const char *const E[] = {"AA", "AQ", "Ag", "Aw", "AAEAAQ", "AQAC", ""};

    for (size_t i = 0; i < ARRAY_LEN(E); i++) {
        AUTO_BUF struct buf entry = rsa_entry_with("AQAB", E[i]);
        assert_refused(entry.ptr, JWK_REFUSED_EXPONENT);
    }
}
END_TEST

static void rsa_number_entry(struct buf *entry, size_t bytes, uint8_t first, uint8_t last)
{
    uint8_t n[2048];

    memset(n, 0xa5, sizeof(n));
    n[0] = first;
    n[bytes - 1] = last;
    buf_reset(entry);
    buf_append_z(entry, "{\"kid\":\"k\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"");
    base64url_append(entry, n, bytes);
    buf_append_z(entry, "\"}");
}

START_TEST(moduli_have_bounds)
{
    static const struct {
        size_t bytes;
        uint8_t first, last;
        bool good;
        enum jwk_refusal why;
    } cases[] = {
        {256, 0x80, 0x01, true, JWK_REFUSED_SIZE},
        {512, 0xff, 0xff, true, JWK_REFUSED_SIZE},
        {384, 0xff, 0xff, true, JWK_REFUSED_SIZE},
        {255, 0xff, 0x01, false, JWK_REFUSED_SIZE},
        {256, 0x7f, 0x01, false, JWK_REFUSED_SIZE},
        {257, 0x00, 0x01, false, JWK_REFUSED_SIZE},
        {64, 0xff, 0x01, false, JWK_REFUSED_SIZE},
        {513, 0x80, 0x01, false, JWK_REFUSED_SIZE},
        {2048, 0x80, 0x01, false, JWK_REFUSED_SIZE},
        {256, 0x80, 0x02, false, JWK_REFUSED_MALFORMED},
    };
    AUTO_BUF struct buf entry;

    buf_init(&entry, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        rsa_number_entry(&entry, cases[i].bytes, cases[i].first, cases[i].last);
        if (cases[i].good)
            assert_kept(entry.ptr);
        else
            assert_refused(entry.ptr, cases[i].why);
    }
}
END_TEST

START_TEST(points_off_the_curve_and_lax_coordinates_are_refused)
{
    AUTO_BUF struct buf good, entry;
    char *y;

    buf_init(&good, 4096);
    jose_jwk(&good, ec256, "k", "");
    assert_kept(good.ptr);

    y = strstr(good.ptr, "\"y\":\"") + 5;
    const char was = *y;
    *y = was == 'A' ? 'B' : 'A';
    assert_refused(good.ptr, JWK_REFUSED_POINT);
    *y = was;

    buf_init(&entry, 4096);
    buf_append(&entry, (struct str){good.ptr, (size_t)(y - good.ptr)});
    buf_append_z(&entry, "AA");
    buf_append_z(&entry, y);
    assert_refused(entry.ptr, JWK_REFUSED_MALFORMED);

    /* The same numbers on another curve. */
    good.ptr[strstr(good.ptr, "P-256") - good.ptr + 2] = '3';
    good.ptr[strstr(good.ptr, "P-356") - good.ptr + 3] = '8';
    good.ptr[strstr(good.ptr, "P-386") - good.ptr + 4] = '4';
    assert_refused(good.ptr, JWK_REFUSED_MALFORMED);
}
END_TEST

START_TEST(an_ec_key_is_for_the_algorithm_of_its_curve)
{
    const struct {
        EVP_PKEY *key;
        const char *alg, *other;
        enum jws_alg is;
    } cases[] = {{ec256, ",\"alg\":\"ES256\"", ",\"alg\":\"ES384\"", JWS_ES256},
                 {ec384, ",\"alg\":\"ES384\"", ",\"alg\":\"ES256\"", JWS_ES384},
                 {ec521, ",\"alg\":\"ES512\"", ",\"alg\":\"ES256\"", JWS_ES512}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct keyset_report report;
        AUTO_BUF struct buf plain, named, other;
        buf_init(&plain, 4096);
        buf_init(&named, 4096);
        buf_init(&other, 4096);
        jose_jwk(&plain, cases[i].key, "k", "");
        jose_jwk(&named, cases[i].key, "k", cases[i].alg);
        jose_jwk(&other, cases[i].key, "k", cases[i].other);
        assert_kept(named.ptr);
        assert_refused(other.ptr, JWK_REFUSED_ALG);
        struct keyset *set = parse_entry(plain.ptr, &report);
        for (enum jws_alg alg = 0; alg < JWS_ALG_COUNT; alg++)
            ck_assert(jwk_allows(keyset_find(set, STR("k")), alg) == (alg == cases[i].is));
        keyset_unref(set);
    }
}
END_TEST

START_TEST(a_repeated_kid_is_refused_altogether)
{
    AUTO_BUF struct buf entries;
    struct keyset_report report;

    buf_init(&entries, 1 << 16);
    jose_jwk(&entries, rsa, "k", "");
    buf_append_byte(&entries, ',');
    jose_jwk(&entries, ec384, "k", "");
    buf_append_z(&entries, ",{\"kty\":\"junk\",\"kid\":\"k\"}");
    struct keyset *set = parse_entry(entries.ptr, &report);
    ck_assert_ptr_null(keyset_find(set, STR("k")));
    ck_assert_uint_eq(report.refused[JWK_REFUSED_REPEATED_KID], 3);
    keyset_unref(set);
}
END_TEST

START_TEST(documents_that_are_no_key_set)
{
    static const char *const BODIES[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"keys\":null}",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[{}]}",
        "{\"Keys\":[]}",
        "<html>",
    };
    struct keyset_report report;

    for (size_t i = 0; i < ARRAY_LEN(BODIES); i++)
        ck_assert_msg(!parse(BODIES[i], &report), "%s", BODIES[i]);

    AUTO_BUF struct buf body, entry = rsa_entry("");
    buf_init(&body, JWKS_BYTES_MAX * 2);
    buf_printf(&body, "{\"keys\":[%s],\"keys\":[%s]}", entry.ptr, entry.ptr);
    ck_assert(!parse(body.ptr, &report));
    buf_reset(&body);
    buf_printf(&body, "{\"keys\":[%s]} x", entry.ptr);
    ck_assert(!parse(body.ptr, &report));
    body.ptr[body.len - 1] = ' ';
    struct keyset *set = parse(body.ptr, &report);
    ck_assert_ptr_nonnull(set);
    keyset_unref(set);
    while (buf_ok(&body) && body.len <= JWKS_BYTES_MAX)
        buf_append_byte(&body, ' ');
    ck_assert(!parse(body.ptr, &report));
}
END_TEST

START_TEST(a_set_has_at_most_64_keys)
{
    for (int count = JWKS_KEYS_MAX; count <= JWKS_KEYS_MAX + 1; count++) {
        AUTO_BUF struct buf body;
        struct keyset_report report;
        char kid[16];
        buf_init(&body, JWKS_BYTES_MAX);
        buf_append_z(&body, "{\"keys\":[");
        for (int i = 0; i < count; i++) {
            (void)snprintf(kid, sizeof(kid), "k%d", i);
            buf_append_z(&body, i > 0 ? "," : "");
            jose_jwk(&body, ec256, kid, "");
        }
        buf_append_z(&body, "]}");
        struct keyset *set = parse(body.ptr, &report);
        ck_assert((set != NULL) == (count == JWKS_KEYS_MAX));
        keyset_unref(set);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("jwk");

    tcase_set_timeout(t, 60);
    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_add_test(t, members_that_a_key_may_have);
    tcase_add_test(t, members_that_refuse_a_key);
    tcase_add_test(t, entries_that_are_no_key);
    tcase_add_test(t, kids_that_refuse_a_key);
    tcase_add_test(t, exponents_but_65537_are_refused);
    tcase_add_test(t, moduli_have_bounds);
    tcase_add_test(t, points_off_the_curve_and_lax_coordinates_are_refused);
    tcase_add_test(t, an_ec_key_is_for_the_algorithm_of_its_curve);
    tcase_add_test(t, a_repeated_kid_is_refused_altogether);
    tcase_add_test(t, documents_that_are_no_key_set);
    tcase_add_test(t, a_set_has_at_most_64_keys);
    return unit_run(t, "jwk");
}
