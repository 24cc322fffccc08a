/* SPDX-License-Identifier: Apache-2.0
 * What is known about one host name: its addresses, how long they may be used, and how each has
 * served so far (passive health). No I/O, no lock; time is an argument. */
#pragma once

#include "net/address.h"

enum {
    NAME_ADDRESSES_MAX = 16, /* further ones of an answer are dropped */
    NAME_REASON_BYTES = 160,
    ADDRESS_FAILURES_MAX = 3,     /* in a row, on connections that had been made: then it is down */
    ADDRESS_DOWN_FIRST_MS = 1000, /* doubled each time that it goes down again */
    ADDRESS_DOWN_MAX_MS = 60 * 1000,
    LOOKUP_RETRY_FIRST_MS = 1000, /* after a failed lookup, doubled up to the refresh interval */
};

/* Label values of bff_dns_lookups_total. */
#define LOOKUP_RESULT_TABLE(X)                                                                     \
    X(LOOKUP_OK, "ok")                                                                             \
    X(LOOKUP_NOT_FOUND, "not_found") /* no such name, or a name without addresses */               \
    X(LOOKUP_TEMPORARY, "temporary") /* no server answers, or it fails */                          \
    X(LOOKUP_REFUSED, "refused")     /* none of the addresses may be used */                       \
    X(LOOKUP_FAILED, "_OTHER")
enum lookup_result {
#define X(id, label) id,
    LOOKUP_RESULT_TABLE(X)
#undef X
        LOOKUP_RESULT_COUNT
};

/* What one lookup brought. */
struct lookup {
    enum lookup_result result;
    struct ip addresses[NAME_ADDRESSES_MAX]; /* in the order to try them, without repetitions */
    size_t count;
    size_t dropped;                  /* were beyond NAME_ADDRESSES_MAX */
    char problem[NAME_REASON_BYTES]; /* unless LOOKUP_OK */
};
void lookup_add(struct lookup *l, const struct ip *ip);

struct name_address {
    struct ip ip;
    unsigned failures; /* in a row, on connections that had been made */
    unsigned downs;    /* in a row */
    int64_t down_until_ms;
};

struct name_limits {
    int64_t refresh_ms;
    int64_t stale_max_ms; /* since the last good lookup */
};

enum name_state {
    NAME_PENDING, /* the first lookup has not ended */
    NAME_USABLE,  /* until good_until_ms */
    NAME_FAILED,
};

struct name_record {
    enum name_state state;
    struct name_address addresses[NAME_ADDRESSES_MAX]; /* in the order of the last good lookup */
    size_t address_count;
    int64_t good_until_ms;
    unsigned failed_lookups;        /* in a row */
    char reason[NAME_REASON_BYTES]; /* of the last failed lookup */
};

struct name_news {
    bool publish; /* readers have to hear of it: the time until which they may use it is new, too */
    bool set_changed;   /* other addresses than before, whatever their order */
    bool began_failing; /* the first failed lookup after a good one, or ever */
    bool ended_failing;
    bool expired; /* the last good addresses may not be used any longer */
};

/* Addresses that stay keep their health. */
struct name_news name_record_learn(struct name_record *r, const struct lookup *l,
                                   const struct name_limits *limits, int64_t now_ms);
/* When to look it up again. spread: any random number. */
int64_t name_record_next_ms(const struct name_record *r, const struct name_limits *limits,
                            int64_t now_ms, uint64_t spread);
bool name_record_usable(const struct name_record *r, int64_t now_ms);
/* NULL: not one of its addresses. */
struct name_address *name_record_find(struct name_record *r, const struct ip *ip);

/* ---- passive health. True: the address has just gone down, or come up. */
bool address_connect_failed(struct name_address *a, int64_t now_ms);
bool address_answer_failed(struct name_address *a, int64_t now_ms);
/* An address that is down comes up by an answer on a connection that was made since. */
bool address_answered(struct name_address *a, bool new_connection);
static inline bool address_is_down(const struct name_address *a, int64_t now_ms)
{
    return now_ms < a->down_until_ms;
}
/* Answers of it are worth reporting. */
static inline bool address_is_suspect(const struct name_address *a)
{
    return a->failures > 0 || a->downs > 0;
}
/* Indexes in the order to try them: those that are up as DNS gave them, then those that are down,
 * the one that comes up first in front. */
void name_addresses_order(const struct name_address *addresses, size_t count, int64_t now_ms,
                          uint8_t order[NAME_ADDRESSES_MAX]);
