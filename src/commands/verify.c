/* SPDX-License-Identifier: Apache-2.0
 * `verify`: runs the service's own verifier over a compact JWS from standard input, with the keys
 * of a file. With the whole policy of the configuration, or for structure and signature alone. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "commands/commands.h"
#include "config/config.h"
#include "config/config_text.h"
#include "identity/jwt_verify.h"

enum {
    TOKEN_INPUT_BYTES_MAX = 1024 * 1024,
    TOKEN_BYTES_MAX_DEFAULT = 8192, /* as BFF_JWT_MAX_BYTES */
    VERIFY_ARENA_BYTES = 4 * 1024 * 1024,
    ISSUERS_MAX = 16, /* as the configuration allows */
};

struct verify {
    struct str jwks_file;
    struct str alg_list;  /* ptr NULL: by configuration */
    struct str kind_name; /* ptr NULL: access */
    enum token_kind kind;
    bool signature_only;
    bool algorithms[JWS_ALG_COUNT];
    int flag_count; /* what is left for the configuration */
    char **flags;   /* owned array of borrowed texts */
};

/* ---- command line */

static bool usage(const char *text)
{
    (void)fprintf(stderr,
                  "%s\nusage: biometrics-bff verify --jwks FILE [--alg LIST] "
                  "[--kind access|id] [--signature-only]\n",
                  text);
    return false;
}

static bool read_algorithms(struct str rest, bool algorithms[JWS_ALG_COUNT])
{
    for (;;) {
        const char *comma = rest.len > 0 ? memchr(rest.ptr, ',', rest.len) : NULL;
        const struct str name = {rest.ptr, comma ? (size_t)(comma - rest.ptr) : rest.len};
        enum jws_alg alg;
        if (!jws_alg_parse(name, &alg))
            return usage("--alg: give a comma list of RS256 RS384 RS512 PS256 PS384 PS512 ES256 "
                         "ES384 ES512");
        algorithms[alg] = true;
        if (!comma)
            return true;
        rest = (struct str){comma + 1, rest.len - name.len - 1};
    }
}

static bool read_kind(struct str text, enum token_kind *ret)
{
    if (!str_is(text, "access") && !str_is(text, "id"))
        return usage("--kind: give access or id");
    *ret = str_is(text, "id") ? TOKEN_KIND_ID : TOKEN_KIND_ACCESS;
    return true;
}

/* "--name value" or "--name=value"; advances *at over a separate value. False: another flag, or no
 * value. */
static bool flag_value(const struct invocation *in, int *at, const char *name, struct str *ret)
{
    const struct str arg = str_of(in->argv[*at]);
    const size_t n = strlen(name);

    if (!str_starts_with(arg, str_of(name)))
        return false;
    if (arg.len > n && arg.ptr[n] == '=') {
        *ret = (struct str){arg.ptr + n + 1, arg.len - n - 1};
        return true;
    }
    if (arg.len > n || *at + 1 >= in->argc)
        return false;
    (*at)++;
    *ret = str_of(in->argv[*at]);
    return true;
}

/* False: the flag is not one of ours. */
static bool take_flag(struct verify *v, const struct invocation *in, int *at)
{
    const struct {
        const char *name;
        struct str *value;
    } FLAGS[] = {{"--jwks", &v->jwks_file}, {"--alg", &v->alg_list}, {"--kind", &v->kind_name}};

    for (size_t i = 0; i < ARRAY_LEN(FLAGS); i++) {
        if (flag_value(in, at, FLAGS[i].name, FLAGS[i].value))
            return true;
    }
    if (!str_is(str_of(in->argv[*at]), "--signature-only"))
        return false;
    v->signature_only = true;
    return true;
}

static bool parse_flags(struct verify *v, const struct invocation *in)
{
    for (int i = 0; i < in->argc; i++) {
        if (!take_flag(v, in, &i))
            v->flags[v->flag_count++] = in->argv[i];
    }
    if (!v->jwks_file.ptr)
        return usage("--jwks FILE is required");
    if (v->signature_only && v->flag_count > 0)
        return usage("--signature-only takes no configuration");
    if (v->kind_name.ptr && !read_kind(v->kind_name, &v->kind))
        return false;
    return !v->alg_list.ptr || read_algorithms(v->alg_list, v->algorithms);
}

/* ---- input */

/* NULL: unreadable or too large. One trailing line end is not part of the token. */
static char *read_token(void)
{
    char *text = calloc(TOKEN_INPUT_BYTES_MAX + 1, 1);
    size_t len = 0;

    if (!text)
        return NULL;

    for (;;) {
        const ssize_t n = read(STDIN_FILENO, text + len, TOKEN_INPUT_BYTES_MAX + 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    if (len > TOKEN_INPUT_BYTES_MAX) {
        free(text);
        return NULL;
    }
    if (len > 0 && text[len - 1] == '\n')
        text[--len] = '\0';
    if (len > 0 && text[len - 1] == '\r')
        text[--len] = '\0';
    return text;
}

static int verdict(enum jwt_reason reason, const char *note)
{
    if (reason == JWT_OK)
        (void)fputs("valid\n", stdout);
    else
        (void)fprintf(stdout, "invalid: %s%s%s\n", JWT_REASON_LABELS[reason], *note ? ": " : "",
                      note);
    return reason == JWT_OK ? EXIT_GOOD : EXIT_FAILED;
}

static struct keyset *read_keys(struct str jwks, const char *issuer, struct err_text *problem)
{
    struct keyset *keys = NULL;
    struct keyset_report report = {0};

    return keyset_parse(jwks, str_of(issuer), &keys, &report, problem) == ERR_OK ? keys : NULL;
}

/* ---- the two ways */

static int verify_signature(const struct verify *v, struct str jwks, struct str token)
{
    struct err_text problem = {0};
    bool algorithms[JWS_ALG_COUNT] = {[JWS_RS256] = true};

    if (v->alg_list.ptr)
        memcpy(algorithms, v->algorithms, sizeof(algorithms));
    struct keyset *keys = read_keys(jwks, "file", &problem);
    if (!keys)
        return verdict(JWT_KEYS_MISSING, problem.text);
    const int code =
        verdict(jws_verify_signature(algorithms, keys, token, TOKEN_BYTES_MAX_DEFAULT), "");
    keyset_unref(keys);
    return code;
}

struct key_sets {
    struct keyset *sets[ISSUERS_MAX];
    size_t count;
};

static void key_sets_finish(struct key_sets *k)
{
    for (size_t i = 0; i < k->count; i++)
        keyset_unref(k->sets[i]);
}

/* The file's keys count for every configured issuer. */
static int verify_whole(const struct verify *v, const struct config *config, struct str jwks,
                        struct str token)
{
    AUTO(arena_finish) struct arena arena = {0};
    AUTO(key_sets_finish) struct key_sets keys = {0};
    struct err_text problem = {0};
    struct jwt_policy policy = jwt_policy_of(config);
    const struct jwt_input input = {.token = token, .kind = v->kind, .now_s = clock_wall_s()};
    AUTO(jwt_claims_finish) struct jwt_claims claims = {0};
    size_t issuer = 0;
    struct str kid = {0};

    for (; keys.count < config->issuer_count; keys.count++) {
        keys.sets[keys.count] = read_keys(jwks, config->issuers[keys.count].issuer, &problem);
        if (!keys.sets[keys.count])
            return verdict(JWT_KEYS_MISSING, problem.text);
    }
    if (v->alg_list.ptr)
        policy.algorithms = v->algorithms;
    arena_init(&arena, VERIFY_ARENA_BYTES);
    const struct keyring keyring = {config->issuers, keys.sets, keys.count};
    return verdict(jwt_verify(&policy, &keyring, &input, &arena, &claims, &issuer, &kid), "");
}

static int verify_token(const struct verify *v, const struct config *config)
{
    struct option_problem problem;
    char *jwks = config_read_file(v->jwks_file.ptr, JWKS_BYTES_MAX, &problem);
    char *token = read_token();
    int code = EXIT_CONFIG;

    if (!jwks)
        (void)fprintf(stderr, "--jwks: the file %s\n", problem.text);
    else if (!token)
        code = verdict(JWT_TOO_LARGE, "");
    else if (config)
        code = verify_whole(v, config, str_of(jwks), str_of(token));
    else
        code = verify_signature(v, str_of(jwks), str_of(token));
    config_free_text(token);
    config_free_text(jwks);
    return code;
}

int command_verify(const struct invocation *in)
{
    AUTO_FREE char **flags = calloc((size_t)in->argc + 1, sizeof(char *));
    struct verify v = {.kind = TOKEN_KIND_ACCESS, .flags = flags};
    struct config_loaded *loaded = NULL;

    if (!flags) {
        (void)fputs("out of memory\n", stderr);
        return EXIT_FAILED;
    }
    if (!parse_flags(&v, in))
        return EXIT_USAGE;
    if (!crypto_init()) {
        (void)fputs("OpenSSL is unusable\n", stderr);
        return EXIT_CONFIG;
    }
    int code = 0;
    if (!v.signature_only) {
        const struct config_inputs inputs = {
            .purpose = CONFIG_FOR_VERIFY, .argc = v.flag_count, .argv = v.flags, .envp = in->envp};
        code = config_load(&inputs, stderr, &loaded);
    }
    if (code == 0)
        code = verify_token(&v, loaded ? config_of(loaded) : NULL);
    config_free(loaded);
    crypto_finish();
    return code;
}
