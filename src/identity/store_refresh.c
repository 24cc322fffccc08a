/* SPDX-License-Identifier: Apache-2.0
 * Refreshes in flight and their last answers. The vendor may rotate a refresh token at its first
 * use, so the second of two calls would lose the session: one caller owns the call, all others get
 * its answer. One lock for all of it: a refresh is a call to the vendor, nothing here is hot.
 *
 * A follower is a ticket. It waits in its flight, then in the posted list until its loop has run
 * it; whatever a loop that ends leaves behind is freed with the store. */
#include "identity/store_internal.h"

#include <pthread.h>

_Static_assert(sizeof(struct refresh_key) == sizeof(struct table_key), "one is kept as the other");

/* Followers are requests in flight, which are bounded too; an app that retries in a storm is
 * normal. */
enum { FLIGHTS_MAX = 4096, FOLLOWERS_MAX = 1024 };

struct answer { /* counted; all under the lock */
    size_t references;
    struct refresh_outcome outcome;
    char *body; /* owned, what outcome.body points to */
};

struct flight;

struct ticket {
    struct post post; /* first: what the loop hands back */
    struct refresh_table *home;
    struct loop *loop;
    struct refresh_wait *wait;  /* only touched on `loop`'s thread; NULL: cancelled */
    struct flight *flight;      /* while not posted */
    struct answer *answer;      /* counted; NULL: not posted yet */
    struct ticket *next, *prev; /* in the flight, then in the posted list */
};

struct flight {            /* value of the table; zeroed when added */
    struct answer *answer; /* counted */
    bool landed;           /* the answer is filled; before that the owner is under way */
    struct ticket *tickets;
    size_t ticket_count;
};

struct refresh_table {
    pthread_mutex_t lock;
    struct table *flights; /* owned */
    struct ticket *posted;
    int64_t replay_ms;
};

static void ticket_link(struct ticket **list, struct ticket *t)
{
    t->prev = NULL;
    t->next = *list;
    if (t->next)
        t->next->prev = t;
    *list = t;
}

static void ticket_unlink(struct ticket **list, struct ticket *t)
{
    if (t->prev)
        t->prev->next = t->next;
    else
        *list = t->next;
    if (t->next)
        t->next->prev = t->prev;
    t->next = t->prev = NULL;
}

static void answer_unref(struct answer *a)
{
    if (!a || --a->references > 0)
        return;
    if (a->body)
        crypto_cleanse(a->body, a->outcome.body.len);
    free(a->body);
    free(a);
}

static void tickets_free(struct ticket *t)
{
    while (t) {
        struct ticket *next = t->next;
        answer_unref(t->answer);
        free(t);
        t = next;
    }
}

static void flight_drop(void *value)
{
    struct flight *f = value;

    tickets_free(f->tickets);
    answer_unref(f->answer);
}

struct refresh_table *refresh_table_create(int64_t replay_s)
{
    struct refresh_table *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->replay_ms = replay_s * 1000;
    r->flights = table_create(FLIGHTS_MAX, sizeof(struct flight), flight_drop);
    if (!r->flights) {
        free(r);
        return NULL;
    }
    (void)pthread_mutex_init(&r->lock, NULL);
    return r;
}

void refresh_table_set_replay(struct refresh_table *r, int64_t replay_s)
{
    (void)pthread_mutex_lock(&r->lock);
    r->replay_ms = replay_s * 1000;
    (void)pthread_mutex_unlock(&r->lock);
}

void refresh_table_destroy(struct refresh_table *r)
{
    if (!r)
        return;
    table_destroy(r->flights);
    tickets_free(r->posted);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

struct table *refresh_table_ground(struct refresh_table *r)
{
    return r->flights;
}

/* On the follower's loop. */
static void ticket_run(struct post *p)
{
    struct ticket *t = (struct ticket *)p;
    struct refresh_table *r = t->home;
    struct refresh_wait *w = t->wait;

    if (w) {
        w->entry = NULL;
        w->on_outcome(w, &t->answer->outcome);
    }
    (void)pthread_mutex_lock(&r->lock);
    ticket_unlink(&r->posted, t);
    answer_unref(t->answer);
    (void)pthread_mutex_unlock(&r->lock);
    free(t);
}

/* Under the lock, which keeps the ticket's loop alive: store_refresh_cancel() must pass it first.
 */
static void ticket_post(struct ticket *t, struct answer *a)
{
    a->references++;
    t->answer = a;
    ticket_link(&t->home->posted, t);
    loop_post(t->loop, &t->post, ticket_run);
}

static enum refresh_role follow(struct refresh_table *r, struct flight *f, struct refresh_wait *w)
{
    if (!f->landed && f->ticket_count == FOLLOWERS_MAX)
        return REFRESH_FULL;
    struct ticket *t = calloc(1, sizeof(*t));
    if (!t)
        return REFRESH_FULL;
    t->home = r;
    t->loop = w->loop;
    t->wait = w;
    w->entry = t;
    if (f->landed) {
        ticket_post(t, f->answer);
        return REFRESH_FOLLOWER;
    }
    t->flight = f;
    ticket_link(&f->tickets, t);
    f->ticket_count++;
    return REFRESH_FOLLOWER;
}

/* The answer is made now, so that telling the followers later needs no memory. */
static enum refresh_role lead(struct table_look *look, const struct table_key *key, int64_t now_ms)
{
    struct answer *a = calloc(1, sizeof(*a));

    if (!a || !table_add(look, key, now_ms, TABLE_NEVER_MS)) {
        free(a);
        return REFRESH_FULL;
    }
    a->references = 1;
    ((struct flight *)look->value)->answer = a;
    return REFRESH_OWNER;
}

enum refresh_role store_refresh_join(struct store *s, struct str refresh_token,
                                     struct refresh_wait *w, struct loop *l, int64_t now_ms,
                                     refresh_fn *fn, void *arg)
{
    struct refresh_table *r = s->refreshes;
    struct table_key key;

    *w = (struct refresh_wait){.on_outcome = fn, .arg = arg, .loop = l};
    if (!store_key(s, refresh_token, &key))
        return REFRESH_FULL;
    memcpy(w->key.bytes, key.bytes, sizeof(key.bytes));

    (void)pthread_mutex_lock(&r->lock);
    struct table_look look = table_find(r->flights, &key, now_ms);
    const enum refresh_role role =
        look.value ? follow(r, look.value, w) : lead(&look, &key, now_ms);
    table_release(&look);
    (void)pthread_mutex_unlock(&r->lock);

    if (role == REFRESH_FULL)
        metric_add(M_LIMITED, STORE_LIMIT_REFRESHES_FULL, 0, 1);
    return role;
}

/* Closed: a body that cannot be kept is a failure for those who wait for it, and the vendor may
 * have spent the refresh token. */
static void answer_fill(struct answer *a, const struct refresh_outcome *outcome)
{
    const struct str body = outcome->body;

    a->outcome = *outcome;
    a->outcome.body = (struct str){NULL, 0};
    if (!body.ptr)
        return;
    a->body = malloc(body.len + 1);
    if (!a->body) {
        a->outcome = (struct refresh_outcome){.code = ERR_NO_MEMORY, .retry = RETRY_LOGIN};
        return;
    }
    memcpy(a->body, body.ptr, body.len);
    a->body[body.len] = '\0';
    a->outcome.body = (struct str){a->body, body.len};
}

static void flight_land(struct flight *f, const struct refresh_outcome *outcome)
{
    answer_fill(f->answer, outcome);
    f->landed = true;
    while (f->tickets) {
        struct ticket *t = f->tickets;
        ticket_unlink(&f->tickets, t);
        ticket_post(t, f->answer);
    }
    f->ticket_count = 0;
}

void store_refresh_done(struct store *s, const struct refresh_key *refresh,
                        const struct refresh_outcome *outcome, bool keep, int64_t now_ms)
{
    struct refresh_table *r = s->refreshes;
    struct table_key key;

    memcpy(key.bytes, refresh->bytes, sizeof(key.bytes));
    (void)pthread_mutex_lock(&r->lock);
    struct table_look look = table_find(r->flights, &key, now_ms);
    struct flight *f = look.value;
    if (f && !f->landed) {
        flight_land(f, outcome);
        if (keep && r->replay_ms > 0)
            table_expire_at(&look, now_ms + r->replay_ms);
        else
            table_remove(&look);
    }
    table_release(&look);
    (void)pthread_mutex_unlock(&r->lock);
}

void store_refresh_cancel(struct refresh_wait *w)
{
    struct ticket *t = w->entry;

    if (!t)
        return;
    struct refresh_table *r = t->home;
    w->entry = NULL;
    (void)pthread_mutex_lock(&r->lock);
    t->wait = NULL;
    const bool posted = t->answer != NULL;
    if (!posted) {
        ticket_unlink(&t->flight->tickets, t);
        t->flight->ticket_count--;
    }
    (void)pthread_mutex_unlock(&r->lock);
    if (!posted)
        free(t);
}
