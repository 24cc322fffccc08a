/* SPDX-License-Identifier: Apache-2.0
 * identity/vendor_*.c: whatever the vendor answers, what is read of it is within its limits. */
#include "fuzz.h"

#include "identity/upstream.h"

enum { ARENA_BYTES = 1024 * 1024 };

static void check_text(struct str text, size_t max)
{
    FUZZ_CHECK(text.len <= max);
    for (size_t i = 0; i < text.len; i++)
        FUZZ_CHECK(text.ptr[i] >= '!' && text.ptr[i] <= '~');
}

static void read_tokens(struct str body, struct arena *arena, bool session_required)
{
    struct vendor_tokens tokens = {0};
    const char *reason = NULL;
    if (tokens_read(body, session_required, arena, &tokens, &reason) != ERR_OK) {
        FUZZ_CHECK(!tokens.access_token.ptr);
        return;
    }
    FUZZ_CHECK(tokens.access_token.len > 0);
    FUZZ_CHECK(!session_required || tokens.session_id.len > 0);
    FUZZ_CHECK(tokens.expires_in_s >= 1);
    check_text(tokens.access_token, VENDOR_TOKEN_BYTES_MAX);
    check_text(tokens.id_token, VENDOR_TOKEN_BYTES_MAX);
    check_text(tokens.refresh_token, REFRESH_TOKEN_BYTES_MAX);
    check_text(tokens.session_id, VENDOR_SESSION_ID_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const struct call_answer answer = {
        .status = 200,
        .body = {(const char *)bytes, len},
        .content_type = STR("application/json"),
        .charset_ok = true,
    };
    AUTO(arena_finish) struct arena arena;
    arena_init(&arena, ARENA_BYTES);

    struct str challenge = {0};
    const char *reason = NULL;
    if (start_answer(&answer, &arena, &challenge, &reason) == ERR_OK)
        FUZZ_CHECK(challenge.len > 0 && challenge.len <= CHALLENGE_BYTES_MAX);
    read_tokens(answer.body, &arena, true);
    read_tokens(answer.body, &arena, false);

    struct vendor_error error;
    (void)!vendor_error_read(answer.body, &error);
    FUZZ_CHECK(strlen(error.code) < sizeof(error.code));
    FUZZ_CHECK(!error.upstream_code || strcmp(error.upstream_code, error.code) == 0);
    return 0;
}
