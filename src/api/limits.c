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

enum { KIND_BYTES_MAX = 16, WHO_BYTES_MAX = 255 };

/* The parts cannot be confused: none of them may contain a line break. */
static enum err limit_who(struct flow *f, const char *kind, struct str who, struct str address)
{
    const struct str parts[] = {str_of(kind), STR("\n"), who, STR("\n"), address};
    char key[KIND_BYTES_MAX + WHO_BYTES_MAX + IP_TEXT_BYTES];
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].len > sizeof(key) - len)
            return ERR_INTERNAL;
        if (parts[i].len > 0)
            memcpy(key + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    int retry_after_s = 0;
    const enum err e = store_rate_user(f->app->store, (struct str){key, len},
                                       loop_now_ms(f->app->loop), &retry_after_s);
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
