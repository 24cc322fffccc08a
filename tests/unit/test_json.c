/* SPDX-License-Identifier: Apache-2.0
 * base/json (reader): every line of tests/data/json_cases.txt, each prefix and each cut of a
 * valid document, the three limits to the unit, duplicates among many names, error offsets. */
#include "unit.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/crypto.h"
#include "base/json.h"

enum { LINE_BYTES = 512, CASES_MIN = 150 };

static const struct json_limits limits = {
    .bytes_max = 1 << 20, .depth_max = 32, .values_max = 5000};

static void setup(void)
{
    ck_assert(crypto_init());
}

static void teardown(void)
{
    crypto_finish();
}

/* An exact-size copy, so that the sanitizer sees any read past the end. */
static bool is_valid(struct str text, const struct json_limits *with, struct json_error *error)
{
    char *copy = malloc(text.len + 1);
    ck_assert_ptr_nonnull(copy);
    char *exact = realloc(copy, text.len > 0 ? text.len : 1);
    if (text.len > 0)
        memcpy(exact, text.ptr, text.len);
    struct json *root = NULL;
    const bool ok = json_parse((struct str){exact, text.len}, with, &root, error) == ERR_OK;
    json_free(root);
    free(exact);
    return ok;
}

static bool valid(const char *text)
{
    return is_valid(str_of(text), &limits, NULL);
}

/* Decodes %XX in place; returns the length. */
static size_t percent_decode(char *text)
{
    size_t out = 0;
    for (size_t at = 0; text[at] != '\0'; at++) {
        uint8_t byte = (uint8_t)text[at];
        if (text[at] == '%') {
            ck_assert(hex_decode((struct str){text + at + 1, 2}, &byte, 1));
            at += 2;
        }
        text[out++] = (char)byte;
    }
    return out;
}

static void check_case(const char *verdict, const char *name, struct str text)
{
    struct json_error error = {0};
    const bool expected = strcmp(verdict, "invalid") != 0;
    const bool ok = is_valid(text, &limits, &error);
    ck_assert_msg(ok == expected, "%s: expected %s, %s at %zu", name, verdict,
                  ok ? "accepted" : error.what, error.offset);
    if (!ok) {
        ck_assert_ptr_nonnull(error.what);
        ck_assert_uint_le(error.offset, text.len);
        return;
    }
    AUTO_JSON struct json *root = NULL;
    ck_assert_int_eq(json_parse(text, &limits, &root, &error), ERR_OK);
    ck_assert_msg((json_type(root) == JSON_OBJECT) == (strcmp(verdict, "object") == 0), "%s", name);
}

START_TEST(grammar_cases)
{
    FILE *file = fopen(JSON_CASES_FILE, "r");
    ck_assert_ptr_nonnull(file);
    char line[LINE_BYTES];
    unsigned cases = 0;
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0')
            continue;
        char verdict[16];
        char name[64];
        int text_at = 0;
        ck_assert_int_eq(sscanf(line, "%15s %63s%n", verdict, name, &text_at), 2);
        char *text = line + text_at + (line[text_at] == ' ' ? 1 : 0);
        check_case(verdict, name, (struct str){text, percent_decode(text)});
        cases++;
    }
    (void)fclose(file);
    ck_assert_uint_ge(cases, CASES_MIN);
}
END_TEST

static const char document[] =
    "{\"a\":[1,-2.5e+3,true,null,\"x\\u00e9\\ud83d\\ude00\\n\"],\"b\":{\"\xc3\xa9\":[[],{}]}}";

START_TEST(every_prefix_of_a_document_is_refused)
{
    const struct str whole = {document, sizeof(document) - 1};
    ck_assert(is_valid(whole, &limits, NULL));
    for (size_t len = 0; len < whole.len; len++)
        ck_assert(!is_valid((struct str){whole.ptr, len}, &limits, NULL));
}
END_TEST

START_TEST(any_byte_anywhere_never_reads_past_the_end)
{
    char text[sizeof(document)];
    for (size_t at = 0; at < sizeof(document) - 1; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memcpy(text, document, sizeof(text));
            text[at] = (char)byte;
            (void)is_valid((struct str){text, sizeof(text) - 1}, &limits, NULL);
        }
    }
}
END_TEST

static bool nested_is_valid(unsigned depth, const struct json_limits *with)
{
    AUTO_BUF struct buf b;
    buf_init(&b, 1 << 20);
    for (unsigned i = 0; i < depth; i++)
        buf_append_z(&b, i % 2 ? "{\"a\":" : "[");
    buf_append_z(&b, "0");
    for (unsigned i = depth; i > 0; i--)
        buf_append_z(&b, (i - 1) % 2 ? "}" : "]");
    return is_valid(buf_str(&b), with, NULL);
}

START_TEST(depth_limit_is_exact)
{
    ck_assert(nested_is_valid(32, &limits));
    ck_assert(!nested_is_valid(33, &limits));
    ck_assert(!nested_is_valid(100000, &limits));
    const struct json_limits deepest = {1 << 20, JSON_DEPTH_CEILING, 5000};
    ck_assert(nested_is_valid(JSON_DEPTH_CEILING, &deepest));
    ck_assert(!nested_is_valid(JSON_DEPTH_CEILING + 1, &deepest));
    const struct json_limits flat = {1 << 20, 0, 5000};
    ck_assert(nested_is_valid(0, &flat));
    ck_assert(!nested_is_valid(1, &flat));
}
END_TEST

START_TEST(value_and_byte_limits_are_exact)
{
    const struct json_limits five = {.bytes_max = 11, .depth_max = 4, .values_max = 5};
    ck_assert(is_valid(STR("[1,2,3,4]"), &five, NULL));
    ck_assert(!is_valid(STR("[1,2,3,4,5]"), &five, NULL));
    ck_assert(is_valid(STR("[1,2,3,4]  "), &five, NULL));
    ck_assert(!is_valid(STR("[1,2,3,4]   "), &five, NULL));
}
END_TEST

static void append_members(struct buf *b, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        buf_printf(b, "\"name%u\":0,", i);
}

START_TEST(duplicates_are_found_among_many_names)
{
    for (unsigned count = 1; count < 4000; count = count * 3 + 1) {
        AUTO_BUF struct buf b;
        buf_init(&b, 1 << 20);
        buf_append_z(&b, "{");
        append_members(&b, count);
        const size_t before_last = b.len;
        buf_append_z(&b, "\"last\":0}");
        ck_assert(is_valid(buf_str(&b), &limits, NULL));
        for (unsigned twice = 0; twice < count; twice += count / 3 + 1) {
            b.len = before_last;
            buf_printf(&b, "\"name%u\":0}", twice);
            ck_assert(!is_valid(buf_str(&b), &limits, NULL));
        }
    }
}
END_TEST

START_TEST(errors_say_where_and_what)
{
    struct json_error error = {0};
    ck_assert(!is_valid(STR("{\"a\":1,\"a\":2}"), &limits, &error));
    ck_assert_str_eq(error.what, "duplicate member name");
    ck_assert_uint_eq(error.offset, 10);
    ck_assert(!is_valid(STR("[1,2"), &limits, &error));
    ck_assert_uint_eq(error.offset, 4);
    ck_assert(!is_valid(STR(""), &limits, &error));
    ck_assert_str_eq(error.what, "value expected");
}
END_TEST

START_TEST(long_numbers_are_judged_by_their_value)
{
    AUTO_BUF struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 308; i++)
        buf_append_byte(&b, '9');
    ck_assert(valid(b.ptr));
    buf_append_byte(&b, '9');
    ck_assert(!valid(b.ptr));
    buf_append_z(&b, "e-1");
    ck_assert(valid(b.ptr));
    buf_reset(&b);
    buf_append_z(&b, "0.");
    for (int i = 0; i < 100000; i++)
        buf_append_byte(&b, '0');
    buf_append_z(&b, "1");
    ck_assert(valid(b.ptr));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("json");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, grammar_cases);
    tcase_add_test(tests, every_prefix_of_a_document_is_refused);
    tcase_add_test(tests, any_byte_anywhere_never_reads_past_the_end);
    tcase_add_test(tests, depth_limit_is_exact);
    tcase_add_test(tests, value_and_byte_limits_are_exact);
    tcase_add_test(tests, duplicates_are_found_among_many_names);
    tcase_add_test(tests, errors_say_where_and_what);
    tcase_add_test(tests, long_numbers_are_judged_by_their_value);
    return unit_run(tests, "json");
}
