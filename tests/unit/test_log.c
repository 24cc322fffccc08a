/* SPDX-License-Identifier: Apache-2.0
 * base/log: both forms of a line, escaping and cutting, levels, lines of threads that ended, order,
 * a reader that is slow, stuck or gone, and a stop that keeps its deadline. */
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/log_internal.h"

enum { READ_MAX = 64 << 20 };

static const uint8_t hash_key[32] = {1, 2, 3};
static const struct json_limits limits = {.bytes_max = 8192, .depth_max = 2, .values_max = 100};
static int pipe_fds[2];

static void setup(void)
{
    ck_assert(crypto_init());
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
}

static void teardown(void)
{
    log_stop(1000);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
    crypto_finish();
}

/* Reads to the end of the pipe. */
static void *read_everything(void *arg)
{
    struct buf *out = arg;
    for (;;) {
        char *room = buf_room(out, 65536);
        ck_assert_ptr_nonnull(room);
        const ssize_t n = read(pipe_fds[0], room, 65536);
        if (n <= 0)
            return NULL;
        buf_added(out, (size_t)n);
    }
}

/* Stops the log, closes the writing end, and gives what is left to read. */
static void stop_and_read(struct buf *out)
{
    log_stop(10000);
    (void)close(pipe_fds[1]);
    pipe_fds[1] = -1;
    (void)read_everything(out);
}

static struct str next_line(struct str *text)
{
    const char *end = memchr(text->ptr, '\n', text->len);
    ck_assert_ptr_nonnull(end);
    const struct str line = {text->ptr, (size_t)(end - text->ptr)};
    text->len -= line.len + 1;
    text->ptr += line.len + 1;
    return line;
}

static void encode(struct buf *out, bool json, const struct log_field *fields, size_t count)
{
    const struct log_line line = {
        .wall_ms = INT64_C(1795341600123),
        .level = LOG_WARN,
        .action = "http.request",
        .message = "Request served",
        .fields = fields,
        .field_count = count,
    };
    buf_init(out, LOG_LINE_BYTES);
    if (json)
        log_encode_json(out, &line);
    else
        log_encode_text(out, &line, false);
    ck_assert(buf_ok(out));
}

static void encode_every_kind(struct buf *out, bool json)
{
    const struct log_field fields[] = {
        LOG_S("url.path", "/v1/\"x\"\n\x1b[31m\xff"),
        LOG_S("absent", NULL),
        LOG_I("http.response.status_code", 200),
        {.name = NULL, .kind = LOG_FIELD_INT, .number = 7},
        LOG_B("flag", true),
        LOG_S("empty", ""),
        LOG_S("bare", "a-b/c"),
    };
    encode(out, json, fields, ARRAY_LEN(fields));
}

START_TEST(json_line)
{
    AUTO_BUF struct buf out;
    encode_every_kind(&out, true);
    ck_assert_str_is(buf_str(&out),
                     "{\"@timestamp\":\"2026-11-22T10:00:00.123Z\",\"log.level\":\"warn\","
                     "\"message\":\"Request served\",\"event.action\":\"http.request\","
                     "\"event.kind\":\"event\",\"event.category\":[\"web\"],"
                     "\"event.type\":[\"access\"],\"ecs.version\":\"8.11.0\","
                     "\"service.name\":\"biometrics-bff\",\"service.version\":\"" BFF_VERSION "\","
                     "\"url.path\":\"/v1/\\\"x\\\"\\n\\u001b[31m\xef\xbf\xbd\","
                     "\"http.response.status_code\":200,\"flag\":true,\"empty\":\"\","
                     "\"bare\":\"a-b/c\"}\n");
}
END_TEST

START_TEST(text_line)
{
    AUTO_BUF struct buf out;
    encode_every_kind(&out, false);
    ck_assert_str_is(buf_str(&out),
                     "2026-11-22T10:00:00.123Z WARN  http.request: Request served "
                     "url.path=\"/v1/\\\"x\\\"\\n\\u001b[31m\xef\xbf\xbd\" "
                     "http.response.status_code=200 flag=true empty=\"\" bare=a-b/c\n");
}
END_TEST

START_TEST(long_line_is_cut_to_valid_json)
{
    static char big[LOG_LINE_BYTES * 2];
    memset(big, 'x', sizeof(big));
    for (size_t len = LOG_LINE_BYTES - 400; len < LOG_LINE_BYTES + 10; len++) {
        const struct log_field fields[] = {
            LOG_I("before", 1),
            LOG_STR("big", ((struct str){big, len})),
            LOG_I("after", 2),
        };
        AUTO_BUF struct buf out;
        encode(&out, true, fields, ARRAY_LEN(fields));
        ck_assert_uint_le(out.len, LOG_LINE_BYTES);
        AUTO_JSON struct json *root = NULL;
        ck_assert_int_eq(json_parse(buf_str(&out), &limits, &root, NULL), ERR_OK);
        const bool cut = json_is_true(json_member(root, "log.truncated"));
        const bool complete = json_member(root, "big") && json_member(root, "after");
        ck_assert(cut != complete);
        ck_assert_ptr_nonnull(json_member(root, "before"));
    }
}
END_TEST

START_TEST(long_text_line_is_cut)
{
    static char big[LOG_LINE_BYTES * 2];
    memset(big, 'x', sizeof(big));
    const struct log_field fields[] = {LOG_STR("big", ((struct str){big, sizeof(big)}))};
    AUTO_BUF struct buf out;
    encode(&out, false, fields, 1);
    ck_assert(str_ends_with(buf_str(&out), STR("Request served log.truncated=true\n")));
}
END_TEST

START_TEST(a_line_for_which_memory_is_out_is_no_line)
{
    const struct log_field field = LOG_S("bare", "a");
    const struct log_line line = {
        .action = "http.request", .message = "Request served", .fields = &field, .field_count = 1};
    for (int json = 0; json <= 1; json++) {
        struct buf out;
        buf_init(&out, LOG_LINE_BYTES);
        out.state = BUF_NO_MEMORY;
        if (json)
            log_encode_json(&out, &line);
        else
            log_encode_text(&out, &line, false);
        ck_assert(!buf_ok(&out));
        ck_assert_uint_eq(out.len, 0);
        buf_finish(&out);
    }
}
END_TEST

START_TEST(nothing_is_logged_before_the_start_or_below_the_level)
{
    AUTO_BUF struct buf out;
    buf_init(&out, READ_MAX);
    LOG(LOG_ERROR, "a.b", "Too early");
    LOG_ANYWAY(LOG_ERROR, "a.b", "Too early, too");
    ck_assert(!log_enabled(LOG_ERROR));
    ck_assert(log_start(pipe_fds[1], LOG_JSON, LOG_WARN, hash_key));
    LOG(LOG_INFO, "a.b", "Too low");
    LOG_ANYWAY(LOG_INFO, "a.b", "Of any level");
    LOG(LOG_WARN, "a.b", "Written");
    log_set_level(LOG_DEBUG);
    LOG(LOG_DEBUG, "a.b", "Also written", LOG_I("n", 5));
    stop_and_read(&out);
    LOG(LOG_ERROR, "a.b", "Too late");

    struct str text = buf_str(&out);
    const struct str anyway = next_line(&text);
    ck_assert_ptr_nonnull(strstr(anyway.ptr, "\"log.level\":\"info\""));
    ck_assert_ptr_nonnull(strstr(anyway.ptr, "Of any level"));
    ck_assert_ptr_nonnull(strstr(next_line(&text).ptr, "Written"));
    ck_assert_ptr_nonnull(strstr(next_line(&text).ptr, "Also written"));
    ck_assert_uint_eq(text.len, 0);
}
END_TEST

START_TEST(first_line_arrives_without_a_stop)
{
    ck_assert(log_start(pipe_fds[1], LOG_JSON, LOG_INFO, hash_key));
    for (int i = 0; i < 3; i++) {
        LOG(LOG_INFO, "a.b", "Now");
        struct pollfd in = {.fd = pipe_fds[0], .events = POLLIN};
        ck_assert_int_eq(poll(&in, 1, 10000), 1);
        char line[LOG_LINE_BYTES];
        ck_assert_int_gt(read(pipe_fds[0], line, sizeof(line)), 0);
        /* Long enough for the log thread to fall into deep sleep before the next round. */
        ck_assert_int_eq(poll(&in, 1, 250), 0);
    }
}
END_TEST

enum { THREADS = 8, LINES = 2000 };

static void *log_many(void *arg)
{
    const int thread = *(const int *)arg;
    for (int i = 0; i < LINES; i++)
        LOG(LOG_INFO, "a.b", "Many", LOG_I("thread", thread), LOG_I("i", i));
    return NULL;
}

static int64_t int_member(const struct json *root, const char *name)
{
    double value = -1;
    ck_assert(json_number(json_member(root, name), &value));
    return (int64_t)value;
}

/* Each line is whole and the lines of one thread are in order; returns how many there were. */
static uint64_t check_lines_of_threads(struct str text)
{
    int64_t last[THREADS];
    memset(last, -1, sizeof(last));
    uint64_t lines = 0;
    while (text.len > 0) {
        AUTO_JSON struct json *root = NULL;
        ck_assert_int_eq(json_parse(next_line(&text), &limits, &root, NULL), ERR_OK);
        if (str_is(json_string(json_member(root, "event.action")), "log.dropped"))
            continue;
        const int64_t thread = int_member(root, "thread");
        ck_assert_int_lt(last[thread], int_member(root, "i"));
        last[thread] = int_member(root, "i");
        lines++;
    }
    return lines;
}

START_TEST(lines_of_ended_threads_are_whole_in_order_and_counted)
{
    AUTO_BUF struct buf out;
    buf_init(&out, READ_MAX);
    pthread_t reader;
    ck_assert_int_eq(pthread_create(&reader, NULL, read_everything, &out), 0);
    const uint64_t dropped_before = log_dropped();
    ck_assert(log_start(pipe_fds[1], LOG_JSON, LOG_INFO, hash_key));
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, log_many, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    log_stop(30000);
    (void)close(pipe_fds[1]);
    pipe_fds[1] = -1;
    ck_assert_int_eq(pthread_join(reader, NULL), 0);
    const uint64_t lines = check_lines_of_threads(buf_str(&out));
    ck_assert_uint_eq(lines + log_dropped() - dropped_before, (uint64_t)THREADS * LINES);
    ck_assert_uint_gt(lines, LINES / 2);
}
END_TEST

START_TEST(stuck_reader_costs_lines_but_never_time)
{
    ck_assert(log_start(pipe_fds[1], LOG_JSON, LOG_INFO, hash_key));
    int thread = 0;
    const int64_t start_ms = clock_mono_ms();
    for (int i = 0; i < 3; i++)
        (void)log_many(&thread);
    ck_assert_uint_gt(log_dropped(), 0);
    const uint64_t dropped = log_dropped();
    log_stop(200);
    ck_assert_int_lt(clock_mono_ms() - start_ms, 10000);
    ck_assert_uint_gt(log_dropped(), dropped);
}
END_TEST

START_TEST(closed_reader_is_survived)
{
    (void)close(pipe_fds[0]);
    pipe_fds[0] = -1;
    ck_assert(log_start(pipe_fds[1], LOG_JSON, LOG_INFO, hash_key));
    LOG(LOG_INFO, "a.b", "Nobody reads");
    log_stop(1000);
    ck_assert_uint_ge(log_dropped(), 1);
}
END_TEST

START_TEST(log_starts_again_after_a_stop)
{
    AUTO_BUF struct buf out;
    buf_init(&out, READ_MAX);
    ck_assert(log_start(pipe_fds[1], LOG_JSON, LOG_INFO, hash_key));
    LOG(LOG_INFO, "a.b", "First");
    log_stop(1000);
    log_stop(1000);
    ck_assert(log_start(pipe_fds[1], LOG_TEXT, LOG_INFO, hash_key));
    LOG(LOG_INFO, "a.b", "Second");
    stop_and_read(&out);
    struct str text = buf_str(&out);
    ck_assert_ptr_nonnull(strstr(next_line(&text).ptr, "First"));
    ck_assert(str_ends_with(next_line(&text), STR("INFO  a.b: Second")));
    ck_assert_uint_eq(text.len, 0);
}
END_TEST

START_TEST(user_hash_is_keyed_and_short)
{
    char a[LOG_HASH_BYTES];
    char b[LOG_HASH_BYTES];
    ck_assert(log_start(pipe_fds[1], LOG_JSON, LOG_INFO, hash_key));
    log_user_hash(STR("u-1"), a);
    log_user_hash(STR("u-2"), b);
    ck_assert_uint_eq(strlen(a), 24);
    ck_assert_str_ne(a, b);
    log_user_hash(STR("u-1"), b);
    ck_assert_str_eq(a, b);
    log_stop(1000);
    const uint8_t other_key[32] = {9};
    ck_assert(log_start(pipe_fds[1], LOG_JSON, LOG_INFO, other_key));
    log_user_hash(STR("u-1"), b);
    ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(levels_have_names)
{
    enum log_level level = LOG_DEBUG;
    ck_assert(log_level_parse(STR("error"), &level));
    ck_assert_int_eq(level, LOG_ERROR);
    ck_assert(log_level_parse(STR("debug"), &level));
    ck_assert_int_eq(level, LOG_DEBUG);
    ck_assert(!log_level_parse(STR("INFO"), &level));
    ck_assert(!log_level_parse(STR(""), &level));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("log");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, json_line);
    tcase_add_test(tests, text_line);
    tcase_add_test(tests, long_line_is_cut_to_valid_json);
    tcase_add_test(tests, long_text_line_is_cut);
    tcase_add_test(tests, a_line_for_which_memory_is_out_is_no_line);
    tcase_add_test(tests, nothing_is_logged_before_the_start_or_below_the_level);
    tcase_add_test(tests, first_line_arrives_without_a_stop);
    tcase_add_test(tests, lines_of_ended_threads_are_whole_in_order_and_counted);
    tcase_add_test(tests, stuck_reader_costs_lines_but_never_time);
    tcase_add_test(tests, closed_reader_is_survived);
    tcase_add_test(tests, log_starts_again_after_a_stop);
    tcase_add_test(tests, user_hash_is_keyed_and_short);
    tcase_add_test(tests, levels_have_names);
    return unit_run(tests, "log");
}
