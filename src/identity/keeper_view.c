/* SPDX-License-Identifier: Apache-2.0
 * A worker's view of the keeper: reads its snapshot without a lock, answers from it what can be
 * answered, asks the keeper for the rest, and keeps the requests that wait. Everything here runs on
 * the worker's loop; the mailbox under the keeper's lock is the only thing shared. */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "identity/keeper_internal.h"
#include "observe/metrics.h"

/* Waits of a kind below KEEPER_TOKEN_COUNT are for that token, the others for a key set. */
enum { WAIT_FOR_KID = KEEPER_TOKEN_COUNT, WAIT_FOR_NEW_KEYS };

/* Each goes on with a request; a thousand of them in one turn would hold up everybody else. */
enum { READY_PER_PASS = 32 };

static bool is_for_keys(const struct keeper_wait *w)
{
    return w->kind >= WAIT_FOR_KID;
}

static enum keeper_waiters waiters_of(const struct keeper_wait *w)
{
    if (!is_for_keys(w))
        return WAITERS_FOR_TOKEN;
    return w->kind == WAIT_FOR_KID ? WAITERS_FOR_KID : WAITERS_FOR_NEW_KEYS;
}

/* ---- lists: circular, the head is a wait that nobody waits with */

static void list_init(struct keeper_wait *head)
{
    head->next = head->prev = head;
}

static void unlink_wait(struct keeper_wait *w)
{
    struct keeper_view *v = w->view;

    w->prev->next = w->next;
    w->next->prev = w->prev;
    w->next = w->prev = NULL;
    timer_stop(v->loop, &w->timer);
    w->view = NULL;
}

static void link_wait(struct keeper_view *v, struct keeper_wait *head, struct keeper_wait *w)
{
    w->view = v;
    w->next = head;
    w->prev = head->prev;
    head->prev->next = w;
    head->prev = w;
}

/* ---- reading */

static bool token_usable(const struct keeper_view *v, enum keeper_token which)
{
    const struct token_snapshot *t = &v->snapshot->tokens[which];

    return t->authorization && t->generation != v->refused[which] &&
           loop_now_ms(v->loop) < t->expires_ms;
}

bool keeper_token(const struct keeper_view *v, enum keeper_token which, struct token_now *ret)
{
    const struct token_snapshot *t = &v->snapshot->tokens[which];

    if (!token_usable(v, which))
        return false;
    *ret = (struct token_now){
        .authorization = {t->authorization, t->authorization_len},
        .generation = t->generation,
        .fetched_mono_ms = t->fetched_ms,
    };
    return true;
}

struct keyring keeper_keyring(const struct keeper_view *v)
{
    return (struct keyring){
        .issuers = v->keeper->issuers,
        .sets = v->snapshot->sets,
        .count = v->snapshot->issuer_count,
    };
}

static bool kid_known(const struct keeper_view *v, const struct keeper_wait *w)
{
    const struct keyset *set = v->snapshot->sets[w->issuer];

    return set && keyset_find(set, str_of(w->kid));
}

static const struct fetch_state *state_of(const struct keeper_view *v, const struct keeper_wait *w)
{
    return is_for_keys(w) ? &v->snapshot->key_states[w->issuer]
                          : &v->snapshot->tokens[w->kind].state;
}

/* ---- what a wait comes to */

static enum err token_error(const struct fetch_state *s)
{
    return s->last_error == ERR_UPSTREAM_REFUSED_CREDENTIALS ? ERR_UPSTREAM_REFUSED_CREDENTIALS
                                                             : ERR_TOKEN_UNAVAILABLE;
}

static enum ask_verdict keys_verdict(const struct keeper_view *v, const struct keeper_wait *w)
{
    return ask_for_keys(state_of(v, w), v->keeper->limits, loop_now_ms(v->loop));
}

static enum err kid_outcome_now(const struct keeper_view *v, const struct keeper_wait *w)
{
    if (kid_known(v, w))
        return ERR_OK;
    switch (keys_verdict(v, w)) {
    case ASK_TOO_SOON:
        return ERR_KEYS_UNAVAILABLE;
    case ASK_SETTLED:
        return ERR_INVALID_TOKEN;
    case ASK_FETCH:
    case ASK_WAIT:
        break;
    }
    return ERR_PENDING;
}

/* Before asking: ERR_PENDING when the keeper has to be asked or is at it. */
static enum err outcome_now(const struct keeper_view *v, const struct keeper_wait *w)
{
    const struct fetch_state *state = state_of(v, w);

    if (w->kind == WAIT_FOR_KID)
        return kid_outcome_now(v, w);
    if (token_usable(v, (enum keeper_token)w->kind))
        return ERR_OK;
    return ask_for_token(state, loop_now_ms(v->loop)) == ASK_TOO_SOON ? token_error(state)
                                                                      : ERR_PENDING;
}

/* A key that was put under a kid that was there before cannot be told from the old one here. */
static bool has_come(const struct keeper_view *v, const struct keeper_wait *w)
{
    if (w->kind == WAIT_FOR_NEW_KEYS)
        return false;
    return w->kind == WAIT_FOR_KID ? kid_known(v, w) : token_usable(v, (enum keeper_token)w->kind);
}

/* After news from the keeper: ERR_PENDING while it has not looked at our ask, or fetches. */
static enum err outcome_after(const struct keeper_view *v, const struct keeper_wait *w)
{
    const struct fetch_state *state = state_of(v, w);

    if (has_come(v, w))
        return ERR_OK;
    if (w->asked > v->answered || state->fetching)
        return ERR_PENDING;
    if (!is_for_keys(w))
        return token_error(state);
    if (w->kind == WAIT_FOR_NEW_KEYS)
        return ERR_OK;
    return state->ever_ok && state->last_error == ERR_OK ? ERR_OK : ERR_KEYS_UNAVAILABLE;
}

/* ---- telling those who wait */

static void deliver_ready(struct deferred *d)
{
    struct keeper_view *v = d->arg;

    /* Those that get ready meanwhile wait for the next pass. */
    unsigned n = v->ready_count < READY_PER_PASS ? v->ready_count : READY_PER_PASS;
    for (; n > 0 && v->ready.next != &v->ready; n--) {
        struct keeper_wait *w = v->ready.next;
        keeper_wait_cancel(w);
        w->on_ready(w, w->outcome);
    }
    if (v->ready_count > 0)
        loop_defer(v->loop, &v->deliver, deliver_ready, v);
}

static void make_ready(struct keeper_view *v, struct keeper_wait *w, enum err outcome)
{
    w->outcome = outcome;
    link_wait(v, &v->ready, w);
    v->ready_count++;
    loop_defer(v->loop, &v->deliver, deliver_ready, v);
}

static bool is_ready(const struct keeper_wait *w)
{
    return w->outcome != ERR_PENDING;
}

/* ---- places: counted for all views together, for it is the process that can be filled */

static bool take_place(struct keeper *k, enum keeper_waiters kind)
{
    if (atomic_fetch_add_explicit(&k->waiting[kind], 1, memory_order_relaxed) <
        atomic_load_explicit(&k->waiting_max[kind], memory_order_relaxed)) {
        metric_gauge_add(M_KEEPER_WAITING, kind, 0, 1);
        return true;
    }
    (void)atomic_fetch_sub_explicit(&k->waiting[kind], 1, memory_order_relaxed);
    metric_add(M_KEEPER_WAIT_REFUSED, kind, 0, 1);
    return false;
}

static void give_place_back(struct keeper *k, enum keeper_waiters kind)
{
    (void)atomic_fetch_sub_explicit(&k->waiting[kind], 1, memory_order_relaxed);
    metric_gauge_add(M_KEEPER_WAITING, kind, 0, -1);
}

void keeper_wait_cancel(struct keeper_wait *w)
{
    struct keeper_view *v = w->view;

    if (!v)
        return;
    if (is_ready(w))
        v->ready_count--;
    else
        give_place_back(v->keeper, waiters_of(w));
    unlink_wait(w);
}

static void on_deadline(struct timer *timer)
{
    static const enum err OUTCOMES[KEEPER_WAITERS_COUNT] = {
        [WAITERS_FOR_TOKEN] = ERR_TOKEN_UNAVAILABLE,
        [WAITERS_FOR_KID] = ERR_KEYS_UNAVAILABLE,
        [WAITERS_FOR_NEW_KEYS] = ERR_OK,
    };
    struct keeper_wait *w = timer->arg;

    keeper_wait_cancel(w);
    w->on_ready(w, OUTCOMES[waiters_of(w)]);
}

/* ---- asking */

/* Posts once, however many asks gather before the keeper looks. */
static void send_asks_locked(struct keeper_view *v)
{
    v->asks_number = ++v->asked;
    if (v->asks_posted)
        return;
    v->asks_posted = true;
    loop_post(v->keeper->loop, &v->asks_post, keeper_on_asks);
}

static void ask_for(struct keeper_view *v, struct keeper_wait *w)
{
    (void)pthread_mutex_lock(&v->keeper->lock);
    bool *wish = is_for_keys(w) ? &v->asks.keys[w->issuer] : &v->asks.token[w->kind];
    if (!*wish) {
        *wish = true;
        send_asks_locked(v);
    }
    (void)pthread_mutex_unlock(&v->keeper->lock);
    w->asked = v->asked;
}

/* False: all places are taken. */
static bool start_waiting(struct keeper_view *v, struct keeper_wait *w, int64_t deadline_ms)
{
    if (!take_place(v->keeper, waiters_of(w)))
        return false;
    /* The end of a fetch that is under way is published without being asked for. */
    if (!state_of(v, w)->fetching)
        ask_for(v, w);
    w->outcome = ERR_PENDING;
    link_wait(v, &v->waiting, w);
    timer_start(v->loop, &w->timer, deadline_ms, on_deadline, w);
    return true;
}

static void wait_for(struct keeper_view *v, struct keeper_wait *w, int64_t deadline_ms)
{
    enum err outcome = outcome_now(v, w);

    if (outcome == ERR_PENDING && !start_waiting(v, w, deadline_ms))
        outcome = ERR_OVERLOADED;
    if (outcome != ERR_PENDING)
        make_ready(v, w, outcome);
}

void keeper_wait_token(struct keeper_view *v, struct keeper_wait *w, enum keeper_token which,
                       int64_t deadline_ms, keeper_wait_fn *fn, void *arg)
{
    assert(!w->view);
    *w = (struct keeper_wait){.on_ready = fn, .arg = arg, .kind = (int)which};
    wait_for(v, w, deadline_ms);
}

void keeper_wait_kid(struct keeper_view *v, struct keeper_wait *w, size_t issuer, struct str kid,
                     int64_t deadline_ms, keeper_wait_fn *fn, void *arg)
{
    assert(!w->view);
    assert(issuer < v->snapshot->issuer_count);
    *w = (struct keeper_wait){.on_ready = fn, .arg = arg, .kind = WAIT_FOR_KID, .issuer = issuer};
    /* The verifier lets no longer kid through. */
    if (kid.len > KID_BYTES_MAX) {
        make_ready(v, w, ERR_INVALID_TOKEN);
        return;
    }
    memcpy(w->kid, kid.ptr, kid.len);
    wait_for(v, w, deadline_ms);
}

bool keeper_wait_new_keys(struct keeper_view *v, struct keeper_wait *w, size_t issuer,
                          int64_t deadline_ms, keeper_wait_fn *fn, void *arg)
{
    assert(!w->view);
    assert(issuer < v->snapshot->issuer_count);
    *w = (struct keeper_wait){
        .on_ready = fn, .arg = arg, .kind = WAIT_FOR_NEW_KEYS, .issuer = issuer};
    const enum ask_verdict verdict = keys_verdict(v, w);
    return (verdict == ASK_FETCH || verdict == ASK_WAIT) && start_waiting(v, w, deadline_ms);
}

void keeper_token_refused(struct keeper_view *v, enum keeper_token which, uint64_t generation,
                          bool background)
{
    const struct token_snapshot *t = &v->snapshot->tokens[which];
    const int64_t now_ms = loop_now_ms(v->loop);

    if (generation != t->generation || generation == v->refused[which])
        return;
    /* What the keeper would not do anyway (token_slot_refused()) costs no post. */
    const int64_t since_ms = now_ms - v->background_ms[which];
    if (background && ((v->background_ms[which] != 0 && since_ms < v->keeper->limits->refused_ms) ||
                       ask_for_token(&t->state, now_ms) != ASK_FETCH))
        return;
    if (background)
        v->background_ms[which] = now_ms;
    else
        v->refused[which] = generation;
    (void)pthread_mutex_lock(&v->keeper->lock);
    if (background)
        v->asks.refused_background[which] = generation;
    else
        v->asks.refused[which] = generation;
    send_asks_locked(v);
    (void)pthread_mutex_unlock(&v->keeper->lock);
}

void keeper_token_alarm(struct keeper_view *v, enum keeper_token which, uint64_t generation,
                        int status)
{
    const enum token_alarm alarm = status == 403 ? TOKEN_ALARM_403 : TOKEN_ALARM_401;
    const int64_t now_ms = loop_now_ms(v->loop);
    int64_t *last_ms = &v->alarm_ms[which][alarm];

    metric_add(M_TOKEN_ALARM, which, alarm, 1);
    if (*last_ms != 0 && now_ms - *last_ms < v->keeper->limits->alarm_ms)
        return;
    *last_ms = now_ms;
    (void)pthread_mutex_lock(&v->keeper->lock);
    v->asks.alarm[which][alarm] = generation;
    send_asks_locked(v);
    (void)pthread_mutex_unlock(&v->keeper->lock);
}

/* ---- news from the keeper */

static void on_snapshot(struct post *p)
{
    struct keeper_view *v = (void *)((char *)p - offsetof(struct keeper_view, pending_post));

    (void)pthread_mutex_lock(&v->keeper->lock);
    struct keeper_snapshot *news = v->pending;
    v->pending = NULL;
    v->pending_posted = false;
    const uint64_t answered = v->pending_answered;
    (void)pthread_mutex_unlock(&v->keeper->lock);
    if (!news) /* the view was destroyed meanwhile */
        return;
    snapshot_unref(v->snapshot);
    v->snapshot = news;
    v->answered = answered;

    struct keeper_wait *next = NULL;
    for (struct keeper_wait *w = v->waiting.next; w != &v->waiting; w = next) {
        next = w->next;
        const enum err outcome = outcome_after(v, w);
        if (outcome == ERR_PENDING)
            continue;
        keeper_wait_cancel(w);
        make_ready(v, w, outcome);
    }
}

void view_deliver_locked(struct keeper_view *v)
{
    snapshot_unref(v->pending);
    v->pending = snapshot_ref(v->keeper->current);
    v->pending_answered = v->obeyed;
    if (v->pending_posted)
        return;
    v->pending_posted = true;
    loop_post(v->loop, &v->pending_post, on_snapshot);
}

/* ---- life */

void view_free(struct keeper_view *v)
{
    assert(v->closed);
    free(v->asks.keys);
    free(v->spare_keys);
    free(v);
}

struct keeper_view *keeper_view_create(struct keeper *k, struct loop *l)
{
    struct keeper_view *v = calloc(1, sizeof(*v));

    if (!v)
        return NULL;
    v->asks.keys = calloc(k->issuer_count + 1, sizeof(bool));
    v->spare_keys = calloc(k->issuer_count + 1, sizeof(bool));
    if (!v->asks.keys || !v->spare_keys) {
        v->closed = true;
        view_free(v);
        return NULL;
    }
    v->keeper = k;
    v->loop = l;
    list_init(&v->waiting);
    list_init(&v->ready);
    (void)pthread_mutex_lock(&k->lock);
    v->snapshot = snapshot_ref(k->current);
    v->next = k->views;
    k->views = v;
    (void)pthread_mutex_unlock(&k->lock);
    return v;
}

static void drop_waits(struct keeper_wait *head)
{
    while (head->next != head)
        keeper_wait_cancel(head->next);
}

void keeper_view_destroy(struct keeper_view *v)
{
    if (!v)
        return;
    drop_waits(&v->waiting);
    drop_waits(&v->ready);
    deferred_cancel(v->loop, &v->deliver);
    (void)pthread_mutex_lock(&v->keeper->lock);
    v->closed = true;
    snapshot_unref(v->pending);
    v->pending = NULL;
    (void)pthread_mutex_unlock(&v->keeper->lock);
    snapshot_unref(v->snapshot);
    v->snapshot = NULL;
}
