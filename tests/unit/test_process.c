/* SPDX-License-Identifier: Apache-2.0
 * process: what is left of the environment, what is taken, what is overwritten where the system
 * shows it, and the waiting for signals. Each test runs in a process of its own. */
#include "process.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "unit.h"

static void set_environment(char **entries)
{
    environ = entries;
}

static bool has_entry(char **entries, const char *entry)
{
    for (size_t i = 0; entries[i]; i++) {
        if (strcmp(entries[i], entry) == 0)
            return true;
    }
    return false;
}

static size_t count(char **entries)
{
    size_t n = 0;

    while (entries[n])
        n++;
    return n;
}

START_TEST(only_an_allow_list_stays_in_the_environment)
{
    char path[] = "PATH=/bin", zone[] = "TZ=UTC", language[] = "LC_ALL=C", fds[] = "LISTEN_FDS=1",
         proxy[] = "https_proxy=http://x", keylog[] = "SSLKEYLOGFILE=/x",
         conf[] = "OPENSSL_CONF=/x", certs[] = "SSL_CERT_DIR=/x", preload[] = "LD_PRELOAD=/x",
         prefix[] = "PATHS=1", odd[] = "odd", ours[] = "BFF_LISTEN=x", modules[] = "GCONV_PATH=/x",
         heap[] = "MALLOC_CHECK_=3", tunables[] = "GLIBC_TUNABLES=x", curl[] = "CURL_HOME=/x",
         hosts[] = "HOSTALIASES=/x";
    char *entries[] = {path,   zone, language, fds,     proxy, keylog,   conf, certs, preload,
                       prefix, odd,  ours,     modules, heap,  tunables, curl, hosts, NULL};
    set_environment(entries);

    char **taken = process_take_environment();
    ck_assert_ptr_nonnull(taken);
    ck_assert_uint_eq(count(environ), 4);
    ck_assert(has_entry(environ, "PATH=/bin"));
    ck_assert(has_entry(environ, "TZ=UTC"));
    ck_assert(has_entry(environ, "LC_ALL=C"));
    ck_assert(has_entry(environ, "LISTEN_FDS=1"));
    ck_assert_uint_eq(count(taken), 1);
    ck_assert(has_entry(taken, "BFF_LISTEN=x"));
    process_free_environment(taken);
}
END_TEST

START_TEST(values_are_copied_and_then_overwritten_in_place)
{
    char secret[] = "BFF_CLIENT_SECRET=s3cret", admin[] = "BFF_ADMIN_CLIENT_SECRET=s3cret",
         file[] = "BFF_CLIENT_SECRET_FILE=/run/secret", other[] = "BFF_CLIENT_ID=app",
         misspelt[] = "BFF_CLIENT_SECERT=s3cret", strange[] = "AWS_SECRET_ACCESS_KEY=s3cret",
         path[] = "PATH=/bin";
    char *entries[] = {secret, admin, file, other, misspelt, strange, path, NULL};
    set_environment(entries);

    char **taken = process_take_environment();
    ck_assert_ptr_nonnull(taken);
    ck_assert(has_entry(taken, "BFF_CLIENT_SECRET=s3cret"));
    ck_assert(has_entry(taken, "BFF_ADMIN_CLIENT_SECRET=s3cret"));
    ck_assert_ptr_null(memmem(secret, sizeof(secret), "s3cret", 6));
    ck_assert_ptr_null(memmem(admin, sizeof(admin), "s3cret", 6));
    ck_assert_ptr_null(memmem(misspelt, sizeof(misspelt), "s3cret", 6));
    ck_assert_ptr_null(memmem(strange, sizeof(strange), "s3cret", 6));
    ck_assert_str_eq(file, "BFF_CLIENT_SECRET_FILE=");
    ck_assert_str_eq(other, "BFF_CLIENT_ID=");
    ck_assert_str_eq(path, "PATH=/bin");

    process_overwrite_secrets(taken);
    ck_assert(!has_entry(taken, "BFF_CLIENT_SECRET=s3cret"));
    ck_assert(has_entry(taken, "BFF_CLIENT_ID=app"));
    process_free_environment(taken);
    process_free_environment(NULL);
}
END_TEST

START_TEST(a_hardened_process_leaves_no_core_and_gains_no_rights)
{
    struct rlimit core;

    ck_assert(process_harden());
    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &core), 0);
    ck_assert_uint_eq(core.rlim_cur, 0);
    ck_assert_uint_eq(core.rlim_max, 0);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
}
END_TEST

START_TEST(the_descriptor_limit_rises_to_the_hard_one)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(process_raise_descriptors(), limit.rlim_max);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, limit.rlim_max);
}
END_TEST

START_TEST(blocked_signals_are_read_one_by_one)
{
    process_block_signals();
    ck_assert_int_eq(process_wait_signal(0), 0);
    ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
    ck_assert_int_eq(process_wait_signal(-1), SIGTERM);
    ck_assert_int_eq(kill(getpid(), SIGHUP), 0);
    ck_assert_int_eq(process_wait_signal(1000), SIGHUP);
    ck_assert_int_eq(process_wait_signal(5), 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("process");
    tcase_add_test(t, only_an_allow_list_stays_in_the_environment);
    tcase_add_test(t, values_are_copied_and_then_overwritten_in_place);
    tcase_add_test(t, a_hardened_process_leaves_no_core_and_gains_no_rights);
    tcase_add_test(t, the_descriptor_limit_rises_to_the_hard_one);
    tcase_add_test(t, blocked_signals_are_read_one_by_one);
    return unit_run(t, "process");
}
