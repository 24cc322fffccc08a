/* SPDX-License-Identifier: Apache-2.0
 * Starts the emulator, says where it listens, and waits to be told to end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/crypto.h"
#include "base/json.h"
#include "emulator/routes.h"
#include "emulator/tls.h"

enum { EXIT_USAGE = 64, READY_LINE_BYTES_MAX = 8192 };

/* Where files go, and whether the directory is ours to remove. */
struct workplace {
    char dir[256];
    bool temporary;
    struct tls_files files;
};

static bool workplace_init(struct workplace *w, const char *dir)
{
    if (dir) {
        snprintf(w->dir, sizeof(w->dir), "%s", dir);
        if (mkdir(w->dir, 0700) == 0 || errno == EEXIST)
            return true;
        perror(w->dir);
        return false;
    }
    const char *parent = getenv("TMPDIR");
    snprintf(w->dir, sizeof(w->dir), "%s/mosaic-emulator-XXXXXX", parent ? parent : "/tmp");
    w->temporary = mkdtemp(w->dir) != NULL;
    if (!w->temporary)
        perror(w->dir);
    return w->temporary;
}

static void workplace_finish(const struct workplace *w)
{
    if (!w->temporary)
        return;
    const char *const paths[] = {w->files.ca, w->files.client_cert, w->files.client_key};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (paths[i][0])
            (void)unlink(paths[i]);
    }
    (void)rmdir(w->dir);
}

static void print_ready(const struct emulator *e, const struct workplace *place)
{
    const struct options *o = e->options;
    AUTO_BUF struct buf line = {0};
    buf_init(&line, READY_LINE_BYTES_MAX);
    struct json_writer w;
    jw_init(&w, &line);
    jw_object_begin(&w);
    jw_member(&w, "event", STR("ready"));
    jw_member(&w, "url", str_of(e->base_url));
    if (o->tls)
        jw_member(&w, "ca_file", str_of(place->files.ca));
    if (place->files.client_cert[0]) {
        jw_member(&w, "client_cert_file", str_of(place->files.client_cert));
        jw_member(&w, "client_key_file", str_of(place->files.client_key));
    }
    jw_member(&w, "client_id", str_of(o->client_id));
    jw_member(&w, "client_secret", str_of(o->client_secret));
    jw_member(&w, "admin_client_id", str_of(o->admin_client_id));
    jw_member(&w, "admin_client_secret", str_of(o->admin_client_secret));
    jw_member(&w, "issuer", str_of(o->issuer));
    jw_member(&w, "tenant_id", str_of(o->tenant_id));
    jw_object_end(&w);
    printf("%s\n", line.ptr);
    (void)fflush(stdout);
}

/* True when standard input has ended; reads away what comes. */
static bool input_has_ended(short revents)
{
    char ignored[256];
    return revents != 0 && read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0;
}

/* Returns on SIGTERM, on SIGINT or, with --exit-with-stdin, at the end of standard input. */
static void wait_for_end(const struct options *o, int signal_fd)
{
    struct pollfd fds[] = {
        {.fd = signal_fd, .events = POLLIN},
        {.fd = o->exit_with_stdin ? STDIN_FILENO : -1, .events = POLLIN},
    };
    while (fds[0].revents == 0 && !input_has_ended(fds[1].revents)) {
        if (poll(fds, ARRAY_LEN(fds), -1) < 0)
            break;
    }
}

/* Every thread inherits the mask, so only the descriptor sees these signals. */
static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static bool serve(struct emulator *e, struct workplace *place)
{
    const struct options *o = e->options;
    char host[256];
    const char *port = NULL;
    SSL_CTX *tls = NULL;
    if (!server_split_address(o->listen, host, sizeof(host), &port)) {
        fprintf(stderr, "--listen %s: not HOST:PORT\n", o->listen);
        return false;
    }
    if (o->tls) {
        tls = tls_create(place->dir, o->tls_name ? o->tls_name : host,
                         o->accepted_auth == ACCEPT_TLS, o->client_ca_file, &place->files);
        if (!tls)
            return false;
    }
    const int signal_fd = open_signals();
    bool started = false;
    e->server = signal_fd >= 0 ? server_open(o->listen, tls, routes_handle, e) : NULL;
    if (e->server) {
        snprintf(e->base_url, sizeof(e->base_url),
                 strchr(host, ':') ? "%s://[%s]:%u" : "%s://%s:%u", o->tls ? "https" : "http", host,
                 server_port(e->server));
        started = server_start(e->server);
    }
    if (started) {
        print_ready(e, place);
        wait_for_end(o, signal_fd);
    }
    server_stop(e->server);
    SSL_CTX_free(tls);
    (void)close(signal_fd);
    return started;
}

int main(int argc, char **argv)
{
    struct options options;
    switch (options_parse(argc, argv, &options, stderr)) {
    case OPTIONS_HELP:
        options_help(stdout);
        return EXIT_SUCCESS;
    case OPTIONS_WRONG:
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    struct emulator emulator;
    struct workplace place = {0};
    bool served = false;
    if (!crypto_init())
        return EXIT_FAILURE;
    if (emulator_init(&emulator, &options) && workplace_init(&place, options.dir))
        served = serve(&emulator, &place);
    emulator_finish(&emulator);
    workplace_finish(&place);
    crypto_finish();
    return served ? EXIT_SUCCESS : EXIT_FAILURE;
}
