/* SPDX-License-Identifier: Apache-2.0
 * Every event that the log can tell of, with its place in ECS and the fields that its lines may
 * carry besides those that all have. docs/logs.md is made from this table, and the end-to-end tests
 * hold every line that a service logs against it. */
#pragma once

#include "base/buf.h"

#define EVENT_OF_CEREMONY                                                                          \
    "event.outcome,event.duration,bff.outcome,user.hash,key.hash,bff.approval.hash,"               \
    "operator.name,bff.note,error.code,error.reason,http.request.id,trace.id,span.id"

/* X("event.action", event.kind, event.category, event.type, "fields", "when")
 * The kinds, categories and types are ECS's. Lines of requests come first: the table is searched.
 */
#define EVENT_TABLE(X)                                                                             \
    X("http.request", event, web, access,                                                          \
      "http.request.method,url.path,http.response.status_code,event.duration,http.request.id,"     \
      "client.ip,user_agent.original,trace.id,span.id,listener,error.code,error.reason,"           \
      "user.hash,bff.step",                                                                        \
      "a request was answered, cut off or left; url.path is the route's template, absent where "   \
      "none was found")                                                                            \
    X("ceremony.start", event, authentication, info, EVENT_OF_CEREMONY,                            \
      "audit: a challenge was asked for")                                                          \
    X("ceremony.authenticate", event, authentication, start, EVENT_OF_CEREMONY,                    \
      "audit: a signed challenge was presented")                                                   \
    X("ceremony.register", event, iam, creation, EVENT_OF_CEREMONY,                                \
      "audit: a device key was presented")                                                         \
    X("ceremony.refresh", event, session, info, EVENT_OF_CEREMONY,                                 \
      "audit: a refresh token was presented")                                                      \
    X("ceremony.logout", event, session, end, EVENT_OF_CEREMONY,                                   \
      "audit: the end of a session was asked for")                                                 \
    X("ceremony.delete_key", event, iam, deletion, EVENT_OF_CEREMONY,                              \
      "audit: the deletion of a device key was asked for")                                         \
    X("ceremony.face_revoke", event, iam, deletion, EVENT_OF_CEREMONY,                             \
      "audit: the revocation of the own face was asked for")                                       \
    X("ceremony.operator_face_revoke", event, iam, deletion, EVENT_OF_CEREMONY,                    \
      "audit: an operator asked for the revocation of a face")                                     \
    X("ceremony.other", event, authentication, info, EVENT_OF_CEREMONY,                            \
      "audit: anything else of that kind")                                                         \
    X("session.withdraw", event, session, end,                                                     \
      "event.outcome,error.code,vendor.response.status_code,trace.id",                             \
      "a session that failed verification was to be logged out at the vendor")                     \
    X("token.fetched", event, authentication, info,                                                \
      "token.client,token.expires_in_s,token.renewal_in_ms", "a token of ours was fetched")        \
    X("token.fetch_failed", event, authentication, info,                                           \
      "token.client,error.reason,token.failures,token.retry_in_ms,token.cached",                   \
      "a token of ours could not be fetched")                                                      \
    X("token.refused", event, authentication, info,                                                \
      "token.client,error.reason,token.renewal_in_ms",                                             \
      "the vendor refused a token that was just fetched")                                          \
    X("token.alarm", event, authentication, info, "token.client,error.reason",                     \
      "the vendor refuses our client or its rights")                                               \
    X("token.credentials_changed", event, configuration, change, "token.client",                   \
      "a token is fetched with new credentials")                                                   \
    X("token.credentials_accepted", event, configuration, change, "token.client",                  \
      "new credentials work and took the place of the old")                                        \
    X("token.credentials_refused", event, configuration, info,                                     \
      "token.client,error.reason,token.failures,token.retry_in_ms",                                \
      "no token came with new credentials; they are tried again, and until then the old ones are " \
      "used, but for a client certificate, which is shown already")                                \
    X("jwks.fetched", event, network, info,                                                        \
      "jwks.issuer,jwks.keys,jwks.refused,jwks.changed,jwks.refresh_in_ms",                        \
      "a key set was fetched")                                                                     \
    X("jwks.fetch_failed", event, network, info,                                                   \
      "jwks.issuer,error.reason,jwks.failures,jwks.retry_in_ms,jwks.cached",                       \
      "a key set could not be fetched")                                                            \
    X("jwks.dropped", event, network, info, "jwks.issuer",                                         \
      "a key set is too old to be used any longer")                                                \
    X("upstream.limit_lowered", event, network, info,                                              \
      "bff.upstream_limit.configured,bff.upstream_limit.now,bff.upstream_limit.hold_ms",           \
      "the vendor answered 429: fewer calls are sent")                                             \
    X("upstream.breaker_opened", event, network, denied, "bff.failure,bff.probe_ms",               \
      "most calls to the vendor fail: calls are refused until one in a while succeeds")            \
    X("upstream.breaker_closed", event, network, allowed, "",                                      \
      "the vendor answers again: calls are sent")                                                  \
    X("upstream.address_up", event, network, info, "server.domain,server.address",                 \
      "an address of the identity API serves again")                                               \
    X("upstream.address_down", event, network, info,                                               \
      "server.domain,server.address,bff.address.down_ms,bff.address.downs",                        \
      "an address of the identity API does not serve: it is called last")                          \
    X("dns.lookup_failed", event, network, info,                                                   \
      "server.domain,error.message,event.reason,bff.dns.last_addresses_in_use",                    \
      "a host name could not be looked up")                                                        \
    X("dns.lookup_recovered", event, network, info,                                                \
      "server.domain,bff.dns.addresses,bff.dns.count", "a host name can be looked up again")       \
    X("dns.addresses_changed", event, network, info,                                               \
      "server.domain,bff.dns.addresses,bff.dns.count", "a host name has other addresses")          \
    X("dns.address_refused", event, network, denied, "server.domain,server.address,event.reason",  \
      "an address that no host of the identity API may have is not called")                        \
    X("dns.addresses_dropped", event, network, info, "server.domain,bff.dns.used,bff.dns.dropped", \
      "a host name has more addresses than are used")                                              \
    X("listener.ready", event, network, start,                                                     \
      "listener,server.address,server.port,bff.inherited", "a listener is open")                   \
    X("listener.stays_open", event, network, info, "listener,error.message",                       \
      "the system does not let a listener refuse connections before it is closed: who is "         \
      "connecting in that moment is reset")                                                        \
    X("http.parser", event, web, error, "error.message", "debug: what the HTTP parser says")       \
    X("config.note", event, configuration, info, "bff.config_note",                                \
      "a setting deserves attention")                                                              \
    X("config.reload", event, configuration, change,                                               \
      "event.outcome,config.trigger,config.changed,error.reason",                                  \
      "the configuration was read again: it is in use, or refused")                                \
    X("config.watch", event, configuration, info, "config.poll_ms,config.unrest_ms,error.reason",  \
      "files of the configuration are polled, or read though they are still written to")           \
    X("secret.not_locked", event, configuration, info,                                             \
      "bff.secret.locked_bytes,bff.secret.unlocked_bytes", "secrets may be written to swap")       \
    X("log.level", event, configuration, change, "bff.level.before,bff.level.now",                 \
      "SIGUSR2 changed the level of the log")                                                      \
    X("log.dropped", event, process, info, "log.dropped.count",                                    \
      "lines were lost, for the reader is slow; how many since the start")                         \
    X("service.starting", event, process, start, "bff.upstream_url,bff.workers,process.pid",       \
      "the process starts")                                                                        \
    X("service.connections_lowered", event, configuration, info,                                   \
      "bff.max_connections.configured,bff.max_connections.effective,process.descriptors.limit,"    \
      "process.descriptors.needed",                                                                \
      "the descriptor limit is too low for BFF_MAX_CONNECTIONS")                                   \
    X("service.ready", event, process, start, "event.duration", "requests are served")             \
    X("service.state", state, process, info,                                                       \
      "process.pid,process.uptime,bff.ready,bff.draining,bff.token,bff.keys,bff.breaker,"          \
      "bff.connections,bff.in_flight,bff.upstream_limit.now,bff.log_dropped,bff.level.now,"        \
      "error.message",                                                                             \
      "SIGUSR1 asked how things are")                                                              \
    X("watchdog.silent", event, process, info, "bff.watchdog_ms",                                  \
      "a loop does not turn: the service manager's watchdog is not answered")                      \
    X("service.draining", event, process, end, "bff.drain_delay_ms", "the end was asked for")      \
    X("service.refusing", event, process, end, "", "no further connections are taken")             \
    X("service.stopped", event, process, end, "bff.drained,bff.requests_cut", "the process ends")

/* The members event.action to event.type as JSON, with a comma before; NULL: no such event. */
const char *log_event_members(const char *action);
/* Markdown table for docs/logs.md. */
void log_events_write_docs(struct buf *out);
