/* SPDX-License-Identifier: Apache-2.0
 * Asks the store whether this caller may go on. */
#include "api/limits.h"

enum err limit_exceeded(struct flow *f, int retry_after_s, const char *reason)
{
    struct failure failure = failure_of(ERR_RATE_LIMITED);
    if (retry_after_s > 0)
        failure.retry_after_s = retry_after_s;
    failure.reason = reason;
    return flow_fail(f, failure);
}

static struct str client_ip_text(const struct flow *f, char out[IP_TEXT_BYTES])
{
    const struct ip ip = request_client_ip(f->req);
    ip_format(&ip, out);
    return str_of(out);
}

enum err limit_address(struct flow *f)
{
    char text[IP_TEXT_BYTES];
    const struct str address = client_ip_text(f, text);
    int retry_after_s = 0;
    const enum err e =
        store_rate_address(f->app->store, address, loop_now_ms(f->app->loop), &retry_after_s);
    return e == ERR_RATE_LIMITED ? limit_exceeded(f, retry_after_s, "rate per address") : e;
}

/* The parts cannot be confused: none of them may contain a line break. */
static enum err limit_who(struct flow *f, const char *kind, struct str who, struct str address)
{
    const char *key = arena_printf(f->arena, "%s\n%.*s\n%.*s", kind, (int)who.len, who.ptr,
                                   (int)address.len, address.ptr);
    if (!key)
        return ERR_NO_MEMORY;
    int retry_after_s = 0;
    const enum err e =
        store_rate_user(f->app->store, str_of(key), loop_now_ms(f->app->loop), &retry_after_s);
    return e == ERR_RATE_LIMITED ? limit_exceeded(f, retry_after_s, "rate per user") : e;
}

enum err limit_bearer(struct flow *f)
{
    return limit_who(f, "sub", f->bearer.claims.sub, STR(""));
}

enum err limit_anonymous(struct flow *f, const char *kind, struct str who)
{
    char text[IP_TEXT_BYTES];
    return limit_who(f, kind, who, client_ip_text(f, text));
}
