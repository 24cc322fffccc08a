/* SPDX-License-Identifier: Apache-2.0
 * One issuer's key set on the keeper's thread: fetched at start, refreshed on schedule and for an
 * unknown kid. A fetch that fails leaves the old set, until it is too old to be trusted. */
#include <stdio.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "identity/keeper_internal.h"
#include "identity/keeper_metrics.h"

static uint32_t random_32(void)
{
    return (uint32_t)random_below(UINT64_C(1) << 32);
}

static int64_t now_of(const struct keys_slot *s)
{
    return loop_now_ms(s->keeper->loop);
}

void keys_slot_abandon(struct keys_slot *s)
{
    if (!s->call)
        return;
    call_cancel(s->call);
    s->call = NULL;
    fetch_abandoned(&s->state);
}

void keys_slot_finish(struct keys_slot *s)
{
    keyset_unref(s->set);
    s->set = NULL;
}

static void on_timer(struct timer *timer)
{
    keys_slot_fetch(timer->arg);
}

/* ---- the end of an attempt */

static void drop_if_stale(struct keys_slot *s)
{
    if (!s->set || now_of(s) - s->state.last_ok_ms < s->keeper->limits->keys_stale_ms)
        return;
    keyset_unref(s->set);
    s->set = NULL;
    LOG(LOG_ERROR, "jwks.dropped", "A key set is too old to be used any longer",
        LOG_S("jwks.issuer", s->issuer->issuer));
}

static void fail(struct keys_slot *s, enum err why, int retry_after_s, const char *reason)
{
    fetch_fails(&s->state, s->keeper->limits, now_of(s), why, retry_after_s, random_32());
    (void)snprintf(s->error, sizeof(s->error), "keys of %s: %s", s->issuer->issuer, reason);
    metric_add(M_JWKS_FETCH, fetch_result(why), 0, 1);
    LOG(s->set ? LOG_WARN : LOG_ERROR, "jwks.fetch_failed", "A key set could not be fetched",
        LOG_S("jwks.issuer", s->issuer->issuer), LOG_S("error.reason", reason),
        LOG_I("jwks.failures", s->state.failures),
        LOG_I("jwks.retry_in_ms", s->state.next_ms - now_of(s)),
        LOG_B("jwks.cached", s->set != NULL));
    drop_if_stale(s);
}

/* The same document again: the set that is held stays, for whoever remembers what it verified under
 * that very set (token_memory.h) would forget it with each fetch. True: the keys are new. */
static bool hold(struct keys_slot *s, struct keyset *set)
{
    if (s->set && keyset_is_same(s->set, set)) {
        keyset_unref(set);
        return false;
    }
    keyset_unref(s->set);
    s->set = set;
    return true;
}

static void succeed(struct keys_slot *s, struct keyset *set, const struct keyset_report *report)
{
    size_t refused = 0;

    const bool changed = hold(s, set);
    s->error[0] = '\0';
    fetch_succeeds(&s->state, now_of(s), keys_refresh_in_ms(s->keeper->limits, random_32()));
    for (unsigned i = 0; i < JWK_REFUSAL_COUNT; i++) {
        refused += report->refused[i];
        if (report->refused[i] > 0)
            metric_add(M_JWKS_KEYS_REFUSED, i, 0, report->refused[i]);
    }
    metric_add(M_JWKS_FETCH, fetch_result(ERR_OK), 0, 1);
    LOG(refused > 0 ? LOG_WARN : LOG_INFO, "jwks.fetched", "A key set was fetched",
        LOG_S("jwks.issuer", s->issuer->issuer), LOG_I("jwks.keys", (int64_t)report->kept),
        LOG_I("jwks.refused", (int64_t)refused), LOG_B("jwks.changed", changed),
        LOG_I("jwks.refresh_in_ms", s->state.next_ms - now_of(s)));
}

static enum err failure_of_call(const struct call_answer *answer)
{
    switch (answer->result) {
    case CALL_TIMED_OUT:
        return ERR_UPSTREAM_TIMEOUT;
    case CALL_BAD_ANSWER:
        return ERR_UPSTREAM_INVALID_RESPONSE;
    case CALL_NOT_SENT:
    case CALL_BROKEN:
        return ERR_UPSTREAM_UNAVAILABLE;
    case CALL_ANSWERED:
        break;
    }
    if (answer->status == 429)
        return ERR_UPSTREAM_RATE_LIMITED;
    if (answer->status >= 500)
        return ERR_UPSTREAM_UNAVAILABLE;
    return answer->status == 200 ? ERR_OK : ERR_UPSTREAM_INVALID_RESPONSE;
}

static enum err read_answer(const struct keys_slot *s, const struct call_answer *answer,
                            struct keyset **ret, struct keyset_report *report,
                            struct err_text *reterr)
{
    const enum err e = failure_of_call(answer);

    if (e != ERR_OK && answer->result != CALL_ANSWERED)
        return err_set(reterr, e, "%s", answer->reason ? answer->reason : "call failed");
    if (e != ERR_OK)
        return err_set(reterr, e, "status %d", answer->status);
    if (!answer->charset_ok || (!str_is(answer->content_type, "application/json") &&
                                !str_is(answer->content_type, "application/jwk-set+json")))
        return err_set(reterr, ERR_UPSTREAM_INVALID_RESPONSE, "not JSON by its content type");
    return keyset_parse(answer->body, str_of(s->issuer->issuer), ret, report, reterr);
}

static void finish_attempt(struct keys_slot *s)
{
    timer_start(s->keeper->loop, &s->timer, s->state.next_ms, on_timer, s);
    keeper_publish(s->keeper);
}

static void on_answer(void *arg, const struct call_answer *answer)
{
    struct keys_slot *s = arg;
    struct keyset *set = NULL;
    struct keyset_report report = {0};
    struct err_text text = {0};

    s->call = NULL;
    const enum err e = read_answer(s, answer, &set, &report, &text);
    if (e == ERR_OK)
        succeed(s, set, &report);
    else
        fail(s, e, answer->retry_after_s, text.text[0] ? text.text : "out of memory");
    finish_attempt(s);
}

/* ---- its beginning */

void keys_slot_fetch(struct keys_slot *s)
{
    struct keeper *k = s->keeper;

    if (s->state.fetching)
        return;
    timer_stop(k->loop, &s->timer);
    fetch_begins(&s->state);
    const struct call_request request = {
        .method = HTTP_GET,
        .url = s->issuer->jwks_url,
        .accept = "application/json, application/jwk-set+json",
        .deadline_ms = loop_update_now(k->loop) + k->limits->fetch_timeout_ms,
        .answer_max_bytes = JWKS_BYTES_MAX,
        .label = "jwks",
    };
    s->call = http_client_start(k->client, &request, on_answer, s);
    if (s->call)
        return;
    fail(s, ERR_NO_MEMORY, -1, "out of memory");
    finish_attempt(s);
}

void keys_slot_ask(struct keys_slot *s)
{
    if (ask_for_keys(&s->state, s->keeper->limits, now_of(s)) == ASK_FETCH)
        keys_slot_fetch(s);
}
