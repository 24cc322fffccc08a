/* SPDX-License-Identifier: Apache-2.0
 * net/name_record: good and failed lookups in a row with the time as an argument, and how addresses
 * go down and come up. */
#include "net/name_record.h"

#include "base/buf.h"
#include "unit.h"

static const struct name_limits LIMITS = {.refresh_ms = 30000, .stale_max_ms = 300000};
enum { NOW_MS = 1000000 };

static struct ip ip_of(const char *text)
{
    struct ip ip;

    ck_assert(ip_parse(str_of(text), &ip));
    return ip;
}

/* texts end with NULL */
static struct lookup found(const char *const *texts)
{
    struct lookup l = {0};

    for (; *texts; texts++) {
        const struct ip ip = ip_of(*texts);
        lookup_add(&l, &ip);
    }
    return l;
}
#define FOUND(...) found((const char *const[]){__VA_ARGS__, NULL})

static const struct lookup FAILED = {.result = LOOKUP_TEMPORARY, .problem = "no server answers"};

static struct name_news learn(struct name_record *r, struct lookup l, int64_t now_ms)
{
    return name_record_learn(r, &l, &LIMITS, now_ms);
}

static void check_order(const struct name_record *r, int64_t now_ms, const char *expected)
{
    uint8_t order[NAME_ADDRESSES_MAX];
    AUTO_BUF struct buf got;

    buf_init(&got, 1024);

    name_addresses_order(r->addresses, r->address_count, now_ms, order);
    for (size_t i = 0; i < r->address_count; i++) {
        char text[IP_TEXT_BYTES];
        ip_format(&r->addresses[order[i]].ip, text);
        buf_printf(&got, "%s ", text);
    }
    ck_assert_str_is(buf_str(&got), expected);
}

/* ---- lookups */

START_TEST(addresses_beyond_the_limit_are_dropped_and_counted)
{
    struct lookup l = {0};

    for (unsigned i = 0; i < 50; i++) {
        const struct ip ip = {.bytes = {[10] = 0xff, [11] = 0xff, 203, 0, 113, (uint8_t)i},
                              .known = true};
        lookup_add(&l, &ip);
        lookup_add(&l, &ip); /* repetitions count once, or are dropped twice */
    }
    ck_assert_uint_eq(l.count, NAME_ADDRESSES_MAX);
    ck_assert_uint_eq(l.dropped, 2 * (50 - NAME_ADDRESSES_MAX));
    ck_assert_uint_eq(l.addresses[NAME_ADDRESSES_MAX - 1].bytes[15], NAME_ADDRESSES_MAX - 1);
}
END_TEST

START_TEST(a_record_begins_pending_and_becomes_usable)
{
    struct name_record r = {0};

    ck_assert_int_eq(r.state, NAME_PENDING);
    ck_assert(!name_record_usable(&r, NOW_MS));
    const struct name_news news = learn(&r, FOUND("203.0.113.1", "203.0.113.2"), NOW_MS);
    ck_assert(news.publish && news.set_changed && !news.began_failing && !news.ended_failing);
    ck_assert(name_record_usable(&r, NOW_MS));
    ck_assert(name_record_usable(&r, NOW_MS + LIMITS.stale_max_ms - 1));
    ck_assert(!name_record_usable(&r, NOW_MS + LIMITS.stale_max_ms));
}
END_TEST

START_TEST(a_first_failure_fails_the_record_at_once)
{
    struct name_record r = {0};

    const struct name_news news = learn(&r, FAILED, NOW_MS);
    ck_assert(news.publish && news.began_failing && !news.expired);
    ck_assert_int_eq(r.state, NAME_FAILED);
    ck_assert_str_eq(r.reason, "no server answers");
}
END_TEST

START_TEST(the_last_good_addresses_outlive_failures_for_the_stale_time_only)
{
    struct name_record r = {0};
    struct name_news news;

    learn(&r, FOUND("203.0.113.1"), NOW_MS);
    news = learn(&r, FAILED, NOW_MS + 30000);
    ck_assert(news.began_failing && !news.publish && !news.expired);
    news = learn(&r, FAILED, NOW_MS + LIMITS.stale_max_ms - 1);
    ck_assert(!news.began_failing && !news.publish && !news.expired);
    ck_assert_int_eq(r.state, NAME_USABLE);
    ck_assert_uint_eq(r.address_count, 1);
    news = learn(&r, FAILED, NOW_MS + LIMITS.stale_max_ms);
    ck_assert(news.expired && news.publish);
    ck_assert_int_eq(r.state, NAME_FAILED);
    ck_assert_uint_eq(r.address_count, 0);
    news = learn(&r, FOUND("203.0.113.1"), NOW_MS + 400000);
    ck_assert(news.publish && news.ended_failing && news.set_changed);
    ck_assert_str_eq(r.reason, "");
}
END_TEST

START_TEST(a_new_order_is_published_but_is_no_change)
{
    struct name_record r = {0};

    learn(&r, FOUND("203.0.113.1", "203.0.113.2"), NOW_MS);
    struct name_news news = learn(&r, FOUND("203.0.113.2", "203.0.113.1"), NOW_MS + 1);
    ck_assert(news.publish && !news.set_changed);
    check_order(&r, NOW_MS, "203.0.113.2 203.0.113.1 ");
    news = learn(&r, FOUND("203.0.113.2", "203.0.113.3"), NOW_MS + 2);
    ck_assert(news.set_changed);
    news = learn(&r, FOUND("203.0.113.2"), NOW_MS + 3);
    ck_assert(news.set_changed);
}
END_TEST

START_TEST(the_next_lookup_is_spread_and_failures_back_off)
{
    struct name_record r = {0};

    learn(&r, FOUND("203.0.113.1"), NOW_MS);
    ck_assert_int_eq(name_record_next_ms(&r, &LIMITS, NOW_MS, 0), NOW_MS + 30000);
    ck_assert_int_eq(name_record_next_ms(&r, &LIMITS, NOW_MS, 3000), NOW_MS + 27000);
    ck_assert_int_eq(name_record_next_ms(&r, &LIMITS, NOW_MS, 3001), NOW_MS + 30000);
    static const int64_t WAITS_MS[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    for (size_t i = 0; i < ARRAY_LEN(WAITS_MS); i++) {
        learn(&r, FAILED, NOW_MS);
        ck_assert_int_eq(name_record_next_ms(&r, &LIMITS, NOW_MS, 0), NOW_MS + WAITS_MS[i]);
        ck_assert_int_eq(name_record_next_ms(&r, &LIMITS, NOW_MS, (uint64_t)WAITS_MS[i] / 2),
                         NOW_MS + WAITS_MS[i] / 2);
    }
    for (int i = 0; i < 100; i++)
        learn(&r, FAILED, NOW_MS);
    ck_assert_int_eq(name_record_next_ms(&r, &LIMITS, NOW_MS, 0), NOW_MS + 30000);
}
END_TEST

/* ---- passive health */

START_TEST(an_address_that_is_down_comes_last_until_its_time_is_over)
{
    struct name_record r = {0};

    learn(&r, FOUND("203.0.113.1", "203.0.113.2", "203.0.113.3"), NOW_MS);
    const struct ip first = ip_of("203.0.113.1");
    ck_assert(address_connect_failed(name_record_find(&r, &first), NOW_MS));
    check_order(&r, NOW_MS, "203.0.113.2 203.0.113.3 203.0.113.1 ");
    check_order(&r, NOW_MS + ADDRESS_DOWN_FIRST_MS - 1, "203.0.113.2 203.0.113.3 203.0.113.1 ");
    check_order(&r, NOW_MS + ADDRESS_DOWN_FIRST_MS, "203.0.113.1 203.0.113.2 203.0.113.3 ");
}
END_TEST

START_TEST(when_all_are_down_all_are_tried_the_soonest_first)
{
    struct name_record r = {0};

    learn(&r, FOUND("203.0.113.1", "203.0.113.2", "203.0.113.3"), NOW_MS);
    ck_assert(address_connect_failed(&r.addresses[1], NOW_MS));
    ck_assert(address_connect_failed(&r.addresses[0], NOW_MS + 20));
    ck_assert(address_connect_failed(&r.addresses[2], NOW_MS + 10));
    check_order(&r, NOW_MS + 30, "203.0.113.2 203.0.113.3 203.0.113.1 ");
}
END_TEST

START_TEST(the_time_down_doubles_up_to_a_limit_and_reports_of_one_outage_count_once)
{
    struct name_address a = {0};
    int64_t now_ms = NOW_MS;

    for (int64_t down_ms = ADDRESS_DOWN_FIRST_MS; down_ms < ADDRESS_DOWN_MAX_MS; down_ms *= 2) {
        ck_assert(address_connect_failed(&a, now_ms));
        ck_assert(!address_connect_failed(&a, now_ms + down_ms - 1));
        ck_assert_int_eq(a.down_until_ms, now_ms + down_ms);
        now_ms = a.down_until_ms;
    }
    for (int i = 0; i < 100; i++) {
        ck_assert(address_connect_failed(&a, now_ms));
        ck_assert_int_eq(a.down_until_ms, now_ms + ADDRESS_DOWN_MAX_MS);
        now_ms = a.down_until_ms;
    }
}
END_TEST

START_TEST(only_failures_in_a_row_on_open_connections_count)
{
    struct name_address a = {0};

    for (int i = 1; i < ADDRESS_FAILURES_MAX; i++)
        ck_assert(!address_answer_failed(&a, NOW_MS));
    ck_assert(address_is_suspect(&a));
    ck_assert(!address_answered(&a, false));
    ck_assert(!address_is_suspect(&a));
    for (int i = 1; i < ADDRESS_FAILURES_MAX; i++)
        ck_assert(!address_answer_failed(&a, NOW_MS));
    ck_assert(address_answer_failed(&a, NOW_MS));
    ck_assert(address_is_down(&a, NOW_MS));
}
END_TEST

START_TEST(an_old_connection_does_not_bring_an_address_up_and_a_new_one_does)
{
    struct name_address a = {0};

    ck_assert(address_connect_failed(&a, NOW_MS));
    ck_assert(!address_answered(&a, false));
    ck_assert(address_is_down(&a, NOW_MS));
    ck_assert(address_answered(&a, true));
    ck_assert(!address_is_down(&a, NOW_MS) && !address_is_suspect(&a));
    ck_assert(!address_answered(&a, true));
}
END_TEST

START_TEST(health_survives_a_lookup)
{
    struct name_record r = {0};

    learn(&r, FOUND("203.0.113.1", "203.0.113.2"), NOW_MS);
    ck_assert(address_connect_failed(&r.addresses[0], NOW_MS));
    learn(&r, FOUND("203.0.113.1", "203.0.113.4"), NOW_MS + 1);
    check_order(&r, NOW_MS + 2, "203.0.113.4 203.0.113.1 ");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("name_record");
    tcase_add_test(tests, addresses_beyond_the_limit_are_dropped_and_counted);
    tcase_add_test(tests, a_record_begins_pending_and_becomes_usable);
    tcase_add_test(tests, a_first_failure_fails_the_record_at_once);
    tcase_add_test(tests, the_last_good_addresses_outlive_failures_for_the_stale_time_only);
    tcase_add_test(tests, a_new_order_is_published_but_is_no_change);
    tcase_add_test(tests, the_next_lookup_is_spread_and_failures_back_off);
    tcase_add_test(tests, an_address_that_is_down_comes_last_until_its_time_is_over);
    tcase_add_test(tests, when_all_are_down_all_are_tried_the_soonest_first);
    tcase_add_test(tests, the_time_down_doubles_up_to_a_limit_and_reports_of_one_outage_count_once);
    tcase_add_test(tests, only_failures_in_a_row_on_open_connections_count);
    tcase_add_test(tests, an_old_connection_does_not_bring_an_address_up_and_a_new_one_does);
    tcase_add_test(tests, health_survives_a_lookup);
    return unit_run(tests, "name_record");
}
