/* SPDX-License-Identifier: Apache-2.0
 * Reads what the configuration points at; see resources.h. */
#include "resources.h"

#include <unistd.h>

#include "base/clock.h"
#include "config/config_text.h"
#include "config/url.h"
#include "identity/client_assertion.h"
#include "net/http_client.h"

enum { PEM_BYTES_MAX = 1024 * 1024, CLIENT_FILE_BYTES_MAX = 64 * 1024 };

struct loading {
    const struct config_loaded *loaded;
    const struct config *config;
    const struct resources *before; /* NULL: none */
    FILE *errors;
    struct resources *r;
    bool good;
};

static void complain(struct loading *l, const char *key, const char *text)
{
    config_complain(l->loaded, key, l->errors, text);
    l->good = false;
}

static void load_address(struct loading *l, const char *key, const char *text,
                         struct listen_address *ret)
{
    struct err_text problem = {0};

    if (text && listen_address_parse(str_of(text), ret, &problem) != ERR_OK)
        complain(l, key, problem.text);
}

static void load_proxies(struct loading *l)
{
    struct err_text problem = {0};

    if (l->config->trusted_proxies && cidr_list_parse(str_of(l->config->trusted_proxies),
                                                      &l->r->trusted_proxies, &problem) != ERR_OK)
        complain(l, "BFF_TRUSTED_PROXIES", problem.text);
}

static void load_seal_keys(struct loading *l)
{
    const struct resources *before = l->before;
    struct err_text problem = {0};

    l->r->seal_is_random = !l->config->seal_keys_file;
    if (l->r->seal_is_random && before && before->seal_is_random) {
        /* A new random key would end every handle that is out there. */
        l->r->seal = seal_ring_copy(before->seal);
        if (!l->r->seal)
            complain(l, "BFF_SEAL_KEYS_FILE", "out of memory");
        return;
    }
    if (seal_ring_load(l->config->seal_keys_file, &l->r->seal, &problem) != ERR_OK)
        complain(l, "BFF_SEAL_KEYS_FILE", problem.text);
}

static void load_operator_keys(struct loading *l)
{
    struct err_text problem = {0};

    if (l->config->operator_keys_file &&
        operator_keys_load(l->config->operator_keys_file, &l->r->operator_keys, &problem) != ERR_OK)
        complain(l, "BFF_OPERATOR_KEYS_FILE", problem.text);
}

/* NULL: complained. Free with config_free_text(). */
static char *read_file(struct loading *l, const char *key, const char *path, size_t max_bytes)
{
    struct option_problem problem;
    char text[OPTION_PROBLEM_BYTES + 16];
    char *content = config_read_file(path, max_bytes, &problem);

    if (!content) {
        (void)snprintf(text, sizeof(text), "the file %s", problem.text);
        complain(l, key, text);
    }
    return content;
}

static void judge_alg(struct loading *l)
{
    const enum jws_alg alg = l->config->client_assertion_alg;
    const char *wanted =
        alg == JWS_ES256 ? "the key in BFF_CLIENT_KEY_FILE is not one on P-256, as ES256 needs"
                         : "the key in BFF_CLIENT_KEY_FILE is an EC key: with one on P-256 give "
                           "ES256; RS256 and PS256 need an RSA key";

    if (l->config->client_auth == CLIENT_AUTH_PRIVATE_KEY_JWT &&
        !client_assertion_fits(alg, l->r->identity))
        complain(l, "BFF_CLIENT_ASSERTION_ALG", wanted);
}

/* The identity of before, if it was made of the same texts: connections that show it may be used
 * on. */
static void take_identity(struct loading *l, struct str key, struct str certificate)
{
    static const char *const KEYS[] = {
        [CLIENT_KEY] = "BFF_CLIENT_KEY_FILE", [CLIENT_CERTIFICATE] = "BFF_CLIENT_CERT_FILE"};
    const struct resources *before = l->before;
    struct client_identity_problem problem = {0};

    if (before && before->identity && client_identity_is_of(before->identity, key, certificate))
        l->r->identity = client_identity_share(before->identity);
    else if (client_identity_parse(key, certificate, clock_wall_s(), &l->r->identity, &problem) !=
             ERR_OK)
        complain(l, KEYS[problem.part], problem.text.text[0] ? problem.text.text : "out of memory");
    if (l->r->identity)
        judge_alg(l);
}

static void load_identity(struct loading *l)
{
    const struct config *config = l->config;
    const bool with_certificate = config->client_auth == CLIENT_AUTH_TLS;
    char *certificate = NULL;

    if (config->client_auth != CLIENT_AUTH_PRIVATE_KEY_JWT && !with_certificate)
        return;
    char *key = read_file(l, "BFF_CLIENT_KEY_FILE", config->client_key_file, CLIENT_FILE_BYTES_MAX);
    if (with_certificate)
        certificate =
            read_file(l, "BFF_CLIENT_CERT_FILE", config->client_cert_file, CLIENT_FILE_BYTES_MAX);
    if (key && (certificate || !with_certificate))
        take_identity(l, str_of(key), certificate ? str_of(certificate) : (struct str){0});
    config_free_text(key);
    config_free_text(certificate);
}

static bool is_https(const char *url)
{
    return url && strncmp(url, "https:", strlen("https:")) == 0;
}

static bool calls_https(const struct config *config)
{
    bool https =
        is_https(config->upstream_url) || is_https(config->token_url) || is_https(config->jwks_url);

    for (size_t i = 0; i < config->issuer_count; i++)
        https = https || is_https(config->issuers[i].jwks_url);
    return https;
}

/* Parsing takes tens of milliseconds, and connections that trust the same may be used on. */
static struct trust *parse_trust(struct loading *l, struct str pem)
{
    const struct resources *before = l->before;

    if (!crypto_sha256(pem, l->r->trust_digest))
        return NULL;
    if (before && before->trust &&
        memcmp(before->trust_digest, l->r->trust_digest, SHA256_BYTES) == 0)
        return trust_share(before->trust);
    return trust_parse(pem);
}

static void load_trust(struct loading *l)
{
    const char *given = l->config->upstream_ca_file;
    const char *path = given ? given : http_client_system_store();

    if (!given && !calls_https(l->config))
        return;
    if (!path) {
        complain(l, "BFF_UPSTREAM_CA_FILE",
                 "the system has no readable certificate store: install ca-certificates or give a "
                 "PEM file");
        return;
    }
    char *pem = read_file(l, "BFF_UPSTREAM_CA_FILE", path, PEM_BYTES_MAX);
    if (!pem)
        return;
    l->r->trust = parse_trust(l, str_of(pem));
    if (!l->r->trust)
        complain(l, "BFF_UPSTREAM_CA_FILE",
                 given ? "the file must hold PEM certificates and nothing damaged"
                       : "the system's certificate store is damaged: give a PEM file");
    config_free_text(pem);
}

/* "localhost" and addresses need no name server. */
static bool needs_resolver(struct str host)
{
    struct ip ip;

    return !ip_parse(host, &ip) && !str_eq_nocase(host, STR("localhost"));
}

/* Without the file the C library would ask a name server on this machine, and every call would end
 * in a time-out that says nothing of the cause. */
static void check_resolver(struct loading *l)
{
    struct url url;
    const char *problem = NULL;

    if (url_split(str_of(l->config->upstream_url), &url, &problem) && needs_resolver(url.host) &&
        access("/etc/resolv.conf", R_OK) != 0)
        complain(l, "BFF_UPSTREAM_URL",
                 "its host is a name, and /etc/resolv.conf, which names the name servers, cannot "
                 "be read");
}

bool resources_load(const struct config_loaded *loaded, const struct resources *before,
                    FILE *errors, struct resources *ret)
{
    const struct config *config = config_of(loaded);
    struct loading l = {.loaded = loaded,
                        .config = config,
                        .before = before,
                        .errors = errors,
                        .r = ret,
                        .good = true};

    *ret = (struct resources){0};
    load_address(&l, "BFF_LISTEN", config->listen, &ret->public_at);
    load_address(&l, "BFF_MANAGEMENT_LISTEN", config->management_listen, &ret->management_at);
    load_address(&l, "BFF_OPERATOR_LISTEN", config->operator_listen, &ret->operator_at);
    load_proxies(&l);
    load_seal_keys(&l);
    load_operator_keys(&l);
    load_trust(&l);
    load_identity(&l);
    check_resolver(&l);

    if (!l.good)
        resources_finish(ret);
    return l.good;
}

bool resources_load_for_calls(const struct config_loaded *loaded, FILE *errors,
                              struct resources *ret)
{
    struct loading l = {
        .loaded = loaded, .config = config_of(loaded), .errors = errors, .r = ret, .good = true};

    load_trust(&l);
    load_identity(&l);
    if (!l.good)
        resources_finish(ret);
    return l.good;
}

void resources_finish(struct resources *r)
{
    cidr_list_finish(&r->trusted_proxies);
    seal_ring_free(r->seal);
    operator_keys_free(r->operator_keys);
    trust_free(r->trust);
    client_identity_free(r->identity);
    *r = (struct resources){0};
}
