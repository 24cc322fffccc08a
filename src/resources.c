/* SPDX-License-Identifier: Apache-2.0
 * Reads what the configuration points at; see resources.h. */
#include "resources.h"

#include <unistd.h>

#include "base/crypto_pem.h"
#include "config/config_text.h"
#include "config/url.h"
#include "net/http_client.h"

enum { PEM_BYTES_MAX = 1024 * 1024 };

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

static void check_client_key(struct loading *l)
{
    struct option_problem problem;
    char text[OPTION_PROBLEM_BYTES + 16];

    if (l->config->client_auth != CLIENT_AUTH_PRIVATE_KEY_JWT)
        return;
    char *pem = config_read_file(l->config->client_key_file, PEM_BYTES_MAX, &problem);
    if (!pem) {
        (void)snprintf(text, sizeof(text), "the file %s", problem.text);
        complain(l, "BFF_CLIENT_KEY_FILE", text);
    } else if (!crypto_pem_is_rsa_private_key(str_of(pem))) {
        complain(l, "BFF_CLIENT_KEY_FILE",
                 "the file must hold an unencrypted PEM RSA private key of at least 2048 bits");
    }
    config_free_text(pem);
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
    struct option_problem problem;
    char text[OPTION_PROBLEM_BYTES + 16];

    if (!given && !calls_https(l->config))
        return;
    if (!path) {
        complain(l, "BFF_UPSTREAM_CA_FILE",
                 "the system has no readable certificate store: install ca-certificates or give a "
                 "PEM file");
        return;
    }
    char *pem = config_read_file(path, PEM_BYTES_MAX, &problem);
    if (!pem) {
        (void)snprintf(text, sizeof(text), "the file %s", problem.text);
        complain(l, "BFF_UPSTREAM_CA_FILE", text);
        return;
    }
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
    check_client_key(&l);
    check_resolver(&l);

    if (!l.good)
        resources_finish(ret);
    return l.good;
}

bool resources_load_trust(const struct config_loaded *loaded, FILE *errors, struct trust **ret)
{
    struct resources r = {0};
    struct loading l = {
        .loaded = loaded, .config = config_of(loaded), .errors = errors, .r = &r, .good = true};

    load_trust(&l);
    *ret = r.trust;
    return l.good;
}

void resources_finish(struct resources *r)
{
    cidr_list_finish(&r->trusted_proxies);
    seal_ring_free(r->seal);
    operator_keys_free(r->operator_keys);
    trust_free(r->trust);
    *r = (struct resources){0};
}
