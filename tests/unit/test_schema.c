/* SPDX-License-Identifier: Apache-2.0
 * Field tables: what fills a struct, what is refused, and the pointer to each fault. */
#include "api/schema.h"

#include "base/buf.h"

#include "unit.h"

static struct arena arena;

struct sample {
    struct str name, note, pem, word;
    int64_t age;
    const struct json *more;
};
static const struct schema_field FIELDS[] = {
    {"name", SCHEMA_TEXT, true, offsetof(struct sample, name), 1, 8, ALPHABET_TEXT},
    {"note", SCHEMA_TEXT, false, offsetof(struct sample, note), 1, 8, ALPHABET_VISIBLE},
    {"pem", SCHEMA_TEXT, false, offsetof(struct sample, pem), 1, 8, ALPHABET_LINES},
    {"word", SCHEMA_TEXT, false, offsetof(struct sample, word), 1, 8, ALPHABET_WORD},
    {"age", SCHEMA_INTEGER, false, offsetof(struct sample, age), 30, 600, ALPHABET_TEXT},
    {"more", SCHEMA_OBJECT, false, offsetof(struct sample, more), 0, 0, ALPHABET_TEXT},
};
static const struct schema SCHEMA = {FIELDS, ARRAY_LEN(FIELDS)};

static void set_up(void)
{
    arena_init(&arena, 64 * 1024);
}

static void tear_down(void)
{
    arena_finish(&arena);
}

static struct json *parsed(const char *text)
{
    static const struct json_limits LIMITS = {65536, 8, 1000};
    struct json *root = NULL;
    struct json_error problem;
    ck_assert_int_eq(json_parse(str_of(text), &LIMITS, &root, &problem), ERR_OK);
    return root;
}

START_TEST(a_good_body_fills_the_struct)
{
    AUTO_JSON struct json *root = parsed("{\"age\":30,\"name\":\"\\u00e9a\",\"pem\":\"a\\nb\","
                                         "\"word\":\"a-B_.9\",\"more\":{\"x\":1}}");
    struct sample out = {0};
    struct failure failure;
    ck_assert_int_eq(schema_read(&SCHEMA, root, &out, &arena, &failure), ERR_OK);
    ck_assert_str_is(out.name, "\xc3\xa9"
                               "a");
    ck_assert_str_is(out.pem, "a\nb");
    ck_assert_str_is(out.word, "a-B_.9");
    ck_assert_ptr_null(out.note.ptr);
    ck_assert_int_eq(out.age, 30);
    ck_assert_uint_eq(json_count(out.more), 1);
}
END_TEST

static const struct {
    const char *body;
    const char *pointer;
    const char *detail;
} FAULTS[] = {
    {"[]", "", "must be an object"},
    {"\"x\"", "", "must be an object"},
    {"{}", "/name", "is required"},
    {"{\"name\":null}", "/name", "must be a string"},
    {"{\"name\":\"\"}", "/name", "must have a length in bytes of 1 to 8"},
    {"{\"name\":\"123456789\"}", "/name", "must have a length in bytes of 1 to 8"},
    {"{\"name\":\"\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\"}", "/name",
     "must have a length in bytes of 1 to 8"},
    {"{\"name\":\"a\\nb\"}", "/name", "must not contain control characters"},
    {"{\"name\":\"a\\u0085\"}", "/name", "must not contain control characters"},
    {"{\"name\":\"a\",\"note\":\"b c\"}", "/note", "must be visible ASCII without spaces"},
    {"{\"name\":\"a\",\"pem\":\"b\\tc\"}", "/pem", "must be printable ASCII or line breaks"},
    {"{\"name\":\"a\",\"word\":\"b/c\"}", "/word",
     "must consist of letters, digits, '_', '.' and '-'"},
    {"{\"name\":\"a\",\"age\":29}", "/age", "must be an integer of 30 to 600"},
    {"{\"name\":\"a\",\"age\":601}", "/age", "must be an integer of 30 to 600"},
    {"{\"name\":\"a\",\"age\":30.5}", "/age", "must be an integer of 30 to 600"},
    {"{\"name\":\"a\",\"age\":1e300}", "/age", "must be an integer of 30 to 600"},
    {"{\"name\":\"a\",\"age\":\"30\"}", "/age", "must be an integer of 30 to 600"},
    {"{\"name\":\"a\",\"more\":[]}", "/more", "must be an object"},
    {"{\"name\":\"a\",\"Name\":\"a\"}", "/Name", "is not a member of this request"},
    {"{\"name\":\"a\",\"a/b~c\":1}", "/a~1b~0c", "is not a member of this request"},
    {"{\"name\":\"a\",\"\":1}", "/", "is not a member of this request"},
};

START_TEST(each_fault_is_named_by_a_pointer)
{
    AUTO_JSON struct json *root = parsed(FAULTS[_i].body);
    struct sample out = {0};
    struct failure failure;
    ck_assert_int_eq(schema_read(&SCHEMA, root, &out, &arena, &failure), ERR_INVALID_REQUEST);
    ck_assert_int_eq(failure.code, ERR_INVALID_REQUEST);
    ck_assert_uint_eq(failure.pointer_count, 1);
    ck_assert_str_eq(failure.pointers[0].pointer, FAULTS[_i].pointer);
    ck_assert_str_eq(failure.pointers[0].detail, FAULTS[_i].detail);
}
END_TEST

START_TEST(all_faults_of_a_body_are_named_at_once)
{
    AUTO_JSON struct json *root = parsed("{\"x\":1,\"age\":0,\"y\":2}");
    struct sample out = {0};
    struct failure failure;
    ck_assert_int_eq(schema_read(&SCHEMA, root, &out, &arena, &failure), ERR_INVALID_REQUEST);
    ck_assert_uint_eq(failure.pointer_count, 4);
    ck_assert_str_eq(failure.pointers[0].pointer, "/x");
    ck_assert_str_eq(failure.pointers[1].pointer, "/age");
    ck_assert_str_eq(failure.pointers[2].pointer, "/y");
    ck_assert_str_eq(failure.pointers[3].pointer, "/name");
}
END_TEST

START_TEST(a_flood_of_unknown_members_is_cut_at_the_limit)
{
    AUTO_BUF struct buf body;
    buf_init(&body, 65536);
    buf_append_z(&body, "{\"name\":\"a\"");
    for (int i = 0; i < 100; i++)
        buf_printf(&body, ",\"m%d\":1", i);
    buf_append_z(&body, "}");
    AUTO_JSON struct json *root = parsed(body.ptr);
    struct sample out = {0};
    struct failure failure;
    ck_assert_int_eq(schema_read(&SCHEMA, root, &out, &arena, &failure), ERR_INVALID_REQUEST);
    ck_assert_uint_eq(failure.pointer_count, FAILURE_POINTERS_MAX);
}
END_TEST

START_TEST(a_huge_unknown_name_is_not_repeated)
{
    AUTO_BUF struct buf body;
    buf_init(&body, 65536);
    buf_append_z(&body, "{\"name\":\"a\",\"");
    for (int i = 0; i < 1000; i++)
        buf_append_byte(&body, 'x');
    buf_append_z(&body, "\":1}");
    AUTO_JSON struct json *root = parsed(body.ptr);
    struct sample out = {0};
    struct failure failure;
    ck_assert_int_eq(schema_read(&SCHEMA, root, &out, &arena, &failure), ERR_INVALID_REQUEST);
    ck_assert_uint_eq(failure.pointer_count, 1);
    ck_assert_str_eq(failure.pointers[0].pointer, "");
}
END_TEST

START_TEST(no_memory_for_a_pointer_is_no_silent_success)
{
    static const char *const BODIES[] = {"{}", "{\"name\":\"\"}", "{\"name\":\"a\",\"age\":7}"};
    struct arena tiny;
    arena_init(&tiny, 1);
    AUTO_JSON struct json *root = parsed(BODIES[_i]);
    struct sample out = {0};
    struct failure failure;
    ck_assert_int_eq(schema_read(&SCHEMA, root, &out, &tiny, &failure), ERR_NO_MEMORY);
    arena_finish(&tiny);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("schema");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_good_body_fills_the_struct);
    tcase_add_loop_test(t, each_fault_is_named_by_a_pointer, 0, ARRAY_LEN(FAULTS));
    tcase_add_test(t, all_faults_of_a_body_are_named_at_once);
    tcase_add_test(t, a_flood_of_unknown_members_is_cut_at_the_limit);
    tcase_add_test(t, a_huge_unknown_name_is_not_repeated);
    tcase_add_loop_test(t, no_memory_for_a_pointer_is_no_silent_success, 0, 3);
    return unit_run(t, "schema");
}
