/* SPDX-License-Identifier: Apache-2.0
 * POST /v1/session/refresh: a refresh token becomes a new session, verified like authenticate's.
 * The token rotates on each use, so all who bring the same one share one upstream call and its
 * answer; each verifies and answers for itself. A limit per token would therefore limit nothing but
 * the repeats of a phone with a bad network. */
#include "api/endpoints.h"
#include "api/limits.h"
#include "api/refresh_call.h"
#include "api/session.h"

struct refresh {
    struct refresh_in {
        struct str refresh_token, session;
    } in;
    struct session_handle joined; /* session_id.ptr NULL: no handle was given */
    struct refresh_wait wait;     /* while others make the call */
    struct timer deadline;
    struct refresh_call *call;             /* borrowed: while this request's call is under way */
    const struct refresh_outcome *outcome; /* valid in the step after join */
    struct session session;
};

static const struct schema_field FIELDS[] = {
    {"refresh_token", SCHEMA_TEXT, true, offsetof(struct refresh_in, refresh_token), 1,
     REFRESH_TOKEN_BYTES_MAX, ALPHABET_VISIBLE},
    {"session", SCHEMA_TEXT, false, offsetof(struct refresh_in, session), 1, HANDLE_CHARS_MAX,
     ALPHABET_VISIBLE},
};
static const struct schema SCHEMA = {FIELDS, ARRAY_LEN(FIELDS)};

static step_fn read_body, open_session, join, read_tokens, verify_access_token, verify_id_token,
    bind_session, reply;
static void finish(struct flow *f);

static const struct step STEPS[] = {
    {"address", limit_address},
    {"body", read_body},
    {"session", open_session},
    {"join", join},
    {"tokens", read_tokens},
    {"access_token", verify_access_token},
    {"id_token", verify_id_token},
    {"bind", bind_session},
    {"reply", reply},
};
static const struct story STORY = {
    .ceremony = CEREMONY_REFRESH,
    .steps = STEPS,
    .step_count = ARRAY_LEN(STEPS),
    .state_bytes = sizeof(struct refresh),
    .finish = finish,
};

void refresh_start(struct request *req)
{
    flow_start(req, &STORY);
}

static enum err read_body(struct flow *f)
{
    struct refresh *r = f->state;
    return flow_read_body(f, &SCHEMA, &r->in);
}

static enum err open_session(struct flow *f)
{
    struct refresh *r = f->state;
    if (!r->in.session.ptr)
        return ERR_OK;
    const enum err e = session_handle_check(f, r->in.session, &r->joined);
    if (e == ERR_OK)
        flow_user(f, r->joined.user_id);
    return e;
}

/* ---- one call for all who bring this token */

static void go_on(struct flow *f, const struct refresh_outcome *outcome)
{
    struct refresh *r = f->state;
    f->refreshing = false;
    if (outcome->code == ERR_OK) {
        r->outcome = outcome;
        flow_retry_from_now(f, RETRY_LOGIN);
        flow_continue(f, ERR_OK);
        return;
    }
    struct failure failure = failure_of(outcome->code);
    failure.retry = outcome->retry;
    failure.retry_after_s = outcome->retry_after_s;
    flow_continue(f, flow_fail(f, failure));
}

static void on_outcome(struct refresh_wait *w, const struct refresh_outcome *outcome)
{
    struct flow *f = w->arg;
    struct refresh *r = f->state;
    timer_stop(f->app->loop, &r->deadline);
    go_on(f, outcome);
}

static void on_own_outcome(void *arg, const struct refresh_outcome *outcome)
{
    struct flow *f = arg;
    struct refresh *r = f->state;
    r->call = NULL;
    go_on(f, outcome);
}

static void on_deadline(struct timer *t)
{
    struct flow *f = t->arg;
    struct refresh *r = f->state;
    store_refresh_cancel(&r->wait);
    f->refreshing = false;
    flow_retry_from_now(f, RETRY_LOGIN);
    flow_continue(f, flow_fail_with(f, ERR_UPSTREAM_TIMEOUT, "waited for another's refresh"));
}

static enum err join(struct flow *f)
{
    struct refresh *r = f->state;
    const enum refresh_role role =
        store_refresh_join(f->app->store, r->in.refresh_token, &r->wait, f->app->loop,
                           loop_now_ms(f->app->loop), on_outcome, f);
    if (role == REFRESH_FULL)
        return flow_fail_with(f, ERR_OVERLOADED, "the table of refreshes is full");
    if (role == REFRESH_FOLLOWER) {
        timer_start(f->app->loop, &r->deadline, request_deadline_ms(f->req), on_deadline, f);
        f->refreshing = true;
        return ERR_PENDING;
    }
    const enum err e =
        refresh_call_start(f->app, &r->wait.key, r->in.refresh_token, request_deadline_ms(f->req),
                           request_traceparent(f->req), on_own_outcome, f, &r->call);
    f->refreshing = e == ERR_OK;
    return f->refreshing ? ERR_PENDING : e;
}

/* ---- each for itself */

static enum err read_tokens(struct flow *f)
{
    struct refresh *r = f->state;
    const char *reason = NULL;
    const enum err e = tokens_read(r->outcome->body, false, f->arena, &r->session.tokens, &reason);
    r->outcome = NULL;
    return e == ERR_OK ? ERR_OK : flow_fail_with(f, e, reason);
}

static enum err verify_access_token(struct flow *f)
{
    struct refresh *r = f->state;
    const enum err e = session_verify_access_token(f, &r->session);
    if (e == ERR_OK)
        flow_user(f, r->session.access.sub);
    return e;
}

static enum err verify_id_token(struct flow *f)
{
    struct refresh *r = f->state;
    return session_verify_id_token(f, &r->session);
}

static enum err bind_session(struct flow *f)
{
    const struct refresh *r = f->state;
    const struct session_binding binding = {0}; /* nobody said whose token it is */
    const enum err e = session_bind(f, &r->session, &binding);
    if (e != ERR_OK)
        return e;
    if (r->joined.session_id.ptr && !str_eq(r->joined.user_id, r->session.access.sub))
        return flow_fail_with(f, ERR_FORBIDDEN, "the session handle is of another user");
    return ERR_OK;
}

static enum err reply(struct flow *f)
{
    const struct refresh *r = f->state;
    struct session_answer answer = {0};
    if (r->joined.session_id.ptr) {
        /* Sealed anew: handles move to the newest sealing key as they are used. */
        const enum err e = session_handle_make(f, &r->joined, &answer.session_handle);
        if (e != ERR_OK)
            return e;
    }
    session_reply(f, &r->session, &answer);
    return ERR_OK;
}

static void finish(struct flow *f)
{
    struct refresh *r = f->state;
    store_refresh_cancel(&r->wait);
    timer_stop(f->app->loop, &r->deadline);
    refresh_call_leave(r->call);
    session_finish(&r->session);
}
