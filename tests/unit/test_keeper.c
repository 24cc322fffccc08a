/* SPDX-License-Identifier: Apache-2.0
 * identity/keeper against a scripted vendor: one fetch however many wait, renewal, expiry,
 * back-off, refused tokens, unknown kids, the cool-down, the old key set that stays, stale sets
 * that go. */
#include "unit.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "identity/keeper_internal.h"
#include "script_server.h"

enum { WAITS_MAX = 5000, GUARD_MS = 30000, FAR_MS = 20000 };

/* ---- the vendor: the test sets what it answers, the server's thread reads it */

struct vendor {
    atomic_int token_status;
    atomic_int expires_in_s;
    atomic_uint token_calls;
    atomic_bool hold_token; /* no answer */
    atomic_int jwks_status;
    atomic_uint jwks_calls;
    atomic_uint kid; /* the set holds "k-<kid>" */
    const char *jwks_type;
};

static struct vendor vendor;
static char *modulus; /* base64url, of a key made once */

static char *make_modulus(void)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    BIGNUM *n = NULL;
    uint8_t bytes[256];
    struct buf text;

    /* Before any test runs: check's own assertions do not work here. */
    assert(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1);
    assert(BN_bn2binpad(n, bytes, sizeof(bytes)) == (int)sizeof(bytes));
    buf_init(&text, 1024);
    base64url_append(&text, bytes, sizeof(bytes));
    BN_free(n);
    EVP_PKEY_free(key);
    return buf_take(&text, &(size_t){0});
}

static void answer_token(struct buf *answer)
{
    AUTO_BUF struct buf body = {0};
    const unsigned n = atomic_fetch_add(&vendor.token_calls, 1) + 1;

    if (atomic_load(&vendor.hold_token))
        return;
    buf_init(&body, 4096);
    buf_printf(&body, "{\"access_token\":\"t-%u\",\"token_type\":\"Bearer\",\"expires_in\":%d}", n,
               atomic_load(&vendor.expires_in_s));
    script_answer(answer, atomic_load(&vendor.token_status), "application/json", "", body.ptr);
}

static void answer_jwks(struct buf *answer)
{
    AUTO_BUF struct buf body = {0};

    (void)atomic_fetch_add(&vendor.jwks_calls, 1);
    buf_init(&body, 4096);
    buf_printf(&body,
               "{\"keys\":[{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"k-%u\","
               "\"e\":\"AQAB\",\"n\":\"%s\"}]}",
               atomic_load(&vendor.kid), modulus);
    script_answer(answer, atomic_load(&vendor.jwks_status), vendor.jwks_type, "", body.ptr);
}

static enum script_end script(void *arg, const struct script_request *r, struct buf *answer)
{
    (void)arg;
    if (str_starts_with(r->text, STR("POST /token ")))
        answer_token(answer);
    else
        answer_jwks(answer);
    return SCRIPT_KEEP;
}

/* ---- keeper, one view, one loop */

struct bench {
    struct script_server *server;
    struct config config;
    struct issuer issuer;
    struct keeper_limits limits;
    struct keeper *keeper;
    struct keeper_view *view;
    struct loop *loop;
    struct timer guard, poll;
    unsigned open;
    struct keeper_wait waits[WAITS_MAX];
    enum err outcomes[WAITS_MAX];
    bool (*until)(void);
};

static struct bench bench;

static void setup(void)
{
    memset(&bench, 0, sizeof(bench));
    vendor = (struct vendor){.token_status = 200,
                             .expires_in_s = 3600,
                             .jwks_status = 200,
                             .kid = 1,
                             .jwks_type = "application/json"};
    bench.server = script_server_start(script, NULL);
    bench.issuer = (struct issuer){.issuer = (char *)"https://issuer.example",
                                   .jwks_url = script_server_url(bench.server, "/jwks")};
    bench.config = (struct config){
        .token_url = script_server_url(bench.server, "/token"),
        .issuers = &bench.issuer,
        .issuer_count = 1,
        .allow_insecure_upstream = true,
        .client_id = (char *)"id",
        .client_secret = (char *)"secret",
        .client_auth = CLIENT_AUTH_SECRET_POST,
        .upstream_connect_timeout_ms = 2000,
    };
    bench.limits = KEEPER_LIMITS;
    bench.loop = loop_create();
}

static void start(void)
{
    struct err_text text = {0};
    ck_assert_int_eq(keeper_start_with(&bench.config, NULL, &bench.limits, &bench.keeper, &text),
                     ERR_OK);
    bench.view = keeper_view_create(bench.keeper, bench.loop);
    ck_assert_ptr_nonnull(bench.view);
}

static void teardown(void)
{
    keeper_view_destroy(bench.view);
    loop_destroy(bench.loop);
    keeper_stop(bench.keeper);
    script_server_stop(bench.server);
    free(bench.config.token_url);
    free(bench.issuer.jwks_url);
}

static void on_guard(struct timer *t)
{
    (void)t;
    ck_abort_msg("the test hangs");
}

static void run(void)
{
    timer_start(bench.loop, &bench.guard, loop_update_now(bench.loop) + GUARD_MS, on_guard, NULL);
    loop_run(bench.loop);
    timer_stop(bench.loop, &bench.guard);
}

static void on_poll(struct timer *t)
{
    if (bench.until())
        loop_stop(bench.loop);
    else
        timer_start(bench.loop, t, loop_now_ms(bench.loop) + 5, on_poll, NULL);
}

/* Runs the view's loop until the condition holds. */
static void run_until(bool (*condition)(void))
{
    bench.until = condition;
    timer_start(bench.loop, &bench.poll, loop_update_now(bench.loop), on_poll, NULL);
    run();
}

static void on_ready(struct keeper_wait *w, enum err outcome)
{
    *(enum err *)w->arg = outcome;
    if (--bench.open == 0)
        loop_stop(bench.loop);
}

static void wait_token_until(size_t i, int64_t deadline_ms)
{
    bench.open++;
    bench.outcomes[i] = ERR_PENDING;
    keeper_wait_token(bench.view, &bench.waits[i], KEEPER_CLIENT_TOKEN, deadline_ms, on_ready,
                      &bench.outcomes[i]);
    ck_assert_int_eq(bench.outcomes[i], ERR_PENDING); /* never from inside */
}

static enum err wait_token(void)
{
    wait_token_until(0, loop_update_now(bench.loop) + FAR_MS);
    run();
    return bench.outcomes[0];
}

static void wait_kid_start(size_t i, const char *kid)
{
    bench.open++;
    bench.outcomes[i] = ERR_PENDING;
    keeper_wait_kid(bench.view, &bench.waits[i], 0, str_of(kid),
                    loop_update_now(bench.loop) + FAR_MS, on_ready, &bench.outcomes[i]);
    ck_assert_int_eq(bench.outcomes[i], ERR_PENDING);
}

static enum err wait_kid(const char *kid)
{
    wait_kid_start(0, kid);
    run();
    return bench.outcomes[0];
}

static bool token_is(const char *expected)
{
    struct token_now token;
    return keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &token) &&
           str_is(token.authorization, expected);
}

static bool has_kid(const char *kid)
{
    const struct keyring ring = keeper_keyring(bench.view);
    ck_assert_uint_eq(ring.count, 1);
    return ring.sets[0] && keyset_find(ring.sets[0], str_of(kid));
}

static uint64_t generation(void)
{
    struct token_now token;
    ck_assert(keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &token));
    return token.generation;
}

static bool keys_are_there(void)
{
    return keeper_keyring(bench.view).sets[0] != NULL;
}

static bool token_failed_once(void)
{
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    return status.last_error[0] != '\0';
}

/* ---- tokens */

START_TEST(thousand_waiters_cost_one_token_call)
{
    setup();
    start();
    for (size_t i = 0; i < 1000; i++)
        wait_token_until(i, loop_update_now(bench.loop) + FAR_MS);
    run();
    for (size_t i = 0; i < 1000; i++)
        ck_assert_int_eq(bench.outcomes[i], ERR_OK);
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 1);
    ck_assert(token_is("Bearer t-1"));
    teardown();
}
END_TEST

START_TEST(status_tells_what_is_there)
{
    setup();
    start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    run_until(keys_are_there);
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    ck_assert(status.token_ok[KEEPER_CLIENT_TOKEN] && status.token_ever[KEEPER_CLIENT_TOKEN]);
    ck_assert(status.token_wanted[KEEPER_CLIENT_TOKEN] && !status.token_wanted[KEEPER_ADMIN_TOKEN]);
    ck_assert(status.keys_ever && status.keys_ok);
    ck_assert_str_eq(status.last_error, "");
    teardown();
}
END_TEST

START_TEST(admin_token_is_fetched_when_configured)
{
    setup();
    bench.config.admin_client_id = (char *)"admin";
    bench.config.admin_client_secret = (char *)"admin-secret";
    start();
    bench.open++;
    keeper_wait_token(bench.view, &bench.waits[0], KEEPER_ADMIN_TOKEN,
                      loop_update_now(bench.loop) + FAR_MS, on_ready, &bench.outcomes[0]);
    run();
    ck_assert_int_eq(bench.outcomes[0], ERR_OK);
    ck_assert_int_eq(wait_token(), ERR_OK);
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 2);
    teardown();
}
END_TEST

static bool renewed(void)
{
    struct token_now token;
    return keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &token) && token.generation >= 2;
}

START_TEST(token_is_renewed_before_it_expires)
{
    setup();
    atomic_store(&vendor.expires_in_s, 2);
    start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    run_until(renewed);
    ck_assert_uint_ge(atomic_load(&vendor.token_calls), 2);
    teardown();
}
END_TEST

static bool no_token(void)
{
    struct token_now token;
    return !keeper_token(bench.view, KEEPER_CLIENT_TOKEN, &token);
}

START_TEST(expired_token_is_not_handed_out)
{
    setup();
    atomic_store(&vendor.expires_in_s, 2);
    start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    atomic_store(&vendor.token_status, 503);
    const int64_t before_ms = clock_mono_ms();
    run_until(no_token);
    ck_assert_int_le(clock_mono_ms() - before_ms, 2100);
    ck_assert_int_eq(wait_token(), ERR_TOKEN_UNAVAILABLE);
    teardown();
}
END_TEST

START_TEST(backoff_answers_without_a_call)
{
    setup();
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = 1000000;
    atomic_store(&vendor.token_status, 503);
    start();
    ck_assert_int_eq(wait_token(), ERR_TOKEN_UNAVAILABLE);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(wait_token(), ERR_TOKEN_UNAVAILABLE);
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 1);
    teardown();
}
END_TEST

START_TEST(keeper_heals_by_itself)
{
    setup();
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = 120;
    atomic_store(&vendor.token_status, 500);
    start();
    run_until(token_failed_once);
    atomic_store(&vendor.token_status, 200);
    bench.until = NULL;
    while (wait_token() != ERR_OK)
        ck_assert_uint_lt(atomic_load(&vendor.token_calls), 100);
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    ck_assert(status.token_ok[KEEPER_CLIENT_TOKEN]);
    teardown();
}
END_TEST

START_TEST(refused_credentials_are_told_apart)
{
    setup();
    atomic_store(&vendor.token_status, 401);
    start();
    ck_assert_int_eq(wait_token(), ERR_UPSTREAM_REFUSED_CREDENTIALS);
    ck_assert_int_eq(wait_token(), ERR_UPSTREAM_REFUSED_CREDENTIALS);
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 1);
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    ck_assert(!status.token_ok[KEEPER_CLIENT_TOKEN] && !status.token_ever[KEEPER_CLIENT_TOKEN]);
    ck_assert_ptr_nonnull(strstr(status.last_error, "401"));
    ck_assert_ptr_null(strstr(status.last_error, "secret="));
    teardown();
}
END_TEST

START_TEST(waiting_ends_at_the_deadline)
{
    setup();
    atomic_store(&vendor.hold_token, true);
    start();
    wait_token_until(0, loop_update_now(bench.loop) + 50);
    run();
    ck_assert_int_eq(bench.outcomes[0], ERR_TOKEN_UNAVAILABLE);
    teardown();
}
END_TEST

START_TEST(waiters_are_bounded)
{
    setup();
    atomic_store(&vendor.hold_token, true);
    start();
    for (size_t i = 0; i < KEEPER_WAITERS_MAX + 10; i++)
        wait_token_until(i, loop_now_ms(bench.loop) + FAR_MS);
    bench.open = 10;
    run();
    for (size_t i = 0; i < KEEPER_WAITERS_MAX + 10; i++)
        ck_assert_int_eq(bench.outcomes[i], i < KEEPER_WAITERS_MAX ? ERR_PENDING : ERR_OVERLOADED);
    teardown();
}
END_TEST

START_TEST(cancelled_wait_is_silent)
{
    setup();
    start();
    wait_token_until(0, loop_update_now(bench.loop) + FAR_MS);
    wait_token_until(1, loop_update_now(bench.loop) + FAR_MS);
    bench.open--;
    keeper_wait_cancel(&bench.waits[0]);
    keeper_wait_cancel(&bench.waits[0]);
    run();
    ck_assert_int_eq(bench.outcomes[0], ERR_PENDING);
    ck_assert_int_eq(bench.outcomes[1], ERR_OK);
    wait_token_until(0, loop_update_now(bench.loop) + FAR_MS); /* ready, not yet told */
    wait_token_until(1, loop_update_now(bench.loop) + FAR_MS);
    bench.open--;
    keeper_wait_cancel(&bench.waits[0]);
    run();
    ck_assert_int_eq(bench.outcomes[0], ERR_PENDING);
    teardown();
}
END_TEST

/* ---- refused tokens */

START_TEST(refused_token_is_replaced_once_for_all)
{
    setup();
    start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    const uint64_t first = generation();
    for (int i = 0; i < 100; i++)
        keeper_token_refused(bench.view, KEEPER_CLIENT_TOKEN, first, false);
    ck_assert(no_token());
    ck_assert_int_eq(wait_token(), ERR_OK);
    ck_assert(token_is("Bearer t-2"));
    keeper_token_refused(bench.view, KEEPER_CLIENT_TOKEN, first, false); /* late news */
    ck_assert(token_is("Bearer t-2"));
    ck_assert_int_eq(wait_token(), ERR_OK);
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 2);
    teardown();
}
END_TEST

START_TEST(tokens_refused_in_a_row_are_no_loop_and_no_outage)
{
    setup();
    start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    const uint64_t fetches = 1 + bench.limits.refused_in_row;
    for (int i = 0; i < 20; i++) {
        keeper_token_refused(bench.view, KEEPER_CLIENT_TOKEN, generation(), false);
        ck_assert(no_token());
        ck_assert_int_eq(wait_token(), ERR_OK);
    }
    ck_assert(token_is("Bearer t-5")); /* the last one fetched stays in use */
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), fetches);
    teardown();
}
END_TEST

START_TEST(background_refusal_renews_without_dropping)
{
    setup();
    start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    keeper_token_refused(bench.view, KEEPER_CLIENT_TOKEN, generation(), true);
    ck_assert(token_is("Bearer t-1"));
    run_until(renewed);
    ck_assert(token_is("Bearer t-2"));
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 2);
    teardown();
}
END_TEST

START_TEST(background_refusals_renew_no_more_often_than_the_pause_allows)
{
    setup();
    bench.limits.cool_down_ms = 0;
    start();
    ck_assert_int_eq(wait_token(), ERR_OK);
    keeper_token_refused(bench.view, KEEPER_CLIENT_TOKEN, generation(), true);
    run_until(renewed);
    for (int i = 0; i < 100; i++)
        keeper_token_refused(bench.view, KEEPER_CLIENT_TOKEN, generation(), true);
    ck_assert_int_eq(wait_kid("k-9"), ERR_OK); /* a round through the keeper */
    ck_assert(token_is("Bearer t-2"));
    ck_assert_uint_eq(atomic_load(&vendor.token_calls), 2);
    teardown();
}
END_TEST

/* ---- keys */

START_TEST(unknown_kid_within_the_cool_down_costs_nothing)
{
    setup();
    start();
    run_until(keys_are_there);
    ck_assert(has_kid("k-1"));
    ck_assert_int_eq(wait_kid("k-1"), ERR_OK);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(wait_kid("random"), ERR_INVALID_TOKEN);
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 1);
    teardown();
}
END_TEST

static bool cool_down_is_over(void)
{
    return loop_now_ms(bench.loop) - bench.view->snapshot->key_states[0].last_ok_ms >=
           bench.limits.cool_down_ms;
}

START_TEST(thousand_unknown_kids_cost_one_fetch)
{
    setup();
    bench.limits.cool_down_ms = 1500;
    start();
    run_until(keys_are_there);
    run_until(cool_down_is_over);
    for (size_t i = 0; i < 1000; i++) {
        char kid[32];
        (void)snprintf(kid, sizeof(kid), "random-%zu", i);
        wait_kid_start(i, kid);
    }
    run();
    for (size_t i = 0; i < 1000; i++)
        ck_assert_int_eq(bench.outcomes[i], ERR_OK); /* looked at again */
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 2);
    ck_assert_int_eq(wait_kid("random"), ERR_INVALID_TOKEN);
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 2);
    teardown();
}
END_TEST

START_TEST(new_kid_is_found_by_one_fetch)
{
    setup();
    bench.limits.cool_down_ms = 0;
    start();
    run_until(keys_are_there);
    atomic_store(&vendor.kid, 2);
    ck_assert_int_eq(wait_kid("k-2"), ERR_OK);
    ck_assert(has_kid("k-2"));
    ck_assert(!has_kid("k-1"));
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 2);
    teardown();
}
END_TEST

/* A view that asks about the second issuer all the time and never hears: each ask is published to
 * all views. */
static void *ask_without_end(void *arg)
{
    const atomic_bool *stop = arg;
    struct loop *loop = loop_create();
    struct keeper_view *view = keeper_view_create(bench.keeper, loop);
    while (!atomic_load(stop)) {
        struct keeper_wait wait = {0};
        enum err outcome;
        keeper_wait_kid(view, &wait, 1, STR("random"), FAR_MS, on_ready, &outcome);
        keeper_wait_cancel(&wait);
    }
    keeper_view_destroy(view);
    loop_destroy(loop);
    return NULL;
}

static bool keys_of_both_are_there(void)
{
    const struct keyring ring = keeper_keyring(bench.view);
    return ring.sets[0] && ring.sets[1];
}

START_TEST(news_from_before_an_ask_are_no_answer_to_it)
{
    setup();
    struct issuer issuers[] = {bench.issuer, bench.issuer};
    issuers[1].issuer = (char *)"https://other.example";
    bench.config.issuers = issuers;
    bench.config.issuer_count = 2;
    bench.limits.cool_down_ms = 0;
    start();
    run_until(keys_of_both_are_there);
    atomic_bool stop = false;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_without_end, &stop), 0);
    for (unsigned n = 2; n < 200; n++) {
        char kid[16];
        (void)snprintf(kid, sizeof(kid), "k-%u", n);
        atomic_store(&vendor.kid, n);
        ck_assert_int_eq(wait_kid(kid), ERR_OK);
        ck_assert_ptr_nonnull(keyset_find(keeper_keyring(bench.view).sets[0], str_of(kid)));
    }
    atomic_store(&stop, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    teardown();
}
END_TEST

START_TEST(old_set_stays_when_a_fetch_fails)
{
    setup();
    bench.limits.cool_down_ms = 0;
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = 1000000;
    start();
    run_until(keys_are_there);
    atomic_store(&vendor.jwks_status, 500);
    ck_assert_int_eq(wait_kid("k-2"), ERR_KEYS_UNAVAILABLE);
    ck_assert_int_eq(wait_kid("k-2"), ERR_KEYS_UNAVAILABLE); /* in back-off: no call */
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 2);
    ck_assert(has_kid("k-1"));
    ck_assert_int_eq(wait_kid("k-1"), ERR_OK);
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    ck_assert(status.keys_ok);
    ck_assert_ptr_nonnull(strstr(status.last_error, "500"));
    teardown();
}
END_TEST

static bool keys_are_gone(void)
{
    return !keys_are_there();
}

START_TEST(stale_set_is_dropped)
{
    setup();
    bench.limits.keys_refresh_ms = 50;
    bench.limits.keys_stale_ms = 300;
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = 120;
    start();
    run_until(keys_are_there);
    atomic_store(&vendor.jwks_status, 500);
    run_until(keys_are_gone);
    struct keeper_status status;
    keeper_status(bench.keeper, &status);
    ck_assert(status.keys_ever && !status.keys_ok);
    atomic_store(&vendor.jwks_status, 200);
    run_until(keys_are_there);
    teardown();
}
END_TEST

START_TEST(keys_that_never_came_are_unavailable)
{
    setup();
    vendor.jwks_type = "text/html";
    bench.limits.backoff_first_ms = bench.limits.backoff_max_ms = 1000000;
    start();
    ck_assert_int_eq(wait_kid("k-1"), ERR_KEYS_UNAVAILABLE);
    ck_assert(!keys_are_there());
    ck_assert_uint_eq(atomic_load(&vendor.jwks_calls), 1);
    teardown();
}
END_TEST

/* ---- life */

static void *use_own_view(void *arg)
{
    struct keeper *keeper = arg;
    for (int i = 0; i < 200; i++) {
        struct loop *loop = loop_create();
        struct keeper_view *view = keeper_view_create(keeper, loop);
        struct keeper_wait wait = {0};
        enum err outcome;
        keeper_wait_kid(view, &wait, 0, STR("random"), FAR_MS, on_ready, &outcome);
        keeper_token_refused(view, KEEPER_CLIENT_TOKEN, (uint64_t)i, i % 2 == 0);
        keeper_view_destroy(view);
        loop_destroy(loop);
    }
    return NULL;
}

START_TEST(views_come_and_go_while_the_keeper_publishes)
{
    setup();
    bench.limits.keys_refresh_ms = 1;
    bench.limits.cool_down_ms = 0;
    start();
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_own_view, bench.keeper), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(wait_kid("k-1"), ERR_OK);
    teardown();
}
END_TEST

START_TEST(missing_client_key_is_an_error)
{
    setup();
    bench.config.client_auth = CLIENT_AUTH_PRIVATE_KEY_JWT;
    bench.config.client_key_file = (char *)"/nonexistent.pem";
    struct err_text text = {0};
    ck_assert_int_ne(keeper_start(&bench.config, NULL, &bench.keeper, &text), ERR_OK);
    ck_assert_ptr_nonnull(strstr(text.text, "/nonexistent.pem"));
    bench.keeper = NULL;
    teardown();
}
END_TEST

static void add_token_tests(TCase *tests)
{
    tcase_add_test(tests, thousand_waiters_cost_one_token_call);
    tcase_add_test(tests, status_tells_what_is_there);
    tcase_add_test(tests, admin_token_is_fetched_when_configured);
    tcase_add_test(tests, token_is_renewed_before_it_expires);
    tcase_add_test(tests, expired_token_is_not_handed_out);
    tcase_add_test(tests, backoff_answers_without_a_call);
    tcase_add_test(tests, keeper_heals_by_itself);
    tcase_add_test(tests, refused_credentials_are_told_apart);
    tcase_add_test(tests, waiting_ends_at_the_deadline);
    tcase_add_test(tests, waiters_are_bounded);
    tcase_add_test(tests, cancelled_wait_is_silent);
    tcase_add_test(tests, refused_token_is_replaced_once_for_all);
    tcase_add_test(tests, tokens_refused_in_a_row_are_no_loop_and_no_outage);
    tcase_add_test(tests, background_refusal_renews_without_dropping);
    tcase_add_test(tests, background_refusals_renew_no_more_often_than_the_pause_allows);
}

int main(void)
{
    TCase *tests = tcase_create("keeper");
    (void)signal(SIGPIPE, SIG_IGN);
    if (!crypto_init())
        return EXIT_FAILURE;
    modulus = make_modulus();
    tcase_set_timeout(tests, 60);
    add_token_tests(tests);
    tcase_add_test(tests, unknown_kid_within_the_cool_down_costs_nothing);
    tcase_add_test(tests, thousand_unknown_kids_cost_one_fetch);
    tcase_add_test(tests, new_kid_is_found_by_one_fetch);
    tcase_add_test(tests, news_from_before_an_ask_are_no_answer_to_it);
    tcase_add_test(tests, old_set_stays_when_a_fetch_fails);
    tcase_add_test(tests, stale_set_is_dropped);
    tcase_add_test(tests, keys_that_never_came_are_unavailable);
    tcase_add_test(tests, views_come_and_go_while_the_keeper_publishes);
    tcase_add_test(tests, missing_client_key_is_an_error);
    const int status = unit_run(tests, "keeper");
    free(modulus);
    return status;
}
