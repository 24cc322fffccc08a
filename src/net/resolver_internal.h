/* SPDX-License-Identifier: Apache-2.0
 * What the files of the resolver share; nobody else includes it. */
#pragma once

#include <pthread.h>

#include "net/resolver.h"

/* Gauges of one class: addresses that are up, down, refused. */
enum address_state { ADDRESS_UP, ADDRESS_DOWN, ADDRESS_REFUSED, ADDRESS_STATE_COUNT };

struct host {
    struct resolver *resolver;
    struct host *next;
    char name[NAME_HOST_BYTES];
    enum name_class class;
    bool public_only;
    bool wanted; /* still one of the configured */
    struct name_record record;
    size_t refused, dropped; /* addresses of the last answer */
};

/* One URL's origin; the host is NULL where it is given as an address. */
struct origin {
    char text[NAME_ORIGIN_BYTES];
    struct host *host;
    char host_text[NAME_HOST_BYTES];
    int port;
};

/* Counted: lookups that outlive resolver_destroy() hold it. */
struct resolver {
    struct resolver_options options;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t wake;  /* hosts' threads: stopping, or a host is not wanted any more */
    pthread_cond_t ended; /* a thread has ended */
    unsigned refs;
    bool stopping;
    unsigned threads;   /* that run */
    unsigned in_lookup; /* of these, inside options.resolve */
    struct host *hosts;
    struct origin *origins;
    size_t origin_count;
    struct names *names;
    bool health_due;        /* what is known of an address is not in names yet */
    int64_t health_next_ms; /* no sooner is it published again */
    struct resolver_watch *watches;
    int64_t counted[ADDRESS_STATE_COUNT][NAME_CLASS_COUNT]; /* as the gauges say */
};

struct resolver_watch {
    struct resolver *resolver;
    struct loop *loop;
    resolver_news_fn *on_news;
    void *arg;
    struct resolver_watch *next;
    struct post post;
    bool posted;
    bool stopped;
};

/* ---- resolver_names.c; all under the lock */
/* A new snapshot, and all watches hear of it. Without memory the last one stays. */
void resolver_publish(struct resolver *r);
/* NULL: out of memory. */
NODISCARD struct names *names_make(const struct resolver *r);

/* ---- resolver_log.c; all under the lock */
void resolver_log_lookup(const struct host *h, const struct lookup *l,
                         const struct name_news *news);
void resolver_log_refused(const char *host, const struct ip *ip, const char *what);
void resolver_log_dropped(const struct host *h, size_t dropped);
void resolver_log_address(const struct host *h, const struct name_address *a, bool is_down,
                          int64_t now_ms);
/* Brings the gauges up to date. */
void resolver_count_addresses(struct resolver *r, int64_t now_ms);
