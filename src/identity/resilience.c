/* SPDX-License-Identifier: Apache-2.0
 * The resilience table as an array, the naming of a failure, and the page that is made of both. */
#include "identity/resilience.h"

static const struct resilience_row rows[VENDOR_CALL_COUNT][FAILURE_KIND_COUNT] = {
#define X(call, kind, action, error, retry)                                                        \
    [VENDOR_##call][FAILURE_##kind] = {ACTION_##action, ERR_##error, RETRY_##retry},
    RESILIENCE_TABLE(X)
#undef X
};

static const struct {
    const char *label;
    bool counts_for_breaker;
    const char *what;
} KINDS[FAILURE_KIND_COUNT] = {[FAILURE_NONE] = {"none", false, NULL},
#define X(id, label, counts, what) [FAILURE_##id] = {label, counts, what},
                               FAILURE_KIND_TABLE(X)
#undef X
};

static const struct {
    const char *label;
    const char *what;
} ACTIONS[ACTION_COUNT] = {
#define X(id, label, what) [ACTION_##id] = {label, what},
    ACTION_TABLE(X)
#undef X
};

const struct resilience_row *resilience_row(enum vendor_call call, enum failure_kind kind)
{
    return &rows[call][kind];
}

const char *failure_label(enum failure_kind kind)
{
    return KINDS[kind].label;
}

bool failure_counts_for_breaker(enum failure_kind kind)
{
    return KINDS[kind].counts_for_breaker;
}

bool failure_is_read_by_endpoint(enum failure_kind kind)
{
    return kind == FAILURE_TOKEN_401 || kind == FAILURE_TOKEN_403 || kind == FAILURE_USER_401 ||
           kind == FAILURE_USER_403;
}

/* ---- the naming of a failure */

/* A call that must not run twice gives a 401 for the user, too: only the body's word that the token
 * is bad says that the vendor has not executed it (api.md section 3). */
static bool is_about_our_token(enum vendor_call call, struct str body)
{
    if (!vendor_call_row(call)->run_once)
        return true;
    struct vendor_error error;
    return vendor_error_read(body, &error) == ERR_OK && error.token_is_bad;
}

static enum failure_kind kind_of_status(enum vendor_call call, const struct call_answer *answer)
{
    const bool users = vendor_call_row(call)->with_users_token;
    const int status = answer->status;

    if (status == 401 && users)
        return FAILURE_USER_401;
    if (status == 401)
        return is_about_our_token(call, answer->body) ? FAILURE_TOKEN_401 : FAILURE_NONE;
    if (status == 403)
        return users ? FAILURE_USER_403 : FAILURE_TOKEN_403;
    if (status == 429)
        return FAILURE_VENDOR_429;
    if (status >= 500)
        return FAILURE_VENDOR_5XX;
    return status >= 400 || (status >= 200 && status < 300) ? FAILURE_NONE : FAILURE_BAD_ANSWER;
}

enum failure_kind failure_kind_of(enum vendor_call call, const struct call_answer *answer)
{
    switch (answer->result) {
    case CALL_ANSWERED:
        return kind_of_status(call, answer);
    case CALL_NOT_SENT:
        break;
    case CALL_BROKEN:
        return answer->may_have_been_sent ? FAILURE_BROKEN : FAILURE_NOT_SENT;
    case CALL_TIMED_OUT:
        return answer->may_have_been_sent ? FAILURE_LATE : FAILURE_LATE_UNSENT;
    case CALL_BAD_ANSWER:
        return FAILURE_BAD_ANSWER;
    }
    return FAILURE_NOT_SENT;
}

/* ---- docs/resilience.md */

static void write_kinds(struct buf *out)
{
    buf_append(out, STR("## Failures\n\n| failure | what happened | counts for the breaker |\n"
                        "|---|---|---|\n"));
    for (size_t i = FAILURE_NONE + 1; i < FAILURE_KIND_COUNT; i++)
        buf_printf(out, "| `%s` | %s | %s |\n", KINDS[i].label, KINDS[i].what,
                   KINDS[i].counts_for_breaker ? "yes" : "no");
}

static void write_actions(struct buf *out)
{
    buf_append(out, STR("\n## Actions\n\n| action | what is done |\n|---|---|\n"));
    for (size_t i = 0; i < ACTION_COUNT; i++)
        buf_printf(out, "| `%s` | %s |\n", ACTIONS[i].label, ACTIONS[i].what);
}

static void write_call(struct buf *out, enum vendor_call call)
{
    buf_printf(out,
               "\n### %s\n\n| failure | action | status | code | retry |\n|---|---|---|---|---|\n",
               vendor_call_row(call)->label);
    for (size_t i = FAILURE_NONE + 1; i < FAILURE_KIND_COUNT; i++) {
        const struct resilience_row *row = &rows[call][i];
        if (row->error == ERR_OK)
            continue;
        const struct error_row *error = error_row(row->error);
        buf_printf(out, "| `%s` | %s | %d | `%s` | `%s` |\n", KINDS[i].label,
                   ACTIONS[row->action].label, error->status, error->code, retry_name(row->retry));
    }
}

void resilience_write_docs(struct buf *out)
{
    write_kinds(out);
    write_actions(out);
    buf_append(
        out,
        STR("\n## Calls\n\nStatus, code and retry are what the app gets when the action did "
            "not help.\nThe vendor's 404, 409, 422 and other 400s are answers, not failures, "
            "and so is a 401 of authenticate\nor refresh that does not speak of our token.\n"));
    for (size_t i = 0; i < VENDOR_CALL_COUNT; i++)
        write_call(out, (enum vendor_call)i);
}
