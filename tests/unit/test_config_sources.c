/* SPDX-License-Identifier: Apache-2.0
 * config_sources: the file (comments, blanks, precedence below the environment, each kind of bad
 * line with its number) and secrets in files of their own. */
#include <sys/stat.h>
#include <unistd.h>

#include "config_support.h"

/* Every test runs in a process and a directory of its own. */
static char directory[] = "/tmp/bff-config-XXXXXX";

static void make_directory(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
}

static void remove_directory(void)
{
    (void)unlink("bff.conf");
    (void)unlink("secret");
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}

static void write_file_bytes(const char *name, const char *bytes, size_t len)
{
    FILE *f = fopen(name, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

static void write_file(const char *name, const char *text)
{
    write_file_bytes(name, text, strlen(text));
}

static struct load load_file(const char *text)
{
    write_file("bff.conf", text);
    return load_for(CONFIG_FOR_SERVICE, FLAGS("--config", "bff.conf"), ENV(MINIMAL));
}

START_TEST(lines_comments_and_blanks_are_read)
{
    struct load l = load_file("# a comment\n\n  BFF_DRAIN_DELAY_S = 7  \r\n"
                              "\t# another\nBFF_TENANT_ID=a=b\nBFF_OPERATOR_LISTEN=");
    ck_assert_msg(l.code == 0, "%s", l.printed);
    ck_assert_int_eq(config_of(l.loaded)->drain_delay_s, 7);
    ck_assert_str_eq(config_of(l.loaded)->tenant_id, "a=b");
    ck_assert_ptr_null(config_of(l.loaded)->operator_listen);
    load_finish(&l);
}
END_TEST

START_TEST(the_file_is_the_weakest_source_and_bff_config_names_it_too)
{
    write_file("bff.conf", "BFF_DRAIN_DELAY_S=1\nBFF_DRAIN_TIMEOUT_S=1\nBFF_WORKERS=1\n");
    struct load l =
        load_for(CONFIG_FOR_SERVICE, FLAGS("--workers=3"),
                 ENV(MINIMAL, "BFF_CONFIG=bff.conf", "BFF_DRAIN_TIMEOUT_S=2", "BFF_WORKERS=2"));
    ck_assert_msg(l.code == 0, "%s", l.printed);
    ck_assert_int_eq(config_of(l.loaded)->drain_delay_s, 1);
    ck_assert_int_eq(config_of(l.loaded)->drain_timeout_s, 2);
    ck_assert_int_eq(config_of(l.loaded)->workers, 3);
    load_finish(&l);
}
END_TEST

START_TEST(an_empty_variable_in_the_environment_hides_the_line_of_the_file)
{
    write_file("bff.conf", "BFF_TENANT_ID=t\n");
    struct load l =
        load_for(CONFIG_FOR_SERVICE, FLAGS("--config=bff.conf"), ENV(MINIMAL, "BFF_TENANT_ID="));
    ck_assert_msg(l.code == 0, "%s", l.printed);
    ck_assert_ptr_null(config_of(l.loaded)->tenant_id);
    load_finish(&l);
}
END_TEST

START_TEST(bad_lines_are_named_by_file_and_line)
{
    static const struct {
        const char *text, *problem;
    } BAD[] = {
        {"\nnonsense\n", "bff.conf:2: not a setting"},
        {"BFF_LISTNE=x\n", "\"BFF_LISTNE\": unknown key (bff.conf:1): did you mean BFF_LISTEN?"},
        {"PATH=x\n", "bff.conf:1: not a setting: the 4 bytes before '=' are no key"},
        {"export BFF_LISTEN=x\n", "bff.conf:1: not a setting"},
        {"=x\n", "bff.conf:1: not a setting"},
        {"BFF_WORKERS=1\n#\nBFF_WORKERS=1\n", "bff.conf:3: BFF_WORKERS is set before, in line 1"},
        {"BFF_TENANT_ID=\"t\"\n", "bff.conf:1: BFF_TENANT_ID: quotes are not removed"},
        {"BFF_CONFIG=other\n", "bff.conf:1: BFF_CONFIG cannot be set in the file itself"},
        {"BFF_WORKERS=many\n", "BFF_WORKERS: value \"many\" (bff.conf:1): give a whole number"},
        {"BFF_SERVICE_HOST=x\n", "unknown key (bff.conf:1)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct load l = load_file(BAD[i].text);
        ck_assert_msg(l.code == 78, "%s", BAD[i].text);
        ck_assert_prints(l, BAD[i].problem);
        load_finish(&l);
    }
}
END_TEST

START_TEST(a_key_in_the_place_of_the_configuration_is_not_shown)
{
    struct load l = load_file("c2VhbGluZyBrZXkgb2YgMzIgYnl0ZXMsIGJhc2U2NDE=\n");
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l, "bff.conf:1: not a setting: the 43 bytes before '='");
    ck_assert_ptr_null(strstr(l.printed, "c2VhbGlu"));
    load_finish(&l);
}
END_TEST

START_TEST(a_file_that_cannot_be_used_is_refused)
{
    struct load l = load_for(CONFIG_FOR_SERVICE, FLAGS("--config=absent.conf"), ENV(MINIMAL));
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l,
                     "BFF_CONFIG: value \"absent.conf\" (flag --config): the file cannot be read: "
                     "No such file");
    load_finish(&l);

    l = load_for(CONFIG_FOR_SERVICE, FLAGS("--config=/"), ENV(MINIMAL));
    ck_assert_int_eq(l.code, 78);
    load_finish(&l);

    write_file_bytes("bff.conf", "BFF_WORKERS=1\0\n", 15);
    l = load_for(CONFIG_FOR_SERVICE, FLAGS("--config=bff.conf"), ENV(MINIMAL));
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l, "NUL byte");
    load_finish(&l);

    static char large[70 * 1024];
    memset(large, '#', sizeof(large));
    write_file_bytes("bff.conf", large, sizeof(large));
    l = load_for(CONFIG_FOR_SERVICE, FLAGS("--config=bff.conf"), ENV(MINIMAL));
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l, "larger than");
    load_finish(&l);
}
END_TEST

static struct load load_secret(const char *bytes, size_t len)
{
    write_file_bytes("secret", bytes, len);
    return load_env(ENV("BFF_REGION=eu", "BFF_CLIENT_ID=a", "BFF_CLIENT_SECRET_FILE=secret"));
}

START_TEST(a_secret_from_a_file_loses_one_trailing_newline)
{
    static const struct {
        const char *text, *secret;
    } GOOD[] = {{"s3cret", "s3cret"},
                {"s3cret\n", "s3cret"},
                {"s3cret\r\n", "s3cret"},
                {" s3cret ", " s3cret "}};
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        struct load l = load_secret(GOOD[i].text, strlen(GOOD[i].text));
        ck_assert_msg(l.code == 0, "%s", l.printed);
        ck_assert_str_eq(config_of(l.loaded)->client_secret, GOOD[i].secret);
        load_finish(&l);
    }
}
END_TEST

START_TEST(a_secret_file_that_is_empty_absent_or_odd_is_refused_without_its_text)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *problem;
    } BAD[] = {
        {"", 0, "the file is empty"},          {"\n", 1, "the file is empty"},
        {"h4rd\0ly", 7, "NUL byte"},           {"h4rdly\n\n", 8, "more than one line"},
        {"h4rd\nly", 7, "more than one line"}, {"h4rdly\r", 7, "control characters"},
    };
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct load l = load_secret(BAD[i].bytes, BAD[i].len);
        ck_assert_int_eq(l.code, 78);
        ck_assert_prints(l, "BFF_CLIENT_SECRET_FILE: value \"secret\" (environment): ");
        ck_assert_prints(l, BAD[i].problem);
        ck_assert_hides(l, "h4rd");
        load_finish(&l);
    }

    (void)unlink("secret");
    struct load l =
        load_env(ENV("BFF_REGION=eu", "BFF_CLIENT_ID=a", "BFF_CLIENT_SECRET_FILE=secret"));
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l, "the file cannot be read: No such file");
    ck_assert_hides(l, "BFF_CLIENT_SECRET: not set");
    load_finish(&l);
}
END_TEST

/* Its reader would wait for a writer. */
START_TEST(a_pipe_is_refused_at_once)
{
    ck_assert_int_eq(mkfifo("pipe", 0600), 0);
    struct load l =
        load_env(ENV("BFF_REGION=eu", "BFF_CLIENT_ID=a", "BFF_CLIENT_SECRET_FILE=pipe"));
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l, "the file cannot be read: it is a pipe or a socket");
    load_finish(&l);

    l = load_for(CONFIG_FOR_SERVICE, FLAGS("--config=pipe"), ENV(MINIMAL));
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l, "the file cannot be read: it is a pipe or a socket");
    load_finish(&l);
    (void)unlink("pipe");
}
END_TEST

START_TEST(a_secret_may_come_from_one_place_only)
{
    write_file("secret", "s3cret\n");
    struct load l = load_env(ENV(MINIMAL, "BFF_CLIENT_SECRET_FILE=secret"));
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l, "BFF_CLIENT_SECRET is set as well (environment): set one of them");
    load_finish(&l);

    l = load_for(CONFIG_FOR_SERVICE, FLAGS("--client-secret-file=secret"),
                 ENV("BFF_REGION=eu", "BFF_CLIENT_ID=a"));
    ck_assert_msg(l.code == 0, "%s", l.printed);
    load_finish(&l);

    l = load_env(ENV(MINIMAL, "BFF_ADMIN_CLIENT_ID=a", "BFF_ADMIN_CLIENT_SECRET_FILE=secret"));
    ck_assert_msg(l.code == 0, "%s", l.printed);
    ck_assert_str_eq(config_of(l.loaded)->admin_client_secret, "s3cret");
    load_finish(&l);
}
END_TEST

/* ---- reading again */

static struct load load_again(const struct load *before, const char *const *env)
{
    return load_after(before, CONFIG_FOR_SERVICE, FLAGS("--config", "bff.conf"), env);
}

/* The keys that stand in the way, as they are printed; the caller frees. */
static char *what_stands_in_the_way(const struct load *before, const struct load *after)
{
    char *printed = NULL;
    size_t len = 0;

    FILE *out = open_memstream(&printed, &len);
    const bool good = config_may_follow(before->loaded, after->loaded, out);
    (void)fclose(out);
    ck_assert_int_eq(good, printed[0] == '\0');
    return printed;
}

START_TEST(secrets_of_the_environment_stay_those_of_the_start)
{
    write_file("bff.conf", "BFF_DRAIN_DELAY_S=1\n");
    struct load before = load_again(NULL, ENV(MINIMAL));
    ck_assert_msg(before.code == 0, "%s", before.printed);
    write_file("bff.conf", "BFF_DRAIN_DELAY_S=2\n");
    struct load after =
        load_again(&before, ENV("BFF_REGION=eu", "BFF_CLIENT_ID=app", "BFF_CLIENT_SECRET="));
    ck_assert_msg(after.code == 0, "%s", after.printed);
    ck_assert_str_eq(config_of(after.loaded)->client_secret, "s3cret");
    ck_assert_int_eq(config_of(after.loaded)->drain_delay_s, 2);

    char *in_the_way = what_stands_in_the_way(&before, &after);
    ck_assert_str_eq(in_the_way, "");
    free(in_the_way);
    load_finish(&before);
    load_finish(&after);
}
END_TEST

START_TEST(a_secret_in_a_file_is_read_again)
{
    const char *const *env =
        ENV("BFF_REGION=eu", "BFF_CLIENT_ID=app", "BFF_CLIENT_SECRET_FILE=secret");
    write_file("bff.conf", "");
    write_file("secret", "first\n");
    struct load before = load_again(NULL, env);
    ck_assert_msg(before.code == 0, "%s", before.printed);
    write_file("secret", "second\n");
    struct load after = load_again(&before, env);
    ck_assert_msg(after.code == 0, "%s", after.printed);
    ck_assert_str_eq(config_of(after.loaded)->client_secret, "second");
    load_finish(&before);
    load_finish(&after);
}
END_TEST

START_TEST(what_is_read_at_start_alone_is_named)
{
    static const struct {
        const char *line;
        const char *key; /* NULL: it may follow */
    } CASES[] = {
        {"BFF_LISTEN=0.0.0.0:8080\n", NULL}, /* the default */
        {"BFF_LOG_LEVEL=debug\nBFF_RATE_PER_USER=1/s\nBFF_MAX_BODY_BYTES=2048\n", NULL},
        {"BFF_OPERATOR_LISTEN=\n", NULL},
        {"BFF_LISTEN=127.0.0.1:1\n", "BFF_LISTEN: value \"127.0.0.1:1\" (bff.conf:1): "},
        {"BFF_UPSTREAM_URL=https://h.example\n", "BFF_UPSTREAM_URL"},
        {"BFF_USED_CHALLENGES_MAX=7\n", "BFF_USED_CHALLENGES_MAX"},
        {"BFF_LOG_FORMAT=text\n", "BFF_LOG_FORMAT"},
    };
    write_file("bff.conf", "");
    struct load before = load_again(NULL, ENV(MINIMAL));
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        write_file("bff.conf", CASES[i].line);
        struct load after = load_again(&before, ENV(MINIMAL));
        ck_assert_msg(after.code == 0, "%s", after.printed);
        char *in_the_way = what_stands_in_the_way(&before, &after);
        if (CASES[i].key)
            ck_assert_msg(strstr(in_the_way, CASES[i].key) == in_the_way, "%s", in_the_way);
        else
            ck_assert_str_eq(in_the_way, "");
        ck_assert_ptr_null(strstr(in_the_way, "BFF_TOKEN_URL")); /* follows from the other */
        free(in_the_way);
        load_finish(&after);
    }
    load_finish(&before);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("config_sources");
    tcase_add_checked_fixture(t, make_directory, remove_directory);
    tcase_add_test(t, lines_comments_and_blanks_are_read);
    tcase_add_test(t, the_file_is_the_weakest_source_and_bff_config_names_it_too);
    tcase_add_test(t, an_empty_variable_in_the_environment_hides_the_line_of_the_file);
    tcase_add_test(t, bad_lines_are_named_by_file_and_line);
    tcase_add_test(t, a_key_in_the_place_of_the_configuration_is_not_shown);
    tcase_add_test(t, a_file_that_cannot_be_used_is_refused);
    tcase_add_test(t, a_secret_from_a_file_loses_one_trailing_newline);
    tcase_add_test(t, a_secret_file_that_is_empty_absent_or_odd_is_refused_without_its_text);
    tcase_add_test(t, a_pipe_is_refused_at_once);
    tcase_add_test(t, a_secret_may_come_from_one_place_only);
    tcase_add_test(t, secrets_of_the_environment_stay_those_of_the_start);
    tcase_add_test(t, a_secret_in_a_file_is_read_again);
    tcase_add_test(t, what_is_read_at_start_alone_is_named);
    return unit_run(t, "config_sources");
}
