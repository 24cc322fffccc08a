/* SPDX-License-Identifier: Apache-2.0
 * base/crypto: published vectors (FIPS 180-4, RFC 4231, GCM test cases 13 to 16), every way in
 * which a sealed text can be damaged, hex. */
#include "unit.h"

#include <sys/wait.h>
#include <unistd.h>

#include <pthread.h>

#include "base/auto.h"
#include "base/crypto.h"

static void setup(void)
{
    ck_assert(crypto_init());
}

static void teardown(void)
{
    crypto_finish();
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *expected)
{
    char hex[512];
    hex_encode(bytes, len, hex);
    ck_assert_str_eq(hex, expected);
}

START_TEST(sha256_vectors)
{
    uint8_t out[SHA256_BYTES];
    ck_assert(crypto_sha256(STR(""), out));
    assert_hex(out, sizeof(out),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ck_assert(crypto_sha256(STR("abc"), out));
    assert_hex(out, sizeof(out),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

static const struct hmac_case {
    const char *key_hex;
    const char *data_hex;
    const char *mac_hex;
} hmac_cases[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    /* RFC 4231 case 6: a key longer than the block is hashed first. */
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6"
     "579"
     "204669727374",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
};

START_TEST(hmac_vectors)
{
    const struct hmac_case *c = &hmac_cases[_i];
    uint8_t key[256];
    uint8_t data[256];
    uint8_t out[SHA256_BYTES];
    const size_t key_len = strlen(c->key_hex) / 2;
    const size_t data_len = strlen(c->data_hex) / 2;
    ck_assert(hex_decode(str_of(c->key_hex), key, key_len));
    ck_assert(hex_decode(str_of(c->data_hex), data, data_len));
    ck_assert(crypto_hmac_sha256(key, key_len, (struct str){(const char *)data, data_len}, out));
    assert_hex(out, sizeof(out), c->mac_hex);
}
END_TEST

START_TEST(hmac_takes_an_empty_key)
{
    uint8_t out[SHA256_BYTES];
    ck_assert(crypto_hmac_sha256(NULL, 0, STR(""), out));
    assert_hex(out, sizeof(out),
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}
END_TEST

static const struct gcm_case {
    const char *key, *nonce, *aad, *plain, *sealed;
} gcm_cases[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b"
     "525b1"
     "6aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828"
     "838c5"
     "f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
};

struct gcm {
    uint8_t key[AEAD_KEY_BYTES], nonce[AEAD_NONCE_BYTES], aad[64], plain[128], sealed[128];
    struct str aad_text, plain_text, sealed_text;
};

static struct str unhex(const char *hex, uint8_t *out)
{
    const size_t len = strlen(hex) / 2;
    ck_assert(hex_decode(str_of(hex), out, len));
    return (struct str){(const char *)out, len};
}

static void gcm_load(struct gcm *g, const struct gcm_case *c)
{
    (void)unhex(c->key, g->key);
    (void)unhex(c->nonce, g->nonce);
    g->aad_text = unhex(c->aad, g->aad);
    g->plain_text = unhex(c->plain, g->plain);
    g->sealed_text = unhex(c->sealed, g->sealed);
}

START_TEST(gcm_vectors_hold_both_ways)
{
    struct gcm g;
    gcm_load(&g, &gcm_cases[_i]);
    uint8_t out[256];
    ck_assert(aead_seal(g.key, g.nonce, g.aad_text, g.plain_text, out));
    assert_hex(out, g.sealed_text.len, gcm_cases[_i].sealed);
    ck_assert(aead_open(g.key, g.nonce, g.aad_text, g.sealed_text, out));
    assert_hex(out, g.plain_text.len, gcm_cases[_i].plain);
}
END_TEST

START_TEST(every_flipped_bit_is_noticed)
{
    struct gcm g;
    gcm_load(&g, &gcm_cases[2]);
    uint8_t out[256];
    for (size_t bit = 0; bit < g.sealed_text.len * 8; bit++) {
        g.sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
        memset(out, 0x77, sizeof(out));
        ck_assert(!aead_open(g.key, g.nonce, g.aad_text, g.sealed_text, out));
        for (size_t i = 0; i < g.plain_text.len; i++)
            ck_assert_uint_eq(out[i], 0);
        g.sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    ck_assert(aead_open(g.key, g.nonce, g.aad_text, g.sealed_text, out));
}
END_TEST

START_TEST(other_key_nonce_aad_or_length_is_refused)
{
    struct gcm g;
    gcm_load(&g, &gcm_cases[2]);
    uint8_t out[256];
    const struct str shorter = {g.sealed_text.ptr, g.sealed_text.len - 1};
    const struct str no_tag = {g.sealed_text.ptr, AEAD_TAG_BYTES - 1};
    ck_assert(!aead_open(g.key, g.nonce, STR(""), g.sealed_text, out));
    ck_assert(!aead_open(g.key, g.nonce, g.aad_text, shorter, out));
    ck_assert(!aead_open(g.key, g.nonce, g.aad_text, no_tag, out));
    ck_assert(!aead_open(g.key, g.nonce, g.aad_text, STR(""), out));
    g.nonce[0] ^= 1;
    ck_assert(!aead_open(g.key, g.nonce, g.aad_text, g.sealed_text, out));
    g.nonce[0] ^= 1;
    g.key[31] ^= 1;
    ck_assert(!aead_open(g.key, g.nonce, g.aad_text, g.sealed_text, out));
}
END_TEST

static void *hash_on_a_thread(void *arg)
{
    uint8_t out[SHA256_BYTES];
    bool *ok = arg;
    *ok = true;
    for (int i = 0; i < 1000; i++)
        *ok = crypto_sha256(STR("abc"), out) && out[0] == 0xba && *ok;
    return NULL;
}

START_TEST(threads_do_not_share_contexts)
{
    pthread_t threads[4];
    bool ok[4] = {false};
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hash_on_a_thread, &ok[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert(ok[i]);
    }
}
END_TEST

START_TEST(random_bytes_differ_and_jitter_stays_below_its_bound)
{
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    ck_assert(crypto_random(a, sizeof(a)));
    ck_assert(crypto_random(b, sizeof(b)));
    ck_assert_mem_ne(a, b, sizeof(a));
    bool seen[10] = {false};
    for (int i = 0; i < 1000; i++) {
        const uint64_t r = random_below(10);
        ck_assert_uint_lt(r, 10);
        seen[r] = true;
    }
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        ck_assert(seen[i]);
    ck_assert_uint_eq(random_below(1), 0);
}
END_TEST

/* Over many refills of the supply, and with requests that are larger than it. */
START_TEST(no_random_bytes_are_given_out_twice)
{
    enum { COUNT = 500, BYTES = 16 };
    static uint8_t all[COUNT][BYTES];
    uint8_t large[2048] = {0};

    for (size_t i = 0; i < COUNT; i++) {
        ck_assert(crypto_random(all[i], BYTES));
        for (size_t k = 0; k < i; k++)
            ck_assert_mem_ne(all[i], all[k], BYTES);
    }
    ck_assert(crypto_random(large, sizeof(large)));
    for (size_t i = 0; i < COUNT; i++)
        ck_assert_ptr_null(memmem(large, sizeof(large), all[i], BYTES));
}
END_TEST

START_TEST(a_child_does_not_repeat_its_parents_random_bytes)
{
    uint8_t of_parent[16];
    uint8_t of_child[16];
    int ends[2];

    ck_assert(crypto_random(of_parent, sizeof(of_parent)));
    ck_assert_int_eq(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        const bool good = crypto_random(of_child, sizeof(of_child)) &&
                          write(ends[1], of_child, sizeof(of_child)) == sizeof(of_child);
        _exit(good ? 0 : 1);
    }
    ck_assert(crypto_random(of_parent, sizeof(of_parent)));
    ck_assert_int_eq(read(ends[0], of_child, sizeof(of_child)), sizeof(of_child));
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_mem_ne(of_parent, of_child, sizeof(of_parent));
    (void)close(ends[0]);
    (void)close(ends[1]);
}
END_TEST

START_TEST(without_init_everything_fails_closed)
{
    crypto_finish();
    uint8_t out[64] = {0};
    const uint8_t key[AEAD_KEY_BYTES] = {0};
    ck_assert(!crypto_sha256(STR("abc"), out));
    ck_assert(!crypto_hmac_sha256(key, sizeof(key), STR("abc"), out));
    ck_assert(!aead_seal(key, key, STR(""), STR("x"), out));
    ck_assert(!aead_open(key, key, STR(""), STR("0123456789abcdefx"), out));
    ck_assert(crypto_init());
    ck_assert(crypto_sha256(STR("abc"), out));
}
END_TEST

START_TEST(a_refusal_for_want_of_memory_is_told_from_a_judgement)
{
    struct gcm g;
    gcm_load(&g, &gcm_cases[2]);
    uint8_t out[256];
    g.sealed[0] ^= 1;
    ck_assert(!aead_open(g.key, g.nonce, g.aad_text, g.sealed_text, out));
    ck_assert(!crypto_lacked_memory());
    crypto_finish(); /* no contexts are to be had, as without memory */
    ck_assert(!aead_open(g.key, g.nonce, g.aad_text, g.sealed_text, out));
    ck_assert(crypto_lacked_memory());
    ck_assert(!crypto_lacked_memory());
    ck_assert(!crypto_sha256(STR("abc"), out));
    ck_assert(crypto_lacked_memory());
    ck_assert(crypto_init());
}
END_TEST

START_TEST(equality_and_hex)
{
    ck_assert(crypto_equal(STR("abc"), STR("abc")));
    ck_assert(!crypto_equal(STR("abc"), STR("abd")));
    ck_assert(!crypto_equal(STR("abc"), STR("ab")));
    ck_assert(crypto_equal(STR(""), str_of(NULL)));
    uint8_t out[2] = {0};
    ck_assert(hex_decode(STR("aF09"), out, 2));
    ck_assert_uint_eq(out[0], 0xaf);
    ck_assert_uint_eq(out[1], 0x09);
    ck_assert(!hex_decode(STR("aF0"), out, 2));
    ck_assert(!hex_decode(STR("aF0g"), out, 2));
    ck_assert(!hex_decode(STR("aF0900"), out, 2));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("crypto");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, sha256_vectors);
    tcase_add_loop_test(tests, hmac_vectors, 0, (int)ARRAY_LEN(hmac_cases));
    tcase_add_test(tests, hmac_takes_an_empty_key);
    tcase_add_loop_test(tests, gcm_vectors_hold_both_ways, 0, (int)ARRAY_LEN(gcm_cases));
    tcase_add_test(tests, every_flipped_bit_is_noticed);
    tcase_add_test(tests, other_key_nonce_aad_or_length_is_refused);
    tcase_add_test(tests, threads_do_not_share_contexts);
    tcase_add_test(tests, random_bytes_differ_and_jitter_stays_below_its_bound);
    tcase_add_test(tests, no_random_bytes_are_given_out_twice);
    tcase_add_test(tests, a_child_does_not_repeat_its_parents_random_bytes);
    tcase_add_test(tests, without_init_everything_fails_closed);
    tcase_add_test(tests, a_refusal_for_want_of_memory_is_told_from_a_judgement);
    tcase_add_test(tests, equality_and_hex);
    return unit_run(tests, "crypto");
}
