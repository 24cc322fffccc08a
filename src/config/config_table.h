/* SPDX-License-Identifier: Apache-2.0
 * The option table: every key of the configuration with its type, default, limits and help.
 * Parsing,
 * `--help`, docs/config.md and print-config are made from it; nothing else lists the keys. */
#pragma once

/* X(KEY without BFF_, kind, member of struct config, default or NULL, min, max, empty, reload,
 *   group, help)
 * min and max bound a number, or the bytes of a text. MAY_BE_EMPTY: set but empty means "none".
 * LIVE: SIGHUP takes up a new value, and reads a file again that the value names. RESTART: a SIGHUP
 * that would change it is refused as a whole. */
#define CONFIG_TABLE(X)                                                                            \
    X(LISTEN, ADDRESS, listen, "0.0.0.0:8080", 1, 255, NOT_EMPTY, RESTART, LISTENERS,              \
      "Address of the public listener: the app API, /healthz and /openapi.yaml")                   \
    X(MANAGEMENT_LISTEN, ADDRESS, management_listen, "0.0.0.0:9464", 1, 255, NOT_EMPTY, RESTART,   \
      LISTENERS, "Address of the management listener: probes, /metrics and /version")              \
    X(OPERATOR_LISTEN, ADDRESS, operator_listen, NULL, 1, 255, MAY_BE_EMPTY, RESTART, LISTENERS,   \
      "Address of the operator listener; plain HTTP, so bind it to loopback or an internal "       \
      "network; empty: off")                                                                       \
    X(OPERATOR_KEYS_FILE, FILE, operator_keys_file, NULL, 1, 4095, MAY_BE_EMPTY, LIVE, LISTENERS,  \
      "Operator keys, one `name:sha256-hex-of-key` a line; required with the operator listener")   \
    X(TRUSTED_PROXIES, TEXT, trusted_proxies, NULL, 1, 8192, MAY_BE_EMPTY, LIVE, LISTENERS,        \
      "Comma list of addresses and networks (CIDR) whose X-Forwarded-For is believed")             \
    X(WORKERS, NUMBER, workers, "0", 0, 256, NOT_EMPTY, RESTART, LISTENERS,                        \
      "Worker threads; 0: the CPUs that the process may use (affinity, cgroup quota)")             \
    X(REGION, REGION, region, NULL, 1, 16, MAY_BE_EMPTY, RESTART, UPSTREAM,                        \
      "Region of the identity API; sets the URLs and, but for sandbox, the issuer")                \
    X(UPSTREAM_URL, ORIGIN, upstream_url, NULL, 1, 2048, MAY_BE_EMPTY, RESTART, UPSTREAM,          \
      "Identity API: scheme, host and port, no path; default: by region")                          \
    X(TOKEN_URL, URL, token_url, NULL, 1, 2048, MAY_BE_EMPTY, RESTART, UPSTREAM,                   \
      "Token endpoint; default: {upstream}/oidc/token, with tls_client_auth "                      \
      "{upstream}/cis/oidc/token")                                                                 \
    X(JWKS_URL, URL, jwks_url, NULL, 1, 2048, MAY_BE_EMPTY, RESTART, UPSTREAM,                     \
      "Key set of issuers that name none; default: {upstream}/cis/oidc/jwks")                      \
    X(ISSUERS, ISSUERS, issuers, NULL, 1, 8192, MAY_BE_EMPTY, RESTART, UPSTREAM,                   \
      "Comma list of `issuer` or `issuer=jwks_url`: exact `iss` values, each with the key set "    \
      "that counts for it; default: by region")                                                    \
    X(UPSTREAM_CA_FILE, FILE, upstream_ca_file, NULL, 1, 4095, MAY_BE_EMPTY, LIVE, UPSTREAM,       \
      "PEM certificates to trust for the identity API; default: the system's "                     \
      "store")                                                                                     \
    X(UPSTREAM_HTTP2, BOOL, upstream_http2, "false", 0, 0, NOT_EMPTY, RESTART, UPSTREAM,           \
      "Offer HTTP/2 to the identity API. Where the far end closes a connection with calls on it "  \
      "(GOAWAY), those that must not run twice end as upstream_outcome_unknown")                   \
    X(ALLOW_INSECURE_UPSTREAM, BOOL, allow_insecure_upstream, "false", 0, 0, NOT_EMPTY, RESTART,   \
      UPSTREAM, "Allow http:// URLs upstream; for the emulator only")                              \
    X(CLIENT_ID, TEXT, client_id, NULL, 1, 255, NOT_EMPTY, LIVE, CREDENTIALS,                      \
      "Client id of the application; required")                                                    \
    X(CLIENT_SECRET, SECRET, client_secret, NULL, 1, 4096, NOT_EMPTY, LIVE, CREDENTIALS,           \
      "Client secret; required by client_secret_post and client_secret_basic")                     \
    X(CLIENT_SECRET_FILE, SECRET_FILE, client_secret, NULL, 1, 4095, NOT_EMPTY, LIVE, CREDENTIALS, \
      "File with the client secret, instead of BFF_CLIENT_SECRET; one trailing newline is "        \
      "stripped")                                                                                  \
    X(CLIENT_AUTH, CLIENT_AUTH, client_auth, "client_secret_post", 1, 32, NOT_EMPTY, LIVE,         \
      CREDENTIALS, "How the service proves itself to the token endpoint")                          \
    X(CLIENT_KEY_FILE, FILE, client_key_file, NULL, 1, 4095, MAY_BE_EMPTY, LIVE, CREDENTIALS,      \
      "PEM private key without a passphrase, for private_key_jwt and tls_client_auth: RSA of "     \
      "at least 2048 bits, or EC")                                                                 \
    X(CLIENT_KEY_ID, TEXT, client_key_id, NULL, 1, 255, MAY_BE_EMPTY, LIVE, CREDENTIALS,           \
      "`kid` of that key as registered with the vendor")                                           \
    X(CLIENT_CERT_FILE, FILE, client_cert_file, NULL, 1, 4095, MAY_BE_EMPTY, LIVE, CREDENTIALS,    \
      "PEM certificate of that key for tls_client_auth, those that lead to its root behind it; "   \
      "shown on every call to the identity API")                                                   \
    X(CLIENT_ASSERTION_ALG, ALG, client_assertion_alg, "RS256", 1, 16, NOT_EMPTY, LIVE,            \
      CREDENTIALS,                                                                                 \
      "Signature algorithm of the private_key_jwt assertion: RS256 or PS256 with an RSA key, "     \
      "ES256 with an EC key on P-256")                                                             \
    X(CLIENT_ASSERTION_AUDIENCE, TEXT, client_assertion_audience, NULL, 1, 2048, MAY_BE_EMPTY,     \
      LIVE, CREDENTIALS, "`aud` of that assertion; default: the token URL")                        \
    X(ADMIN_CLIENT_ID, TEXT, admin_client_id, NULL, 1, 255, MAY_BE_EMPTY, LIVE, CREDENTIALS,       \
      "Client id of a management application; used for operator calls")                            \
    X(ADMIN_CLIENT_SECRET, SECRET, admin_client_secret, NULL, 1, 4096, NOT_EMPTY, LIVE,            \
      CREDENTIALS, "Its secret; required with BFF_ADMIN_CLIENT_ID")                                \
    X(ADMIN_CLIENT_SECRET_FILE, SECRET_FILE, admin_client_secret, NULL, 1, 4095, NOT_EMPTY, LIVE,  \
      CREDENTIALS, "File with that secret, instead of BFF_ADMIN_CLIENT_SECRET")                    \
    X(TENANT_ID, TEXT, tenant_id, NULL, 1, 255, MAY_BE_EMPTY, LIVE, VERIFICATION,                  \
      "Expected `tid` of every token; none: not checked")                                          \
    X(JWT_TENANT_CLAIM, TENANT_CLAIM, tenant_claim_required, "required", 1, 16, NOT_EMPTY, LIVE,   \
      VERIFICATION, "Whether a token may lack `tid` when BFF_TENANT_ID is set")                    \
    X(ACCESS_TOKEN_AUDIENCES, LIST, access_token_audiences, "userid-api", 1, 4096, NOT_EMPTY,      \
      LIVE, VERIFICATION,                                                                          \
      "Comma list: the `aud` values of user access tokens, and the allowed "                       \
      "`resource` values of authenticate")                                                         \
    X(JWT_ALGORITHMS, ALGS, jwt_algorithms, "RS256", 1, 128, NOT_EMPTY, LIVE, VERIFICATION,        \
      "Comma list of accepted signature algorithms")                                               \
    X(JWT_LEEWAY_S, NUMBER, jwt_leeway_s, "60", 0, 300, NOT_EMPTY, LIVE, VERIFICATION,             \
      "Clock difference that is forgiven, seconds")                                                \
    X(JWT_MAX_LIFETIME_S, NUMBER, jwt_max_lifetime_s, "86400", 60, 2678400, NOT_EMPTY, LIVE,       \
      VERIFICATION, "Longest accepted `exp` - `iat`, seconds")                                     \
    X(JWT_MAX_BYTES, NUMBER, jwt_max_bytes, "8192", 512, 65536, NOT_EMPTY, LIVE, VERIFICATION,     \
      "Longest accepted token, bytes")                                                             \
    X(TOKEN_MEMORY_MAX, NUMBER, token_memory_max, "10000", 0, 1000000, NOT_EMPTY, RESTART,         \
      VERIFICATION,                                                                                \
      "Verified Bearer tokens that the process remembers, shared out to the workers, at "          \
      "least one each: a token that comes again is not verified anew until it expires or a key "   \
      "set changes; 0: off")                                                                       \
    X(SESSION_CLAIMS, LIST, session_claims, "email,email_verified,phone_number,name", 1, 4096,     \
      MAY_BE_EMPTY, LIVE, SESSIONS, "Comma list of ID-token claims that are shown in `user`")      \
    X(SEAL_KEYS_FILE, FILE, seal_keys_file, NULL, 1, 4095, MAY_BE_EMPTY, LIVE, SESSIONS,           \
      "Keys that seal challenge and session handles, one base64 32-byte key a line; the first "    \
      "seals, all open; none: one random key for this process")                                    \
    X(USED_CHALLENGES_MAX, NUMBER, used_challenges_max, "200000", 1, 10000000, NOT_EMPTY, RESTART, \
      SESSIONS, "Used challenges that are remembered until they expire")                           \
    X(REFRESH_REPLAY_S, NUMBER, refresh_replay_s, "10", 0, 60, NOT_EMPTY, LIVE, SESSIONS,          \
      "How long the answer to a refresh is repeated to the same refresh token, seconds")           \
    X(REQUEST_TIMEOUT_MS, NUMBER, request_timeout_ms, "10000", 100, 120000, NOT_EMPTY, LIVE,       \
      TIMEOUTS, "From the last byte of a request to the first of its answer, all retries inside")  \
    X(UPSTREAM_CONNECT_TIMEOUT_MS, NUMBER, upstream_connect_timeout_ms, "3000", 50, 60000,         \
      NOT_EMPTY, LIVE, TIMEOUTS,                                                                   \
      "To connect upstream, TCP and TLS together; and for a host name to be resolved before")      \
    X(DNS_REFRESH_S, NUMBER, dns_refresh_s, "30", 1, 150, NOT_EMPTY, RESTART, TIMEOUTS,            \
      "Between two look-ups of the identity API's host names, up to a tenth less")                 \
    X(DNS_STALE_MAX_S, NUMBER, dns_stale_max_s, "300", 2, 300, NOT_EMPTY, RESTART, TIMEOUTS,       \
      "For how long the addresses of the last good look-up are used while further ones fail; at "  \
      "least twice BFF_DNS_REFRESH_S")                                                             \
    X(HEADER_TIMEOUT_MS, NUMBER, header_timeout_ms, "5000", 100, 60000, NOT_EMPTY, LIVE, TIMEOUTS, \
      "For the header section of a request to arrive")                                             \
    X(BODY_TIMEOUT_MS, NUMBER, body_timeout_ms, "10000", 100, 120000, NOT_EMPTY, LIVE, TIMEOUTS,   \
      "For the body of a request to arrive")                                                       \
    X(IDLE_TIMEOUT_S, NUMBER, idle_timeout_s, "75", 1, 3600, NOT_EMPTY, LIVE, TIMEOUTS,            \
      "How long an idle connection is kept; longer than the load balancer's idle time")            \
    X(MAX_BODY_BYTES, NUMBER, max_body_bytes, "32768", 1024, 1048576, NOT_EMPTY, LIVE, LIMITS,     \
      "Largest request body")                                                                      \
    X(MAX_HEADER_BYTES, NUMBER, max_header_bytes, "16384", 1024, 65536, NOT_EMPTY, RESTART,        \
      LIMITS, "Largest header section of a request")                                               \
    X(MAX_URI_BYTES, NUMBER, max_uri_bytes, "2048", 256, 16384, NOT_EMPTY, LIVE, LIMITS,           \
      "Longest request target")                                                                    \
    X(MAX_CONNECTIONS, NUMBER, max_connections, "10000", 1, 1000000, NOT_EMPTY, RESTART, LIMITS,   \
      "Client connections of the process; lowered when the descriptor or memory limit demands it") \
    X(MAX_IN_FLIGHT, NUMBER, max_in_flight, "2000", 1, 100000, NOT_EMPTY, LIVE, LIMITS,            \
      "Requests under way in the process; further ones get 503 overloaded")                        \
    X(MEMORY_MAX_BYTES, NUMBER, memory_max_bytes, "0", 0, INT64_C(100000000000000), NOT_EMPTY,     \
      RESTART, LIMITS,                                                                             \
      "Memory of the process, bytes: connections, requests under way, connections upstream and "   \
      "tables are lowered together until all of them at once fit; 0: the limit of the cgroup")     \
    X(LIMIT_ENTRIES_MAX, NUMBER, limit_entries_max, "100000", 1, 10000000, NOT_EMPTY, RESTART,     \
      LIMITS,                                                                                      \
      "Users and addresses whose rates are remembered, and pairs of user and key whose refused "   \
      "signatures are: of each so many")                                                           \
    X(UPSTREAM_MAX_CONNECTIONS, NUMBER, upstream_max_connections, "256", 1, 10000, NOT_EMPTY,      \
      RESTART, LIMITS,                                                                             \
      "Connections of the process to the identity API, shared out to the workers, at "             \
      "least one each; over HTTP/1.1 a connection carries one call, over HTTP/2 up to 128; "       \
      "calls beyond wait within their request's time")                                             \
    X(UPSTREAM_MAX_PER_SECOND, NUMBER, upstream_max_per_second, "333", 0, 100000, NOT_EMPTY, LIVE, \
      LIMITS,                                                                                      \
      "Calls a second to the identity API; the vendor allows 20,000 a minute per "                 \
      "application, so give each replica its share; halved when the vendor answers 429, and "      \
      "raised again slowly; 0: no limit, and none is learned")                                     \
    X(UPSTREAM_BREAKER_FAILURES, NUMBER, upstream_breaker_failures, "20", 0, 100000, NOT_EMPTY,    \
      LIVE, LIMITS,                                                                                \
      "So many failed calls to the identity API within 10 seconds, if they are at least half of "  \
      "all, open the circuit breaker: then one call every 2 seconds is tried; 0: off")             \
    X(UPSTREAM_REPEATS_PERCENT, NUMBER, upstream_repeats_percent, "10", 0, 100, NOT_EMPTY, LIVE,   \
      LIMITS,                                                                                      \
      "Calls to the identity API that may be sent once more when the connection broke, in "        \
      "percent "                                                                                   \
      "of all; one in 10 seconds is free; what must not run twice is never repeated; 0: none")     \
    X(RATE_PER_ADDRESS, RATE, rate_per_address, "0", 1, 1000000, NOT_EMPTY, LIVE, LIMITS,          \
      "Requests of one client address; needs BFF_TRUSTED_PROXIES behind a proxy; 0: off")          \
    X(RATE_PER_USER, RATE, rate_per_user, "30/min", 1, 1000000, NOT_EMPTY, LIVE, LIMITS,           \
      "Requests of one user: anonymous operations count per user and client address, Bearer "      \
      "operations per `sub`; 0: off")                                                              \
    X(LOCKOUT_FAILURES, NUMBER, lockout_failures, "10", 0, 1000, NOT_EMPTY, LIVE, LIMITS,          \
      "Refused signatures per user and key within the window; then 429; 0: off")                   \
    X(LOCKOUT_WINDOW_S, NUMBER, lockout_window_s, "900", 1, 86400, NOT_EMPTY, LIVE, LIMITS,        \
      "That window, seconds")                                                                      \
    X(DRAIN_DELAY_S, NUMBER, drain_delay_s, "10", 0, 300, NOT_EMPTY, LIVE, SHUTDOWN,               \
      "After SIGTERM: how long requests are still taken while readiness is off")                   \
    X(DRAIN_TIMEOUT_S, NUMBER, drain_timeout_s, "30", 0, 600, NOT_EMPTY, LIVE, SHUTDOWN,           \
      "Then: how long requests under way may take to finish")                                      \
    X(LOG_LEVEL, LOG_LEVEL, log_level, "info", 1, 8, NOT_EMPTY, LIVE, LOGGING,                     \
      "Least severe level that is logged; the service's start, end and reloads, and what a "       \
      "signal asked for, are logged at every level")                                               \
    X(LOG_FORMAT, LOG_FORMAT, log_format, NULL, 1, 8, NOT_EMPTY, RESTART, LOGGING,                 \
      "Log lines on standard output; default: json, or text on a terminal")                        \
    X(CONFIG_WATCH, BOOL, config_watch, "true", 0, 0, NOT_EMPTY, LIVE, LIFE,                       \
      "Read the configuration again, as on SIGHUP, when its file or a file that a key names "      \
      "has changed and is written to no more")

/* X(group, title) in the order of the documentation */
#define CONFIG_GROUPS(X)                                                                           \
    X(LISTENERS, "Listeners and workers")                                                          \
    X(UPSTREAM, "The identity API")                                                                \
    X(CREDENTIALS, "Credentials")                                                                  \
    X(VERIFICATION, "Token verification")                                                          \
    X(SESSIONS, "Sessions and handles")                                                            \
    X(TIMEOUTS, "Timeouts")                                                                        \
    X(LIMITS, "Limits")                                                                            \
    X(SHUTDOWN, "Shutdown")                                                                        \
    X(LOGGING, "Logging")                                                                          \
    X(LIFE, "Reloading")

/* X(name, upstream URL, issuer or NULL): the vendor's environments. No issuer is documented for the
 * sandbox, and the issuer's host is not the API's, so none is guessed. */
#define REGION_TABLE(X)                                                                            \
    X("sandbox", "https://api.sbx.transmitsecurity.io", NULL)                                      \
    X("us", "https://api.transmitsecurity.io", "https://userid.security")                          \
    X("eu", "https://api.eu.transmitsecurity.io", "https://eu.userid.security")                    \
    X("ca", "https://api.ca.transmitsecurity.io", "https://ca.userid.security")                    \
    X("au", "https://api.au.transmitsecurity.io", "https://au.userid.security")
