/* SPDX-License-Identifier: Apache-2.0
 * Ordinary RS256 and ES256 tokens are made by libjwt, so that whoever verifies them is checked
 * against another implementation; PS256 and every deliberately wrong token are made on EVP. */
#include "emulator/signing.h"

#include <stdio.h>
#include <string.h>

#include <jwt.h>
#include <openssl/pem.h>

#include "base/base64.h"
#include "base/crypto.h"

/* ---- keys ---------------------------------------------------------------------------------- */

static char *private_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL, *pem = NULL;
    if (bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
        BIO_write(bio, "", 1) == 1) {
        (void)BIO_get_mem_data(bio, &text);
        pem = strdup(text);
    }
    BIO_free(bio);
    return pem;
}

static void key_destroy(struct signing_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->key);
    if (k->pem)
        crypto_cleanse(k->pem, strlen(k->pem));
    free(k->pem);
    free(k);
}

static struct signing_key *key_create(enum jose_alg alg)
{
    struct signing_key *k = calloc(1, sizeof(*k));
    uint8_t id[6];
    if (!k)
        return NULL;
    k->alg = alg;
    k->published = true;
    k->key = jose_generate_key(alg);
    k->pem = k->key ? private_pem(k->key) : NULL;
    if (!k->pem || !crypto_random(id, sizeof(id))) {
        key_destroy(k);
        return NULL;
    }
    memcpy(k->kid, "emu-", 4);
    hex_encode(id, sizeof(id), k->kid + 4);
    return k;
}

bool signing_init(struct signing *s, enum jose_alg alg)
{
    *s = (struct signing){0};
    pthread_mutex_init(&s->lock, NULL);
    return signing_rotate(s, alg, false);
}

void signing_finish(struct signing *s)
{
    for (size_t i = 0; i < s->count; i++)
        key_destroy(s->keys[i]);
    for (size_t i = 0; i < JOSE_ALG_COUNT; i++)
        key_destroy(s->strangers[i]);
    pthread_mutex_destroy(&s->lock);
}

bool signing_rotate(struct signing *s, enum jose_alg alg, bool withdraw_old)
{
    struct signing_key *fresh = key_create(alg);
    if (!fresh)
        return false;
    pthread_mutex_lock(&s->lock);
    const bool room = s->count < SIGNING_KEYS_MAX;
    for (size_t i = 0; room && withdraw_old && i < s->count; i++)
        s->keys[i]->published = false;
    if (room) {
        s->keys[s->count++] = fresh;
        s->current = fresh;
    }
    pthread_mutex_unlock(&s->lock);
    if (!room)
        key_destroy(fresh);
    return room;
}

bool signing_withdraw(struct signing *s, struct str kid)
{
    bool found = false;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count; i++) {
        if (str_is(kid, s->keys[i]->kid)) {
            s->keys[i]->published = false;
            found = true;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

const struct signing_key *signing_current(struct signing *s)
{
    pthread_mutex_lock(&s->lock);
    const struct signing_key *current = s->current;
    pthread_mutex_unlock(&s->lock);
    return current;
}

static const struct signing_key *stranger(struct signing *s, enum jose_alg alg)
{
    pthread_mutex_lock(&s->lock);
    if (!s->strangers[alg])
        s->strangers[alg] = key_create(alg);
    const struct signing_key *key = s->strangers[alg];
    pthread_mutex_unlock(&s->lock);
    return key;
}

void signing_write_jwks(struct signing *s, struct buf *out)
{
    struct json_writer w;
    jw_init(&w, out);
    jw_object_begin(&w);
    jw_key(&w, "keys");
    jw_array_begin(&w);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count; i++) {
        const struct signing_key *k = s->keys[i];
        if (k->published)
            jose_write_jwk(&w, k->key, k->alg, k->kid);
    }
    pthread_mutex_unlock(&s->lock);
    jw_array_end(&w);
    jw_object_end(&w);
}

/* ---- tokens -------------------------------------------------------------------------------- */

static void free_jwt(jwt_t **jwt)
{
    jwt_free(*jwt);
}

static bool sign_with_libjwt(const struct signing_key *k, struct str claims, struct buf *out)
{
    AUTO(free_jwt) jwt_t *jwt = NULL;
    AUTO_FREE char *json = strndup(claims.ptr, claims.len);
    const jwt_alg_t alg = k->alg == JOSE_ES256 ? JWT_ALG_ES256 : JWT_ALG_RS256;
    if (!json || jwt_new(&jwt) != 0 || jwt_add_header(jwt, "kid", k->kid) != 0 ||
        jwt_add_grants_json(jwt, json) != 0 ||
        jwt_set_alg(jwt, alg, (const unsigned char *)k->pem, (int)strlen(k->pem)) != 0)
        return false;
    char *token = jwt_encode_str(jwt);
    if (!token)
        return false;
    buf_append_z(out, token);
    free(token);
    return buf_ok(out);
}

bool signing_sign(struct signing *s, struct str claims, struct buf *out)
{
    const struct signing_key *k = signing_current(s);
    if (k->alg == JOSE_PS256)
        return signing_sign_as(s, SIGNER_CURRENT, (struct str){0}, claims, out);
    return sign_with_libjwt(k, claims, out);
}

static void write_header(struct buf *out, const char *alg, const char *kid)
{
    struct json_writer w;
    jw_init(&w, out);
    jw_object_begin(&w);
    jw_member(&w, "alg", str_of(alg));
    jw_member(&w, "kid", str_of(kid));
    jw_member(&w, "typ", STR("JWT"));
    jw_object_end(&w);
}

static bool append_hmac(const struct signing_key *k, struct str input, struct buf *out)
{
    uint8_t mac[SHA256_BYTES];
    char *pem = NULL;
    bool made = false;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio && PEM_write_bio_PUBKEY(bio, k->key) == 1) {
        const long len = BIO_get_mem_data(bio, &pem);
        made = crypto_hmac_sha256((const uint8_t *)pem, (size_t)len, input, mac);
    }
    BIO_free(bio);
    if (made)
        buf_append(out, (struct str){(const char *)mac, sizeof(mac)});
    return made;
}

static bool append_signature(struct signing *s, enum signer signer, const struct signing_key *k,
                             struct str input, struct buf *out)
{
    switch (signer) {
    case SIGNER_CURRENT:
        return jose_sign(k->alg, k->key, input, out);
    case SIGNER_OTHER:
        k = stranger(s, k->alg);
        return k && jose_sign(k->alg, k->key, input, out);
    case SIGNER_NONE:
        return true;
    case SIGNER_HMAC:
        return append_hmac(k, input, out);
    }
    return false;
}

static const char *header_alg(enum signer signer, const struct signing_key *k)
{
    switch (signer) {
    case SIGNER_NONE:
        return "none";
    case SIGNER_HMAC:
        return "HS256";
    case SIGNER_CURRENT:
    case SIGNER_OTHER:
        break;
    }
    return jose_alg_name(k->alg);
}

bool signing_sign_as(struct signing *s, enum signer signer, struct str header, struct str claims,
                     struct buf *out)
{
    const struct signing_key *k = signing_current(s);
    AUTO_BUF struct buf own_header = {0};
    AUTO_BUF struct buf token = {0};
    AUTO_BUF struct buf signature = {0};
    buf_init(&own_header, 4096);
    buf_init(&token, 256 * 1024);
    buf_init(&signature, 4096);
    if (!header.ptr) {
        write_header(&own_header, header_alg(signer, k), k->kid);
        header = buf_str(&own_header);
    }
    jose_append_input(&token, header, claims);
    if (!buf_ok(&token) || !append_signature(s, signer, k, buf_str(&token), &signature))
        return false;
    buf_append(out, buf_str(&token));
    buf_append_byte(out, '.');
    base64url_append(out, (const uint8_t *)signature.ptr, signature.len);
    return buf_ok(out);
}

static const struct signing_key *find_key(struct signing *s, struct str kid)
{
    const struct signing_key *found = NULL;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count && !found; i++) {
        if (str_is(kid, s->keys[i]->kid))
            found = s->keys[i];
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

bool signing_verify(struct signing *s, struct str token, struct jose_token *ret)
{
    if (!jose_split(token, ret))
        return false;
    const struct signing_key *k = find_key(s, json_string(json_member(ret->header, "kid")));
    const struct str alg = json_string(json_member(ret->header, "alg"));
    const struct str signature = {(const char *)ret->signature, ret->signature_len};
    if (k && str_is(alg, jose_alg_name(k->alg)) &&
        jose_verify(k->alg, k->key, ret->input, signature))
        return true;
    jose_finish(ret);
    return false;
}
