/* SPDX-License-Identifier: Apache-2.0
 * base/json (tree): access to every type and to nothing at all, numbers of all
 * lengths, documents of more nodes than one block, print and parse again. */
#include "unit.h"

#include <float.h>
#include <stdio.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "base/json.h"

static const struct json_limits limits = {.bytes_max = 1 << 16, .depth_max = 64, .values_max = 999};

static void setup(void)
{
    ck_assert(crypto_init());
}

static void teardown(void)
{
    crypto_finish();
}

static struct json *parsed(const char *text)
{
    struct json *root = NULL;
    ck_assert_int_eq(json_parse(str_of(text), &limits, &root, NULL), ERR_OK);
    return root;
}

START_TEST(members_are_found_by_exact_name)
{
    AUTO_JSON struct json *root = parsed("{\"SUB\":\"no\",\"sub\":\"u-1\",\"n\":-2.5,\"t\":true,"
                                         "\"f\":false,\"z\":null,\"l\":[1,2],\"o\":{}}");
    double number = 0;
    ck_assert_str_is(json_string(json_member(root, "sub")), "u-1");
    ck_assert(json_number(json_member(root, "n"), &number));
    ck_assert_double_eq(number, -2.5);
    ck_assert(json_is_true(json_member(root, "t")));
    ck_assert(!json_is_true(json_member(root, "f")));
    ck_assert_int_eq(json_type(json_member(root, "f")), JSON_BOOL);
    ck_assert_int_eq(json_type(json_member(root, "z")), JSON_NULL);
    ck_assert_int_eq(json_type(json_member(root, "l")), JSON_ARRAY);
    ck_assert_int_eq(json_type(json_member(root, "o")), JSON_OBJECT);
    ck_assert_ptr_null(json_member(root, "Sub"));
    ck_assert_uint_eq(json_count(root), 8);
}
END_TEST

START_TEST(wrong_types_and_absence_give_nothing)
{
    AUTO_JSON struct json *root = parsed("{\"n\":1,\"s\":\"x\",\"l\":[\"m\"]}");
    double number = 7;
    ck_assert_ptr_null(json_string(json_member(root, "n")).ptr);
    ck_assert_ptr_null(json_string(NULL).ptr);
    ck_assert(!json_number(json_member(root, "s"), &number));
    ck_assert(!json_number(NULL, &number));
    ck_assert_double_eq(number, 7);
    ck_assert(!json_is_true(NULL));
    ck_assert_ptr_null(json_member(NULL, "x"));
    ck_assert_ptr_null(json_member(json_member(root, "s"), "x"));
    ck_assert_ptr_null(json_member(json_member(root, "l"), "m"));
    ck_assert_ptr_null(json_first(NULL));
    ck_assert_ptr_null(json_next(NULL));
    ck_assert_ptr_null(json_first(json_member(root, "s")));
    ck_assert_uint_eq(json_count(NULL), 0);
    ck_assert_ptr_null(json_name(root).ptr);
    json_free(NULL);
}
END_TEST

START_TEST(children_come_in_document_order)
{
    AUTO_JSON struct json *root = parsed("{\"b\":1,\"a\":2,\"c\":3}");
    const char *const names[] = {"b", "a", "c"};
    size_t i = 0;
    for (const struct json *child = json_first(root); child; child = json_next(child))
        ck_assert_str_is(json_name(child), names[i++]);
    ck_assert_uint_eq(i, 3);
}
END_TEST

START_TEST(strings_are_unescaped)
{
    AUTO_JSON struct json *root = parsed("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00fc\\ud83d\\ude00\"]");
    ck_assert_str_is(json_string(json_first(root)), "\"\\/\b\f\n\r\t\xc3\xbc\xf0\x9f\x98\x80");
}
END_TEST

/* The reader looks at eight bytes at a time: each byte, at each place of them. */
START_TEST(strings_come_back_as_they_were_written)
{
    for (int byte = 1; byte < 0x80; byte++) {
        for (size_t at = 0; at < 20; at++) {
            char text[] = "twenty plain letters";
            text[at] = (char)byte;
            AUTO_BUF struct buf out;
            struct json_writer w;
            buf_init(&out, 64);
            jw_init(&w, &out);
            jw_string(&w, str_of(text));
            AUTO_JSON struct json *root = parsed(out.ptr);
            ck_assert_str_is(json_string(root), text);
        }
    }
}
END_TEST

static const struct number_case {
    const char *text;
    double value;
    const char *printed;
} number_cases[] = {
    {"0", 0, "0"},
    {"-1.50", -1.5, "-1.5"},
    {"9007199254740991", 9007199254740991.0, "9007199254740991"},
    {"1795341600", 1795341600, "1795341600"},
    {"0.1", 0.1, "0.1"},
    {"1e-400", 0, "0"},
    {"1.7976931348623157e308", DBL_MAX, "1.7976931348623157e+308"},
    {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
     1.2345678901234568e79, "1.2345678901234568e+79"},
    {"-0.000000000000000000000000000000000000000000000000000000000000000000000000000001", -1e-78,
     "-1e-78"},
};

START_TEST(numbers_keep_their_value)
{
    const struct number_case *c = &number_cases[_i];
    AUTO_BUF struct buf text;
    buf_init(&text, 1000);
    buf_printf(&text,
               "{\"long \\\" -1111111111111111111111111111111111111111111111111111111111\":[%s ,"
               "%s]}",
               c->text, c->text);
    AUTO_JSON struct json *root = parsed(text.ptr);
    const struct json *first = json_first(json_first(root));
    double value = 99;
    ck_assert(json_number(first, &value));
    ck_assert_double_eq(value, c->value);
    ck_assert(json_number(json_next(first), &value));
    ck_assert_double_eq(value, c->value);
    AUTO_BUF struct buf out;
    buf_init(&out, 1000);
    json_print(&out, first);
    ck_assert_str_is(buf_str(&out), c->printed);
}
END_TEST

START_TEST(print_gives_the_same_document)
{
    static const char text[] = "{\"a\":[1,-2.5,true,false,null,\"x\\n\\\"\",[],{}],\"\xc3\xa9\":"
                               "{\"b\":{\"c\":[[0]]}}}";
    AUTO_JSON struct json *root = parsed(text);
    AUTO_BUF struct buf out;
    buf_init(&out, 1000);
    json_print(&out, root);
    ck_assert_str_is(buf_str(&out), text);
}
END_TEST

START_TEST(a_document_may_have_any_number_of_values)
{
    AUTO_BUF struct buf text;
    buf_init(&text, 65536);
    for (int i = 0; i < 500; i++)
        buf_printf(&text, "%s\"%d\"", i == 0 ? "[" : ",", i);
    buf_append_byte(&text, ']');
    AUTO_JSON struct json *root = parsed(text.ptr);
    char wanted[16];
    int i = 0;
    for (const struct json *child = json_first(root); child; child = json_next(child)) {
        (void)snprintf(wanted, sizeof(wanted), "%d", i++);
        ck_assert_str_is(json_string(child), wanted);
    }
    ck_assert_int_eq(i, 500);
}
END_TEST

START_TEST(invalid_text_gives_no_tree)
{
    struct json *root = NULL;
    struct json_error error = {0};
    ck_assert_int_eq(json_parse(STR("{\"a\":1,}"), &limits, &root, &error), ERR_INVALID_JSON);
    ck_assert_ptr_null(root);
    ck_assert_uint_eq(error.offset, 7);
    ck_assert_int_eq(json_parse(STR(""), &limits, &root, NULL), ERR_INVALID_JSON);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("json_tree");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, members_are_found_by_exact_name);
    tcase_add_test(tests, wrong_types_and_absence_give_nothing);
    tcase_add_test(tests, children_come_in_document_order);
    tcase_add_test(tests, strings_are_unescaped);
    tcase_add_test(tests, strings_come_back_as_they_were_written);
    tcase_add_loop_test(tests, numbers_keep_their_value, 0, (int)ARRAY_LEN(number_cases));
    tcase_add_test(tests, print_gives_the_same_document);
    tcase_add_test(tests, a_document_may_have_any_number_of_values);
    tcase_add_test(tests, invalid_text_gives_no_tree);
    return unit_run(tests, "json_tree");
}
