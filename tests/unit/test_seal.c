/* SPDX-License-Identifier: Apache-2.0
 * identity/seal: handles open to what was sealed, on any ring with the key, and to nothing else:
 * other purposes, other keys, each changed character, each shorter text. Also the keys file. */
#include "unit.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/crypto.h"
#include "identity/seal.h"

#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
#define KEY_C "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="

static const struct challenge_handle FULL = {
    .id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
    .challenge = {"c2lnbiB0aGlz", 12},
    .identifier = {"a@example.com", 13},
    .identifier_type = {"email", 5},
    .device_id = {"device", 6},
    .approval_data = {"{\"a\":\"1\"}", 9},
    .started_s = 1790000000,
    .expires_s = 1790000120,
};

static struct arena arena;

static void setup(void)
{
    ck_assert(crypto_init());
    arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
    arena_finish(&arena);
}

/* Writes a keys file and loads it; *ret is NULL when it is refused. */
static enum err load(const char *content, struct seal_ring **ret, struct err_text *reterr)
{
    char path[] = "/tmp/seal-XXXXXX";
    const int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, content, strlen(content)), (int)strlen(content));
    close(fd);
    *ret = NULL;
    const enum err e = seal_ring_load(path, ret, reterr);
    unlink(path);
    return e;
}

static struct seal_ring *ring_of(const char *content)
{
    struct seal_ring *ring;
    struct err_text text = {""};

    ck_assert_msg(load(content, &ring, &text) == ERR_OK, "%s", text.text);
    return ring;
}

static void seal_full(struct seal_ring *ring, struct buf *out)
{
    buf_init(out, HANDLE_CHARS_MAX);
    ck_assert_int_eq(challenge_seal(ring, &FULL, out), ERR_OK);
}

static void assert_is_full(const struct challenge_handle *h)
{
    ck_assert_mem_eq(h->id, FULL.id, sizeof(FULL.id));
    ck_assert(str_eq(h->challenge, FULL.challenge));
    ck_assert_ptr_null(h->user_id.ptr);
    ck_assert(str_eq(h->identifier, FULL.identifier));
    ck_assert(str_eq(h->identifier_type, FULL.identifier_type));
    ck_assert(str_eq(h->device_id, FULL.device_id));
    ck_assert(str_eq(h->approval_data, FULL.approval_data));
    ck_assert_int_eq(h->started_s, FULL.started_s);
    ck_assert_int_eq(h->expires_s, FULL.expires_s);
    ck_assert(!h->decoy);
}

START_TEST(a_challenge_handle_opens_to_what_was_sealed)
{
    struct seal_ring *ring = ring_of(KEY_A "\n");
    AUTO_BUF struct buf text;
    struct challenge_handle h;

    seal_full(ring, &text);
    ck_assert_int_eq(challenge_open(ring, buf_str(&text), &arena, &h), ERR_OK);
    assert_is_full(&h);
    seal_ring_free(ring);
}
END_TEST

START_TEST(a_session_handle_opens_to_what_was_sealed)
{
    struct seal_ring *ring = ring_of(KEY_A);
    const struct session_handle sealed = {STR("session"), STR("user"), 1790000000};
    AUTO_BUF struct buf text;
    struct session_handle h;

    buf_init(&text, HANDLE_CHARS_MAX);
    ck_assert_int_eq(session_seal(ring, &sealed, &text), ERR_OK);
    ck_assert_int_eq(session_open(ring, buf_str(&text), &arena, &h), ERR_OK);
    ck_assert_str_is(h.session_id, "session");
    ck_assert_str_is(h.user_id, "user");
    ck_assert_int_eq(h.created_s, 1790000000);

    /* A handle of one purpose is none of the other. */
    struct challenge_handle c;
    ck_assert_int_eq(challenge_open(ring, buf_str(&text), &arena, &c), ERR_CHALLENGE_INVALID);
    AUTO_BUF struct buf challenge;
    seal_full(ring, &challenge);
    ck_assert_int_eq(session_open(ring, buf_str(&challenge), &arena, &h), ERR_SESSION_INVALID);
    seal_ring_free(ring);
}
END_TEST

/* The bytes of one handle are laid out so that they read as the other, were it not for the purpose
 * in the associated data: 33 bytes of fixed fields, then six absent texts. */
START_TEST(a_purpose_is_more_than_a_layout)
{
    struct seal_ring *ring = ring_of(KEY_A);
    struct session_handle sealed = {.user_id = {NULL, 0}};
    struct challenge_handle challenge;
    struct session_handle session;
    AUTO_BUF struct buf text;
    char id[33];

    memset(id, 0xff, sizeof(id));
    sealed.session_id = (struct str){id, sizeof(id)};
    buf_init(&text, HANDLE_CHARS_MAX);
    ck_assert_int_eq(session_seal(ring, &sealed, &text), ERR_OK);
    ck_assert_int_eq(session_open(ring, buf_str(&text), &arena, &session), ERR_OK);
    ck_assert_int_eq(challenge_open(ring, buf_str(&text), &arena, &challenge),
                     ERR_CHALLENGE_INVALID);
    seal_ring_free(ring);
}
END_TEST

/* What does not open reads as zeros, which would be a session of nobody. */
START_TEST(a_damaged_handle_of_little_content_does_not_open)
{
    struct seal_ring *ring = ring_of(KEY_A);
    const struct session_handle sealed = {.session_id = {"", 0}, .user_id = {"", 0}};
    struct session_handle session;
    AUTO_BUF struct buf text;

    buf_init(&text, HANDLE_CHARS_MAX);
    ck_assert_int_eq(session_seal(ring, &sealed, &text), ERR_OK);
    ck_assert_int_eq(session_open(ring, buf_str(&text), &arena, &session), ERR_OK);
    text.ptr[text.len - 10] = text.ptr[text.len - 10] == 'A' ? 'B' : 'A';
    ck_assert_int_eq(session_open(ring, buf_str(&text), &arena, &session), ERR_SESSION_INVALID);
    seal_ring_free(ring);
}
END_TEST

START_TEST(each_changed_character_closes_the_handle)
{
    struct seal_ring *ring = ring_of(KEY_A);
    AUTO_BUF struct buf text;
    struct challenge_handle h;

    seal_full(ring, &text);
    for (size_t i = 0; i < text.len; i++) {
        const char was = text.ptr[i];
        text.ptr[i] = was == 'A' ? 'B' : 'A';
        ck_assert_msg(challenge_open(ring, buf_str(&text), &arena, &h) == ERR_CHALLENGE_INVALID,
                      "at %zu", i);
        text.ptr[i] = was;
        ck_assert_int_eq(challenge_open(ring, (struct str){text.ptr, i}, &arena, &h),
                         ERR_CHALLENGE_INVALID);
        arena_reset(&arena);
    }
    ck_assert_int_eq(challenge_open(ring, buf_str(&text), &arena, &h), ERR_OK);
    buf_append_byte(&text, 'A');
    ck_assert_int_eq(challenge_open(ring, buf_str(&text), &arena, &h), ERR_CHALLENGE_INVALID);
    seal_ring_free(ring);
}
END_TEST

START_TEST(the_first_key_seals_and_all_open)
{
    struct seal_ring *old = ring_of(KEY_A);
    struct seal_ring *both = ring_of("# rotated\n\n" KEY_B "\r\n" KEY_A "\n");
    struct seal_ring *new = ring_of(KEY_B);
    AUTO_BUF struct buf from_old, from_both;
    struct challenge_handle h;

    seal_full(old, &from_old);
    seal_full(both, &from_both);
    ck_assert_int_eq(challenge_open(both, buf_str(&from_old), &arena, &h), ERR_OK);
    assert_is_full(&h);
    ck_assert_int_eq(challenge_open(new, buf_str(&from_both), &arena, &h), ERR_OK);
    ck_assert_int_eq(challenge_open(new, buf_str(&from_old), &arena, &h), ERR_CHALLENGE_INVALID);
    ck_assert_int_eq(challenge_open(old, buf_str(&from_both), &arena, &h), ERR_CHALLENGE_INVALID);
    seal_ring_free(old);
    seal_ring_free(both);
    seal_ring_free(new);
}
END_TEST

START_TEST(rings_without_a_file_differ)
{
    struct err_text text = {""};
    struct seal_ring *one = NULL;
    struct seal_ring *two = NULL;
    struct challenge_handle h;
    AUTO_BUF struct buf handle;

    ck_assert_int_eq(seal_ring_load(NULL, &one, &text), ERR_OK);
    ck_assert_int_eq(seal_ring_load(NULL, &two, &text), ERR_OK);
    seal_full(one, &handle);
    ck_assert_int_eq(challenge_open(one, buf_str(&handle), &arena, &h), ERR_OK);
    ck_assert_int_eq(challenge_open(two, buf_str(&handle), &arena, &h), ERR_CHALLENGE_INVALID);
    seal_ring_free(one);
    seal_ring_free(two);
}
END_TEST

START_TEST(a_decoy_is_as_long_as_a_genuine_handle_and_no_two_are_alike)
{
    struct seal_ring *ring = ring_of(KEY_A);
    struct challenge_handle decoy = FULL;
    AUTO_BUF struct buf genuine, fake, again;
    struct challenge_handle h;

    decoy.decoy = true;
    seal_full(ring, &genuine);
    seal_full(ring, &again);
    buf_init(&fake, HANDLE_CHARS_MAX);
    ck_assert_int_eq(challenge_seal(ring, &decoy, &fake), ERR_OK);
    ck_assert_uint_eq(fake.len, genuine.len);
    ck_assert(!str_eq(buf_str(&genuine), buf_str(&again)));
    ck_assert_int_eq(challenge_open(ring, buf_str(&fake), &arena, &h), ERR_OK);
    ck_assert(h.decoy);
    seal_ring_free(ring);
}
END_TEST

START_TEST(the_largest_input_fits_and_more_is_refused)
{
    static char large[70000];
    struct seal_ring *ring = ring_of(KEY_A);
    struct challenge_handle h = FULL;
    struct challenge_handle opened;
    AUTO_BUF struct buf text;

    memset(large, 'x', sizeof(large));
    buf_init(&text, 1 << 20);
    h.challenge = (struct str){large, 4096};
    h.identifier = (struct str){large, 320};
    h.device_id = (struct str){large, 80};
    h.approval_data = (struct str){large, 10 * (64 + 256 + 6) + 2};
    ck_assert_int_eq(challenge_seal(ring, &h, &text), ERR_OK);
    ck_assert_uint_le(text.len, HANDLE_CHARS_MAX);
    ck_assert_int_eq(challenge_open(ring, buf_str(&text), &arena, &opened), ERR_OK);
    ck_assert(str_eq(opened.approval_data, h.approval_data));

    h.challenge = (struct str){large, 8192};
    ck_assert_int_eq(challenge_seal(ring, &h, &text), ERR_INTERNAL);
    h.challenge = (struct str){large, 65535};
    ck_assert_int_eq(challenge_seal(ring, &h, &text), ERR_INTERNAL);
    seal_ring_free(ring);
}
END_TEST

START_TEST(texts_that_are_no_handle_do_not_open)
{
    static const char *const TEXTS[] = {
        "", "A", "AQ", "AQ==", "....", "\xff\xfe", "AQAAAAAAAAAAAAAA"};
    struct seal_ring *ring = ring_of(KEY_A);
    struct challenge_handle h;
    struct session_handle s;

    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        ck_assert_int_eq(challenge_open(ring, str_of(TEXTS[i]), &arena, &h), ERR_CHALLENGE_INVALID);
        ck_assert_int_eq(session_open(ring, str_of(TEXTS[i]), &arena, &s), ERR_SESSION_INVALID);
    }
    char *large = malloc(100000);
    memset(large, 'A', 100000);
    ck_assert_int_eq(session_open(ring, (struct str){large, 100000}, &arena, &s),
                     ERR_SESSION_INVALID);
    free(large);
    seal_ring_free(ring);
}
END_TEST

START_TEST(a_bad_keys_file_is_refused_with_its_line)
{
    static const struct {
        const char *content;
        const char *place;
    } cases[] = {
        {"", ": no key"},
        {"# only a comment\n\n", ": no key"},
        {KEY_A "\nnot base64\n", ":2: "},
        {"\n\n" KEY_A "\n" KEY_B "x\n", ":4: "},
        {"AAECAwQFBgcICQoLDA0ODw==\n", ":1: "},
        {KEY_A "\n# again\n" KEY_A "\n", ":3: the key is there twice"},
        {KEY_A " " KEY_B "\n", ":1: "},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err_text text = {""};
        struct seal_ring *ring;
        ck_assert_int_eq(load(cases[i].content, &ring, &text), ERR_INVALID_REQUEST);
        ck_assert_ptr_null(ring);
        ck_assert_msg(strstr(text.text, cases[i].place) != NULL, "case %zu: %s", i, text.text);
        ck_assert_msg(strstr(text.text, "AAEC") == NULL, "the error shows the key");
    }

    struct err_text text = {""};
    struct seal_ring *ring = NULL;
    ck_assert_int_eq(seal_ring_load("/nonexistent/keys", &ring, &text), ERR_INVALID_REQUEST);
    ck_assert_ptr_nonnull(strstr(text.text, "/nonexistent/keys: No such file"));
    memset(&text, 0, sizeof(text));
    ck_assert_int_eq(seal_ring_load("/tmp", &ring, &text), ERR_INVALID_REQUEST);
}
END_TEST

/* Its reader would wait for a writer. */
START_TEST(a_pipe_is_refused_at_once)
{
    char directory[] = "/tmp/seal-XXXXXX", path[sizeof(directory) + 8];
    struct err_text text = {""};
    struct seal_ring *ring = NULL;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/pipe", directory);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    const enum err e = seal_ring_load(path, &ring, &text);
    (void)unlink(path);
    (void)rmdir(directory);
    ck_assert_int_eq(e, ERR_INVALID_REQUEST);
    ck_assert_ptr_nonnull(strstr(text.text, "it is a pipe or a socket"));
}
END_TEST

START_TEST(the_number_of_keys_has_a_ceiling)
{
    AUTO_BUF struct buf content;
    struct seal_ring *ring;

    buf_init(&content, 4096);
    for (int i = 0; i <= SEAL_KEYS_MAX; i++) {
        struct err_text text = {""};
        buf_printf(&content, "%c%s\n", 'A' + i, &KEY_C[1]);
        const enum err e = load(content.ptr, &ring, &text);
        ck_assert_msg((e == ERR_OK) == (i < SEAL_KEYS_MAX), "%d keys: %s", i + 1, text.text);
        seal_ring_free(ring);
    }
}
END_TEST

START_TEST(derived_keys_differ_by_label_and_ring_and_repeat)
{
    struct seal_ring *a = ring_of(KEY_A "\n" KEY_B "\n"), *same = ring_of(KEY_A "\n"),
                     *b = ring_of(KEY_B "\n");
    uint8_t one[32], again[32], label[32], other[32];

    ck_assert(seal_ring_derive(a, STR("x"), one));
    ck_assert(seal_ring_derive(same, STR("x"), again));
    ck_assert(seal_ring_derive(a, STR("y"), label));
    ck_assert(seal_ring_derive(b, STR("x"), other));
    ck_assert_mem_eq(one, again, sizeof(one));
    ck_assert_mem_ne(one, label, sizeof(one));
    ck_assert_mem_ne(one, other, sizeof(one));
    seal_ring_free(a);
    seal_ring_free(same);
    seal_ring_free(b);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("seal");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_challenge_handle_opens_to_what_was_sealed);
    tcase_add_test(t, a_session_handle_opens_to_what_was_sealed);
    tcase_add_test(t, a_purpose_is_more_than_a_layout);
    tcase_add_test(t, a_damaged_handle_of_little_content_does_not_open);
    tcase_add_test(t, each_changed_character_closes_the_handle);
    tcase_add_test(t, the_first_key_seals_and_all_open);
    tcase_add_test(t, rings_without_a_file_differ);
    tcase_add_test(t, a_decoy_is_as_long_as_a_genuine_handle_and_no_two_are_alike);
    tcase_add_test(t, the_largest_input_fits_and_more_is_refused);
    tcase_add_test(t, texts_that_are_no_handle_do_not_open);
    tcase_add_test(t, a_bad_keys_file_is_refused_with_its_line);
    tcase_add_test(t, a_pipe_is_refused_at_once);
    tcase_add_test(t, the_number_of_keys_has_a_ceiling);
    tcase_add_test(t, derived_keys_differ_by_label_and_ring_and_repeat);
    return unit_run(t, "seal");
}
