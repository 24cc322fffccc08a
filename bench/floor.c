/* SPDX-License-Identifier: Apache-2.0
 * The floor of the benchmark: what libmicrohttpd and libcurl themselves cost for one proxied
 * request. A bare epoll loop that forwards each POST to one URL and does nothing else: no JSON, no
 * checks, no log, no metrics, no deadlines. The service is judged by it, so it is written as well
 * as the two libraries allow: handles are prepared once and reused, sockets stay registered between
 * transfers, timers are a number, nothing of its own is allocated for a request.
 *
 *   floor UPSTREAM_URL TOKEN [CA_FILE]      prints "ready PORT" and runs until SIGTERM
 *
 * TOKEN is the client token that the others send, too: libcurl pays for every byte of a field. */
#include <curl/curl.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256,
    BODY_MAX_BYTES = 16 * 1024,
    AUTHORIZATION_MAX_BYTES = 8 * 1024,
    ANSWER_MAX_BYTES = 16 * 1024,
    FDS_MAX = 4096,
    CONNECTIONS_MAX = 1024,
    MHD_RUNS_PER_TURN = 3,
    POOL_BYTES = 8 * 1024, /* libmicrohttpd clears it twice a request */
};

struct exchange {
    struct MHD_Connection *connection;
    CURL *easy;
    struct exchange *next_free;
    size_t body_bytes;
    size_t sized_for; /* the body size that libcurl was told last */
    size_t answer_bytes;
    long status;
    bool answered;
    char body[BODY_MAX_BYTES];
    char answer[ANSWER_MAX_BYTES];
};

/* What epoll knows of a socket of libcurl, and what libcurl wants of it now. */
struct watched {
    uint32_t registered;
    uint32_t wanted;
};

static struct MHD_Daemon *server;
static CURLM *multi;
static struct exchange *free_exchanges;
static const char *upstream_url;
static const char *ca_file;
static struct curl_slist *headers;
static int epoll_fd;
static int server_fd;
static bool server_ready;
static int64_t curl_due_ms = -1;
static int64_t now_ms;
static struct watched sockets[FDS_MAX];
static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

static void read_clock(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    now_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- libcurl on the loop */

static int epoll_set(int fd, uint32_t events)
{
    struct watched *w = &sockets[fd];
    struct epoll_event ev = {.events = events, .data.fd = fd};

    if (w->registered == events)
        return 0;
    if (epoll_ctl(epoll_fd, w->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) != 0)
        return -1;
    w->registered = events;
    return 0;
}

/* A socket stays registered for reading between transfers, so epoll_ctl is called while it connects
 * and hardly ever again. */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    (void)arg;
    (void)socket_arg;
    if (fd < 0 || fd >= FDS_MAX)
        return -1;
    if (what == CURL_POLL_REMOVE) {
        sockets[fd].wanted = 0;
        return 0;
    }
    sockets[fd].wanted = ((what & CURL_POLL_IN) ? (uint32_t)EPOLLIN : 0) |
                         ((what & CURL_POLL_OUT) ? (uint32_t)EPOLLOUT : 0);
    return epoll_set(fd, EPOLLIN | sockets[fd].wanted);
}

static int on_curl_close(void *arg, curl_socket_t fd)
{
    (void)arg;
    if (fd >= 0 && fd < FDS_MAX)
        sockets[fd] = (struct watched){0};
    return close(fd);
}

static int on_curl_timer(CURLM *m, long timeout_ms, void *arg)
{
    (void)m;
    (void)arg;
    curl_due_ms = timeout_ms < 0 ? -1 : now_ms + timeout_ms;
    return 0;
}

static size_t on_answer(char *bytes, size_t size, size_t count, void *arg)
{
    struct exchange *x = arg;
    const size_t n = size * count;

    if (n > ANSWER_MAX_BYTES - x->answer_bytes)
        return 0;
    memcpy(x->answer + x->answer_bytes, bytes, n);
    x->answer_bytes += n;
    return n;
}

static void finish_transfer(CURL *easy, CURLcode code)
{
    char *private = NULL;

    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    struct exchange *x = (struct exchange *)(void *)private;
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &x->status);
    (void)curl_multi_remove_handle(multi, easy);
    if (code != CURLE_OK || x->status == 0) {
        (void)fprintf(stderr, "floor: %s\n", curl_easy_strerror(code));
        x->status = MHD_HTTP_BAD_GATEWAY;
        x->answer_bytes = 0;
    }
    x->answered = true;
    MHD_resume_connection(x->connection);
    server_ready = true;
}

static void curl_act(curl_socket_t fd, int bits)
{
    int running;
    (void)curl_multi_socket_action(multi, fd, bits, &running);
}

static void curl_collect(void)
{
    int left;

    for (CURLMsg *m = curl_multi_info_read(multi, &left); m;
         m = curl_multi_info_read(multi, &left)) {
        if (m->msg == CURLMSG_DONE)
            finish_transfer(m->easy_handle, m->data.result);
    }
}

static void curl_event(int fd, uint32_t events)
{
    const uint32_t wanted = sockets[fd].wanted;

    if (wanted == 0) {
        /* An idle connection ended; libcurl sees it when it wants to use it again. */
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        sockets[fd].registered = 0;
        return;
    }
    if (events & (EPOLLERR | EPOLLHUP))
        events |= wanted;
    curl_act(fd, ((events & EPOLLIN) ? CURL_CSELECT_IN : 0) |
                     ((events & EPOLLOUT) ? CURL_CSELECT_OUT : 0));
}

/* ---- exchanges: a handle of libcurl, prepared once, with its buffers */

static CURL *new_easy(struct exchange *x)
{
    CURL *easy = curl_easy_init();

    if (!easy)
        die("out of memory");
    (void)curl_easy_setopt(easy, CURLOPT_URL, upstream_url);
    (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, x->body);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_curl_close);
    if (ca_file)
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    return easy;
}

static struct exchange *take_exchange(struct MHD_Connection *c)
{
    struct exchange *x = free_exchanges;

    if (x) {
        free_exchanges = x->next_free;
    } else {
        x = calloc(1, sizeof(*x));
        if (!x)
            die("out of memory");
        x->easy = new_easy(x);
    }
    x->connection = c;
    x->body_bytes = x->answer_bytes = 0;
    x->answered = false;
    return x;
}

/* ---- libmicrohttpd */

static void on_completed(void *arg, struct MHD_Connection *c, void **request,
                         enum MHD_RequestTerminationCode why)
{
    struct exchange *x = *request;

    (void)arg;
    (void)c;
    (void)why;
    if (x) {
        x->next_free = free_exchanges;
        free_exchanges = x;
    }
    *request = NULL;
}

static enum MHD_Result answer(struct exchange *x)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(x->answer_bytes, x->answer, MHD_RESPMEM_PERSISTENT);

    if (!r)
        return MHD_NO;
    (void)MHD_add_response_header(r, "Content-Type", "application/json");
    const enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)x->status, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result forward(struct exchange *x)
{
    if (x->sized_for != x->body_bytes) {
        (void)curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE, (long)x->body_bytes);
        x->sized_for = x->body_bytes;
    }
    MHD_suspend_connection(x->connection);
    return curl_multi_add_handle(multi, x->easy) == CURLM_OK ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_access(void *arg, struct MHD_Connection *c, const char *url,
                                 const char *method, const char *version, const char *bytes,
                                 size_t *count, void **request)
{
    struct exchange *x = *request;

    (void)arg;
    (void)url;
    (void)method;
    (void)version;
    if (!x) {
        *request = take_exchange(c);
        return MHD_YES;
    }
    if (*count == 0)
        return x->answered ? answer(x) : forward(x);
    if (*count > BODY_MAX_BYTES - x->body_bytes)
        return MHD_NO;
    memcpy(x->body + x->body_bytes, bytes, *count);
    x->body_bytes += *count;
    *count = 0;
    return MHD_YES;
}

/* Behind an answer libmicrohttpd takes further steps; without this each would be a turn. */
static int64_t run_server(void)
{
    int64_t wait_ms = MHD_get_timeout64s(server);

    for (int i = 0; i < MHD_RUNS_PER_TURN && (server_ready || wait_ms == 0); i++) {
        server_ready = false;
        (void)MHD_run(server);
        wait_ms = MHD_get_timeout64s(server);
    }
    return wait_ms;
}

/* ---- the loop */

static int wait_ms_until(int64_t server_ms)
{
    int64_t wait_ms = server_ready ? 0 : server_ms;

    if (curl_due_ms >= 0) {
        const int64_t due_ms = curl_due_ms > now_ms ? curl_due_ms - now_ms : 0;
        if (wait_ms < 0 || due_ms < wait_ms)
            wait_ms = due_ms;
    }
    return (int)(wait_ms > 1000 ? 1000 : wait_ms);
}

static void turn(void)
{
    static int64_t server_ms = -1;
    struct epoll_event events[EVENTS_MAX];
    const int n = epoll_wait(epoll_fd, events, EVENTS_MAX, wait_ms_until(server_ms));

    read_clock();
    for (int i = 0; i < n; i++) {
        if (events[i].data.fd == server_fd)
            server_ready = true;
        else
            curl_event(events[i].data.fd, events[i].events);
    }
    curl_collect();
    server_ms = run_server();
    /* New transfers are a timer that is due: they start in this turn, all of them at once. */
    if (curl_due_ms >= 0 && curl_due_ms <= now_ms) {
        curl_due_ms = -1;
        curl_act(CURL_SOCKET_TIMEOUT, 0);
        curl_collect();
    }
    /* A fast upstream has answered already. */
    if (server_ready)
        server_ms = run_server();
}

/* ---- start */

static void start_client(const char *token)
{
    static char authorization[AUTHORIZATION_MAX_BYTES];
    (void)snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s", token);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Accept: application/json");
    headers = curl_slist_append(headers, authorization);
    multi = curl_multi_init();
    if (!headers || !multi)
        die("out of memory");
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
    (void)curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
}

static void start_server(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    server = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_THREAD_SAFETY | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, on_access, NULL,                             /* */
        MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)&address, /* */
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,         /* */
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,  /* */
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES, MHD_OPTION_END);
    if (!server)
        die("libmicrohttpd does not start");
    server_fd = MHD_get_daemon_info(server, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = server_fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, server_fd, &ev) != 0)
        die("epoll_ctl failed");
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: floor UPSTREAM_URL TOKEN [CA_FILE]\n");
        return 64;
    }
    upstream_url = argv[1];
    ca_file = argc > 3 ? argv[3] : NULL;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGTERM, on_signal);
    read_clock();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    start_client(argv[2]);
    start_server();
    printf("ready %u\n", (unsigned)MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT)->port);
    (void)fflush(stdout);
    while (!stopping)
        turn();
    return 0;
}
