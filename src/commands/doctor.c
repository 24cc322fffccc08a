/* SPDX-License-Identifier: Apache-2.0
 * `doctor`: tries what the service will need, one thing after the other, and says of each what it
 * found: DNS, TLS, the clock, discovery, tokens, key sets. Needs no issuer: it finds it out. */
#include <stdio.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/crypto_certificate.h"
#include "base/json.h"
#include "commands/findings.h"
#include "commands/load.h"
#include "config/config_text.h"
#include "identity/jwk.h"
#include "identity/token_endpoint.h"
#include "net/http_date.h"
#include "net/resolver.h"
#include "resources.h"

enum {
    DOCTOR_CALL_TIMEOUT_MS = 10000,
    DOCTOR_CONNECTIONS_MAX = 2,
    DOCTOR_BODY_BYTES_MAX = 64 * 1024,
    SECONDS_A_DAY = 86400,
    CERTIFICATE_WARN_DAYS = 14,
    CLOCK_DRIFT_WARN_S = 5,
};

struct doctor {
    const struct config *config;
    const struct resources *resources;
    struct loop *loop;
    struct resolver *resolver;
    struct http_client *client;
    struct findings findings;
    bool reachable; /* the upstream answered something */
    char *issuer;   /* owned; from discovery, NULL: unknown */
    char *jwks_uri; /* owned */
};

/* ---- one call, waited for */

typedef void read_answer_fn(struct doctor *d, const struct call_answer *answer);

struct waiting {
    struct doctor *doctor;
    read_answer_fn *read;
};

static void on_answer(void *arg, const struct call_answer *answer)
{
    struct waiting *w = arg;

    w->read(w->doctor, answer);
    loop_stop(w->doctor->loop);
}

static void call(struct doctor *d, struct call_request *request, const char *what,
                 read_answer_fn *read)
{
    struct waiting w = {d, read};

    request->deadline_ms = loop_update_now(d->loop) + DOCTOR_CALL_TIMEOUT_MS;
    request->label = "_OTHER";
    if (http_client_start(d->client, request, on_answer, &w))
        loop_run(d->loop);
    else
        bad(&d->findings, what, "out of memory");
}

static const char *why(const struct call_answer *answer)
{
    return answer->reason ? answer->reason : "no answer";
}

/* ---- DNS, as the service would use it */

static void on_dns_news(void *arg)
{
    struct doctor *d = arg;
    struct names *names = resolver_names(d->resolver);
    bool pending = false;

    for (size_t i = 0; i < names->count; i++)
        pending =
            pending || (!names->rows[i].literal && names->rows[i].record.state == NAME_PENDING);
    if (!pending)
        loop_stop(d->loop);
    names_unref(names);
}

static void on_dns_timeout(struct timer *t)
{
    struct doctor *d = t->arg;

    loop_stop(d->loop);
}

static void wait_for_dns(struct doctor *d)
{
    struct timer timeout = {0};
    struct resolver_watch *watch = resolver_watch_start(d->resolver, d->loop, on_dns_news, d);

    if (!watch)
        return;
    timer_start(d->loop, &timeout, loop_update_now(d->loop) + DOCTOR_CALL_TIMEOUT_MS,
                on_dns_timeout, d);
    on_dns_news(d);
    loop_run(d->loop);
    timer_stop(d->loop, &timeout);
    resolver_watch_stop(watch);
}

static void report_name(struct doctor *d, const struct name *name)
{
    AUTO_BUF struct buf addresses;

    buf_init(&addresses, NAME_ADDRESSES_MAX * (IP_TEXT_BYTES + 2));
    for (size_t i = 0; i < name->record.address_count; i++) {
        char text[IP_TEXT_BYTES];
        ip_format(&name->record.addresses[i].ip, text);
        buf_printf(&addresses, "%s%s", i > 0 ? ", " : "", text);
    }
    if (name->literal)
        good(&d->findings, "dns", "%s: is an address", name->host);
    else if (name->record.state == NAME_USABLE)
        good(&d->findings, "dns", "%s: %s", name->host, addresses.ptr ? addresses.ptr : "");
    else
        bad(&d->findings, "dns", "%s: %s", name->host,
            name->record.reason[0] ? name->record.reason : "no answer in time");
}

static bool was_reported(const struct names *names, size_t row)
{
    for (size_t i = 0; i < row; i++) {
        if (strcmp(names->rows[i].host, names->rows[row].host) == 0)
            return true;
    }
    return false;
}

static void examine_dns(struct doctor *d)
{
    wait_for_dns(d);
    struct names *names = resolver_names(d->resolver);
    for (size_t i = 0; i < names->count; i++) {
        if (!was_reported(names, i))
            report_name(d, &names->rows[i]);
    }
    names_unref(names);
}

/* ---- discovery, which also shows connection and clock */

static void examine_clock(struct doctor *d, const struct call_answer *answer)
{
    const int64_t date_s = answer->date ? http_date_parse(str_of(answer->date)) : 0;
    if (date_s == 0) {
        note(&d->findings, "clock", "the answer has no Date: cannot be compared");
        return;
    }
    const long long drift_s = (long long)(clock_wall_s() - date_s);
    const long long size_s = drift_s < 0 ? -drift_s : drift_s;
    const char *side = drift_s < 0 ? "behind" : "ahead of";
    if (size_s > d->config->jwt_leeway_s)
        bad(&d->findings, "clock",
            "%lld s %s the identity API, more than BFF_JWT_LEEWAY_S forgives", size_s, side);
    else if (size_s > CLOCK_DRIFT_WARN_S)
        note(&d->findings, "clock", "%lld s %s the identity API", size_s, side);
    else
        good(&d->findings, "clock", "within %d s of the identity API", CLOCK_DRIFT_WARN_S);
}

static void note_expiry(struct doctor *d, const char *what, int64_t expires_s, const char *text)
{
    const int64_t left_days = (expires_s - clock_wall_s()) / SECONDS_A_DAY;

    (left_days < CERTIFICATE_WARN_DAYS ? note : good)(
        &d->findings, what, "%s: expires in %lld days", text, (long long)left_days);
}

/* That it is trusted and for this host, the handshake has shown. */
static void report_certificate(struct doctor *d, const char *pem)
{
    struct certificate_facts facts;
    char text[2 * CERTIFICATE_NAME_BYTES + 64];

    if (!pem || !certificate_read(str_of(pem), &facts))
        return;
    (void)snprintf(text, sizeof(text), "certificate of %s, issued by %s", facts.subject,
                   facts.issuer);
    note_expiry(d, "tls", facts.expires_s, text);
}

static bool is_configured(const struct config *config, const char *issuer)
{
    for (size_t i = 0; i < config->issuer_count; i++) {
        if (strcmp(config->issuers[i].issuer, issuer) == 0)
            return true;
    }
    return false;
}

static void report_issuer(struct doctor *d)
{
    good(&d->findings, "discovery", "issuer %s", d->issuer);
    if (d->jwks_uri)
        good(&d->findings, "discovery", "jwks_uri %s", d->jwks_uri);
    else
        note(&d->findings, "discovery", "no jwks_uri");
    if (d->config->issuer_count == 0)
        note(&d->findings, "discovery",
             "BFF_ISSUERS is not set; if your tokens carry this iss: BFF_ISSUERS=%s=%s", d->issuer,
             d->jwks_uri ? d->jwks_uri : d->config->jwks_url);
    else if (!is_configured(d->config, d->issuer))
        note(&d->findings, "discovery",
             "this issuer is not in BFF_ISSUERS: its tokens will be refused");
}

static void read_discovery(struct doctor *d, const struct call_answer *answer)
{
    static const struct json_limits LIMITS = {
        .bytes_max = DOCTOR_BODY_BYTES_MAX, .depth_max = 8, .values_max = 2000};
    AUTO_JSON struct json *root = NULL;
    struct json_error wrong = {0};

    const bool https = strncmp(d->config->upstream_url, "https:", 6) == 0;
    const char *what = https ? "tls" : "connect";
    if (answer->result != CALL_ANSWERED) {
        bad(&d->findings, what, "%s", why(answer));
        return;
    }
    d->reachable = true;
    good(&d->findings, what, "%s answers", d->config->upstream_url);
    report_certificate(d, answer->certificate);
    examine_clock(d, answer);
    if (answer->status != 200) {
        bad(&d->findings, "discovery", "status %d", answer->status);
        return;
    }
    if (json_parse(answer->body, &LIMITS, &root, &wrong) != ERR_OK) {
        bad(&d->findings, "discovery", "the document is not strict JSON: %s",
            wrong.what ? wrong.what : "");
        return;
    }
    const struct str issuer = json_string(json_member(root, "issuer"));
    const struct str jwks_uri = json_string(json_member(root, "jwks_uri"));
    if (issuer.len == 0 || str_has_control(issuer) || str_has_control(jwks_uri)) {
        bad(&d->findings, "discovery", "the document names no issuer");
        return;
    }
    d->issuer = config_copy(issuer);
    d->jwks_uri = jwks_uri.len > 0 ? config_copy(jwks_uri) : NULL;
    if (d->issuer)
        report_issuer(d);
    else
        bad(&d->findings, "discovery", "out of memory");
}

static void examine_discovery(struct doctor *d)
{
    AUTO_BUF struct buf url;

    buf_init(&url, DOCTOR_BODY_BYTES_MAX);
    buf_printf(&url, "%s/cis/oidc/.well-known/openid-configuration", d->config->upstream_url);
    if (!buf_ok(&url))
        return;
    struct call_request request = {.method = HTTP_GET, .url = url.ptr};
    call(d, &request, "discovery", read_discovery);
}

/* ---- tokens */

static void read_token(struct doctor *d, const struct call_answer *answer, const char *what)
{
    AUTO(token_grant_finish) struct token_grant grant = {0};
    struct err_text problem = {0};

    if (token_answer_read(answer, &grant, &problem) == ERR_OK)
        good(&d->findings, what, "valid for %lld s", (long long)grant.expires_in_s);
    else
        bad(&d->findings, what, "%s", problem.text[0] ? problem.text : why(answer));
}

static void read_client_token(struct doctor *d, const struct call_answer *answer)
{
    read_token(d, answer, "token");
}

static void read_admin_token(struct doctor *d, const struct call_answer *answer)
{
    read_token(d, answer, "admin");
}

static void examine_token(struct doctor *d, const struct client_credentials *credentials,
                          const char *what, read_answer_fn *read)
{
    AUTO_BUF struct buf body, authorization;
    struct err_text problem = {0};

    buf_init(&body, DOCTOR_BODY_BYTES_MAX);
    buf_init(&authorization, DOCTOR_BODY_BYTES_MAX);
    if (token_request_build(credentials, clock_wall_s(), &body, &authorization, &problem) !=
        ERR_OK) {
        bad(&d->findings, what, "%s", problem.text);
        return;
    }
    struct call_request request = {
        .method = HTTP_POST,
        .url = d->config->token_url,
        .authorization = authorization.len > 0 ? buf_str(&authorization) : (struct str){0},
        .content_type = "application/x-www-form-urlencoded",
        .body = buf_str(&body),
    };
    call(d, &request, what, read);
}

static void examine_certificate(struct doctor *d)
{
    const struct client_identity *identity = d->resources->identity;
    const int64_t expires_s = identity ? client_identity_expires_s(identity) : 0;

    if (expires_s != 0)
        note_expiry(d, "cert", expires_s, client_identity_subject(identity));
}

static void report_secret(struct doctor *d, const char *key, const char *secret)
{
    char fingerprint[FINGERPRINT_BYTES];

    if (!secret)
        return;
    config_fingerprint(str_of(secret), fingerprint);
    note(&d->findings, "secret", "%s is tried: %zu bytes, sha256 %s...", key, strlen(secret),
         fingerprint);
}

static void examine_client_token(struct doctor *d)
{
    report_secret(d, "BFF_CLIENT_SECRET", d->config->client_secret);
    const struct config *config = d->config;
    const struct client_credentials credentials = {
        .client_id = config->client_id,
        .client_secret = config->client_secret,
        .method = config->client_auth,
        .identity = d->resources->identity,
        .assertion_alg = config->client_assertion_alg,
        .key_id = config->client_key_id,
        .audience = config->client_assertion_audience,
    };
    examine_token(d, &credentials, "token", read_client_token);
}

static void examine_admin_token(struct doctor *d)
{
    const struct config *config = d->config;
    const struct client_credentials credentials = {
        .client_id = config->admin_client_id,
        .client_secret = config->admin_client_secret,
        .method = config->client_auth == CLIENT_AUTH_SECRET_BASIC ? CLIENT_AUTH_SECRET_BASIC
                                                                  : CLIENT_AUTH_SECRET_POST,
    };

    if (config->admin_client_id)
        examine_token(d, &credentials, "admin", read_admin_token);
}

/* ---- key sets */

static void read_keys(struct doctor *d, const struct call_answer *answer)
{
    struct keyset *keys = NULL;
    struct keyset_report report = {0};
    struct err_text problem = {0};

    if (answer->result != CALL_ANSWERED || answer->status != 200) {
        bad(&d->findings, "keys", "%s (status %d)", why(answer), answer->status);
        return;
    }
    if (keyset_parse(answer->body, STR("doctor"), &keys, &report, &problem) != ERR_OK) {
        bad(&d->findings, "keys", "%s", problem.text);
        return;
    }
    good(&d->findings, "keys", "%zu usable", report.kept);
    for (size_t i = 0; i < JWK_REFUSAL_COUNT; i++) {
        if (report.refused[i] > 0)
            note(&d->findings, "keys", "%zu refused: %s", report.refused[i], JWK_REFUSAL_LABELS[i]);
    }
    keyset_unref(keys);
}

static void examine_keys_at(struct doctor *d, const char *url)
{
    struct call_request request = {
        .method = HTTP_GET, .url = url, .answer_max_bytes = JWKS_BYTES_MAX};

    note(&d->findings, "keys", "%s", url);
    call(d, &request, "keys", read_keys);
}

static void examine_keys(struct doctor *d)
{
    const struct config *config = d->config;

    for (size_t i = 0; i < config->issuer_count; i++)
        examine_keys_at(d, config->issuers[i].jwks_url);
    if (config->issuer_count > 0)
        return;
    const char *url = d->jwks_uri ? d->jwks_uri : config->jwks_url;
    struct err_text problem = {0};
    if (resolver_add_url(d->resolver, config, url, &problem) == ERR_OK)
        examine_keys_at(d, url);
    else
        bad(&d->findings, "keys", "%s", problem.text);
}

static bool prepare(struct doctor *d, struct err_text *reterr)
{
    struct http_client_options options = {
        .trust = d->resources->trust,
        .identity = d->resources->identity,
        .allow_http = d->config->allow_insecure_upstream,
        .http2 = d->config->upstream_http2,
        .connect_timeout_ms = d->config->upstream_connect_timeout_ms,
        .connections_max = DOCTOR_CONNECTIONS_MAX,
        .wants_certificate = true,
        .user_agent = "biometrics-bff/" BFF_VERSION " doctor",
    };

    d->loop = loop_create();
    if (!d->loop) {
        (void)err_set(reterr, ERR_NO_MEMORY, "no memory or descriptors");
        return false;
    }
    if (resolver_start(d->config, &d->resolver, reterr) != ERR_OK)
        return false;
    options.resolver = d->resolver;
    return http_client_create(d->loop, &options, &d->client, reterr) == ERR_OK;
}

static bool examine(const struct config *config, const struct resources *resources, bool as_json)
{
    struct doctor d = {.config = config, .resources = resources, .findings.as_json = as_json};
    struct err_text problem = {0};

    if (prepare(&d, &problem)) {
        examine_certificate(&d);
        examine_dns(&d);
        examine_discovery(&d);
        /* One line says that nothing can be reached; four would not say more. */
        if (d.reachable) {
            examine_client_token(&d);
            examine_admin_token(&d);
            examine_keys(&d);
        }
    } else {
        bad(&d.findings, "client", "%s", problem.text);
    }
    http_client_destroy(d.client);
    loop_destroy(d.loop);
    resolver_destroy(d.resolver);
    free(d.issuer);
    free(d.jwks_uri);
    return !d.findings.failed;
}

int command_doctor(const struct invocation *in)
{
    struct own_flag json = {"--json", false, NULL};
    struct config_loaded *loaded = NULL;
    struct resources resources = {0};

    int code = load_for_command(in, &json, 1, CONFIG_FOR_DOCTOR, stderr, &loaded);
    if (code == EXIT_GOOD && !resources_load_for_calls(loaded, stderr, &resources))
        code = EXIT_CONFIG;
    if (code == EXIT_GOOD)
        code = examine(config_of(loaded), &resources, json.value != NULL) ? EXIT_GOOD : EXIT_FAILED;
    resources_finish(&resources);
    config_free(loaded);
    crypto_finish();
    return code;
}
