/* SPDX-License-Identifier: Apache-2.0
 * Names and libcurl: it is handed the addresses of the table (CURLOPT_RESOLVE) whenever they
 * change and so never resolves a name itself; calls to a host that is not known yet wait for it;
 * and how connections and answers turned out is told to the table. */
#include <curl/curl.h>
#include <stdio.h>

#include "config/url.h"
#include "net/address_policy.h"
#include "net/http_client_internal.h"

enum {
    ENTRY_BYTES_MAX = NAME_HOST_BYTES + 8 + NAME_ADDRESSES_MAX * (IP_TEXT_BYTES + 3),
    LOAD_RETRY_MS = 500, /* without memory for the list */
    /* An attempt that was given up after this part of the connect timeout counts as failed: a
     * handshake whose first packets were lost, not one that another attempt overtook. */
    STUCK_PART = 4,
    STUCK_MAX_MS = 1000,
};

/* ---- addresses into libcurl's cache, which all transfers of a multi handle share */

static bool add_entry(struct curl_slist **list, const struct name *name, int64_t now_ms)
{
    uint8_t order[NAME_ADDRESSES_MAX];
    AUTO_BUF struct buf entry;

    buf_init(&entry, ENTRY_BYTES_MAX);
    buf_printf(&entry, "%s:%d:", name->host, name->port);
    name_addresses_order(name->record.addresses, name->record.address_count, now_ms, order);
    for (size_t i = 0; i < name->record.address_count; i++) {
        char text[IP_TEXT_BYTES];
        ip_format(&name->record.addresses[order[i]].ip, text);
        buf_printf(&entry, "%s%s", i > 0 ? "," : "", text);
    }
    struct curl_slist *longer = buf_ok(&entry) ? curl_slist_append(*list, entry.ptr) : NULL;
    if (longer)
        *list = longer;
    return longer != NULL;
}

/* A name that failed keeps its entry: no call comes through to it, and without an entry libcurl
 * would ask for itself. */
static bool make_list(const struct names *names, int64_t now_ms, struct curl_slist **ret)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct name *name = &names->rows[i];
        if (!name->literal && name_record_usable(&name->record, now_ms) &&
            !add_entry(ret, name, now_ms))
            return false;
    }
    return true;
}

/* libcurl reads the list when a transfer begins, so one begins that ends at once: its scheme is not
 * among those that it may use. It looks at that after the list, so any other end may mean that
 * entries are missing. */
static bool load_list(struct http_client *c, struct curl_slist *list)
{
    CURL *easy = curl_easy_init();
    const bool begun = easy && curl_easy_setopt(easy, CURLOPT_URL, "http://none/") == CURLE_OK &&
                       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
                       curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
                       curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL) == CURLE_OK &&
                       curl_easy_setopt(easy, CURLOPT_RESOLVE, list) == CURLE_OK &&
                       curl_multi_add_handle(c->multi, easy) == CURLM_OK;

    c->list_taken = false;
    if (begun) {
        client_drive(c);
        if (c->multi) /* not lost meanwhile */
            (void)curl_multi_remove_handle(c->multi, easy);
    }
    curl_easy_cleanup(easy);
    return c->multi && c->list_taken;
}

void client_list_ended(struct http_client *c, int curl_code)
{
    c->list_taken = curl_code == CURLE_UNSUPPORTED_PROTOCOL;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* When the order or the use of the addresses changes with time alone. */
static int64_t next_turn_ms(const struct names *names, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;

    for (size_t i = 0; i < names->count; i++) {
        const struct name_record *r = &names->rows[i].record;
        if (name_record_usable(r, now_ms))
            next_ms = sooner(next_ms, r->good_until_ms);
        for (size_t k = 0; k < r->address_count; k++) {
            if (address_is_down(&r->addresses[k], now_ms))
                next_ms = sooner(next_ms, r->addresses[k].down_until_ms);
        }
    }
    return next_ms;
}

static bool is_v4(const struct ip *ip)
{
    static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(ip->bytes, MAPPED, sizeof(MAPPED)) == 0;
}

static bool some_name_has_both_families(const struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct name_record *r = &names->rows[i].record;
        for (size_t k = 1; k < r->address_count; k++) {
            if (is_v4(&r->addresses[k].ip) != is_v4(&r->addresses[0].ip))
                return true;
        }
    }
    return false;
}

static void take_names(struct http_client *c);

static void on_turn(struct timer *t)
{
    take_names(t->arg);
}

static void on_news(void *arg)
{
    take_names(arg);
}

static void load(struct http_client *c)
{
    struct curl_slist *list = NULL;
    const int64_t now_ms = loop_update_now(c->loop);

    c->families_race = some_name_has_both_families(c->names);
    c->names_loaded = false; /* nothing is given to libcurl while entries may be missing */
    c->names_loaded = (c->multi || client_multi_create(c)) && make_list(c->names, now_ms, &list) &&
                      (!list || load_list(c, list));
    curl_slist_free_all(list);
    const int64_t next_ms =
        c->names_loaded ? next_turn_ms(c->names, now_ms) : now_ms + LOAD_RETRY_MS;
    timer_stop(c->loop, &c->names_turn);
    if (next_ms < INT64_MAX)
        timer_start(c->loop, &c->names_turn, next_ms, on_turn, c);
}

/* Takes up the newest snapshot and hands its addresses to libcurl. Not from its callbacks. */
static void take_names(struct http_client *c)
{
    struct names *old = c->names;

    c->names = resolver_names(c->resolver);
    names_unref(old);
    load(c);
    client_sort_unresolved(c);
}

void client_names_lost(struct http_client *c)
{
    if (!c->names)
        return;
    c->names_loaded = false;
    timer_start(c->loop, &c->names_turn, loop_now_ms(c->loop), on_turn, c);
}

bool client_names_start(struct http_client *c)
{
    if (!c->resolver)
        return true;
    c->names_watch = resolver_watch_start(c->resolver, c->loop, on_news, c);
    if (!c->names_watch)
        return false;
    take_names(c);
    return true;
}

void client_names_stop(struct http_client *c)
{
    resolver_watch_stop(c->names_watch);
    c->names_watch = NULL;
    timer_stop(c->loop, &c->names_turn);
    names_unref(c->names);
    c->names = NULL;
}

/* ---- may a call go to its host? */

static bool is_literal(const char *text)
{
    struct url url;
    struct ip ip;
    const char *problem = NULL;

    return url_split(str_of(text), &url, &problem) && ip_parse(url.host, &ip);
}

bool client_names_ready(const struct http_client *c)
{
    return !c->names || c->names_loaded;
}

bool client_may_connect(const struct call *call, const struct ip *ip)
{
    const struct http_client *c = call->client;
    const struct name *name = c->names ? names_find(c->names, call->request.url) : NULL;

    return !c->names || !address_refusal(ip, false) || (name && name->literal) ||
           is_literal(call->request.url);
}

static enum call_name judge(const struct http_client *c, struct call *call, const struct name *name)
{
    const struct name_record *r = &name->record;

    if (name->literal)
        return CALL_NAME_KNOWN;
    if (r->state == NAME_PENDING || !c->names_loaded)
        return CALL_NAME_PENDING;
    if (name_record_usable(r, loop_now_ms(c->loop)))
        return CALL_NAME_KNOWN;
    (void)snprintf(call->text, sizeof(call->text), "name not resolved: %.120s: %.110s", name->host,
                   r->reason[0] ? r->reason : "its last addresses are too old");
    return CALL_NAME_FAILED;
}

enum call_name client_name_of(const struct http_client *c, struct call *call)
{
    const struct name *name = c->names ? names_find(c->names, call->request.url) : NULL;

    if (name)
        return judge(c, call, name);
    if (is_literal(call->request.url))
        return CALL_NAME_KNOWN;
    (void)snprintf(call->text, sizeof(call->text),
                   "name not resolved: the host is not one of those that are looked up");
    return CALL_NAME_FAILED;
}

/* ---- passive health */

static void report(struct http_client *c, const struct ip *ip, enum address_event event)
{
    if (c->resolver && ip->known)
        resolver_report(c->resolver, ip, event, loop_update_now(c->loop));
}

/* Another attempt, with the other address family, may have overtaken it. */
static bool has_rival(const struct http_client *c, const struct client_socket *s)
{
    for (const struct client_socket *other = c->sockets; other; other = other->next) {
        if (other->connection && !other->used && is_v4(&other->peer) != is_v4(&s->peer))
            return true;
    }
    return false;
}

void client_attempt_ended(struct http_client *c, const struct client_socket *s)
{
    const int64_t age_ms = loop_update_now(c->loop) - s->opened_ms;
    const int64_t stuck_ms = sooner(c->connect_timeout_ms / STUCK_PART, STUCK_MAX_MS);
    const bool given_up = c->ending_call || has_rival(c, s);

    if (!given_up || age_ms >= stuck_ms)
        report(c, &s->peer, ADDRESS_CONNECT_FAILED);
}

static struct ip address_of(const struct call *call)
{
    struct ip ip = {0};
    char *text = NULL;

    if (curl_easy_getinfo(call->easy, CURLINFO_PRIMARY_IP, &text) != CURLE_OK || !text ||
        !ip_parse(str_of(text), &ip))
        ip.known = false;
    return ip;
}

void client_call_ended(struct call *call, enum call_result result)
{
    struct http_client *c = call->client;
    const bool answered = result == CALL_ANSWERED || result == CALL_BAD_ANSWER;
    long connects = 0;

    if (!c->names || !call->easy || call->sends == 0 || (answered && !c->names->suspects))
        return;
    const struct ip ip = address_of(call);
    /* Answers matter only where there was a failure before, and reports take a lock. */
    if (answered && !names_suspect(c->names, &ip))
        return;
    (void)curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connects);
    if (!answered)
        report(c, &ip, ADDRESS_ANSWER_FAILED);
    else
        report(c, &ip, connects > 0 ? ADDRESS_ANSWERED_NEWLY : ADDRESS_ANSWERED);
}
