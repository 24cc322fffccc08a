/* SPDX-License-Identifier: Apache-2.0
 * notify: one datagram a message, to a path or an abstract name; nothing without NOTIFY_SOCKET. */
#include "notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"

/* A socket with an abstract name of its own; the variable names it. */
static int listen_as_manager(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    char name[64];

    (void)snprintf(name, sizeof(name), "@bff-notify-%ld", (long)getpid());
    memcpy(sa.sun_path + 1, name + 1, strlen(name) - 1);
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    const socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void ck_assert_hears(int fd, const char *beginning)
{
    char text[256] = "";

    ck_assert_int_gt(recv(fd, text, sizeof(text) - 1, 0), 0);
    ck_assert_msg(strstr(text, beginning) == text, "%s", text);
}

START_TEST(the_manager_hears_each_message)
{
    const int fd = listen_as_manager();
    notify_init();
    ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
    notify("READY=1\nSTATUS=Serving");
    notify_reloading();
    ck_assert_hears(fd, "READY=1\nSTATUS=Serving");
    ck_assert_hears(fd, "RELOADING=1\nMONOTONIC_USEC=");
    (void)close(fd);
    notify("READY=1"); /* nobody hears it, and nothing happens */
}
END_TEST

START_TEST(without_a_good_address_nothing_is_sent)
{
    static const char *const BAD[] = {"", "/", "relative", "vsock:2:1"};
    char too_long[256] = "/";

    memset(too_long + 1, 'x', sizeof(too_long) - 2);
    for (size_t i = 0; i <= ARRAY_LEN(BAD); i++) {
        ck_assert_int_eq(setenv("NOTIFY_SOCKET", i < ARRAY_LEN(BAD) ? BAD[i] : too_long, 1), 0);
        notify_init();
        ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
        notify("READY=1");
    }
}
END_TEST

/* What the variables say: usec and pid (NULL: not set), and the period that comes of them. */
static const struct {
    const char *usec, *pid;
    int64_t expected_ms;
} WATCHDOGS[] = {
    {NULL, NULL, 0},       {"30000000", NULL, 30000},
    {"30000000", "1", 0},  {"400", NULL, 1},
    {"0", NULL, 0},        {"-5", NULL, 0},
    {"", NULL, 0},         {"30s", NULL, 0},
    {"30000000", "me", 0}, {"99999999999999999999", NULL, 0},
};

static void set_or_unset(const char *name, const char *value)
{
    ck_assert_int_eq(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

START_TEST(the_watchdog_is_that_of_this_process)
{
    for (size_t i = 0; i < ARRAY_LEN(WATCHDOGS); i++) {
        const int fd = listen_as_manager();
        set_or_unset("WATCHDOG_USEC", WATCHDOGS[i].usec);
        set_or_unset("WATCHDOG_PID", WATCHDOGS[i].pid);
        notify_init();
        ck_assert_int_eq(notify_watchdog_ms(), WATCHDOGS[i].expected_ms);
        ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
        ck_assert_ptr_null(getenv("WATCHDOG_PID"));
        (void)close(fd);
    }

    char pid[32];
    const int fd = listen_as_manager();
    (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    set_or_unset("WATCHDOG_USEC", "2000000");
    set_or_unset("WATCHDOG_PID", pid);
    notify_init();
    ck_assert_int_eq(notify_watchdog_ms(), 2000);
    (void)close(fd);
}
END_TEST

START_TEST(nobody_to_tell_is_no_watchdog)
{
    set_or_unset("NOTIFY_SOCKET", NULL);
    set_or_unset("WATCHDOG_USEC", "2000000");
    notify_init();
    ck_assert_int_eq(notify_watchdog_ms(), 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("notify");
    tcase_add_test(t, the_manager_hears_each_message);
    tcase_add_test(t, without_a_good_address_nothing_is_sent);
    tcase_add_test(t, the_watchdog_is_that_of_this_process);
    tcase_add_test(t, nobody_to_tell_is_no_watchdog);
    return unit_run(t, "notify");
}
