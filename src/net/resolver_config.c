/* SPDX-License-Identifier: Apache-2.0
 * Which URLs of the configuration name a host to look up, and which of these names are the
 * vendor's public ones. */
#include "config/config.h"
#include "config/option.h"
#include "config/url.h"
#include "net/resolver.h"

/* upstream, token endpoint, default key set, one more */
enum { URLS_BESIDE_ISSUERS = 4 };

static bool is_region_name(const struct config *config, const char *url)
{
    const struct region *region = config->region ? region_find(str_of(config->region)) : NULL;
    struct url ours, theirs;
    const char *problem = NULL;

    return region && url_split(str_of(url), &ours, &problem) &&
           url_split(str_of(region->upstream_url), &theirs, &problem) &&
           str_eq_nocase(ours.host, theirs.host);
}

static enum err set_urls(struct resolver *r, const struct config *config, const char *one_more,
                         struct err_text *reterr)
{
    AUTO_FREE struct resolver_url *urls =
        calloc(config->issuer_count + URLS_BESIDE_ISSUERS, sizeof(*urls));
    size_t count = 0;

    if (!urls)
        return err_set(reterr, ERR_NO_MEMORY, "out of memory");
    urls[count++] = (struct resolver_url){.url = config->upstream_url, .class = NAME_UPSTREAM};
    urls[count++] = (struct resolver_url){.url = config->token_url, .class = NAME_TOKEN};
    for (size_t i = 0; i < config->issuer_count; i++)
        urls[count++] =
            (struct resolver_url){.url = config->issuers[i].jwks_url, .class = NAME_KEYS};
    if (config->issuer_count == 0)
        urls[count++] = (struct resolver_url){.url = config->jwks_url, .class = NAME_KEYS};
    if (one_more)
        urls[count++] = (struct resolver_url){.url = one_more, .class = NAME_OTHER};
    for (size_t i = 0; i < count; i++)
        urls[i].public_only = is_region_name(config, urls[i].url);
    return resolver_set_urls(r, urls, count, reterr);
}

enum err resolver_start(const struct config *config, struct resolver **ret, struct err_text *reterr)
{
    const struct resolver_options options = {
        .limits = {.refresh_ms = config->dns_refresh_s * 1000,
                   .stale_max_ms = config->dns_stale_max_s * 1000},
    };
    struct resolver *r = resolver_create(&options);

    if (!r)
        return err_set(reterr, ERR_NO_MEMORY, "out of memory");
    const enum err e = set_urls(r, config, NULL, reterr);
    if (e != ERR_OK) {
        resolver_destroy(r);
        return e;
    }
    *ret = r;
    return ERR_OK;
}

enum err resolver_add_url(struct resolver *r, const struct config *config, const char *url,
                          struct err_text *reterr)
{
    return set_urls(r, config, url, reterr);
}
