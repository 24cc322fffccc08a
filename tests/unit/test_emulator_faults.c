/* SPDX-License-Identifier: Apache-2.0
 * Fault rules: what is read, when a rule strikes, what a bad rule is refused for. */
#include "unit.h"

#include <stdio.h>

#include "emulator/faults.h"

static const struct json_limits LIMITS = {.bytes_max = 65536, .depth_max = 8, .values_max = 1000};

static struct fault_rule *rule_of(const char *text, const char **ret_problem)
{
    AUTO_JSON struct json *body = NULL;
    struct json_error error;
    ck_assert_int_eq(json_parse(str_of(text), &LIMITS, &body, &error), ERR_OK);
    return fault_rule_create(body, ret_problem);
}

static void add(struct faults *f, const char *text)
{
    const char *problem = NULL;
    struct fault_rule *rule = rule_of(text, &problem);
    ck_assert_msg(rule, "%s: %s", text, problem);
    ck_assert(faults_add(f, rule) > 0);
}

/* One character a call: '#' where a fault struck. */
static void pattern_of(struct faults *f, const char *operation, size_t calls, char *out)
{
    for (size_t i = 0; i < calls; i++) {
        AUTO(arena_finish) struct arena arena = {0};
        struct fault fault;
        arena_init(&arena, 1 << 20);
        out[i] = faults_take(f, operation, &arena, &fault) ? '#' : '.';
    }
    out[calls] = '\0';
}

static const struct {
    const char *rule, *operation, *pattern;
} STRIKES[] = {
    {"{\"operation\":\"start\"}", "start", "#..."},
    {"{\"operation\":\"start\"}", "jwks", "...."},
    {"{\"operation\":\"start\",\"next\":2}", "start", "##.."},
    {"{\"operation\":\"start\",\"next\":2,\"skip\":1}", "start", ".##."},
    {"{\"operation\":\"*\",\"next\":3}", "delete", "###."},
    {"{\"operation\":\"start\",\"probability\":1}", "start", "####"},
    {"{\"operation\":\"start\",\"probability\":0}", "start", "...."},
};

START_TEST(a_rule_strikes_when_it_says)
{
    struct faults f;
    char pattern[8];
    faults_init(&f);
    add(&f, STRIKES[_i].rule);
    pattern_of(&f, STRIKES[_i].operation, 4, pattern);
    ck_assert_str_eq(pattern, STRIKES[_i].pattern);
    faults_finish(&f);
}
END_TEST

START_TEST(a_probability_is_repeated_by_its_seed_and_about_right)
{
    char patterns[3][401];
    const char *const rules[] = {
        "{\"operation\":\"start\",\"probability\":0.25,\"seed\":7}",
        "{\"operation\":\"start\",\"probability\":0.25,\"seed\":7}",
        "{\"operation\":\"start\",\"probability\":0.25,\"seed\":8}",
    };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        struct faults f;
        faults_init(&f);
        add(&f, rules[i]);
        pattern_of(&f, "start", 400, patterns[i]);
        faults_finish(&f);
    }
    size_t struck = 0;
    for (const char *p = patterns[0]; *p; p++)
        struck += *p == '#';
    ck_assert_str_eq(patterns[0], patterns[1]);
    ck_assert_str_ne(patterns[0], patterns[2]);
    ck_assert_uint_ge(struck, 70);
    ck_assert_uint_le(struck, 130);
}
END_TEST

START_TEST(rules_apply_in_the_order_in_which_they_were_made)
{
    struct faults f;
    AUTO(arena_finish) struct arena arena = {0};
    struct fault fault;
    faults_init(&f);
    arena_init(&arena, 1 << 20);
    add(&f, "{\"operation\":\"start\",\"status\":501}");
    add(&f, "{\"operation\":\"*\",\"status\":502}");
    ck_assert(faults_take(&f, "start", &arena, &fault));
    ck_assert_int_eq(fault.status, 501);
    ck_assert(faults_take(&f, "start", &arena, &fault));
    ck_assert_int_eq(fault.status, 502);
    ck_assert(!faults_take(&f, "start", &arena, &fault));
    faults_finish(&f);
}
END_TEST

static const struct {
    const char *rule;
    bool execute;
} EFFECTS[] = {
    {"{\"operation\":\"start\"}", true},
    {"{\"operation\":\"start\",\"delay_ms\":5}", true},
    {"{\"operation\":\"start\",\"status\":200}", true},
    {"{\"operation\":\"start\",\"status\":503}", false},
    {"{\"operation\":\"start\",\"status\":503,\"execute\":true}", true},
    {"{\"operation\":\"start\",\"close\":true}", false},
    {"{\"operation\":\"start\",\"reset\":\"before_answer\"}", false},
    {"{\"operation\":\"start\",\"reset\":\"mid_body\"}", true},
    {"{\"operation\":\"start\",\"execute\":false}", false},
};

START_TEST(the_effect_takes_place_unless_the_rule_is_a_refusal)
{
    const char *problem = NULL;
    struct fault_rule *rule = rule_of(EFFECTS[_i].rule, &problem);
    ck_assert_ptr_nonnull(rule);
    ck_assert_int_eq(rule->fault.execute, EFFECTS[_i].execute);
    fault_rule_destroy(rule);
}
END_TEST

static const char *const BAD_RULES[] = {
    "{\"operation\":\"start\",\"next\":1.5}",
    "{\"operation\":\"start\",\"delay_ms\":-1}",
    "{\"operation\":\"start\",\"status\":1000}",
    "{\"operation\":\"start\",\"body_base64\":\"?\"}",
    "{\"operation\":\"start\",\"headers\":{\"A\":1}}",
    "{\"operation\":\"start\",\"headers\":{\"A\":\"b\\r\\nC: d\"}}",
    "{\"operation\":\"start\",\"reset\":\"never\"}",
    "{\"operation\":\"start\",\"tokens\":\"never\"}",
    "{\"operation\":\"start\",\"tokens\":\"expired\",\"tokens_scope\":\"never\"}",
    "{\"operation\":\"start\",\"probability\":\"often\"}",
};

START_TEST(a_rule_that_cannot_be_meant_is_refused)
{
    const char *problem = NULL;
    ck_assert_ptr_null(rule_of(BAD_RULES[_i], &problem));
    ck_assert_ptr_nonnull(problem);
}
END_TEST

START_TEST(texts_of_a_rule_outlive_it)
{
    struct faults f;
    AUTO(arena_finish) struct arena arena = {0};
    struct fault fault;
    faults_init(&f);
    arena_init(&arena, 1 << 20);
    add(&f, "{\"operation\":\"start\",\"body\":{\"a\":[1]},\"headers\":{\"X-A\":\"b\"},"
            "\"content_type\":\"text/plain\",\"cut_after_bytes\":3,\"tokens\":\"expired\"}");
    ck_assert(faults_take(&f, "start", &arena, &fault));
    faults_finish(&f);
    ck_assert(str_is(fault.body, "{\"a\":[1]}"));
    ck_assert(str_is(fault.headers, "X-A: b\r\n"));
    ck_assert(str_is(fault.content_type, "text/plain"));
    ck_assert(fault.wire.cut_body && fault.wire.cut_bytes == 3);
    ck_assert_str_eq(fault.tamper->name, "expired");
}
END_TEST

START_TEST(the_number_of_rules_is_bounded)
{
    struct faults f;
    const char *problem = NULL;
    faults_init(&f);
    for (size_t i = 0; i < FAULT_RULES_MAX; i++)
        add(&f, "{\"operation\":\"start\"}");
    ck_assert_uint_eq(faults_add(&f, rule_of("{\"operation\":\"start\"}", &problem)), 0);
    faults_finish(&f);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("emulator_faults");
    tcase_add_loop_test(tests, a_rule_strikes_when_it_says, 0, ARRAY_LEN(STRIKES));
    tcase_add_test(tests, a_probability_is_repeated_by_its_seed_and_about_right);
    tcase_add_test(tests, rules_apply_in_the_order_in_which_they_were_made);
    tcase_add_loop_test(tests, the_effect_takes_place_unless_the_rule_is_a_refusal, 0,
                        ARRAY_LEN(EFFECTS));
    tcase_add_loop_test(tests, a_rule_that_cannot_be_meant_is_refused, 0, ARRAY_LEN(BAD_RULES));
    tcase_add_test(tests, texts_of_a_rule_outlive_it);
    tcase_add_test(tests, the_number_of_rules_is_bounded);
    return unit_run(tests, "emulator_faults");
}
