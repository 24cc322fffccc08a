/* SPDX-License-Identifier: Apache-2.0
 * config: defaults, each value at and beyond its limits, regions and derived URLs, empty values,
 * precedence, flags in both forms, secrets that never show, unknown keys, what is printed. */
#include "config_support.h"

#include <stdio.h>

#include "base/crypto.h"

START_TEST(the_least_configuration_gets_the_documented_defaults)
{
    struct load l = load_env(ENV(MINIMAL));
    ck_assert_msg(l.code == 0, "%s", l.printed);
    const struct config *c = config_of(l.loaded);

    ck_assert_str_eq(c->listen, "0.0.0.0:8080");
    ck_assert_str_eq(c->management_listen, "0.0.0.0:9464");
    ck_assert_ptr_null(c->operator_listen);
    ck_assert_int_ge(c->workers, 1);
    ck_assert_str_eq(c->upstream_url, "https://api.eu.transmitsecurity.io");
    ck_assert_str_eq(c->token_url, "https://api.eu.transmitsecurity.io/oidc/token");
    ck_assert_str_eq(c->jwks_url, "https://api.eu.transmitsecurity.io/cis/oidc/jwks");
    ck_assert_uint_eq(c->issuer_count, 1);
    ck_assert_str_eq(c->issuers[0].issuer, "https://eu.userid.security");
    ck_assert_str_eq(c->issuers[0].jwks_url, c->jwks_url);
    ck_assert_str_eq(c->client_assertion_audience, c->token_url);
    ck_assert_int_eq(c->client_auth, CLIENT_AUTH_SECRET_POST);
    ck_assert(c->tenant_claim_required);
    ck_assert_uint_eq(c->access_token_audiences.count, 1);
    ck_assert_str_eq(c->access_token_audiences.items[0], "userid-api");
    ck_assert(c->jwt_algorithms[JWS_RS256]);
    ck_assert(!c->jwt_algorithms[JWS_PS256]);
    ck_assert_int_eq(c->jwt_leeway_s, 60);
    ck_assert_int_eq(c->jwt_max_lifetime_s, 86400);
    ck_assert_int_eq(c->jwt_max_bytes, 8192);
    ck_assert_uint_eq(c->session_claims.count, 4);
    ck_assert_int_eq(c->used_challenges_max, 200000);
    ck_assert_int_eq(c->request_timeout_ms, 10000);
    ck_assert_int_eq(c->dns_refresh_s, 30);
    ck_assert_int_eq(c->dns_stale_max_s, 300);
    ck_assert_int_eq(c->upstream_max_per_second, 333);
    ck_assert_uint_eq(c->rate_per_address.count, 0);
    ck_assert_uint_eq(c->rate_per_user.count, 30);
    ck_assert_uint_eq(c->rate_per_user.period_s, 60);
    ck_assert_int_eq(c->lockout_failures, 10);
    ck_assert_int_eq(c->drain_delay_s, 10);
    ck_assert_int_eq(c->log_level, LOG_INFO);
    ck_assert(!c->log_format_given);
    ck_assert(!c->upstream_http2);
    load_finish(&l);
}
END_TEST

/* One entry before the least configuration: of two equal variables the first counts. */
static struct load load_with(const char *entry)
{
    return load_env(ENV(entry, MINIMAL));
}

START_TEST(good_values_are_taken)
{
    static const char *const GOOD[] = {
        "BFF_WORKERS=256",
        "BFF_JWT_LEEWAY_S=0",
        "BFF_JWT_LEEWAY_S=300",
        "BFF_JWT_LEEWAY_S=007",
        "BFF_UPSTREAM_HTTP2=on",
        "BFF_UPSTREAM_HTTP2=False",
        "BFF_RATE_PER_USER=0",
        "BFF_RATE_PER_USER=1/s",
        "BFF_RATE_PER_USER=1000000/h",
        "BFF_UPSTREAM_URL=https://h",
        "BFF_UPSTREAM_URL=https://h:8443/",
        "BFF_UPSTREAM_URL=https://[::1]:1",
        "BFF_TOKEN_URL=https://h/cis/oidc/token",
        "BFF_ISSUERS=https://a",
        "BFF_ISSUERS=https://a=https://h/jwks , https://b/",
        "BFF_JWT_ALGORITHMS=RS256, PS256,ES512",
        "BFF_JWT_TENANT_CLAIM=optional",
        "BFF_SESSION_CLAIMS=",
        "BFF_SESSION_CLAIMS=email",
        "BFF_OPERATOR_LISTEN=",
        "BFF_TENANT_ID=",
        "BFF_TRUSTED_PROXIES=",
        "BFF_UPSTREAM_CA_FILE=",
        "BFF_LOG_LEVEL=debug",
        "BFF_LOG_FORMAT=text",
        "BFF_CLIENT_AUTH=client_secret_basic",
        "BFF_USED_CHALLENGES_MAX=1",
    };
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        struct load l = load_with(GOOD[i]);
        ck_assert_msg(l.code == 0, "%s: %s", GOOD[i], l.printed);
        load_finish(&l);
    }
}
END_TEST

static const struct {
    const char *entry, *right;
} BAD[] = {
    {"BFF_WORKERS=257", "0 to 256"},
    {"BFF_WORKERS=-1", "0 to 256"},
    {"BFF_WORKERS=two", "whole number"},
    {"BFF_WORKERS=1.5", "whole number"},
    {"BFF_WORKERS= 1", "whole number"},
    {"BFF_WORKERS=", "it is empty"},
    {"BFF_WORKERS=99999999999999999999", "0 to 256"},
    {"BFF_JWT_LEEWAY_S=301", "0 to 300"},
    {"BFF_JWT_MAX_BYTES=511", "512 to 65536"},
    {"BFF_LISTEN=", "it is empty"},
    {"BFF_UPSTREAM_HTTP2=maybe", "true or false"},
    {"BFF_RATE_PER_USER=30", "count/min"},
    {"BFF_RATE_PER_USER=0/s", "count/min"},
    {"BFF_RATE_PER_USER=30/day", "count/min"},
    {"BFF_RATE_PER_USER=/s", "count/min"},
    {"BFF_RATE_PER_USER=1000001/s", "count/min"},
    {"BFF_REGION=moon", "sandbox, us, eu, ca or au"},
    {"BFF_REGION=EU", "sandbox, us, eu, ca or au"},
    {"BFF_UPSTREAM_URL=api.example.com", "https://"},
    {"BFF_UPSTREAM_URL=ftp://h", "https://"},
    {"BFF_UPSTREAM_URL=https://", "no host"},
    {"BFF_UPSTREAM_URL=https://h/cis", "ends in /cis"},
    {"BFF_UPSTREAM_URL=https://h/cis/", "ends in /cis"},
    {"BFF_UPSTREAM_URL=https://h/v1", "has a path"},
    {"BFF_UPSTREAM_URL=https://h?x", "query or fragment"},
    {"BFF_UPSTREAM_URL=https://h#x", "query or fragment"},
    {"BFF_UPSTREAM_URL=https://h:0", "port"},
    {"BFF_UPSTREAM_URL=https://h:65536", "port"},
    {"BFF_UPSTREAM_URL=https://a b", "characters"},
    {"BFF_UPSTREAM_URL=http://h", "BFF_ALLOW_INSECURE_UPSTREAM"},
    {"BFF_TOKEN_URL=http://h/t", "BFF_ALLOW_INSECURE_UPSTREAM"},
    {"BFF_ISSUERS=https://a=http://h/jwks", "BFF_ALLOW_INSECURE_UPSTREAM"},
    {"BFF_ISSUERS=https://a,", "empty entry"},
    {"BFF_ISSUERS=https://a,https://a", "twice"},
    {"BFF_ISSUERS=userid.security", "https://"},
    {"BFF_ISSUERS=https://a=nowhere", "https://"},
    {"BFF_JWT_ALGORITHMS=HS256", "RS256"},
    {"BFF_JWT_ALGORITHMS=none", "RS256"},
    {"BFF_JWT_ALGORITHMS=RS256,,PS256", "RS256"},
    {"BFF_JWT_ALGORITHMS=", "it is empty"},
    {"BFF_JWT_TENANT_CLAIM=yes", "required or optional"},
    {"BFF_ACCESS_TOKEN_AUDIENCES=", "it is empty"},
    {"BFF_ACCESS_TOKEN_AUDIENCES=a,,b", "comma list"},
    {"BFF_ACCESS_TOKEN_AUDIENCES=a,a", "comma list"},
    {"BFF_CLIENT_AUTH=basic", "client_secret_post"},
    {"BFF_CLIENT_CERT_FILE=/x", "BFF_CLIENT_AUTH=tls_client_auth"},
    {"BFF_CLIENT_ASSERTION_ALG=RS384", "RS256, PS256 (RSA keys) or ES256 (P-256 keys)"},
    {"BFF_CLIENT_ASSERTION_ALG=XX", "RS256"},
    {"BFF_LOG_LEVEL=loud", "debug, info, warn or error"},
    {"BFF_LOG_FORMAT=xml", "json or text"},
    {"BFF_TENANT_ID=a\tb", "control characters"},
    {"BFF_TENANT_ID=\xff", "UTF-8"},
};

START_TEST(bad_values_are_refused_with_key_value_and_what_would_be_right)
{
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct load l = load_with(BAD[i].entry);
        char key[64];
        (void)snprintf(key, sizeof(key), "%.*s: value ", (int)strcspn(BAD[i].entry, "="),
                       BAD[i].entry);
        ck_assert_msg(l.code == 78, "%s gave %d", BAD[i].entry, l.code);
        ck_assert_prints(l, key);
        ck_assert_prints(l, "(environment)");
        ck_assert_prints(l, BAD[i].right);
        load_finish(&l);
    }
}
END_TEST

START_TEST(all_problems_are_reported_at_once_a_line_each)
{
    struct load l = load_env(ENV("BFF_WORKERS=x", "BFF_LOG_LEVEL=x", "BFF_NONSENSE_KEY=x"));
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l, "BFF_WORKERS: value \"x\"");
    ck_assert_prints(l, "BFF_LOG_LEVEL: value \"x\"");
    ck_assert_prints(l, "BFF_NONSENSE_KEY");
    ck_assert_prints(l, "BFF_CLIENT_ID: not set");
    ck_assert_prints(l, "BFF_UPSTREAM_URL: not set");
    ck_assert_prints(l, "BFF_ISSUERS: not set");
    ck_assert_prints(l, "BFF_CLIENT_SECRET: not set");
    load_finish(&l);
}
END_TEST

START_TEST(regions_imply_urls_and_issuers_and_each_can_be_overridden)
{
    static const struct {
        const char *entry, *url, *issuer;
    } REGIONS[] = {
        {"BFF_REGION=us", "https://api.transmitsecurity.io", "https://userid.security"},
        {"BFF_REGION=ca", "https://api.ca.transmitsecurity.io", "https://ca.userid.security"},
        {"BFF_REGION=au", "https://api.au.transmitsecurity.io", "https://au.userid.security"},
    };
    for (size_t i = 0; i < ARRAY_LEN(REGIONS); i++) {
        struct load l = load_env(ENV(REGIONS[i].entry, "BFF_CLIENT_ID=a", "BFF_CLIENT_SECRET=b"));
        ck_assert_msg(l.code == 0, "%s", l.printed);
        ck_assert_str_eq(config_of(l.loaded)->upstream_url, REGIONS[i].url);
        ck_assert_str_eq(config_of(l.loaded)->issuers[0].issuer, REGIONS[i].issuer);
        load_finish(&l);
    }

    struct load l = load_env(ENV(MINIMAL, "BFF_UPSTREAM_URL=https://id.bank/",
                                 "BFF_ISSUERS=https://i", "BFF_JWKS_URL=https://k/jwks"));
    ck_assert_msg(l.code == 0, "%s", l.printed);
    ck_assert_str_eq(config_of(l.loaded)->upstream_url, "https://id.bank");
    ck_assert_str_eq(config_of(l.loaded)->token_url, "https://id.bank/oidc/token");
    ck_assert_str_eq(config_of(l.loaded)->issuers[0].issuer, "https://i");
    ck_assert_str_eq(config_of(l.loaded)->issuers[0].jwks_url, "https://k/jwks");
    load_finish(&l);
}
END_TEST

START_TEST(the_sandbox_needs_its_issuer_but_the_doctor_does_not)
{
    const char *const *env = ENV("BFF_REGION=sandbox", "BFF_CLIENT_ID=a", "BFF_CLIENT_SECRET=b");
    struct load l = load_env(env);
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l, "BFF_ISSUERS: not set: no issuer is documented for region sandbox");
    load_finish(&l);

    l = load_for(CONFIG_FOR_DOCTOR, NULL, env);
    ck_assert_msg(l.code == 0, "%s", l.printed);
    ck_assert_uint_eq(config_of(l.loaded)->issuer_count, 0);
    load_finish(&l);
}
END_TEST

START_TEST(an_insecure_upstream_is_allowed_only_on_request_and_warned_about)
{
    struct load l =
        load_env(ENV("BFF_UPSTREAM_URL=http://127.0.0.1:9", "BFF_ISSUERS=https://i",
                     "BFF_CLIENT_ID=a", "BFF_CLIENT_SECRET=b", "BFF_ALLOW_INSECURE_UPSTREAM=true"));
    ck_assert_msg(l.code == 0, "%s", l.printed);
    ck_assert_prints(l, "warning: BFF_ALLOW_INSECURE_UPSTREAM=true");
    ck_assert_str_eq(config_of(l.loaded)->jwks_url, "http://127.0.0.1:9/cis/oidc/jwks");
    load_finish(&l);

    /* A URL that was derived from the bad one is not complained about again. */
    l = load_env(ENV(MINIMAL, "BFF_UPSTREAM_URL=http://h"));
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l, "BFF_UPSTREAM_URL: ");
    ck_assert_hides(l, "BFF_TOKEN_URL");
    ck_assert_hides(l, "BFF_JWKS_URL");
    load_finish(&l);
}
END_TEST

START_TEST(rules_over_several_keys_hold_both_ways)
{
    const struct {
        const char *const *env;
        const char *problem; /* NULL: good */
    } CASES[] = {
        {ENV("BFF_REGION=eu", "BFF_CLIENT_ID=a"), "BFF_CLIENT_SECRET: not set"},
        {ENV("BFF_REGION=eu", "BFF_CLIENT_SECRET=a"), "BFF_CLIENT_ID: not set"},
        {ENV("BFF_REGION=eu", "BFF_CLIENT_ID=a", "BFF_CLIENT_AUTH=private_key_jwt"),
         "BFF_CLIENT_KEY_FILE: not set"},
        {ENV("BFF_REGION=eu", "BFF_CLIENT_ID=a", "BFF_CLIENT_AUTH=private_key_jwt",
             "BFF_CLIENT_KEY_FILE=/k"),
         "BFF_CLIENT_KEY_ID: not set"},
        {ENV("BFF_REGION=eu", "BFF_CLIENT_ID=a", "BFF_CLIENT_AUTH=private_key_jwt",
             "BFF_CLIENT_KEY_FILE=/k", "BFF_CLIENT_KEY_ID=k"),
         NULL},
        {ENV("BFF_REGION=eu", "BFF_CLIENT_ID=a", "BFF_CLIENT_AUTH=private_key_jwt",
             "BFF_CLIENT_KEY_FILE=/k", "BFF_CLIENT_KEY_ID=k", "BFF_CLIENT_ASSERTION_ALG=ES256"),
         NULL},
        {ENV("BFF_REGION=eu", "BFF_CLIENT_ID=a", "BFF_CLIENT_AUTH=tls_client_auth",
             "BFF_CLIENT_CERT_FILE=/c"),
         "BFF_CLIENT_KEY_FILE: not set"},
        {ENV("BFF_REGION=eu", "BFF_CLIENT_ID=a", "BFF_CLIENT_AUTH=tls_client_auth",
             "BFF_CLIENT_KEY_FILE=/k"),
         "BFF_CLIENT_CERT_FILE: not set"},
        {ENV("BFF_REGION=eu", "BFF_CLIENT_ID=a", "BFF_CLIENT_AUTH=tls_client_auth",
             "BFF_CLIENT_KEY_FILE=/k", "BFF_CLIENT_CERT_FILE=/c"),
         NULL},
        {ENV("BFF_UPSTREAM_URL=http://h", "BFF_ISSUERS=https://i", "BFF_CLIENT_ID=a",
             "BFF_ALLOW_INSECURE_UPSTREAM=true", "BFF_CLIENT_AUTH=tls_client_auth",
             "BFF_CLIENT_KEY_FILE=/k", "BFF_CLIENT_CERT_FILE=/c"),
         "no certificate is ever shown"},
        {ENV(MINIMAL, "BFF_ADMIN_CLIENT_ID=a"), "BFF_ADMIN_CLIENT_SECRET: not set"},
        {ENV(MINIMAL, "BFF_ADMIN_CLIENT_SECRET=a"), "BFF_ADMIN_CLIENT_ID: not set"},
        {ENV(MINIMAL, "BFF_ADMIN_CLIENT_ID=a", "BFF_ADMIN_CLIENT_SECRET=a"), NULL},
        {ENV(MINIMAL, "BFF_OPERATOR_LISTEN=127.0.0.1:1"), "BFF_OPERATOR_KEYS_FILE: not set"},
        {ENV(MINIMAL, "BFF_OPERATOR_LISTEN=127.0.0.1:1", "BFF_OPERATOR_KEYS_FILE=/k"), NULL},
        {ENV("BFF_UPSTREAM_URL=https://h", "BFF_CLIENT_ID=a", "BFF_CLIENT_SECRET=b"),
         "BFF_ISSUERS: not set"},
        {ENV("BFF_REGION=", "BFF_CLIENT_ID=a", "BFF_CLIENT_SECRET=b"), "BFF_UPSTREAM_URL: not set"},
        {ENV(MINIMAL, "BFF_DNS_REFRESH_S=150", "BFF_DNS_STALE_MAX_S=299"),
         "at least twice BFF_DNS_REFRESH_S"},
        {ENV(MINIMAL, "BFF_DNS_REFRESH_S=150"), NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct load l = load_env(CASES[i].env);
        ck_assert_msg(l.code == (CASES[i].problem ? 78 : 0), "case %zu: %s", i, l.printed);
        if (CASES[i].problem)
            ck_assert_prints(l, CASES[i].problem);
        load_finish(&l);
    }
}
END_TEST

START_TEST(verify_needs_the_client_and_its_issuers_alone_and_healthcheck_nothing)
{
    struct load l =
        load_for(CONFIG_FOR_VERIFY, NULL, ENV("BFF_CLIENT_ID=a", "BFF_ISSUERS=https://i"));
    ck_assert_msg(l.code == 0, "%s", l.printed);
    load_finish(&l);

    l = load_for(CONFIG_FOR_VERIFY, NULL, ENV("BFF_ISSUERS=https://i"));
    ck_assert_int_eq(l.code, 78);
    load_finish(&l);

    l = load_for(CONFIG_FOR_HEALTHCHECK, NULL, NULL);
    ck_assert_int_eq(l.code, 0);
    load_finish(&l);

    l = load_for(CONFIG_FOR_HEALTHCHECK, NULL, ENV("BFF_WORKERS=x"));
    ck_assert_int_eq(l.code, 78);
    load_finish(&l);
}
END_TEST

START_TEST(a_flag_wins_over_the_environment_and_the_last_flag_over_the_first)
{
    struct load l = load_for(CONFIG_FOR_SERVICE,
                             FLAGS("--drain-delay-s", "3", "--log-level=warn", "--log-level=error",
                                   "--upstream-http2", "--client-auth=client_secret_basic"),
                             ENV(MINIMAL, "BFF_DRAIN_DELAY_S=4", "BFF_DRAIN_TIMEOUT_S=5"));
    ck_assert_msg(l.code == 0, "%s", l.printed);
    ck_assert_int_eq(config_of(l.loaded)->drain_delay_s, 3);
    ck_assert_int_eq(config_of(l.loaded)->drain_timeout_s, 5);
    ck_assert_int_eq(config_of(l.loaded)->log_level, LOG_ERROR);
    ck_assert_int_eq(config_of(l.loaded)->client_auth, CLIENT_AUTH_SECRET_BASIC);
    ck_assert(config_of(l.loaded)->upstream_http2);
    load_finish(&l);
}
END_TEST

START_TEST(a_wrong_command_line_is_a_usage_error)
{
    const struct {
        const char *const *flags;
        const char *text;
    } CASES[] = {
        {FLAGS("--lisen=x"), "did you mean --listen?"},
        {FLAGS("--listen"), "flag --listen needs a value"},
        {FLAGS("--listen", "--workers=1"), "flag --listen needs a value"},
        {FLAGS("--config"), "flag --config needs a value"},
        {FLAGS("stray"), "unexpected argument \"stray\""},
        {FLAGS("-v"), "unexpected argument \"-v\""},
        {FLAGS("--"), "unexpected argument"},
        {FLAGS("--zzzzzzzzzzzzzzz=1"), "did you mean --"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct load l = load_for(CONFIG_FOR_SERVICE, CASES[i].flags, ENV(MINIMAL));
        ck_assert_msg(l.code == 64, "case %zu: %d", i, l.code);
        ck_assert_prints(l, CASES[i].text);
        load_finish(&l);
    }
}
END_TEST

START_TEST(a_secret_has_no_flag_and_never_shows)
{
    const char *const *const FLAG_FORMS[] = {
        FLAGS("--client-secret=h4rdly"), FLAGS("--client-secret", "h4rdly"),
        FLAGS("--client-secrte=h4rdly"), FLAGS("--client-secrte", "h4rdly")};
    for (size_t i = 0; i < ARRAY_LEN(FLAG_FORMS); i++) {
        struct load l = load_for(CONFIG_FOR_SERVICE, FLAG_FORMS[i], ENV(MINIMAL));
        ck_assert_int_eq(l.code, 64);
        ck_assert_hides(l, "h4rdly");
        load_finish(&l);
    }

    struct load l = load_env(ENV("BFF_REGION=eu", "BFF_CLIENT_ID=a", "BFF_CLIENT_SECRET=h4rd\tly"));
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l, "BFF_CLIENT_SECRET: value not shown (environment)");
    ck_assert_hides(l, "h4rd");
    load_finish(&l);

    l = load_with("BFF_TOKEN_URL=https://user:h4rdly@h/t");
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l, "user information");
    ck_assert_hides(l, "h4rdly");
    load_finish(&l);
}
END_TEST

START_TEST(unknown_keys_name_the_nearest_and_kubernetes_is_forgiven)
{
    struct load l = load_with("BFF_CLIENTID=x");
    ck_assert_int_eq(l.code, 78);
    ck_assert_prints(l, "\"BFF_CLIENTID\": unknown key (environment): did you mean BFF_CLIENT_ID?");
    load_finish(&l);

    l = load_with("BFF_SOMETHING_ELSE_ENTIRELY=x");
    ck_assert_prints(l, "did you mean BFF_");
    load_finish(&l);

    l = load_with("BFF_LISTNE=x");
    ck_assert_prints(l, "did you mean BFF_LISTEN?");
    load_finish(&l);

    l = load_env(ENV(MINIMAL, "BFF_SERVICE_HOST=10.0.0.1", "BFF_SERVICE_PORT=80",
                     "BFF_SERVICE_PORT_HTTP=80", "BFF_PORT=tcp://10.0.0.1:80",
                     "BFF_PORT_80_TCP_ADDR=10.0.0.1", "BFFX=1", "OTHER=1"));
    ck_assert_msg(l.code == 0, "%s", l.printed);
    ck_assert_prints(l, "note: BFF_SERVICE_HOST is ignored");
    ck_assert_prints(l, "note: BFF_PORT_80_TCP_ADDR is ignored");
    load_finish(&l);

    l = load_with("BFF_SERVICE_NAME=x");
    ck_assert_int_eq(l.code, 78);
    load_finish(&l);
}
END_TEST

START_TEST(values_in_messages_are_quoted_escaped_and_cut)
{
    char entry[700] = "BFF_LOG_LEVEL=";
    memset(entry + strlen(entry), 'v', 600);
    struct load l = load_with(entry);
    ck_assert_prints(l, "vvv...\"");
    ck_assert_uint_lt(strlen(l.printed), 600);
    load_finish(&l);

    l = load_with("BFF_LOG_LEVEL=a\nb\"c");
    ck_assert_prints(l, "\"a\\x0ab\\x22c\"");
    load_finish(&l);
}
END_TEST

START_TEST(print_config_shows_each_value_with_its_source_but_no_secret)
{
    ck_assert(crypto_init());
    struct load l = load_for(CONFIG_FOR_SERVICE, FLAGS("--workers=3"), ENV(MINIMAL));
    ck_assert_msg(l.code == 0, "%s", l.printed);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    config_print(l.loaded, out);
    (void)fclose(out);

    static const char *const LINES[] = {
        "BFF_WORKERS=3 (flag --workers)\n",
        "BFF_LISTEN=0.0.0.0:8080 (default)\n",
        "BFF_CLIENT_ID=app (environment)\n",
        "BFF_CLIENT_SECRET=[redacted 6 bytes, sha256 1ec1c26b...] (environment)\n",
        "BFF_UPSTREAM_URL=https://api.eu.transmitsecurity.io (region eu)\n",
        "BFF_TOKEN_URL=https://api.eu.transmitsecurity.io/oidc/token (derived)\n",
        "BFF_TENANT_ID= (default)\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++)
        ck_assert_msg(strstr(text, LINES[i]) != NULL, "no %s in:\n%s", LINES[i], text);
    ck_assert_ptr_null(strstr(text, "s3cret"));
    free(text);
    load_finish(&l);
    crypto_finish();
}
END_TEST

START_TEST(problems_found_after_loading_look_the_same)
{
    struct load l = load_for(CONFIG_FOR_SERVICE, FLAGS("--listen=nowhere"), ENV(MINIMAL));
    ck_assert_int_eq(l.code, 0);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    config_complain(l.loaded, "BFF_LISTEN", out, "is wrong");
    config_complain(l.loaded, "BFF_CLIENT_SECRET", out, "is wrong");
    config_complain(l.loaded, "BFF_TENANT_ID", out, "is missing");
    (void)fclose(out);
    ck_assert_str_eq(text, "BFF_LISTEN: value \"nowhere\" (flag --listen): is wrong\n"
                           "BFF_CLIENT_SECRET: value not shown (environment): is wrong\n"
                           "BFF_TENANT_ID: is missing\n");
    free(text);
    load_finish(&l);
}
END_TEST

START_TEST(help_and_documentation_name_every_key)
{
    char *help = NULL, *docs = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&help, &len);
    config_print_help(out);
    (void)fclose(out);
    out = open_memstream(&docs, &len);
    config_print_docs(out);
    (void)fclose(out);

    static const char *const KEYS[] = {"BFF_LISTEN", "BFF_CLIENT_SECRET_FILE", "BFF_LOG_FORMAT",
                                       "BFF_ADMIN_CLIENT_SECRET", "BFF_RATE_PER_USER"};
    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) {
        ck_assert_ptr_nonnull(strstr(help, KEYS[i]));
        ck_assert_ptr_nonnull(strstr(docs, KEYS[i]));
    }
    ck_assert_ptr_nonnull(strstr(help, "--rate-per-user"));
    ck_assert_ptr_null(strstr(help, "--client-secret "));
    free(help);
    free(docs);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("config");
    tcase_add_test(t, the_least_configuration_gets_the_documented_defaults);
    tcase_add_test(t, good_values_are_taken);
    tcase_add_test(t, bad_values_are_refused_with_key_value_and_what_would_be_right);
    tcase_add_test(t, all_problems_are_reported_at_once_a_line_each);
    tcase_add_test(t, regions_imply_urls_and_issuers_and_each_can_be_overridden);
    tcase_add_test(t, the_sandbox_needs_its_issuer_but_the_doctor_does_not);
    tcase_add_test(t, an_insecure_upstream_is_allowed_only_on_request_and_warned_about);
    tcase_add_test(t, rules_over_several_keys_hold_both_ways);
    tcase_add_test(t, verify_needs_the_client_and_its_issuers_alone_and_healthcheck_nothing);
    tcase_add_test(t, a_flag_wins_over_the_environment_and_the_last_flag_over_the_first);
    tcase_add_test(t, a_wrong_command_line_is_a_usage_error);
    tcase_add_test(t, a_secret_has_no_flag_and_never_shows);
    tcase_add_test(t, unknown_keys_name_the_nearest_and_kubernetes_is_forgiven);
    tcase_add_test(t, values_in_messages_are_quoted_escaped_and_cut);
    tcase_add_test(t, print_config_shows_each_value_with_its_source_but_no_secret);
    tcase_add_test(t, problems_found_after_loading_look_the_same);
    tcase_add_test(t, help_and_documentation_name_every_key);
    return unit_run(t, "config");
}
