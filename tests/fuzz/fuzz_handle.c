/* SPDX-License-Identifier: Apache-2.0
 * identity/seal: no text opens that was not sealed here, and all that is sealed opens to itself. */
#include "fuzz.h"

#include "base/crypto.h"
#include "identity/seal.h"

static struct seal_ring *ring_get(void)
{
    static struct seal_ring *ring;
    struct err_text text;

    if (!ring) {
        FUZZ_CHECK(crypto_init());
        FUZZ_CHECK(seal_ring_load(NULL, &ring, &text) == ERR_OK);
    }
    return ring;
}

static void seal_and_open(struct seal_ring *ring, struct str bytes, struct arena *arena)
{
    const size_t half = bytes.len / 2;
    const struct session_handle sealed = {
        .session_id = {bytes.ptr, half},
        .user_id = {bytes.ptr + half, bytes.len - half},
        .created_s = (int64_t)bytes.len,
    };
    struct session_handle opened;
    AUTO_BUF struct buf text;

    buf_init(&text, HANDLE_CHARS_MAX);
    if (session_seal(ring, &sealed, &text) != ERR_OK)
        return;
    FUZZ_CHECK(session_open(ring, buf_str(&text), arena, &opened) == ERR_OK);
    FUZZ_CHECK(str_eq(opened.session_id, sealed.session_id));
    FUZZ_CHECK(str_eq(opened.user_id, sealed.user_id));
    FUZZ_CHECK(opened.created_s == sealed.created_s);

    /* One bit of the text at a place that the input chooses. */
    const size_t at = (uint8_t)bytes.ptr[0] * text.len / 256;
    text.ptr[at] = (char)(text.ptr[at] ^ 1);
    FUZZ_CHECK(session_open(ring, buf_str(&text), arena, &opened) == ERR_SESSION_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct seal_ring *ring = ring_get();
    const struct str text = {(const char *)bytes, len};
    AUTO(arena_finish) struct arena arena;
    struct challenge_handle challenge;
    struct session_handle session;

    arena_init(&arena, 1 << 20);
    FUZZ_CHECK(challenge_open(ring, text, &arena, &challenge) == ERR_CHALLENGE_INVALID);
    FUZZ_CHECK(session_open(ring, text, &arena, &session) == ERR_SESSION_INVALID);
    if (len > 0)
        seal_and_open(ring, text, &arena);
    return 0;
}
