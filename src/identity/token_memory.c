/* SPDX-License-Identifier: Apache-2.0
 * A token may lie in any of a few neighbouring slots that its hash chooses; when they are full the
 * one that was asked for longest ago goes. So looking is two cache lines, the ceiling is the size
 * of an array, and there is no list to keep in order. */
#include "identity/token_memory.h"

#include "base/crypto.h"
#include "observe/metrics.h"

/* A memory half full of living tokens keeps 99 of 100 that come, a full one loses one in ten to a
 * neighbour while another slot is free. */
enum { NEIGHBOURS = 8 };

enum look { LOOK_HIT, LOOK_MISS };
static const char *const LOOK_LABELS[] = {[LOOK_HIT] = "hit", [LOOK_MISS] = "miss", "_OTHER"};

enum dropped { DROPPED_FULL, DROPPED_TIME, DROPPED_KEYS, DROPPED_POLICY };
static const char *const DROPPED_LABELS[] = {[DROPPED_FULL] = "full",
                                             [DROPPED_TIME] = "time",
                                             [DROPPED_KEYS] = "keys",
                                             [DROPPED_POLICY] = "policy",
                                             "_OTHER"};

struct remembered {
    struct token_id id;
    uint64_t asked;           /* the memory's count of looks when it was last asked for */
    size_t bytes;             /* of the whole, texts included */
    struct jwt_claims claims; /* texts: in `text`; payload NULL */
    char text[];
};

struct slot {
    uint64_t tag;             /* first bytes of the id: spares touching the others */
    struct remembered *token; /* owned; NULL: free */
};

struct token_memory {
    struct slot *slots; /* owned, [slot_count] */
    size_t slot_count, neighbours;
    uint64_t looks;
    size_t count;
    /* [issuer_count], owned with a reference each: all that is remembered was verified under them.
     * The reference keeps another set from getting the address of a freed one. */
    struct keyset **sets;
    size_t issuer_count;
};

void token_memory_register_metrics(void)
{
    metric_label_values(M_TOKEN_MEMORY, "result", LOOK_LABELS, ARRAY_LEN(LOOK_LABELS));
    metric_label_values(M_TOKEN_MEMORY_DROPPED, "reason", DROPPED_LABELS,
                        ARRAY_LEN(DROPPED_LABELS));
}

struct token_memory *token_memory_create(size_t tokens_max, size_t issuer_count)
{
    struct token_memory *m = calloc(1, sizeof(*m));

    if (!m)
        return NULL;
    m->slot_count = tokens_max;
    m->neighbours = tokens_max < NEIGHBOURS ? tokens_max : NEIGHBOURS;
    m->issuer_count = issuer_count;
    m->slots = calloc(tokens_max, sizeof(*m->slots));
    m->sets = calloc(issuer_count + 1, sizeof(struct keyset *));
    if (!m->slots || !m->sets) {
        token_memory_destroy(m);
        return NULL;
    }
    return m;
}

static void slot_clear(struct token_memory *m, struct slot *slot)
{
    crypto_cleanse(slot->token, slot->token->bytes);
    free(slot->token);
    *slot = (struct slot){.token = NULL};
    m->count--;
    metric_gauge_add(M_TOKEN_MEMORY_ENTRIES, 0, 0, -1);
}

static void slot_drop(struct token_memory *m, struct slot *slot, enum dropped why)
{
    slot_clear(m, slot);
    metric_add(M_TOKEN_MEMORY_DROPPED, why, 0, 1);
}

static void clear_all(struct token_memory *m, enum dropped why)
{
    for (size_t i = 0; m->count > 0 && i < m->slot_count; i++) {
        if (m->slots[i].token)
            slot_drop(m, &m->slots[i], why);
    }
}

void token_memory_forget(struct token_memory *m)
{
    clear_all(m, DROPPED_POLICY);
}

void token_memory_destroy(struct token_memory *m)
{
    if (!m)
        return;
    clear_all(m, DROPPED_KEYS);
    for (size_t i = 0; m->sets && i < m->issuer_count; i++)
        keyset_unref(m->sets[i]);
    free(m->sets);
    free(m->slots);
    free(m);
}

/* Forgets everything when a key set is not the one of last time. */
static void follow_keys(struct token_memory *m, const struct keyring *keys)
{
    for (size_t i = 0; i < m->issuer_count; i++) {
        if (m->sets[i] == keys->sets[i])
            continue;
        clear_all(m, DROPPED_KEYS);
        keyset_unref(m->sets[i]);
        m->sets[i] = keys->sets[i] ? keyset_ref(keys->sets[i]) : NULL;
    }
}

bool token_id_of(struct str token, struct token_id *ret)
{
    return crypto_sha256(token, ret->bytes);
}

static uint64_t tag_of(const struct token_id *id)
{
    uint64_t tag;

    memcpy(&tag, id->bytes, sizeof(tag));
    return tag;
}

/* The first of the slots that may hold the token. */
static struct slot *neighbourhood(const struct token_memory *m, const struct token_id *id)
{
    return &m->slots[tag_of(id) % (m->slot_count - m->neighbours + 1)];
}

/* NULL: not remembered. */
static struct slot *slot_find(const struct token_memory *m, const struct token_id *id)
{
    struct slot *slots = neighbourhood(m, id);
    const uint64_t tag = tag_of(id);

    for (size_t i = 0; i < m->neighbours; i++) {
        if (slots[i].tag == tag && slots[i].token &&
            memcmp(slots[i].token->id.bytes, id->bytes, TOKEN_ID_BYTES) == 0)
            return &slots[i];
    }
    return NULL;
}

/* A free one, or that of the token which was asked for longest ago. */
static struct slot *slot_for_new(const struct token_memory *m, const struct token_id *id)
{
    struct slot *slots = neighbourhood(m, id);
    struct slot *oldest = &slots[0];

    for (size_t i = 0; i < m->neighbours; i++) {
        if (!slots[i].token)
            return &slots[i];
        if (slots[i].token->asked < oldest->token->asked)
            oldest = &slots[i];
    }
    return oldest;
}

/* The texts among the claims. */
enum { TEXT_COUNT = 4 };
static void texts_of(struct jwt_claims *c, struct str *ret[TEXT_COUNT])
{
    ret[0] = &c->sub;
    ret[1] = &c->client_id;
    ret[2] = &c->tid;
    ret[3] = &c->scope;
}

static bool claims_copy(const struct jwt_claims *claims, struct arena *arena,
                        struct jwt_claims *ret)
{
    struct jwt_claims copy = *claims;
    struct str *texts[TEXT_COUNT];

    texts_of(&copy, texts);
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (!texts[i]->ptr)
            continue;
        *texts[i] = arena_copy(arena, *texts[i]);
        if (!texts[i]->ptr)
            return false;
    }
    *ret = copy;
    return true;
}

static bool find(struct token_memory *m, const struct jwt_policy *policy, const struct token_id *id,
                 int64_t now_s, struct arena *arena, struct jwt_claims *ret)
{
    struct slot *slot = slot_find(m, id);

    if (!slot)
        return false;
    if (!jwt_claims_in_time(policy, &slot->token->claims, now_s)) {
        slot_drop(m, slot, DROPPED_TIME);
        return false;
    }
    slot->token->asked = ++m->looks;
    return claims_copy(&slot->token->claims, arena, ret);
}

bool token_memory_find(struct token_memory *m, const struct jwt_policy *policy,
                       const struct keyring *keys, const struct token_id *id, int64_t now_s,
                       struct arena *arena, struct jwt_claims *ret)
{
    follow_keys(m, keys);
    const bool found = find(m, policy, id, now_s, arena, ret);
    metric_add(M_TOKEN_MEMORY, found ? LOOK_HIT : LOOK_MISS, 0, 1);
    return found;
}

/* NULL: no memory. */
static struct remembered *remembered_make(const struct token_id *id,
                                          const struct jwt_claims *claims)
{
    struct jwt_claims copy = *claims;
    struct str *texts[TEXT_COUNT];
    size_t bytes = sizeof(struct remembered);

    texts_of(&copy, texts);
    for (size_t i = 0; i < TEXT_COUNT; i++)
        bytes += texts[i]->len;
    struct remembered *token = malloc(bytes);
    if (!token)
        return NULL;

    char *at = token->text;
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        if (!texts[i]->ptr)
            continue;
        if (texts[i]->len > 0)
            memcpy(at, texts[i]->ptr, texts[i]->len);
        texts[i]->ptr = at;
        at += texts[i]->len;
    }
    copy.payload = NULL;
    token->id = *id;
    token->bytes = bytes;
    token->claims = copy;
    return token;
}

void token_memory_keep(struct token_memory *m, const struct keyring *keys,
                       const struct token_id *id, const struct jwt_claims *claims)
{
    follow_keys(m, keys);
    /* Two requests with one token may both have waited for its key. */
    if (slot_find(m, id))
        return;
    struct remembered *token = remembered_make(id, claims);
    if (!token)
        return;
    struct slot *slot = slot_for_new(m, id);
    if (slot->token)
        slot_drop(m, slot, DROPPED_FULL);
    token->asked = ++m->looks;
    *slot = (struct slot){.tag = tag_of(id), .token = token};
    m->count++;
    metric_gauge_add(M_TOKEN_MEMORY_ENTRIES, 0, 0, 1);
}
