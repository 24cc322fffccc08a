/* SPDX-License-Identifier: Apache-2.0
 * base/base64: the vectors of RFC 4648 §10 in both alphabets, and every laxness that another
 * decoder is known for. */
#include "unit.h"

#include "base/base64.h"
#include "base/buf.h"

static const struct vector {
    const char *plain;
    const char *padded;
    const char *url;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xff\xef\xbe", "/+++", "_---"},
};

START_TEST(vectors_hold_both_ways)
{
    const struct vector *v = &vectors[_i];
    const struct str plain = str_of(v->plain);
    AUTO_BUF struct buf b;
    buf_init(&b, 100);
    base64_append(&b, (const uint8_t *)plain.ptr, plain.len);
    ck_assert_str_is(buf_str(&b), v->padded);
    buf_reset(&b);
    base64url_append(&b, (const uint8_t *)plain.ptr, plain.len);
    ck_assert_str_is(buf_str(&b), v->url);
    ck_assert_uint_eq(b.len, base64url_len(plain.len));

    uint8_t out[64];
    size_t len = 99;
    ck_assert(base64_decode(str_of(v->padded), false, out, &len));
    ck_assert(str_eq((struct str){(const char *)out, len}, plain));
    ck_assert_uint_le(len, base64_decoded_max(strlen(v->padded)));
    len = 99;
    ck_assert(base64url_decode(str_of(v->url), out, &len));
    ck_assert(str_eq((struct str){(const char *)out, len}, plain));
}
END_TEST

static const char *const bad_url[] = {
    "Z",   "Zg==", "Zg=",  "Zh",       "Zm9",     "Zm9vY", "Zm+v", "Zm/v",     "Zm 9v",
    " Zg", "Zg ",  "Zg\n", "Zm9v\tYg", "Zm9v.Yg", "Zm%3d", "=",    "\xc3\xbc", "Zm9vYR\xff",
};

START_TEST(lax_base64url_is_refused)
{
    uint8_t out[64];
    size_t len = 99;
    ck_assert_msg(!base64url_decode(str_of(bad_url[_i]), out, &len), "%s", bad_url[_i]);
    ck_assert_uint_eq(len, 99);
}
END_TEST

/* In a group of four and in what is left over, at each place. */
START_TEST(each_byte_is_of_an_alphabet_or_refused)
{
    static const char BOTH[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    uint8_t out[64];
    size_t len = 0;

    for (int byte = 0; byte < 256; byte++) {
        const bool both = byte != 0 && strchr(BOTH, byte);
        for (size_t at = 0; at < 6; at++) {
            char text[] = "AAAAAAAA";
            text[at] = (char)byte;
            const struct str eight = {text, 8};
            ck_assert_int_eq(base64url_decode(eight, out, &len),
                             both || byte == '-' || byte == '_');
            ck_assert_int_eq(base64_decode(eight, false, out, &len),
                             both || byte == '+' || byte == '/');
            if (at != 5)
                ck_assert_int_eq(base64url_decode((struct str){text, 7}, out, &len),
                                 both || byte == '-' || byte == '_');
        }
    }
}
END_TEST

START_TEST(nul_in_base64url_is_refused)
{
    uint8_t out[64];
    size_t len = 99;
    ck_assert(!base64url_decode((struct str){"Zm9v\0", 5}, out, &len));
}
END_TEST

static const char *const bad_plain[] = {
    "Zg",   "Zg=",  "Zg===",    "Zh==",     "Zm9=",   "Zm8",      "Zm-v",  "Zm_v",
    "=Zg=", "Z=g=", "Zg==Zg==", "Zm9v====", "Zm9v\n", "Zm9v\r\n", "Zm 9v", "====",
};

START_TEST(lax_base64_is_refused)
{
    uint8_t out[64];
    size_t len = 99;
    ck_assert_msg(!base64_decode(str_of(bad_plain[_i]), false, out, &len), "%s", bad_plain[_i]);
    ck_assert_uint_eq(len, 99);
}
END_TEST

START_TEST(line_breaks_only_when_allowed)
{
    uint8_t out[64];
    size_t len = 0;
    ck_assert(base64_decode(STR("Zm9v\r\nYmFy\nZg=\n=\n"), true, out, &len));
    ck_assert_str_is(((struct str){(const char *)out, len}), "foobarf");
    ck_assert(!base64_decode(STR("Zm9v YmFy"), true, out, &len));
}
END_TEST

START_TEST(full_buffer_fails)
{
    AUTO_BUF struct buf b;
    buf_init(&b, 3);
    base64url_append(&b, (const uint8_t *)"foobar", 6);
    ck_assert(!buf_ok(&b));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("base64");
    tcase_add_loop_test(tests, vectors_hold_both_ways, 0, (int)ARRAY_LEN(vectors));
    tcase_add_loop_test(tests, lax_base64url_is_refused, 0, (int)ARRAY_LEN(bad_url));
    tcase_add_test(tests, each_byte_is_of_an_alphabet_or_refused);
    tcase_add_test(tests, nul_in_base64url_is_refused);
    tcase_add_loop_test(tests, lax_base64_is_refused, 0, (int)ARRAY_LEN(bad_plain));
    tcase_add_test(tests, line_breaks_only_when_allowed);
    tcase_add_test(tests, full_buffer_fails);
    return unit_run(tests, "base64");
}
