/* SPDX-License-Identifier: Apache-2.0
 * What the address table says of itself: a log line at each change, counters and gauges. */
#include <stdio.h>

#include "base/log.h"
#include "net/resolver_internal.h"
#include "observe/metrics.h"

enum { ADDRESS_LIST_BYTES = NAME_ADDRESSES_MAX * (IP_TEXT_BYTES + 2) };

static const char *const CLASS_LABELS[NAME_CLASS_COUNT] = {
#define X(id, label) [id] = label,
    NAME_CLASS_TABLE(X)
#undef X
};
static const char *const RESULT_LABELS[LOOKUP_RESULT_COUNT] = {
#define X(id, label) [id] = label,
    LOOKUP_RESULT_TABLE(X)
#undef X
};
static const char *const STATE_LABELS[ADDRESS_STATE_COUNT] = {
    [ADDRESS_UP] = "up", [ADDRESS_DOWN] = "down", [ADDRESS_REFUSED] = "refused"};

void resolver_register_metrics(void)
{
    metric_label_values(M_DNS_LOOKUPS, "host", CLASS_LABELS, NAME_CLASS_COUNT);
    metric_label_values(M_DNS_LOOKUPS, "result", RESULT_LABELS, LOOKUP_RESULT_COUNT);
    metric_label_values(M_DNS_ADDRESSES, "host", CLASS_LABELS, NAME_CLASS_COUNT);
    metric_label_values(M_DNS_ADDRESSES, "state", STATE_LABELS, ADDRESS_STATE_COUNT);
    metric_label_values(M_ADDRESS_DOWN, "host", CLASS_LABELS, NAME_CLASS_COUNT);
}

static void list_addresses(const struct name_record *r, char out[ADDRESS_LIST_BYTES])
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < r->address_count; i++) {
        char text[IP_TEXT_BYTES];
        ip_format(&r->addresses[i].ip, text);
        len +=
            (size_t)snprintf(out + len, ADDRESS_LIST_BYTES - len, "%s%s", i > 0 ? ", " : "", text);
    }
}

void resolver_log_lookup(const struct host *h, const struct lookup *l, const struct name_news *news)
{
    char addresses[ADDRESS_LIST_BYTES];

    metric_add(M_DNS_LOOKUPS, h->class, l->result, 1);
    if (news->began_failing || news->expired)
        LOG(h->record.state == NAME_USABLE ? LOG_WARN : LOG_ERROR, "dns.lookup_failed",
            "A host name of the identity API could not be resolved",
            LOG_S("server.domain", h->name), LOG_S("error.message", l->problem),
            LOG_S("event.reason", RESULT_LABELS[l->result]),
            LOG_B("bff.dns.last_addresses_in_use", h->record.state == NAME_USABLE));
    if (!news->set_changed && !news->ended_failing)
        return;
    list_addresses(&h->record, addresses);
    LOG(LOG_INFO, news->set_changed ? "dns.addresses_changed" : "dns.lookup_recovered",
        news->set_changed ? "A host name of the identity API has these addresses now"
                          : "A host name of the identity API can be resolved again",
        LOG_S("server.domain", h->name), LOG_S("bff.dns.addresses", addresses),
        LOG_I("bff.dns.count", (int64_t)h->record.address_count));
}

void resolver_log_refused(const char *host, const struct ip *ip, const char *what)
{
    char text[IP_TEXT_BYTES];

    ip_format(ip, text);
    LOG(LOG_WARN, "dns.address_refused",
        "DNS gives a host name of the identity API an address that is never called",
        LOG_S("server.domain", host), LOG_S("server.address", text), LOG_S("event.reason", what));
}

void resolver_log_dropped(const struct host *h, size_t dropped)
{
    LOG(LOG_WARN, "dns.addresses_dropped",
        "A host name of the identity API has more addresses than are used",
        LOG_S("server.domain", h->name), LOG_I("bff.dns.used", NAME_ADDRESSES_MAX),
        LOG_I("bff.dns.dropped", (int64_t)dropped));
}

void resolver_log_address(const struct host *h, const struct name_address *a, bool is_down,
                          int64_t now_ms)
{
    char text[IP_TEXT_BYTES];

    ip_format(&a->ip, text);
    if (!is_down) {
        LOG(LOG_INFO, "upstream.address_up", "An address of the identity API serves again",
            LOG_S("server.domain", h->name), LOG_S("server.address", text));
        return;
    }
    metric_add(M_ADDRESS_DOWN, h->class, 0, 1);
    LOG(LOG_WARN, "upstream.address_down",
        "An address of the identity API fails; for a while it is tried after the others",
        LOG_S("server.domain", h->name), LOG_S("server.address", text),
        LOG_I("bff.address.down_ms", a->down_until_ms - now_ms),
        LOG_I("bff.address.downs", a->downs));
}

/* Gauges are sums over threads, and whoever changes the table counts. */
void resolver_count_addresses(struct resolver *r, int64_t now_ms)
{
    int64_t counts[ADDRESS_STATE_COUNT][NAME_CLASS_COUNT] = {0};

    for (const struct host *h = r->hosts; h; h = h->next) {
        counts[ADDRESS_REFUSED][h->class] += (int64_t)h->refused;
        for (size_t i = 0; i < h->record.address_count; i++) {
            const bool down = address_is_down(&h->record.addresses[i], now_ms);
            counts[down ? ADDRESS_DOWN : ADDRESS_UP][h->class]++;
        }
    }
    for (unsigned state = 0; state < ADDRESS_STATE_COUNT; state++) {
        for (unsigned class = 0; class < NAME_CLASS_COUNT; class ++) {
            int64_t *counted = &r->counted[state][class];
            if (counts[state][class] != *counted)
                metric_add(M_DNS_ADDRESSES, class, state,
                           (uint64_t)(counts[state][class] - *counted));
            *counted = counts[state][class];
        }
    }
}
