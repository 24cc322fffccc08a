/* SPDX-License-Identifier: Apache-2.0
 * net/resolver with a scripted name server: what snapshots say, who hears of them, that a lookup
 * which hangs delays nobody, and that addresses which DNS may not give are refused. */
#include "net/resolver.h"

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "unit.h"

enum { GUARD_MS = 20000, HOSTS_MAX = 8 };

/* ---- the name server: answers by host; "slow" ones hang until they are let go */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        const char *host;
        const char *addresses; /* parted by blanks; "": none; NULL: hangs */
        unsigned asked;
    } rows[HOSTS_MAX];
} dns = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void dns_set(size_t i, const char *host, const char *addresses)
{
    (void)pthread_mutex_lock(&dns.lock);
    dns.rows[i].host = host;
    dns.rows[i].addresses = addresses;
    (void)pthread_cond_broadcast(&dns.changed);
    (void)pthread_mutex_unlock(&dns.lock);
}

static void dns_wait_asked(size_t i, unsigned times)
{
    (void)pthread_mutex_lock(&dns.lock);
    while (dns.rows[i].asked < times)
        (void)pthread_cond_wait(&dns.changed, &dns.lock);
    (void)pthread_mutex_unlock(&dns.lock);
}

static void answer(const char *addresses, struct lookup *ret)
{
    char text[1024];
    char *rest = text;

    (void)snprintf(text, sizeof(text), "%s", addresses);
    for (char *one = strsep(&rest, " "); one; one = strsep(&rest, " ")) {
        struct ip ip;
        if (ip_parse(str_of(one), &ip))
            lookup_add(ret, &ip);
    }
    if (ret->count == 0) {
        ret->result = LOOKUP_NOT_FOUND;
        (void)snprintf(ret->problem, sizeof(ret->problem), "no such name");
    }
}

static void resolve(void *arg, const char *host, struct lookup *ret)
{
    (void)arg;
    (void)pthread_mutex_lock(&dns.lock);
    for (size_t i = 0; i < HOSTS_MAX; i++) {
        if (!dns.rows[i].host || strcmp(dns.rows[i].host, host) != 0)
            continue;
        dns.rows[i].asked++;
        (void)pthread_cond_broadcast(&dns.changed);
        while (!dns.rows[i].addresses)
            (void)pthread_cond_wait(&dns.changed, &dns.lock);
        answer(dns.rows[i].addresses, ret);
    }
    (void)pthread_mutex_unlock(&dns.lock);
}

/* ---- a resolver, and one reader on a loop */

struct bench {
    struct resolver *resolver;
    struct loop *loop;
    struct resolver_watch *watch;
    struct timer guard;
    bool (*until)(const struct names *n);
};
static struct bench bench;

static void on_guard(struct timer *t)
{
    (void)t;
    ck_abort_msg("nothing happened");
}

static void on_news(void *arg)
{
    (void)arg;
    struct names *n = resolver_names(bench.resolver);
    if (bench.until && bench.until(n))
        loop_stop(bench.loop);
    names_unref(n);
}

static void setup(int64_t refresh_ms, int64_t stale_max_ms)
{
    const struct resolver_options options = {
        .limits = {.refresh_ms = refresh_ms, .stale_max_ms = stale_max_ms}, .resolve = resolve};

    bench = (struct bench){.resolver = resolver_create(&options), .loop = loop_create()};
    ck_assert_ptr_nonnull(bench.resolver);
    ck_assert_ptr_nonnull(bench.loop);
    bench.watch = resolver_watch_start(bench.resolver, bench.loop, on_news, NULL);
    ck_assert_ptr_nonnull(bench.watch);
}

static void teardown(void)
{
    resolver_watch_stop(bench.watch);
    loop_destroy(bench.loop);
    resolver_destroy(bench.resolver);
}

static void set_urls(const struct resolver_url *urls, size_t count)
{
    struct err_text problem = {0};

    ck_assert_msg(resolver_set_urls(bench.resolver, urls, count, &problem) == ERR_OK, "%s",
                  problem.text);
}

static void run_until(bool (*until)(const struct names *n))
{
    bench.until = until;
    timer_start(bench.loop, &bench.guard, loop_update_now(bench.loop) + GUARD_MS, on_guard, NULL);
    /* It may be so already. */
    struct names *n = resolver_names(bench.resolver);
    if (!until(n))
        loop_run(bench.loop);
    names_unref(n);
    timer_stop(bench.loop, &bench.guard);
}

static const struct name *row(const struct names *n, const char *url)
{
    const struct name *found = names_find(n, url);

    ck_assert_msg(found != NULL, "%s", url);
    return found;
}

static bool is_at(const struct name *name, const char *address)
{
    struct ip ip;

    ck_assert(ip_parse(str_of(address), &ip));
    return name->record.state == NAME_USABLE && name->record.address_count == 1 &&
           memcmp(name->record.addresses[0].ip.bytes, ip.bytes, sizeof(ip.bytes)) == 0;
}

/* ---- tests */

#define API "https://api.example"
#define KEYS "https://keys.example:8443"

static bool api_is_at_1(const struct names *n)
{
    return is_at(row(n, API), "203.0.113.1");
}

static bool api_is_at_2(const struct names *n)
{
    return is_at(row(n, API), "203.0.113.2");
}

static bool api_failed(const struct names *n)
{
    return row(n, API)->record.state == NAME_FAILED;
}

static bool api_is_decided(const struct names *n)
{
    return row(n, API)->record.state != NAME_PENDING;
}

START_TEST(urls_are_found_by_their_origin)
{
    static const struct resolver_url URLS[] = {
        {API "/token", NAME_TOKEN, false},
        {API, NAME_UPSTREAM, false},
        {KEYS "/jwks", NAME_KEYS, false},
        {"http://127.0.0.1:9/x", NAME_KEYS, false},
        {"https://[2001:db8::1]:10", NAME_KEYS, false},
    };
    dns_set(0, "api.example", "203.0.113.1");
    dns_set(1, "keys.example", "203.0.113.9");
    setup(30000, 300000);
    set_urls(URLS, ARRAY_LEN(URLS));
    run_until(api_is_at_1);
    struct names *n = resolver_names(bench.resolver);
    ck_assert_uint_eq(n->count, 4);
    ck_assert_int_eq(row(n, API "/any?q#f")->port, 443);
    ck_assert_int_eq(row(n, API "?q")->port, 443);
    ck_assert_int_eq(row(n, KEYS)->port, 8443);
    ck_assert_str_eq(row(n, KEYS)->host, "keys.example");
    ck_assert(row(n, "http://127.0.0.1:9/x")->literal);
    ck_assert(row(n, "https://[2001:db8::1]:10/")->literal);
    ck_assert_ptr_null(names_find(n, API ".evil/"));
    ck_assert_ptr_null(names_find(n, API ":444/"));
    ck_assert_ptr_null(names_find(n, "http://api.example/"));
    names_unref(n);
    /* Two origins of one host are one host. */
    ck_assert_uint_eq(dns.rows[0].asked, 1);
    teardown();
}
END_TEST

START_TEST(addresses_are_looked_up_again_and_changes_are_published)
{
    static const struct resolver_url URLS[] = {{API, NAME_UPSTREAM, false}};

    dns_set(0, "api.example", "203.0.113.1");
    setup(10, 60000);
    set_urls(URLS, 1);
    run_until(api_is_at_1);
    dns_set(0, "api.example", "203.0.113.2");
    run_until(api_is_at_2);
    teardown();
}
END_TEST

START_TEST(a_name_that_is_gone_is_used_for_the_stale_time)
{
    static const struct resolver_url URLS[] = {{API, NAME_UPSTREAM, false}};
    enum { STALE_MAX_MS = 150 };

    dns_set(0, "api.example", "203.0.113.1");
    setup(10, STALE_MAX_MS);
    set_urls(URLS, 1);
    run_until(api_is_at_1);
    dns_set(0, "api.example", "");
    const int64_t gone_ms = clock_mono_ms();
    dns_wait_asked(0, dns.rows[0].asked + 2);
    run_until(api_failed);
    /* The last good lookup may have begun one refresh before the name went. */
    ck_assert_int_ge(clock_mono_ms() - gone_ms, STALE_MAX_MS - 50);
    struct names *n = resolver_names(bench.resolver);
    ck_assert_str_eq(row(n, API)->record.reason, "no such name");
    names_unref(n);
    teardown();
}
END_TEST

START_TEST(a_lookup_that_hangs_delays_neither_other_hosts_nor_the_end)
{
    static const struct resolver_url URLS[] = {{KEYS, NAME_KEYS, false},
                                               {API, NAME_UPSTREAM, false}};

    dns_set(0, "api.example", "203.0.113.1");
    dns_set(1, "keys.example", NULL);
    setup(30000, 300000);
    set_urls(URLS, 2);
    dns_wait_asked(1, 1);
    run_until(api_is_at_1);
    struct names *n = resolver_names(bench.resolver);
    ck_assert_int_eq(row(n, KEYS)->record.state, NAME_PENDING);
    names_unref(n);
    teardown();
    /* It comes back after the end. */
    dns_set(1, "keys.example", "203.0.113.9");
}
END_TEST

START_TEST(a_host_that_is_not_wanted_any_more_ends)
{
    static const struct resolver_url BOTH[] = {{API, NAME_UPSTREAM, false},
                                               {KEYS, NAME_KEYS, false}};

    dns_set(0, "api.example", "203.0.113.1");
    dns_set(1, "keys.example", "203.0.113.9");
    setup(10, 60000);
    set_urls(BOTH, 2);
    run_until(api_is_at_1);
    set_urls(BOTH, 1);
    struct names *n = resolver_names(bench.resolver);
    ck_assert_uint_eq(n->count, 1);
    /* The one that stays goes on undisturbed. */
    ck_assert_int_eq(row(n, API)->record.state, NAME_USABLE);
    names_unref(n);
    const unsigned asked = dns.rows[0].asked;
    dns_wait_asked(0, asked + 3);
    set_urls(BOTH, 2);
    run_until(api_is_at_1);
    teardown();
}
END_TEST

START_TEST(an_address_that_may_not_be_called_is_refused)
{
    static const struct {
        const char *addresses;
        bool public_only;
        const char *reason; /* NULL: usable */
    } ROWS[] = {
        {"169.254.169.254", false, "its address 169.254.169.254 is refused: link-local"},
        {"127.0.0.1", true, "its address 127.0.0.1 is refused: loopback"},
        {"10.0.0.1 169.254.1.1", true, "its address 169.254.1.1 is refused: link-local"},
        {"127.0.0.1", false, NULL},
        {"10.0.0.1 203.0.113.1", true, NULL},
        {"203.0.113.1", true, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        const struct resolver_url url = {API, NAME_UPSTREAM, ROWS[i].public_only};
        dns_set(0, "api.example", ROWS[i].addresses);
        setup(30000, 300000);
        set_urls(&url, 1);
        run_until(api_is_decided);
        struct names *n = resolver_names(bench.resolver);
        ck_assert_str_eq(row(n, API)->record.reason, ROWS[i].reason ? ROWS[i].reason : "");
        ck_assert_uint_eq(row(n, API)->record.address_count, ROWS[i].reason ? 0 : 1);
        names_unref(n);
        teardown();
    }
}
END_TEST

static bool api_is_down(const struct names *n)
{
    return n->suspects && row(n, API)->record.addresses[0].downs > 0;
}

static bool api_is_up(const struct names *n)
{
    return !n->suspects && row(n, API)->record.addresses[0].downs == 0;
}

START_TEST(reports_of_health_reach_every_reader)
{
    static const struct resolver_url URLS[] = {{API, NAME_UPSTREAM, false}};
    struct ip ip, other;

    ck_assert(ip_parse(STR("203.0.113.1"), &ip) && ip_parse(STR("203.0.113.77"), &other));
    dns_set(0, "api.example", "203.0.113.1");
    setup(30000, 300000);
    set_urls(URLS, 1);
    run_until(api_is_at_1);
    resolver_report(bench.resolver, &other, ADDRESS_CONNECT_FAILED, clock_mono_ms());
    run_until(api_is_up);
    resolver_report(bench.resolver, &ip, ADDRESS_CONNECT_FAILED, clock_mono_ms());
    run_until(api_is_down);
    resolver_report(bench.resolver, &ip, ADDRESS_ANSWERED, clock_mono_ms());
    run_until(api_is_down);
    resolver_report(bench.resolver, &ip, ADDRESS_ANSWERED_NEWLY, clock_mono_ms());
    run_until(api_is_up);
    teardown();
}
END_TEST

START_TEST(only_answers_of_the_address_that_failed_are_worth_reporting)
{
    static const struct resolver_url URLS[] = {{API, NAME_UPSTREAM, false}};
    struct ip ip, other;

    ck_assert(ip_parse(STR("203.0.113.1"), &ip) && ip_parse(STR("203.0.113.2"), &other));
    dns_set(0, "api.example", "203.0.113.1 203.0.113.2");
    setup(30000, 300000);
    set_urls(URLS, 1);
    run_until(api_is_decided);
    struct names *n = resolver_names(bench.resolver);
    ck_assert(!names_suspect(n, &ip) && !names_suspect(n, &other));
    names_unref(n);
    resolver_report(bench.resolver, &ip, ADDRESS_CONNECT_FAILED, clock_mono_ms());
    run_until(api_is_down);
    n = resolver_names(bench.resolver);
    ck_assert(names_suspect(n, &ip));
    ck_assert(!names_suspect(n, &other));
    names_unref(n);
    teardown();
}
END_TEST

/* The last word reaches the readers all the same, without anybody asking for it. */
START_TEST(an_address_that_comes_and_goes_is_seldom_news)
{
    enum { FLAPS = 400, MS = 50 };
    static const struct resolver_url URLS[] = {{API, NAME_UPSTREAM, false}};
    struct ip ip;

    ck_assert(ip_parse(STR("203.0.113.1"), &ip));
    dns_set(0, "api.example", "203.0.113.1");
    setup(30000, 300000);
    set_urls(URLS, 1);
    run_until(api_is_at_1);
    struct names *first = resolver_names(bench.resolver);
    const struct names *last = first;
    unsigned news = 0;
    const int64_t now_ms = clock_mono_ms();
    for (int i = 0; i <= FLAPS; i++) {
        resolver_report(bench.resolver, &ip,
                        i % 2 ? ADDRESS_ANSWERED_NEWLY : ADDRESS_CONNECT_FAILED,
                        now_ms + i * MS / FLAPS);
        struct names *n = resolver_names(bench.resolver);
        news += n != last;
        last = n;
        names_unref(n);
    }
    /* The host's thread goes by the real time, which may have gone further. */
    const int64_t took_ms = clock_mono_ms() - now_ms;
    ck_assert_uint_ge(news, 1);
    ck_assert_int_le(news, 2 + took_ms / 100);
    run_until(api_is_down);
    names_unref(first);
    teardown();
}
END_TEST

/* ---- readers on other threads, while addresses change and are reported */

enum { REPORTS = 2000 };

static void *report_all_the_time(void *arg)
{
    struct ip ip;
    (void)arg;

    ck_assert(ip_parse(STR("203.0.113.1"), &ip));
    for (int i = 0; i < REPORTS; i++) {
        resolver_report(bench.resolver, &ip, i % 2 ? ADDRESS_ANSWERED_NEWLY : ADDRESS_ANSWER_FAILED,
                        clock_mono_ms());
        struct names *n = resolver_names(bench.resolver);
        ck_assert_uint_eq(n->count, 1);
        names_unref(n);
    }
    return NULL;
}

START_TEST(threads_may_report_and_read_at_any_time)
{
    static const struct resolver_url URLS[] = {{API, NAME_UPSTREAM, false}};
    pthread_t threads[2];

    dns_set(0, "api.example", "203.0.113.1");
    setup(1, 60000);
    set_urls(URLS, 1);
    run_until(api_is_at_1);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, report_all_the_time, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        (void)pthread_join(threads[i], NULL);
    dns_set(0, "api.example", "203.0.113.2");
    run_until(api_is_at_2);
    teardown();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("resolver");
    tcase_add_test(tests, urls_are_found_by_their_origin);
    tcase_add_test(tests, addresses_are_looked_up_again_and_changes_are_published);
    tcase_add_test(tests, a_name_that_is_gone_is_used_for_the_stale_time);
    tcase_add_test(tests, a_lookup_that_hangs_delays_neither_other_hosts_nor_the_end);
    tcase_add_test(tests, a_host_that_is_not_wanted_any_more_ends);
    tcase_add_test(tests, an_address_that_may_not_be_called_is_refused);
    tcase_add_test(tests, reports_of_health_reach_every_reader);
    tcase_add_test(tests, only_answers_of_the_address_that_failed_are_worth_reporting);
    tcase_add_test(tests, an_address_that_comes_and_goes_is_seldom_news);
    tcase_add_test(tests, threads_may_report_and_read_at_any_time);
    return unit_run(tests, "resolver");
}
