/* SPDX-License-Identifier: Apache-2.0
 * base/crypto_certificate: what a certificate says of itself, and texts that are none. */
#include "base/crypto_certificate.h"

#include "base/crypto.h"
#include "client_files.h"
#include "unit.h"

START_TEST(a_certificate_says_who_it_is_of_and_when_it_ends)
{
    AUTO(free_pkey) EVP_PKEY *key = files_key("P-256");
    const struct files_certificate what = {
        .name = "api.vendor.example", .until_s = FILES_NOW_S + FILES_DAY_S, .key = key};
    AUTO_FREE char *pem = files_certificate_pem(&what);
    struct certificate_facts facts;

    ck_assert(certificate_read(str_of(pem), &facts));
    ck_assert_str_eq(facts.subject, "CN=api.vendor.example");
    ck_assert_str_eq(facts.issuer, "CN=api.vendor.example");
    ck_assert_int_eq(facts.expires_s, FILES_NOW_S + FILES_DAY_S);
}
END_TEST

START_TEST(what_is_no_certificate_is_refused)
{
    AUTO(free_pkey) EVP_PKEY *key = files_key("P-256");
    AUTO_FREE char *key_pem = files_key_pem(key, NULL);
    const char *const TEXTS[] = {"", "rubbish", key_pem,
                                 "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"};
    struct certificate_facts facts;

    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        ck_assert_msg(!certificate_read(str_of(TEXTS[i]), &facts), "text %zu", i);
        ck_assert(!crypto_lacked_memory());
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("crypto_certificate");
    tcase_add_test(t, a_certificate_says_who_it_is_of_and_when_it_ends);
    tcase_add_test(t, what_is_no_certificate_is_refused);
    return unit_run(t, "crypto_certificate");
}
