/* SPDX-License-Identifier: Apache-2.0
 * The metric table and its per-thread slots: a slot is written by its own thread (relaxed) and
 * summed by the scrape, so counting costs no lock. Label values come from fixed lists, so
 * cardinality is bounded by construction. */
#pragma once

#include <stdint.h>

#include "base/auto.h"
#include "base/buf.h"

enum metric_kind {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_MAX,            /* a gauge: the largest value of any thread, in seconds */
    METRIC_HISTOGRAM,      /* of METRIC_SECONDS_BUCKETS */
    METRIC_HISTOGRAM_FINE, /* of METRIC_FINE_BUCKETS */
};

/* Upper bounds, seconds: OTel's for HTTP, and for what should last no more than some milliseconds.
 */
#define METRIC_SECONDS_BUCKETS                                                                     \
    {                                                                                              \
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10                  \
    }
#define METRIC_FINE_BUCKETS                                                                        \
    {                                                                                              \
        0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2         \
    }
enum { METRIC_BUCKETS = 14, METRIC_LABELS_MAX = 6, METRIC_LABEL_VALUES_MAX = 128 };

/* X(enum, "name", kind, "help", "label,label") : labels' values are registered at start by
 * metric_label_values() */
#define METRIC_TABLE(X)                                                                            \
    X(M_HTTP_SERVER_DURATION, "http_server_request_duration_seconds", METRIC_HISTOGRAM,            \
      "Duration of HTTP server requests",                                                          \
      "http_request_method,http_route,http_response_status_code,error_type")                       \
    X(M_HTTP_SERVER_ACTIVE, "http_server_active_requests", METRIC_GAUGE,                           \
      "HTTP server requests in flight", "http_request_method")                                     \
    X(M_HTTP_CONNECTIONS, "bff_connections", METRIC_GAUGE, "Open client connections", "listener")  \
    X(M_WORKER_CONNECTIONS, "bff_worker_connections", METRIC_GAUGE,                                \
      "Open client connections of the public listener, by worker", "worker")                       \
    X(M_HTTP_CLIENT_DURATION, "http_client_request_duration_seconds", METRIC_HISTOGRAM,            \
      "Duration of calls to the identity API",                                                     \
      "http_request_method,server_address,server_port,operation,http_response_status_code,error_"  \
      "type")                                                                                      \
    X(M_HTTP_CLIENT_ACTIVE, "http_client_active_requests", METRIC_GAUGE,                           \
      "Calls to the identity API under way", "server_address,server_port")                         \
    X(M_DNS_LOOKUPS, "bff_dns_lookups_total", METRIC_COUNTER,                                      \
      "Look-ups of the identity API's host names", "host,result")                                  \
    X(M_DNS_ADDRESSES, "bff_dns_addresses", METRIC_GAUGE, "Addresses of the identity API's hosts", \
      "host,state")                                                                                \
    X(M_ADDRESS_DOWN, "bff_upstream_address_down_total", METRIC_COUNTER,                           \
      "Times that an address of the identity API was found to be down", "host")                    \
    X(M_TOKEN_FETCH, "bff_token_fetch_total", METRIC_COUNTER, "Token fetches", "client,result")    \
    X(M_TOKEN_CREDENTIALS_PENDING, "bff_token_credentials_pending", METRIC_GAUGE,                  \
      "1: no token came with new credentials yet; the old ones are in use", "client")              \
    X(M_TOKEN_EXPIRY, "bff_token_expiry_timestamp_seconds", METRIC_GAUGE,                          \
      "Expiry of the token in use, Unix seconds; 0: there is none", "client")                      \
    X(M_TOKEN_RENEWAL, "bff_token_renewal_timestamp_seconds", METRIC_GAUGE,                        \
      "When the renewal of the token in use was planned for, Unix seconds; 0: there is none",      \
      "client")                                                                                    \
    X(M_JWKS_FETCH, "bff_jwks_fetch_total", METRIC_COUNTER, "Key set fetches", "result")           \
    X(M_JWKS_AGE, "bff_jwks_age_seconds", METRIC_GAUGE,                                            \
      "Since the last good fetch of the key set that was fetched longest ago; +Inf: one was "      \
      "never "                                                                                     \
      "fetched",                                                                                   \
      "")                                                                                          \
    X(M_JWKS_KEYS, "bff_jwks_keys", METRIC_GAUGE, "Usable keys in the key sets", "")               \
    X(M_JWKS_KEYS_REFUSED, "bff_jwks_keys_refused_total", METRIC_COUNTER,                          \
      "Keys refused at import", "reason")                                                          \
    X(M_KEEPER_WAITING, "bff_keeper_waiting_requests", METRIC_GAUGE,                               \
      "Requests that wait for a token of ours or for a key set", "for")                            \
    X(M_KEEPER_WAITING_MAX, "bff_keeper_waiting_max_requests", METRIC_GAUGE,                       \
      "Ceiling of those: a part of BFF_MAX_IN_FLIGHT", "for")                                      \
    X(M_KEEPER_WAIT_REFUSED, "bff_keeper_wait_refused_total", METRIC_COUNTER,                      \
      "Requests that were not let wait because of that ceiling", "for")                            \
    X(M_JWT_VERIFY, "bff_jwt_verify_total", METRIC_COUNTER, "Token verifications by result",       \
      "result")                                                                                    \
    X(M_TOKEN_MEMORY, "bff_token_memory_total", METRIC_COUNTER,                                    \
      "Bearer tokens looked up among the remembered ones", "result")                               \
    X(M_TOKEN_MEMORY_DROPPED, "bff_token_memory_dropped_total", METRIC_COUNTER,                    \
      "Remembered tokens that were dropped", "reason")                                             \
    X(M_TOKEN_MEMORY_ENTRIES, "bff_token_memory_entries", METRIC_GAUGE, "Remembered tokens", "")   \
    X(M_CEREMONY, "bff_ceremony_total", METRIC_COUNTER, "Ceremony steps by outcome",               \
      "step,outcome")                                                                              \
    X(M_SHED, "bff_shed_total", METRIC_COUNTER, "Requests refused to protect the service",         \
      "reason")                                                                                    \
    X(M_LIMITED, "bff_limited_total", METRIC_COUNTER, "Requests refused by a limit", "limit")      \
    X(M_UPSTREAM_LIMIT, "bff_upstream_limit_per_second", METRIC_GAUGE,                             \
      "Calls a second that are let out to the vendor at present; 0: no limit", "")                 \
    X(M_UPSTREAM_SHED, "bff_upstream_shed_total", METRIC_COUNTER,                                  \
      "Calls to the vendor that were not let out", "reason,class")                                 \
    X(M_BREAKER_STATE, "bff_upstream_breaker_state", METRIC_GAUGE,                                 \
      "1 for the state that the circuit breaker is in, 0 for the others; half_open: as open, and " \
      "a probe was let out last",                                                                  \
      "state")                                                                                     \
    X(M_BREAKER_TRANSITIONS, "bff_upstream_breaker_transitions_total", METRIC_COUNTER,             \
      "State changes of the circuit breaker; half_open: a probe was let out", "to")                \
    X(M_UPSTREAM_REPEATS, "bff_upstream_repeats_total", METRIC_COUNTER,                            \
      "Calls to the vendor that were sent once more, or not for want of budget", "result")         \
    X(M_TOKEN_ALARM, "bff_token_alarm_total", METRIC_COUNTER,                                      \
      "Answers that say that the vendor refuses our client or its rights", "client,status")        \
    X(M_TABLE_ENTRIES, "bff_table_entries", METRIC_GAUGE, "Entries of a bounded table", "table")   \
    X(M_TABLE_MAX, "bff_table_max_entries", METRIC_GAUGE, "Ceiling of a bounded table", "table")   \
    X(M_LIMIT, "bff_limit", METRIC_GAUGE,                                                          \
      "Numbers of the configuration as they are in force, by key (in small letters, without "      \
      "BFF_)",                                                                                     \
      "limit")                                                                                     \
    X(M_LOOP_LAG, "bff_loop_lag_seconds", METRIC_HISTOGRAM_FINE,                                   \
      "How long one turn of an event loop held the others up, on the wall clock", "loop")          \
    X(M_LOOP_LONG_TURN_CPU, "bff_loop_long_turn_cpu_seconds", METRIC_HISTOGRAM_FINE,               \
      "Processor time of those turns that took more than 5 ms on the wall clock, give or take 2 "  \
      "ms: much less than they took means that the machine did not run the thread",                \
      "loop")                                                                                      \
    X(M_LOOP_LAG_MAX, "bff_loop_lag_max_seconds", METRIC_MAX,                                      \
      "The longest turn since the start, on the wall clock and (of those over 5 ms) in "           \
      "processor time",                                                                            \
      "loop,clock")                                                                                \
    X(M_LOG_DROPPED, "bff_log_dropped_total", METRIC_COUNTER,                                      \
      "Log lines dropped because the reader was slow", "")                                         \
    X(M_CONFIG_RELOAD, "bff_config_reload_total", METRIC_COUNTER, "Reloads of the configuration",  \
      "result")                                                                                    \
    X(M_CONFIG_LOADED_AT, "bff_config_loaded_timestamp_seconds", METRIC_GAUGE,                     \
      "When the configuration in use was taken up, at start or by a reload, Unix seconds", "")     \
    X(M_CONFIG_RELOAD_OK, "bff_config_last_reload_successful", METRIC_GAUGE,                       \
      "1: the configuration in use is the one that was read last; 0: that one was refused", "")    \
    X(M_CLIENT_CERT_EXPIRY, "bff_client_certificate_expiry_timestamp_seconds", METRIC_GAUGE,       \
      "When the client certificate for the identity API, or one of its chain, expires, Unix "      \
      "seconds; 0: none is shown",                                                                 \
      "")                                                                                          \
    X(M_PROCESS_CPU, "process_cpu_seconds_total", METRIC_COUNTER,                                  \
      "Processor time of the process, user and system", "")                                        \
    X(M_PROCESS_RESIDENT, "process_resident_memory_bytes", METRIC_GAUGE,                           \
      "Resident memory of the process", "")                                                        \
    X(M_PROCESS_VIRTUAL, "process_virtual_memory_bytes", METRIC_GAUGE,                             \
      "Address space of the process", "")                                                          \
    X(M_PROCESS_OPEN_FDS, "process_open_fds", METRIC_GAUGE, "Open descriptors", "")                \
    X(M_PROCESS_MAX_FDS, "process_max_fds", METRIC_GAUGE, "Limit of open descriptors", "")         \
    X(M_PROCESS_START_TIME, "process_start_time_seconds", METRIC_GAUGE,                            \
      "When the process started, Unix seconds", "")                                                \
    X(M_BUILD_INFO, "bff_build_info", METRIC_GAUGE,                                                \
      "1; versions of the service and of its libraries", "version,libmicrohttpd,libcurl,openssl")

enum metric {
#define X(id, name, kind, help, labels) id,
    METRIC_TABLE(X)
#undef X
        METRIC_COUNT
};

/* Registers the closed list of values of one label of one metric, once, before metrics_start().
 * values is borrowed for ever (literals or tables). The last value should be a catch-all
 * ("_OTHER"): unknown indexes count there. */
void metric_label_values(enum metric m, const char *label, const char *const *values, size_t count);
/* After all label values are known. */
NODISCARD bool metrics_start(void);
void metrics_stop(void);
/* Each thread that counts calls this once; further calls do nothing. Without it counting does
 * nothing. */
NODISCARD bool metrics_thread_join(void);

/* a, b: indexes into the label values in the order of the table; 0 where there is no label. */
void metric_add(enum metric m, unsigned a, unsigned b, uint64_t n);
/* All label indexes of an observation; those that are not given are 0. */
#define METRIC_AT(...) ((const unsigned[METRIC_LABELS_MAX]){__VA_ARGS__})
void metric_observe(enum metric m, const unsigned labels[METRIC_LABELS_MAX], double seconds);
/* METRIC_MAX: the value rises to this, if it was less. */
void metric_raise(enum metric m, unsigned a, unsigned b, double seconds);
/* Gauges: summed over threads, so +1 and -1 may come from different threads; metric_set() is for
 * gauges that one thread alone writes. */
void metric_gauge_add(enum metric m, unsigned a, unsigned b, int64_t n);
void metric_set(enum metric m, unsigned a, int64_t value);
/* A gauge or counter that is read at scrape time; NAN: it has no value now and is left out. At most
 * 32. */
void metric_on_scrape(enum metric m, unsigned a, double (*read)(void *arg), void *arg);
/* Prometheus text exposition format 0.0.4; series that were never touched are left out, but
 * counters of few series. */
void metrics_write(struct buf *out);
/* Markdown table for docs/metrics.md. */
void metrics_write_docs(struct buf *out);
