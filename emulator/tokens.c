/* SPDX-License-Identifier: Apache-2.0
 * Token payloads. A tamper row changes the plan of the claims before they are written, so the wrong
 * tokens differ from the right ones in exactly one thing. */
#include "emulator/tokens.h"

#include <inttypes.h>
#include <string.h>

#include "base/base64.h"
#include "base/crypto.h"

enum { CLAIMS_BYTES_MAX = 64 * 1024, TOKEN_BYTES_MAX = 128 * 1024 };

static const char USER_AUDIENCE[] = "userid-api";
static const char APP_ID[] = "demo-app";

/* ---- plans --------------------------------------------------------------------------------- */

struct plan {
    struct str iss, sub, aud, client_id, tid, email, phone_number;
    int64_t iat_s, exp_s;
    enum signer signer;
    const char *kid; /* NULL: the key's own */
    enum approval_change approval;
    bool wrong_at_hash, five_parts;
};

static int64_t token_ttl_s(struct emulator *e)
{
    pthread_mutex_lock(&e->lock);
    const int64_t ttl_s = e->settings.token_ttl_s;
    pthread_mutex_unlock(&e->lock);
    return ttl_s;
}

static struct plan right_plan(struct call *call, struct str sub, struct str aud)
{
    const struct options *o = call->emulator->options;
    return (struct plan){
        .iss = str_of(o->issuer),
        .sub = sub,
        .aud = aud,
        .client_id = str_of(o->client_id),
        .tid = str_of(o->tenant_id),
        .iat_s = call->now_s,
        .exp_s = call->now_s + token_ttl_s(call->emulator),
        .signer = SIGNER_CURRENT,
    };
}

/* "" leaves the claim out: jw_member_opt() skips a NULL pointer. */
static void replace(struct str *claim, const char *by)
{
    if (by)
        *claim = *by ? str_of(by) : (struct str){0};
}

static void tamper_with(struct plan *p, const struct tamper *t)
{
    replace(&p->iss, t->iss);
    replace(&p->sub, t->sub);
    replace(&p->aud, t->aud);
    replace(&p->client_id, t->client_id);
    replace(&p->tid, t->tid);
    replace(&p->email, t->email);
    p->iat_s += t->shift_s;
    p->exp_s += t->shift_s;
    p->signer = t->signer;
    p->kid = t->kid;
    p->approval = t->approval;
    p->wrong_at_hash = t->wrong_at_hash;
    p->five_parts = t->five_parts;
}

static void tamper_if(struct call *call, enum tamper_scope token, struct plan *p)
{
    if (call->tamper && (call->tamper_scope == TAMPER_BOTH || call->tamper_scope == token))
        tamper_with(p, call->tamper);
}

static void write_common(struct call *call, struct json_writer *w, const struct plan *p)
{
    char jti[48];
    const uint64_t number = atomic_fetch_add(&call->emulator->tokens_made, 1) + 1;
    const int len = snprintf(jti, sizeof(jti), "emu-%" PRIu64, number);
    jw_member_opt(w, "iss", p->iss);
    jw_member_opt(w, "sub", p->sub);
    jw_member_opt(w, "aud", p->aud);
    jw_member_opt(w, "tid", p->tid);
    jw_member_int(w, "iat", p->iat_s);
    jw_member_int(w, "exp", p->exp_s);
    jw_member(w, "jti", (struct str){jti, (size_t)len});
}

static bool sign_plan(struct call *call, const struct plan *p, struct str claims, struct buf *out)
{
    struct signing *s = &call->emulator->signing;
    if (p->signer == SIGNER_CURRENT && !p->kid)
        return signing_sign(s, claims, out);
    AUTO_BUF struct buf header = {0};
    buf_init(&header, CLAIMS_BYTES_MAX);
    if (p->kid) {
        struct json_writer w;
        jw_init(&w, &header);
        jw_object_begin(&w);
        jw_member(&w, "alg", str_of(jose_alg_name(signing_current(s)->alg)));
        jw_member(&w, "typ", STR("JWT"));
        jw_member_opt(&w, "kid", *p->kid ? str_of(p->kid) : (struct str){0});
        jw_object_end(&w);
    }
    return signing_sign_as(s, p->signer, buf_str(&header), claims, out);
}

/* ---- client tokens ------------------------------------------------------------------------- */

/* RFC 8705 section 3.1 */
static void write_binding(struct call *call, struct json_writer *w)
{
    struct client_cert cert;
    if (!call->emulator->options->bind_tokens || !connection_client_cert(call->connection, &cert))
        return;
    jw_key(w, "cnf");
    jw_object_begin(w);
    jw_member(w, "x5t#S256", str_of(cert.thumbprint));
    jw_object_end(w);
}

/* A client token looks like a user token as far as it can, so that only the rule about `sub` and
 * `client_id` tells them apart. */
bool tokens_make_client(struct call *call, bool admin, struct str resource, struct buf *out)
{
    const struct options *o = call->emulator->options;
    const struct str id = str_of(admin ? o->admin_client_id : o->client_id);
    struct plan p = right_plan(call, id, resource.ptr ? resource : STR("userid-api"));
    p.client_id = id;
    tamper_if(call, TAMPER_ACCESS_TOKEN, &p);

    AUTO_BUF struct buf claims = {0};
    buf_init(&claims, CLAIMS_BYTES_MAX);
    struct json_writer w;
    jw_init(&w, &claims);
    jw_object_begin(&w);
    write_common(call, &w, &p);
    jw_member(&w, "client_id", p.client_id);
    jw_member(&w, "scope", STR("openid"));
    write_binding(call, &w);
    jw_key(&w, admin ? "roles" : "ts_roles");
    jw_array_begin(&w);
    jw_string(&w, admin ? STR("Admin") : STR("App Admin"));
    jw_array_end(&w);
    if (!admin) {
        jw_member(&w, "app_id", str_of(APP_ID));
        jw_key(&w, "ts_permissions");
        jw_raw(&w, STR("[\"apps:execute\",\"apps:delete\"]"));
    }
    jw_object_end(&w);
    return buf_ok(&claims) && sign_plan(call, &p, buf_str(&claims), out);
}

/* ---- user tokens --------------------------------------------------------------------------- */

static bool make_access_token(struct call *call, const struct authentication *a, struct buf *out)
{
    struct plan p =
        right_plan(call, a->user_id, a->resource.ptr ? a->resource : str_of(USER_AUDIENCE));
    tamper_if(call, TAMPER_ACCESS_TOKEN, &p);

    AUTO_BUF struct buf claims = {0};
    buf_init(&claims, CLAIMS_BYTES_MAX);
    struct json_writer w;
    jw_init(&w, &claims);
    jw_object_begin(&w);
    write_common(call, &w, &p);
    jw_member_opt(&w, "client_id", p.client_id);
    jw_member(&w, "app_id", str_of(APP_ID));
    jw_member(&w, "app_name", STR("Demo"));
    jw_key(&w, "roles");
    jw_raw(&w, STR("[]"));
    jw_member(&w, "scope", STR("openid"));
    jw_object_end(&w);
    return buf_ok(&claims) && sign_plan(call, &p, buf_str(&claims), out);
}

static void write_amr(struct json_writer *w, const struct authentication *a)
{
    jw_key(w, "amr");
    jw_array_begin(w);
    if (a->by_other)
        jw_string(w, STR("pwd"));
    if (a->by_biometrics)
        jw_string(w, STR("mobile_biometric"));
    if (a->multi_factor)
        jw_string(w, STR("mfa"));
    jw_array_end(w);
}

/* Left half of the access token's SHA-256 (OpenID Connect Core §3.1.3.6). */
static void write_at_hash(struct json_writer *w, struct str access_token, bool wrong)
{
    uint8_t digest[SHA256_BYTES];
    AUTO_BUF struct buf text = {0};
    buf_init(&text, 64);
    if (!crypto_sha256(access_token, digest))
        return;
    digest[0] ^= wrong;
    base64url_append(&text, digest, SHA256_BYTES / 2);
    jw_member(w, "at_hash", buf_str(&text));
}

static void write_approval(struct json_writer *w, struct str approval_data,
                           enum approval_change change)
{
    if (!approval_data.ptr || change == APPROVAL_MISSING)
        return;
    jw_key(w, "approval_data");
    jw_raw(w, change == APPROVAL_CHANGED ? STR("{\"changed\":\"by-somebody\"}") : approval_data);
}

static bool make_id_token(struct call *call, const struct authentication *a,
                          struct str access_token, struct buf *out)
{
    struct plan p = right_plan(call, a->user_id, str_of(call->emulator->options->client_id));
    p.email = a->email;
    p.phone_number = a->phone_number;
    tamper_if(call, TAMPER_ID_TOKEN, &p);

    AUTO_BUF struct buf claims = {0};
    buf_init(&claims, CLAIMS_BYTES_MAX);
    struct json_writer w;
    jw_init(&w, &claims);
    jw_object_begin(&w);
    write_common(call, &w, &p);
    jw_member_int(&w, "auth_time", a->auth_time_s);
    write_amr(&w, a);
    write_at_hash(&w, access_token, p.wrong_at_hash);
    jw_member_opt(&w, "email", p.email);
    if (p.email.ptr)
        jw_member_bool(&w, "email_verified", true);
    jw_member_opt(&w, "phone_number", p.phone_number);
    write_approval(&w, a->approval_data, p.approval);
    jw_object_end(&w);
    if (!buf_ok(&claims) || !sign_plan(call, &p, buf_str(&claims), out))
        return false;
    if (p.five_parts)
        buf_append_z(out, ".AAAA.AAAA");
    return buf_ok(out);
}

void tokens_reply(struct call *call, const struct authentication *a)
{
    AUTO_BUF struct buf access_token = {0};
    AUTO_BUF struct buf id_token = {0};
    buf_init(&access_token, TOKEN_BYTES_MAX);
    buf_init(&id_token, TOKEN_BYTES_MAX);
    struct emulator *e = call->emulator;
    pthread_mutex_lock(&e->lock);
    const bool with_id_token =
        e->settings.issue_id_token && !(call->tamper && call->tamper->no_id_token);
    const int64_t ttl_s = e->settings.token_ttl_s;
    pthread_mutex_unlock(&e->lock);

    if (!make_access_token(call, a, &access_token) ||
        (with_id_token && !make_id_token(call, a, buf_str(&access_token), &id_token))) {
        reply_internal(call);
        return;
    }
    struct json_writer w = reply_json(call, 200);
    jw_object_begin(&w);
    jw_member(&w, "access_token", buf_str(&access_token));
    if (with_id_token)
        jw_member(&w, "id_token", buf_str(&id_token));
    jw_member_opt(&w, "refresh_token", a->refresh_token);
    jw_member(&w, "token_type", STR("Bearer"));
    jw_member_int(&w, "expires_in", ttl_s);
    jw_member_opt(&w, "session_id", a->session_id);
    jw_object_end(&w);
}

/* ---- reading ------------------------------------------------------------------------------- */

static enum caller_kind kind_of(const struct options *o, const struct json *claims)
{
    const struct str sub = json_string(json_member(claims, "sub"));
    const struct str client_id = json_string(json_member(claims, "client_id"));
    if (sub.len == 0 || client_id.len == 0)
        return KIND_INVALID; /* an ID token has no client_id */
    if (str_is(client_id, o->admin_client_id))
        return str_eq(sub, client_id) ? KIND_ADMIN : KIND_INVALID;
    if (!str_is(client_id, o->client_id))
        return KIND_INVALID;
    return str_eq(sub, client_id) ? KIND_CLIENT : KIND_USER;
}

static uint64_t number_of(const struct json *claims)
{
    const struct str jti = json_string(json_member(claims, "jti"));
    if (!str_starts_with(jti, STR("emu-")))
        return UINT64_MAX; /* a token made by /_emulator/sign cannot be revoked by number */
    return strtoull(jti.ptr + 4, NULL, 10);
}

/* A token that names a certificate comes over a connection that showed it. */
static bool is_bound_here(const struct call *call, const struct json *claims)
{
    const struct str wanted = json_string(json_member(json_member(claims, "cnf"), "x5t#S256"));
    struct client_cert cert;
    return !wanted.ptr ||
           (connection_client_cert(call->connection, &cert) && str_is(wanted, cert.thumbprint));
}

static bool is_in_force(struct call *call, const struct json *claims, enum caller_kind kind)
{
    double exp = 0;
    return json_number(json_member(claims, "exp"), &exp) && exp > (double)call->now_s &&
           str_is(json_string(json_member(claims, "iss")), call->emulator->options->issuer) &&
           is_bound_here(call, claims) &&
           number_of(claims) > atomic_load(&call->emulator->revoked_up_to[kind]);
}

void tokens_read_bearer(struct call *call)
{
    struct str text = http_request_header(call->request, "Authorization");
    call->caller = (struct caller){.kind = KIND_NONE};
    if (!text.ptr || !(text.len > 7 && str_eq_nocase((struct str){text.ptr, 7}, STR("Bearer "))))
        return;

    struct jose_token token;
    call->caller.kind = KIND_INVALID;
    if (!signing_verify(&call->emulator->signing, (struct str){text.ptr + 7, text.len - 7}, &token))
        return;
    const enum caller_kind kind = kind_of(call->emulator->options, token.claims);
    if (is_in_force(call, token.claims, kind)) {
        call->caller.sub = arena_copy(&call->arena, json_string(json_member(token.claims, "sub")));
        call->caller.kind = call->caller.sub.ptr ? kind : KIND_INVALID;
    }
    jose_finish(&token);
}
