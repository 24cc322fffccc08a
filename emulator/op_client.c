/* SPDX-License-Identifier: Apache-2.0
 * Client credentials, key set and discovery (contract 1.3 and 2). */
#include "emulator/operations.h"

#include "emulator/client_auth.h"

enum { TOKEN_BYTES_MAX = 128 * 1024 };

static void reply_oauth_error(struct call *call, int status, const char *error,
                              const char *description)
{
    struct json_writer w = reply_json(call, status);
    jw_object_begin(&w);
    jw_member(&w, "error", str_of(error));
    jw_member(&w, "error_description", str_of(description));
    jw_object_end(&w);
}

static bool is_known_field(struct str name)
{
    static const char *const FIELDS[] = {"grant_type",       "client_id", "client_secret",
                                         "client_assertion", "resource",  "client_assertion_type"};
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++) {
        if (str_is(name, FIELDS[i]))
            return true;
    }
    return false;
}

/* NULL: the form is one of the three grants, proof aside. */
static const char *form_problem(struct call *call, struct form *form)
{
    const struct str type = http_request_header(call->request, "Content-Type");
    if (!str_starts_with(type, STR("application/x-www-form-urlencoded")))
        return "the body should be form-encoded";
    if (!form_parse(buf_str(&call->request->body), &call->arena, form))
        return "the form cannot be read";
    for (size_t i = 0; i < form->count; i++) {
        if (!is_known_field(form->fields[i].name))
            return "the form has a field that should not exist";
    }
    if (!str_is(form_value(form, "grant_type"), "client_credentials"))
        return "grant_type should be client_credentials";
    return NULL;
}

static void reply_form_problem(struct call *call, const char *problem)
{
    struct json_writer w = reply_json(call, 400);
    jw_object_begin(&w);
    jw_key(&w, "message");
    jw_array_begin(&w);
    jw_string(&w, str_of(problem));
    jw_array_end(&w);
    jw_member_int(&w, "error_code", 400);
    jw_object_end(&w);
}

static void reply_client_token(struct call *call, bool admin, struct str resource)
{
    AUTO_BUF struct buf token = {0};
    buf_init(&token, TOKEN_BYTES_MAX);
    if (!tokens_make_client(call, admin, resource, &token)) {
        reply_internal(call);
        return;
    }
    pthread_mutex_lock(&call->emulator->lock);
    const int64_t ttl_s = call->emulator->settings.token_ttl_s;
    pthread_mutex_unlock(&call->emulator->lock);

    call->executed = true;
    struct json_writer w = reply_json(call, 200);
    jw_object_begin(&w);
    jw_member(&w, "access_token", buf_str(&token));
    jw_member(&w, "token_type", STR("Bearer"));
    jw_member_int(&w, "expires_in", ttl_s);
    jw_member(&w, "scope", STR("openid"));
    jw_object_end(&w);
}

void op_token(struct call *call)
{
    struct form form;
    const char *problem = form_problem(call, &form);
    if (problem) {
        reply_form_problem(call, problem);
        return;
    }
    const enum client_auth_result client = client_auth_check(call, &form, &problem);
    if (client == CLIENT_REFUSED) {
        reply_oauth_error(call, 401, "invalid_client", problem);
        return;
    }
    reply_client_token(call, client == CLIENT_IS_ADMIN, form_value(&form, "resource"));
}

void op_jwks(struct call *call)
{
    (void)reply_json(call, 200);
    signing_write_jwks(&call->emulator->signing, &call->reply->body);
    call->executed = true;
}

void op_discovery(struct call *call)
{
    struct emulator *e = call->emulator;
    const char *base = call_base_url(call);
    const char *jwks = base ? arena_printf(&call->arena, "%s/cis/oidc/jwks", base) : NULL;
    const char *token = base ? arena_printf(&call->arena, "%s/cis/oidc/token", base) : NULL;
    struct json_writer w = reply_json(call, 200);
    jw_object_begin(&w);
    jw_member(&w, "issuer", str_of(e->options->issuer));
    jw_member_opt(&w, "jwks_uri", str_of(jwks));
    jw_member_opt(&w, "token_endpoint", str_of(token));
    jw_key(&w, "id_token_signing_alg_values_supported");
    jw_array_begin(&w);
    jw_string(&w, str_of(jose_alg_name(signing_current(&e->signing)->alg)));
    jw_array_end(&w);
    jw_object_end(&w);
    call->executed = true;
}
