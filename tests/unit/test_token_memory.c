/* SPDX-License-Identifier: Apache-2.0
 * Remembered tokens: what is found, what is no longer found, and that the ceiling holds. */
#include "identity/token_memory.h"

#include <stdio.h>

#include "base/crypto.h"
#include "jwt_support.h"

static struct token_memory *memory;
static struct keyset *sets[2];
static struct keyring ring;

static const struct jwt_claims CLAIMS = {
    .sub = {"u-1", 3},
    .client_id = {"client", 6},
    .tid = {NULL, 0},
    .scope = {"", 0},
    .iat_s = NOW_S - 100,
    .exp_s = NOW_S + 100,
    .alg = JWS_RS256,
};

static void set_up(void)
{
    ck_assert(crypto_init());
    memory = token_memory_create(64, 2);
    ck_assert_ptr_nonnull(memory);
    sets[0] = set;
    sets[1] = NULL;
    ring = (struct keyring){.issuers = NULL, .sets = sets, .count = 2};
}

static void tear_down(void)
{
    token_memory_destroy(memory);
    crypto_finish();
}

static struct token_id id_of(const char *token)
{
    struct token_id id;

    ck_assert(token_id_of(str_of(token), &id));
    return id;
}

static void keep(const char *token, const struct jwt_claims *claims)
{
    const struct token_id id = id_of(token);

    token_memory_keep(memory, &ring, &id, claims);
}

static bool find_at(const char *token, int64_t now_s, struct jwt_claims *ret)
{
    const struct token_id id = id_of(token);

    return token_memory_find(memory, &policy, &ring, &id, now_s, &arena, ret);
}

static bool knows(const char *token)
{
    struct jwt_claims claims;

    return find_at(token, NOW_S, &claims);
}

START_TEST(the_claims_come_back_as_the_verifier_gave_them)
{
    struct jwt_claims claims = {.payload = (struct json *)&sets};

    keep("a.b.c", &CLAIMS);
    ck_assert(find_at("a.b.c", NOW_S, &claims));
    ck_assert(str_is(claims.sub, "u-1") && str_is(claims.client_id, "client"));
    ck_assert_ptr_null(claims.tid.ptr);
    ck_assert(claims.scope.ptr && claims.scope.len == 0);
    ck_assert_int_eq(claims.iat_s, CLAIMS.iat_s);
    ck_assert_int_eq(claims.exp_s, CLAIMS.exp_s);
    ck_assert_int_eq(claims.alg, JWS_RS256);
    ck_assert_ptr_null(claims.payload);
}
END_TEST

START_TEST(what_was_found_outlives_what_is_remembered)
{
    struct jwt_claims claims;

    keep("a.b.c", &CLAIMS);
    ck_assert(find_at("a.b.c", NOW_S, &claims));
    token_memory_destroy(memory);
    memory = NULL;
    ck_assert(str_is(claims.sub, "u-1"));
}
END_TEST

START_TEST(another_token_is_not_found)
{
    keep("a.b.c", &CLAIMS);
    ck_assert(knows("a.b.c"));
    ck_assert(!knows("a.b.C"));
    ck_assert(!knows("a.b.c "));
    ck_assert(!knows(""));
}
END_TEST

/* The verifier's own edges: exp and leeway, iat and nbf ahead of a clock that was set back. */
static const struct {
    int64_t iat_s, nbf_s, exp_s, now_s;
    bool found;
} TIMES[] = {
    {NOW_S - 9, 0, NOW_S + 1, NOW_S, true},        {NOW_S - 9, 0, NOW_S - 59, NOW_S, true},
    {NOW_S - 9, 0, NOW_S - 60, NOW_S, false},      {NOW_S - 9, 0, NOW_S + 1, NOW_S + 61, false},
    {NOW_S + 60, 0, NOW_S + 100, NOW_S, true},     {NOW_S + 61, 0, NOW_S + 100, NOW_S, false},
    {NOW_S, NOW_S + 60, NOW_S + 100, NOW_S, true}, {NOW_S, NOW_S + 61, NOW_S + 100, NOW_S, false},
    {NOW_S - 9, 0, NOW_S + 1, INT64_MAX, false},   {NOW_S - 9, 0, NOW_S + 1, INT64_MIN, false},
};

START_TEST(times_are_judged_as_the_verifier_does)
{
    struct jwt_claims claims = CLAIMS;
    char payload[512];

    claims.iat_s = TIMES[_i].iat_s;
    claims.nbf_s = TIMES[_i].nbf_s;
    claims.exp_s = TIMES[_i].exp_s;
    keep("a.b.c", &claims);
    ck_assert_int_eq(find_at("a.b.c", TIMES[_i].now_s, &claims), TIMES[_i].found);

    (void)snprintf(payload, sizeof(payload),
                   "{\"iss\":\"" ISS "\",\"sub\":\"u-1\",\"aud\":\"userid-api\",\"client_id\":"
                   "\"client\",\"tid\":\"tenant\",\"iat\":%lld,\"exp\":%lld,\"nbf\":%lld}",
                   (long long)TIMES[_i].iat_s, (long long)TIMES[_i].exp_s,
                   (long long)TIMES[_i].nbf_s);
    AUTO_BUF struct buf token;
    buf_init(&token, 65536);
    jose_sign(&token, rsa, JWS_RS256, str_of(HEADER), str_of(payload));
    const struct jwt_input in = {
        .token = buf_str(&token), .kind = TOKEN_KIND_ACCESS, .now_s = TIMES[_i].now_s};
    ck_assert_int_eq(verify_in(&in, &claims) == JWT_OK, TIMES[_i].found);
    jwt_claims_finish(&claims);
}
END_TEST

START_TEST(a_token_past_its_time_is_forgotten)
{
    struct jwt_claims claims;

    keep("a.b.c", &CLAIMS);
    ck_assert(!find_at("a.b.c", CLAIMS.exp_s + 61, &claims));
    ck_assert(!find_at("a.b.c", NOW_S, &claims));
}
END_TEST

static struct keyset *another_set(int change)
{
    return change == 0 ? set_other : NULL;
}

START_TEST(any_change_of_a_key_set_forgets_everything)
{
    keep("a.b.c", &CLAIMS);
    ck_assert(knows("a.b.c"));
    sets[0] = another_set(_i);
    ck_assert(!knows("a.b.c"));
    sets[0] = set;
    ck_assert(!knows("a.b.c"));
}
END_TEST

START_TEST(the_first_key_set_of_another_issuer_is_a_change)
{
    keep("a.b.c", &CLAIMS);
    sets[1] = set_other;
    ck_assert(!knows("a.b.c"));
}
END_TEST

START_TEST(what_is_kept_counts_for_the_keys_of_that_moment)
{
    keep("a.b.c", &CLAIMS);
    sets[0] = set_other;
    keep("d.e.f", &CLAIMS);
    ck_assert(knows("d.e.f"));
    ck_assert(!knows("a.b.c"));
}
END_TEST

static void name_token(unsigned number, char out[32])
{
    (void)snprintf(out, 32, "token.%u.x", number);
}

static unsigned count_known(unsigned tokens)
{
    unsigned known = 0;
    char token[32];

    for (unsigned i = 0; i < tokens; i++) {
        name_token(i, token);
        known += knows(token);
    }
    return known;
}

static void fill(size_t tokens_max, unsigned tokens)
{
    char token[32];

    token_memory_destroy(memory);
    memory = token_memory_create(tokens_max, 2);
    for (unsigned i = 0; i < tokens; i++) {
        name_token(i, token);
        keep(token, &CLAIMS);
        keep(token, &CLAIMS);
        ck_assert_msg(knows(token), "the last one is there");
    }
}

START_TEST(the_ceiling_is_exact)
{
    static const unsigned CEILINGS[] = {1, 2, 7, 8, 9, 100};

    fill(CEILINGS[_i], 50 * CEILINGS[_i]);
    ck_assert_uint_eq(count_known(50 * CEILINGS[_i]), CEILINGS[_i]);
}
END_TEST

START_TEST(a_memory_half_full_drops_next_to_nothing)
{
    fill(1000, 500);
    ck_assert_uint_ge(count_known(500), 490);
}
END_TEST

START_TEST(the_one_asked_for_longest_ago_goes_first)
{
    char token[32];

    fill(8, 8);
    name_token(0, token);
    ck_assert(knows(token));
    keep("new", &CLAIMS);
    ck_assert(knows(token));
    name_token(1, token);
    ck_assert(!knows(token));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("token_memory");

    jwt_fixtures(t);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, the_claims_come_back_as_the_verifier_gave_them);
    tcase_add_test(t, what_was_found_outlives_what_is_remembered);
    tcase_add_test(t, another_token_is_not_found);
    tcase_add_loop_test(t, times_are_judged_as_the_verifier_does, 0, ARRAY_LEN(TIMES));
    tcase_add_test(t, a_token_past_its_time_is_forgotten);
    tcase_add_loop_test(t, any_change_of_a_key_set_forgets_everything, 0, 2);
    tcase_add_test(t, the_first_key_set_of_another_issuer_is_a_change);
    tcase_add_test(t, what_is_kept_counts_for_the_keys_of_that_moment);
    tcase_add_loop_test(t, the_ceiling_is_exact, 0, 6);
    tcase_add_test(t, a_memory_half_full_drops_next_to_nothing);
    tcase_add_test(t, the_one_asked_for_longest_ago_goes_first);
    return unit_run(t, "token_memory");
}
