/* SPDX-License-Identifier: Apache-2.0
 * Life and death of the emulated tenant. */
#include "emulator/emulator.h"

#include "base/clock.h"
#include "emulator/client_auth.h"

enum { KEYS_PER_USER = 10, ASSERTIONS_MAX = 100000 };

bool emulator_init(struct emulator *e, const struct options *options)
{
    enum jose_alg alg = JOSE_RS256;
    *e = (struct emulator){.options = options};
    pthread_mutex_init(&e->lock, NULL);
    faults_init(&e->faults);
    e->settings = (struct settings){
        .keys_per_user_max = KEYS_PER_USER,
        .token_ttl_s = options->token_ttl_s,
        .issue_id_token = true,
        .issue_refresh_token = true,
    };
    e->calls = calls_create(options->call_log_file);
    return jose_alg_parse(str_of(options->alg), &alg) && signing_init(&e->signing, alg) &&
           e->calls && users_init(&e->users) && ceremonies_init(&e->ceremonies) &&
           table_init(&e->assertions, ASSERTIONS_MAX, NULL) && client_auth_load_keys(e);
}

void emulator_finish(struct emulator *e)
{
    table_finish(&e->assertions);
    ceremonies_finish(&e->ceremonies);
    users_finish(&e->users);
    calls_destroy(e->calls);
    signing_finish(&e->signing);
    faults_finish(&e->faults);
    json_free(e->client_keys);
    EVP_PKEY_free(e->client_key);
    pthread_mutex_destroy(&e->lock);
}

int64_t emulator_now_s(struct emulator *e)
{
    return clock_wall_s() + atomic_load(&e->clock_shift_s);
}

const char *call_base_url(struct call *call)
{
    const struct str host = http_request_header(call->request, "Host");
    const char *scheme = call->emulator->options->tls ? "https" : "http";
    return host.len > 0 ? arena_printf(&call->arena, "%s://%.*s", scheme, (int)host.len, host.ptr)
                        : call->emulator->base_url;
}
