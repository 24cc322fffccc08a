/* SPDX-License-Identifier: Apache-2.0
 * Readers of the options that are URLs or lists of them. */
#include "config/option_value.h"
#include "config/url.h"

enum { ISSUERS_MAX = 16 };

/* What every URL of the configuration must be. */
static bool check_url(struct str text, struct url *ret, struct option_problem *reterr)
{
    const char *problem = NULL;

    if (!url_split(text, ret, &problem))
        return option_wrong(reterr, "%s; give an https:// URL", problem);
    if (ret->has_userinfo)
        return option_wrong(reterr, "it carries user information; give the URL without user@");
    if (ret->has_query || ret->has_fragment)
        return option_wrong(reterr, "it carries a query or fragment; give the URL without it");
    return true;
}

bool option_read_url(enum option_id id, struct str text, void *member,
                     struct option_problem *reterr)
{
    struct url u;

    if (text.len > (size_t)OPTIONS[id].max)
        return option_not_allowed(id, reterr);
    return check_url(text, &u, reterr) && config_copy_to(member, text, reterr);
}

bool option_read_origin(enum option_id id, struct str text, void *member,
                        struct option_problem *reterr)
{
    struct url u;

    if (text.len > (size_t)OPTIONS[id].max)
        return option_not_allowed(id, reterr);
    if (!check_url(text, &u, reterr))
        return false;
    if (str_is(u.path, "/cis") || str_is(u.path, "/cis/"))
        return option_wrong(reterr,
                            "it ends in /cis, which the service adds by itself; give it without");
    if (u.path.len > 0 && !str_is(u.path, "/"))
        return option_wrong(reterr, "it has a path; give scheme, host and port alone");
    return config_copy_to(member, (struct str){text.ptr, text.len - u.path.len}, reterr);
}

/* entry: issuer or issuer=jwks_url */
static bool read_issuer(struct str entry, struct issuer *ret, struct option_problem *reterr)
{
    const char *equals = entry.len > 0 ? memchr(entry.ptr, '=', entry.len) : NULL;
    const size_t issuer_len = equals ? (size_t)(equals - entry.ptr) : entry.len;
    const struct str issuer = {entry.ptr, issuer_len};
    struct url u;

    if (issuer.len == 0)
        return option_wrong(
            reterr, "it has an empty entry; give issuer or issuer=jwks_url, comma-separated");
    if (!check_url(issuer, &u, reterr))
        return false;
    if (equals) {
        const struct str jwks = {equals + 1, entry.len - issuer_len - 1};
        if (!check_url(jwks, &u, reterr) || !config_copy_to(&ret->jwks_url, jwks, reterr))
            return false;
    }
    return config_copy_to(&ret->issuer, issuer, reterr);
}

void option_clear_issuers(struct config *config)
{
    for (size_t i = 0; i < config->issuer_count; i++) {
        free(config->issuers[i].issuer);
        free(config->issuers[i].jwks_url);
    }
    free(config->issuers);
    config->issuers = NULL;
    config->issuer_count = 0;
}

static bool issuers_have(const struct config *config, struct str issuer)
{
    for (size_t i = 0; i < config->issuer_count; i++) {
        if (str_is(issuer, config->issuers[i].issuer))
            return true;
    }
    return false;
}

bool option_read_issuers(struct str text, struct config *config, struct option_problem *reterr)
{
    struct str rest = text, entry = {0};
    bool good = true;

    config->issuers = calloc(ISSUERS_MAX, sizeof(struct issuer));
    if (!config->issuers)
        return option_no_memory(reterr);
    while (good && option_next_entry(&rest, &entry)) {
        struct issuer issuer = {0};
        if (config->issuer_count == ISSUERS_MAX) {
            good = option_wrong(reterr, "it has more than %d entries", ISSUERS_MAX);
            break;
        }
        good = read_issuer(entry, &issuer, reterr);
        if (good && issuers_have(config, str_of(issuer.issuer)))
            good = option_wrong(reterr, "it names an issuer twice; give each once");
        if (issuer.issuer)
            config->issuers[config->issuer_count++] = issuer;
        else
            free(issuer.jwks_url);
    }
    if (!good)
        option_clear_issuers(config);
    return good;
}
