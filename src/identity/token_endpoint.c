/* SPDX-License-Identifier: Apache-2.0
 * The client-credentials grant: builds the form, the Basic value or the signed assertion, and reads
 * the answer. Secrets pass through cleansed buffers only, as far as the memory is ours. */
#include "identity/token_endpoint.h"

#include <stdlib.h>

#include "base/base64.h"
#include "base/crypto.h"
#include "base/json.h"
#include "identity/client_assertion.h"

enum {
    CREDENTIAL_BYTES_MAX = 4096, /* id and secret, form-encoded */
    ERROR_CODE_BYTES = 33,
};

static const struct json_limits ANSWER_LIMITS = {
    .bytes_max = 64 * 1024, .depth_max = 8, .values_max = 256};

static const char ASSERTION_TYPE[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/* ---- the request */

/* application/x-www-form-urlencoded (RFC 6749 appendix B): all but these become %XX. */
static void append_encoded(struct buf *out, const char *text)
{
    static const char PLAIN[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-._";

    for (const char *p = text; *p; p++) {
        if (strchr(PLAIN, *p))
            buf_append_byte(out, *p);
        else if (*p == ' ')
            buf_append_byte(out, '+');
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*p);
    }
}

static void append_parameter(struct buf *body, const char *name, const char *value)
{
    buf_append_byte(body, '&');
    buf_append_z(body, name);
    buf_append_byte(body, '=');
    append_encoded(body, value);
}

/* RFC 6749 §2.3.1: both parts are form-encoded before base64. */
static void append_basic(struct buf *authorization, const struct client_credentials *c)
{
    AUTO_BUF struct buf pair;

    buf_init(&pair, CREDENTIAL_BYTES_MAX);
    append_encoded(&pair, c->client_id);
    buf_append_byte(&pair, ':');
    append_encoded(&pair, c->client_secret);
    buf_append_z(authorization, "Basic ");
    base64_append(authorization, (const uint8_t *)pair.ptr, pair.len);
    if (!buf_ok(&pair))
        authorization->state = pair.state;
}

/* RFC 7523 §2.2. What it is made of is no longer than a form may be. */
static enum err append_assertion(struct buf *body, const struct client_credentials *c,
                                 int64_t now_s, struct err_text *reterr)
{
    const struct client_assertion statement = {.client_id = c->client_id,
                                               .audience = c->audience,
                                               .key_id = c->key_id,
                                               .alg = c->assertion_alg};

    append_parameter(body, "client_assertion_type", ASSERTION_TYPE);
    buf_append_z(body, "&client_assertion="); /* base64url and dots need no encoding */
    return client_assertion_append(&statement, c->identity, now_s, body, reterr);
}

enum err token_request_build(const struct client_credentials *c, int64_t now_s, struct buf *body,
                             struct buf *authorization, struct err_text *reterr)
{
    const bool by_secret =
        c->method == CLIENT_AUTH_SECRET_POST || c->method == CLIENT_AUTH_SECRET_BASIC;

    if (by_secret && !c->client_secret)
        return err_set(reterr, ERR_INTERNAL, "no client secret");
    if (c->method == CLIENT_AUTH_PRIVATE_KEY_JWT && (!c->identity || !c->audience))
        return err_set(reterr, ERR_INTERNAL, "no client key or no audience for the assertion");

    buf_append_z(body, "grant_type=client_credentials");
    if (c->method != CLIENT_AUTH_SECRET_BASIC)
        append_parameter(body, "client_id", c->client_id);
    switch (c->method) {
    case CLIENT_AUTH_SECRET_POST:
        append_parameter(body, "client_secret", c->client_secret);
        break;
    case CLIENT_AUTH_SECRET_BASIC:
        append_basic(authorization, c);
        break;
    case CLIENT_AUTH_PRIVATE_KEY_JWT: {
        const enum err e = append_assertion(body, c, now_s, reterr);
        if (e != ERR_OK)
            return e;
        break;
    }
    case CLIENT_AUTH_TLS:
        break; /* the connection's certificate says it */
    }
    if (!buf_ok(body) || !buf_ok(authorization))
        return err_set(reterr, ERR_INTERNAL, "the client credentials are too long");
    return ERR_OK;
}

/* ---- the answer */

void token_grant_finish(struct token_grant *g)
{
    if (g->authorization) {
        crypto_cleanse(g->authorization, strlen(g->authorization));
        free(g->authorization);
    }
    *g = (struct token_grant){0};
}

/* RFC 6750 §2.1: 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=". Nothing else ever
 * gets into a header. */
static bool is_b64token(struct str text)
{
    static const char MARKS[] = "-._~+/";
    size_t n = 0;

    while (n < text.len && ((text.ptr[n] >= 'A' && text.ptr[n] <= 'Z') ||
                            (text.ptr[n] >= 'a' && text.ptr[n] <= 'z') ||
                            (text.ptr[n] >= '0' && text.ptr[n] <= '9') ||
                            (text.ptr[n] && strchr(MARKS, text.ptr[n]))))
        n++;
    if (n == 0)
        return false;
    while (n < text.len && text.ptr[n] == '=')
        n++;
    return n == text.len;
}

/* The OAuth error code of a refusal, for our log; "" unless it is a plain word. */
static void read_error_code(struct str body, char ret[ERROR_CODE_BYTES])
{
    AUTO_JSON struct json *root = NULL;
    struct json_error ignored;

    ret[0] = '\0';
    if (json_parse(body, &ANSWER_LIMITS, &root, &ignored) != ERR_OK)
        return;
    const struct str code = json_string(json_member(root, "error"));
    if (code.len == 0 || code.len >= ERROR_CODE_BYTES)
        return;
    for (size_t i = 0; i < code.len; i++) {
        if (code.ptr[i] != '_' && (code.ptr[i] < 'a' || code.ptr[i] > 'z'))
            return;
    }
    memcpy(ret, code.ptr, code.len);
    ret[code.len] = '\0';
}

static enum err refusal_of_status(const struct call_answer *answer, struct err_text *reterr)
{
    char code[ERROR_CODE_BYTES];
    const int status = answer->status;

    read_error_code(answer->body, code);
    if (status == 400 || status == 401 || status == 403)
        return err_set(reterr, ERR_UPSTREAM_REFUSED_CREDENTIALS,
                       "token endpoint answered %d %s: check client id, secret or key", status,
                       code);
    if (status == 429)
        return err_set(reterr, ERR_UPSTREAM_RATE_LIMITED, "token endpoint answered 429");
    if (status >= 500)
        return err_set(reterr, ERR_UPSTREAM_UNAVAILABLE, "token endpoint answered %d", status);
    return err_set(reterr, ERR_UPSTREAM_INVALID_RESPONSE, "token endpoint answered %d", status);
}

static enum err failure_of_call(const struct call_answer *answer, struct err_text *reterr)
{
    const char *reason = answer->reason ? answer->reason : "no reason";

    switch (answer->result) {
    case CALL_TIMED_OUT:
        return err_set(reterr, ERR_UPSTREAM_TIMEOUT, "token endpoint: %s", reason);
    case CALL_BAD_ANSWER:
        return err_set(reterr, ERR_UPSTREAM_INVALID_RESPONSE, "token endpoint: %s", reason);
    case CALL_NOT_SENT:
    case CALL_BROKEN:
        return err_set(reterr, ERR_UPSTREAM_UNAVAILABLE, "token endpoint: %s", reason);
    case CALL_ANSWERED:
        break;
    }
    return ERR_OK;
}

static enum err read_grant(const struct json *root, struct token_grant *ret,
                           struct err_text *reterr)
{
    static const char SCHEME[] = "Bearer ";
    const struct str type = json_string(json_member(root, "token_type"));
    const struct str token = json_string(json_member(root, "access_token"));
    double seconds = 0;

    if (!str_eq_nocase(type, STR("Bearer")))
        return err_set(reterr, ERR_UPSTREAM_INVALID_RESPONSE, "token_type is not Bearer");
    if (token.len > TOKEN_BYTES_MAX || !is_b64token(token))
        return err_set(reterr, ERR_UPSTREAM_INVALID_RESPONSE,
                       "access_token is missing, too long or not made of token characters");
    if (!json_number(json_member(root, "expires_in"), &seconds) || !(seconds >= TOKEN_TTL_MIN_S))
        return err_set(reterr, ERR_UPSTREAM_INVALID_RESPONSE,
                       "expires_in is not a positive number");

    char *authorization = malloc(sizeof(SCHEME) + token.len);
    if (!authorization)
        return ERR_NO_MEMORY;
    memcpy(authorization, SCHEME, sizeof(SCHEME) - 1);
    memcpy(authorization + sizeof(SCHEME) - 1, token.ptr, token.len);
    authorization[sizeof(SCHEME) - 1 + token.len] = '\0';
    /* Compared as a double first: 1e300 is a number too. */
    ret->expires_in_s = seconds > TOKEN_TTL_MAX_S ? TOKEN_TTL_MAX_S : (int64_t)seconds;
    ret->authorization = authorization;
    return ERR_OK;
}

enum err token_answer_read(const struct call_answer *answer, struct token_grant *ret,
                           struct err_text *reterr)
{
    AUTO_JSON struct json *root = NULL;
    struct json_error what = {0};

    if (answer->result != CALL_ANSWERED)
        return failure_of_call(answer, reterr);
    if (answer->status != 200)
        return refusal_of_status(answer, reterr);
    if (!str_is(answer->content_type, "application/json") || !answer->charset_ok)
        return err_set(reterr, ERR_UPSTREAM_INVALID_RESPONSE, "token answer is not JSON by type");
    const enum err e = json_parse(answer->body, &ANSWER_LIMITS, &root, &what);
    if (e == ERR_NO_MEMORY)
        return e;
    if (e != ERR_OK)
        return err_set(reterr, ERR_UPSTREAM_INVALID_RESPONSE,
                       "token answer is not strict JSON: %s at byte %zu", what.what, what.offset);
    return read_grant(root, ret, reterr);
}
