/* SPDX-License-Identifier: Apache-2.0
 * Maps a vendor answer by an endpoint's table. */
#include "api/answer.h"

bool answer_is_success(const struct call_answer *answer)
{
    return answer->status >= 200 && answer->status < 300;
}

static enum err find_result(const struct answer_rule *rules, size_t count, int status,
                            const char *code)
{
    for (size_t i = 0; i < count; i++) {
        if (rules[i].status == status && (!rules[i].code || strcmp(rules[i].code, code) == 0))
            return rules[i].result;
    }
    return ERR_UPSTREAM_INVALID_RESPONSE;
}

enum err answer_map(struct flow *f, const struct answer_rule *rules, size_t count)
{
    if (answer_is_success(f->answer))
        return ERR_OK;
    if (f->send.failure != FAILURE_NONE)
        return flow_fail_refused(f);

    struct vendor_error error;
    const enum err read = vendor_error_read(f->answer->body, &error);
    if (read != ERR_OK)
        return read;
    const enum err result = find_result(rules, count, f->answer->status, error.code);
    if (result == ERR_OK)
        return ERR_OK;

    struct failure failure = failure_of(result);
    failure.upstream_code = error.upstream_code;
    failure.reason = arena_printf(f->arena, "vendor %d %s", f->answer->status, error.code);
    return flow_fail(f, failure);
}
