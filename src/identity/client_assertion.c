/* SPDX-License-Identifier: Apache-2.0
 * A compact JWS of our own claims; see client_assertion.h. */
#include "identity/client_assertion.h"

#include "base/base64.h"
#include "base/crypto.h"
#include "base/json.h"

enum { LIFE_S = 60, JTI_BYTES = 16, PART_BYTES_MAX = 8192, SIGNATURE_BYTES_MAX = 2048 };

static bool signature_of(enum jws_alg alg, enum client_signature *ret)
{
    if (alg == JWS_RS256)
        *ret = CLIENT_SIGNS_RS256;
    else if (alg == JWS_PS256)
        *ret = CLIENT_SIGNS_PS256;
    else if (alg == JWS_ES256)
        *ret = CLIENT_SIGNS_ES256;
    else
        return false;
    return true;
}

bool client_assertion_fits(enum jws_alg alg, const struct client_identity *identity)
{
    enum client_signature as = CLIENT_SIGNS_RS256;

    return signature_of(alg, &as) && client_identity_can_sign(identity, as);
}

static void write_header(const struct client_assertion *a, struct buf *out)
{
    struct json_writer w;

    jw_init(&w, out);
    jw_object_begin(&w);
    jw_member(&w, "alg", str_of(jws_alg_name(a->alg)));
    jw_member(&w, "typ", STR("JWT"));
    if (a->key_id)
        jw_member(&w, "kid", str_of(a->key_id));
    jw_object_end(&w);
}

static bool write_claims(const struct client_assertion *a, int64_t now_s, struct buf *out)
{
    uint8_t random[JTI_BYTES];
    char jti[2 * JTI_BYTES + 1];
    struct json_writer w;

    if (!crypto_random(random, sizeof(random)))
        return false;
    hex_encode(random, sizeof(random), jti);
    jw_init(&w, out);
    jw_object_begin(&w);
    jw_member(&w, "iss", str_of(a->client_id));
    jw_member(&w, "sub", str_of(a->client_id));
    jw_member(&w, "aud", str_of(a->audience));
    jw_member(&w, "jti", str_of(jti));
    jw_member_int(&w, "iat", now_s);
    jw_member_int(&w, "exp", now_s + LIFE_S);
    jw_object_end(&w);
    return true;
}

static void append_part(struct buf *out, const struct buf *part)
{
    if (buf_ok(part))
        base64url_append(out, (const uint8_t *)part->ptr, part->len);
    else
        out->state = part->state;
}

enum err client_assertion_append(const struct client_assertion *a,
                                 const struct client_identity *identity, int64_t now_s,
                                 struct buf *out, struct err_text *reterr)
{
    AUTO_BUF struct buf header, claims, signature;
    enum client_signature as = CLIENT_SIGNS_RS256;
    const size_t start = out->len;

    buf_init(&header, PART_BYTES_MAX);
    buf_init(&claims, PART_BYTES_MAX);
    buf_init(&signature, SIGNATURE_BYTES_MAX);
    if (!client_assertion_fits(a->alg, identity) || !signature_of(a->alg, &as))
        return err_set(reterr, ERR_INTERNAL, "the client key cannot sign %s", jws_alg_name(a->alg));
    write_header(a, &header);
    if (!write_claims(a, now_s, &claims))
        return err_set(reterr, ERR_INTERNAL, "no randomness for the client assertion");
    append_part(out, &header);
    buf_append_byte(out, '.');
    append_part(out, &claims);
    if (!buf_ok(out))
        return err_set(reterr, ERR_INTERNAL, "the client assertion is too long");
    if (!client_identity_sign(identity, as, (struct str){out->ptr + start, out->len - start},
                              &signature))
        return err_set(reterr, ERR_INTERNAL, "the client assertion could not be signed");
    buf_append_byte(out, '.');
    append_part(out, &signature);
    return buf_ok(out) ? ERR_OK : err_set(reterr, ERR_INTERNAL, "the client assertion is too long");
}
