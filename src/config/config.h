/* SPDX-License-Identifier: Apache-2.0
 * The effective configuration: read at start and again on SIGHUP; each reading is const and shared
 * by all threads. The option
 * table in config_table.h makes parsing, limits, --help, docs/config.md and print-config. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

enum client_auth {
    CLIENT_AUTH_SECRET_POST,
    CLIENT_AUTH_SECRET_BASIC,
    CLIENT_AUTH_PRIVATE_KEY_JWT,
    CLIENT_AUTH_TLS,
};

enum jws_alg {
    JWS_RS256,
    JWS_RS384,
    JWS_RS512,
    JWS_PS256,
    JWS_PS384,
    JWS_PS512,
    JWS_ES256,
    JWS_ES384,
    JWS_ES512,
    JWS_ALG_COUNT
};

struct str_list {
    char **items; /* owned, NUL-terminated strings */
    size_t count;
};

struct issuer {
    char *issuer; /* exact iss */
    char *jwks_url;
};

/* count per period; count 0: off */
struct rate {
    uint32_t count;
    uint32_t period_s;
};

/* All strings are owned by the struct and NUL-terminated; NULL means "not set". */
struct config {
    char *listen, *management_listen, *operator_listen;
    char *operator_keys_file;
    int64_t workers; /* effective: never 0 after config_load() */
    char *region;
    char *upstream_url; /* no trailing slash */
    char *token_url;
    char *jwks_url;
    struct issuer *issuers;
    size_t issuer_count;
    char *upstream_ca_file;
    bool upstream_http2;
    bool allow_insecure_upstream;
    char *client_id;
    char *client_secret; /* in memory for secrets (base/secret.h) */
    enum client_auth client_auth;
    char *client_key_file, *client_key_id, *client_cert_file;
    enum jws_alg client_assertion_alg; /* RS256, PS256 or ES256 */
    char *client_assertion_audience;   /* effective: the token URL when not set */
    char *admin_client_id;
    char *admin_client_secret; /* likewise */
    char *tenant_id;
    bool tenant_claim_required;
    struct str_list access_token_audiences;
    bool jwt_algorithms[JWS_ALG_COUNT];
    int64_t jwt_leeway_s, jwt_max_lifetime_s, jwt_max_bytes;
    int64_t token_memory_max;
    struct str_list session_claims;
    char *seal_keys_file;
    int64_t used_challenges_max;
    int64_t refresh_replay_s;
    char *trusted_proxies; /* validated text; net/address.h parses it */
    int64_t request_timeout_ms, upstream_connect_timeout_ms;
    int64_t dns_refresh_s, dns_stale_max_s;
    int64_t header_timeout_ms, body_timeout_ms, idle_timeout_s;
    int64_t max_body_bytes, max_header_bytes, max_uri_bytes;
    int64_t max_connections, max_in_flight;
    int64_t memory_max_bytes; /* 0: the cgroup's limit; what had to be lowered is lowered here */
    int64_t limit_entries_max;
    int64_t upstream_max_connections, upstream_max_per_second, upstream_breaker_failures;
    int64_t upstream_repeats_percent;
    struct rate rate_per_address, rate_per_user;
    int64_t lockout_failures, lockout_window_s;
    int64_t drain_delay_s, drain_timeout_s;
    enum log_level log_level;
    enum log_format log_format;
    bool log_format_given;
    bool config_watch;
};

enum config_source {
    SOURCE_DEFAULT,
    SOURCE_REGION,  /* from BFF_REGION */
    SOURCE_DERIVED, /* from other keys, or from the machine */
    SOURCE_FILE,
    SOURCE_ENVIRONMENT,
    SOURCE_FLAG,
};

struct config_loaded; /* the values, and the texts that they came from */

/* What the values are for: the rules that need more than one key differ. */
enum config_purpose {
    CONFIG_FOR_SERVICE,     /* all rules */
    CONFIG_FOR_DOCTOR,      /* all, but issuers may be unknown: doctor finds them out */
    CONFIG_FOR_VERIFY,      /* client id only: no call is made, keys come from a file */
    CONFIG_FOR_HEALTHCHECK, /* each value for itself */
};

struct config_inputs {
    enum config_purpose purpose;
    int argc;
    char **argv; /* flags only: no program name, no command */
    char **envp; /* NULL-terminated; NULL: none */
    /* NULL: the process starts. Else what it runs with (borrowed): secrets that came from the
     * environment, where they were overwritten since, and the number of CPUs are taken from there.
     */
    const struct config_loaded *before;
};

/* The file comes from --config or BFF_CONFIG. On failure every problem found is printed to errors,
 * a line each: key, value (unless secret), what would be right. Returns 0, 64 (usage: unknown flag,
 * missing value) or 78 (configuration). Notes and warnings (ignored Kubernetes variables, insecure
 * upstream, random sealing key) are printed as well, prefixed "note:"/"warning:". */
NODISCARD int config_load(const struct config_inputs *in, FILE *errors, struct config_loaded **ret);
void config_free(struct config_loaded *c); /* cleanses secrets; accepts NULL */
const struct config *config_of(const struct config_loaded *c);

/* Prints a problem that was found after loading, as config_load() does: key, value and where it
 * came from, and the text. */
void config_complain(const struct config_loaded *c, const char *key, FILE *errors,
                     const char *text);

/* Prints each key that differs between the two but is read at start alone; true: there is none. */
NODISCARD bool config_may_follow(const struct config_loaded *before,
                                 const struct config_loaded *after, FILE *errors);

/* The keys that differ between the two, in their text or in what the file holds that they name,
 * with a space in between. Files were read only for CONFIG_FOR_SERVICE, and after crypto_init(). */
void config_print_changes(const struct config_loaded *before, const struct config_loaded *after,
                          FILE *out);

/* Calls fn with the path of each file that the configuration was read from or names. */
void config_each_file(const struct config_loaded *c, void (*fn)(void *arg, const char *path),
                      void *arg);

/* Those of them that hold secrets: the configuration's file only if a secret is in it. */
void config_each_secret_file(const struct config_loaded *c, void (*fn)(void *arg, const char *path),
                             void *arg);

/* Where a key's value came from; SOURCE_DEFAULT when it is not set. */
enum config_source config_source_of(const struct config_loaded *c, struct str key);

/* KEY=value (source) a line; of a secret its length and fingerprint. */
void config_print(const struct config_loaded *c, FILE *out);
/* The same as a JSON object by key. False: out of memory. */
NODISCARD bool config_print_json(const struct config_loaded *c, FILE *out);
/* The first hex digits of the SHA-256 of a secret: which of two is in use, not what it is. Needs
 * crypto_init(); "" on failure. */
enum { FINGERPRINT_BYTES = 9 };
void config_fingerprint(struct str secret, char out[FINGERPRINT_BYTES]);
/* The flags of --help: one option a line or two. */
void config_print_help(FILE *out);
/* docs/config.md */
void config_print_docs(FILE *out);
/* docs/config.schema.json. False: out of memory. */
NODISCARD bool config_print_schema(FILE *out);

/* Is key the name of a secret (BFF_CLIENT_SECRET, ...)? */
bool config_key_is_secret(struct str key);

const char *jws_alg_name(enum jws_alg alg);
NODISCARD bool jws_alg_parse(struct str text, enum jws_alg *ret);
const char *client_auth_name(enum client_auth method);
