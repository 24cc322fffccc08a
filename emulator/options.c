/* SPDX-License-Identifier: Apache-2.0
 * One table makes the parser and the help text. */
#include "emulator/options.h"

#include <stddef.h>
#include <string.h>

enum option_kind { OPTION_TEXT, OPTION_FLAG, OPTION_SECONDS, OPTION_AUTH, OPTION_ALG };

struct option_row {
    const char *name;
    enum option_kind kind;
    size_t offset; /* in struct options */
    const char *help;
};

#define AT(member) offsetof(struct options, member)

static const struct option_row OPTIONS[] = {
    {"--listen", OPTION_TEXT, AT(listen),
     "HOST:PORT to listen on; port 0 takes a free one (127.0.0.1:0)"},
    {"--tls", OPTION_FLAG, AT(tls), "make a CA and a certificate, serve HTTPS, write DIR/ca.pem"},
    {"--tls-name", OPTION_TEXT, AT(tls_name),
     "name or address in the certificate besides localhost (the listen host)"},
    {"--dir", OPTION_TEXT, AT(dir), "directory for files (a temporary one, removed at exit)"},
    {"--client-id", OPTION_TEXT, AT(client_id), "client of the end-user application"},
    {"--client-secret", OPTION_TEXT, AT(client_secret), "its secret"},
    {"--admin-client-id", OPTION_TEXT, AT(admin_client_id), "client of the management application"},
    {"--admin-client-secret", OPTION_TEXT, AT(admin_client_secret), "its secret"},
    {"--tenant-id", OPTION_TEXT, AT(tenant_id), "tenant, the `tid` of every token"},
    {"--issuer", OPTION_TEXT, AT(issuer), "issuer, the `iss` of every token"},
    {"--client-auth", OPTION_AUTH, AT(accepted_auth),
     "any, client_secret_post, client_secret_basic, private_key_jwt or tls_client_auth (any)"},
    {"--client-key", OPTION_TEXT, AT(client_key_file),
     "PEM public key or JWKS that verifies client assertions"},
    {"--assertion-alg", OPTION_ALG, AT(assertion_alg),
     "RS256, PS256 or ES256: the only one that client assertions may have (each)"},
    {"--client-ca", OPTION_TEXT, AT(client_ca_file),
     "PEM certificates that client certificates may come from, besides the emulator's own CA"},
    {"--client-dn", OPTION_TEXT, AT(client_dn),
     "subject that the client's certificate must have (CN=Emulator client)"},
    {"--bind-tokens", OPTION_FLAG, AT(bind_tokens),
     "bind client tokens to the certificate (cnf), with tls_client_auth"},
    {"--alg", OPTION_ALG, AT(alg), "RS256, PS256 or ES256 for the first signing key (RS256)"},
    {"--token-ttl", OPTION_SECONDS, AT(token_ttl_s),
     "life of access and ID tokens in seconds (3600)"},
    {"--call-log", OPTION_TEXT, AT(call_log_file),
     "append each received call to this file, JSON lines"},
    {"--exit-with-stdin", OPTION_FLAG, AT(exit_with_stdin), "exit when standard input closes"},
};

static const char *const AUTH_NAMES[] = {
    [ACCEPT_ANY] = "any",
    [ACCEPT_SECRET_POST] = "client_secret_post",
    [ACCEPT_SECRET_BASIC] = "client_secret_basic",
    [ACCEPT_PRIVATE_KEY_JWT] = "private_key_jwt",
    [ACCEPT_TLS] = "tls_client_auth",
};

static const char *const ALG_NAMES[] = {"RS256", "PS256", "ES256"};

enum { TOKEN_TTL_S = 3600, TOKEN_TTL_MAX_S = 7 * 24 * 3600 };

static bool set_accepted_auth(enum accepted_auth *ret, const char *value)
{
    for (size_t i = 0; i < ARRAY_LEN(AUTH_NAMES); i++) {
        if (strcmp(value, AUTH_NAMES[i]) == 0) {
            *ret = (enum accepted_auth)i;
            return true;
        }
    }
    return false;
}

static bool set_alg(const char **ret, const char *value)
{
    for (size_t i = 0; i < ARRAY_LEN(ALG_NAMES); i++) {
        if (strcmp(value, ALG_NAMES[i]) == 0) {
            *ret = ALG_NAMES[i];
            return true;
        }
    }
    return false;
}

static bool set_seconds(int64_t *ret, const char *value)
{
    char *end = NULL;
    long long seconds = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || seconds < 1 || seconds > TOKEN_TTL_MAX_S)
        return false;
    *ret = seconds;
    return true;
}

static bool set_value(const struct option_row *row, struct options *o, const char *value)
{
    void *at = (char *)o + row->offset;
    switch (row->kind) {
    case OPTION_TEXT:
        *(const char **)at = value;
        return *value != '\0';
    case OPTION_FLAG:
        *(bool *)at = true;
        return true;
    case OPTION_SECONDS:
        return set_seconds(at, value);
    case OPTION_AUTH:
        return set_accepted_auth(at, value);
    case OPTION_ALG:
        return set_alg(at, value);
    }
    return false;
}

static const struct option_row *find_row(const char *arg, size_t name_len)
{
    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++) {
        if (strlen(OPTIONS[i].name) == name_len && strncmp(arg, OPTIONS[i].name, name_len) == 0)
            return &OPTIONS[i];
    }
    return NULL;
}

/* Takes `--name value` and `--name=value`. *at moves to the last argument used. */
static bool take_option(int argc, char **argv, int *at, struct options *o, FILE *err)
{
    const char *arg = argv[*at];
    const char *equals = strchr(arg, '=');
    const size_t name_len = equals ? (size_t)(equals - arg) : strlen(arg);
    const struct option_row *row = find_row(arg, name_len);
    if (!row) {
        fprintf(err, "unknown option %s (see --help)\n", arg);
        return false;
    }

    const char *value = equals ? equals + 1 : NULL;
    if (row->kind != OPTION_FLAG && !value && *at + 1 < argc)
        value = argv[++*at];
    if ((row->kind == OPTION_FLAG) == (value != NULL) || !set_value(row, o, value)) {
        fprintf(err, "%s: wrong or missing value (%s)\n", row->name, row->help);
        return false;
    }
    return true;
}

static bool options_agree(const struct options *o, FILE *err)
{
    if (o->accepted_auth == ACCEPT_PRIVATE_KEY_JWT && !o->client_key_file) {
        fprintf(err, "--client-auth private_key_jwt needs --client-key\n");
        return false;
    }
    if (o->accepted_auth == ACCEPT_TLS && !o->tls) {
        fprintf(err, "--client-auth tls_client_auth needs --tls\n");
        return false;
    }
    if ((o->client_ca_file || o->bind_tokens) && o->accepted_auth != ACCEPT_TLS) {
        fprintf(err, "--client-ca and --bind-tokens are for --client-auth tls_client_auth\n");
        return false;
    }
    return true;
}

enum options_result options_parse(int argc, char **argv, struct options *ret, FILE *err)
{
    *ret = (struct options){
        .listen = "127.0.0.1:0",
        .client_id = "demo-client",
        .client_secret = "demo-client-secret",
        .admin_client_id = "demo-admin-client",
        .admin_client_secret = "demo-admin-client-secret",
        .tenant_id = "demo-tenant",
        .issuer = "https://issuer.emulator.example",
        .accepted_auth = ACCEPT_ANY,
        .client_dn = "CN=Emulator client",
        .alg = "RS256",
        .token_ttl_s = TOKEN_TTL_S,
    };
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--help") == 0)
            return OPTIONS_HELP;
        if (!take_option(argc, argv, &at, ret, err))
            return OPTIONS_WRONG;
    }
    return options_agree(ret, err) ? OPTIONS_RUN : OPTIONS_WRONG;
}

void options_help(FILE *out)
{
    fprintf(out, "mosaic-emulator: the identity API with real keys, for development and tests\n\n"
                 "Usage: mosaic-emulator [options]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++)
        fprintf(out, "  %-22s %s\n", OPTIONS[i].name, OPTIONS[i].help);
}
