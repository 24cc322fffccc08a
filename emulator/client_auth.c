/* SPDX-License-Identifier: Apache-2.0
 * One function for each method; --client-auth decides which of them the application may use. The
 * management application always uses its secret. */
#include "emulator/client_auth.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/base64.h"
#include "base/crypto.h"

enum { KEY_FILE_BYTES_MAX = 64 * 1024, ASSERTION_LIFE_MAX_S = 7200, CLOCK_SKEW_S = 60 };

static const char ASSERTION_TYPE[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/* ---- keys ---------------------------------------------------------------------------------- */

static bool read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        perror(path);
        return false;
    }
    char *room = buf_room(out, KEY_FILE_BYTES_MAX);
    if (room)
        buf_added(out, fread(room, 1, KEY_FILE_BYTES_MAX, file));
    (void)fclose(file);
    return buf_ok(out);
}

bool client_auth_load_keys(struct emulator *e)
{
    const char *path = e->options->client_key_file;
    if (!path)
        return true;
    static const struct json_limits LIMITS = {
        .bytes_max = KEY_FILE_BYTES_MAX, .depth_max = 8, .values_max = 2000};
    AUTO_BUF struct buf text = {0};
    buf_init(&text, KEY_FILE_BYTES_MAX);
    if (!read_file(path, &text))
        return false;

    struct json_error error;
    if (text.len > 0 && text.ptr[0] == '{') {
        if (json_parse(buf_str(&text), &LIMITS, &e->client_keys, &error) == ERR_OK)
            return true;
    } else {
        BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
        e->client_key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
        BIO_free(bio);
        ERR_clear_error();
        if (e->client_key)
            return true;
    }
    fprintf(stderr, "%s: neither a PEM public key nor a JWKS\n", path);
    return false;
}

/* The key for the assertion; the caller frees it. */
static EVP_PKEY *find_key(const struct emulator *e, struct str kid)
{
    if (e->client_key && EVP_PKEY_up_ref(e->client_key) == 1)
        return e->client_key;
    const struct json *keys = json_member(e->client_keys, "keys");
    for (const struct json *k = json_first(keys); k; k = json_next(k)) {
        const struct str its_kid = json_string(json_member(k, "kid"));
        if (str_eq(its_kid, kid))
            return jose_read_jwk(k);
    }
    return NULL;
}

/* ---- secrets ------------------------------------------------------------------------------- */

static enum client_auth_result check_secret(const struct options *o, struct str id,
                                            struct str secret)
{
    if (str_is(id, o->client_id) && crypto_equal(secret, str_of(o->client_secret)))
        return CLIENT_IS_APP;
    if (str_is(id, o->admin_client_id) && crypto_equal(secret, str_of(o->admin_client_secret)))
        return CLIENT_IS_ADMIN;
    return CLIENT_REFUSED;
}

/* RFC 6749 §2.3.1: both halves are form-encoded before they are joined. */
static enum client_auth_result check_basic(struct call *call, struct str header)
{
    const struct str text = {header.ptr + 6, header.len - 6};
    uint8_t *bytes = arena_alloc(&call->arena, base64_decoded_max(text.len));
    size_t len = 0;
    if (!bytes || !base64_decode(text, false, bytes, &len))
        return CLIENT_REFUSED;
    const char *colon = memchr(bytes, ':', len);
    if (!colon)
        return CLIENT_REFUSED;
    const size_t id_len = (size_t)(colon - (const char *)bytes);
    const struct str id = form_decode((struct str){(const char *)bytes, id_len}, &call->arena);
    const struct str secret = form_decode((struct str){colon + 1, len - id_len - 1}, &call->arena);
    return check_secret(call->emulator->options, id, secret);
}

/* ---- assertions ---------------------------------------------------------------------------- */

static bool is_our_audience(struct call *call, struct str aud)
{
    static const char *const PATHS[] = {"/oidc/token", "/cis/oidc/token"};
    const struct str base = str_of(call_base_url(call));
    for (size_t i = 0; i < ARRAY_LEN(PATHS); i++) {
        if (base.ptr && str_starts_with(aud, base) &&
            str_is((struct str){aud.ptr + base.len, aud.len - base.len}, PATHS[i]))
            return true;
    }
    return false;
}

/* NULL: all of them are right but for the jti. */
static const char *claims_problem(struct call *call, const struct json *claims)
{
    const struct str id = str_of(call->emulator->options->client_id);
    const double now = (double)call->now_s;
    double iat = 0, exp = 0;
    if (!str_eq(json_string(json_member(claims, "iss")), id))
        return "assertion: iss is not the client";
    if (!str_eq(json_string(json_member(claims, "sub")), id))
        return "assertion: sub is not the client";
    if (!is_our_audience(call, json_string(json_member(claims, "aud"))))
        return "assertion: aud is not this endpoint";
    if (!json_number(json_member(claims, "iat"), &iat) || iat > now + CLOCK_SKEW_S)
        return "assertion: iat is missing or in the future";
    if (!json_number(json_member(claims, "exp"), &exp) || exp <= now)
        return "assertion: exp is missing or past";
    if (exp - iat > ASSERTION_LIFE_MAX_S)
        return "assertion: its life is too long";
    return NULL;
}

/* False: this jti was seen before. */
static bool remember_jti(struct emulator *e, struct str jti)
{
    static char seen[] = "seen";
    pthread_mutex_lock(&e->lock);
    const bool fresh = table_put(&e->assertions, jti, seen);
    pthread_mutex_unlock(&e->lock);
    return fresh;
}

static const char *signature_problem(struct call *call, const struct jose_token *token)
{
    const char *wanted = call->emulator->options->assertion_alg;
    const struct str name = json_string(json_member(token->header, "alg"));
    const struct str signature = {(const char *)token->signature, token->signature_len};
    enum jose_alg alg = JOSE_RS256;
    if (!jose_alg_parse(name, &alg) || (wanted && !str_is(name, wanted)))
        return "assertion: alg is not the registered one";
    EVP_PKEY *key = find_key(call->emulator, json_string(json_member(token->header, "kid")));
    const bool good = key && jose_verify(alg, key, token->input, signature);
    EVP_PKEY_free(key);
    if (good)
        return NULL;
    return key ? "assertion: the signature does not verify" : "assertion: its kid is unknown";
}

/* NULL: it proves the client, this once. */
static const char *assertion_problem(struct call *call, struct str text)
{
    struct jose_token token;
    if (!jose_split(text, &token))
        return "assertion: it cannot be read";
    const struct str jti = json_string(json_member(token.claims, "jti"));
    const char *problem = signature_problem(call, &token);
    if (!problem)
        problem = claims_problem(call, token.claims);
    if (!problem && jti.len == 0)
        problem = "assertion: it has no jti";
    if (!problem && !remember_jti(call->emulator, jti))
        problem = "assertion: its jti was used before";
    jose_finish(&token);
    return problem;
}

/* ---- certificates -------------------------------------------------------------------------- */

static const char *certificate_problem(struct call *call)
{
    struct client_cert cert = {0};
    if (!connection_client_cert(call->connection, &cert))
        return "certificate: none was shown";
    if (!cert.trusted)
        return "certificate: it is of an unknown authority, or not in force";
    if (strcmp(cert.subject, call->emulator->options->client_dn) != 0)
        return "certificate: its subject is not the client's";
    return NULL;
}

/* ---- the choice ---------------------------------------------------------------------------- */

enum proof { PROOF_NONE, PROOF_POST, PROOF_BASIC, PROOF_ASSERTION, PROOF_TLS };

static enum proof offered_proof(const struct call *call, const struct form *form)
{
    const struct str header = http_request_header(call->request, "Authorization");
    struct client_cert cert;
    if (header.len > 6 && str_eq_nocase((struct str){header.ptr, 6}, STR("Basic ")))
        return form_value(form, "client_secret").ptr ? PROOF_NONE : PROOF_BASIC;
    if (form_value(form, "client_assertion").ptr)
        return PROOF_ASSERTION;
    if (form_value(form, "client_secret").ptr)
        return PROOF_POST;
    return connection_client_cert(call->connection, &cert) ? PROOF_TLS : PROOF_NONE;
}

static enum client_auth_result app_unless(const char *problem, const char **ret_problem)
{
    *ret_problem = problem;
    return problem ? CLIENT_REFUSED : CLIENT_IS_APP;
}

static enum client_auth_result check_proof(struct call *call, const struct form *form,
                                           enum proof proof, const char **ret_problem)
{
    const struct options *o = call->emulator->options;
    const struct str id = form_value(form, "client_id");
    const bool by_app = str_is(id, o->client_id);
    *ret_problem = "client authentication failed";
    switch (proof) {
    case PROOF_NONE:
        break;
    case PROOF_POST:
        return check_secret(o, id, form_value(form, "client_secret"));
    case PROOF_BASIC:
        return check_basic(call, http_request_header(call->request, "Authorization"));
    case PROOF_ASSERTION:
        if (by_app && str_is(form_value(form, "client_assertion_type"), ASSERTION_TYPE))
            return app_unless(assertion_problem(call, form_value(form, "client_assertion")),
                              ret_problem);
        break;
    case PROOF_TLS:
        if (by_app)
            return app_unless(certificate_problem(call), ret_problem);
        break;
    }
    return CLIENT_REFUSED;
}

static bool is_allowed(enum accepted_auth allowed, enum proof proof)
{
    switch (allowed) {
    case ACCEPT_ANY:
        return true;
    case ACCEPT_SECRET_POST:
        return proof == PROOF_POST;
    case ACCEPT_SECRET_BASIC:
        return proof == PROOF_BASIC;
    case ACCEPT_PRIVATE_KEY_JWT:
        return proof == PROOF_ASSERTION;
    case ACCEPT_TLS:
        return proof == PROOF_TLS;
    }
    return false;
}

enum client_auth_result client_auth_check(struct call *call, const struct form *form,
                                          const char **ret_problem)
{
    const enum proof proof = offered_proof(call, form);
    const enum client_auth_result result = check_proof(call, form, proof, ret_problem);
    if (result != CLIENT_IS_APP || is_allowed(call->emulator->options->accepted_auth, proof))
        return result;
    *ret_problem = "the client is registered with another method";
    return CLIENT_REFUSED;
}
