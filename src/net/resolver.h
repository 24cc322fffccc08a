/* SPDX-License-Identifier: Apache-2.0
 * The address table: one a process. Looks up the few configured hosts on threads of its own (one a
 * host, so that a name server that hangs on one name delays no other), again and again while the
 * service runs, and publishes immutable snapshots. Nobody on a loop ever waits for DNS. */
#pragma once

#include <stdatomic.h>

#include "net/loop.h"
#include "net/name_record.h"

struct resolver;
struct config;

enum {
    NAME_HOST_BYTES = 254,   /* with the NUL */
    NAME_ORIGIN_BYTES = 280, /* "https://" host ":65535" */
};

/* What a host is for: label values of bff_dns_addresses. */
#define NAME_CLASS_TABLE(X)                                                                        \
    X(NAME_UPSTREAM, "upstream")                                                                   \
    X(NAME_TOKEN, "token")                                                                         \
    X(NAME_KEYS, "keys")                                                                           \
    X(NAME_OTHER, "_OTHER")
enum name_class {
#define X(id, label) id,
    NAME_CLASS_TABLE(X)
#undef X
        NAME_CLASS_COUNT
};

/* Stands for getaddrinfo(): fills in *ret, which is zeroed. May block for long. */
typedef void resolve_fn(void *arg, const char *host, struct lookup *ret);
resolve_fn resolver_ask_system; /* arg: unused */

struct resolver_options {
    struct name_limits limits;
    resolve_fn *resolve; /* NULL: resolver_ask_system */
    void *resolve_arg;
};

/* Label values of the resolver's metrics; called by main before metrics_start(). */
void resolver_register_metrics(void);
/* NULL: out of memory. */
NODISCARD struct resolver *resolver_create(const struct resolver_options *options);
/* Ends the threads; one that is inside a lookup is left alone and ends with it, touching nothing.
 * After all loops with a watch were destroyed. Accepts NULL. */
void resolver_destroy(struct resolver *r);

struct resolver_url {
    const char *url;
    enum name_class class;
    bool public_only; /* a public name of the vendor: private addresses are refused, too */
};
/* The URLs whose hosts are looked up from now on, in place of those before; what both name goes on
 * undisturbed. Of URLs with one host the first names its class. */
NODISCARD enum err resolver_set_urls(struct resolver *r, const struct resolver_url *urls,
                                     size_t count, struct err_text *reterr);
/* A resolver for the URLs of the configuration. The names that BFF_REGION implies are public
 * ones; what the operator wrote down may as well be an address of his own network. */
NODISCARD enum err resolver_start(const struct config *config, struct resolver **ret,
                                  struct err_text *reterr);
/* The same URLs and one more. */
NODISCARD enum err resolver_add_url(struct resolver *r, const struct config *config,
                                    const char *url, struct err_text *reterr);

/* ---- snapshots */

struct name {
    char origin[NAME_ORIGIN_BYTES]; /* of the URLs that it stands for: "https://host:port" */
    size_t origin_len;
    char host[NAME_HOST_BYTES];
    int port;
    bool literal; /* the host is an address: always usable */
    struct name_record record;
};
struct names {
    _Atomic unsigned refs;
    bool suspects; /* some address is suspect */
    size_t count;
    struct name rows[];
};
/* The newest; never NULL. For names_unref(). */
struct names *resolver_names(struct resolver *r);
void names_unref(struct names *n); /* accepts NULL */
/* By the URL's origin; NULL: not one of the configured. */
const struct name *names_find(const struct names *n, const char *url);
/* Whether its answers are worth reporting. */
bool names_suspect(const struct names *n, const struct ip *ip);

/* ---- news: on_news runs on the loop after each new snapshot */
struct resolver_watch;
typedef void resolver_news_fn(void *arg);
/* NULL: out of memory. */
NODISCARD struct resolver_watch *resolver_watch_start(struct resolver *r, struct loop *l,
                                                      resolver_news_fn *on_news, void *arg);
/* On the loop's thread, or when it no longer runs. Accepts NULL. */
void resolver_watch_stop(struct resolver_watch *w);

/* ---- passive health; any thread. Addresses that are in no answer are ignored. */
enum address_event {
    ADDRESS_CONNECT_FAILED, /* no connection, or no TLS on it */
    ADDRESS_ANSWER_FAILED,  /* the connection ended or fell silent before the answer */
    ADDRESS_ANSWERED,       /* on a connection of before */
    ADDRESS_ANSWERED_NEWLY, /* on a connection that was made for it */
};
void resolver_report(struct resolver *r, const struct ip *ip, enum address_event event,
                     int64_t now_ms);
