/* SPDX-License-Identifier: Apache-2.0
 * OpenSSL EVP behind a few functions. The algorithms are fetched once, because a fetch by name
 * costs more than the hash of a short text; each thread keeps one digest context, one cipher
 * context and a supply of random bytes, freed when the thread ends. */
#include "base/crypto.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/auto.h"
#include "base/crypto_internal.h"
#include "base/wipe.h"

enum {
    HMAC_BLOCK_BYTES = 64,
    /* A generation costs 1.8 us, whether of 16 bytes or of 512. */
    RANDOM_BYTES = 512,
    RANDOM_FROM_SUPPLY_MAX = 64,
};

/* Written by crypto_init() before any thread exists, read only afterwards. */
static EVP_MD *sha256;
static EVP_CIPHER *aes_256_gcm;
static pthread_key_t contexts_key;
static bool ready;

/* How many forks lie between this process and the first that called crypto_init(). */
static atomic_uint forks;

struct contexts {
    EVP_MD_CTX *digest;           /* owned */
    EVP_CIPHER_CTX *cipher;       /* owned */
    uint8_t random[RANDOM_BYTES]; /* used from the end; what is given out is cleansed */
    size_t random_left;
    unsigned random_forks; /* `forks` when it was filled: a child must not use its parent's bytes */
};

static void contexts_destroy(void *arg)
{
    struct contexts *c = arg;
    if (!c)
        return;
    EVP_MD_CTX_free(c->digest);
    EVP_CIPHER_CTX_free(c->cipher);
    crypto_cleanse(c->random, sizeof(c->random));
    free(c);
}

/* The calling thread's contexts, made at first use; NULL without memory or without crypto_init().
 */
static struct contexts *contexts_get(void)
{
    if (!ready)
        return NULL;
    struct contexts *c = pthread_getspecific(contexts_key);
    if (c)
        return c;
    c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->digest = EVP_MD_CTX_new();
    c->cipher = EVP_CIPHER_CTX_new();
    if (!c->digest || !c->cipher || pthread_setspecific(contexts_key, c) != 0) {
        contexts_destroy(c);
        return NULL;
    }
    return c;
}

static _Thread_local bool lacked_memory;

bool crypto_refuse(bool for_want_of_memory)
{
    lacked_memory = for_want_of_memory;
    for (unsigned long e = ERR_get_error(); e != 0; e = ERR_get_error())
        lacked_memory = lacked_memory || ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
    ERR_clear_error(); /* what was taken out of the list keeps its texts until then */
    return false;
}

bool crypto_lacked_memory(void)
{
    const bool lacked = lacked_memory;
    lacked_memory = false;
    return lacked;
}

static void on_fork(void)
{
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static bool watch_forks(void)
{
    static bool watched;
    if (!watched)
        watched = pthread_atfork(NULL, NULL, on_fork) == 0;
    return watched;
}

static void *take_memory(size_t bytes, const char *file, int line)
{
    return bytes > 0 ? malloc(bytes) : NULL;
}

static void *change_memory(void *memory, size_t bytes, const char *file, int line)
{
    if (bytes > 0)
        return wipe_realloc(memory, bytes);
    wipe_free(memory);
    return NULL;
}

static void free_memory(void *memory, const char *file, int line)
{
    wipe_free(memory);
}

bool crypto_init(void)
{
    if (ready)
        return true;
    /* Refused where OpenSSL has taken memory before, as in a test: then it goes on with its own. */
    (void)CRYPTO_set_mem_functions(take_memory, change_memory, free_memory);
    /* OpenSSL crashes over a context that it could not make. */
    if (!watch_forks() || !OSSL_LIB_CTX_get0_global_default())
        return false;
    sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (sha256 && aes_256_gcm && crypto_curves_init() &&
        pthread_key_create(&contexts_key, contexts_destroy) == 0) {
        ready = true;
        return true;
    }
    crypto_curves_finish();
    EVP_MD_free(sha256);
    EVP_CIPHER_free(aes_256_gcm);
    sha256 = NULL;
    aes_256_gcm = NULL;
    return false;
}

const char *crypto_library_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}

void crypto_finish(void)
{
    if (!ready)
        return;
    contexts_destroy(pthread_getspecific(contexts_key));
    (void)pthread_setspecific(contexts_key, NULL);
    (void)pthread_key_delete(contexts_key);
    crypto_curves_finish();
    EVP_MD_free(sha256);
    EVP_CIPHER_free(aes_256_gcm);
    sha256 = NULL;
    aes_256_gcm = NULL;
    ready = false;
}

static bool random_fill(struct contexts *c)
{
    c->random_left = 0;
    if (RAND_bytes(c->random, sizeof(c->random)) != 1)
        return crypto_refuse(false);
    c->random_left = sizeof(c->random);
    c->random_forks = atomic_load_explicit(&forks, memory_order_relaxed);
    return true;
}

static bool random_is_enough(const struct contexts *c, size_t bytes)
{
    return c->random_left >= bytes &&
           c->random_forks == atomic_load_explicit(&forks, memory_order_relaxed);
}

bool crypto_random(void *out, size_t bytes)
{
    struct contexts *c = bytes <= RANDOM_FROM_SUPPLY_MAX ? contexts_get() : NULL;
    if (!c)
        return bytes <= INT32_MAX && RAND_bytes(out, (int)bytes) == 1;
    if (!random_is_enough(c, bytes) && !random_fill(c))
        return false;
    c->random_left -= bytes;
    memcpy(out, c->random + c->random_left, bytes);
    crypto_cleanse(c->random + c->random_left, bytes);
    return true;
}

/* splitmix64: enough to spread timers; nothing that must be unguessable comes from here. */
uint64_t random_below(uint64_t bound)
{
    static _Thread_local uint64_t state;
    if (state == 0 && !crypto_random(&state, sizeof(state)))
        state = (uint64_t)(uintptr_t)&state;
    state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = state;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) % bound;
}

/* SHA-256 of head followed by tail. */
static bool digest_two(struct str head, struct str tail, uint8_t out[SHA256_BYTES])
{
    struct contexts *c = contexts_get();
    return (c && EVP_DigestInit_ex2(c->digest, sha256, NULL) == 1 &&
            EVP_DigestUpdate(c->digest, head.ptr, head.len) == 1 &&
            EVP_DigestUpdate(c->digest, tail.ptr, tail.len) == 1 &&
            EVP_DigestFinal_ex(c->digest, out, NULL) == 1) ||
           crypto_refuse(true);
}

bool crypto_sha256(struct str data, uint8_t out[SHA256_BYTES])
{
    return digest_two(data, (struct str){NULL, 0}, out);
}

/* RFC 2104 on the cached digest: EVP_MAC would need a second fetched algorithm and a key schedule
 * for each call. */
bool crypto_hmac_sha256(const uint8_t *key, size_t key_len, struct str data,
                        uint8_t out[SHA256_BYTES])
{
    uint8_t block[HMAC_BLOCK_BYTES] = {0};
    bool ok = true;
    if (key_len > sizeof(block))
        ok = crypto_sha256((struct str){(const char *)key, key_len}, block);
    else if (key_len > 0)
        memcpy(block, key, key_len);

    const struct str block_text = {(const char *)block, sizeof(block)};
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] ^= 0x36;
    uint8_t inner[SHA256_BYTES];
    ok = ok && digest_two(block_text, data, inner);
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] ^= 0x36 ^ 0x5c;
    ok = ok && digest_two(block_text, (struct str){(const char *)inner, sizeof(inner)}, out);
    crypto_cleanse(block, sizeof(block));
    crypto_cleanse(inner, sizeof(inner));
    return ok;
}

static bool is_sealable(struct str aad, struct str text)
{
    return aad.len <= INT32_MAX / 2 && text.len <= INT32_MAX / 2;
}

static bool seal(EVP_CIPHER_CTX *ctx, struct str aad, struct str plain, uint8_t *out)
{
    int n = 0;
    int tail = 0;
    if (aad.len > 0 &&
        EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)aad.ptr, (int)aad.len) != 1)
        return false;
    n = 0;
    if (plain.len > 0 &&
        EVP_EncryptUpdate(ctx, out, &n, (const uint8_t *)plain.ptr, (int)plain.len) != 1)
        return false;
    return EVP_EncryptFinal_ex(ctx, out + n, &tail) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_BYTES, out + plain.len) == 1;
}

bool aead_seal(const uint8_t key[AEAD_KEY_BYTES], const uint8_t nonce[AEAD_NONCE_BYTES],
               struct str aad, struct str plain, uint8_t *out)
{
    struct contexts *c = contexts_get();
    if (!c || !is_sealable(aad, plain))
        return false;
    const bool ok = EVP_EncryptInit_ex2(c->cipher, aes_256_gcm, key, nonce, NULL) == 1 &&
                    seal(c->cipher, aad, plain, out);
    (void)EVP_CIPHER_CTX_reset(c->cipher);
    return ok || crypto_refuse(true);
}

/* Everything but the judgement on the tag, which cannot fail but for want of memory. */
static bool decipher(EVP_CIPHER_CTX *ctx, struct str aad, struct str cipher_text,
                     const uint8_t *tag, uint8_t *out)
{
    int n = 0;
    uint8_t tag_copy[AEAD_TAG_BYTES];
    memcpy(tag_copy, tag, sizeof(tag_copy));
    if (aad.len > 0 &&
        EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)aad.ptr, (int)aad.len) != 1)
        return false;
    n = 0;
    if (cipher_text.len > 0 && EVP_DecryptUpdate(ctx, out, &n, (const uint8_t *)cipher_text.ptr,
                                                 (int)cipher_text.len) != 1)
        return false;
    return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_BYTES, tag_copy) == 1;
}

bool aead_open(const uint8_t key[AEAD_KEY_BYTES], const uint8_t nonce[AEAD_NONCE_BYTES],
               struct str aad, struct str sealed, uint8_t *out)
{
    struct contexts *c = contexts_get();
    if (!c || sealed.len < AEAD_TAG_BYTES || !is_sealable(aad, sealed))
        return crypto_refuse(!c);
    const struct str cipher_text = {sealed.ptr, sealed.len - AEAD_TAG_BYTES};
    const uint8_t *tag = (const uint8_t *)sealed.ptr + cipher_text.len;
    int none = 0;
    const bool deciphered = EVP_DecryptInit_ex2(c->cipher, aes_256_gcm, key, nonce, NULL) == 1 &&
                            decipher(c->cipher, aad, cipher_text, tag, out);
    const bool ok = deciphered && EVP_DecryptFinal_ex(c->cipher, out + cipher_text.len, &none) == 1;
    (void)EVP_CIPHER_CTX_reset(c->cipher);
    if (ok)
        return true;
    crypto_cleanse(out, cipher_text.len);
    return crypto_refuse(!deciphered);
}

bool crypto_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

void crypto_cleanse(void *p, size_t bytes)
{
    /* As certain as OPENSSL_cleanse(), and as fast as memset(). */
    if (bytes > 0)
        explicit_bzero(p, bytes);
}

void hex_encode(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hex_decode(struct str text, uint8_t *out, size_t out_len)
{
    if (text.len != out_len * 2)
        return false;
    for (size_t i = 0; i < out_len; i++) {
        const int high = hex_value(text.ptr[2 * i]);
        const int low = hex_value(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
