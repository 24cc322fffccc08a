/* SPDX-License-Identifier: Apache-2.0
 * The rules of `audit`; see audit_rules.h. A rule looks at what would run, wherever its value came
 * from, and never shows a secret. */
#include "commands/audit_rules.h"

#include <sys/stat.h>

#include "base/crypto_pem.h"
#include "config/config_text.h"
#include "net/address_policy.h"

enum {
    SECRET_BYTES_LEAST = 32,
    RSA_BITS_LEAST = 3072,
    PEM_BYTES_MAX = 64 * 1024,
    PROXY_BITS_LEAST_V4 = 96 + 8, /* of 128 */
    PROXY_BITS_LEAST_V6 = 32,
    VENDOR_PER_SECOND = 333, /* 20,000 a minute */
    DRAIN_DELAY_LEAST_S = 5,
    IDLE_LEAST_S = 61, /* the usual idle time of a load balancer is 60 s */
    LEEWAY_MOST_S = 120,
    LIFETIME_MOST_S = 24 * 60 * 60,
};

/* ---- the way to the vendor */

static bool is_http(const char *url)
{
    return url && strncmp(url, "http:", strlen("http:")) == 0;
}

static bool insecure_upstream(const struct audited *a, struct buf *detail)
{
    bool plain = is_http(a->config->upstream_url) || is_http(a->config->token_url) ||
                 is_http(a->config->jwks_url);

    for (size_t i = 0; i < a->config->issuer_count; i++)
        plain = plain || is_http(a->config->issuers[i].jwks_url);
    return plain;
}

static bool insecure_allowed(const struct audited *a, struct buf *detail)
{
    return a->config->allow_insecure_upstream && !insecure_upstream(a, detail);
}

static bool ca_unpinned(const struct audited *a, struct buf *detail)
{
    return !a->config->upstream_ca_file && !is_http(a->config->upstream_url);
}

static bool governor_whole(const struct audited *a, struct buf *detail)
{
    const int64_t most = a->config->upstream_max_per_second;

    buf_printf(detail, "%lld", (long long)most);
    return most == 0 || most >= VENDOR_PER_SECOND;
}

static bool breaker_off(const struct audited *a, struct buf *detail)
{
    return a->config->upstream_breaker_failures == 0;
}

/* ---- listeners */

/* NULL: neither public nor all addresses. */
static const char *exposure(const struct listen_address *at)
{
    const struct ip ip = ip_of_sockaddr((const struct sockaddr *)&at->sa);
    const char *what = address_refusal(&ip, true);

    if (!what)
        return "a public address";
    return strcmp(what, "unspecified") == 0 ? "all addresses" : NULL;
}

static bool operator_open(const struct audited *a, struct buf *detail)
{
    const char *what = a->config->operator_listen ? exposure(&a->resources->operator_at) : NULL;

    buf_append_z(detail, what ? what : "");
    return what != NULL;
}

static bool management_open(const struct audited *a, struct buf *detail)
{
    const char *what = exposure(&a->resources->management_at);

    buf_append_z(detail, what ? what : "");
    return what != NULL;
}

static bool proxies_none(const struct audited *a, struct buf *detail)
{
    return a->resources->trusted_proxies.count == 0 && a->config->rate_per_address.count == 0;
}

static bool rate_of_proxies(const struct audited *a, struct buf *detail)
{
    return a->resources->trusted_proxies.count == 0 && a->config->rate_per_address.count > 0;
}

static bool proxies_wide(const struct audited *a, struct buf *detail)
{
    static const uint8_t V4[12] = {[10] = 0xff, [11] = 0xff};
    const struct cidr_list *list = &a->resources->trusted_proxies;

    for (size_t i = 0; i < list->count; i++) {
        const struct cidr *row = &list->rows[i];
        const bool v4 = row->bits >= 96 && memcmp(row->bytes, V4, sizeof(V4)) == 0;
        if (row->bits < (v4 ? PROXY_BITS_LEAST_V4 : PROXY_BITS_LEAST_V6))
            return true;
    }
    return false;
}

/* ---- secrets */

static bool sealing_key_random(const struct audited *a, struct buf *detail)
{
    return a->resources->seal_is_random;
}

static bool secret_in_environment(const struct audited *a, struct buf *detail)
{
    return config_source_of(a->loaded, STR("BFF_CLIENT_SECRET")) == SOURCE_ENVIRONMENT ||
           config_source_of(a->loaded, STR("BFF_ADMIN_CLIENT_SECRET")) == SOURCE_ENVIRONMENT;
}

static bool uses_secret(const struct config *c)
{
    return c->client_auth == CLIENT_AUTH_SECRET_POST || c->client_auth == CLIENT_AUTH_SECRET_BASIC;
}

static bool is_short(const char *secret)
{
    return secret && strlen(secret) < SECRET_BYTES_LEAST;
}

static bool client_secret_short(const struct audited *a, struct buf *detail)
{
    return (uses_secret(a->config) && is_short(a->config->client_secret)) ||
           is_short(a->config->admin_client_secret);
}

static bool client_auth_shared(const struct audited *a, struct buf *detail)
{
    buf_append_z(detail, client_auth_name(a->config->client_auth));
    return uses_secret(a->config);
}

static bool admin_shares_secret(const struct audited *a, struct buf *detail)
{
    const char *one = a->config->client_secret, *other = a->config->admin_client_secret;

    return one && other && strcmp(one, other) == 0;
}

static bool client_key_weak(const struct audited *a, struct buf *detail)
{
    struct option_problem ignored;

    if (uses_secret(a->config))
        return false;
    char *pem = config_read_file(a->config->client_key_file, PEM_BYTES_MAX, &ignored);
    const int bits = pem ? crypto_pem_rsa_private_key_bits(str_of(pem)) : 0;
    config_free_text(pem);
    buf_printf(detail, "%d bits", bits);
    return bits > 0 && bits < RSA_BITS_LEAST;
}

struct file_search {
    mode_t forbidden;
    struct buf *detail;
    bool found;
};

static void look_at_file(void *arg, const char *path)
{
    struct file_search *s = arg;
    struct stat st;

    if (stat(path, &st) != 0 || (st.st_mode & s->forbidden) == 0)
        return;
    buf_printf(s->detail, "%s%s", s->found ? " " : "", path);
    s->found = true;
}

static bool secret_file_readable(const struct audited *a, struct buf *detail)
{
    struct file_search s = {.forbidden = S_IROTH, .detail = detail};

    config_each_secret_file(a->loaded, look_at_file, &s);
    return s.found;
}

static bool file_writable(const struct audited *a, struct buf *detail)
{
    struct file_search s = {.forbidden = S_IWOTH | S_IWGRP, .detail = detail};

    config_each_file(a->loaded, look_at_file, &s);
    return s.found;
}

static bool watch_off(const struct audited *a, struct buf *detail)
{
    return !a->config->config_watch;
}

/* ---- verification */

static bool tenant_unset(const struct audited *a, struct buf *detail)
{
    return !a->config->tenant_id;
}

static bool tenant_optional(const struct audited *a, struct buf *detail)
{
    return a->config->tenant_id && !a->config->tenant_claim_required;
}

static bool audience_default(const struct audited *a, struct buf *detail)
{
    return config_source_of(a->loaded, STR("BFF_ACCESS_TOKEN_AUDIENCES")) == SOURCE_DEFAULT;
}

static bool issuer_insecure(const struct audited *a, struct buf *detail)
{
    for (size_t i = 0; i < a->config->issuer_count; i++) {
        if (is_http(a->config->issuers[i].issuer))
            return true;
    }
    return false;
}

static bool leeway_large(const struct audited *a, struct buf *detail)
{
    buf_printf(detail, "%lld s", (long long)a->config->jwt_leeway_s);
    return a->config->jwt_leeway_s > LEEWAY_MOST_S;
}

static bool lifetime_long(const struct audited *a, struct buf *detail)
{
    buf_printf(detail, "%lld s", (long long)a->config->jwt_max_lifetime_s);
    return a->config->jwt_max_lifetime_s > LIFETIME_MOST_S;
}

/* ---- limits, shutdown, log */

static bool rate_off(const struct audited *a, struct buf *detail)
{
    return a->config->rate_per_user.count == 0;
}

static bool lockout_off(const struct audited *a, struct buf *detail)
{
    return a->config->lockout_failures == 0;
}

static bool drain_short(const struct audited *a, struct buf *detail)
{
    buf_printf(detail, "%lld s", (long long)a->config->drain_delay_s);
    return a->config->drain_delay_s < DRAIN_DELAY_LEAST_S;
}

static bool drain_cut(const struct audited *a, struct buf *detail)
{
    return a->config->drain_timeout_s * 1000 < a->config->request_timeout_ms;
}

static bool keep_alive_short(const struct audited *a, struct buf *detail)
{
    buf_printf(detail, "%lld s", (long long)a->config->idle_timeout_s);
    return a->config->idle_timeout_s < IDLE_LEAST_S;
}

static bool log_debug(const struct audited *a, struct buf *detail)
{
    return a->config->log_level == LOG_DEBUG;
}

static bool log_quiet(const struct audited *a, struct buf *detail)
{
    buf_append_z(detail, log_level_name(a->config->log_level));
    return a->config->log_level > LOG_INFO;
}

static const struct audit_rule RULES[] = {
    {"insecure-upstream", SEVERITY_CRITICAL, "BFF_UPSTREAM_URL", insecure_upstream,
     "Credentials, tokens and keys travel unencrypted: a URL of the identity API is http://",
     "Give https:// URLs; http:// is for the emulator"},
    {"sealing-key-random", SEVERITY_HIGH, "BFF_SEAL_KEYS_FILE", sealing_key_random,
     "Handles are sealed with a random key: they end with the process, and no other replica opens "
     "them",
     "Give all replicas the same file of keys"},
    {"tenant-unset", SEVERITY_HIGH, "BFF_TENANT_ID", tenant_unset,
     "Tokens of every tenant of the issuer are good here", "Set the id of your tenant"},
    {"operator-listener-open", SEVERITY_HIGH, "BFF_OPERATOR_LISTEN", operator_open,
     "The operator listener, plain HTTP with keys in its requests, can be reached from outside",
     "Bind it to loopback or to an address of an internal network"},
    {"proxies-too-wide", SEVERITY_HIGH, "BFF_TRUSTED_PROXIES", proxies_wide,
     "Nearly everybody may say in X-Forwarded-For who he is: limits by address are void",
     "Name the networks of your proxies and no more"},
    {"file-writable", SEVERITY_HIGH, NULL, file_writable,
     "A file of the configuration can be written by others than its owner",
     "chmod go-w; mount it read-only"},
    {"lockout-off", SEVERITY_HIGH, "BFF_LOCKOUT_FAILURES", lockout_off,
     "Signatures can be guessed without end", "Leave it at its default"},
    {"admin-shares-secret", SEVERITY_HIGH, "BFF_ADMIN_CLIENT_SECRET", admin_shares_secret,
     "The management application has the same secret as the app's client",
     "Give it a secret of its own"},
    {"issuer-insecure", SEVERITY_HIGH, "BFF_ISSUERS", issuer_insecure,
     "An issuer is http://: no issuer of tokens for production is", "Give the vendor's issuer"},
    {"secret-file-readable", SEVERITY_MEDIUM, NULL, secret_file_readable,
     "A file with a secret can be read by every user of the machine",
     "chmod o-r; in Kubernetes defaultMode: 0440"},
    {"secret-in-environment", SEVERITY_MEDIUM, "BFF_CLIENT_SECRET_FILE", secret_in_environment,
     "A secret comes from the environment: it shows where the container is inspected, and cannot "
     "be rotated without a restart",
     "Put it into a file, named by the key with _FILE"},
    {"client-secret-short", SEVERITY_MEDIUM, "BFF_CLIENT_SECRET_FILE", client_secret_short,
     "A client secret has fewer than 32 characters", "Have the vendor make a new one"},
    {"tenant-optional", SEVERITY_MEDIUM, "BFF_JWT_TENANT_CLAIM", tenant_optional,
     "A token without a tenant is good for yours", "Set it to required"},
    {"governor-whole", SEVERITY_MEDIUM, "BFF_UPSTREAM_MAX_PER_SECOND", governor_whole,
     "This process alone may use up the vendor's limit of 20,000 calls a minute: replicas together "
     "are refused",
     "Give each replica its share: 333 divided by their greatest number"},
    {"breaker-off", SEVERITY_MEDIUM, "BFF_UPSTREAM_BREAKER_FAILURES", breaker_off,
     "While the vendor fails, every request waits for its deadline", "Leave it at its default"},
    {"rate-off", SEVERITY_MEDIUM, "BFF_RATE_PER_USER", rate_off,
     "One user, or who pretends to be him, may ask as often as he likes",
     "Leave it at its default"},
    {"rate-of-proxies", SEVERITY_MEDIUM, "BFF_TRUSTED_PROXIES", rate_of_proxies,
     "Requests are limited by address, and no proxy is trusted to tell it: behind a load balancer "
     "all clients share one limit",
     "Name the networks of your proxies, or set BFF_RATE_PER_ADDRESS=0"},
    {"drain-short", SEVERITY_MEDIUM, "BFF_DRAIN_DELAY_S", drain_short,
     "The door is shut before a load balancer has noticed that the process ends: requests are lost",
     "Longer than the load balancer takes: interval of its checks times their number"},
    {"keep-alive-short", SEVERITY_MEDIUM, "BFF_IDLE_TIMEOUT_S", keep_alive_short,
     "Idle connections end before the load balancer's (usually 60 s) do: now and then it sends a "
     "request into one that closes, and answers 502",
     "More than the load balancer's idle time"},
    {"log-debug", SEVERITY_MEDIUM, "BFF_LOG_LEVEL", log_debug,
     "Level debug is for an hour of looking for something", "info"},
    {"log-quiet", SEVERITY_MEDIUM, "BFF_LOG_LEVEL", log_quiet,
     "Ceremonies leave no audit event, refused ones neither, but for failures of ours or the "
     "vendor's",
     "info; warn is for the time in which the "
     "collector does not keep up"},
    {"insecure-allowed", SEVERITY_MEDIUM, "BFF_ALLOW_INSECURE_UPSTREAM", insecure_allowed,
     "http:// upstream is allowed, though no URL needs it", "Do not set it"},
    {"management-listener-open", SEVERITY_LOW, "BFF_MANAGEMENT_LISTEN", management_open,
     "Metrics and probes can be read from everywhere that reaches the machine",
     "Bind it to an internal address, or let a NetworkPolicy admit the kubelet and Prometheus"},
    {"ca-unpinned", SEVERITY_LOW, "BFF_UPSTREAM_CA_FILE", ca_unpinned,
     "Any authority of the system's store may vouch for the vendor",
     "Name a file with the authorities that the vendor uses"},
    {"client-auth-shared", SEVERITY_LOW, "BFF_CLIENT_AUTH", client_auth_shared,
     "The service proves itself with a secret that it sends", "private_key_jwt or tls_client_auth"},
    {"client-key-weak", SEVERITY_LOW, "BFF_CLIENT_KEY_FILE", client_key_weak,
     "The client key is RSA of less than 3072 bits", "Make a new one"},
    {"audience-default", SEVERITY_LOW, "BFF_ACCESS_TOKEN_AUDIENCES", audience_default,
     "Access tokens are good by the vendor's general audience",
     "Set the audience of your own resource; or say explicitly that it is the general one"},
    {"leeway-large", SEVERITY_LOW, "BFF_JWT_LEEWAY_S", leeway_large,
     "Tokens are good for more than two minutes after their end", "60, and clocks that are right"},
    {"lifetime-long", SEVERITY_LOW, "BFF_JWT_MAX_LIFETIME_S", lifetime_long,
     "Tokens of more than a day are accepted", "Leave it at its default"},
    {"proxies-none", SEVERITY_LOW, "BFF_TRUSTED_PROXIES", proxies_none,
     "Behind a proxy all clients have its address in logs and limits",
     "Name the networks of your proxies"},
    {"drain-cut", SEVERITY_LOW, "BFF_DRAIN_TIMEOUT_S", drain_cut,
     "A request may last longer than the end of the process waits for it",
     "At least BFF_REQUEST_TIMEOUT_MS"},
    {"watch-off", SEVERITY_LOW, "BFF_CONFIG_WATCH", watch_off,
     "A secret that is rotated is not taken up until somebody sends SIGHUP", "true"},
};

const struct audit_rule *audit_rule_at(size_t i)
{
    return i < ARRAY_LEN(RULES) ? &RULES[i] : NULL;
}

static const char *const SEVERITY_NAMES[] = {
#define X(id, name) [id] = (name),
    AUDIT_SEVERITIES(X)
#undef X
};

const char *audit_severity_name(enum audit_severity severity)
{
    return SEVERITY_NAMES[severity];
}

bool audit_severity_parse(struct str name, enum audit_severity *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(SEVERITY_NAMES); i++) {
        if (str_is(name, SEVERITY_NAMES[i])) {
            *ret = (enum audit_severity)i;
            return true;
        }
    }
    return false;
}

void audit_print_docs(FILE *out)
{
    (void)fputs(
        "# Audit\n\n"
        "<!-- Made by `biometrics-bff docs audit` from src/commands/audit_rules.c. -->\n\n"
        "`biometrics-bff audit` reads the configuration as `serve` would and says what is valid\n"
        "but not fit for production, a line a finding, the worst first. It ends with 1 when a\n"
        "finding is at least as severe as `--fail-on` says (default `high`; `never`: always 0),\n"
        "with 78 when the configuration is not valid. `--ignore RULE,RULE` leaves out what you\n"
        "have decided to live with; `--json` prints one JSON document.\n\n"
        "| rule | severity | found when | what to do | key |\n|---|---|---|---|---|\n",
        out);
    for (size_t i = 0; i < ARRAY_LEN(RULES); i++) {
        const struct audit_rule *r = &RULES[i];
        (void)fprintf(out, "| `%s` | %s | %s | %s | %s%s%s |\n", r->id, SEVERITY_NAMES[r->severity],
                      r->what, r->remedy, r->key ? "`" : "", r->key ? r->key : "any file",
                      r->key ? "`" : "");
    }
}
