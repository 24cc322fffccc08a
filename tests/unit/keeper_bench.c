/* SPDX-License-Identifier: Apache-2.0
 * See keeper_bench.h. */
#include "keeper_bench.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <signal.h>

#include "base/base64.h"
#include "base/crypto.h"
#include "unit.h"

enum { GUARD_MS = 30000 };

/* ---- the vendor: the test sets what it answers, the server's thread reads it */

struct vendor vendor;
static char *modulus;        /* base64url, of a key made once */
static char last_body[8192]; /* of the token requests; the server's thread alone */
static size_t last_body_len;

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
    if (atomic_load(&vendor.hold_jwks))
        return;
    buf_init(&body, 4096);
    buf_printf(&body,
               "{\"keys\":[{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"k-%u\","
               "\"e\":\"AQAB\",\"n\":\"%s\"}]}",
               atomic_load(&vendor.kid), modulus);
    const char *document = atomic_load(&vendor.jwks_document);
    script_answer(answer, atomic_load(&vendor.jwks_status), vendor.jwks_type, "",
                  document ? document : body.ptr);
}

static void note_body(struct str body)
{
    if (str_eq(body, (struct str){last_body, last_body_len}))
        (void)atomic_fetch_add(&vendor.token_repeats, 1);
    last_body_len = body.len < sizeof(last_body) ? body.len : 0;
    memcpy(last_body, body.ptr, last_body_len);
}

static enum script_end script(void *arg, const struct script_request *r, struct buf *answer)
{
    (void)arg;
    if (!str_starts_with(r->text, STR("POST /token "))) {
        answer_jwks(answer);
        return SCRIPT_KEEP;
    }
    note_body(r->body);
    if (atomic_load(&vendor.drop_reused) && r->on_connection > 0)
        return SCRIPT_CLOSE;
    answer_token(answer);
    return SCRIPT_KEEP;
}

/* ---- keeper, one view, one loop */

struct bench bench;

void bench_set_up(void)
{
    memset(&bench, 0, sizeof(bench));
    vendor = (struct vendor){.token_status = 200,
                             .expires_in_s = 3600,
                             .jwks_status = 200,
                             .kid = 1,
                             .jwks_type = "application/json"};
    last_body_len = 0;
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
        .max_in_flight = 4096,
    };
    bench.limits = KEEPER_LIMITS;
    bench.loop = loop_create();
}

void bench_start(void)
{
    struct err_text text = {0};
    ck_assert_int_eq(keeper_start_with(&bench.config, NULL, bench.identity, NULL, &bench.limits,
                                       &bench.keeper, &text),
                     ERR_OK);
    bench.view = keeper_view_create(bench.keeper, bench.loop);
    ck_assert_ptr_nonnull(bench.view);
}

void bench_tear_down(void)
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

void bench_run(void)
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

void bench_run_until(bool (*condition)(void))
{
    bench.until = condition;
    timer_start(bench.loop, &bench.poll, loop_update_now(bench.loop), on_poll, NULL);
    bench_run();
}

void bench_on_ready(struct keeper_wait *w, enum err outcome)
{
    *(enum err *)w->arg = outcome;
    if (--bench.open == 0)
        loop_stop(bench.loop);
}

void wait_kid_start(size_t i, const char *kid)
{
    bench.open++;
    bench.outcomes[i] = ERR_PENDING;
    keeper_wait_kid(bench.view, &bench.waits[i], 0, str_of(kid),
                    loop_update_now(bench.loop) + FAR_MS, bench_on_ready, &bench.outcomes[i]);
    ck_assert_int_eq(bench.outcomes[i], ERR_PENDING);
}

enum err wait_kid(const char *kid)
{
    wait_kid_start(0, kid);
    bench_run();
    return bench.outcomes[0];
}

bool has_kid(const char *kid)
{
    const struct keyring ring = keeper_keyring(bench.view);
    ck_assert_uint_eq(ring.count, 1);
    return ring.sets[0] && keyset_find(ring.sets[0], str_of(kid));
}

bool keys_are_there(void)
{
    return keeper_keyring(bench.view).sets[0] != NULL;
}

bool bench_init(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (!crypto_init())
        return false;
    modulus = make_modulus();
    return true;
}

void bench_finish(void)
{
    free(modulus);
}
