/* SPDX-License-Identifier: Apache-2.0
 * Decoys look like the last genuine challenge. */
#include "api/decoy.h"

#include "base/base64.h"
#include "base/crypto.h"
#include "unit.h"

static struct arena arena;
static struct decoy_shape *shape;

static void set_up(void)
{
    ck_assert(crypto_init());
    arena_init(&arena, 1024 * 1024);
    shape = decoy_shape_create();
    ck_assert_ptr_nonnull(shape);
}

static void tear_down(void)
{
    decoy_shape_destroy(shape);
    arena_finish(&arena);
    crypto_finish();
}

static struct str made(void)
{
    struct str text = {0};
    ck_assert_int_eq(decoy_challenge(shape, &arena, &text), ERR_OK);
    ck_assert_uint_eq(strlen(text.ptr), text.len);
    return text;
}

static bool consists_of(struct str text, const char *alphabet)
{
    return strspn(text.ptr, alphabet) == text.len;
}

START_TEST(before_the_first_genuine_one_it_is_32_bytes_of_base64url)
{
    uint8_t bytes[64];
    size_t len = 0;
    ck_assert(base64url_decode(made(), bytes, &len));
    ck_assert_uint_eq(len, 32);
}
END_TEST

#define HEX "0123456789abcdef"
#define ALNUM "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static const struct {
    const char *genuine;
    const char *alphabet;
} SHAPES[] = {
    {"f2b7c0d59c0a4e6b8d1e7a3c5b9f4d20", HEX},
    {"8419023756", "0123456789"},
    {"ABCDEF0123456789ABCDEF", "0123456789ABCDEF"},
    {"mJ4fkP0qAz9Gb3Cd7EyXw", ALNUM},
    {"mJ4f-P0qAz9Gb3Cd7Ey_w", ALNUM "-_"},
    {"mJ4f+P0qAz9Gb3Cd7Ey/wQ==", ALNUM "+/="},
    {"x", "ghijklmnopqrstuvwxyz"},
};

START_TEST(length_and_alphabet_are_those_of_the_last_genuine_one)
{
    const struct str genuine = str_of(SHAPES[_i].genuine);
    decoy_learn(shape, genuine);
    for (int i = 0; i < 50; i++) {
        const struct str text = made();
        ck_assert_uint_eq(text.len, genuine.len);
        ck_assert_msg(consists_of(text, SHAPES[_i].alphabet), "%s", text.ptr);
    }
}
END_TEST

START_TEST(padding_stays_where_it_was_and_the_rest_decodes)
{
    decoy_learn(shape, STR("mJ4f+P0qAz9Gb3Cd7Ey/wQ=="));
    for (int i = 0; i < 50; i++) {
        uint8_t bytes[64];
        size_t len = 0;
        ck_assert(base64_decode(made(), false, bytes, &len));
        ck_assert_uint_eq(len, 16);
    }
}
END_TEST

START_TEST(a_uuid_keeps_its_dashes)
{
    decoy_learn(shape, STR("3f6c2d1e-9a00-4bcd-8e1f-0123456789ab"));
    const struct str text = made();
    ck_assert_uint_eq(text.len, 36);
    for (size_t i = 0; i < text.len; i++) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        ck_assert((text.ptr[i] == '-') == dash);
        ck_assert(dash || strchr(HEX, text.ptr[i]));
    }
}
END_TEST

START_TEST(an_alphabet_is_learnt_from_several_challenges_of_one_length)
{
    decoy_learn(shape, STR("0123456789"));
    decoy_learn(shape, STR("abcdefabcd"));
    bool digit = false;
    bool letter = false;
    for (int i = 0; i < 50; i++) {
        const struct str text = made();
        digit |= strpbrk(text.ptr, "0123456789") != NULL;
        letter |= strpbrk(text.ptr, "abcdef") != NULL;
    }
    ck_assert(digit && letter);
}
END_TEST

START_TEST(no_two_are_equal)
{
    decoy_learn(shape, STR("f2b7c0d59c0a4e6b8d1e7a3c5b9f4d20"));
    ck_assert(!str_eq(made(), made()));
}
END_TEST

START_TEST(the_longest_challenge_can_be_imitated)
{
    static char longest[4096];
    memset(longest, 'Q', sizeof longest);
    decoy_learn(shape, (struct str){longest, sizeof longest});
    ck_assert_uint_eq(made().len, sizeof longest);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("decoy");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, before_the_first_genuine_one_it_is_32_bytes_of_base64url);
    tcase_add_loop_test(t, length_and_alphabet_are_those_of_the_last_genuine_one, 0,
                        ARRAY_LEN(SHAPES));
    tcase_add_test(t, padding_stays_where_it_was_and_the_rest_decodes);
    tcase_add_test(t, a_uuid_keeps_its_dashes);
    tcase_add_test(t, an_alphabet_is_learnt_from_several_challenges_of_one_length);
    tcase_add_test(t, no_two_are_equal);
    tcase_add_test(t, the_longest_challenge_can_be_imitated);
    return unit_run(t, "decoy");
}
