/* SPDX-License-Identifier: Apache-2.0
 * The operator keys' file and the look-up. */
#include "api/operator_auth.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api_rig.h"
#include "base/crypto.h"
#include "unit.h"

/* SHA-256 of "key-one" and "key-two" */
#define HASH_ONE "cc8d5bfe5ba4c5ae62ecdfbc4ffda8abb6e0b8bd4ba2b0a8d5a6c2c83ff4bb2a"
#define HASH_TWO "d0f631ca1ddba8db3bcfcb9e057cdc98d0379f1bee00e75a545147a27dadd982"

static char hash_one[65];
static char hash_two[65];

static void hash_of(const char *text, char out[65])
{
    uint8_t hash[SHA256_BYTES];
    ck_assert(crypto_sha256(str_of(text), hash));
    hex_encode(hash, SHA256_BYTES, out);
}

static void set_up(void)
{
    rig_set_up();
    hash_of("key-one", hash_one);
    hash_of("key-two", hash_two);
}

static struct operator_keys *two_keys(void)
{
    char text[512];
    (void)snprintf(text, sizeof text, "# who may revoke\n\nalice:%s\r\nbob:%s \n", hash_one,
                   hash_two);
    struct operator_keys *keys = NULL;
    struct err_text error = {0};
    ck_assert_int_eq(operator_keys_parse(str_of(text), "file", &keys, &error), ERR_OK);
    return keys;
}

START_TEST(a_key_gives_its_owners_name)
{
    struct operator_keys *keys = two_keys();
    ck_assert_str_eq(operator_keys_find(keys, STR("key-one")), "alice");
    ck_assert_str_eq(operator_keys_find(keys, STR("key-two")), "bob");
    ck_assert_ptr_null(operator_keys_find(keys, STR("key-three")));
    ck_assert_ptr_null(operator_keys_find(keys, STR("")));
    /* the hash is no key */
    ck_assert_ptr_null(operator_keys_find(keys, str_of(hash_one)));
    operator_keys_free(keys);
}
END_TEST

static const char *const REFUSED[] = {
    "",
    "# nothing\n",
    "alice\n",
    "alice:\n",
    "alice:abc\n",
    ":" HASH_ONE "\n",
    "al ice:" HASH_ONE "\n",
    "alice:" HASH_ONE "0\n",
    "alice:zz8d5bfe5ba4c5ae62ecdfbc4ffda8abb6e0b8bd4ba2b0a8d5a6c2c83ff4bb2a\n",
    "alice:" HASH_ONE "\nalice:" HASH_TWO "\n",
};

START_TEST(a_file_that_is_not_understood_is_refused_by_line)
{
    struct operator_keys *keys = NULL;
    struct err_text error = {0};
    ck_assert_int_eq(operator_keys_parse(str_of(REFUSED[_i]), "the-file", &keys, &error),
                     ERR_INVALID_REQUEST);
    ck_assert_ptr_null(keys);
    ck_assert_ptr_nonnull(strstr(error.text, "the-file"));
    ck_assert_ptr_null(strstr(error.text, "8d5bfe5ba4"));
}
END_TEST

START_TEST(there_is_a_most_number_of_keys)
{
    AUTO_BUF struct buf text;
    buf_init(&text, 65536);
    for (int i = 0; i <= OPERATOR_KEYS_MAX; i++)
        buf_printf(&text, "operator-%d:%s\n", i, HASH_ONE);
    struct operator_keys *keys = NULL;
    struct err_text error = {0};
    ck_assert_int_eq(operator_keys_parse(buf_str(&text), "f", &keys, &error), ERR_INVALID_REQUEST);
    ck_assert_ptr_nonnull(strstr(error.text, "f:65:"));
}
END_TEST

START_TEST(a_missing_file_is_an_error_that_names_it)
{
    struct operator_keys *keys = NULL;
    struct err_text error = {0};
    ck_assert_int_eq(operator_keys_load("/nonexistent/keys", &keys, &error), ERR_INVALID_REQUEST);
    ck_assert_ptr_nonnull(strstr(error.text, "/nonexistent/keys"));
}
END_TEST

/* Its reader would wait for a writer. */
START_TEST(a_pipe_is_refused_at_once)
{
    char directory[] = "/tmp/operators-XXXXXX", path[sizeof(directory) + 8];
    struct operator_keys *keys = NULL;
    struct err_text error = {0};

    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/pipe", directory);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    const enum err e = operator_keys_load(path, &keys, &error);
    (void)unlink(path);
    (void)rmdir(directory);
    ck_assert_int_eq(e, ERR_INVALID_REQUEST);
    ck_assert_ptr_nonnull(strstr(error.text, "it is a pipe or a socket"));
}
END_TEST

static const struct step STEPS[] = {{"operator", operator_check}};
static const struct story STORY = {
    .ceremony = CEREMONY_OTHER,
    .steps = STEPS,
    .step_count = ARRAY_LEN(STEPS),
};

static const struct {
    const char *authorization;
    bool configured;
    enum err expected;
} REQUESTS[] = {
    {"Bearer key-two", true, ERR_OK},
    {"Bearer key-three", true, ERR_INVALID_TOKEN},
    {"Bearer key-two", false, ERR_INVALID_TOKEN},
    {"Basic key-two", true, ERR_MISSING_TOKEN},
    {NULL, true, ERR_MISSING_TOKEN},
};

START_TEST(only_an_operator_passes)
{
    struct operator_keys *keys = two_keys();
    rig.app.operator_keys = REQUESTS[_i].configured ? keys : NULL;
    rig.req.authorization = REQUESTS[_i].authorization;
    flow_start(&rig.req, &STORY);
    if (REQUESTS[_i].expected == ERR_OK)
        ck_assert_int_eq(rig.req.status, 204);
    else
        ck_assert_int_eq(rig.req.failure.code, REQUESTS[_i].expected);
    rig_end_request();
    operator_keys_free(keys);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("operator_auth");
    tcase_add_checked_fixture(t, set_up, rig_tear_down);
    tcase_add_test(t, a_key_gives_its_owners_name);
    tcase_add_loop_test(t, a_file_that_is_not_understood_is_refused_by_line, 0, ARRAY_LEN(REFUSED));
    tcase_add_test(t, there_is_a_most_number_of_keys);
    tcase_add_test(t, a_missing_file_is_an_error_that_names_it);
    tcase_add_test(t, a_pipe_is_refused_at_once);
    tcase_add_loop_test(t, only_an_operator_passes, 0, ARRAY_LEN(REQUESTS));
    return unit_run(t, "operator_auth");
}
