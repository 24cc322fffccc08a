/* SPDX-License-Identifier: Apache-2.0
 * `serve`: starts the service, reloads it on SIGHUP, waits for a signal to end, drains, stops. */
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/secret.h"
#include "commands/commands.h"
#include "file_watch.h"
#include "notify.h"
#include "process.h"
#include "reload.h"
#include "service.h"
#include "telemetry.h"
#include "watchdog.h"

/* How long the memory of settings may outlast its last user. */
enum {
    DRAIN_LOOK_MS = 20,
    READY_LOOK_MS = 25,
    SWEEP_MS = 200,
    /* How long those who are connecting when the door is shut have to get in. */
    DOOR_MS = 200,
};

#define READY "READY=1\nSTATUS=Serving"

/* Notes and warnings of the configuration are kept until the log can take them. */
struct notes {
    char *text; /* owned */
    size_t len;
    FILE *out;
};

static void log_notes(const struct notes *n)
{
    for (const char *line = n->text; *line != '\0';) {
        const size_t len = strcspn(line, "\n");
        const struct str text = {line, len};
        const enum log_level level = str_starts_with(text, STR("note:")) ? LOG_INFO : LOG_WARN;
        LOG(level, "config.note", "A setting deserves attention", LOG_STR("bff.config_note", text));
        line += line[len] == '\n' ? len + 1 : len;
    }
}

/* The service runs without, for a container's limit is not always the operator's to raise. told:
 * whether the log knows already. */
static void tell_of_unlocked_secrets(bool *told)
{
    const struct secret_usage usage = secret_usage();

    if (usage.unlocked_bytes > 0 && !*told)
        LOG(LOG_WARN, "secret.not_locked",
            "Secrets could not be locked in memory and may be written to swap: raise "
            "RLIMIT_MEMLOCK",
            LOG_I("bff.secret.locked_bytes", (int64_t)usage.locked_bytes),
            LOG_I("bff.secret.unlocked_bytes", (int64_t)usage.unlocked_bytes));
    *told = usage.unlocked_bytes > 0;
}

struct serving {
    struct service *service;
    const struct config_inputs *inputs;
    struct file_watch *watch;
    struct watchdog watchdog;
    bool ready;
    bool told_unlocked;
};

/* Before it is ready there is nothing to say: READY=1 would be a lie. */
static void reload_and_tell(struct serving *s, enum reload_trigger trigger)
{
    const struct timespec began = file_watch_now();

    if (s->ready)
        notify_reloading();
    file_watch_mark(s->watch);
    const bool good = reload(s->service, s->inputs, trigger);
    file_watch_follow(s->watch, service_settings(s->service)->loaded, began);
    /* Who sends a signal sees how it goes, and sends another. */
    if (good || trigger == RELOAD_BY_FILES)
        file_watch_retry(s->watch, !good);
    tell_of_unlocked_secrets(&s->told_unlocked);
    if (s->ready)
        notify(READY);
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

/* In the words of a person on the machine: SIGUSR1: how are you? SIGUSR2: tell more, or again no
 * more than before. False: it is another signal. */
static bool answer_signal(struct service *s, int signal_number)
{
    if (signal_number == SIGUSR1)
        service_log_state(s);
    else if (signal_number == SIGUSR2)
        telemetry_toggle_level(service_settings(s)->config->log_level);
    else
        return false;
    return true;
}

/* Waits for a signal that ends the service; does meanwhile what a SIGHUP or a file that has changed
 * asks for. */
static int serve_until_signal(struct serving *s)
{
    bool sweep = false;

    for (;;) {
        const int64_t wait_ms = !s->ready ? READY_LOOK_MS : sweep ? SWEEP_MS : -1;
        const int signal_number = process_wait_signal(
            sooner(sooner(wait_ms, file_watch_wait_ms(s->watch)), watchdog_wait_ms(&s->watchdog)));
        watchdog_look(&s->watchdog, s->service);
        if (signal_number == SIGIO)
            file_watch_woken(s->watch);
        else if (signal_number != SIGHUP && signal_number != 0 &&
                 !answer_signal(s->service, signal_number))
            return signal_number;
        const bool asked = signal_number == SIGHUP;
        if ((asked || file_watch_changed(s->watch)) && !process_end_is_pending())
            reload_and_tell(s, asked ? RELOAD_BY_SIGNAL : RELOAD_BY_FILES);
        if (!s->ready && service_is_ready(s->service)) {
            s->ready = true;
            notify(READY);
        }
        sweep = service_sweep(s->service);
    }
}

/* Waits for a further signal while the service ends; 0: none came. */
static int wait_for_end(struct serving *s, int64_t wait_ms)
{
    const int64_t until_ms = clock_mono_ms() + wait_ms;

    for (;;) {
        const int64_t left_ms = until_ms - clock_mono_ms();
        if (left_ms <= 0)
            return 0;
        const int signal_number =
            process_wait_signal(sooner(left_ms, watchdog_wait_ms(&s->watchdog)));
        watchdog_look(&s->watchdog, s->service);
        if (signal_number == SIGHUP)
            reload_ignore();
        else if (signal_number != 0 && signal_number != SIGIO &&
                 !answer_signal(s->service, signal_number))
            return signal_number;
    }
}

/* True: the drain ended by itself or by its timeout; false: a further signal cut it short. */
static bool drain(struct serving *serving, int first_signal)
{
    struct service *s = serving->service;
    const struct config *config = service_settings(s)->config;
    const int64_t delay_ms = first_signal == SIGTERM ? config->drain_delay_s * 1000 : 0;

    service_begin_drain(s);
    notify("STOPPING=1\nSTATUS=Draining");
    LOG_ANYWAY(LOG_INFO, "service.draining", "Not ready any more; requests are still served",
               LOG_I("bff.drain_delay_ms", delay_ms));
    if (first_signal == SIGQUIT || (delay_ms > 0 && wait_for_end(serving, delay_ms) != 0))
        return false;

    service_shut_door(s);
    if (wait_for_end(serving, DOOR_MS) != 0)
        return false;
    service_refuse(s);
    LOG_ANYWAY(LOG_INFO, "service.refusing", "No further connections; finishing what is under way");
    const int64_t until_ms = clock_mono_ms() + config->drain_timeout_s * 1000;
    while (service_is_busy(s) && clock_mono_ms() < until_ms) {
        if (wait_for_end(serving, DRAIN_LOOK_MS) != 0)
            return false;
    }
    return true;
}

/* Lets go of the settings: the service keeps them as long as it goes by them, and the secrets of
 * old ones shall not outlast that. */
static int run(struct settings *settings, const struct listeners *listeners,
               const struct config_inputs *inputs, struct timespec began)
{
    const struct config *config = settings->config;
    LOG_ANYWAY(LOG_INFO, "service.starting", "The service starts",
               LOG_S("bff.upstream_url", config->upstream_url),
               LOG_I("bff.workers", config->workers), LOG_I("process.pid", (int64_t)getpid()));
    struct serving serving = {.inputs = inputs};
    tell_of_unlocked_secrets(&serving.told_unlocked);
    watchdog_init(&serving.watchdog);
    struct service *s =
        service_start(settings, listeners, watchdog_pulse_ms(&serving.watchdog), stderr);
    settings_unref(settings);
    if (!s)
        return EXIT_CONFIG;
    struct file_watch *watch = file_watch_start(service_settings(s)->loaded, began);
    if (!watch) {
        (void)fputs("cannot start: out of memory\n", stderr);
        service_destroy(s);
        return EXIT_CONFIG;
    }

    reload_note_start();
    serving.service = s;
    serving.watch = watch;
    const int signal_number = serve_until_signal(&serving);
    file_watch_stop(watch);
    const bool drained = drain(&serving, signal_number);
    const bool left_over = service_is_busy(s);
    service_destroy(s);
    LOG_ANYWAY(LOG_INFO, "service.stopped", "The service has stopped",
               LOG_B("bff.drained", drained), LOG_B("bff.requests_cut", left_over));
    return EXIT_GOOD;
}

static int serve(struct settings *settings, const struct listeners *listeners,
                 const struct config_inputs *inputs, const struct notes *notes,
                 struct timespec began)
{
    if (!telemetry_start(settings->config, settings->resources.seal)) {
        settings_unref(settings);
        (void)fputs("cannot start log and metrics: no memory or threads\n", stderr);
        return EXIT_FAILED;
    }
    log_notes(notes);
    const int code = run(settings, listeners, inputs, began);
    telemetry_stop();
    return code;
}

int command_serve(const struct invocation *in)
{
    const struct config_inputs inputs = {
        .purpose = CONFIG_FOR_SERVICE, .argc = in->argc, .argv = in->argv, .envp = in->envp};
    struct settings *settings = NULL;
    struct listeners listeners;
    struct notes notes = {0};
    const struct timespec began = file_watch_now();

    notes.out = open_memstream(&notes.text, &notes.len);
    if (!notes.out || !crypto_init()) {
        (void)fputs("cannot start: no memory, or OpenSSL is unusable\n", stderr);
        return EXIT_CONFIG;
    }
    notify_init();
    int code = listeners_inherit(&listeners, notes.out) ? EXIT_GOOD : EXIT_CONFIG;
    if (code == EXIT_GOOD)
        code = settings_load(&inputs, NULL, notes.out, &settings);
    (void)fclose(notes.out);
    process_overwrite_secrets(in->envp);
    process_block_signals();
    if (code == 0)
        code = serve(settings, &listeners, &inputs, &notes, began);
    else
        (void)fputs(notes.text, stderr);

    free(notes.text);
    crypto_finish();
    return code;
}
