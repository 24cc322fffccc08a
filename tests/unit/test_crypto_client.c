/* SPDX-License-Identifier: Apache-2.0
 * base/crypto_client: which keys and certificates are good enough and what is said of the others,
 * what a TLS context shows, and signatures that OpenSSL itself verifies. */
#include "base/crypto_client.h"

#include <malloc.h>
#include <openssl/core_names.h>
#include <openssl/ssl.h>

#include "base/crypto.h"
#include "base/wipe.h"
#include "client_files.h"
#include "unit.h"

static struct client_identity_problem problem;

static struct client_identity *parse(const char *key, const char *certificate)
{
    struct client_identity *identity = NULL;
    problem = (struct client_identity_problem){0};
    const struct str second = certificate ? str_of(certificate) : (struct str){0};
    const enum err e = client_identity_parse(str_of(key), second, FILES_NOW_S, &identity, &problem);
    ck_assert_int_eq(e == ERR_OK, identity != NULL);
    ck_assert_int_eq(e != ERR_OK, problem.text.text[0] != '\0');
    return identity;
}

static void refuses(const char *key, const char *certificate, enum client_identity_part part,
                    const char *why)
{
    ck_assert_ptr_null(parse(key, certificate));
    ck_assert_int_eq(problem.part, part);
    ck_assert_msg(strstr(problem.text.text, why), "%s", problem.text.text);
}

/* ---- what is freed: the linker takes this in the place of free() */

enum { NUMBER_BYTES = 32 };
static uint8_t private_number[NUMBER_BYTES]; /* of a key on P-256, as its DER has it */
static bool watches;
static unsigned left_readable;

void __real_free(void *memory);
void __wrap_free(void *memory);
void __wrap_free(void *memory)
{
    if (watches && memory &&
        memmem(memory, malloc_usable_size(memory), private_number, NUMBER_BYTES))
        left_readable++;
    __real_free(memory);
}

static void watch_number_of(EVP_PKEY *key)
{
    BIGNUM *number = NULL;

    ck_assert_int_eq(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number), 1);
    ck_assert_int_eq(BN_bn2binpad(number, private_number, NUMBER_BYTES), NUMBER_BYTES);
    BN_clear_free(number);
    watches = true;
}

START_TEST(no_thread_leaves_the_decoded_key_in_freed_memory)
{
    AUTO(free_pkey) EVP_PKEY *key = files_key("P-256");
    AUTO_FREE char *key_pem = files_key_pem(key, NULL);
    AUTO_FREE char *certificate =
        files_certificate_pem(&(struct files_certificate){.name = "n", .key = key});
    AUTO(free_identity) struct client_identity *identity = parse(key_pem, certificate);
    AUTO_BUF struct buf out = {0};
    buf_init(&out, 1024);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    watch_number_of(key);
    ck_assert(client_identity_give(identity, context));
    ck_assert(client_identity_sign(identity, CLIENT_SIGNS_ES256, STR("text"), &out));
    SSL_CTX_free(context);
    ck_assert_uint_eq(left_readable, 0);
    /* This thread frees other things as they are, before and after. */
    uint8_t *copy = malloc(NUMBER_BYTES);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, private_number, NUMBER_BYTES);
    wipe_free(copy);
    ck_assert_uint_eq(left_readable, 1);
    watches = false;
}
END_TEST

/* ---- keys */

static const struct {
    const char *kind;
    const char *why; /* NULL: it is good */
} KEYS[] = {
    {"RSA", NULL},
    {"RSA-1024", "at least 2048 bits"},
    {"P-256", NULL},
    {"P-384", NULL},
    {"P-521", NULL},
    {"P-224", "P-256, P-384 or P-521"},
    {"secp256k1", "P-256, P-384 or P-521"},
    {"ED25519", "of another kind"},
};

START_TEST(a_key_is_good_or_it_is_said_why_not)
{
    AUTO(free_pkey) EVP_PKEY *key = files_key(KEYS[_i].kind);
    AUTO_FREE char *pem = files_key_pem(key, NULL);
    if (KEYS[_i].why) {
        refuses(pem, NULL, CLIENT_KEY, KEYS[_i].why);
        return;
    }
    AUTO(free_identity) struct client_identity *identity = parse(pem, NULL);
    ck_assert_ptr_nonnull(identity);
    ck_assert_int_eq(client_identity_expires_s(identity), 0);
}
END_TEST

START_TEST(an_rsa_key_with_a_small_exponent_is_refused)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *e = BN_new();
    BN_set_word(e, 3);
    ck_assert_int_eq(EVP_PKEY_keygen_init(maker), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_keygen_bits(maker, 2048), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(maker, e), 1);
    ck_assert_int_eq(EVP_PKEY_keygen(maker, &key), 1);
    AUTO_FREE char *pem = files_key_pem(key, NULL);
    refuses(pem, NULL, CLIENT_KEY, "exponent");
    BN_free(e);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(maker);
}
END_TEST

START_TEST(passphrases_and_rubbish_are_refused)
{
    AUTO(free_pkey) EVP_PKEY *key = files_key("P-256");
    AUTO_FREE char *locked = files_key_pem(key, "secret");
    AUTO_FREE char *certificate =
        files_certificate_pem(&(struct files_certificate){.name = "n", .key = key});
    refuses(locked, NULL, CLIENT_KEY, "passphrase");
    refuses("", NULL, CLIENT_KEY, "PEM private key");
    refuses("rubbish", NULL, CLIENT_KEY, "PEM private key");
    refuses(certificate, NULL, CLIENT_KEY, "PEM private key");
    refuses("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", NULL, CLIENT_KEY,
            "PEM private key");
}
END_TEST

/* ---- certificates */

START_TEST(a_certificate_and_its_chain_are_shown)
{
    AUTO(free_pkey) EVP_PKEY *key = files_key("P-256"), *other = files_key("P-256");
    AUTO_FREE char *key_pem = files_key_pem(key, NULL);
    AUTO_FREE char *leaf =
        files_certificate_pem(&(struct files_certificate){.name = "leaf", .key = key});
    AUTO_FREE char *above = files_certificate_pem(&(struct files_certificate){
        .name = "above", .key = other, .until_s = FILES_NOW_S + FILES_DAY_S});
    AUTO_FREE char *both = NULL;
    ck_assert_int_gt(asprintf(&both, "# a bundle\n%s\n%s", leaf, above), 0);

    AUTO(free_identity) struct client_identity *identity = parse(key_pem, both);
    ck_assert_ptr_nonnull(identity);
    ck_assert_str_eq(client_identity_subject(identity), "CN=leaf");
    ck_assert_int_eq(client_identity_expires_s(identity), FILES_NOW_S + FILES_DAY_S);

    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    STACK_OF(X509) *chain = NULL;
    ck_assert(client_identity_give(identity, context));
    ck_assert_int_eq(SSL_CTX_check_private_key(context), 1);
    ck_assert_int_eq(SSL_CTX_get0_chain_certs(context, &chain), 1);
    ck_assert_int_eq(sk_X509_num(chain), 1);
    SSL_CTX_free(context);
}
END_TEST

START_TEST(a_key_alone_shows_nothing)
{
    AUTO(free_identity) struct client_identity *identity = files_identity("P-256");
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    ck_assert(client_identity_give(identity, context));
    ck_assert_ptr_null(SSL_CTX_get0_certificate(context));
    ck_assert_ptr_null(client_identity_shown(identity));
    ck_assert_str_eq(client_identity_subject(identity), "");
    SSL_CTX_free(context);
}
END_TEST

START_TEST(a_certificate_that_would_not_serve_is_refused)
{
    AUTO(free_pkey) EVP_PKEY *key = files_key("P-256"), *other = files_key("P-256");
    AUTO_FREE char *key_pem = files_key_pem(key, NULL);
    const struct {
        struct files_certificate what;
        const char *why;
    } cases[] = {
        {{.name = "n", .key = other}, "BFF_CLIENT_KEY_FILE"},
        {{.name = "n", .key = key, .until_s = FILES_NOW_S - 3 * FILES_DAY_S}, "expired 3 days ago"},
        {{.name = "n", .key = key, .until_s = FILES_NOW_S}, "expired 0 days ago"},
        {{.name = "n", .key = key, .from_s = FILES_NOW_S + 61}, "not in force yet"},
        {{.name = "n", .key = key, .extended_usage = "serverAuth"}, "clientAuth"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *pem = files_certificate_pem(&cases[i].what);
        refuses(key_pem, pem, CLIENT_CERTIFICATE, cases[i].why);
    }
    refuses(key_pem, "", CLIENT_CERTIFICATE, "PEM certificates");
    refuses(key_pem, key_pem, CLIENT_CERTIFICATE, "PEM certificates");
    refuses(key_pem, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            CLIENT_CERTIFICATE, "PEM certificates");
}
END_TEST

START_TEST(an_issuers_clock_may_be_a_minute_ahead)
{
    AUTO(free_pkey) EVP_PKEY *key = files_key("P-256");
    AUTO_FREE char *key_pem = files_key_pem(key, NULL);
    AUTO_FREE char *pem = files_certificate_pem(
        &(struct files_certificate){.name = "n", .key = key, .from_s = FILES_NOW_S + 60});
    AUTO(free_identity) struct client_identity *identity = parse(key_pem, pem);
    ck_assert_msg(identity != NULL, "%s", problem.text.text);
}
END_TEST

START_TEST(an_expired_certificate_of_the_chain_is_refused)
{
    AUTO(free_pkey) EVP_PKEY *key = files_key("P-256"), *other = files_key("P-256");
    AUTO_FREE char *key_pem = files_key_pem(key, NULL);
    AUTO_FREE char *leaf =
        files_certificate_pem(&(struct files_certificate){.name = "leaf", .key = key});
    AUTO_FREE char *above = files_certificate_pem(&(struct files_certificate){
        .name = "above", .key = other, .until_s = FILES_NOW_S - FILES_DAY_S});
    AUTO_FREE char *both = NULL;
    ck_assert_int_gt(asprintf(&both, "%s%s", leaf, above), 0);
    refuses(key_pem, both, CLIENT_CERTIFICATE, "one of its chain");
}
END_TEST

START_TEST(an_identity_knows_the_texts_it_was_made_of)
{
    AUTO(free_pkey) EVP_PKEY *key = files_key("P-256");
    AUTO_FREE char *key_pem = files_key_pem(key, NULL);
    AUTO_FREE char *certificate =
        files_certificate_pem(&(struct files_certificate){.name = "n", .key = key});
    AUTO(free_identity) struct client_identity *both = parse(key_pem, certificate);
    AUTO(free_identity) struct client_identity *alone = parse(key_pem, NULL);
    const struct str none = {0};
    ck_assert(client_identity_is_of(both, str_of(key_pem), str_of(certificate)));
    ck_assert(!client_identity_is_of(both, str_of(key_pem), none));
    ck_assert(!client_identity_is_of(both, str_of(certificate), str_of(certificate)));
    ck_assert(!client_identity_is_of(both, str_of(key_pem), str_of(key_pem)));
    ck_assert(client_identity_is_of(alone, str_of(key_pem), none));
    ck_assert(!client_identity_is_of(alone, str_of(key_pem), str_of(certificate)));
    client_identity_free(client_identity_share(both));
    ck_assert_str_eq(client_identity_subject(both), "CN=n");
    ck_assert_ptr_eq(client_identity_shown(both), both);
    ck_assert_ptr_null(client_identity_shown(NULL));
}
END_TEST

/* ---- signatures: verified in test_client_assertion.c; here which key makes which */

START_TEST(a_key_signs_what_it_can_and_nothing_else)
{
    static const struct {
        const char *kind;
        bool can[3];
    } CAN[] = {
        {"RSA", {true, true, false}},
        {"P-256", {false, false, true}},
        {"P-384", {false, false, false}},
    };
    AUTO(free_identity) struct client_identity *identity = files_identity(CAN[_i].kind);
    for (int as = CLIENT_SIGNS_RS256; as <= CLIENT_SIGNS_ES256; as++) {
        AUTO_BUF struct buf out = {0};
        buf_init(&out, 1024);
        ck_assert_int_eq(client_identity_can_sign(identity, (enum client_signature)as),
                         CAN[_i].can[as]);
        ck_assert_int_eq(
            client_identity_sign(identity, (enum client_signature)as, STR("text"), &out),
            CAN[_i].can[as]);
        if (CAN[_i].can[as])
            ck_assert_uint_eq(out.len, as == CLIENT_SIGNS_ES256 ? 64 : 256);
        else
            ck_assert_uint_eq(out.len, 0);
    }
}
END_TEST

int main(void)
{
    if (!crypto_init()) /* before OpenSSL takes memory: it must be ours to free */
        return EXIT_FAILURE;
    TCase *t = tcase_create("crypto_client");
    tcase_add_test(t, no_thread_leaves_the_decoded_key_in_freed_memory);
    tcase_add_loop_test(t, a_key_is_good_or_it_is_said_why_not, 0, ARRAY_LEN(KEYS));
    tcase_add_test(t, an_rsa_key_with_a_small_exponent_is_refused);
    tcase_add_test(t, passphrases_and_rubbish_are_refused);
    tcase_add_test(t, a_certificate_and_its_chain_are_shown);
    tcase_add_test(t, a_key_alone_shows_nothing);
    tcase_add_test(t, a_certificate_that_would_not_serve_is_refused);
    tcase_add_test(t, an_issuers_clock_may_be_a_minute_ahead);
    tcase_add_test(t, an_expired_certificate_of_the_chain_is_refused);
    tcase_add_test(t, an_identity_knows_the_texts_it_was_made_of);
    tcase_add_loop_test(t, a_key_signs_what_it_can_and_nothing_else, 0, 3);
    return unit_run(t, "crypto_client");
}
