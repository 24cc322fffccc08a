/* SPDX-License-Identifier: Apache-2.0
 * The store's ground: its tables, the keys under which their entries are kept, and how they show in
 * the metrics. What is done with them is in store_challenges.c, store_limits.c, store_refresh.c. */
#include "identity/store_internal.h"

/* A pair is two ids of at most 255 bytes. */
enum { PAIR_BYTES_MAX = 1024 };

static const char *const TABLE_LABELS[STORE_TABLE_COUNT] = {
#define X(id, label) [id] = label,
    STORE_TABLE_TABLE(X)
#undef X
};

static const char *const LIMIT_LABELS[STORE_LIMIT_COUNT] = {
#define X(id, label) [id] = label,
    STORE_LIMIT_TABLE(X)
#undef X
};

static bool tables_create(struct store *s, size_t challenges_max, size_t limits_max)
{
    s->tables[STORE_USED_CHALLENGES] = table_create(challenges_max, 0, NULL);
    s->tables[STORE_RATES_USER] = table_create(limits_max, STORE_RATE_BYTES, NULL);
    s->tables[STORE_RATES_ADDRESS] = table_create(limits_max, STORE_RATE_BYTES, NULL);
    s->tables[STORE_LOCKOUTS] = table_create(limits_max, STORE_LOCKOUT_BYTES, NULL);
    return s->tables[STORE_USED_CHALLENGES] && s->tables[STORE_RATES_USER] &&
           s->tables[STORE_RATES_ADDRESS] && s->tables[STORE_LOCKOUTS];
}

static void set_limits(struct store *s, const struct config *config)
{
    atomic_store(&s->rate_user, config->rate_per_user);
    atomic_store(&s->rate_address, config->rate_per_address);
    atomic_store(&s->lockout_failures, config->lockout_failures);
    atomic_store(&s->lockout_window_ms, config->lockout_window_s * 1000);
}

void store_configure(struct store *s, const struct config *config)
{
    set_limits(s, config);
    refresh_table_set_replay(s->refreshes, config->refresh_replay_s);
}

enum err store_create(const struct config *config, struct store **ret, struct err_text *reterr)
{
    struct store *s = calloc(1, sizeof(*s));

    if (!s)
        return ERR_NO_MEMORY;
    set_limits(s, config);
    s->refreshes = refresh_table_create(config->refresh_replay_s);
    if (!s->refreshes ||
        !tables_create(s, (size_t)config->used_challenges_max, (size_t)config->limit_entries_max)) {
        store_destroy(s);
        return ERR_NO_MEMORY;
    }
    if (!crypto_random(s->mac_key, sizeof(s->mac_key))) {
        store_destroy(s);
        return err_set(reterr, ERR_INTERNAL, "no randomness for the key of the tables");
    }
    *ret = s;
    return ERR_OK;
}

void store_destroy(struct store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < STORE_TABLE_COUNT; i++)
        table_destroy(s->tables[i]);
    refresh_table_destroy(s->refreshes);
    crypto_cleanse(s->mac_key, sizeof(s->mac_key));
    free(s);
}

bool store_key(const struct store *s, struct str text, struct table_key *ret)
{
    uint8_t mac[SHA256_BYTES];

    if (!crypto_hmac_sha256(s->mac_key, sizeof(s->mac_key), text, mac))
        return false;
    memcpy(ret->bytes, mac, sizeof(ret->bytes));
    return true;
}

/* The length of the first keeps a pair of texts from running into another pair. */
bool store_key_pair(const struct store *s, struct str a, struct str b, struct table_key *ret)
{
    AUTO_BUF struct buf pair;

    buf_init(&pair, PAIR_BYTES_MAX);
    buf_append_i64(&pair, (int64_t)a.len);
    buf_append_byte(&pair, ':');
    buf_append(&pair, a);
    buf_append(&pair, b);
    return buf_ok(&pair) && store_key(s, buf_str(&pair), ret);
}

/* ---- metrics */

void store_metrics_register(void)
{
    metric_label_values(M_TABLE_ENTRIES, "table", TABLE_LABELS, STORE_TABLE_COUNT);
    metric_label_values(M_TABLE_MAX, "table", TABLE_LABELS, STORE_TABLE_COUNT);
    metric_label_values(M_LIMITED, "limit", LIMIT_LABELS, STORE_LIMIT_COUNT);
}

static double read_count(void *arg)
{
    return (double)table_count(arg);
}

static double read_max(void *arg)
{
    return (double)table_max(arg);
}

void store_metrics_watch(struct store *s)
{
    for (unsigned i = 0; i < STORE_TABLE_COUNT; i++) {
        struct table *t = i == STORE_REFRESHES ? refresh_table_ground(s->refreshes) : s->tables[i];
        metric_on_scrape(M_TABLE_ENTRIES, i, read_count, t);
        metric_on_scrape(M_TABLE_MAX, i, read_max, t);
    }
}
