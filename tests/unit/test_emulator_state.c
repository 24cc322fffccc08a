/* SPDX-License-Identifier: Apache-2.0
 * What the emulator remembers: the bounded table, challenges used once, refresh families, users and
 * their keys; and the field tables that requests are held against. */
#include "unit.h"

#include <stdio.h>

#include "base/crypto.h"
#include "emulator/ceremonies.h"
#include "emulator/fields.h"
#include "emulator/users.h"

enum { NOW_S = 1000000 };

/* ---- table --------------------------------------------------------------------------------- */

static int destroyed;

static void count_destroyed(void *value)
{
    destroyed += *(const int *)value;
}

START_TEST(the_oldest_entry_leaves_a_full_table)
{
    int ones[4] = {1, 1, 1, 1};
    struct table t;
    destroyed = 0;
    ck_assert(table_init(&t, 3, count_destroyed));
    for (int i = 0; i < 4; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        ck_assert(table_put(&t, str_of(key), &ones[i]));
    }
    ck_assert_int_eq(destroyed, 1);
    ck_assert_ptr_null(table_find(&t, STR("k0")));
    ck_assert_ptr_eq(table_find(&t, STR("k3")), &ones[3]);
    ck_assert(!table_put(&t, STR("k3"), &ones[0]));
    ck_assert_ptr_eq(table_take(&t, STR("k2")), &ones[2]);
    ck_assert_int_eq(destroyed, 1);
    table_finish(&t);
    ck_assert_int_eq(destroyed, 3);
}
END_TEST

/* ---- ceremonies ---------------------------------------------------------------------------- */

static struct ceremonies ceremonies;

static void set_up_ceremonies(void)
{
    ck_assert(ceremonies_init(&ceremonies));
}

static void tear_down_ceremonies(void)
{
    ceremonies_finish(&ceremonies);
}

START_TEST(a_challenge_is_taken_once_and_in_time)
{
    char user[] = "u-1", approval[] = "{\"a\":\"b\"}";
    char first[CHALLENGE_BYTES], second[CHALLENGE_BYTES];
    const struct challenge from = {
        .user_id = user, .approval_data = approval, .expires_at_s = NOW_S + 60};
    ck_assert(challenge_create(&ceremonies, &from, first));
    ck_assert(challenge_create(&ceremonies, &from, second));
    ck_assert_str_ne(first, second);

    struct challenge *taken = challenge_take(&ceremonies, str_of(first), NOW_S);
    ck_assert_ptr_nonnull(taken);
    ck_assert_str_eq(taken->approval_data, approval);
    challenge_destroy(taken);
    ck_assert_ptr_null(challenge_take(&ceremonies, str_of(first), NOW_S));
    ck_assert_ptr_null(challenge_take(&ceremonies, str_of(second), NOW_S + 60));
}
END_TEST

START_TEST(a_refresh_token_rotates_and_reuse_ends_its_family)
{
    char first[REFRESH_TOKEN_BYTES], second[REFRESH_TOKEN_BYTES];
    const struct refresh_family *family = NULL;
    struct session *session = session_create(&ceremonies, STR("u-1"), NOW_S);
    ck_assert(refresh_create(&ceremonies, session, (struct str){0}, NOW_S, first));
    ck_assert_int_eq(refresh_rotate(&ceremonies, str_of(first), NOW_S, &family), REFRESH_OK);
    memcpy(second, family->current, sizeof(second));
    ck_assert_str_ne(first, second);
    ck_assert_int_eq(refresh_rotate(&ceremonies, str_of(first), NOW_S, &family), REFRESH_REUSED);
    ck_assert_int_eq(refresh_rotate(&ceremonies, str_of(second), NOW_S, &family), REFRESH_UNKNOWN);
}
END_TEST

START_TEST(a_refresh_token_ends_with_its_session_and_its_time)
{
    char ended[REFRESH_TOKEN_BYTES], late[REFRESH_TOKEN_BYTES];
    const struct refresh_family *family = NULL;
    struct session *one = session_create(&ceremonies, STR("u-1"), NOW_S);
    struct session *two = session_create(&ceremonies, STR("u-1"), NOW_S);
    ck_assert(refresh_create(&ceremonies, one, (struct str){0}, NOW_S, ended));
    ck_assert(refresh_create(&ceremonies, two, (struct str){0}, NOW_S, late));
    ck_assert(session_end(&ceremonies, str_of(one->id)));
    ck_assert_int_eq(refresh_rotate(&ceremonies, str_of(ended), NOW_S, &family), REFRESH_UNKNOWN);
    ck_assert_int_eq(refresh_rotate(&ceremonies, str_of(late), NOW_S + SESSION_LIFE_S, &family),
                     REFRESH_UNKNOWN);
    ck_assert_int_eq(refresh_rotate(&ceremonies, STR("nonsense"), NOW_S, &family), REFRESH_UNKNOWN);
}
END_TEST

/* ---- users --------------------------------------------------------------------------------- */

static struct user *new_user(const char *id, const char *email)
{
    struct user *user = calloc(1, sizeof(*user));
    ck_assert_ptr_nonnull(user);
    user->id = strdup(id);
    user->email = email ? strdup(email) : NULL;
    return user;
}

static struct device_key *new_key(const char *id, const char *fingerprint)
{
    struct device_key *key = calloc(1, sizeof(*key));
    ck_assert_ptr_nonnull(key);
    key->id = strdup(id);
    snprintf(key->fingerprint, sizeof(key->fingerprint), "%s", fingerprint);
    return key;
}

START_TEST(users_and_keys_are_unique)
{
    struct users u;
    ck_assert(users_init(&u));
    ck_assert_int_eq(users_add(&u, new_user("u-1", "a@example.com")), USERS_OK);
    ck_assert_int_eq(users_add(&u, new_user("u-1", NULL)), USERS_EXISTS);
    ck_assert_int_eq(users_add(&u, new_user("u-2", "a@example.com")), USERS_EXISTS);
    ck_assert_int_eq(users_add(&u, new_user("u-2", NULL)), USERS_OK);
    struct user *one = users_find_by(&u, STR("email"), STR("a@example.com"));
    struct user *two = users_find(&u, STR("u-2"));
    ck_assert_str_eq(one->id, "u-1");

    ck_assert_int_eq(users_add_key(&u, one, new_key("k-1", "f-1")), USERS_OK);
    ck_assert_int_eq(users_add_key(&u, two, new_key("k-1", "f-2")), USERS_EXISTS);
    ck_assert_int_eq(users_add_key(&u, two, new_key("k-2", "f-1")), USERS_EXISTS);
    ck_assert(!users_remove_key(&u, two, STR("k-1")));
    ck_assert(users_remove_key(&u, one, STR("k-1")));
    ck_assert_int_eq(users_add_key(&u, two, new_key("k-1", "f-1")), USERS_OK);
    users_finish(&u);
}
END_TEST

/* ---- fields -------------------------------------------------------------------------------- */

static const char *const WORDS[] = {"rsa", "ec", NULL};
static const struct field INNER[] = {{.name = "ip", .kind = FIELD_ANY_TEXT}, {0}};
static const struct field FIELDS[] = {
    {.name = "id", .kind = FIELD_TEXT, .required = true, .bytes_max = 4},
    {.name = "type", .kind = FIELD_TEXT, .words = WORDS},
    {.name = "timeout", .kind = FIELD_NUMBER, .number_min = 30, .number_max = 600},
    {.name = "approval", .kind = FIELD_APPROVAL},
    {.name = "inner", .kind = FIELD_OBJECT, .fields = INNER},
    {.name = "flag", .kind = FIELD_BOOL},
    {0},
};

static const struct {
    const char *body;
    bool good;
} BODIES[] = {
    {"{\"id\":\"a\"}", true},
    {"{\"id\":\"a\",\"type\":\"ec\",\"timeout\":30,\"flag\":true,\"inner\":{\"ip\":\"\"}}", true},
    {"{\"id\":\"a\",\"approval\":{\"k.1\":\"v-_\"}}", true},
    {"{}", false},
    {"[]", false},
    {"{\"id\":\"\"}", false},
    {"{\"id\":1}", false},
    {"{\"id\":\"abcde\"}", false},
    {"{\"id\":\"a\",\"other\":1}", false},
    {"{\"id\":\"a\",\"type\":\"dsa\"}", false},
    {"{\"id\":\"a\",\"timeout\":29}", false},
    {"{\"id\":\"a\",\"timeout\":\"30\"}", false},
    {"{\"id\":\"a\",\"approval\":{\"k\":\"a b\"}}", false},
    {"{\"id\":\"a\",\"approval\":{\"k\":1}}", false},
    {"{\"id\":\"a\",\"inner\":{\"port\":1}}", false},
    {"{\"id\":\"a\",\"flag\":0}", false},
};

START_TEST(a_body_is_held_against_its_fields)
{
    static const struct json_limits LIMITS = {.bytes_max = 4096, .depth_max = 8, .values_max = 100};
    AUTO_JSON struct json *body = NULL;
    AUTO(arena_finish) struct arena arena = {0};
    struct json_error error;
    arena_init(&arena, 65536);
    ck_assert_int_eq(json_parse(str_of(BODIES[_i].body), &LIMITS, &body, &error), ERR_OK);
    const char *problem = fields_problem(FIELDS, body, &arena);
    ck_assert_msg(!problem == BODIES[_i].good, "%s: %s", BODIES[_i].body, problem);
}
END_TEST

int main(void)
{
    if (!crypto_init())
        return EXIT_FAILURE;
    TCase *tests = tcase_create("emulator_state");
    tcase_add_checked_fixture(tests, set_up_ceremonies, tear_down_ceremonies);
    tcase_add_test(tests, the_oldest_entry_leaves_a_full_table);
    tcase_add_test(tests, users_and_keys_are_unique);
    tcase_add_loop_test(tests, a_body_is_held_against_its_fields, 0, ARRAY_LEN(BODIES));
    tcase_add_test(tests, a_challenge_is_taken_once_and_in_time);
    tcase_add_test(tests, a_refresh_token_rotates_and_reuse_ends_its_family);
    tcase_add_test(tests, a_refresh_token_ends_with_its_session_and_its_time);
    const int status = unit_run(tests, "emulator_state");
    crypto_finish();
    return status;
}
