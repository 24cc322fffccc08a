/* SPDX-License-Identifier: Apache-2.0
 * The hosts and their threads. A thread looks its host up, learns, publishes, sleeps. Threads are
 * detached and hold the table by count: a lookup that hangs for half a minute delays neither a loop
 * nor the end of the process. */
#include "net/resolver.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "config/url.h"
#include "net/address_policy.h"
#include "net/resolver_internal.h"
#include "observe/metrics.h"

/* getaddrinfo() keeps answers of 64 KiB on its stack, and modules of nsswitch.conf have their own.
 */
enum { THREAD_STACK_BYTES = 512 * 1024, HEALTH_PUBLISH_MS = 100 };

/* ---- one lookup */

/* Takes out what may not be used; *ret_refused: how many that were. said: log each. */
static void judge(const struct host *h, struct lookup *l, bool said, size_t *ret_refused)
{
    size_t kept = 0;
    const char *last = NULL;

    *ret_refused = 0;
    for (size_t i = 0; i < l->count; i++) {
        const char *what = address_refusal(&l->addresses[i], h->public_only);
        if (!what) {
            l->addresses[kept++] = l->addresses[i];
            continue;
        }
        ++*ret_refused;
        last = what;
        if (!said)
            resolver_log_refused(h->name, &l->addresses[i], what);
    }
    if (kept == 0 && last) {
        char text[IP_TEXT_BYTES];
        ip_format(&l->addresses[l->count - 1], text);
        l->result = LOOKUP_REFUSED;
        (void)snprintf(l->problem, sizeof(l->problem), "its address %s is refused: %s", text, last);
    }
    l->count = kept;
}

static void learn(struct host *h, struct lookup *l)
{
    struct resolver *r = h->resolver;
    const int64_t now_ms = clock_mono_ms();
    size_t refused = 0;

    judge(h, l, h->refused > 0, &refused);
    if (l->dropped > 0 && h->dropped == 0)
        resolver_log_dropped(h, l->dropped);
    const struct name_news news = name_record_learn(&h->record, l, &r->options.limits, now_ms);
    h->refused = refused;
    h->dropped = l->dropped;
    resolver_log_lookup(h, l, &news);
    resolver_count_addresses(r, now_ms);
    if (news.publish)
        resolver_publish(r);
}

/* ---- a host's thread */

static bool is_over(const struct host *h)
{
    return h->resolver->stopping || !h->wanted;
}

static void sleep_until(struct resolver *r, int64_t at_ms)
{
    const struct timespec at = {.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000};

    (void)pthread_cond_timedwait(&r->wake, &r->lock, &at);
}

/* When the first of the addresses that are down comes up again, at most until_ms. */
static int64_t next_up_ms(const struct name_record *record, int64_t now_ms, int64_t until_ms)
{
    for (size_t i = 0; i < record->address_count; i++) {
        const struct name_address *a = &record->addresses[i];
        if (address_is_down(a, now_ms) && a->down_until_ms < until_ms)
            until_ms = a->down_until_ms;
    }
    return until_ms;
}

/* An address that comes and goes is news ten times a second at most: each makes all clients hand
 * their addresses to libcurl. */
static void publish_health(struct resolver *r, int64_t now_ms)
{
    if (!r->health_due && now_ms < r->health_next_ms)
        (void)pthread_cond_broadcast(&r->wake);
    r->health_due = true;
    if (now_ms < r->health_next_ms)
        return;
    r->health_next_ms = now_ms + HEALTH_PUBLISH_MS;
    resolver_publish(r);
}

static int64_t next_due_ms(const struct host *h, int64_t now_ms, int64_t until_ms)
{
    const struct resolver *r = h->resolver;
    const int64_t up_ms = next_up_ms(&h->record, now_ms, until_ms);

    return r->health_due && r->health_next_ms < up_ms ? r->health_next_ms : up_ms;
}

static void rest(struct host *h)
{
    struct resolver *r = h->resolver;
    int64_t now_ms = clock_mono_ms();
    /* For a spread of seconds the clock's microseconds are random enough. */
    const int64_t next_ms =
        name_record_next_ms(&h->record, &r->options.limits, now_ms, (uint64_t)clock_mono_us());

    while (!is_over(h) && now_ms < next_ms) {
        sleep_until(r, next_due_ms(h, now_ms, next_ms));
        now_ms = clock_mono_ms();
        if (r->stopping)
            break;
        resolver_count_addresses(r, now_ms);
        if (r->health_due)
            publish_health(r, now_ms);
    }
}

static void forget_host(struct host *h)
{
    struct host **at = &h->resolver->hosts;

    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    free(h);
}

static void free_resolver(struct resolver *r)
{
    while (r->hosts)
        forget_host(r->hosts);
    (void)pthread_cond_destroy(&r->ended);
    (void)pthread_cond_destroy(&r->wake);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

/* Under the lock, which it gives back. */
static void unref(struct resolver *r)
{
    const bool last = --r->refs == 0;

    (void)pthread_mutex_unlock(&r->lock);
    if (last)
        free_resolver(r);
}

static void *host_main(void *arg)
{
    struct host *h = arg;
    struct resolver *r = h->resolver;

    (void)!metrics_thread_join();
    (void)pthread_mutex_lock(&r->lock);
    while (!is_over(h)) {
        struct lookup found = {0};
        r->in_lookup++;
        (void)pthread_mutex_unlock(&r->lock);
        r->options.resolve(r->options.resolve_arg, h->name, &found);
        (void)pthread_mutex_lock(&r->lock);
        r->in_lookup--;
        /* After the end not even log and metrics may be touched. */
        if (is_over(h))
            break;
        learn(h, &found);
        rest(h);
    }
    if (!r->stopping) {
        forget_host(h);
        resolver_count_addresses(r, clock_mono_ms());
    }
    r->threads--;
    (void)pthread_cond_broadcast(&r->ended);
    unref(r);
    return NULL;
}

/* Signals belong to the main thread. */
static bool start_thread(struct host *h)
{
    struct resolver *r = h->resolver;
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(&thread, &attributes, host_main, h) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    if (started) {
        r->threads++;
        r->refs++;
    }
    return started;
}

/* ---- the configured URLs */

static struct host *find_host(const struct resolver *r, struct str name)
{
    for (struct host *h = r->hosts; h; h = h->next) {
        if (h->wanted && str_eq_nocase(str_of(h->name), name))
            return h;
    }
    return NULL;
}

static void set_text(char *out, size_t bytes, struct str text)
{
    (void)snprintf(out, bytes, "%.*s", (int)text.len, text.ptr);
}

static struct host *add_host(struct resolver *r, struct str name)
{
    struct host *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    h->resolver = r;
    h->wanted = true;
    set_text(h->name, sizeof(h->name), name);
    if (!start_thread(h)) {
        free(h);
        return NULL;
    }
    h->next = r->hosts;
    r->hosts = h;
    return h;
}

static enum err fill_origin(struct origin *o, const struct resolver_url *from,
                            struct err_text *reterr)
{
    struct url url;
    const char *problem = NULL;

    if (!url_split(str_of(from->url), &url, &problem))
        return err_set(reterr, ERR_INVALID_REQUEST, "%s: %s", from->url, problem);
    const char *end = url.host.ptr + url.host.len;
    const size_t len = (size_t)(end - from->url) + strcspn(end, "/?#");
    if (len >= sizeof(o->text) || url.host.len >= sizeof(o->host_text))
        return err_set(reterr, ERR_INVALID_REQUEST, "%s: its host is too long", from->url);
    set_text(o->text, sizeof(o->text), (struct str){from->url, len});
    set_text(o->host_text, sizeof(o->host_text), url.host);
    o->port = url.port;
    return ERR_OK;
}

static enum err give_host(struct resolver *r, struct origin *o, const struct resolver_url *from,
                          struct err_text *reterr)
{
    struct ip literal;

    if (ip_parse(str_of(o->host_text), &literal))
        return ERR_OK;
    o->host = find_host(r, str_of(o->host_text));
    if (!o->host) {
        o->host = add_host(r, str_of(o->host_text));
        if (!o->host)
            return err_set(reterr, ERR_NO_MEMORY, "no thread to resolve %s", o->host_text);
        o->host->class = from->class;
        o->host->public_only = from->public_only;
    }
    return ERR_OK;
}

static bool has_origin(const struct origin *rows, size_t count, const struct origin *o)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].text, o->text) == 0)
            return true;
    }
    return false;
}

/* Under the lock. rows has room for all. */
static enum err fill_origins(struct resolver *r, struct origin *rows, size_t *ret_count,
                             const struct resolver_url *urls, size_t count, struct err_text *reterr)
{
    *ret_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct origin o = {0};
        enum err e = fill_origin(&o, &urls[i], reterr);
        if (e == ERR_OK && has_origin(rows, *ret_count, &o))
            continue;
        if (e == ERR_OK)
            e = give_host(r, &o, &urls[i], reterr);
        if (e != ERR_OK)
            return e;
        rows[(*ret_count)++] = o;
    }
    return ERR_OK;
}

/* Hosts that no origin has any more end with their threads. */
static void drop_unwanted(struct resolver *r)
{
    for (struct host *h = r->hosts; h; h = h->next) {
        bool wanted = false;
        for (size_t i = 0; i < r->origin_count; i++)
            wanted = wanted || r->origins[i].host == h;
        h->wanted = wanted;
    }
    (void)pthread_cond_broadcast(&r->wake);
}

enum err resolver_set_urls(struct resolver *r, const struct resolver_url *urls, size_t count,
                           struct err_text *reterr)
{
    struct origin *rows = calloc(count + 1, sizeof(*rows));
    size_t row_count = 0;

    if (!rows)
        return err_set(reterr, ERR_NO_MEMORY, "out of memory");
    (void)pthread_mutex_lock(&r->lock);
    const enum err e = fill_origins(r, rows, &row_count, urls, count, reterr);
    if (e == ERR_OK) {
        struct origin *old = r->origins;
        r->origins = rows;
        r->origin_count = row_count;
        rows = old;
        resolver_publish(r);
    }
    drop_unwanted(r);
    (void)pthread_mutex_unlock(&r->lock);
    free(rows);
    return e;
}

/* ---- passive health */

/* True: gone down or come up. */
static bool apply(struct name_address *a, enum address_event event, int64_t now_ms)
{
    switch (event) {
    case ADDRESS_CONNECT_FAILED:
        return address_connect_failed(a, now_ms);
    case ADDRESS_ANSWER_FAILED:
        return address_answer_failed(a, now_ms);
    case ADDRESS_ANSWERED:
    case ADDRESS_ANSWERED_NEWLY:
        return address_answered(a, event == ADDRESS_ANSWERED_NEWLY);
    }
    return false;
}

void resolver_report(struct resolver *r, const struct ip *ip, enum address_event event,
                     int64_t now_ms)
{
    bool publish = false;

    (void)pthread_mutex_lock(&r->lock);
    for (struct host *h = r->hosts; h && !r->stopping; h = h->next) {
        struct name_address *a = name_record_find(&h->record, ip);
        if (!a)
            continue;
        const bool was_suspect = address_is_suspect(a);
        const bool turned = apply(a, event, now_ms);
        if (turned)
            resolver_log_address(h, a, address_is_down(a, now_ms), now_ms);
        publish = publish || turned || was_suspect != address_is_suspect(a);
    }
    if (publish)
        resolver_count_addresses(r, now_ms);
    /* All hosts' threads may be inside lookups, so what is due does not rely on them alone. */
    if (!r->stopping && (publish || r->health_due))
        publish_health(r, now_ms);
    (void)pthread_mutex_unlock(&r->lock);
}

/* ---- life */

static void init_locks(struct resolver *r)
{
    pthread_condattr_t attributes;

    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->ended, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&r->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

struct resolver *resolver_create(const struct resolver_options *options)
{
    struct resolver *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->options = *options;
    if (!r->options.resolve)
        r->options.resolve = resolver_ask_system;
    r->refs = 1;
    r->names = names_make(r);
    if (!r->names) {
        free(r);
        return NULL;
    }
    init_locks(r);
    return r;
}

void resolver_destroy(struct resolver *r)
{
    if (!r)
        return;
    (void)pthread_mutex_lock(&r->lock);
    r->stopping = true;
    (void)pthread_cond_broadcast(&r->wake);
    while (r->threads > r->in_lookup)
        (void)pthread_cond_wait(&r->ended, &r->lock);
    while (r->watches) {
        struct resolver_watch *next = r->watches->next;
        free(r->watches);
        r->watches = next;
    }
    names_unref(r->names);
    r->names = NULL;
    free(r->origins);
    r->origins = NULL;
    unref(r);
}
