/* SPDX-License-Identifier: Apache-2.0
 * The rules over several keys, and the warnings. Presence is judged by the text, so a value that
 * was refused before does not raise a second complaint. */
#include "config/config_loaded.h"
#include "config/memory_fit.h"
#include "config/url.h"

static void warn(struct problems *p, const char *text)
{
    (void)fprintf(p->out, "warning: %s\n", text);
}

static bool is_plain_http(const char *url)
{
    return url && strncmp(url, "http://", 7) == 0;
}

static bool is_assertion_alg(enum jws_alg alg)
{
    return alg == JWS_RS256 || alg == JWS_PS256 || alg == JWS_ES256;
}

static bool uses_secret(const struct config *c)
{
    return c->client_auth == CLIENT_AUTH_SECRET_POST || c->client_auth == CLIENT_AUTH_SECRET_BASIC;
}

static void check_tls_client_auth(struct config_loaded *c, struct problems *p)
{
    if (!config_has(c, OPT_CLIENT_KEY_FILE))
        config_demand(p, OPT_CLIENT_KEY_FILE,
                      "tls_client_auth needs the PEM file of the certificate's private key");
    if (!config_has(c, OPT_CLIENT_CERT_FILE))
        config_demand(p, OPT_CLIENT_CERT_FILE,
                      "tls_client_auth needs the PEM file of the certificate");
    if (is_plain_http(c->config.token_url) || is_plain_http(c->config.upstream_url))
        config_refuse(c, p, OPT_CLIENT_AUTH,
                      "over http:// no certificate is ever shown: give https:// URLs");
}

static void check_private_key_jwt(struct config_loaded *c, struct problems *p)
{
    if (!config_has(c, OPT_CLIENT_KEY_FILE))
        config_demand(p, OPT_CLIENT_KEY_FILE,
                      "private_key_jwt needs the PEM file of the private key");
    if (!config_has(c, OPT_CLIENT_KEY_ID))
        config_demand(p, OPT_CLIENT_KEY_ID, "private_key_jwt needs the kid of the key");
}

static void check_client(struct config_loaded *c, struct problems *p)
{
    const bool has_secret =
        config_has(c, OPT_CLIENT_SECRET) || config_has(c, OPT_CLIENT_SECRET_FILE);

    if (uses_secret(&c->config) && !c->bad[OPT_CLIENT_AUTH] && !has_secret &&
        !c->bad[OPT_CLIENT_SECRET] && !c->bad[OPT_CLIENT_SECRET_FILE])
        config_demand(p, OPT_CLIENT_SECRET, "%s needs it; give it or BFF_CLIENT_SECRET_FILE",
                      client_auth_name(c->config.client_auth));
    if (c->config.client_auth == CLIENT_AUTH_PRIVATE_KEY_JWT)
        check_private_key_jwt(c, p);
    if (c->config.client_auth == CLIENT_AUTH_TLS)
        check_tls_client_auth(c, p);
    else if (config_has(c, OPT_CLIENT_CERT_FILE) && !c->bad[OPT_CLIENT_AUTH])
        config_refuse(c, p, OPT_CLIENT_CERT_FILE,
                      "it would never be shown: it is for BFF_CLIENT_AUTH=tls_client_auth");
    if (!is_assertion_alg(c->config.client_assertion_alg))
        config_refuse(c, p, OPT_CLIENT_ASSERTION_ALG,
                      "assertions are signed with RS256, PS256 (RSA keys) or ES256 (P-256 keys)");
}

static void check_admin(struct config_loaded *c, struct problems *p)
{
    const bool has_id = config_has(c, OPT_ADMIN_CLIENT_ID);
    const bool has_secret =
        config_has(c, OPT_ADMIN_CLIENT_SECRET) || config_has(c, OPT_ADMIN_CLIENT_SECRET_FILE);

    if (has_id && !has_secret && !c->bad[OPT_ADMIN_CLIENT_SECRET] &&
        !c->bad[OPT_ADMIN_CLIENT_SECRET_FILE])
        config_demand(p, OPT_ADMIN_CLIENT_SECRET,
                      "BFF_ADMIN_CLIENT_ID needs it; give it or BFF_ADMIN_CLIENT_SECRET_FILE");
    if (has_secret && !has_id)
        config_demand(p, OPT_ADMIN_CLIENT_ID, "BFF_ADMIN_CLIENT_SECRET belongs to it");
}

/* A derived URL is as insecure as the one that it came from; one complaint is enough. */
static void check_secure(struct config_loaded *c, struct problems *p, enum option_id id,
                         const char *url)
{
    if (is_plain_http(url) && !c->config.allow_insecure_upstream &&
        c->raws[id].source != SOURCE_DERIVED)
        config_refuse(c, p, id,
                      "give an https:// URL (or, for the emulator alone, "
                      "BFF_ALLOW_INSECURE_UPSTREAM=true)");
}

static void check_dns(struct config_loaded *c, struct problems *p)
{
    if (c->config.dns_stale_max_s < 2 * c->config.dns_refresh_s && !c->bad[OPT_DNS_REFRESH_S] &&
        !c->bad[OPT_DNS_STALE_MAX_S])
        config_refuse(c, p, OPT_DNS_STALE_MAX_S,
                      "give at least twice BFF_DNS_REFRESH_S: one failed look-up is none too many");
}

static void check_issuer_urls(struct config_loaded *c, struct problems *p)
{
    const struct config *config = &c->config;

    for (size_t i = 0; i < config->issuer_count && !c->bad[OPT_ISSUERS]; i++) {
        const char *url = config->issuers[i].jwks_url;
        const bool is_own = url && !(config->jwks_url && strcmp(url, config->jwks_url) == 0);
        if (is_own)
            check_secure(c, p, OPT_ISSUERS, url);
    }
}

static void check_upstream(struct config_loaded *c, struct problems *p)
{
    const struct config *config = &c->config;

    if (!config_has(c, OPT_UPSTREAM_URL) && !config_has(c, OPT_REGION))
        config_demand(p, OPT_UPSTREAM_URL,
                      "give it, or BFF_REGION (sandbox, us, eu, ca or au) that implies it");
    check_secure(c, p, OPT_UPSTREAM_URL, config->upstream_url);
    check_secure(c, p, OPT_TOKEN_URL, config->token_url);
    check_secure(c, p, OPT_JWKS_URL, config->jwks_url);
    check_issuer_urls(c, p);
    check_dns(c, p);
    if (config->allow_insecure_upstream)
        warn(p, "BFF_ALLOW_INSECURE_UPSTREAM=true: http:// URLs are accepted upstream, credentials "
                "and tokens may travel unencrypted: never in production");
}

static void check_issuers(struct config_loaded *c, struct problems *p)
{
    if (config_has(c, OPT_ISSUERS))
        return;
    if (!config_has(c, OPT_REGION))
        config_demand(p, OPT_ISSUERS,
                      "give the exact iss of the tokens, or BFF_REGION that implies it; the doctor "
                      "command prints it");
    else if (!c->bad[OPT_REGION])
        config_demand(p, OPT_ISSUERS,
                      "no issuer is documented for region %s: give the exact iss of the tokens; "
                      "the doctor command prints it",
                      c->config.region);
}

static void fit_memory(struct config_loaded *c, const struct config_loaded *before,
                       struct problems *p)
{
    const int64_t given_bytes = c->config.memory_max_bytes;
    const int64_t limit_bytes = given_bytes > 0 ? given_bytes : memory_limit_of("");
    char text[MEMORY_TEXT_BYTES], line[2 * MEMORY_TEXT_BYTES];

    switch (memory_fit(&c->config, before ? &before->config : NULL, limit_bytes, text)) {
    case MEMORY_FITS:
        return;
    case MEMORY_LOWERED:
        (void)snprintf(line, sizeof(line), "for the memory limit of %lld bytes these are lowered%s",
                       (long long)limit_bytes, text);
        line[strcspn(line, ",")] = ':';
        warn(p, line);
        return;
    case MEMORY_TOO_SMALL:
        if (given_bytes > 0)
            config_refuse(c, p, OPT_MEMORY_MAX_BYTES, "%s", text);
        else
            config_demand(p, OPT_MEMORY_MAX_BYTES, "the limit of the cgroup is its value: %s",
                          text);
    }
}

static void check_service(struct config_loaded *c, struct problems *p)
{
    if (config_has(c, OPT_OPERATOR_LISTEN) && !config_has(c, OPT_OPERATOR_KEYS_FILE))
        config_demand(p, OPT_OPERATOR_KEYS_FILE, "BFF_OPERATOR_LISTEN needs it");
    if (!config_has(c, OPT_SEAL_KEYS_FILE))
        warn(p, "BFF_SEAL_KEYS_FILE is not set: handles are sealed with a random key, so they end "
                "with this process and no other replica can open them");
    if (c->config.rate_per_address.count > 0 && !config_has(c, OPT_TRUSTED_PROXIES))
        warn(p, "BFF_RATE_PER_ADDRESS counts direct peers, for BFF_TRUSTED_PROXIES is not set: "
                "behind a load balancer all clients share one count");
}

void config_check(struct config_loaded *c, enum config_purpose purpose,
                  const struct config_loaded *before, struct problems *p)
{
    if (purpose == CONFIG_FOR_HEALTHCHECK)
        return;
    if (!config_has(c, OPT_CLIENT_ID) && !c->bad[OPT_CLIENT_ID])
        config_demand(p, OPT_CLIENT_ID, "give the client id of the application");
    if (purpose != CONFIG_FOR_DOCTOR)
        check_issuers(c, p);
    if (purpose == CONFIG_FOR_VERIFY)
        return;

    check_client(c, p);
    check_admin(c, p);
    check_upstream(c, p);
    if (purpose == CONFIG_FOR_SERVICE)
        check_service(c, p);
    /* Of numbers that are good, each for itself. */
    if (purpose == CONFIG_FOR_SERVICE && p->values == 0)
        fit_memory(c, before, p);
}
