/* SPDX-License-Identifier: Apache-2.0
 * net/http_client when libcurl runs out of memory while it is handed the addresses: at each of its
 * allocations in turn. Whatever is lost, libcurl never asks for a name itself, and the client
 * recovers. libcurl's allocator and getaddrinfo() are this program's. */
#include "unit.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "net/http_client_internal.h"
#include "net/resolver.h"
#include "script_server.h"

/* As in curl/curl.h, which only the client includes. */
int curl_global_init_mem(long flags, void *(*m)(size_t), void (*f)(void *),
                         void *(*r)(void *, size_t), char *(*s)(const char *),
                         void *(*c)(size_t, size_t));

enum {
    CURL_GLOBAL_EVERYTHING = 3,
    GUARD_MS = 30000,
    ALLOCATIONS_MAX = 400,
    ENOUGH = 20,
    RECOVER_EVERY = 5
};

/* ---- libcurl's memory: one allocation fails */

static struct {
    bool armed;
    unsigned left; /* until the one that fails */
    bool failed;
} memory;

static bool is_out(void)
{
    if (!memory.armed || memory.left-- > 0)
        return false;
    memory.armed = false;
    memory.failed = true;
    return true;
}

static void *curl_malloc(size_t n)
{
    return is_out() ? NULL : malloc(n);
}

static void *curl_realloc(void *p, size_t n)
{
    return is_out() ? NULL : realloc(p, n);
}

static char *curl_strdup(const char *s)
{
    return is_out() ? NULL : strdup(s);
}

static void *curl_calloc(size_t n, size_t size)
{
    return is_out() ? NULL : calloc(n, size);
}

/* ---- the system's resolver */

static _Atomic unsigned asked;

__attribute__((visibility("default"))) int getaddrinfo(const char *restrict node,
                                                       const char *restrict service,
                                                       const struct addrinfo *restrict hints,
                                                       struct addrinfo **restrict ret)
{
    (void)node;
    (void)service;
    (void)hints;
    (void)ret;
    atomic_fetch_add(&asked, 1);
    return EAI_NONAME;
}

/* ---- the name server: knows a.test once it is open */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
} dns = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void dns_open(bool open)
{
    (void)pthread_mutex_lock(&dns.lock);
    dns.open = open;
    (void)pthread_cond_broadcast(&dns.changed);
    (void)pthread_mutex_unlock(&dns.lock);
}

static void resolve(void *arg, const char *host, struct lookup *ret)
{
    struct ip ip;
    (void)arg;
    (void)host;

    (void)pthread_mutex_lock(&dns.lock);
    while (!dns.open)
        (void)pthread_cond_wait(&dns.changed, &dns.lock);
    (void)pthread_mutex_unlock(&dns.lock);
    ck_assert(ip_parse(STR("127.0.0.1"), &ip));
    lookup_add(ret, &ip);
}

/* ---- one call while the addresses come */

static struct loop *loop;

static enum script_end good(void *arg, const struct script_request *r, struct buf *answer)
{
    (void)arg;
    (void)r;
    script_answer(answer, 200, "text/plain", "", "ok");
    return SCRIPT_KEEP;
}

static void on_guard(struct timer *t)
{
    (void)t;
    ck_abort_msg("a call did not end");
}

static void on_done(void *arg, const struct call_answer *a)
{
    enum call_result *result = arg;

    *result = a->result;
    loop_stop(loop);
}

static enum call_result call(struct http_client *client, const char *url, bool let_names_in)
{
    struct timer guard = {0};
    enum call_result result = CALL_BROKEN;
    const int64_t now_ms = loop_update_now(loop);
    const struct call_request request = {
        .method = HTTP_GET, .url = url, .deadline_ms = now_ms + GUARD_MS / 2};

    ck_assert_ptr_nonnull(http_client_start(client, &request, on_done, &result));
    timer_start(loop, &guard, now_ms + GUARD_MS, on_guard, NULL);
    if (let_names_in)
        dns_open(true);
    loop_run(loop);
    timer_stop(loop, &guard);
    return result;
}

/* True: the allocation at which to fail was reached, or a busy machine kept the call from it. */
static bool fail_at(unsigned at, struct script_server *server)
{
    const struct resolver_options how = {.limits = {.refresh_ms = 30000, .stale_max_ms = 60000},
                                         .resolve = resolve};
    struct http_client_options options = {
        .allow_http = true, .connections_max = 2, .connect_timeout_ms = 60};
    struct err_text text = {0};
    struct http_client *client = NULL;
    char url[64];

    dns_open(false);
    loop = loop_create();
    options.resolver = resolver_create(&how);
    (void)snprintf(url, sizeof(url), "http://a.test:%u/", script_server_port(server));
    const struct resolver_url configured = {url, NAME_UPSTREAM, false};
    ck_assert_int_eq(resolver_set_urls(options.resolver, &configured, 1, &text), ERR_OK);
    ck_assert_int_eq(http_client_create(loop, &options, &client, &text), ERR_OK);

    memory.failed = false;
    memory.left = at;
    memory.armed = true;
    /* It fails, or is late, or libcurl goes on without what it did not get. */
    const bool answered = call(client, url, true) == CALL_ANSWERED;
    memory.armed = false;
    /* Half a second later it has them; that takes its time, so not for each. */
    while (at % RECOVER_EVERY == 0 && call(client, url, false) != CALL_ANSWERED)
        ck_assert_uint_eq(atomic_load(&asked), 0);
    ck_assert_uint_eq(atomic_load(&asked), 0);

    http_client_destroy(client);
    loop_destroy(loop);
    resolver_destroy(options.resolver);
    return memory.failed || !answered;
}

START_TEST(libcurl_without_memory_for_the_addresses_never_asks_for_a_name_itself)
{
    struct script_server *server = script_server_start(good, NULL);
    unsigned at = 0;

    while (at < ALLOCATIONS_MAX && fail_at(at, server))
        at++;
    ck_assert_uint_gt(at, ENOUGH);
    ck_assert_uint_lt(at, ALLOCATIONS_MAX);
    script_server_stop(server);
}
END_TEST

/* Were it to ask all the same. */
START_TEST(no_connection_goes_to_an_address_that_no_name_may_have)
{
    static const char *const URLS[] = {"http://a.test/", "http://169.254.169.254/"};
    struct names none = {.count = 0};
    struct http_client guarded = {.names = &none};
    struct ip metadata, other;

    ck_assert(ip_parse(STR("169.254.169.254"), &metadata) && ip_parse(STR("10.0.0.1"), &other));
    for (size_t i = 0; i < ARRAY_LEN(URLS); i++) {
        const bool literal = i == 1; /* the operator's word */
        const struct call one = {.client = &guarded, .request.url = URLS[i]};
        ck_assert(client_may_connect(&one, &metadata) == literal);
        ck_assert(client_may_connect(&one, &other));
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("http_client_memory");

    if (curl_global_init_mem(CURL_GLOBAL_EVERYTHING, curl_malloc, free, curl_realloc, curl_strdup,
                             curl_calloc) != 0)
        return 1;
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, libcurl_without_memory_for_the_addresses_never_asks_for_a_name_itself);
    tcase_add_test(tests, no_connection_goes_to_an_address_that_no_name_may_have);
    return unit_run(tests, "http_client_memory");
}
