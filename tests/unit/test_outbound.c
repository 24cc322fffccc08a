/* SPDX-License-Identifier: Apache-2.0
 * Governor, circuit breaker and repeat budget, with time as an argument. */
#include "identity/outbound.h"

#include <pthread.h>
#include <stdatomic.h>

#include "unit.h"

static struct config config;
static struct outbound *o;
static int64_t now_ms;

static void set_up(void)
{
    config = (struct config){.upstream_max_per_second = 100,
                             .upstream_breaker_failures = 20,
                             .upstream_repeats_percent = 10};
    o = outbound_create(&config);
    ck_assert_ptr_nonnull(o);
    now_ms = INT64_C(1) << 40;
}

static void tear_down(void)
{
    outbound_destroy(o);
}

static void configure(int64_t per_second, int64_t failures)
{
    config.upstream_max_per_second = per_second;
    config.upstream_breaker_failures = failures;
    outbound_configure(o, &config);
}

static struct outbound_permit last;
static const struct outbound_permit PLAIN, PROBE = {.probe = true}; /* before it ever closed */

static enum failure_kind ask(enum vendor_class class)
{
    return outbound_permit(o, class, now_ms, &last);
}

static int passed(enum vendor_class class, int asked)
{
    int n = 0;
    for (int i = 0; i < asked; i++)
        n += ask(class) == FAILURE_NONE;
    return n;
}

static void report(enum failure_kind kind, int times)
{
    for (int i = 0; i < times; i++)
        outbound_report(o, &last, kind, -1, now_ms);
}

/* ---- the governor */

START_TEST(the_limit_holds_each_second)
{
    static const int64_t MAX[] = {1, 3, 333, 100000};

    for (size_t i = 0; i < ARRAY_LEN(MAX); i++) {
        configure(MAX[i], 0);
        now_ms += 10000;
        const int max = (int)MAX[i];
        ck_assert_int_eq(passed(VENDOR_CLASS_AUTHENTICATE, max + 50), max);
        ck_assert_int_eq(ask(VENDOR_CLASS_AUTHENTICATE), FAILURE_LIMITED);
        ck_assert_int_eq(last.retry_after_s, 1);
        now_ms += 1000;
        ck_assert_int_eq(passed(VENDOR_CLASS_AUTHENTICATE, max + 50), max);
    }
}
END_TEST

START_TEST(it_does_not_drift)
{
    configure(333, 0);
    int all = 0;
    for (int ms = 0; ms < 100000; ms++, now_ms++)
        all += passed(VENDOR_CLASS_AUTHENTICATE, 2);
    ck_assert_int_ge(all, 100 * 333);
    ck_assert_int_le(all, 101 * 333 + 1);
}
END_TEST

START_TEST(zero_is_no_limit_and_learns_none)
{
    configure(0, 0);
    ck_assert_int_eq(passed(VENDOR_CLASS_OTHER, 100000), 100000);
    outbound_report(o, &PLAIN, FAILURE_VENDOR_429, 60, now_ms);
    ck_assert_int_eq(passed(VENDOR_CLASS_OTHER, 100000), 100000);
    ck_assert_double_eq(outbound_limit_per_second(o), 0);
}
END_TEST

START_TEST(the_first_classes_keep_a_part_for_themselves)
{
    ck_assert_int_eq(passed(VENDOR_CLASS_OTHER, 100), 25);
    ck_assert_int_eq(passed(VENDOR_CLASS_REGISTER, 100), 25);
    ck_assert_int_eq(passed(VENDOR_CLASS_START, 100), 25);
    ck_assert_int_eq(passed(VENDOR_CLASS_AUTHENTICATE, 100), 25);
}
END_TEST

/* A second of 100 calls a class against a limit of 100, evenly spread: those that go first get all
 * that they ask for, and the rest what is left. */
START_TEST(in_a_shortage_the_first_class_is_served)
{
    int served[VENDOR_CLASS_COUNT] = {0};
    for (int ms = 0; ms < 20000; ms++, now_ms++) {
        if (ms % 20 == 0)
            served[VENDOR_CLASS_AUTHENTICATE] += passed(VENDOR_CLASS_AUTHENTICATE, 1);
        if (ms % 10 == 5)
            for (int c = VENDOR_CLASS_OTHER; c >= VENDOR_CLASS_START; c--)
                served[c] += passed((enum vendor_class)c, 1);
    }
    ck_assert_int_eq(served[VENDOR_CLASS_AUTHENTICATE], 1000);
    ck_assert_int_ge(served[VENDOR_CLASS_START], 900);
    ck_assert_int_le(served[VENDOR_CLASS_REGISTER], 60);
    ck_assert_int_le(served[VENDOR_CLASS_OTHER], 60);
}
END_TEST

START_TEST(with_the_lowest_limit_no_class_is_shut_out)
{
    configure(1, 0);
    for (int c = 0; c < VENDOR_CLASS_COUNT; c++) {
        ck_assert_int_eq(ask((enum vendor_class)c), FAILURE_NONE);
        ck_assert_int_eq(ask((enum vendor_class)c), FAILURE_LIMITED);
        now_ms += 1000;
    }
}
END_TEST

START_TEST(retry_after_is_when_the_class_may_pass)
{
    configure(1, 0);
    ck_assert_int_eq(ask(VENDOR_CLASS_OTHER), FAILURE_NONE);
    ck_assert_int_eq(ask(VENDOR_CLASS_OTHER), FAILURE_LIMITED);
    now_ms += last.retry_after_s * 1000;
    ck_assert_int_eq(ask(VENDOR_CLASS_OTHER), FAILURE_NONE);
}
END_TEST

static void vendor_429(int retry_after_s)
{
    outbound_report(o, &PLAIN, FAILURE_VENDOR_429, retry_after_s, now_ms);
}

START_TEST(a_429_halves_the_limit_once_a_second)
{
    for (int i = 0; i < 100; i++)
        vendor_429(-1);
    ck_assert_double_eq(outbound_limit_per_second(o), 50);
    now_ms += 999;
    vendor_429(-1);
    ck_assert_double_eq(outbound_limit_per_second(o), 50);
    now_ms += 1;
    vendor_429(-1);
    ck_assert_double_eq(outbound_limit_per_second(o), 25);
    now_ms += 500;
    ck_assert_int_eq(passed(VENDOR_CLASS_AUTHENTICATE, 100), 25);
}
END_TEST

START_TEST(there_is_a_floor)
{
    for (int i = 0; i < 20; i++, now_ms += 1000)
        vendor_429(-1);
    ck_assert_double_eq(outbound_limit_per_second(o), 10);
    configure(3, 0);
    for (int i = 0; i < 20; i++, now_ms += 1000)
        vendor_429(-1);
    ck_assert_double_eq(outbound_limit_per_second(o), 1);
}
END_TEST

START_TEST(the_limit_comes_back_in_steps_after_the_hold)
{
    vendor_429(5);
    now_ms += 4999;
    (void)ask(VENDOR_CLASS_AUTHENTICATE);
    ck_assert_double_eq(outbound_limit_per_second(o), 50);
    now_ms += 1;
    (void)ask(VENDOR_CLASS_AUTHENTICATE);
    ck_assert_double_eq(outbound_limit_per_second(o), 55);
    (void)ask(VENDOR_CLASS_AUTHENTICATE);
    ck_assert_double_eq(outbound_limit_per_second(o), 55);
    now_ms += 1000;
    (void)ask(VENDOR_CLASS_AUTHENTICATE);
    ck_assert_double_eq(outbound_limit_per_second(o), 60);
    /* A quiet minute is worth its steps, and no more than the configured limit. */
    now_ms += 3000;
    (void)ask(VENDOR_CLASS_AUTHENTICATE);
    ck_assert_double_eq(outbound_limit_per_second(o), 75);
    now_ms += 60000;
    (void)ask(VENDOR_CLASS_AUTHENTICATE);
    ck_assert_double_eq(outbound_limit_per_second(o), 100);
}
END_TEST

START_TEST(the_hold_is_bounded)
{
    vendor_429(1000000000);
    now_ms += OUTBOUND_HOLD_MAX_MS;
    (void)ask(VENDOR_CLASS_AUTHENTICATE);
    ck_assert_double_eq(outbound_limit_per_second(o), 55);
}
END_TEST

START_TEST(a_new_limit_is_no_learned_one)
{
    vendor_429(60);
    configure(100, 20);
    ck_assert_double_eq(outbound_limit_per_second(o), 50);
    configure(200, 20);
    ck_assert_double_eq(outbound_limit_per_second(o), 200);
}
END_TEST

START_TEST(a_lower_limit_holds_at_once_and_is_no_standstill)
{
    ck_assert_int_eq(passed(VENDOR_CLASS_AUTHENTICATE, 100), 100);
    configure(10, 20);
    ck_assert_int_eq(passed(VENDOR_CLASS_AUTHENTICATE, 100), 0);
    now_ms += 1000;
    ck_assert_int_eq(passed(VENDOR_CLASS_AUTHENTICATE, 100), 10);
}
END_TEST

/* ---- the breaker */

START_TEST(it_opens_at_so_many_failures)
{
    report(FAILURE_NOT_SENT, 10);
    report(FAILURE_VENDOR_5XX, 9);
    ck_assert(!outbound_is_open(o));
    ck_assert_int_eq(ask(VENDOR_CLASS_START), FAILURE_NONE);
    report(FAILURE_LATE, 1);
    ck_assert(outbound_is_open(o));
    ck_assert_int_eq(ask(VENDOR_CLASS_AUTHENTICATE), FAILURE_BREAKER_OPEN);
    ck_assert_int_ge(last.retry_after_s, 1);
    ck_assert_int_le(last.retry_after_s, 2);
    ck_assert(!last.probe);
}
END_TEST

START_TEST(not_when_most_calls_are_good)
{
    report(FAILURE_NONE, 101);
    report(FAILURE_BROKEN, 100);
    ck_assert(!outbound_is_open(o));
    report(FAILURE_BROKEN, 1);
    ck_assert(outbound_is_open(o));
}
END_TEST

START_TEST(not_for_what_is_not_the_vendors_illness)
{
    report(FAILURE_BAD_ANSWER, 100);
    report(FAILURE_VENDOR_429, 100);
    report(FAILURE_TOKEN_401, 100);
    report(FAILURE_USER_403, 100);
    ck_assert(!outbound_is_open(o));
}
END_TEST

START_TEST(old_failures_do_not_count)
{
    report(FAILURE_BROKEN, 19);
    now_ms += OUTBOUND_BREAKER_WINDOW_S * 1000;
    report(FAILURE_BROKEN, 19);
    ck_assert(!outbound_is_open(o));
    now_ms += (OUTBOUND_BREAKER_WINDOW_S - 1) * 1000;
    report(FAILURE_BROKEN, 1);
    ck_assert(outbound_is_open(o));
}
END_TEST

static void open_it(void)
{
    report(FAILURE_BROKEN, 20);
    ck_assert(outbound_is_open(o));
}

START_TEST(one_probe_every_two_seconds_closes_it_by_its_success)
{
    open_it();
    now_ms += OUTBOUND_BREAKER_PROBE_MS - 1;
    ck_assert_int_eq(ask(VENDOR_CLASS_START), FAILURE_BREAKER_OPEN);
    now_ms += 1;
    ck_assert_int_eq(passed(VENDOR_CLASS_OTHER, 1), 1);
    ck_assert(last.probe);
    ck_assert_int_eq(passed(VENDOR_CLASS_AUTHENTICATE, 100), 0);
    /* It fails: two more seconds. */
    outbound_report(o, &PROBE, FAILURE_LATE, -1, now_ms);
    ck_assert_int_eq(ask(VENDOR_CLASS_START), FAILURE_BREAKER_OPEN);
    now_ms += OUTBOUND_BREAKER_PROBE_MS;
    ck_assert_int_eq(passed(VENDOR_CLASS_START, 1), 1);
    outbound_report(o, &PROBE, FAILURE_NONE, -1, now_ms);
    ck_assert(!outbound_is_open(o));
    /* Neither what was counted before nor what began before opens it again. */
    report(FAILURE_LATE, 1000);
    ck_assert(!outbound_is_open(o));
    ck_assert_int_eq(ask(VENDOR_CLASS_START), FAILURE_NONE);
    report(FAILURE_BROKEN, 19);
    ck_assert(!outbound_is_open(o));
    report(FAILURE_BROKEN, 1);
    ck_assert(outbound_is_open(o));
    /* A probe from the last time says nothing about this one. */
    outbound_report(o, &PROBE, FAILURE_NONE, -1, now_ms);
    ck_assert(outbound_is_open(o));
}
END_TEST

START_TEST(a_permit_that_was_given_back_costs_nobody_his_call)
{
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(ask(VENDOR_CLASS_AUTHENTICATE), FAILURE_NONE);
        outbound_give_back(o, &last, now_ms);
    }
    ck_assert_int_eq(passed(VENDOR_CLASS_AUTHENTICATE, 1000), 100);
}
END_TEST

START_TEST(a_probe_that_was_given_back_is_the_next_ones)
{
    open_it();
    now_ms += OUTBOUND_BREAKER_PROBE_MS;
    ck_assert_int_eq(ask(VENDOR_CLASS_AUTHENTICATE), FAILURE_NONE);
    const struct outbound_permit unused = last;
    ck_assert_int_eq(ask(VENDOR_CLASS_START), FAILURE_BREAKER_OPEN);
    outbound_give_back(o, &unused, now_ms);
    ck_assert_int_eq(ask(VENDOR_CLASS_START), FAILURE_NONE);
    ck_assert(last.probe);
}
END_TEST

START_TEST(a_probe_that_never_ends_holds_nobody_up)
{
    open_it();
    for (int i = 0; i < 5; i++) {
        now_ms += OUTBOUND_BREAKER_PROBE_MS;
        ck_assert_int_eq(ask(VENDOR_CLASS_START), FAILURE_NONE);
        ck_assert(last.probe);
    }
    outbound_report(o, &PROBE, FAILURE_NONE, -1, now_ms);
    ck_assert(!outbound_is_open(o));
}
END_TEST

START_TEST(late_answers_to_calls_from_before_do_not_close_it)
{
    open_it();
    report(FAILURE_NONE, 1000);
    ck_assert(outbound_is_open(o));
}
END_TEST

START_TEST(a_probe_needs_no_share_of_the_limit)
{
    configure(1, 20);
    ck_assert_int_eq(passed(VENDOR_CLASS_AUTHENTICATE, 2), 1);
    open_it();
    now_ms += OUTBOUND_BREAKER_PROBE_MS;
    ck_assert_int_eq(passed(VENDOR_CLASS_AUTHENTICATE, 1), 1);
    ck_assert(last.probe);
}
END_TEST

START_TEST(it_can_be_switched_off_and_on)
{
    open_it();
    configure(0, 0);
    ck_assert_int_eq(ask(VENDOR_CLASS_START), FAILURE_NONE);
    report(FAILURE_BROKEN, 1000);
    ck_assert_int_eq(ask(VENDOR_CLASS_START), FAILURE_NONE);
    configure(0, 5);
    report(FAILURE_BROKEN, 5);
    ck_assert_int_eq(ask(VENDOR_CLASS_START), FAILURE_BREAKER_OPEN);
}
END_TEST

/* ---- repeats */

static int repeats(int asked)
{
    int n = 0;
    for (int i = 0; i < asked; i++)
        n += outbound_take_repeat(o, now_ms);
    return n;
}

START_TEST(a_tenth_of_the_calls_may_be_repeated)
{
    configure(0, 0);
    ck_assert_int_eq(repeats(100), OUTBOUND_REPEATS_FIRST + 1); /* and the free one */
    report(FAILURE_NONE, 100);
    ck_assert_int_eq(repeats(100), 10);
    report(FAILURE_NONE, 9);
    ck_assert_int_eq(repeats(1), 0);
    report(FAILURE_NONE, 1);
    ck_assert_int_eq(repeats(2), 1);
    report(FAILURE_NONE, 100000);
    ck_assert_int_eq(repeats(100000), OUTBOUND_REPEATS_SAVED_MAX);
}
END_TEST

START_TEST(a_quiet_service_may_repeat_one_now_and_then)
{
    (void)repeats(OUTBOUND_REPEATS_FIRST);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(repeats(3), 1);
        now_ms += OUTBOUND_REPEAT_FREE_MS - 1;
        ck_assert_int_eq(repeats(3), 0);
        now_ms += 1;
    }
}
END_TEST

START_TEST(without_a_budget_there_is_no_repeat)
{
    config.upstream_repeats_percent = 0;
    configure(0, 0);
    ck_assert_int_eq(passed(VENDOR_CLASS_START, 100), 100);
    ck_assert_int_eq(repeats(1), 0);
}
END_TEST

/* ---- threads */

enum { THREADS = 4, ASKED = 20000 };
static atomic_int let_out, probes;

static void *hammer(void *arg)
{
    struct outbound_permit permit;

    for (int i = 0; i < ASKED; i++) {
        if (outbound_permit(o, VENDOR_CLASS_AUTHENTICATE, now_ms, &permit) == FAILURE_NONE)
            atomic_fetch_add(&let_out, 1);
        atomic_fetch_add(&probes, permit.probe);
        outbound_report(o, &PLAIN, *(enum failure_kind *)arg, -1, now_ms);
    }
    return NULL;
}

static void hammer_with(enum failure_kind kind)
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer, &kind), 0);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

START_TEST(the_limit_holds_over_all_threads)
{
    hammer_with(FAILURE_NONE);
    ck_assert_int_eq(atomic_load(&let_out), 100);
    /* Not one call was lost to the count: as many failures less one leave the breaker closed. */
    report(FAILURE_BROKEN, THREADS * ASKED - 1);
    ck_assert(!outbound_is_open(o));
    report(FAILURE_BROKEN, 1);
    ck_assert(outbound_is_open(o));
}
END_TEST

START_TEST(threads_agree_on_one_probe_and_one_halving)
{
    open_it();
    now_ms += OUTBOUND_BREAKER_PROBE_MS;
    hammer_with(FAILURE_VENDOR_429);
    ck_assert_int_eq(atomic_load(&probes), 1);
    ck_assert_int_eq(atomic_load(&let_out), 1);
    ck_assert_double_eq(outbound_limit_per_second(o), 50);
}
END_TEST

static TCase *governor(void)
{
    TCase *t = tcase_create("governor");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, the_limit_holds_each_second);
    tcase_add_test(t, it_does_not_drift);
    tcase_add_test(t, zero_is_no_limit_and_learns_none);
    tcase_add_test(t, the_first_classes_keep_a_part_for_themselves);
    tcase_add_test(t, in_a_shortage_the_first_class_is_served);
    tcase_add_test(t, with_the_lowest_limit_no_class_is_shut_out);
    tcase_add_test(t, retry_after_is_when_the_class_may_pass);
    tcase_add_test(t, a_429_halves_the_limit_once_a_second);
    tcase_add_test(t, there_is_a_floor);
    tcase_add_test(t, the_limit_comes_back_in_steps_after_the_hold);
    tcase_add_test(t, the_hold_is_bounded);
    tcase_add_test(t, a_new_limit_is_no_learned_one);
    tcase_add_test(t, a_lower_limit_holds_at_once_and_is_no_standstill);
    return t;
}

static void add_rest(TCase *t)
{
    tcase_add_test(t, it_opens_at_so_many_failures);
    tcase_add_test(t, not_when_most_calls_are_good);
    tcase_add_test(t, not_for_what_is_not_the_vendors_illness);
    tcase_add_test(t, old_failures_do_not_count);
    tcase_add_test(t, one_probe_every_two_seconds_closes_it_by_its_success);
    tcase_add_test(t, a_permit_that_was_given_back_costs_nobody_his_call);
    tcase_add_test(t, a_probe_that_was_given_back_is_the_next_ones);
    tcase_add_test(t, a_probe_that_never_ends_holds_nobody_up);
    tcase_add_test(t, late_answers_to_calls_from_before_do_not_close_it);
    tcase_add_test(t, a_probe_needs_no_share_of_the_limit);
    tcase_add_test(t, it_can_be_switched_off_and_on);
    tcase_add_test(t, a_tenth_of_the_calls_may_be_repeated);
    tcase_add_test(t, a_quiet_service_may_repeat_one_now_and_then);
    tcase_add_test(t, without_a_budget_there_is_no_repeat);
    tcase_add_test(t, the_limit_holds_over_all_threads);
    tcase_add_test(t, threads_agree_on_one_probe_and_one_halving);
}

int main(void)
{
    TCase *t = governor();
    add_rest(t);
    return unit_run(t, "outbound");
}
