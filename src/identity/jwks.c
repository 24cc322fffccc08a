/* SPDX-License-Identifier: Apache-2.0
 * The key set of one issuer: parsed once, then immutable and counted by reference, so that threads
 * share it without a lock. */
#include "identity/jwk_internal.h"

#include <stdatomic.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

/* Members included, generous for 64 keys with certificates. */
static const struct json_limits JWKS_LIMITS = {
    .bytes_max = JWKS_BYTES_MAX, .depth_max = 8, .values_max = 8192};

struct keyset {
    atomic_size_t references;
    char *issuer;                           /* owned */
    uint8_t document[SHA256_DIGEST_LENGTH]; /* hash of what it was made from */
    struct jwk_digests digests;
    size_t count;
    struct jwk keys[]; /* [count] */
};

static void keyset_free(struct keyset *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->count; i++)
        jwk_finish(&k->keys[i]);
    for (size_t i = 0; i < JWK_DIGEST_COUNT; i++)
        EVP_MD_free(k->digests.md[i]);
    free(k->issuer);
    free(k);
}

/* An empty set with room for `keys_max`. */
static struct keyset *keyset_new(struct str issuer, size_t keys_max)
{
    static const char *const NAMES[JWK_DIGEST_COUNT] = {"SHA256", "SHA384", "SHA512"};
    struct keyset *k = calloc(1, sizeof(*k) + keys_max * sizeof(k->keys[0]));

    if (!k)
        return NULL;
    atomic_init(&k->references, 1);
    k->issuer = strndup(issuer.ptr, issuer.len);
    if (!k->issuer)
        goto fail;
    for (size_t i = 0; i < JWK_DIGEST_COUNT; i++) {
        k->digests.md[i] = EVP_MD_fetch(NULL, NAMES[i], NULL);
        if (!k->digests.md[i])
            goto fail;
    }
    return k;

fail:
    keyset_free(k);
    return NULL;
}

/* Whichever of two keys with one kid came first would win: neither does. */
static bool kid_is_repeated(const struct json *keys, const struct json *entry)
{
    const struct str kid = json_string(json_member(entry, "kid"));

    if (!kid.ptr)
        return false;
    for (const struct json *other = json_first(keys); other; other = json_next(other)) {
        if (other != entry && str_eq(json_string(json_member(other, "kid")), kid))
            return true;
    }
    return false;
}

static void keys_import(const struct json *keys, struct keyset *k, struct keyset_report *report)
{
    for (const struct json *entry = json_first(keys); entry; entry = json_next(entry)) {
        enum jwk_refusal refusal;

        if (kid_is_repeated(keys, entry)) {
            report->refused[JWK_REFUSED_REPEATED_KID]++;
            continue;
        }
        if (!jwk_import(entry, &k->digests, &k->keys[k->count], &refusal)) {
            report->refused[refusal]++;
            continue;
        }
        k->count++;
    }
    report->kept = k->count;
}

enum err keyset_parse(struct str body, struct str issuer, struct keyset **ret,
                      struct keyset_report *ret_report, struct err_text *reterr)
{
    AUTO_JSON struct json *root = NULL;
    struct json_error json_error = {0};

    *ret_report = (struct keyset_report){0};
    const enum err e = json_parse(body, &JWKS_LIMITS, &root, &json_error);
    if (e == ERR_NO_MEMORY)
        return e;
    if (e != ERR_OK)
        return err_set(reterr, ERR_UPSTREAM_INVALID_RESPONSE, "key set: %s at byte %zu",
                       json_error.what, json_error.offset);

    const struct json *keys = json_member(root, "keys");
    if (!keys || json_type(keys) != JSON_ARRAY)
        return err_set(reterr, ERR_UPSTREAM_INVALID_RESPONSE, "key set: no array \"keys\"");
    const size_t count = json_count(keys);
    if (count > JWKS_KEYS_MAX)
        return err_set(reterr, ERR_UPSTREAM_INVALID_RESPONSE, "key set: %zu keys, at most %d",
                       count, JWKS_KEYS_MAX);

    struct keyset *k = keyset_new(issuer, count);
    if (!k)
        return ERR_NO_MEMORY;
    keys_import(keys, k, ret_report);
    if (EVP_Digest(body.ptr, body.len, k->document, NULL, k->digests.md[JWK_SHA256], NULL) != 1) {
        keyset_free(k);
        return ERR_NO_MEMORY;
    }
    if (k->count == 0) {
        keyset_free(k);
        return err_set(reterr, ERR_UPSTREAM_INVALID_RESPONSE, "key set: none of %zu keys is usable",
                       count);
    }
    *ret = k;
    return ERR_OK;
}

struct keyset *keyset_ref(struct keyset *k)
{
    atomic_fetch_add_explicit(&k->references, 1, memory_order_relaxed);
    return k;
}

void keyset_unref(struct keyset *k)
{
    /* acq_rel: all reads by other holders happen before the memory goes. */
    if (k && atomic_fetch_sub_explicit(&k->references, 1, memory_order_acq_rel) == 1)
        keyset_free(k);
}

struct str keyset_issuer(const struct keyset *k)
{
    return str_of(k->issuer);
}

size_t keyset_size(const struct keyset *k)
{
    return k->count;
}

bool keyset_is_same(const struct keyset *a, const struct keyset *b)
{
    return strcmp(a->issuer, b->issuer) == 0 &&
           memcmp(a->document, b->document, sizeof(a->document)) == 0;
}

const struct jwk *keyset_find(const struct keyset *k, struct str kid)
{
    for (size_t i = 0; i < k->count; i++) {
        if (str_eq((struct str){k->keys[i].kid, k->keys[i].kid_len}, kid))
            return &k->keys[i];
    }
    return NULL;
}

const struct jwk *keyset_only(const struct keyset *k)
{
    return k->count == 1 ? &k->keys[0] : NULL;
}
