/* SPDX-License-Identifier: Apache-2.0
 * The routes, the thread and the raw client of the HTTP server's tests. */
#include "server_fixture.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { WAIT_MS = 5000, BIG_BYTES = 8 * 1024 * 1024 };

static char big[BIG_BYTES];

static void report(struct request *req, char what)
{
    const struct fixture *f = request_user(req);
    ck_assert_int_eq(write(f->events[1], &what, 1), 1);
}

/* ---- routes */

static struct {
    uint64_t turn;
    unsigned of_turn;
    _Atomic unsigned most;
} starts;

unsigned fixture_starts_most(void)
{
    return starts.most;
}

static void sync_start(struct request *req)
{
    const uint64_t turn = loop_turn(request_loop(req));
    starts.of_turn = turn == starts.turn ? starts.of_turn + 1 : 1;
    starts.turn = turn;
    if (starts.of_turn > starts.most)
        starts.most = starts.of_turn;
    request_reply_static(req, 200, "text/plain", STR("hello"));
}

static void echo_start(struct request *req)
{
    struct buf body;
    buf_init(&body, 65536);
    buf_append(&body, request_body(req));
    request_reply(req, 200, "application/json", &body);
}

static void on_end(void *arg)
{
    report(arg, 'E');
}

struct later {
    struct request *req;
    struct timer timer;
};

static void later_answer(struct timer *t)
{
    struct later *l = t->arg;
    request_reply_static(l->req, 200, "text/plain", STR("later"));
}

static void later_end(void *arg)
{
    struct later *l = arg;
    timer_stop(request_loop(l->req), &l->timer);
    report(l->req, 'E');
}

static struct later *later_begin(struct request *req)
{
    struct later *l = ARENA_NEW(request_arena(req), struct later);
    const struct str ms = request_param(req, 0);
    const char *text = arena_strdup(request_arena(req), ms);
    l->req = req;
    request_on_end(req, later_end, l);
    report(req, 'S');
    timer_start(request_loop(req), &l->timer,
                loop_now_ms(request_loop(req)) + strtol(text, NULL, 10), later_answer, l);
    return l;
}

static void later_start(struct request *req)
{
    (void)later_begin(req);
}

static void patient_gone(void *arg)
{
    const struct later *l = arg;
    report(l->req, 'G');
    request_abandon(l->req);
}

static void patient_start(struct request *req)
{
    request_on_gone(req, patient_gone, later_begin(req));
}

static void wait_gone(void *arg)
{
    report(arg, 'G');
    request_abandon(arg);
}

static void wait_start(struct request *req)
{
    request_on_end(req, on_end, req);
    request_on_gone(req, wait_gone, req);
    report(req, 'S');
}

static void fail_start(struct request *req)
{
    struct failure f = failure_of(ERR_INVALID_TOKEN);
    f.www_authenticate = "Bearer error=\"invalid_token\"";
    request_fail(req, &f);
}

static void ip_start(struct request *req)
{
    char text[IP_TEXT_BYTES];
    const struct ip ip = request_client_ip(req);
    struct buf body;
    ip_format(&ip, text);
    buf_init(&body, 100);
    buf_append_z(&body, text);
    request_reply(req, 200, "text/plain", &body);
}

static void big_start(struct request *req)
{
    request_reply_static(req, 200, "application/octet-stream", (struct str){big, sizeof(big)});
}

static const struct route ROUTES[] = {
    {HTTP_GET, "/sync", BODY_NONE, sync_start, false},
    {HTTP_POST, "/v1/echo", BODY_JSON, echo_start, true},
    {HTTP_GET, "/v1/later/{ms}", BODY_NONE, later_start, true},
    {HTTP_GET, "/v1/patient/{ms}", BODY_NONE, patient_start, true},
    {HTTP_GET, "/v1/wait", BODY_NONE, wait_start, true},
    {HTTP_GET, "/v1/fail", BODY_NONE, fail_start, true},
    {HTTP_GET, "/ip", BODY_NONE, ip_start, false},
    {HTTP_GET, "/big", BODY_NONE, big_start, false},
};

/* ---- life */

void fixture_init(struct fixture *f)
{
    struct listen_address at;
    struct err_text err = {0};
    int fd = -1;
    memset(f, 0, sizeof(*f));
    ck_assert_int_eq(pipe(f->events), 0);
    ck_assert(listen_address_parse(STR("127.0.0.1:0"), &at, &err) == ERR_OK);
    ck_assert_msg(listen_open(&at, &fd, &f->port, &err) == ERR_OK, "%s", err.text);
    f->options = (struct http_server_options){
        .name = "public",
        .routes = ROUTES,
        .route_count = ARRAY_LEN(ROUTES),
        .listen_fd = fd,
        .user = f,
        .trusted_proxies = &f->trusted,
        .header_timeout_ms = 2000,
        .body_timeout_ms = 2000,
        .idle_timeout_ms = 2000,
        .request_timeout_ms = 2000,
        .body_max_bytes = 1000,
        .header_max_bytes = 8192,
        .uri_max_bytes = 512,
        .connections_max = 1000,
        .connections = &f->connections,
        .in_flight_max = 1000,
        .in_flight = &f->in_flight,
        .draining = &f->draining,
        .refusing = &f->refusing,
    };
    f->loop = loop_create();
    ck_assert_ptr_nonnull(f->loop);
}

void fixture_create_server(struct fixture *f)
{
    struct err_text err = {0};
    ck_assert_msg(http_server_create(f->loop, &f->options, &f->server, &err) == ERR_OK, "%s",
                  err.text);
}

static void *run(void *arg)
{
    struct fixture *f = arg;
    loop_run(f->loop);
    return NULL;
}

void fixture_run(struct fixture *f)
{
    if (!f->server)
        fixture_create_server(f);
    ck_assert_int_eq(pthread_create(&f->thread, NULL, run, f), 0);
}

/* Work for the loop's thread, with a pipe to wait for its end. */
struct errand {
    struct post post;
    struct fixture *fixture;
    int done[2];
    unsigned busy;
};

static void finish_errand(struct errand *e)
{
    ck_assert_int_eq(write(e->done[1], "x", 1), 1);
}

static unsigned run_errand(struct fixture *f, post_fn *fn)
{
    struct errand e = {.fixture = f};
    char byte;
    ck_assert_int_eq(pipe(e.done), 0);
    loop_post(f->loop, &e.post, fn);
    ck_assert_int_eq(read(e.done[0], &byte, 1), 1);
    close(e.done[0]);
    close(e.done[1]);
    return e.busy;
}

static void stop_errand(struct post *p)
{
    struct errand *e = (struct errand *)p;
    http_server_destroy(e->fixture->server);
    loop_stop(e->fixture->loop);
    finish_errand(e);
}

static void quiesce_errand(struct post *p)
{
    struct errand *e = (struct errand *)p;
    http_server_quiesce(e->fixture->server, true);
    finish_errand(e);
}

static void busy_errand(struct post *p)
{
    struct errand *e = (struct errand *)p;
    e->busy = http_server_busy(e->fixture->server);
    finish_errand(e);
}

void fixture_quiesce(struct fixture *f)
{
    (void)run_errand(f, quiesce_errand);
}

unsigned fixture_busy(struct fixture *f)
{
    return run_errand(f, busy_errand);
}

void fixture_stop(struct fixture *f)
{
    (void)run_errand(f, stop_errand);
    pthread_join(f->thread, NULL);
    ck_assert_uint_eq(f->in_flight, 0);
    ck_assert_uint_eq(f->connections, 0);
    loop_destroy(f->loop);
    cidr_list_finish(&f->trusted);
    close(f->options.listen_fd);
    close(f->events[0]);
    close(f->events[1]);
}

static struct {
    struct post post;
    pthread_mutex_t lock; /* held by who wants the loop to stand still */
    pthread_barrier_t stands;
} hold = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void stand_still(struct post *p)
{
    (void)p;
    (void)pthread_barrier_wait(&hold.stands);
    (void)pthread_mutex_lock(&hold.lock);
    (void)pthread_mutex_unlock(&hold.lock);
}

void fixture_hold(struct fixture *f)
{
    (void)pthread_barrier_init(&hold.stands, NULL, 2);
    (void)pthread_mutex_lock(&hold.lock);
    loop_post(f->loop, &hold.post, stand_still);
    (void)pthread_barrier_wait(&hold.stands);
}

void fixture_go_on(struct fixture *f)
{
    (void)f;
    (void)pthread_mutex_unlock(&hold.lock);
}

char fixture_event(struct fixture *f)
{
    struct pollfd p = {.fd = f->events[0], .events = POLLIN};
    char what = 0;
    ck_assert_msg(poll(&p, 1, WAIT_MS) == 1, "no event in time");
    ck_assert_int_eq(read(f->events[0], &what, 1), 1);
    return what;
}

void fixture_forget_events(struct fixture *f)
{
    struct pollfd p = {.fd = f->events[0], .events = POLLIN};
    while (poll(&p, 1, 0) == 1)
        (void)fixture_event(f);
}

/* ---- client */

int client_connect(const struct fixture *f)
{
    const struct timeval limit = {.tv_sec = WAIT_MS / 1000};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

void client_send(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* False: the connection ended first. */
static bool read_head(int fd, char *head)
{
    size_t len = 0;
    while (len < REPLY_BYTES - 1) {
        if (recv(fd, head + len, 1, 0) != 1)
            return false;
        head[++len] = '\0';
        if (len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    ck_abort_msg("the head does not end");
}

void client_read(int fd, bool head_only, struct reply *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (!read_head(fd, ret->head))
        return;
    const char *length = strstr(ret->head, "Content-Length: ");
    const size_t wanted = length && !head_only ? strtoul(length + 16, NULL, 10) : 0;
    ck_assert_uint_lt(wanted, REPLY_BYTES);
    while (ret->body_len < wanted) {
        const ssize_t n = recv(fd, ret->body + ret->body_len, wanted - ret->body_len, 0);
        if (n <= 0)
            return;
        ret->body_len += (size_t)n;
    }
    ck_assert_int_eq(sscanf(ret->head, "HTTP/1.1 %d ", &ret->status), 1);
}

void client_ask(const struct fixture *f, const char *text, struct reply *ret)
{
    const int fd = client_connect(f);
    client_send(fd, text);
    client_read(fd, strncmp(text, "HEAD", 4) == 0, ret);
    close(fd);
}

bool client_sees_end(int fd)
{
    char byte;
    const ssize_t n = recv(fd, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

bool reply_has(const struct reply *r, const char *header_line)
{
    char line[300];
    snprintf(line, sizeof(line), "\r\n%s\r\n", header_line);
    return strstr(r->head, line) != NULL;
}
